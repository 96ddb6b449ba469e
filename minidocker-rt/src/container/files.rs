//! The files of a container, running or not.

use std::fs::File;
use std::io::Read;
use std::time::{Duration, Instant};

use super::diff::E2BIG;
use super::{ANSWER_PATIENCE, Container, WRITE};
use crate::backend::{FileResult, FileTree};
use crate::diff::Diff;
use crate::error::{Error, Result};
use crate::files::{FileInfo, Trouble, WriteOptions};
use crate::names;
use crate::status::Status;
use crate::store::LockedContainer;

/// The files of a container. Made by [`Container::files`].
///
/// Paths are full paths of the container: text, or any bytes, as in [`FileInfo::raw_name`].
/// Symlinks are followed as the container would follow them, so none leads out of it. Nothing
/// that could block (a pipe, a device) is ever opened, and nothing in the kernel's own
/// filesystems (/proc, /sys, cgroups, /dev/pts): there the container would be told what it is
/// itself allowed to see, and we all that root sees. Every method returns
/// - [`Error::File`] with the path and the errno if the path cannot be used as asked, which
///   includes that mounting the files of a container that does not run takes root;
/// - [`Error::Unsupported`] if the container was made without a rootfs of its own;
/// - [`Error::NotFound`] if the container was deleted.
#[derive(Debug, Clone)]
pub struct Files {
    container: Container,
}

/// The most names that [`Files::list`] tells of one folder. [`Files::list_page`] lists more.
pub const LIST_LIMIT: usize = 100_000;

/// What is done with a container, for an error.
const LOOK: &str = "look into";

/// How a system says that a file is too large: EFBIG, and on Windows ERROR_FILE_TOO_LARGE.
const TOO_LARGE: i32 = if cfg!(windows) { 223 } else { 27 };

/// The container's files for one operation.
pub(super) struct View {
    pub tree: Box<dyn FileTree>,
    /// Held while the container does not run, and let go of after the files: a start (or the
    /// supervisor's restart) in between would mount its overlay a second time, which
    /// overlayfs calls undefined.
    lock: Option<LockedContainer>,
}

impl Container {
    /// Its files: what it sees at `/`, volumes included while it runs.
    ///
    /// What is written while it does not run lands in its rootfs as if it had written it.
    pub fn files(&self) -> Files {
        Files { container: self.clone() }
    }

    /// Opens its files, running or not, for `operation`.
    pub(super) fn view(&self, operation: &'static str) -> Result<View> {
        let (dir, file) = self.dir_and_spec()?;
        let (record, status, _) = self.status_in(&dir)?;
        if matches!(status, Status::Running | Status::Paused) {
            // It may end at this moment; then the lock tells what became of it.
            let tree = self.runtime.backend.files(&dir, &file, record.as_ref(), status);
            if let Ok(tree) = tree {
                return Ok(View { tree, lock: None });
            }
        }
        let deadline = Instant::now() + ANSWER_PATIENCE;
        let locked = self.lock(operation)?;
        loop {
            let (record, status, _) = self.status_in(&locked.dir)?;
            if !status.is_alive() {
                self.clean_up(&locked.dir, record.as_ref())?;
            }
            let running = matches!(status, Status::Running | Status::Paused);
            let (dir, file) = (&locked.dir, &locked.spec_file);
            let tree = self.runtime.backend.files(dir, file, record.as_ref(), status);
            match (tree, record) {
                (Ok(tree), _) => return Ok(View { tree, lock: (!running).then_some(locked) }),
                // It has just ended, and its supervisor is about to say so.
                (Err(Error::System { .. }), Some(record))
                    if status == Status::Running && Instant::now() < deadline =>
                {
                    self.wait_for_supervisor(dir, &record, Some(Duration::from_millis(5)))?;
                }
                // Its init was killed while it is frozen (by the freezer of cgroup v1): the
                // end comes when it is resumed.
                (Err(Error::System { .. }), Some(_)) if running => {
                    let name = self.name.to_string();
                    return Err(Error::WrongState { name, operation, status });
                }
                (Err(error), _) => return Err(error),
            }
        }
    }
}

impl Files {
    /// What is in a folder, sorted by name.
    ///
    /// # Errors
    /// See [`Files`]; a folder of more than [`LIST_LIMIT`] names is refused with E2BIG.
    pub fn list(&self, path: impl AsRef<[u8]>) -> Result<Vec<FileInfo>> {
        let path = path.as_ref();
        self.act("list", path, |tree| {
            let listed = tree.list(path, None, LIST_LIMIT + 1)?;
            if listed.len() > LIST_LIMIT {
                let why = format!("it has more than {LIST_LIMIT} names, to be listed in pages");
                return Err(Trouble { why, errno: Some(E2BIG) });
            }
            Ok(listed)
        })
    }

    /// A page of what is in a folder, sorted by the bytes of the names: at most `limit` names,
    /// beginning behind the name `after` ([`FileInfo::raw_name`] of the page before). A page of
    /// fewer is the last.
    ///
    /// # Errors
    /// See [`Files`].
    pub fn list_page(
        &self,
        path: impl AsRef<[u8]>,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<FileInfo>> {
        let path = path.as_ref();
        self.act("list", path, |tree| tree.list(path, after, limit))
    }

    /// What the container changed directly in a folder, compared with its image: of its names,
    /// not of what is below them. At most `limit`, as with [`Container::diff_within`].
    ///
    /// # Errors
    /// As [`Container::diff_within`].
    pub fn changes(&self, folder: impl AsRef<[u8]>, limit: usize) -> Result<Diff> {
        self.container.diff_in(folder.as_ref(), limit)
    }

    /// What is known about one file. Of a symlink: about itself, with its target.
    ///
    /// # Errors
    /// See [`Files`].
    pub fn stat(&self, path: impl AsRef<[u8]>) -> Result<FileInfo> {
        let path = path.as_ref();
        self.act("look at", path, |tree| tree.stat(path))
    }

    /// The whole content of a file of at most `limit` bytes.
    ///
    /// # Errors
    /// See [`Files`]; a longer file is refused with EFBIG.
    pub fn read(&self, path: impl AsRef<[u8]>, limit: u64) -> Result<Vec<u8>> {
        let path = path.as_ref();
        self.act("read", path, |tree| {
            let mut content = Vec::new();
            // One byte more tells: the size of a file of /proc is not known beforehand.
            tree.open(path)?.take(limit.saturating_add(1)).read_to_end(&mut content)?;
            if content.len() as u64 > limit {
                let why = format!("it is longer than {limit} bytes");
                return Err(Trouble { why, errno: Some(TOO_LARGE) });
            }
            Ok(content)
        })
    }

    /// Opens a file to be read piece by piece.
    ///
    /// If the container does not run this is a copy of the file (without a name, gone when
    /// closed): however slowly it is read, the container can be started meanwhile. The copy
    /// takes the disk space that the file takes, until it is closed.
    ///
    /// # Errors
    /// See [`Files`].
    pub fn open(&self, path: impl AsRef<[u8]>) -> Result<File> {
        let path = path.as_ref();
        let view = self.container.view(LOOK).map_err(|error| self.explain("open", path, error))?;
        let opened = match &view.lock {
            Some(locked) => view.tree.open_for_long(path, &locked.dir),
            None => view.tree.open(path),
        };
        opened.map_err(|trouble| self.fail("open", path, trouble))
    }

    /// Creates a file, or replaces its content at once: a reader sees the old or the new. A
    /// file that is replaced keeps its owner; a new one belongs to root. A single file that
    /// is a volume is written over in place.
    ///
    /// # Errors
    /// See [`Files`]; what was there is unchanged then, but for a single file that is a volume,
    /// which may have lost its end.
    pub fn write(
        &self,
        path: impl AsRef<[u8]>,
        content: &[u8],
        options: WriteOptions,
    ) -> Result<()> {
        self.write_from(path, &mut &*content, options)
    }

    /// As [`Files::write`], with the content read from somewhere. If the container does not
    /// run, it cannot be started before the end of the content is reached; it can be deleted by
    /// force.
    ///
    /// # Errors
    /// As [`Files::write`]; also what the reader returns.
    pub fn write_from(
        &self,
        path: impl AsRef<[u8]>,
        content: &mut dyn Read,
        options: WriteOptions,
    ) -> Result<()> {
        let path = path.as_ref();
        self.act_for(WRITE, "write", path, |tree| tree.write(path, content, options))
    }

    /// Makes a folder, and those above it that are missing, with mode `0o755`. One that
    /// exists is fine.
    ///
    /// # Errors
    /// See [`Files`].
    pub fn make_directory(&self, path: impl AsRef<[u8]>) -> Result<()> {
        let path = path.as_ref();
        self.act("make the folder", path, |tree| tree.make_directory(path))
    }

    /// Removes a file, a symlink (not what it leads to), or a folder with all that is in it.
    /// Never reaches into a volume from above it.
    ///
    /// # Errors
    /// See [`Files`]; EBUSY at a volume. Part of a folder may be gone by then.
    pub fn remove(&self, path: impl AsRef<[u8]>) -> Result<()> {
        let path = path.as_ref();
        self.act("remove", path, |tree| tree.remove(path))
    }

    fn act<T>(
        &self,
        action: &'static str,
        path: &[u8],
        act: impl FnOnce(&dyn FileTree) -> FileResult<T>,
    ) -> Result<T> {
        self.act_for(LOOK, action, path, act)
    }

    /// As [`Files::act`], with what the lock is held for.
    fn act_for<T>(
        &self,
        operation: &'static str,
        action: &'static str,
        path: &[u8],
        act: impl FnOnce(&dyn FileTree) -> FileResult<T>,
    ) -> Result<T> {
        let view = self.container.view(operation);
        let view = view.map_err(|error| self.explain(action, path, error))?;
        act(&*view.tree).map_err(|trouble| self.fail(action, path, trouble))
    }

    fn fail(&self, action: &'static str, path: &[u8], trouble: Trouble) -> Error {
        let Trouble { why, errno } = trouble;
        let name = self.container.name.to_string();
        Error::File { name, action, path: names::text(path), why, errno }
    }

    /// Says of a call that failed before the path was looked at what it was for.
    fn explain(&self, action: &'static str, path: &[u8], error: Error) -> Error {
        match error {
            Error::System { errno, .. } => {
                let trouble = Trouble { why: error.to_string(), errno: Some(errno) };
                self.fail(action, path, trouble)
            }
            other => other,
        }
    }
}
