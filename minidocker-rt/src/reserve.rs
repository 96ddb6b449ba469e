//! Room on the disk that is kept for one small file, so that a disk that has become full in
//! the meantime does not keep it from being replaced.

use std::io;
use std::path::Path;

/// Room for one file of at most [`ROOM`] bytes, in a file that has no name yet: whatever
/// becomes of its owner, nothing is left of it.
pub(crate) struct Reserve(imp::File);

/// A record is a tenth of this, and with the output of its health check seldom more.
#[cfg(target_os = "linux")]
const ROOM: u64 = 8 << 10;

impl Reserve {
    /// Keeps room in a folder; None where there is none, or where the filesystem cannot.
    pub fn in_folder(folder: &Path) -> Option<Reserve> {
        imp::reserve(folder).map(Reserve)
    }

    /// Replaces a file, as a rename does: a reader sees the old or the new content. `spare` is a
    /// name beside it.
    pub fn replace(self, path: &Path, spare: &Path, bytes: &[u8]) -> io::Result<()> {
        imp::replace(self.0, path, spare, bytes)
    }
}

#[cfg(target_os = "linux")]
mod imp {
    use std::io::{self, Write};
    use std::os::fd::AsRawFd;
    use std::path::Path;

    use rustix::fs::{AtFlags, CWD, FallocateFlags, Mode, OFlags, fallocate, linkat, open};

    pub(super) use std::fs::File;

    pub(super) fn reserve(folder: &Path) -> Option<File> {
        let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
        let file = open(folder, flags, Mode::RUSR | Mode::WUSR).ok()?;
        fallocate(&file, FallocateFlags::KEEP_SIZE, 0, super::ROOM).ok()?;
        Some(file.into())
    }

    pub(super) fn replace(
        mut file: File,
        path: &Path,
        spare: &Path,
        bytes: &[u8],
    ) -> io::Result<()> {
        file.write_all(bytes)?;
        let _ = std::fs::remove_file(spare);
        // As open(2) says of O_TMPFILE: its name is given by way of /proc.
        let nameless = format!("/proc/self/fd/{}", file.as_raw_fd());
        linkat(CWD, nameless, CWD, spare, AtFlags::SYMLINK_FOLLOW)?;
        std::fs::rename(spare, path).inspect_err(|_| drop(std::fs::remove_file(spare)))
    }
}

#[cfg(not(target_os = "linux"))]
mod imp {
    use std::io;
    use std::path::Path;

    /// Never made.
    pub(super) enum File {}

    pub(super) fn reserve(_folder: &Path) -> Option<File> {
        None
    }

    pub(super) fn replace(file: File, _: &Path, _: &Path, _: &[u8]) -> io::Result<()> {
        match file {}
    }
}
