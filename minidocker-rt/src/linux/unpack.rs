//! Unpacking an archive into a folder, wherever its paths and links would like to lead.
//!
//! Every entry is reached from the open root by openat2(2), which refuses to go up and to
//! follow any symlink: an archive that makes a symlink `a -> /etc` and then writes to `a/passwd`
//! fails at the second entry. What was there is removed first, never written through.

use std::collections::HashSet;
use std::ffi::CString;
use std::fs::{self, File};
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::PathBuf;

use rustix::fs::{
    AtFlags, CWD, FileType, Gid, Mode, OFlags, RenameFlags, ResolveFlags, Timespec, Timestamps,
    Uid, XattrFlags,
};
use rustix::io::Errno;

use super::{tree, view};
use crate::archive::{
    ArchiveLimits, ArchiveSummary, Entry, EntryPath, Kind, Reader, Time, decompress, refuse,
};
use crate::error::{Error, Result, plain_reason};
use crate::store::{CREATING, ContainerDir, ROOTFS, StagingDir, set_mode};

/// What an archive's marks for deleted files become (`.wh.NAME`; see the OCI image
/// specification, "Whiteouts").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whiteouts {
    /// The overlay's own marks: the folder will be one layer of an overlay.
    Marks,
    /// Deletions: the folder is a mounted overlay, which makes the marks itself.
    Deletions,
}

/// Begins the name of a file that stands for a deleted one.
const WHITEOUT: &[u8] = b".wh.";
/// A file in a folder which hides what lower layers have in it.
const OPAQUE: &[u8] = b".wh..wh..opq";
/// Begins the name of what an older overlay, aufs, kept for itself.
const AUFS: &[u8] = b".wh..wh.";

/// The devices that are in every container anyway, by kind and number. Others, such as disks,
/// are refused. (An overlay of ours is mounted without devices, so that even these are dead.)
const HARMLESS: [(u32, u32); 8] = [(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 1), (5, 2)];

/// Unpacks all entries into the folder. Takes root, because files get their owners.
///
/// # Errors
/// [`Error::BadArchive`] with the path of the entry. What was unpacked before stays.
pub(crate) fn unpack(
    reader: &mut Reader<impl Read>,
    root: OwnedFd,
    whiteouts: Whiteouts,
) -> Result<ArchiveSummary> {
    let parent = (EntryPath::default(), root.try_clone().map_err(cannot_copy)?);
    let limits = reader.limits();
    let (made, times) = (HashSet::new(), Vec::new());
    let mut unpacker = Unpacker { root, whiteouts, limits, parent, implied: 0, made, times };
    while let Some(entry) = reader.next_entry()? {
        unpacker.entry(&entry, reader).map_err(|trouble| trouble.at(&entry.path))?;
    }
    unpacker.set_times().map_err(|errno| Trouble::from(errno).at(&EntryPath::default()))?;
    Ok(reader.seen())
}

/// Unpacks an archive over an image, and puts the result in the place of what a container
/// changed: the new upper directory is made beside the old one and exchanged with it at once.
pub(crate) fn replace_rootfs(
    dir: &ContainerDir,
    layers: &[PathBuf],
    archive: &mut dyn Read,
    limits: ArchiveLimits,
) -> Result<ArchiveSummary> {
    // By its descriptor: should the container be deleted by force meanwhile, and another of its name
    // be made, then that one is none of ours.
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let container = rustix::fs::open(dir.path(), flags, Mode::empty())
        .map_err(|errno| Error::io("open", dir.path(), errno.into()))?;
    let containers = dir.path().parent().unwrap_or(dir.path());
    let making = StagingDir::new(containers, CREATING)?;
    let (upper, work) = (making.path().join("rootfs"), making.path().join("work"));
    for folder in [&upper, &work] {
        fs::create_dir(folder).map_err(|error| Error::io("create", folder, error))?;
        set_mode(folder, 0o755)?;
    }
    let root = view::mount(layers, &upper, &work)?;
    let mut reader = Reader::new(decompress(BufReader::new(archive))?, limits);
    unpack(&mut reader, root, Whiteouts::Deletions)?;
    let (summary, _) = reader.finish()?;
    // The overlay is unmounted by now. What was there goes away with the half-made folder.
    rustix::fs::renameat_with(CWD, &upper, &container, ROOTFS, RenameFlags::EXCHANGE)
        .map_err(|errno| Error::io("replace", &dir.rootfs(), errno.into()))?;
    Ok(summary)
}

fn cannot_copy(error: io::Error) -> Error {
    Error::System { call: "dup".into(), errno: error.raw_os_error().unwrap_or(0) }
}

/// Why an entry cannot be unpacked.
struct Trouble {
    why: String,
    errno: Option<i32>,
}

impl Trouble {
    /// The error: the archive's fault, or this machine's.
    fn at(self, path: &EntryPath) -> Error {
        use nix::libc::{EDQUOT, EFBIG, EIO, EMFILE, ENFILE, ENOMEM, ENOSPC, EROFS};
        let machine = [EDQUOT, EFBIG, EIO, EMFILE, ENFILE, ENOMEM, ENOSPC, EROFS];
        match self.errno.filter(|errno| machine.contains(errno)) {
            Some(_) => Error::Io {
                action: "unpack",
                path: path.to_string().into(),
                why: self.why,
                errno: self.errno,
            },
            None => refuse(format!("{path} in the archive"), self.why),
        }
    }
}

impl From<Errno> for Trouble {
    fn from(errno: Errno) -> Trouble {
        io::Error::from(errno).into()
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Trouble {
        Trouble { why: plain_reason(&error), errno: error.raw_os_error() }
    }
}

fn trouble<T>(why: impl Into<String>) -> std::result::Result<T, Trouble> {
    Err(Trouble { why: why.into(), errno: None })
}

struct Unpacker {
    root: OwnedFd,
    whiteouts: Whiteouts,
    limits: ArchiveLimits,
    /// How many folders were made that the archive only implies.
    implied: u64,
    /// The folder that the last entry was in: the next one is probably in it too.
    parent: (EntryPath, OwnedFd),
    /// What this archive made, for an opaque mark to spare: it is about lower layers.
    made: HashSet<EntryPath>,
    /// The folders' times. Set at the end, because whatever is made in a folder changes its.
    times: Vec<(EntryPath, Time)>,
}

type Done = std::result::Result<(), Trouble>;

impl Unpacker {
    fn entry(&mut self, entry: &Entry, content: &mut Reader<impl Read>) -> Done {
        check_xattrs(entry)?;
        let Some((folder, name)) = entry.path.split() else {
            return self.root_itself(entry);
        };
        if let Some(hidden) = name.strip_prefix(WHITEOUT) {
            return self.whiteout(&folder, name, hidden);
        }
        self.enter(&folder)?;
        let name = c_name(name)?;
        self.make(entry, &name, content)?;
        if self.whiteouts == Whiteouts::Deletions {
            self.remember(&entry.path);
        }
        if entry.kind == Kind::Directory {
            self.times.push((entry.path.clone(), entry.modified));
        }
        Ok(())
    }

    /// The root is there already; only what it is like is taken over.
    fn root_itself(&mut self, entry: &Entry) -> Done {
        if entry.kind != Kind::Directory {
            return trouble("the root is to be a folder");
        }
        self.times.push((entry.path.clone(), entry.modified));
        dress(&self.root, entry)
    }

    /// Opens the folder of an entry, making what is missing of it: an archive need not name
    /// the folders before what is in them.
    fn enter(&mut self, folder: &EntryPath) -> Done {
        let most = self.limits.entries;
        if self.parent.0 == *folder {
            return Ok(());
        }
        let mut missing = Vec::new();
        let mut there = folder.clone();
        let opened = loop {
            match (self.open_directory(&there), there.split()) {
                (Err(Errno::NOENT), Some((above, _))) => {
                    missing.push(std::mem::replace(&mut there, above));
                }
                (result, _) => break result,
            }
        };
        let mut opened = opened.map_err(bad_way)?;
        while let Some(path) = missing.pop() {
            let Some((_, name)) = path.split() else { continue };
            match rustix::fs::mkdirat(&opened, &c_name(name)?, Mode::from(0o755)) {
                // A symlink that leads nowhere is there, too.
                Ok(()) | Err(Errno::EXIST) => {}
                Err(errno) => return Err(errno.into()),
            }
            if self.whiteouts == Whiteouts::Deletions {
                self.remember(&path);
            }
            opened = open_below(&opened, name).map_err(bad_way)?;
            // A path can name two thousand folders that are not there: they count like entries.
            self.implied += 1;
            if self.implied > most {
                return trouble(format!(
                    "the folders that it lies in make more than {most} entries"
                ));
            }
        }
        self.parent = (folder.clone(), opened);
        Ok(())
    }

    fn open_directory(&self, path: &EntryPath) -> rustix::io::Result<OwnedFd> {
        open_below(&self.root, if path.is_root() { b"." } else { path.as_bytes() })
    }

    /// Makes what an entry describes, in the place of what may be there.
    fn make(&mut self, entry: &Entry, name: &CString, content: &mut Reader<impl Read>) -> Done {
        let parent = self.parent.1.try_clone()?;
        let there = tree::look(&parent, name)?;
        let is_directory = there.as_ref().is_some_and(tree::is_directory);
        // A folder that is there already stays, with what is in it.
        let keep = is_directory && entry.kind == Kind::Directory;
        let was_whiteout = there.as_ref().is_some_and(is_mark);
        // A file that is linked to itself is there already.
        if there.is_some() && entry.kind == Kind::HardLink(entry.path.clone()) {
            return Ok(());
        }
        if let (Some(_), false) = (&there, keep) {
            tree::remove(parent.as_fd(), name)?;
        }
        match &entry.kind {
            Kind::File { size, data } => {
                let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
                let flags = flags | OFlags::CLOEXEC;
                let file = rustix::fs::openat(&parent, name, flags, Mode::from(0o600))?;
                let mut file = File::from(file);
                for extent in data {
                    file.seek(SeekFrom::Start(extent.offset))?;
                    io::copy(&mut content.by_ref().take(extent.length), &mut file)?;
                }
                file.set_len(*size)?;
                dress(&file, entry)?;
                set_time(&file, entry.modified)?;
            }
            Kind::Directory => {
                if !keep {
                    rustix::fs::mkdirat(&parent, name, Mode::from(0o700))?;
                }
                let directory = tree::open_directory(&parent, name)?;
                if was_whiteout && self.whiteouts == Whiteouts::Marks {
                    set_opaque(&directory)?;
                }
                dress(&directory, entry)?;
            }
            Kind::HardLink(target) => self.link(target, &parent, name)?,
            Kind::Symlink(text) => {
                rustix::fs::symlinkat(&text[..], &parent, name)?;
                dress_by_name(&parent, name, entry)?;
            }
            Kind::CharacterDevice(major, minor) if HARMLESS.contains(&(*major, *minor)) => {
                let device = rustix::fs::makedev(*major, *minor);
                let (kind, mode) = (FileType::CharacterDevice, Mode::from(0o600));
                rustix::fs::mknodat(&parent, name, kind, mode, device)?;
                dress_by_name(&parent, name, entry)?;
            }
            Kind::CharacterDevice(major, minor) | Kind::BlockDevice(major, minor) => {
                return trouble(format!("it is a device ({major}:{minor}) of the host"));
            }
            Kind::Fifo => {
                let (kind, mode) = (FileType::Fifo, Mode::from(0o600));
                rustix::fs::mknodat(&parent, name, kind, mode, 0)?;
                dress_by_name(&parent, name, entry)?;
            }
        }
        Ok(())
    }

    /// Gives a file, which must be of this tree, another name.
    fn link(&self, target: &EntryPath, parent: &OwnedFd, name: &CString) -> Done {
        let Some((folder, file)) = target.split() else {
            return trouble("it is a hard link to the root");
        };
        let folder = match self.open_directory(&folder) {
            Err(Errno::LOOP) => return trouble("it is a hard link through a symlink"),
            result => result?,
        };
        // Without AT_SYMLINK_FOLLOW: a symlink gets another name, not what it leads to.
        match rustix::fs::linkat(folder, &c_name(file)?, parent, name, AtFlags::empty()) {
            Err(Errno::NOENT) => {
                trouble(format!("it is a hard link to {target}, which is not in the same layer"))
            }
            result => Ok(result?),
        }
    }

    /// A name that stands for a deleted one, or for all of a folder.
    fn whiteout(&mut self, folder: &EntryPath, name: &[u8], hidden: &[u8]) -> Done {
        if name == OPAQUE {
            self.enter(folder)?;
            return match self.whiteouts {
                Whiteouts::Marks => set_opaque(&self.parent.1),
                Whiteouts::Deletions => self.empty(folder),
            };
        }
        if name.starts_with(AUFS) {
            return Ok(());
        }
        if hidden.is_empty() || hidden == b".." || hidden == b"." {
            return trouble("it stands for a deletion of nothing");
        }
        self.enter(folder)?;
        let (parent, name) = (&self.parent.1, c_name(hidden)?);
        let there = tree::look(parent, &name)?;
        match (self.whiteouts, there) {
            (Whiteouts::Marks, None) => {
                // Where files are compared by it, 0:0 is the number of no device.
                let kind = FileType::CharacterDevice;
                rustix::fs::mknodat(parent, &name, kind, Mode::empty(), 0)?;
            }
            // The archive has both: the deletion is of the one in the layers below.
            (Whiteouts::Marks, Some(there)) => {
                if tree::is_directory(&there) {
                    set_opaque(&tree::open_directory(parent, &name)?)?;
                }
            }
            (Whiteouts::Deletions, Some(_)) if !self.made.contains(&folder.join(hidden)) => {
                tree::remove(parent.as_fd(), &name)?;
            }
            (Whiteouts::Deletions, _) => {}
        }
        Ok(())
    }

    /// Removes from a folder what this archive did not make.
    fn empty(&self, folder: &EntryPath) -> Done {
        for name in tree::names(&self.parent.1)? {
            if !self.made.contains(&folder.join(name.to_bytes())) {
                tree::remove(self.parent.1.as_fd(), &name)?;
            }
        }
        Ok(())
    }

    fn remember(&mut self, path: &EntryPath) {
        self.made.insert(path.clone());
    }

    /// Sets the folders' times, the inner ones first.
    fn set_times(&mut self) -> rustix::io::Result<()> {
        for (path, time) in std::mem::take(&mut self.times).into_iter().rev() {
            match self.open_directory(&path) {
                Ok(directory) => set_time(&directory, time)?,
                // Something else took its place later in the archive.
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
                Err(errno) => return Err(errno),
            }
        }
        Ok(())
    }
}

/// The overlay's own attributes would let an archive hide and show what it likes, even files
/// of other layers.
fn check_xattrs(entry: &Entry) -> Done {
    let overlay =
        |name: &[u8]| name.starts_with(b"trusted.overlay.") || name.starts_with(b"user.overlay.");
    match entry.xattrs.iter().find(|(name, _)| overlay(name)) {
        Some((name, _)) => {
            let name = String::from_utf8_lossy(name);
            trouble(format!("it has the attribute {name}, which belongs to the overlay alone"))
        }
        None => Ok(()),
    }
}

/// Sets owner, permissions and attributes of an open file.
fn dress(file: impl AsFd, entry: &Entry) -> Done {
    let owner = (Some(Uid::from_raw(entry.uid)), Some(Gid::from_raw(entry.gid)));
    rustix::fs::fchown(&file, owner.0, owner.1)?;
    // After the owner: a change of that takes set-user-ID, and a file's capabilities, away.
    rustix::fs::fchmod(&file, Mode::from(entry.mode))?;
    for (name, value) in wanted_xattrs(entry) {
        let set = rustix::fs::fsetxattr(&file, name, value, XattrFlags::empty());
        keep_attribute(name, set)?;
    }
    Ok(())
}

/// As [`dress`], with the time, for what cannot be opened.
fn dress_by_name(parent: &OwnedFd, name: &CString, entry: &Entry) -> Done {
    let nofollow = AtFlags::SYMLINK_NOFOLLOW;
    let owner = (Some(Uid::from_raw(entry.uid)), Some(Gid::from_raw(entry.gid)));
    rustix::fs::chownat(parent, name, owner.0, owner.1, nofollow)?;
    if !matches!(entry.kind, Kind::Symlink(_)) {
        // We have just made it, in a folder that nobody else can reach.
        rustix::fs::chmodat(parent, name, Mode::from(entry.mode), AtFlags::empty())?;
    }
    let mut path = format!("/proc/self/fd/{}/", parent.as_raw_fd()).into_bytes();
    path.extend_from_slice(name.as_bytes());
    for (key, value) in wanted_xattrs(entry) {
        let set = rustix::fs::lsetxattr(&path[..], key, value, XattrFlags::empty());
        keep_attribute(key, set)?;
    }
    Ok(rustix::fs::utimensat(parent, name, &timestamps(entry.modified), nofollow)?)
}

/// The attributes that mean something on another machine: not the labels of security modules.
fn wanted_xattrs(entry: &Entry) -> impl Iterator<Item = (&[u8], &[u8])> {
    const LABELS: [&[u8]; 4] =
        [b"security.selinux", b"security.ima", b"security.evm", b"security.apparmor"];
    entry
        .xattrs
        .iter()
        .map(|(name, value)| (&name[..], &value[..]))
        .filter(|(name, _)| !LABELS.contains(name))
}

/// Goes on without an attribute that this filesystem, or this kind of file, cannot have, as
/// Docker does.
fn keep_attribute(name: &[u8], set: rustix::io::Result<()>) -> Done {
    match set {
        Err(Errno::NOTSUP | Errno::PERM) => {
            log::debug!("the attribute {} is left out", String::from_utf8_lossy(name));
            Ok(())
        }
        set => set.map_err(|errno| bad_attribute(name, errno)),
    }
}

fn bad_attribute(name: &[u8], errno: Errno) -> Trouble {
    let name = String::from_utf8_lossy(name);
    let Trouble { why, errno } = errno.into();
    Trouble { why: format!("its attribute {name}: {why}"), errno }
}

fn set_opaque(directory: impl AsFd) -> Done {
    Ok(rustix::fs::fsetxattr(directory, "trusted.overlay.opaque", b"y", XattrFlags::empty())?)
}

/// Whether it is the overlay's mark for a deleted file.
fn is_mark(data: &rustix::fs::Statx) -> bool {
    tree::kind(data) == FileType::CharacterDevice
        && (data.stx_rdev_major, data.stx_rdev_minor) == (0, 0)
}

fn set_time(file: impl AsFd, time: Time) -> rustix::io::Result<()> {
    rustix::fs::futimens(file, &timestamps(time))
}

fn timestamps(time: Time) -> Timestamps {
    let time = Timespec { tv_sec: time.seconds, tv_nsec: time.nanoseconds.into() };
    Timestamps { last_access: time, last_modification: time }
}

/// Opens a folder below another: no symlink, nothing that is mounted there.
fn open_below(folder: &OwnedFd, path: &[u8]) -> rustix::io::Result<OwnedFd> {
    // Not O_PATH: some of what is done with it needs it open.
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    rustix::fs::openat2(folder, path, flags, Mode::empty(), resolve)
}

/// Why the folder of an entry cannot be opened.
fn bad_way(errno: Errno) -> Trouble {
    match errno {
        Errno::LOOP => Trouble { why: "its way leads through a symlink".into(), errno: None },
        Errno::NOTDIR => Trouble { why: "its way leads through a file".into(), errno: None },
        errno => errno.into(),
    }
}

fn c_name(name: &[u8]) -> std::result::Result<CString, Trouble> {
    CString::new(name).map_err(|_| Errno::INVAL.into())
}
