//! The files of a simulated container, for programs outside it.
//!
//! They are plain files of the host. Paths are the container's, and symlinks are followed as a
//! container would follow them: an absolute one begins at its root, and `..` ends there. That
//! is for the answers to be the same as with a real container; it is no boundary, since the
//! container's processes are not bounded by it either.

use std::collections::{BinaryHeap, VecDeque};
use std::fs::{self, File, Metadata};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::backend::{ARCHIVES, unsupported};
use super::paths::{PathMap, name_bytes, os_name};
use super::rootfs::mode_of;
use crate::archive::ArchiveSummary;
use crate::backend::{FileResult, FileTree};
use crate::diff::Change;
use crate::error::Result;
use crate::files::{FileInfo, FileKind, Trouble, WriteOptions, page};
use crate::names;
use crate::store::{ContainerDir, remove_folder};

/// The names that a symlink may lead on to before it is taken for a circle: Linux's number.
const LINKS: usize = 40;

/// The files as the container's paths name them.
pub(super) struct Files {
    pub paths: PathMap,
}

/// Where a path led.
struct Place {
    /// The container's path, behind all symlinks.
    inside: Vec<u8>,
    host: PathBuf,
}

impl Files {
    /// Follows a path, and the symlink that its last name may be if `to_the_end`.
    fn find(&self, path: &[u8], to_the_end: bool) -> FileResult<Place> {
        if !path.starts_with(b"/") {
            return refuse(EINVAL, "it is not a full path of the container, such as /app/data");
        }
        if path.contains(&0) {
            return refuse(EINVAL, "it has a NUL byte");
        }
        let parts = |path: &[u8]| {
            path.split(|&byte| byte == b'/').map(<[u8]>::to_vec).collect::<VecDeque<_>>()
        };
        let mut todo = parts(path);
        let mut inside: Vec<Vec<u8>> = Vec::new();
        let mut links = 0;
        while let Some(part) = todo.pop_front() {
            match &part[..] {
                b"" | b"." => continue,
                b".." => {
                    inside.pop();
                    continue;
                }
                // On Windows these would lead to other drives and folders, or are no names.
                name if cfg!(windows)
                    && (name.iter().any(|byte| b"\\:".contains(byte))
                        || str::from_utf8(name).is_err()) =>
                {
                    return refuse(EINVAL, "Windows has no such file names");
                }
                _ => inside.push(part),
            }
            let host = self.paths.host_path(full(&inside));
            let is_last = todo.iter().all(|part| matches!(&part[..], b"" | b"."));
            let Ok(link) = fs::read_link(&host) else { continue };
            if is_last && !to_the_end {
                continue;
            }
            links += 1;
            if links > LINKS {
                return refuse(ELOOP, "too many symlinks, perhaps in a circle");
            }
            inside.pop();
            // Made by a program of the host, it may name the host's path of the rootfs.
            let target = match self.paths.inside_rootfs(&link) {
                Some(target) => target.into_bytes(),
                None if cfg!(windows) => link.to_string_lossy().replace('\\', "/").into_bytes(),
                None => name_bytes(link.as_os_str()),
            };
            if target.starts_with(b"/") {
                inside.clear();
            }
            for part in parts(&target).into_iter().rev() {
                todo.push_front(part);
            }
        }
        let inside = full(&inside);
        Ok(Place { host: self.paths.host_path(&inside), inside })
    }

    fn make_parents(&self, path: &[u8]) -> FileResult<()> {
        match path.trim_ascii_end().iter().rposition(|&byte| byte == b'/') {
            Some(slash @ 1..) => self.make_directory(&path[..slash]),
            _ => Ok(()),
        }
    }
}

impl FileTree for Files {
    fn list(&self, path: &[u8], after: Option<&[u8]>, limit: usize) -> FileResult<Vec<FileInfo>> {
        let folder = self.find(path, true)?.host;
        let names = |last: Option<&Vec<u8>>, most: usize| {
            let after = last.map(|last| &last[..]).or(after);
            // However many there are, no more than are wanted are held: the greatest goes.
            let mut names = BinaryHeap::new();
            for entry in fs::read_dir(&folder)? {
                let name = name_bytes(&entry?.file_name());
                if after.is_some_and(|after| name[..] <= *after) {
                    continue;
                }
                names.push(name);
                if names.len() > most {
                    names.pop();
                }
            }
            Ok(names.into_sorted_vec())
        };
        page(limit, names, |name| {
            let host = folder.join(os_name(name));
            let data = fs::symlink_metadata(&host).ok();
            Ok(data.map(|data| info(&host, name, &data)))
        })
    }

    fn stat(&self, path: &[u8]) -> FileResult<FileInfo> {
        let place = self.find(path, false)?;
        let data = fs::symlink_metadata(&place.host)?;
        let name = place.inside.rsplit(|&byte| byte == b'/').next();
        let name = name.filter(|name| !name.is_empty());
        Ok(info(&place.host, name.unwrap_or(b"/"), &data))
    }

    fn open(&self, path: &[u8]) -> FileResult<File> {
        let host = self.find(path, true)?.host;
        require_regular(&fs::metadata(&host)?)?;
        let file = without_waiting(File::options().read(true)).open(host)?;
        // It may have been exchanged for a pipe since.
        require_regular(&file.metadata()?)?;
        Ok(file)
    }

    /// Nothing is mounted that the open file could hold.
    fn open_for_long(&self, path: &[u8], _dir: &ContainerDir) -> FileResult<File> {
        self.open(path)
    }

    fn write(&self, path: &[u8], content: &mut dyn Read, options: WriteOptions) -> FileResult<()> {
        if path.ends_with(b"/") {
            return refuse(EISDIR, "it names a folder, not a file");
        }
        if options.make_parents {
            self.make_parents(path)?;
        }
        let host = self.find(path, true)?.host;
        let old = fs::symlink_metadata(&host).ok();
        if let Some(old) = &old {
            require_regular(old)?;
        }
        let folder = host.parent().unwrap_or(&host);
        // Beside it first, so that a reader sees the old content or the new.
        let mut spare = tempfile::Builder::new().prefix(".minidocker-").tempfile_in(folder)?;
        io::copy(content, &mut spare)?;
        let mode = options.mode.or(old.as_ref().map(mode_of)).unwrap_or(0o644);
        set_mode(spare.as_file(), mode)?;
        spare.persist(&host).map_err(|error| error.error)?;
        Ok(())
    }

    fn make_directory(&self, path: &[u8]) -> FileResult<()> {
        let mut so_far = Vec::new();
        self.find(path, true)?;
        let parts = path.split(|&byte| byte == b'/');
        for part in parts.filter(|part| !matches!(*part, b"" | b".")) {
            so_far.push(b'/');
            so_far.extend_from_slice(part);
            let host = self.find(&so_far, true)?.host;
            match fs::create_dir(&host) {
                Err(_) if host.is_dir() => {}
                result => result?,
            }
        }
        Ok(())
    }

    fn remove(&self, path: &[u8]) -> FileResult<()> {
        let place = self.find(path, false)?;
        if place.inside == b"/" {
            return refuse(EBUSY, "the root itself cannot be removed");
        }
        let data = fs::symlink_metadata(&place.host)?;
        if self.paths.has_volume_below(&place.inside) {
            return refuse(EBUSY, "a volume is mounted there");
        }
        match data.is_dir() {
            true => remove_folder(&place.host)?,
            false => fs::remove_file(&place.host)?,
        }
        Ok(())
    }

    fn pack(&self, _: Option<&[Change]>, _: &mut dyn Write) -> Result<ArchiveSummary> {
        Err(unsupported("an archive of the files", ARCHIVES))
    }
}

/// What is opened is no pipe on which an open would wait, whatever takes its place.
fn without_waiting(options: &mut fs::OpenOptions) -> &mut fs::OpenOptions {
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
        options.custom_flags(flags.bits().cast_signed());
    }
    options
}

// The numbers that Linux and the other unixes share; they stand for the word on Windows too.
const EBUSY: i32 = 16;
const EISDIR: i32 = 21;
const EINVAL: i32 = 22;
#[cfg(target_os = "linux")]
const ELOOP: i32 = 40;
#[cfg(not(target_os = "linux"))]
const ELOOP: i32 = 62;

fn refuse<T>(errno: i32, why: &str) -> FileResult<T> {
    Err(Trouble { why: why.into(), errno: cfg!(unix).then_some(errno) })
}

fn full(parts: &[Vec<u8>]) -> Vec<u8> {
    [b"/", &parts.join(&b'/')[..]].concat()
}

fn require_regular(data: &Metadata) -> FileResult<()> {
    if data.is_dir() {
        return refuse(EISDIR, "it is a folder");
    }
    if !data.is_file() {
        return refuse(EINVAL, "it is a pipe, socket or device, not a regular file");
    }
    Ok(())
}

fn info(host: &Path, name: &[u8], data: &Metadata) -> FileInfo {
    let (name, name_bytes) = names::shown(name);
    let mut not_utf8: Vec<String> = name_bytes.iter().map(|_| "name".to_string()).collect();
    let target = fs::read_link(host).ok();
    let target = target.map(|target| {
        names::noted("target", &super::paths::name_bytes(target.as_os_str()), &mut not_utf8)
    });
    let (uid, gid) = owner(data);
    let modified = data.modified().ok().and_then(|time| Timestamp::try_from(time).ok());
    FileInfo {
        name,
        name_bytes,
        kind: kind(data),
        size: data.len(),
        mode: mode_of(data),
        uid,
        gid,
        modified: modified.unwrap_or(Timestamp::UNIX_EPOCH),
        target,
        mount: None,
        not_utf8,
    }
}

#[cfg(unix)]
fn kind(data: &Metadata) -> FileKind {
    use std::os::unix::fs::FileTypeExt;
    let kind = data.file_type();
    match () {
        () if kind.is_dir() => FileKind::Directory,
        () if kind.is_symlink() => FileKind::Symlink,
        () if kind.is_fifo() => FileKind::Fifo,
        () if kind.is_socket() => FileKind::Socket,
        () if kind.is_char_device() => FileKind::CharacterDevice,
        () if kind.is_block_device() => FileKind::BlockDevice,
        () => FileKind::File,
    }
}

#[cfg(not(unix))]
fn kind(data: &Metadata) -> FileKind {
    match () {
        () if data.is_dir() => FileKind::Directory,
        () if data.is_symlink() => FileKind::Symlink,
        () => FileKind::File,
    }
}

#[cfg(unix)]
fn owner(data: &Metadata) -> (u32, u32) {
    use std::os::unix::fs::MetadataExt;
    (data.uid(), data.gid())
}

#[cfg(not(unix))]
fn owner(_data: &Metadata) -> (u32, u32) {
    (0, 0)
}

#[cfg(unix)]
fn set_mode(file: &File, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(fs::Permissions::from_mode(mode & 0o7777))
}

#[cfg(not(unix))]
fn set_mode(file: &File, mode: u32) -> io::Result<()> {
    let mut permissions = file.metadata()?.permissions();
    permissions.set_readonly(mode & 0o200 == 0);
    file.set_permissions(permissions)
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn files() -> (tempfile::TempDir, Files) {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("etc")).unwrap();
        let paths = PathMap::new(root.path(), &[]);
        (root, Files { paths })
    }

    #[test]
    fn no_symlink_leads_out() {
        let (root, files) = files();
        fs::write(root.path().join("etc/passwd"), "inside").unwrap();
        let at = |name: &str| root.path().join(name);
        symlink("/etc/passwd", at("absolute")).unwrap();
        symlink("../../../../etc/passwd", at("relative")).unwrap();
        symlink("/etc", at("folder")).unwrap();
        symlink(at("etc/passwd"), at("hosts-path")).unwrap();
        for path in ["/absolute", "/relative", "/folder/passwd", "/hosts-path", "/../etc/passwd"] {
            let mut text = String::new();
            files.open(path.as_bytes()).unwrap().read_to_string(&mut text).unwrap();
            assert_eq!(text, "inside", "{path}");
        }
        symlink("circle", at("circle")).unwrap();
        assert_eq!(files.open(b"/circle").unwrap_err().errno, Some(ELOOP));
        files.remove(b"/folder").unwrap();
        assert!(at("etc/passwd").exists(), "the symlink itself is removed");
    }

    #[test]
    fn files_are_written_whole_listed_and_removed() {
        let (root, files) = files();
        let options = WriteOptions { mode: Some(0o600), make_parents: true };
        files.write(b"/new/sub/x", &mut &b"one"[..], options).unwrap();
        files.write(b"/new/sub/x", &mut &b"two"[..], WriteOptions::default()).unwrap();
        let found = files.list(b"/new/sub", None, 10).unwrap();
        assert_eq!(found.len(), 1, "no spare file is left");
        assert_eq!((found[0].mode, found[0].size), (0o600, 3), "the mode is kept");
        assert_eq!(files.stat(b"/").unwrap().name, "/");
        files.remove(b"/new").unwrap();
        assert!(!root.path().join("new").exists());
        for path in ["etc", "", "/a\0b"] {
            assert_eq!(files.stat(path.as_bytes()).unwrap_err().errno, Some(EINVAL), "{path:?}");
        }
        assert_eq!(files.remove(b"/").unwrap_err().errno, Some(EBUSY));
        assert_eq!(files.open(b"/etc").unwrap_err().errno, Some(EISDIR));
    }
}
