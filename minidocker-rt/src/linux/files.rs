//! Reading and changing files below a container's root, from outside.
//!
//! Two dangers make this more than `std::fs`. A symlink in the container may say
//! `/etc/shadow` and mean the host's: every path is resolved by openat2(2) with the
//! container's root as the root. And a file may be a FIFO or a device, on which an open
//! waits for ever: files are first opened as places (O_PATH), looked at, and only regular
//! ones opened anew, for reading or writing, through the descriptor that was looked at.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use jiff::Timestamp;
use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, ResolveFlags, SeekFrom, Statx, Uid};
use rustix::io::Errno;

use super::tree;
use crate::files::{FileInfo, FileKind, Trouble, WriteOptions};

type Result<T> = std::result::Result<T, Trouble>;

impl From<Errno> for Trouble {
    fn from(errno: Errno) -> Trouble {
        io::Error::from(errno).into()
    }
}

fn refuse<T>(errno: Errno, why: impl Into<String>) -> Result<T> {
    Err(Trouble { why: why.into(), errno: Some(errno.raw_os_error()) })
}

/// The names that a symlink may lead on to before it is taken for a circle: Linux's number.
const LINKS: usize = 40;

/// What is in a directory, sorted by name.
pub(crate) fn list(root: BorrowedFd<'_>, path: &str) -> Result<Vec<FileInfo>> {
    let directory = resolve(root, path, OFlags::RDONLY | OFlags::DIRECTORY)?;
    let mut found = Vec::new();
    for name in tree::names(&directory)? {
        // What is gone since the names were read is not there.
        if let Some(data) = tree::look(&directory, &name)? {
            found.push(info(directory.as_fd(), &name, &data)?);
        }
    }
    Ok(found)
}

/// One file; a symlink itself, not what it leads to.
pub(crate) fn stat(root: BorrowedFd<'_>, path: &str) -> Result<FileInfo> {
    let (parent, name) = split(path)?;
    let Some(name) = name else {
        let place = resolve(root, "/", OFlags::PATH)?;
        return info(place.as_fd(), &c"/".to_owned(), &tree::look_at(&place)?);
    };
    let parent = resolve(root, parent, OFlags::PATH | OFlags::DIRECTORY)?;
    match tree::look(&parent, &name)? {
        Some(data) => info(parent.as_fd(), &name, &data),
        None => Err(Errno::NOENT.into()),
    }
}

/// Opens a regular file for reading.
pub(crate) fn open(root: BorrowedFd<'_>, path: &str) -> Result<File> {
    let place = resolve(root, path, OFlags::PATH)?;
    require_regular(&tree::look_at(&place)?)?;
    reopen(&place, OFlags::RDONLY)
}

/// Creates or replaces a regular file: beside it first, then renamed over it, so that a
/// reader in the container sees the old content or the new, never half of it.
pub(crate) fn write(
    root: BorrowedFd<'_>,
    path: &str,
    content: &mut dyn Read,
    options: WriteOptions,
) -> Result<()> {
    let target = follow(root, path, options.make_parents)?;
    refuse_kernel_files(&target.parent)?;
    let Some(old) = &target.data else {
        let mode = options.mode.unwrap_or(0o644);
        return replace(&target, content, mode, None);
    };
    require_regular(old)?;
    let mode = options.mode.unwrap_or(u32::from(old.stx_mode) & 0o7777);
    if tree::is_mount(old) {
        // A single file shown as a volume: a rename would take the volume's place away.
        return overwrite(&target, content, options.mode);
    }
    replace(&target, content, mode, Some((old.stx_uid, old.stx_gid)))
}

/// Makes a directory and those above it; one that exists is fine.
pub(crate) fn make_directory(root: BorrowedFd<'_>, path: &str) -> Result<()> {
    split(path)?;
    let mut so_far = String::new();
    let mut parent = resolve(root, "/", OFlags::PATH | OFlags::DIRECTORY)?;
    for part in path.split('/').filter(|part| !part.is_empty() && *part != ".") {
        so_far = format!("{so_far}/{part}");
        parent = match resolve(root, &so_far, OFlags::PATH | OFlags::DIRECTORY) {
            Err(Trouble { errno: Some(errno), .. }) if errno == Errno::NOENT.raw_os_error() => {
                refuse_kernel_files(&parent)?;
                match rustix::fs::mkdirat(&parent, part, Mode::from(0o755)) {
                    // Somebody else was faster, or it is a symlink that leads nowhere: the
                    // next look tells.
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(errno) => return Err(errno.into()),
                }
                resolve(root, &so_far, OFlags::PATH | OFlags::DIRECTORY)?
            }
            result => result?,
        };
    }
    Ok(())
}

/// Removes a file, a symlink itself, or a directory with everything below.
pub(crate) fn remove(root: BorrowedFd<'_>, path: &str) -> Result<()> {
    let (parent, name) = split(path)?;
    let Some(name) = name else {
        return refuse(Errno::BUSY, "the root itself cannot be removed");
    };
    let parent = resolve(root, parent, OFlags::PATH | OFlags::DIRECTORY)?;
    refuse_kernel_files(&parent)?;
    match tree::remove(parent.as_fd(), &name) {
        Err(Errno::BUSY) => refuse(Errno::BUSY, "a volume or another filesystem is mounted there"),
        result => Ok(result?),
    }
}

/// Copies a file into one without a name in `folder`, holes as holes: a container may say that
/// a file has a terabyte, and the copy must not take more of the disk than the file does.
pub(crate) fn copy_into(folder: &Path, file: &mut File) -> io::Result<File> {
    let mut copy = tempfile::tempfile_in(folder)?;
    let mut at = 0;
    // ENXIO: there is no more data. See SEEK_DATA in `man 2 lseek`.
    while let Some(start) = match rustix::fs::seek(&*file, SeekFrom::Data(at)) {
        Err(Errno::NXIO) => None,
        result => Some(result?),
    } {
        let end = rustix::fs::seek(&*file, SeekFrom::Hole(start))?;
        file.seek(io::SeekFrom::Start(start))?;
        copy.seek(io::SeekFrom::Start(start))?;
        io::copy(&mut (&*file).take(end - start), &mut copy)?;
        at = end;
    }
    copy.set_len(file.metadata()?.len())?;
    copy.rewind()?;
    Ok(copy)
}

/// Resolves a path as the container would: an absolute symlink starts at its root, `..`
/// stops there, and the magic links of /proc, which could lead anywhere, are refused.
fn resolve(root: BorrowedFd<'_>, path: &str, flags: OFlags) -> Result<OwnedFd> {
    // openat2(2) answers EAGAIN when a rename somewhere made it unsure about a `..`. A
    // machine that renames without end must not keep us here.
    let mut tries_left = 100;
    loop {
        let opened = rustix::fs::openat2(
            root,
            path,
            flags | OFlags::CLOEXEC,
            Mode::empty(),
            ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS,
        );
        match opened {
            Err(Errno::AGAIN) if tries_left > 0 => tries_left -= 1,
            result => return Ok(result?),
        }
    }
}

/// Splits a path into the folder and the last name, which is None for the root.
fn split(path: &str) -> Result<(&str, Option<CString>)> {
    if !path.starts_with('/') {
        return refuse(Errno::INVAL, "it is not a full path of the container, such as /app/data");
    }
    let trimmed = path.trim_end_matches('/');
    let (parent, name) = trimmed.rsplit_once('/').unwrap_or_default();
    if matches!(name, "." | "..") {
        return refuse(Errno::INVAL, format!("its last part is {name:?}"));
    }
    match CString::new(name) {
        Ok(name) if name.is_empty() => Ok(("/", None)),
        Ok(name) => Ok((if parent.is_empty() { "/" } else { parent }, Some(name))),
        Err(_) => refuse(Errno::INVAL, "it has a NUL byte"),
    }
}

/// A name in a directory, behind all symlinks, and what is there.
struct Target {
    parent: OwnedFd,
    name: CString,
    data: Option<Statx>,
}

/// Follows the symlinks that a path's last name may be, up to the name a write is about.
fn follow(root: BorrowedFd<'_>, path: &str, make_parents: bool) -> Result<Target> {
    if path.ends_with('/') {
        return refuse(Errno::ISDIR, "it names a folder, not a file");
    }
    let mut path = path.to_string();
    for _ in 0..LINKS {
        let (folder, Some(name)) = split(&path)? else {
            return Err(Errno::ISDIR.into());
        };
        if make_parents {
            make_directory(root, folder)?;
        }
        let parent = resolve(root, folder, OFlags::PATH | OFlags::DIRECTORY)?;
        let data = tree::look(&parent, &name)?;
        if data.as_ref().is_none_or(|data| tree::kind(data) != FileType::Symlink) {
            return Ok(Target { parent, name, data });
        }
        let link = rustix::fs::readlinkat(&parent, &name, Vec::new())?;
        let Ok(link) = link.into_string() else {
            return refuse(Errno::ILSEQ, "it is a symlink to a name that is not UTF-8");
        };
        // The kernel resolves what comes before the last name, `..` included.
        path = if link.starts_with('/') { link } else { format!("{folder}/{link}") };
    }
    Err(Errno::LOOP.into())
}

/// Writes a new file and renames it over the name.
fn replace(
    target: &Target,
    content: &mut dyn Read,
    mode: u32,
    owner: Option<(u32, u32)>,
) -> Result<()> {
    let spare = spare_name()?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    // Nobody else may read it before it is what it shall be.
    let file = rustix::fs::openat(&target.parent, &spare, flags, Mode::from(0o600))?;
    let written = (|| -> Result<()> {
        let mut file = File::from(file);
        io::copy(content, &mut file)?;
        if let Some((uid, gid)) = owner {
            rustix::fs::fchown(&file, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
        }
        // After the owner: a change of that takes set-user-ID away.
        rustix::fs::fchmod(&file, Mode::from(mode & 0o7777))?;
        rustix::fs::renameat(&target.parent, &spare, &target.parent, &target.name)?;
        Ok(())
    })();
    if written.is_err() {
        let _ = rustix::fs::unlinkat(&target.parent, &spare, AtFlags::empty());
    }
    written
}

/// Writes over a file that must stay the same file.
fn overwrite(target: &Target, content: &mut dyn Read, mode: Option<u32>) -> Result<()> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let place = rustix::fs::openat(&target.parent, &target.name, flags, Mode::empty())?;
    require_regular(&tree::look_at(&place)?)?;
    refuse_kernel_files(&place)?;
    let mut file = reopen(&place, OFlags::WRONLY)?;
    file.set_len(0)?;
    io::copy(content, &mut file)?;
    if let Some(mode) = mode {
        rustix::fs::fchmod(&file, Mode::from(mode & 0o7777))?;
    }
    Ok(())
}

fn spare_name() -> Result<CString> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|_| Trouble::from(Errno::IO))?;
    let name = format!(".minidocker-{:016x}", u64::from_ne_bytes(random));
    CString::new(name).map_err(|_| Errno::INVAL.into())
}

/// Opens what a place descriptor stands for, whatever its name leads to by now. O_NONBLOCK
/// is for the few files of /proc that are regular and wait all the same.
fn reopen(place: &OwnedFd, flags: OFlags) -> Result<File> {
    let path = format!("/proc/self/fd/{}", place.as_raw_fd());
    let flags = flags | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::empty())?.into())
}

fn require_regular(data: &Statx) -> Result<()> {
    match tree::kind(data) {
        FileType::RegularFile => Ok(()),
        FileType::Directory => Err(Errno::ISDIR.into()),
        _ => refuse(Errno::INVAL, "it is a pipe, socket or device, not a regular file"),
    }
}

/// The kernel's own filesystems are settings of the whole machine, and we write with the
/// host's rights: a symlink of the container must not lead us there.
fn refuse_kernel_files(place: &OwnedFd) -> Result<()> {
    const PROC: u64 = 0x9fa0;
    const SYSFS: u64 = 0x6265_6572;
    const CGROUP: u64 = 0x0027_e0eb;
    const CGROUP2: u64 = 0x6367_7270;
    let magic = rustix::fs::fstatfs(place)?.f_type as u64;
    if [PROC, SYSFS, CGROUP, CGROUP2].contains(&magic) {
        return refuse(Errno::PERM, "it is not a file but a setting of the kernel");
    }
    Ok(())
}

fn info(parent: BorrowedFd<'_>, name: &CString, data: &Statx) -> Result<FileInfo> {
    let kind = match tree::kind(data) {
        FileType::Directory => FileKind::Directory,
        FileType::Symlink => FileKind::Symlink,
        FileType::Fifo => FileKind::Fifo,
        FileType::Socket => FileKind::Socket,
        FileType::CharacterDevice => FileKind::CharacterDevice,
        FileType::BlockDevice => FileKind::BlockDevice,
        _ => FileKind::File,
    };
    // Some links of /proc cannot be read; they are there all the same.
    let target = (kind == FileKind::Symlink)
        .then(|| rustix::fs::readlinkat(parent, name, Vec::new()).ok())
        .flatten()
        .map(|link| link.to_string_lossy().into_owned());
    let time = data.stx_mtime;
    Ok(FileInfo {
        name: name.to_string_lossy().into_owned(),
        kind,
        size: data.stx_size,
        mode: u32::from(data.stx_mode) & 0o7777,
        uid: data.stx_uid,
        gid: data.stx_gid,
        modified: Timestamp::new(time.tv_sec, time.tv_nsec.try_into().unwrap_or(0))
            .unwrap_or(Timestamp::UNIX_EPOCH),
        target,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_full_and_name_something() {
        let parts = |path| {
            let (parent, name) = split(path).unwrap();
            (parent, name.map(|name| name.into_string().unwrap()))
        };
        assert_eq!(parts("/"), ("/", None));
        assert_eq!(parts("//"), ("/", None));
        assert_eq!(parts("/etc"), ("/", Some("etc".into())));
        assert_eq!(parts("/etc/"), ("/", Some("etc".into())));
        assert_eq!(parts("/a/../b"), ("/a/..", Some("b".into())));
        for path in ["", "etc", "./a", "/a/..", "/.", "/a\0b"] {
            assert_eq!(split(path).unwrap_err().errno, Some(22), "{path:?}");
        }
    }
}
