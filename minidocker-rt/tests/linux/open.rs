//! What opening a runtime finds out: whoever has one has real containers.

use std::path::Path;

use caps::{CapSet, Capability};
use minidocker_rt::{BackendKind, Error, Runtime};
use nix::libc;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};

use crate::lab::{Lab, child, child_with};

crate::trials![
    a_kernel_without_a_call_is_found_out_at_open_with_the_version_that_has_it,
    a_root_without_its_rights_is_told_which_it_lacks,
    the_root_of_a_user_namespace_is_told_that_it_is_none_of_the_machine,
    a_root_folder_on_an_overlay_is_refused_at_open,
    without_proc_nothing_is_opened,
    with_read_only_cgroups_a_limit_is_refused_and_all_can_be_deleted,
];

/// The calls that a kernel is told to lack, by their numbers.
const LACKED: &str = "MINIDOCKER_TEST_LACKED_CALLS";

/// Opens as every program does, and says how it went.
fn tell(root: &Path) {
    for builder in [Runtime::builder(), Runtime::builder().backend(BackendKind::Linux)] {
        match builder.open(root) {
            Err(error @ Error::CannotIsolate { .. }) => println!("{error} {}", error.hint()),
            other => println!("{other:?}"),
        }
    }
    let any = Runtime::builder().backend(BackendKind::Any).open(root);
    println!("{:?}", any.map(|runtime| runtime.backend().kind));
}

/// What such a program says: twice the same refusal, and that the simulation is for who asks.
fn said(scenario: &str, variables: &[(&str, &str)]) -> String {
    let root = tempfile::tempdir().unwrap();
    let mut program = child_with(scenario, root.path(), variables);
    let first = program.line();
    assert!(first.starts_with("there are no real containers here: "), "{first}");
    assert_eq!(program.line(), first);
    assert_eq!(program.line(), "Ok(Simulation)");
    first
}

fn a_kernel_without_a_call_is_found_out_at_open_with_the_version_that_has_it() {
    for (name, number, since) in [
        ("mount_setattr", libc::SYS_mount_setattr, "5.12"),
        ("close_range", libc::SYS_close_range, "5.9"),
        ("openat2", libc::SYS_openat2, "5.6"),
        ("clone3", libc::SYS_clone3, "5.3"),
        ("pidfd_open", libc::SYS_pidfd_open, "5.3"),
        ("fsopen", libc::SYS_fsopen, "5.2"),
        ("open_tree", libc::SYS_open_tree, "5.2"),
        ("move_mount", libc::SYS_move_mount, "5.2"),
        ("pidfd_send_signal", libc::SYS_pidfd_send_signal, "5.1"),
    ] {
        let said = said("old-kernel", &[(LACKED, &number.to_string())]);
        assert!(said.contains(&format!("has no {name}, ")), "{said}");
        assert!(said.contains(&format!("since {since}")), "{said}");
        assert!(said.contains("Use Linux 5.12 or newer"), "{said}");
    }
}

/// A program on a kernel that lacks calls: a filter answers ENOSYS to them, as it would.
pub fn old_kernel(root: &str) {
    let instruction = |code: u32, k: u32| libc::sock_filter { code: code as u16, jt: 0, jf: 0, k };
    let answer = |k| instruction(libc::BPF_RET | libc::BPF_K, k);
    // The number of the call is the first field of seccomp_data.
    let mut filter = vec![instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0)];
    for number in std::env::var(LACKED).unwrap().split(',') {
        let jump = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
        let jump = instruction(jump, number.parse().unwrap());
        filter.push(libc::sock_filter { jf: 1, ..jump });
        filter.push(answer(libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32));
    }
    filter.push(answer(libc::SECCOMP_RET_ALLOW));
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    // SAFETY: the program points to `len` instructions, which the kernel copies.
    let result = unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program)
    };
    assert_eq!(result, 0);
    tell(root.as_ref());
}

fn a_root_without_its_rights_is_told_which_it_lacks() {
    let said = said("without-rights", &[]);
    assert!(said.contains("lacks CAP_SYS_ADMIN, as inside another container"), "{said}");
    assert!(said.contains("--privileged"), "{said}");
}

/// As in an ordinary pod.
pub fn without_rights(root: &str) {
    caps::drop(None, CapSet::Effective, Capability::CAP_SYS_ADMIN).unwrap();
    tell(root.as_ref());
}

fn the_root_of_a_user_namespace_is_told_that_it_is_none_of_the_machine() {
    let said = said("user-namespace", &[]);
    assert!(said.contains("root of a user namespace alone, which has 1 of"), "{said}");
    assert!(said.contains("sudo"), "{said}");
}

/// As `unshare --user --map-root-user --mount` makes it.
pub fn user_namespace(root: &str) {
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS).unwrap();
    for (file, text) in [("setgroups", "deny"), ("uid_map", "0 0 1"), ("gid_map", "0 0 1")] {
        std::fs::write(format!("/proc/self/{file}"), text).unwrap();
    }
    tell(root.as_ref());
}

/// Leaves the mounts of the machine alone from here on.
pub fn have_own_mounts() {
    unshare(CloneFlags::CLONE_NEWNS).unwrap();
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, private, None::<&str>).unwrap();
}

fn a_root_folder_on_an_overlay_is_refused_at_open() {
    let said = said("on-an-overlay", &[]);
    assert!(said.contains("is on an overlay, and overlays cannot be stacked"), "{said}");
    assert!(said.contains("docker run -v"), "{said}");
}

/// As inside Docker.
pub fn on_an_overlay(root: &str) {
    have_own_mounts();
    let root = Path::new(root);
    let tmpfs = Some("tmpfs");
    mount(tmpfs, root, tmpfs, MsFlags::empty(), None::<&str>).unwrap();
    let [lower, upper, work, merged] = ["lower", "upper", "work", "merged"].map(|name| {
        let folder = root.join(name);
        std::fs::create_dir(&folder).unwrap();
        folder
    });
    let options = format!(
        "lowerdir={},upperdir={},workdir={}",
        lower.display(),
        upper.display(),
        work.display()
    );
    let overlay = Some("overlay");
    mount(overlay, &merged, overlay, MsFlags::empty(), Some(&*options)).unwrap();
    tell(&merged.join("root"));
}

fn without_proc_nothing_is_opened() {
    let lab = Lab::new();
    let mut program = child("without-proc", lab.root());
    let said = program.line();
    assert!(said.contains("/proc is not mounted") && said.contains("mount -t proc"), "{said}");
}

/// As in a bare chroot.
pub fn without_proc(root: &str) {
    have_own_mounts();
    umount2("/proc", MntFlags::MNT_DETACH).unwrap();
    match Runtime::open(root) {
        Err(error) => println!("{error} {}", error.hint()),
        Ok(runtime) => println!("{runtime:?}"),
    }
}

fn with_read_only_cgroups_a_limit_is_refused_and_all_can_be_deleted() {
    let lab = Lab::new();
    let mut program = child("read-only-cgroups", lab.root());
    let said = program.line();
    assert!(said.contains("cgroups are mounted read-only at /sys/fs/cgroup"), "{said}");
    assert!(said.contains("best_effort_limits") && !said.contains("Choose a root"), "{said}");
    assert_eq!(program.line(), "deleted, deleted by force");
    let said = program.line();
    assert!(said.starts_with("code 0: pids_limit: "), "{said}");
}

/// As in a pod that is root, but shares the cgroups of its machine.
pub fn read_only_cgroups(root: &str) {
    have_own_mounts();
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    for line in mounts.lines() {
        let fields: Vec<&str> = line.split(' ').collect();
        if fields[2].starts_with("cgroup") {
            let flags = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY;
            mount(None::<&str>, fields[1], None::<&str>, flags, None::<&str>).unwrap();
        }
    }
    let runtime = crate::lab::open(root);
    let made = |name: &str| runtime.create(crate::lab::sh(name, "true")).unwrap();
    let (a, b) = (made("a"), made("b"));
    let _ = b.start();
    match a.start() {
        Err(error) => println!("{error} {}", error.hint()),
        Ok(()) => println!("it started"),
    }
    a.delete().unwrap();
    b.delete_force().unwrap();
    println!("deleted, deleted by force");
    let container = runtime.create(crate::lab::sh("c", "true").best_effort_limits(true)).unwrap();
    container.start().unwrap();
    let exit = container.wait_timeout(crate::lab::PATIENCE).unwrap();
    let not_enforced = container.inspect().unwrap().not_enforced.join("; ");
    container.delete().unwrap();
    // Last, because who hears it ends this program.
    println!("{exit}: {not_enforced}");
}
