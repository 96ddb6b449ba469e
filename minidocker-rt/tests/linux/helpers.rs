//! Our own helper processes: what they must not become, a way into the host.

use std::fs::{self, OpenOptions};

use minidocker_rt::{Error, Runtime};
use nix::sched::{CloneFlags, unshare};
use nix::sys::statvfs::{FsFlags, statvfs};

use crate::lab::{Lab, child, child_with, family, parent_of, sh, sleeper};

crate::trials![
    the_container_cannot_look_into_its_init,
    the_helpers_are_not_dumpable,
    the_helpers_run_from_an_unwritable_copy,
    on_a_host_with_shared_mounts_nothing_spreads,
    a_fake_dev_null_is_found_out,
    what_is_the_programs_own_does_not_reach_the_container,
    there_is_one_spawner_per_runtime_and_it_ends_with_it,
    a_helper_that_never_calls_init_is_explained,
    a_thread_before_init_is_refused_with_the_reason,
    init_reaps_orphans,
];

fn the_container_cannot_look_into_its_init() {
    let lab = Lab::new();
    for file in ["exe", "root", "cwd", "fd/0"] {
        let (exit, output) = lab.run(sh("a", &format!("readlink /proc/1/{file}")));
        assert_ne!(exit.code, 0, "{file}: {output}");
    }
    let (exit, output) = lab.run(sh("b", "cat /proc/1/environ /proc/1/maps"));
    assert_ne!(exit.code, 0, "{output}");
}

fn the_helpers_are_not_dumpable() {
    let lab = Lab::new();
    let mut program = child("no-ptrace", lab.root());
    assert_eq!(program.line(), "closed");
}

/// A program like its helpers in everything, and without the right to look into any
/// process: it may look into them only if they are dumpable.
pub fn no_ptrace(root: &str) {
    use caps::{CapSet, Capability};
    for set in [CapSet::Bounding, CapSet::Effective, CapSet::Permitted] {
        caps::drop(None, set, Capability::CAP_SYS_PTRACE).unwrap();
    }
    let runtime = crate::lab::open(root);
    let container = runtime.create(sleeper("a")).unwrap();
    container.start().unwrap();
    let family = family(&container);
    let open = [family.spawner, family.supervisor, family.init]
        .into_iter()
        .any(|pid| fs::read_link(format!("/proc/{pid}/exe")).is_ok());
    container.delete_force().unwrap();
    println!("{}", if open { "open" } else { "closed" });
}

fn on_a_host_with_shared_mounts_nothing_spreads() {
    let lab = Lab::new();
    let mut program = child("shared-mounts", lab.root());
    assert_eq!(program.line(), "0 more mounts");
}

/// Mounts that propagate, as systemd sets them up; in a mount namespace of its own.
pub fn shared_mounts(root: &str) {
    use nix::mount::{MsFlags, mount};
    unshare(CloneFlags::CLONE_NEWNS).unwrap();
    let nothing: Option<&str> = None;
    for kind in [MsFlags::MS_PRIVATE, MsFlags::MS_SHARED] {
        mount(nothing, "/", nothing, MsFlags::MS_REC | kind, nothing).unwrap();
    }
    let mounts = || fs::read_to_string("/proc/self/mountinfo").unwrap().lines().count();
    let before = mounts();
    let runtime = crate::lab::open(root);
    let spec = sleeper("a").volume(&format!("{root}/images:/data")).unwrap();
    let container = runtime.create(spec).unwrap();
    container.start().unwrap();
    println!("{} more mounts", mounts() - before);
    container.delete_force().unwrap();
}

fn the_helpers_run_from_an_unwritable_copy() {
    let lab = Lab::new();
    let container = lab.start(sleeper("a"));
    let family = family(&container);
    for helper in [family.init, family.supervisor, family.spawner] {
        let exe = format!("/proc/{helper}/exe");
        // Even root of the host, while it runs or after, finds a read-only filesystem.
        assert!(statvfs(exe.as_str()).unwrap().flags().contains(FsFlags::ST_RDONLY));
        assert!(OpenOptions::new().write(true).open(&exe).is_err());
    }
}

fn a_fake_dev_null_is_found_out() {
    let lab = Lab::new();
    let mut program = child("fake-null", lab.root());
    let said = program.line();
    // CVE-2025-31133: masking with it would uncover instead of hide.
    assert!(said.starts_with("step dev: fstat(</dev/null>)"), "{said}");
}

/// Runs in a process of its own, with mounts of its own.
pub fn fake_null(root: &str) {
    unshare(CloneFlags::CLONE_NEWNS).unwrap();
    let nothing: Option<&str> = None;
    let private = nix::mount::MsFlags::MS_REC | nix::mount::MsFlags::MS_PRIVATE;
    nix::mount::mount(nothing, "/", nothing, private, nothing).unwrap();
    let runtime = crate::lab::open(root);
    let container = runtime.create(sleeper("fake")).unwrap();
    // The spawner needs the real one; it has it open by the time of the second start.
    container.start().unwrap();
    container.stop_within(std::time::Duration::ZERO).unwrap();
    let fake = std::path::Path::new(root).join("fake-null");
    fs::write(&fake, "").unwrap();
    let bind = nix::mount::MsFlags::MS_BIND;
    nix::mount::mount(Some(&fake), "/dev/null", nothing, bind, nothing).unwrap();
    match container.start() {
        Err(Error::StartFailed { failure, .. }) => println!("{failure}"),
        other => println!("{other:?}"),
    }
}

fn what_is_the_programs_own_does_not_reach_the_container() {
    let lab = Lab::new();
    let mut program = child("leaky", lab.root());
    assert_eq!(program.line(), "descriptor seen by: nobody");
    assert_eq!(program.line(), "umask 0022, groups 1001");
}

/// A program with a descriptor that is not closed on exec, a umask and groups of its own.
pub fn leaky(root: &str) {
    let marker = std::path::Path::new(root).join("marker");
    let file = fs::File::create(&marker).unwrap();
    use nix::fcntl::{FcntlArg, FdFlag, fcntl};
    fcntl(&file, FcntlArg::F_SETFD(FdFlag::empty())).unwrap();
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o077));
    nix::unistd::setgroups(&[nix::unistd::Gid::from_raw(4), nix::unistd::Gid::from_raw(27)])
        .unwrap();
    let runtime = crate::lab::open(root);
    let container = runtime.create(sleeper("leaky")).unwrap();
    container.start().unwrap();
    let family = family(&container);
    let mut found = Vec::new();
    for pid in [family.spawner, family.supervisor, family.init, family.command] {
        for entry in fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten() {
            if fs::read_link(entry.path()).is_ok_and(|target| target == marker) {
                found.push(pid);
            }
        }
    }
    container.delete_force().unwrap();
    let found = if found.is_empty() { "nobody".into() } else { format!("{found:?}") };
    println!("descriptor seen by: {found}");
    let spec = sh("mask", "echo umask $(umask), groups $(id -G)");
    let container = runtime.create(spec.user("1000:1001".parse().unwrap())).unwrap();
    container.start().unwrap();
    container.wait().unwrap();
    print!("{}", container.logs().unwrap().read_to_string().unwrap());
}

fn there_is_one_spawner_per_runtime_and_it_ends_with_it() {
    let lab = Lab::new();
    let families: Vec<_> =
        ["a", "b", "c"].map(|name| family(&lab.start(sleeper(name)))).into_iter().collect();
    let spawner = families[0].spawner;
    assert!(families.iter().all(|family| family.spawner == spawner));
    assert_eq!(parent_of(spawner), std::process::id() as i32);

    let second = crate::lab::open(lab.root());
    let other = second.create(sleeper("d")).unwrap();
    other.start().unwrap();
    let family = family(&other);
    assert_ne!(family.spawner, spawner);
    drop((second, other));
    assert!(!crate::lab::is_alive(family.spawner), "it ended with its runtime");
    assert!(crate::lab::is_alive(family.command), "and the container goes on");
    assert_ne!(parent_of(family.supervisor), family.spawner);
}

fn a_helper_that_never_calls_init_is_explained() {
    let lab = Lab::new();
    let runtime = Runtime::builder().helper("/bin/true").open(lab.root()).unwrap();
    let container = runtime.create(sleeper("a")).unwrap();
    match container.start() {
        Err(error @ Error::HelperMissing { .. }) => {
            assert!(error.hint().contains("minidocker_rt::init()"), "{}", error.hint());
        }
        other => panic!("{other:?}"),
    }
    let missing = Runtime::builder().helper("/no/such/helper").open(lab.root()).unwrap();
    let error = missing.get("a").unwrap().start().unwrap_err();
    assert!(error.to_string().contains("/no/such/helper"), "{error}");
}

/// With this variable set, this test program starts a thread before it calls `init`.
pub const EARLY_THREAD: &str = "MINIDOCKER_TEST_EARLY_THREAD";

fn a_thread_before_init_is_refused_with_the_reason() {
    let lab = Lab::new();
    let mut program = child_with("early-thread", lab.root(), &[(EARLY_THREAD, "1")]);
    let said = program.line();
    assert!(said.contains("1 threads run before minidocker_rt::init()"), "{said}");
}

/// A program whose helper has two threads.
pub fn early_thread(root: &str) {
    let container = crate::lab::open(root).create(sleeper("a")).unwrap();
    match container.start() {
        Err(error @ Error::HelperMissing { .. }) => println!("{error}"),
        other => println!("{other:?}"),
    }
}

fn init_reaps_orphans() {
    let lab = Lab::new();
    // A grandchild whose parent ends at once becomes init's child, and then a zombie
    // for ever unless init reaps it.
    let script = "sh -c 'sleep 0.2 & exit 0'; sleep 0.6; cat /proc/[0-9]*/stat | grep -c ' Z '";
    assert_eq!(lab.sh(script), "0\n");
}
