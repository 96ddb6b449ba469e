//! Our own helper processes: what they must not become, a way into the host.

use std::fs::{self, OpenOptions};

use minidocker_rt::{Error, Exec, Runtime};
use nix::sched::{CloneFlags, unshare};
use nix::sys::statvfs::{FsFlags, statvfs};

use crate::lab::{
    Lab, child, child_with, eventually, family, parent_of, sh, sleeper, status_field,
};

crate::trials![
    the_container_cannot_look_into_its_init,
    the_helpers_are_not_dumpable,
    the_helpers_tell_nothing_of_the_host,
    init_has_no_right_but_to_pass_signals_on,
    signals_are_passed_on_to_a_command_of_another_user,
    the_helpers_run_from_an_unwritable_copy,
    on_a_host_with_shared_mounts_nothing_spreads,
    a_fake_dev_null_is_found_out,
    what_is_the_programs_own_does_not_reach_the_container,
    rights_that_the_program_hands_on_end_at_the_container,
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

fn the_helpers_tell_nothing_of_the_host() {
    crate::net_lab::in_own_network(what_helpers_tell);
}

fn what_helpers_tell(lab: &Lab) {
    assert_eq!(
        lab.sh("tr '\\0' '|' < /proc/1/cmdline; cat /proc/1/comm"),
        "minidocker-init|minidocker-init\n"
    );
    let seen = lab.sh("ps -ef 2>/dev/null || ps");
    assert!(seen.contains("minidocker-init"), "{seen}");
    assert!(!seen.contains(&lab.root().display().to_string()), "{seen}");
    // This test has many variables; `LD_LIBRARY_PATH` is often one of them.
    let mut program = child_with("telling", lab.root(), &[("SECRET", "s3cret"), ("TZ", "JST-9")]);
    for _ in 0..4 {
        assert_eq!(program.line(), "minidocker-init\\0, 0 bytes of variables");
    }
    assert_eq!(program.line(), "the forwarder has a filter: true");
    assert_eq!(program.line(), "the log's time is the program's: true");
}

/// A program with variables that are nobody's business, on a machine in Greenwich.
pub fn telling(root: &str) {
    let runtime = crate::lab::open(root);
    let spec = sleeper("telling").publish("127.0.0.1:0:80");
    let container = runtime.create(spec.network(minidocker_rt::NetworkMode::Bridge)).unwrap();
    container.start().unwrap();
    let family = family(&container);
    let forwarder = fs::read_dir("/proc").unwrap().flatten().find_map(|entry| {
        let pid = entry.file_name().to_str()?.parse::<i32>().ok()?;
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
        (name == "md-forwarder\n" && parent_of(pid) == family.supervisor).then_some(pid)
    });
    for pid in [family.spawner, family.supervisor, family.init, forwarder.unwrap()] {
        let read = |file: &str| fs::read(format!("/proc/{pid}/{file}")).unwrap();
        let command = read("cmdline").escape_ascii().to_string().replace("\\x00", "\\0");
        let variables = read("environ").into_iter().filter(|byte| *byte != 0).count();
        println!("{command}, {variables} bytes of variables");
    }
    let forwarders = status_field(forwarder.unwrap(), "Seccomp").unwrap();
    println!("the forwarder has a filter: {}", forwarders == "2");
    let log = container.logs().unwrap().render().unwrap();
    // As 2030-01-31T12:34:56Z.
    let utc = container.inspect().unwrap().started_at.unwrap().to_string();
    let hour: u32 = utc[11..13].parse().unwrap();
    let there = format!("{:02}:{}", (hour + 9) % 24, &utc[14..16]);
    println!("the log's time is the program's: {}", log.contains(&there));
    container.delete_force().unwrap();
}

fn init_has_no_right_but_to_pass_signals_on() {
    let lab = Lab::new();
    let off = minidocker_rt::Isolation {
        capabilities: false,
        no_new_privs: false,
        seccomp: false,
        ..Default::default()
    };
    // Also where the command keeps all its rights.
    for spec in [sleeper("a"), sleeper("b").isolation(off)] {
        let container = lab.start(spec);
        let init = family(&container).init;
        // Its last steps are after the start.
        eventually("it has its filter", || status_field(init, "Seccomp").unwrap() == "2");
        const KILL: &str = "0000000000000020";
        const NONE: &str = "0000000000000000";
        for (set, value) in [
            ("CapEff", KILL),
            ("CapPrm", KILL),
            ("CapBnd", NONE),
            ("CapInh", NONE),
            ("CapAmb", NONE),
            ("NoNewPrivs", "1"),
            ("Seccomp_filters", "1"),
        ] {
            if let Some(found) = status_field(init, set) {
                assert_eq!(found, value, "{set}");
            }
        }
        let output = container.exec("sh -c 'sleep 0 & exit 7'").unwrap();
        assert_eq!(output.exit.code, 7);
        container.stop_within(std::time::Duration::ZERO).unwrap();
    }
}

fn signals_are_passed_on_to_a_command_of_another_user() {
    let lab = Lab::new();
    let container = lab.start(sleeper("a").user("1000:1000".parse().unwrap()));
    let root = Exec::new("sh -c 'kill -15 1'").user("0:0".parse().unwrap());
    let output = container.exec(root).unwrap();
    assert!(output.exit.success() || output.exit.signal == Some(9), "{}", output.exit);
    let exit = container.wait_timeout(crate::lab::PATIENCE).unwrap();
    assert_eq!((exit.code, exit.signal), (143, Some(15)));
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

fn rights_that_the_program_hands_on_end_at_the_container() {
    let lab = Lab::new();
    let mut program = child("generous", lab.root());
    assert_eq!(program.line(), "0000000000000000 0000000000000000");
    assert_eq!(program.line(), "0000000000000000 0000000000000000");
}

/// A program whose rights pass an exec, also to another user.
pub fn generous(root: &str) {
    use caps::{CapSet, Capability};
    for set in [CapSet::Inheritable, CapSet::Ambient] {
        caps::raise(None, set, Capability::CAP_NET_RAW).unwrap();
    }
    let runtime = crate::lab::open(root);
    for (name, user) in [("root", "0:0"), ("other", "1000:1000")] {
        let container = runtime.create(sleeper(name).user(user.parse().unwrap())).unwrap();
        container.start().unwrap();
        let pid = container.inspect().unwrap().pid.unwrap();
        let set = |name: &str| status_field(pid, name).unwrap();
        println!("{} {}", set("CapInh"), set("CapAmb"));
        container.delete_force().unwrap();
    }
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
const EARLY_THREAD: &str = "MINIDOCKER_TEST_EARLY_THREAD";

/// Whether it is set, for this process or, as a helper has no variables, for its parent.
pub fn wants_early_thread() -> bool {
    let theirs = || fs::read(format!("/proc/{}/environ", std::os::unix::process::parent_id()));
    let is_set = |variables: Vec<u8>| {
        let mut all = variables.split(|byte| *byte == 0);
        all.any(|one| one.starts_with(EARLY_THREAD.as_bytes()))
    };
    std::env::var_os(EARLY_THREAD).is_some()
        || std::env::args().len() == 1 && theirs().is_ok_and(is_set)
}

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
