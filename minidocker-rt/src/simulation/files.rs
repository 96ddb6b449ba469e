//! The files of a simulated container, for programs outside it.
//!
//! They are plain files of the host. Paths are the container's, and symlinks are followed as a
//! container would follow them: an absolute one begins at its root, and `..` ends there. That
//! is for the answers to be the same as with a real container; it is no boundary, since the
//! container's processes are not bounded by it either.

use std::collections::VecDeque;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::paths::PathMap;
use super::rootfs::mode_of;
use crate::backend::{FileResult, FileTree};
use crate::files::{FileInfo, FileKind, Trouble, WriteOptions};
use crate::store::ContainerDir;

/// The names that a symlink may lead on to before it is taken for a circle: Linux's number.
const LINKS: usize = 40;

/// The files as the container's paths name them.
pub(super) struct Files {
    pub paths: PathMap,
}

/// Where a path led.
struct Place {
    /// The container's path, behind all symlinks.
    inside: String,
    host: PathBuf,
}

impl Files {
    /// Follows a path, and the symlink that its last name may be if `to_the_end`.
    fn find(&self, path: &str, to_the_end: bool) -> FileResult<Place> {
        if !path.starts_with('/') {
            return refuse(EINVAL, "it is not a full path of the container, such as /app/data");
        }
        if path.contains('\0') {
            return refuse(EINVAL, "it has a NUL byte");
        }
        let parts = |path: &str| path.split('/').map(String::from).collect::<VecDeque<_>>();
        let mut todo = parts(path);
        let mut inside: Vec<String> = Vec::new();
        let mut links = 0;
        while let Some(part) = todo.pop_front() {
            match part.as_str() {
                "" | "." => continue,
                ".." => {
                    inside.pop();
                    continue;
                }
                // On Windows these would lead to other drives and folders.
                name if cfg!(windows) && name.contains(['\\', ':']) => {
                    return refuse(EINVAL, "Windows has no such file names");
                }
                _ => inside.push(part),
            }
            let host = self.paths.host_path(&full(&inside));
            let is_last = todo.iter().all(|part| part.is_empty() || part == ".");
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
                Some(target) => target,
                None => link.to_string_lossy().replace('\\', "/"),
            };
            if target.starts_with('/') {
                inside.clear();
            }
            for part in parts(&target).into_iter().rev() {
                todo.push_front(part);
            }
        }
        let inside = full(&inside);
        Ok(Place { host: self.paths.host_path(&inside), inside })
    }

    fn make_parents(&self, path: &str) -> FileResult<()> {
        match path.trim_end_matches('/').rsplit_once('/') {
            Some((parent, _)) if !parent.is_empty() => self.make_directory(parent),
            _ => Ok(()),
        }
    }
}

impl FileTree for Files {
    fn list(&self, path: &str) -> FileResult<Vec<FileInfo>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(self.find(path, true)?.host)? {
            let entry = entry?;
            // What is gone since the names were read is not there.
            if let Ok(data) = fs::symlink_metadata(entry.path()) {
                found.push(info(&entry.path(), &entry.file_name().to_string_lossy(), &data));
            }
        }
        found.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(found)
    }

    fn stat(&self, path: &str) -> FileResult<FileInfo> {
        let place = self.find(path, false)?;
        let data = fs::symlink_metadata(&place.host)?;
        let name = place.inside.rsplit('/').next().filter(|name| !name.is_empty());
        Ok(info(&place.host, name.unwrap_or("/"), &data))
    }

    fn open(&self, path: &str) -> FileResult<File> {
        let host = self.find(path, true)?.host;
        require_regular(&fs::metadata(&host)?)?;
        Ok(File::open(host)?)
    }

    /// Nothing is mounted that the open file could hold.
    fn open_for_long(&self, path: &str, _dir: &ContainerDir) -> FileResult<File> {
        self.open(path)
    }

    fn write(&self, path: &str, content: &mut dyn Read, options: WriteOptions) -> FileResult<()> {
        if path.ends_with('/') {
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

    fn make_directory(&self, path: &str) -> FileResult<()> {
        let mut so_far = String::new();
        self.find(path, true)?;
        for part in path.split('/').filter(|part| !part.is_empty() && *part != ".") {
            so_far = format!("{so_far}/{part}");
            let host = self.find(&so_far, true)?.host;
            match fs::create_dir(&host) {
                Err(_) if host.is_dir() => {}
                result => result?,
            }
        }
        Ok(())
    }

    fn remove(&self, path: &str) -> FileResult<()> {
        let place = self.find(path, false)?;
        if place.inside == "/" {
            return refuse(EBUSY, "the root itself cannot be removed");
        }
        let data = fs::symlink_metadata(&place.host)?;
        if self.paths.has_volume_below(&place.inside) {
            return refuse(EBUSY, "a volume is mounted there");
        }
        match data.is_dir() {
            true => fs::remove_dir_all(&place.host)?,
            false => fs::remove_file(&place.host)?,
        }
        Ok(())
    }
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

fn full(parts: &[String]) -> String {
    format!("/{}", parts.join("/"))
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

fn info(host: &Path, name: &str, data: &Metadata) -> FileInfo {
    let (uid, gid) = owner(data);
    let modified = data.modified().ok().and_then(|time| Timestamp::try_from(time).ok());
    FileInfo {
        name: name.to_string(),
        kind: kind(data),
        size: data.len(),
        mode: mode_of(data),
        uid,
        gid,
        modified: modified.unwrap_or(Timestamp::UNIX_EPOCH),
        target: fs::read_link(host).ok().map(|target| target.to_string_lossy().into_owned()),
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
            files.open(path).unwrap().read_to_string(&mut text).unwrap();
            assert_eq!(text, "inside", "{path}");
        }
        symlink("circle", at("circle")).unwrap();
        assert_eq!(files.open("/circle").unwrap_err().errno, Some(ELOOP));
        files.remove("/folder").unwrap();
        assert!(at("etc/passwd").exists(), "the symlink itself is removed");
    }

    #[test]
    fn files_are_written_whole_listed_and_removed() {
        let (root, files) = files();
        let options = WriteOptions { mode: Some(0o600), make_parents: true };
        files.write("/new/sub/x", &mut &b"one"[..], options).unwrap();
        files.write("/new/sub/x", &mut &b"two"[..], WriteOptions::default()).unwrap();
        let found = files.list("/new/sub").unwrap();
        assert_eq!(found.len(), 1, "no spare file is left");
        assert_eq!((found[0].mode, found[0].size), (0o600, 3), "the mode is kept");
        assert_eq!(files.stat("/").unwrap().name, "/");
        files.remove("/new").unwrap();
        assert!(!root.path().join("new").exists());
        for path in ["etc", "", "/a\0b"] {
            assert_eq!(files.stat(path).unwrap_err().errno, Some(EINVAL), "{path:?}");
        }
        assert_eq!(files.remove("/").unwrap_err().errno, Some(EBUSY));
        assert_eq!(files.open("/etc").unwrap_err().errno, Some(EISDIR));
    }
}
