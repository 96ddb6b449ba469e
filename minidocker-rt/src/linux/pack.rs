//! Packing a folder into an archive, while a container may be changing it.
//!
//! The folders are walked through one in the other, or opened by their path from the root, and no
//! symlink is followed: however deep and wide a container nests them, it costs few descriptors and
//! little memory, and whatever it exchanges meanwhile, nothing outside its root is read.
//!
//! Nothing that a container makes may keep the rest from being packed: what no archive can hold is
//! left out and counted.

use std::collections::HashMap;
use std::ffi::CString;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, SeekFrom, Statx};
use rustix::io::Errno;

use super::tree::{self, Met, Walk};
use crate::archive::{ArchiveSummary, Entry, EntryPath, Extent, Kind, Time, Writer};
use crate::diff::{Change, ChangeKind};

/// How many bytes of paths are remembered of files with several names, and what each takes besides.
const LINKS: usize = 64 << 20;
const PER_LINK: usize = 64;

/// How many bytes of extended attributes one file may have: an archive with more is refused.
const XATTRS: usize = 512 << 10;

/// In how many pieces a sparse file may be.
const EXTENTS: usize = 1_000_000;

/// Why a folder could not be packed, and at which path.
#[derive(Debug)]
pub(crate) struct Trouble {
    pub path: EntryPath,
    pub error: io::Error,
}

/// Packs all that is below `root`, or what was changed there and the marks for what was deleted.
pub(crate) fn pack(
    root: BorrowedFd<'_>,
    changes: Option<&[Change]>,
    output: &mut dyn Write,
) -> Result<ArchiveSummary, Trouble> {
    let mut packer = Packer {
        root,
        writer: Writer::new(output),
        links: HashMap::new(),
        link_bytes: 0,
        packed: ArchiveSummary::default(),
    };
    match changes {
        None => packer.everything()?,
        Some(changes) => {
            for change in changes {
                let path = EntryPath::of_full_path(change.raw_path());
                match change.kind {
                    ChangeKind::Deleted => packer.whiteout(&path)?,
                    ChangeKind::Added | ChangeKind::Modified => packer.path(&path)?,
                }
            }
        }
    }
    packer.finish().map_err(|error| Trouble { path: EntryPath::default(), error })
}

struct Packer<'a, W: Write> {
    root: BorrowedFd<'a>,
    writer: Writer<W>,
    /// Files with several names, by device and inode, and the name they were packed under.
    links: HashMap<(u32, u32, u64), EntryPath>,
    /// What these take in memory.
    link_bytes: usize,
    packed: ArchiveSummary,
}

impl<'a, W: Write> Packer<'a, W> {
    /// Packs all that is in the root, each folder before what is in it. What is mounted there
    /// is not part of the tree: of a folder that is mounted on, an empty one is packed.
    fn everything(&mut self) -> Result<(), Trouble> {
        let root = EntryPath::default();
        let fail = |path: &EntryPath| {
            let path = path.clone();
            move |errno: Errno| Trouble { path, error: errno.into() }
        };
        let directory = self.open_directory(&root).map_err(fail(&root))?;
        let data = tree::look_at(&directory).map_err(fail(&root))?;
        self.special(directory.as_fd(), None, &root, &data, Kind::Directory)
            .map_err(|error| Trouble { path: root.clone(), error })?;
        let mut walk = Walk::below(directory).map_err(fail(&root))?;
        loop {
            let name = match walk.next() {
                Ok(Some(Met::Name(name))) => name,
                Ok(Some(Met::End(_))) => continue,
                Ok(None) => return Ok(()),
                Err(errno) => return Err(fail(&EntryPath::of_path(walk.path()))(errno)),
            };
            let path = EntryPath::of_path(walk.path()).join(name.to_bytes());
            if path.is_too_long() {
                self.packed.left_out += 1;
                continue;
            }
            let directory = walk.directory().map_err(fail(&path))?;
            let packed = self.name(directory, &name, &path);
            if packed.map_err(|error| Trouble { path: path.clone(), error })? {
                match walk.enter(&name) {
                    // Removed or exchanged since.
                    Err(errno) if tree::is_gone(errno) => {}
                    result => result.map_err(fail(&path))?,
                }
            }
        }
    }

    /// Packs what is at one path; of a folder, not what is in it.
    fn path(&mut self, path: &EntryPath) -> Result<(), Trouble> {
        let fail = |error| Trouble { path: path.clone(), error };
        let Some((folder, name)) = path.split() else { return Ok(()) };
        match self.open_directory(&folder) {
            Ok(directory) => {
                let name = CString::new(name).map_err(|error| fail(error.into()))?;
                self.name(directory.as_fd(), &name, path).map(drop).map_err(fail)
            }
            Err(errno) if tree::is_gone(errno) => Ok(()),
            Err(errno) => Err(fail(errno.into())),
        }
    }

    /// Packs the mark for a path that was deleted.
    fn whiteout(&mut self, path: &EntryPath) -> Result<(), Trouble> {
        let Some((folder, name)) = path.split() else { return Ok(()) };
        let entry = Entry {
            path: folder.join(&[b".wh.", name].concat()),
            kind: Kind::File { size: 0, data: Vec::new() },
            mode: 0o600,
            uid: 0,
            gid: 0,
            modified: Time::default(),
            xattrs: Vec::new(),
        };
        self.append(&entry, &mut io::empty()).map_err(|error| Trouble { path: path.clone(), error })
    }

    /// Writes the end mark.
    fn finish(self) -> io::Result<ArchiveSummary> {
        self.writer.finish()?.flush()?;
        Ok(self.packed)
    }

    fn open_directory(&self, path: &EntryPath) -> rustix::io::Result<OwnedFd> {
        let path = if path.is_root() { b"." } else { path.as_bytes() };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
        rustix::fs::openat2(self.root, path, flags, Mode::empty(), resolve)
    }

    /// Packs a name in a directory. Returns whether it is a folder to be looked into.
    fn name(
        &mut self,
        parent: BorrowedFd<'_>,
        name: &CString,
        path: &EntryPath,
    ) -> io::Result<bool> {
        let Some(data) = tree::look(parent, name)? else { return Ok(false) };
        let is_mount = tree::is_mount(&data);
        let kind = match tree::kind(&data) {
            FileType::Directory => Kind::Directory,
            // A single file that is mounted stands on an empty one that the start made.
            _ if is_mount => return Ok(false),
            FileType::RegularFile => return self.file(parent, name, path).map(|()| false),
            FileType::Symlink => match rustix::fs::readlinkat(parent, name, Vec::new()) {
                Ok(text) => Kind::Symlink(text.into_bytes()),
                // Exchanged for something else this moment.
                Err(Errno::NOENT | Errno::INVAL) => return Ok(false),
                Err(errno) => return Err(errno.into()),
            },
            FileType::CharacterDevice => {
                Kind::CharacterDevice(data.stx_rdev_major, data.stx_rdev_minor)
            }
            FileType::BlockDevice => Kind::BlockDevice(data.stx_rdev_major, data.stx_rdev_minor),
            FileType::Fifo => Kind::Fifo,
            // A socket is nothing without the program that listens.
            _ => return Ok(false),
        };
        let is_folder = kind == Kind::Directory && !is_mount;
        self.special(parent, Some(name), path, &data, kind)?;
        Ok(is_folder)
    }

    /// Packs what has no content.
    fn special(
        &mut self,
        parent: BorrowedFd<'_>,
        name: Option<&CString>,
        path: &EntryPath,
        data: &Statx,
        kind: Kind,
    ) -> io::Result<()> {
        if let Some(entry) = self.link(path, data) {
            return self.append(&entry, &mut io::empty());
        }
        let mut place = format!("/proc/self/fd/{}", parent.as_raw_fd()).into_bytes();
        if let Some(name) = name {
            place.push(b'/');
            place.extend_from_slice(name.as_bytes());
        }
        let xattrs = self.xattrs(name.is_some(), &place)?;
        self.append(&entry(path, data, kind, xattrs), &mut io::empty())
    }

    fn file(&mut self, parent: BorrowedFd<'_>, name: &CString, path: &EntryPath) -> io::Result<()> {
        // O_NONBLOCK, because it may just have become a pipe, on which an open would wait.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
        let flags = flags | OFlags::CLOEXEC;
        let file = match rustix::fs::openat(parent, name, flags, Mode::empty()) {
            // Gone; or now a symlink, a socket, a device.
            Err(Errno::NOENT | Errno::LOOP | Errno::NXIO | Errno::ACCESS) => return Ok(()),
            // The container has a lease on it (`man 2 fcntl`), which would have to be waited for.
            Err(Errno::AGAIN) => {
                self.packed.left_out += 1;
                return Ok(());
            }
            result => result?,
        };
        let data = tree::look_at(&file)?;
        if tree::kind(&data) != FileType::RegularFile {
            return Ok(());
        }
        if let Some(entry) = self.link(path, &data) {
            return self.append(&entry, &mut io::empty());
        }
        let size = data.stx_size;
        let Some(extents) = extents(&file, size)? else {
            self.packed.left_out += 1;
            return Ok(());
        };
        let kind = Kind::File { size, data: extents };
        let place = format!("/proc/self/fd/{}", file.as_raw_fd()).into_bytes();
        let entry = entry(path, &data, kind, self.xattrs(false, &place)?);
        self.append(&entry, &mut File::from(file))
    }

    /// The entry for a further name of a file that was packed already.
    fn link(&mut self, path: &EntryPath, data: &Statx) -> Option<Entry> {
        if data.stx_nlink < 2 || tree::is_directory(data) {
            return None;
        }
        let key = (data.stx_dev_major, data.stx_dev_minor, data.stx_ino);
        if let Some(first) = self.links.get(&key) {
            return Some(entry(path, data, Kind::HardLink(first.clone()), Vec::new()));
        }
        // What is not remembered is packed once more under its other names.
        let bytes = self.link_bytes + path.as_bytes().len() + PER_LINK;
        if bytes <= LINKS {
            self.link_bytes = bytes;
            self.links.insert(key, path.clone());
        }
        None
    }

    /// The extended attributes of a file, without those that mean something on this machine
    /// alone. `itself` if the path may name a symlink, which is then not followed.
    fn xattrs(&mut self, itself: bool, path: &[u8]) -> io::Result<Vec<(Vec<u8>, Vec<u8>)>> {
        let get = |name: &[u8]| -> rustix::io::Result<Vec<u8>> {
            // The kernel allows no longer value.
            let mut value = vec![0; 64 << 10];
            let length = match itself {
                true => rustix::fs::lgetxattr(path, name, &mut value[..])?,
                false => rustix::fs::getxattr(path, name, &mut value[..])?,
            };
            value.truncate(length);
            value.shrink_to_fit();
            Ok(value)
        };
        let mut names = vec![0; 64 << 10];
        let listed = match itself {
            true => rustix::fs::llistxattr(path, &mut names[..]),
            false => rustix::fs::listxattr(path, &mut names[..]),
        };
        let length = match listed {
            Ok(length) => length,
            Err(Errno::NOTSUP | Errno::NOENT) => return Ok(Vec::new()),
            // So many that the kernel does not list them.
            Err(Errno::TOOBIG) => {
                self.packed.left_out += 1;
                return Ok(Vec::new());
            }
            Err(errno) => return Err(errno.into()),
        };
        let mut found = Vec::new();
        let mut bytes = 0;
        for name in names[..length].split(|&byte| byte == 0).filter(|name| !name.is_empty()) {
            if name.starts_with(b"trusted.") || name == b"security.selinux" {
                continue;
            }
            let value = match get(name) {
                Ok(value) => value,
                Err(Errno::NODATA | Errno::NOENT) => continue,
                Err(errno) => return Err(errno.into()),
            };
            bytes += name.len() + value.len();
            if bytes > XATTRS {
                self.packed.left_out += 1;
                break;
            }
            found.push((name.to_vec(), value));
        }
        Ok(found)
    }

    fn append(
        &mut self,
        entry: &Entry,
        content: &mut (impl io::Read + io::Seek),
    ) -> io::Result<()> {
        self.packed.entries += 1;
        if let Kind::File { data, .. } = &entry.kind {
            self.packed.bytes += data.iter().map(|extent| extent.length).sum::<u64>();
        }
        self.writer.append(entry, content)
    }
}

fn entry(path: &EntryPath, data: &Statx, kind: Kind, xattrs: Vec<(Vec<u8>, Vec<u8>)>) -> Entry {
    Entry {
        path: path.clone(),
        kind,
        mode: u32::from(data.stx_mode) & 0o7777,
        uid: data.stx_uid,
        gid: data.stx_gid,
        modified: Time { seconds: data.stx_mtime.tv_sec, nanoseconds: data.stx_mtime.tv_nsec },
        xattrs,
    }
}

/// Where a file has data (SEEK_DATA in `man 2 lseek`). None if it is in more than [`EXTENTS`] pieces.
fn extents(file: &OwnedFd, size: u64) -> io::Result<Option<Vec<Extent>>> {
    let mut extents = Vec::new();
    let mut at = 0;
    while at < size {
        let offset = match rustix::fs::seek(file, SeekFrom::Data(at)) {
            // No more data.
            Err(Errno::NXIO) => break,
            result => result?.min(size),
        };
        let end = match rustix::fs::seek(file, SeekFrom::Hole(offset)) {
            // It has become shorter since.
            Err(Errno::NXIO) => break,
            result => result?.min(size),
        };
        if extents.len() == EXTENTS {
            return Ok(None);
        }
        if end > offset {
            extents.push(Extent { offset, length: end - offset });
        }
        at = end.max(offset + 1);
    }
    Ok(Some(extents))
}
