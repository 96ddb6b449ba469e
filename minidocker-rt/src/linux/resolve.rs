//! Paths of a container, resolved as it would resolve them (`man 2 openat2`).

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::{Errno, Result};
use rustix::path::Arg;

/// How often it is tried. A machine that renames without end must not keep us here.
const TRIES: usize = 128;

/// Opens a path inside a root: an absolute symlink starts at that root, `..` stops there, and
/// the magic links of /proc, which could lead anywhere, are refused.
///
/// # Errors
/// Those of openat2(2); EAGAIN only after many tries.
pub(super) fn in_root(root: impl AsFd, path: impl Arg + Copy, flags: OFlags) -> Result<OwnedFd> {
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let flags = flags | OFlags::CLOEXEC;
    // While anybody on this machine renames or mounts something, the kernel cannot be sure that
    // a `..` stays inside, and answers EAGAIN. Other containers do both all the time.
    for _ in 1..TRIES {
        match rustix::fs::openat2(&root, path, flags, Mode::empty(), resolve) {
            Err(Errno::AGAIN) => {}
            result => return result,
        }
    }
    rustix::fs::openat2(&root, path, flags, Mode::empty(), resolve)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[test]
    fn what_others_rename_meanwhile_is_no_failure() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["here", "renamed"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let root = File::open(folder.path()).unwrap();
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let names = ["renamed", "moved"].map(|name| folder.path().join(name));
                for (from, to) in [(0, 1), (1, 0)].into_iter().cycle() {
                    fs::rename(&names[from], &names[to]).unwrap();
                    if done.load(Ordering::Relaxed) {
                        break;
                    }
                }
            });
            let path = "here/..".to_string() + &"/here/..".repeat(50);
            let failed = (0..5000).find_map(|_| in_root(&root, path.as_str(), OFlags::PATH).err());
            done.store(true, Ordering::Relaxed);
            assert_eq!(failed, None);
        });
    }
}
