//! Walking folders that a container may change meanwhile.
//!
//! Each step goes from an open directory to one name in it and follows no symlink: whatever
//! is exchanged under the walker's feet, it never leaves the tree.

use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Statx, StatxAttributes, StatxFlags};
use rustix::io::{Errno, Result};

/// Opens a directory of the host that surely is one of ours.
pub(crate) fn open_root(path: &std::path::Path) -> Result<OwnedFd> {
    rustix::fs::open(path, DIRECTORY, Mode::empty())
}

/// Opens a directory in a directory.
pub(crate) fn open_directory(parent: impl AsFd, name: &CString) -> Result<OwnedFd> {
    rustix::fs::openat(parent, name, DIRECTORY.union(OFlags::NOFOLLOW), Mode::empty())
}

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// The names in a directory, sorted, without `.` and `..`.
pub(crate) fn names(directory: impl AsFd) -> Result<Vec<CString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let name = entry?.file_name().to_owned();
        if !matches!(name.to_bytes(), b"." | b"..") {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// What is known about a name in a directory, itself and not what it leads to. None if it
/// is gone.
pub(crate) fn look(parent: impl AsFd, name: &CString) -> Result<Option<Statx>> {
    match rustix::fs::statx(parent, name, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::BASIC_STATS) {
        Ok(data) => Ok(Some(data)),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// What is known about an open file.
pub(crate) fn look_at(file: impl AsFd) -> Result<Statx> {
    rustix::fs::statx(file, c"", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS)
}

pub(crate) fn kind(data: &Statx) -> FileType {
    FileType::from_raw_mode(data.stx_mode.into())
}

pub(crate) fn is_directory(data: &Statx) -> bool {
    kind(data) == FileType::Directory
}

/// Whether something is mounted here: what is below is not this tree's.
pub(crate) fn is_mount(data: &Statx) -> bool {
    data.stx_attributes.contains(StatxAttributes::MOUNT_ROOT)
}

/// Removes a name and, if it is a directory, everything below.
///
/// # Errors
/// EBUSY where something is mounted. The check is ours: seen from outside its mount
/// namespace the kernel would unmount it instead (`man 2 rmdir`, and since Linux 3.18).
pub(crate) fn remove(parent: BorrowedFd<'_>, name: &CString) -> Result<()> {
    let Some(data) = look(parent, name)? else { return Err(Errno::NOENT) };
    if is_mount(&data) {
        return Err(Errno::BUSY);
    }
    if !is_directory(&data) {
        return rustix::fs::unlinkat(parent, name, AtFlags::empty());
    }
    let directory = open_directory(parent, name)?;
    for name in names(&directory)? {
        match remove(directory.as_fd(), &name) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(errno) => return Err(errno),
        }
    }
    rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR)
}
