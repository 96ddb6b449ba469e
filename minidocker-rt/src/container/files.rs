//! The files of a container, running or not.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use super::{ANSWER_PATIENCE, Container};
use crate::error::{Error, Result};
use crate::files::{FileInfo, WriteOptions};
use crate::linux::files::{self, Trouble};
use crate::linux::view;
use crate::status::Status;
use crate::store::LockedContainer;

/// The files of a container. Made by [`Container::files`].
///
/// Paths are full paths of the container, in UTF-8; a file whose name is not UTF-8 is listed,
/// and goes with its folder, but cannot be named. Symlinks are followed as the container
/// would follow them, so none leads out of it, and nothing that could block (a pipe, a
/// device) is ever opened. Every method returns
/// - [`Error::File`] with the path and the errno if the path cannot be used as asked, which
///   includes that mounting the files of a container that does not run takes root;
/// - [`Error::Unsupported`] if the container was made without a rootfs of its own;
/// - [`Error::NotFound`] if the container was deleted.
#[derive(Debug, Clone)]
pub struct Files {
    container: Container,
}

/// The root of the container's files for one operation.
pub(super) struct View {
    pub root: OwnedFd,
    /// Held while the container does not run, and let go of after the root: a start (or the
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

    pub(super) fn view(&self) -> Result<View> {
        let (dir, file) = self.dir_and_spec()?;
        let (record, status, _) = self.status_in(&dir)?;
        if matches!(status, Status::Running | Status::Paused) {
            // It may end at this moment; then the lock tells what became of it.
            let host = &self.runtime.host;
            if let Ok(root) = view::open(&dir, &file, host, record.as_ref(), status) {
                return Ok(View { root, lock: None });
            }
        }
        let deadline = Instant::now() + ANSWER_PATIENCE;
        let locked = self.lock()?;
        loop {
            let (record, status, _) = self.status_in(&locked.dir)?;
            if !status.is_alive() {
                self.clean_up(record.as_ref())?;
            }
            let running = matches!(status, Status::Running | Status::Paused);
            let (dir, file, host) = (&locked.dir, &locked.spec_file, &self.runtime.host);
            match (view::open(dir, file, host, record.as_ref(), status), record) {
                (Ok(root), _) => return Ok(View { root, lock: (!running).then_some(locked) }),
                // It has just ended, and its supervisor is about to say so.
                (Err(Error::System { .. }), Some(record))
                    if running && Instant::now() < deadline =>
                {
                    self.wait_for_supervisor(&record, Some(Duration::from_millis(5)))?;
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
    /// See [`Files`].
    pub fn list(&self, path: &str) -> Result<Vec<FileInfo>> {
        self.act("list", path, |root| files::list(root, path))
    }

    /// What is known about one file. Of a symlink: about itself, with its target.
    ///
    /// # Errors
    /// See [`Files`].
    pub fn stat(&self, path: &str) -> Result<FileInfo> {
        self.act("look at", path, |root| files::stat(root, path))
    }

    /// The whole content of a file of at most `limit` bytes.
    ///
    /// # Errors
    /// See [`Files`]; a longer file is refused with EFBIG.
    pub fn read(&self, path: &str, limit: u64) -> Result<Vec<u8>> {
        self.act("read", path, |root| {
            let mut content = Vec::new();
            // One byte more tells: the size of a file of /proc is not known beforehand.
            files::open(root, path)?.take(limit.saturating_add(1)).read_to_end(&mut content)?;
            if content.len() as u64 > limit {
                let why = format!("it is longer than {limit} bytes");
                return Err(Trouble { why, errno: Some(libc::EFBIG) });
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
    pub fn open(&self, path: &str) -> Result<File> {
        let view = self.container.view().map_err(|error| self.explain("open", path, error))?;
        let opened = files::open(view.root.as_fd(), path).and_then(|mut file| match &view.lock {
            Some(locked) => Ok(files::copy_into(locked.dir.path(), &mut file)?),
            None => Ok(file),
        });
        opened.map_err(|trouble| self.fail("open", path, trouble))
    }

    /// Creates a file, or replaces its content at once: a reader sees the old or the new. A
    /// file that is replaced keeps its owner; a new one belongs to root. A single file that
    /// is a volume is written over in place.
    ///
    /// # Errors
    /// See [`Files`]; what was there is unchanged then, but for a single file that is a volume,
    /// which may have lost its end.
    pub fn write(&self, path: &str, content: &[u8], options: WriteOptions) -> Result<()> {
        self.write_from(path, &mut &*content, options)
    }

    /// As [`Files::write`], with the content read from somewhere. If the container does not
    /// run, it cannot be started before the end of the content is reached.
    ///
    /// # Errors
    /// As [`Files::write`]; also what the reader returns.
    pub fn write_from(
        &self,
        path: &str,
        content: &mut dyn Read,
        options: WriteOptions,
    ) -> Result<()> {
        self.act("write", path, |root| files::write(root, path, content, options))
    }

    /// Makes a folder, and those above it that are missing, with mode `0o755`. One that
    /// exists is fine.
    ///
    /// # Errors
    /// See [`Files`].
    pub fn make_directory(&self, path: &str) -> Result<()> {
        self.act("make the folder", path, |root| files::make_directory(root, path))
    }

    /// Removes a file, a symlink (not what it leads to), or a folder with all that is in it.
    /// Never reaches into a volume from above it.
    ///
    /// # Errors
    /// See [`Files`]; EBUSY at a volume. Part of a folder may be gone by then.
    pub fn remove(&self, path: &str) -> Result<()> {
        self.act("remove", path, |root| files::remove(root, path))
    }

    fn act<T>(
        &self,
        action: &'static str,
        path: &str,
        act: impl FnOnce(BorrowedFd<'_>) -> std::result::Result<T, Trouble>,
    ) -> Result<T> {
        let view = self.container.view().map_err(|error| self.explain(action, path, error))?;
        act(view.root.as_fd()).map_err(|trouble| self.fail(action, path, trouble))
    }

    fn fail(&self, action: &'static str, path: &str, trouble: Trouble) -> Error {
        let Trouble { why, errno } = trouble;
        let name = self.container.name.to_string();
        Error::File { name, action, path: path.to_string(), why, errno }
    }

    /// Says of a call that failed before the path was looked at what it was for.
    fn explain(&self, action: &'static str, path: &str, error: Error) -> Error {
        match error {
            Error::System { errno, .. } => {
                let trouble = Trouble { why: error.to_string(), errno: Some(errno) };
                self.fail(action, path, trouble)
            }
            other => other,
        }
    }
}
