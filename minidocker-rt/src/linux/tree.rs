//! Walking folders that a container may change meanwhile.
//!
//! Each step goes from an open directory to one name in it and follows no symlink: whatever
//! is exchanged under the walker's feet, it never leaves the tree.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{
    AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, SeekFrom, Statx, StatxAttributes,
    StatxFlags,
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
pub(crate) fn look(parent: impl AsFd, name: &CStr) -> Result<Option<Statx>> {
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
const OPEN: usize = 64;

/// How many bytes of names a walk holds at most, of all directories it is in together. A container
/// may put millions of names into one.
const NAMES: usize = 16 << 20;

/// The least that it reads of a directory at a time, however many it is in.
const LEAST: usize = 16 << 10;

/// What a name takes in memory besides its bytes.
const PER_NAME: usize = 32;

/// A walk through all that is below a directory: each name before what is in it, and sorted, as
/// far as the names of a directory fit into memory. It takes a bounded number of descriptors and a
/// bounded memory, however deep and wide a container makes its folders.
pub(crate) struct Walk {
    /// The directory that the walk began in, and those that it is in, one in the other.
    levels: Vec<Level>,
    /// The path of the innermost from where the walk began.
    path: Vec<u8>,
    /// The bytes that the names of all levels take.
    held: usize,
}

/// A directory that a walk is in.
struct Level {
    /// Device and inode: by these it is known again when it was closed meanwhile.
    identity: (u32, u32, u64),
    /// None while too many directories below it are open.
    stream: Option<Dir>,
    /// Where in the directory the next names are read.
    position: u64,
    at_end: bool,
    /// Names that were read and not yet told, the next one last.
    names: Vec<CString>,
    /// The length of its path.
    path: usize,
}

/// What a walk comes by.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Met {
    /// A name in [`Walk::directory`]. It is looked into only if [`Walk::enter`] is called now.
    Name(CString),
    /// The end of a directory that was entered, which has this name in [`Walk::directory`].
    End(CString),
}

impl Walk {
    /// A walk that begins in an open directory.
    pub fn below(directory: OwnedFd) -> Result<Walk> {
        let mut walk = Walk { levels: Vec::new(), path: Vec::new(), held: 0 };
        walk.go_into(directory)?;
        Ok(walk)
    }

    /// The directory that the walk is in. What is opened in it stays below where the walk began.
    pub fn directory(&self) -> Result<BorrowedFd<'_>> {
        self.levels.last().and_then(|level| level.stream.as_ref()).ok_or(Errno::BADF)?.fd()
    }

    /// The path of that directory from where the walk began: empty there.
    pub fn path(&self) -> &[u8] {
        &self.path
    }

    /// Goes on. None at the end of the directory that the walk began in.
    pub fn next(&mut self) -> Result<Option<Met>> {
        let Some(level) = self.levels.last_mut() else { return Ok(None) };
        if level.names.is_empty() && !level.at_end {
            let room = (NAMES.saturating_sub(self.held) / 2).max(LEAST);
            self.held += level.read_names(room)?;
        }
        if let Some(name) = level.names.pop() {
            self.held -= cost(&name);
            return Ok(Some(Met::Name(name)));
        }
        self.leave()
    }

    /// Looks into a directory that was met just now.
    ///
    /// # Errors
    /// ENOENT, ENOTDIR, ELOOP or EXDEV if it was exchanged for something else meanwhile.
    pub fn enter(&mut self, name: &CString) -> Result<()> {
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
        let directory =
            rustix::fs::openat2(self.directory()?, name, DIRECTORY, Mode::empty(), resolve)?;
        if !self.path.is_empty() {
            self.path.push(b'/');
        }
        self.path.extend_from_slice(name.as_bytes());
        self.go_into(directory)
    }

    fn go_into(&mut self, directory: OwnedFd) -> Result<()> {
        let data = look_at(&directory)?;
        self.levels.push(Level {
            identity: (data.stx_dev_major, data.stx_dev_minor, data.stx_ino),
            stream: Some(Dir::new(directory)?),
            position: 0,
            at_end: false,
            names: Vec::new(),
            path: self.path.len(),
        });
        // The first stays open: there is always a way back to it.
        if let Some(far @ 1..) = self.levels.len().checked_sub(OPEN) {
            self.levels[far].stream = None;
        }
        Ok(())
    }

    /// Goes back to the directory above.
    fn leave(&mut self) -> Result<Option<Met>> {
        let Some(left) = self.levels.pop() else { return Ok(None) };
        let Some(above) = self.levels.last_mut() else { return Ok(None) };
        let name = self.path[above.path..].strip_prefix(b"/").unwrap_or(&self.path[above.path..]);
        let name = CString::new(name).unwrap_or_default();
        self.path.truncate(above.path);
        if above.stream.is_some() || above.reopen(left.stream.as_ref())? {
            return Ok(Some(Met::End(name)));
        }
        // It was moved elsewhere while the walk was below it. What is left of it and of those
        // above is out of reach; the walk goes on where it can.
        while let Some(lost) = self.levels.pop_if(|level| level.stream.is_none()) {
            self.held -= lost.names.iter().map(cost).sum::<usize>();
        }
        self.path.truncate(self.levels.last().map_or(0, |level| level.path));
        self.next()
    }
}

impl Level {
    /// Reads further names, of about so many bytes. Returns how many it were.
    fn read_names(&mut self, room: usize) -> Result<usize> {
        let Some(stream) = &mut self.stream else { return Ok(0) };
        let mut read = 0;
        while read < room {
            let entry = match stream.read() {
                Some(Ok(entry)) => entry,
                // ENOENT: it was removed meanwhile.
                Some(Err(Errno::NOENT)) | None => {
                    self.at_end = true;
                    break;
                }
                Some(Err(errno)) => return Err(errno),
            };
            self.position = entry.offset().cast_unsigned();
            let name = entry.file_name().to_owned();
            if !matches!(name.to_bytes(), b"." | b"..") {
                read += cost(&name);
                self.names.push(name);
            }
        }
        self.names.sort_unstable_by(|one, other| other.cmp(one));
        Ok(read)
    }

    /// Opens it again, from a directory that was in it. Returns whether that still is in it.
    fn reopen(&mut self, inner: Option<&Dir>) -> Result<bool> {
        let Some(inner) = inner else { return Ok(false) };
        let flags = DIRECTORY.union(OFlags::NOFOLLOW);
        let above = match rustix::fs::openat(inner.fd()?, c"..", flags, Mode::empty()) {
            Err(Errno::NOENT) => return Ok(false),
            result => result?,
        };
        let data = look_at(&above)?;
        if self.identity != (data.stx_dev_major, data.stx_dev_minor, data.stx_ino) {
            return Ok(false);
        }
        if !self.at_end {
            match rustix::fs::seek(&above, SeekFrom::Start(self.position)) {
                // Somebody else has removed it meanwhile: there is nothing in it any more.
                Err(Errno::INVAL) => self.at_end = true,
                result => drop(result?),
            }
        }
        self.stream = Some(Dir::new(above)?);
        Ok(true)
    }
}

fn cost(name: &CString) -> usize {
    name.as_bytes().len() + PER_NAME
}

/// Whether a directory was exchanged or removed since it was met.
pub(crate) fn is_gone(errno: Errno) -> bool {
    matches!(errno, Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV)
}

/// How often a directory is gone through anew because somebody put something into it.
const AGAIN: usize = 100;

/// Removes a name and, if it is a directory, everything below.
///
/// # Errors
/// EBUSY where something is mounted. The check is ours: seen from outside its mount
/// namespace the kernel would unmount it instead (`man 2 rmdir`, and since Linux 3.18).
pub(crate) fn remove(parent: BorrowedFd<'_>, name: &CString) -> Result<()> {
    let mut tries_left = AGAIN;
    while !remove_unless_directory(parent, name)? {
        let mut walk = Walk::below(open_directory(parent, name)?)?;
        while let Some(met) = walk.next()? {
            let again = match &met {
                Met::Name(name) => {
                    missing_is_fine(remove_unless_directory(walk.directory()?, name))?
                        == Some(false)
                }
                Met::End(name) => match remove_directory(walk.directory()?, name) {
                    Err(Errno::NOTEMPTY) if tries_left > 0 => {
                        tries_left -= 1;
                        true
                    }
                    result => missing_is_fine(result).map(|_| false)?,
                },
            };
            let (Met::Name(name) | Met::End(name)) = met;
            if again {
                match walk.enter(&name) {
                    Err(errno) if is_gone(errno) => {}
                    result => result?,
                }
            }
        }
        match remove_directory(parent, name) {
            Err(Errno::NOTEMPTY) if tries_left > 0 => tries_left -= 1,
            result => return missing_is_fine(result).map(drop),
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

/// Removes what is no directory. Returns whether it was none.
fn remove_unless_directory(parent: BorrowedFd<'_>, name: &CString) -> Result<bool> {
    let data = look(parent, name)?.ok_or(Errno::NOENT)?;
    if is_mount(&data) {
        return Err(Errno::BUSY);
    }
    if is_directory(&data) {
        return Ok(false);
    }
    rustix::fs::unlinkat(parent, name, AtFlags::empty()).map(|()| true)
}

fn remove_directory(parent: BorrowedFd<'_>, name: &CString) -> Result<()> {
    rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR)
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

    /// With a stack as small as any thread has.
    fn with_little_stack<T: Send>(work: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().stack_size(64 << 10);
            thread.spawn_scoped(scope, work).unwrap().join().unwrap()
        })
    }

    #[test]
    fn a_tree_of_any_depth_is_removed_with_few_descriptors_and_little_stack() {
        let folder = tempfile::tempdir().unwrap();
        nest(folder.path(), 3000);
        std::fs::write(folder.path().join("d/d/file"), "x").unwrap();
        let root = open_root(folder.path()).unwrap();
        with_little_stack(move || remove(root.as_fd(), &c"d".to_owned())).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_walk_tells_each_name_before_what_is_in_it_and_comes_back_however_deep_it_was() {
        let folder = tempfile::tempdir().unwrap();
        nest(folder.path(), 3 * OPEN);
        for (path, name) in [("", "a"), ("", "z"), ("d/d/", "z"), ("d/", "caf")] {
            std::fs::write(folder.path().join(path).join(name), "").unwrap();
        }
        let mut walk = Walk::below(open_root(folder.path()).unwrap()).unwrap();
        let (mut before, mut deepest, mut ends) = (Vec::new(), 0, 0);
        while let Some(met) = walk.next().unwrap() {
            match met {
                Met::Name(name) if name.as_bytes() == b"d" => {
                    walk.enter(&name).unwrap();
                    deepest = deepest.max(walk.path().len());
                }
                Met::Name(name) => {
                    assert!(look(walk.directory().unwrap(), &name).unwrap().is_some());
                    let path = String::from_utf8_lossy(walk.path()).into_owned();
                    before.push(format!("{path}/{}", name.to_string_lossy()));
                }
                Met::End(name) => {
                    assert_eq!(name.as_bytes(), b"d");
                    ends += 1;
                }
            }
            let open = walk.levels.iter().filter(|level| level.stream.is_some()).count();
            assert!(open <= OPEN + 1, "{open}");
        }
        assert_eq!(before, ["/a", "d/caf", "d/d/z", "/z"]);
        assert_eq!((deepest, ends), (3 * OPEN * 2 - 1, 3 * OPEN));
    }

    #[test]
    fn a_walk_holds_few_names_however_many_there_are_and_tells_each_once() {
        let folder = tempfile::tempdir().unwrap();
        let root = open_root(folder.path()).unwrap();
        let files = 2000;
        for number in 0..files {
            let name = format!("{number:0>200}");
            rustix::fs::mkdirat(&root, name, Mode::from(0o755)).unwrap();
        }
        let mut walk = Walk::below(root).unwrap();
        // As if most of the memory were taken by other directories.
        walk.held = NAMES;
        let (mut met, mut most) = (std::collections::BTreeSet::new(), 0);
        while let Some(next) = walk.next().unwrap() {
            most = most.max(walk.held - NAMES);
            if let Met::Name(name) = next {
                walk.enter(&name).unwrap();
                assert!(met.insert(name), "told twice");
            }
        }
        assert_eq!(met.len(), files);
        assert!(most < 2 * LEAST, "{most} bytes");
    }

    #[test]
    fn a_directory_that_is_moved_away_under_a_walk_ends_it_there() {
        let folder = tempfile::tempdir().unwrap();
        nest(folder.path(), 2 * OPEN);
        std::fs::write(folder.path().join("z"), "").unwrap();
        let mut walk = Walk::below(open_root(folder.path()).unwrap()).unwrap();
        let mut moved = false;
        let mut last = None;
        while let Some(met) = walk.next().unwrap() {
            if let Met::Name(name) = met {
                if name.as_bytes() == b"d" {
                    walk.enter(&name).unwrap();
                } else {
                    last = Some((name, walk.path().to_vec()));
                }
            } else if !moved {
                // From far below, where the walk has closed it, to elsewhere.
                let inner = folder.path().join("d/d/d/d");
                std::fs::rename(inner, folder.path().join("elsewhere")).unwrap();
                moved = true;
            }
        }
        assert_eq!(last, Some((c"z".to_owned(), Vec::new())), "the rest was walked through");
    }

    #[test]
    fn what_is_not_there_cannot_be_removed() {
        let folder = tempfile::tempdir().unwrap();
        let root = open_root(folder.path()).unwrap();
        assert_eq!(remove(root.as_fd(), &c"x".to_owned()), Err(Errno::NOENT));
    }
}
