//! Reading and changing files below a container's root, from outside.
//!
//! Two dangers make this more than `std::fs`. A symlink in the container may say
//! `/etc/shadow` and mean the host's: every path is resolved by openat2(2) with the
//! container's root as the root. And a file may be a FIFO or a device, on which an open
//! waits for ever: files are first opened with O_PATH, looked at, and only regular
//! ones opened anew, for reading or writing, through the descriptor that was looked at.

use std::collections::BinaryHeap;
use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use jiff::Timestamp;
use rustix::fs::{AtFlags, Dir, FileType, Gid, Mode, OFlags, SeekFrom, Statx, Uid};
use rustix::io::Errno;

use super::resolve::in_root;
use super::tree;
use crate::files::{FileInfo, FileKind, FileMount, Trouble, WriteOptions, page};
use crate::names;

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

/// What is mounted on a file, by what is known about it.
pub(crate) type Mounts<'a> = dyn Fn(&Statx) -> FileMount + 'a;

/// What is in a directory, sorted by name: at most `limit` names, beginning behind `after`.
pub(crate) fn list(
    root: BorrowedFd<'_>,
    path: &[u8],
    after: Option<&[u8]>,
    limit: usize,
    mounts: &Mounts<'_>,
) -> Result<Vec<FileInfo>> {
    let directory = in_root(root, path, OFlags::RDONLY | OFlags::DIRECTORY)?;
    refuse_kernel_files(&directory)?;
    let names = |last: Option<&CString>, most: usize| {
        let after = last.map(|last| last.as_bytes()).or(after);
        // However many there are, no more than are wanted are held: the greatest goes.
        let mut names = BinaryHeap::new();
        for entry in Dir::read_from(&directory)? {
            let entry = entry?;
            let name = entry.file_name();
            let is_wanted = after.is_none_or(|after| name.to_bytes() > after);
            if matches!(name.to_bytes(), b"." | b"..") || !is_wanted {
                continue;
            }
            if names.len() < most {
                names.push(name.to_owned());
            } else if let Some(mut greatest) = names.peek_mut()
                && name < greatest.as_c_str()
            {
                *greatest = name.to_owned();
            }
        }
        Ok(names.into_sorted_vec())
    };
    page(limit, names, |name| {
        let data = tree::look(&directory, name)?;
        Ok(data.map(|data| {
            let mount = tree::is_mount(&data).then(|| mounts(&data));
            info(directory.as_fd(), name, &data, mount)
        }))
    })
}

/// One file; a symlink itself, not what it leads to.
pub(crate) fn stat(root: BorrowedFd<'_>, path: &[u8], mounts: &Mounts<'_>) -> Result<FileInfo> {
    let (parent, name) = split(path)?;
    let Some(name) = name else {
        let place = in_root(root, "/", OFlags::PATH)?;
        return Ok(info(place.as_fd(), c"/", &tree::look_at(&place)?, None));
    };
    let parent = in_root(root, parent, OFlags::PATH | OFlags::DIRECTORY)?;
    refuse_kernel_files(&parent)?;
    match tree::look(&parent, &name)? {
        Some(data) => {
            let mount = tree::is_mount(&data).then(|| mounts(&data));
            Ok(info(parent.as_fd(), &name, &data, mount))
        }
        None => Err(Errno::NOENT.into()),
    }
}

/// Opens a regular file for reading.
pub(crate) fn open(root: BorrowedFd<'_>, path: &[u8]) -> Result<File> {
    let place = in_root(root, path, OFlags::PATH)?;
    refuse_kernel_files(&place)?;
    require_regular(&tree::look_at(&place)?)?;
    reopen(&place, OFlags::RDONLY)
}

/// Creates or replaces a regular file: beside it first, then renamed over it, so that a
/// reader in the container sees the old content or the new, never half of it. `hidden` are the
/// files in /etc that a start will put others in the place of.
pub(crate) fn write(
    root: BorrowedFd<'_>,
    path: &[u8],
    content: &mut dyn Read,
    options: WriteOptions,
    hidden: &[&str],
) -> Result<()> {
    let target = follow(root, path, options.make_parents)?;
    if hidden.iter().any(|name| name.as_bytes() == target.name.as_bytes())
        && is_etc(root, &target.parent)?
    {
        return refuse(Errno::ROFS, "every start makes this file anew, in the place of any other");
    }
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

/// Whether an open directory is the container's /etc.
fn is_etc(root: BorrowedFd<'_>, directory: &OwnedFd) -> Result<bool> {
    let identity = |data: Statx| (data.stx_dev_major, data.stx_dev_minor, data.stx_ino);
    let etc = match in_root(root, "/etc", OFlags::PATH) {
        Err(Errno::NOENT) => return Ok(false),
        etc => etc?,
    };
    Ok(identity(tree::look_at(&etc)?) == identity(tree::look_at(directory)?))
}

/// Makes a directory and those above it; one that exists is fine.
pub(crate) fn make_directory(root: BorrowedFd<'_>, path: &[u8]) -> Result<()> {
    split(path)?;
    let mut so_far = Vec::new();
    let mut parent = in_root(root, "/", OFlags::PATH | OFlags::DIRECTORY)?;
    let parts = path.split(|&byte| byte == b'/');
    for part in parts.filter(|part| !matches!(*part, b"" | b".")) {
        so_far.push(b'/');
        so_far.extend_from_slice(part);
        parent = match in_root(root, &so_far, OFlags::PATH | OFlags::DIRECTORY) {
            Err(Errno::NOENT) => {
                refuse_kernel_files(&parent)?;
                match rustix::fs::mkdirat(&parent, part, Mode::from(0o755)) {
                    // Somebody else was faster, or it is a symlink that leads nowhere: the
                    // next look tells.
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(errno) => return Err(errno.into()),
                }
                in_root(root, &so_far, OFlags::PATH | OFlags::DIRECTORY)?
            }
            result => result?,
        };
    }
    Ok(())
}

/// Removes a file, a symlink itself, or a directory with everything below.
pub(crate) fn remove(root: BorrowedFd<'_>, path: &[u8]) -> Result<()> {
    let (parent, name) = split(path)?;
    let Some(name) = name else {
        return refuse(Errno::BUSY, "the root itself cannot be removed");
    };
    let parent = in_root(root, parent, OFlags::PATH | OFlags::DIRECTORY)?;
    refuse_kernel_files(&parent)?;
    match tree::remove(parent.as_fd(), &name) {
        Err(Errno::BUSY) => refuse(Errno::BUSY, "a volume or another filesystem is mounted there"),
        result => Ok(result?),
    }
}

/// Copies a file into one without a name in `folder`, holes as holes: a container may say that
/// a file has a terabyte, and the copy must not take more of the disk than the file does. Nor may
/// it fill the disk.
pub(crate) fn copy_into(folder: &Path, file: &mut File) -> Result<File> {
    use std::os::unix::fs::MetadataExt;
    let free = rustix::fs::statvfs(folder)?;
    let free = free.f_bavail.saturating_mul(free.f_frsize);
    let needed = file.metadata()?.blocks() * 512;
    if needed > free / 2 {
        let why = format!(
            "while the container does not run a copy is read, which takes {needed} bytes of the \
             host's disk, and more than half of what is free there ({free} bytes) is not taken"
        );
        return refuse(Errno::NOSPC, why);
    }
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

/// Splits a path into the folder and the last name, which is None for the root.
fn split(path: &[u8]) -> Result<(&[u8], Option<CString>)> {
    if !path.starts_with(b"/") {
        return refuse(Errno::INVAL, "it is not a full path of the container, such as /app/data");
    }
    let end = path.iter().rposition(|&byte| byte != b'/').map_or(0, |last| last + 1);
    let slash = path[..end].iter().rposition(|&byte| byte == b'/').unwrap_or(0);
    let (parent, name) = (&path[..slash], path[..end].get(slash + 1..).unwrap_or_default());
    if matches!(name, b"." | b"..") {
        return refuse(Errno::INVAL, format!("its last part is {:?}", names::text(name)));
    }
    match CString::new(name) {
        Ok(name) if name.is_empty() => Ok((b"/", None)),
        Ok(name) => Ok((if parent.is_empty() { b"/" } else { parent }, Some(name))),
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
fn follow(root: BorrowedFd<'_>, path: &[u8], make_parents: bool) -> Result<Target> {
    if path.ends_with(b"/") {
        return refuse(Errno::ISDIR, "it names a folder, not a file");
    }
    let mut path = path.to_vec();
    for _ in 0..LINKS {
        let (folder, Some(name)) = split(&path)? else {
            return Err(Errno::ISDIR.into());
        };
        if make_parents {
            make_directory(root, folder)?;
        }
        let parent = in_root(root, folder, OFlags::PATH | OFlags::DIRECTORY)?;
        refuse_kernel_files(&parent)?;
        let data = tree::look(&parent, &name)?;
        if data.as_ref().is_none_or(|data| tree::kind(data) != FileType::Symlink) {
            return Ok(Target { parent, name, data });
        }
        let link = rustix::fs::readlinkat(&parent, &name, Vec::new())?;
        let link = link.into_bytes();
        // The kernel resolves what comes before the last name, `..` included.
        path = if link.starts_with(b"/") { link } else { [folder, b"/", &link].concat() };
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

/// Refuses what is in one of the kernel's own filesystems. We would read and write it with the
/// host's rights: a symlink that a container plants (`answer.txt -> /proc/1/environ`) must not
/// lead us there. Asked is the open descriptor, whatever its path was.
fn refuse_kernel_files(place: impl AsFd) -> Result<()> {
    const KERNEL: &[(u64, &str)] = &[
        (0x9fa0, "procfs"),
        (0x6265_6572, "sysfs"),
        (0x0027_e0eb, "a cgroup"),
        (0x6367_7270, "a cgroup"),
        (0x1cd1, "devpts"),
        (0x6462_6720, "debugfs"),
        (0x7472_6163, "tracefs"),
        (0x7363_6673, "securityfs"),
        (0xf97c_ff8c, "selinuxfs"),
        (0x4341_5d53, "smackfs"),
        (0x6265_6570, "configfs"),
        (0xcafe_4a11, "the filesystem of BPF"),
        (0x6165_676c, "pstore"),
        (0xde5e_81e4, "efivarfs"),
        (0x4249_4e4d, "binfmt_misc"),
        (0x1980_0202, "mqueue"),
        (0x6e73_6673, "the filesystem of namespaces"),
        (0x5049_4446, "the filesystem of pidfds"),
        (0x0765_5821, "resctrl"),
        (0x6c6f_6f70, "binderfs"),
    ];
    let magic = rustix::fs::fstatfs(place)?.f_type as u64 & 0xffff_ffff;
    match KERNEL.iter().find(|(known, _)| *known == magic) {
        Some((_, name)) => refuse(
            Errno::PERM,
            format!("it is not a file of the container: it lies in {name}, which is the kernel's"),
        ),
        None => Ok(()),
    }
}

fn info(parent: BorrowedFd<'_>, name: &CStr, data: &Statx, mount: Option<FileMount>) -> FileInfo {
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
        .flatten();
    let time = data.stx_mtime;
    let (name, name_bytes) = names::shown(name.to_bytes());
    let mut not_utf8 = Vec::new();
    not_utf8.extend(name_bytes.iter().map(|_| "name".to_string()));
    FileInfo {
        name,
        name_bytes,
        kind,
        size: data.stx_size,
        mode: u32::from(data.stx_mode) & 0o7777,
        uid: data.stx_uid,
        gid: data.stx_gid,
        modified: Timestamp::new(time.tv_sec, time.tv_nsec.try_into().unwrap_or(0))
            .unwrap_or(Timestamp::UNIX_EPOCH),
        target: target.map(|link| names::noted("target", link.as_bytes(), &mut not_utf8)),
        mount,
        not_utf8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_full_and_name_something() {
        let parts = |path: &'static str| {
            let (parent, name) = split(path.as_bytes()).unwrap();
            (str::from_utf8(parent).unwrap(), name.map(|name| name.into_string().unwrap()))
        };
        assert_eq!(parts("/"), ("/", None));
        assert_eq!(parts("//"), ("/", None));
        assert_eq!(parts("/etc"), ("/", Some("etc".into())));
        assert_eq!(parts("/etc/"), ("/", Some("etc".into())));
        assert_eq!(parts("/a/../b"), ("/a/..", Some("b".into())));
        for path in ["", "etc", "./a", "/a/..", "/.", "/a\0b"] {
            assert_eq!(split(path.as_bytes()).unwrap_err().errno, Some(22), "{path:?}");
        }
    }
}
