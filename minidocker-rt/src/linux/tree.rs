//! Walking folders that a container may change meanwhile.
//!
//! Each step goes from an open directory to one name in it and follows no symlink: whatever
//! is exchanged under the walker's feet, it never leaves the tree.

use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{
    AtFlags, Dir, FileType, Mode, OFlags, RenameFlags, Statx, StatxAttributes, StatxFlags,
};
use rustix::io::{Errno, Result};

/// Opens a directory of the host that surely is one of ours.
pub(crate) fn open_root(path: &Path) -> Result<OwnedFd> {
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

/// How many directories a walk has open, one in the other. A container may nest them as deep as
/// it likes, which must cost the walker neither its descriptors nor its stack.
const DEEPEST: usize = 200;

/// A directory that is being removed.
struct Doomed {
    directory: OwnedFd,
    name: CString,
    /// What is still in it.
    names: Vec<CString>,
}

/// Removes a name and, if it is a directory, everything below.
///
/// # Errors
/// EBUSY where something is mounted. The check is ours: seen from outside its mount
/// namespace the kernel would unmount it instead (`man 2 rmdir`, and since Linux 3.18).
pub(crate) fn remove(parent: BorrowedFd<'_>, name: &CString) -> Result<()> {
    let mut way: Vec<Doomed> = Vec::new();
    if let Some(doomed) = remove_or_open(parent, name)? {
        way.push(doomed);
    }
    let mut moved = 0_u64;
    while let Some(last) = way.last_mut() {
        let Some(name) = last.names.pop() else {
            let Some(Doomed { directory, name, .. }) = way.pop() else { break };
            drop(directory);
            let above = way.last().map_or(parent, |above| above.directory.as_fd());
            missing_is_fine(rustix::fs::unlinkat(above, &name, AtFlags::REMOVEDIR))?;
            continue;
        };
        match missing_is_fine(remove_or_open(&last.directory, &name))?.flatten() {
            Some(doomed) if way.len() < DEEPEST => way.push(doomed),
            // Too deep: moved up to the first, to be removed from there.
            Some(_) => {
                let up = loop {
                    moved += 1;
                    let up = CString::new(format!(".minidocker-{moved}")).unwrap_or_default();
                    let flags = RenameFlags::NOREPLACE;
                    let (from, to) = (&way[way.len() - 1].directory, &way[0].directory);
                    match rustix::fs::renameat_with(from, &name, to, &up, flags) {
                        Err(Errno::EXIST) => {}
                        result => break missing_is_fine(result)?.map(|()| up),
                    }
                };
                way[0].names.extend(up);
            }
            None => {}
        }
    }
    Ok(())
}

/// Removes a folder of the host and everything below, as `std::fs::remove_dir_all` does for
/// folders that nobody nests on purpose.
pub(crate) fn remove_folder(path: &Path) -> std::io::Result<()> {
    let invalid = || std::io::Error::from(Errno::INVAL);
    let name = path.file_name().ok_or_else(invalid)?;
    let name = CString::new(name.as_bytes()).map_err(|_| invalid())?;
    let parent = open_root(path.parent().ok_or_else(invalid)?)?;
    Ok(remove(parent.as_fd(), &name)?)
}

/// Removes what is no directory; opens what is one.
fn remove_or_open(parent: impl AsFd, name: &CString) -> Result<Option<Doomed>> {
    let parent = parent.as_fd();
    let data = look(parent, name)?.ok_or(Errno::NOENT)?;
    if is_mount(&data) {
        return Err(Errno::BUSY);
    }
    if !is_directory(&data) {
        return rustix::fs::unlinkat(parent, name, AtFlags::empty()).map(|()| None);
    }
    let directory = open_directory(parent, name)?;
    let names = names(&directory)?;
    Ok(Some(Doomed { directory, name: name.clone(), names }))
}

/// Somebody else, perhaps the container itself, was faster.
fn missing_is_fine<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Err(Errno::NOENT) => Ok(None),
        result => result.map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Directories in directories, deeper than a path can name.
    fn nest(folder: &Path, levels: usize) {
        let name = c"d".to_owned();
        let mut at = open_root(folder).unwrap();
        for _ in 0..levels {
            rustix::fs::mkdirat(&at, &name, Mode::from(0o755)).unwrap();
            at = open_directory(&at, &name).unwrap();
        }
    }

    #[test]
    fn a_tree_of_any_depth_is_removed_with_few_descriptors_and_little_stack() {
        let folder = tempfile::tempdir().unwrap();
        nest(folder.path(), 3000);
        std::fs::write(folder.path().join("d/.minidocker-1"), "in the way").unwrap();
        let root = open_root(folder.path()).unwrap();
        std::thread::Builder::new()
            .stack_size(128 << 10)
            .spawn(move || remove(root.as_fd(), &c"d".to_owned()))
            .unwrap()
            .join()
            .unwrap()
            .unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_is_not_there_cannot_be_removed() {
        let folder = tempfile::tempdir().unwrap();
        let root = open_root(folder.path()).unwrap();
        assert_eq!(remove(root.as_fd(), &c"x".to_owned()), Err(Errno::NOENT));
    }
}
