//! Whether this machine lets this program make containers at all: asked when a runtime is
//! opened, so that nobody who trusts in isolation finds out later, or never.
//!
//! Each answer names what is missing and how to get it. Nothing is changed by asking.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use caps::{CapSet, Capability};
use nix::errno::Errno;
use nix::libc;
use rustix::mount::FsOpenFlags;

use super::raw;
use crate::error::Refusal;

/// What statfs(2) says of an overlay and of procfs (`man 2 statfs`).
const OVERLAYFS: u64 = 0x794c_7630;
const PROCFS: u64 = 0x9fa0;

/// Filesystems that are known to take an overlay's upper folder: ext4, xfs, btrfs, tmpfs.
const GOOD_FOR_OVERLAYS: [u64; 4] = [0xef53, 0x5846_5342, 0x9123_683e, 0x0102_1994];

/// The number that the kernel gives to the user namespace of the machine itself
/// (PROC_USER_INIT_INO in its sources). All others have been made later.
const MACHINE_USER_NAMESPACE: u64 = 0xefff_fffd;

/// How many ids a container needs of its user namespace: the users of its images, and the
/// group 5 of its terminals.
const IDS_NEEDED: u64 = 65_534;

/// The rights that every start takes.
const RIGHTS: [Capability; 4] = [
    Capability::CAP_SYS_ADMIN,
    Capability::CAP_SETUID,
    Capability::CAP_SETGID,
    Capability::CAP_SETPCAP,
];

/// The youngest calls that a start makes, and the Linux that has had each first. The last of
/// them, 5.12, is the oldest kernel that the Linux backend works with.
const CALLS: [(&str, libc::c_long, &str); 12] = [
    ("mount_setattr", libc::SYS_mount_setattr, "5.12"),
    ("close_range", libc::SYS_close_range, "5.9"),
    ("openat2", libc::SYS_openat2, "5.6"),
    ("clone3", libc::SYS_clone3, "5.3"),
    ("pidfd_open", libc::SYS_pidfd_open, "5.3"),
    ("fsopen", libc::SYS_fsopen, "5.2"),
    ("fsconfig", libc::SYS_fsconfig, "5.2"),
    ("fsmount", libc::SYS_fsmount, "5.2"),
    ("open_tree", libc::SYS_open_tree, "5.2"),
    ("move_mount", libc::SYS_move_mount, "5.2"),
    ("pidfd_send_signal", libc::SYS_pidfd_send_signal, "5.1"),
    ("seccomp", libc::SYS_seccomp, "3.17"),
];

/// The oldest Linux that has them all.
const OLDEST: &str = "5.12";

const NAMESPACES: [&str; 6] = ["mnt", "pid", "net", "uts", "ipc", "cgroup"];

/// Why no container could be made on the store at `root`; None if there is no such reason.
pub(crate) fn refusal(root: &Path) -> Option<Refusal> {
    // The order is that of what helps: without rights, a call's answer says nothing.
    missing_proc().or_else(missing_rights).or_else(missing_call).or_else(|| missing_overlay(root))
}

fn refused(why: impl Into<String>, hint: impl Into<String>) -> Option<Refusal> {
    Some(Refusal { why: why.into(), hint: hint.into() })
}

fn missing_proc() -> Option<Refusal> {
    let found = rustix::fs::statfs("/proc").map(|found| found.f_type as u64);
    if found != Ok(PROCFS) {
        return refused(
            "/proc is not mounted, from which the kernel tells of processes and mounts",
            "Mount it: mount -t proc proc /proc (as root).",
        );
    }
    let missing = |name: &&str| !Path::new("/proc/self/ns").join(name).exists();
    match NAMESPACES.iter().find(|name| missing(name)) {
        Some(name) => refused(
            format!("this kernel was built without {name} namespaces (/proc/self/ns/{name})"),
            "Use a kernel of a distribution, which has them all.",
        ),
        None => None,
    }
}

fn missing_rights() -> Option<Refusal> {
    let is_root = nix::unistd::geteuid().is_root();
    let lacks =
        |right: &Capability| !caps::has_cap(None, CapSet::Effective, *right).unwrap_or(false);
    let lacking: Vec<String> =
        RIGHTS.iter().filter(|right| lacks(right)).map(ToString::to_string).collect();
    match (lacking.is_empty(), is_root) {
        (true, _) => {}
        (false, false) => {
            return refused(
                "making namespaces and mounts takes root's rights (CAP_SYS_ADMIN)",
                "Run it as root: sudo.",
            );
        }
        (false, true) => {
            return refused(
                format!(
                    "this root has not all of root's rights: it lacks {}, as inside another container",
                    lacking.join(", ")
                ),
                "Run it on the machine itself, or give the container around it those rights \
                 (docker run --privileged; securityContext.privileged in Kubernetes).",
            );
        }
    }
    let of_machine = std::fs::metadata("/proc/self/ns/user")
        .map_or(true, |namespace| namespace.ino() == MACHINE_USER_NAMESPACE);
    let mapped = mapped_ids("/proc/self/uid_map").min(mapped_ids("/proc/self/gid_map"));
    if !of_machine && mapped < IDS_NEEDED {
        return refused(
            format!(
                "this is root of a user namespace alone, which has {mapped} of the {IDS_NEEDED} user \
                 and group ids that containers need"
            ),
            "Run it as root of the machine (sudo), outside of the user namespace (unshare -U, \
             a rootless container).",
        );
    }
    None
}

/// How many ids a user namespace has, from 0 on (`man 7 user_namespaces`).
fn mapped_ids(map: &str) -> u64 {
    let text = std::fs::read_to_string(map).unwrap_or_default();
    let mut ranges: Vec<(u64, u64)> = text
        .lines()
        .filter_map(|line| {
            let mut numbers = line.split_whitespace().map(str::parse::<u64>);
            let (Some(Ok(inside)), Some(Ok(_)), Some(Ok(count))) =
                (numbers.next(), numbers.next(), numbers.next())
            else {
                return None;
            };
            Some((inside, count))
        })
        .collect();
    ranges.sort_unstable();
    ranges.into_iter().fold(0, |next, (inside, count)| match inside <= next {
        true => next.max(inside.saturating_add(count)),
        false => next,
    })
}

/// A kernel that is too old, or a filter of system calls that is older than the kernel.
fn missing_call() -> Option<Refusal> {
    for (name, number, since) in CALLS {
        match raw::probe(number) {
            Errno::ENOSYS => {
                let kernel = nix::sys::utsname::uname()
                    .map(|name| name.release().to_string_lossy().into_owned())
                    .unwrap_or_default();
                return refused(
                    format!("this kernel ({kernel}) has no {name}, which Linux has since {since}"),
                    format!(
                        "Use Linux {OLDEST} or newer. If this is: a filter of system calls around \
                         the program (seccomp) is older than the kernel; run it without."
                    ),
                );
            }
            // The kernel finds no other fault with such arguments than that they make no sense.
            Errno::EPERM => {
                return refused(
                    format!("this program may not call {name}, in spite of root's rights"),
                    "A filter of system calls around it forbids that (seccomp, as an old Docker's), \
                     or its mounts belong to another user namespace. Run it on the machine itself.",
                );
            }
            _ => {}
        }
    }
    None
}

fn missing_overlay(root: &Path) -> Option<Refusal> {
    // Only asks for the filesystem: nothing is mounted, and the descriptor is closed at once.
    if let Err(errno) = rustix::mount::fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC) {
        return refused(
            format!("this kernel gives no overlay: fsopen(\"overlay\") => {errno}"),
            "Load the kernel module: modprobe overlay (as root).",
        );
    }
    const ELSEWHERE: &str = "Choose a root folder on an ordinary filesystem (ext4, xfs, btrfs, tmpfs); \
                             inside Docker, one in a volume (docker run -v).";
    let filesystem = rustix::fs::statfs(root).ok()?.f_type as u64;
    match filesystem {
        // As inside Docker: an overlay's upper folder cannot be on another overlay.
        OVERLAYFS => refused(
            format!(
                "the root folder {} is on an overlay, and overlays cannot be stacked",
                root.display()
            ),
            ELSEWHERE,
        ),
        good if GOOD_FOR_OVERLAYS.contains(&good) => None,
        _ => match try_overlay(root) {
            Ok(()) => None,
            Err(why) => refused(
                format!(
                    "the filesystem of the root folder {} cannot hold what containers change: {why}",
                    root.display()
                ),
                ELSEWHERE,
            ),
        },
    }
}

/// Makes an overlay whose upper folder is in the root folder, and shows it nowhere. What is
/// wrong with something else, as on a full disk, is no reason.
fn try_overlay(root: &Path) -> Result<(), String> {
    use rustix::mount::{
        FsMountFlags, MountAttrFlags, fsconfig_create, fsconfig_set_string, fsmount, fsopen,
    };
    let Ok(folder) = tempfile::Builder::new().prefix(".overlay-").tempdir_in(root) else {
        return Ok(());
    };
    let [lower, upper, work] = ["lower", "upper", "work"].map(|name| folder.path().join(name));
    if [&lower, &upper, &work].into_iter().any(|path| std::fs::create_dir(path).is_err()) {
        return Ok(());
    }
    let attempt = || -> rustix::io::Result<()> {
        let overlay = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
        for (key, path) in [("lowerdir", &lower), ("upperdir", &upper), ("workdir", &work)] {
            fsconfig_set_string(&overlay, key, path)?;
        }
        fsconfig_create(&overlay)?;
        fsmount(&overlay, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty()).map(drop)
    };
    let result = attempt().map_err(|errno| format!("an overlay on it fails with {errno}"));
    // A filesystem may take the overlay read-only, or without a mark for removed files.
    let marked = rustix::fs::mknodat(
        File::open(&upper).map_err(|error| error.to_string())?,
        "removed",
        rustix::fs::FileType::CharacterDevice,
        0o600.into(),
        0,
    );
    result.and(marked.map_err(|errno| format!("a mark for a removed file fails with {errno}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_kernel_has_every_call() {
        for (name, number, _) in CALLS {
            assert_ne!(raw::probe(number), Errno::ENOSYS, "{name}");
        }
    }

    #[test]
    fn ids_count_as_far_as_they_follow_each_other() {
        let map = |text: &str| {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), text).unwrap();
            mapped_ids(file.path().to_str().unwrap())
        };
        assert_eq!(map("         0       1000          1\n"), 1, "unshare -r");
        assert_eq!(map("0 1000 1\n1 100000 65536\n"), 65_537, "newuidmap");
        assert_eq!(map("0 0 4294967295\n"), 4_294_967_295, "the machine itself");
        assert_eq!(map("1 100000 65536\n"), 0);
    }
}
