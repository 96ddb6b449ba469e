//! Following the log of a container until it has ended.

#[cfg(linux_backend)]
#[path = "follow/linux.rs"]
mod signs;
#[cfg(not(linux_backend))]
#[path = "follow/portable.rs"]
mod signs;

use std::fs::{File, TryLockError};
#[cfg(linux_backend)]
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use jiff::Timestamp;

use self::signs::Signs;
use super::cursor::{Beyond, Cursor};
use super::line::Line;
use super::{LogEntry, Logs, Stream};
use crate::error::{Error, Result};
use crate::next::{Next, Source, wait_for_next};
use crate::store::ContainerDir;

/// How soon to look again whether an operation on the container is over: a file's lock has
/// no event to wait for.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// What has happened since the signs were last looked at.
struct Seen {
    /// Anything at all.
    any: bool,
    /// The supervisor that was followed has ended.
    ended: bool,
}

/// The entries of a log as they are written, until the container has ended. Made by
/// [`Logs::follow`].
///
/// As an iterator it waits for each entry. For programs that wait for many things at once
/// there is [`Follow::try_next`], and on Linux a descriptor (`AsFd`) that is readable when it
/// is worth calling.
///
/// A reader may be as slow as it likes: it reads from the log's files. Only if it is so far
/// behind that the log was rotated more than once, it may miss entries, and gets a remark
/// ([`Stream::System`]) that says so.
#[derive(Debug)]
pub struct Follow {
    logs: Logs,
    dir: ContainerDir,
    cursor: Cursor,
    signs: Signs,
    /// Whether nothing was looked at yet.
    fresh: bool,
    /// Whether the container has ended: what the files hold now is all.
    over: bool,
}

impl Logs {
    /// The chosen entries, oldest first, and then each new one as it is written. Ends when
    /// the container has ended (or was deleted) and all was told, its last remark included;
    /// at once, if it does not run. A restart does not end it.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the container was deleted; [`Error::System`] if the kernel has
    /// no inotify watch left (`man 7 inotify`); [`Error::Io`] if the log cannot be read.
    pub fn follow(&self) -> Result<Follow> {
        Follow::new(self.clone())
    }
}

impl Follow {
    fn new(logs: Logs) -> Result<Follow> {
        let path = logs.path.parent().unwrap_or(&logs.path).to_path_buf();
        let name = || path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let not_found = || Error::NotFound { name: name() };
        // Before the first look at the files: what changes after it is told.
        let (signs, dir) = match Signs::of(&path) {
            Err(Error::Io { .. }) if !path.exists() => return Err(not_found()),
            result => result?,
        };
        // A container that was made anew has another log.
        dir.spec_file()?.filter(|file| file.id == logs.id).ok_or_else(not_found)?;
        Ok(Follow {
            cursor: Cursor::open(&dir.log(), logs.tail, logs.stream)?,
            logs,
            dir,
            signs,
            fresh: true,
            over: false,
        })
    }

    /// The next entry, without waiting.
    ///
    /// # Errors
    /// [`Error::Io`] if the log cannot be read.
    pub fn try_next(&mut self) -> Result<Next<LogEntry>> {
        // Without a sign of change there is nothing to read; this is what makes asking cheap.
        if !self.cursor.has_buffered() && !self.over && !self.look_for_changes()? {
            return Ok(Next::NothingYet);
        }
        Ok(match self.read()? {
            Some(entry) => {
                // There may be more than the buffer holds.
                self.fresh = true;
                Next::Item(entry)
            }
            None if self.over => Next::End,
            None => Next::NothingYet,
        })
    }

    /// The next entry, waiting for at most `timeout`; then [`Next::NothingYet`].
    ///
    /// # Errors
    /// As [`Follow::try_next`].
    pub fn next_timeout(&mut self, timeout: Duration) -> Result<Next<LogEntry>> {
        wait_for_next(self, Some(timeout))
    }

    /// Whether it is worth reading on. Finds out also whether the container has ended, which
    /// must come before the reading: then what is read afterwards is all there is.
    fn look_for_changes(&mut self) -> Result<bool> {
        let unattended = !self.signs.has_supervisor();
        let Seen { any, ended } = self.signs.look()?;
        if ended || unattended && (self.fresh || any) || self.signs.is_gone() {
            self.over = self.has_ended()?;
        }
        Ok(std::mem::take(&mut self.fresh) || any)
    }

    /// Whether nobody will write to the log any more. If somebody will, there is afterwards
    /// something that tells of his end.
    fn has_ended(&mut self) -> Result<bool> {
        self.signs.forget()?;
        if self.signs.is_gone() || self.finds_supervisor()? {
            return Ok(self.signs.is_gone());
        }
        // Between the two halves of a restart there is no supervisor, but the operation's lock.
        let Ok(lock) = File::open(self.dir.path().join("lock")) else { return Ok(true) };
        match lock.try_lock_shared() {
            Ok(()) => Ok(!self.finds_supervisor()?),
            Err(TryLockError::WouldBlock) => {
                self.signs.look_again_after(LOOK_AGAIN).map(|()| false)
            }
            Err(TryLockError::Error(error)) => Err(Error::io("lock", self.dir.path(), error)),
        }
    }

    fn finds_supervisor(&mut self) -> Result<bool> {
        // A record that cannot be read tells of nobody.
        match self.dir.status().ok().flatten() {
            Some(record) => self.signs.follow(&self.dir, &record),
            None => Ok(false),
        }
    }

    fn read(&mut self) -> Result<Option<LogEntry>> {
        loop {
            while let Some(line) = self.cursor.next()? {
                if let Some(line) = Line::parse(line).filter(|line| self.logs.chooses(line)) {
                    return Ok(Some(line.to_entry()));
                }
            }
            match self.cursor.look_beyond()? {
                Beyond::Nothing => return Ok(None),
                Beyond::More => {}
                Beyond::MoreAfterAGap => return Ok(Some(gap())),
            }
        }
    }
}

const GAP: &[u8] = b"=== The log was rotated faster than it was read: lines may be missing ===";

fn gap() -> LogEntry {
    LogEntry { time: Timestamp::now(), stream: Stream::System, full: true, text: GAP.into() }
}

impl LogEntry {
    /// Whether this is the remark of a [`Follow`] that entries before it may be missing.
    pub fn tells_of_a_gap(&self) -> bool {
        self.stream == Stream::System && self.text == GAP
    }
}

impl Source for Follow {
    type Item = LogEntry;

    fn try_next(&mut self) -> Result<Next<LogEntry>> {
        Follow::try_next(self)
    }

    fn wait(&mut self, timeout: Option<Duration>) -> Result<bool> {
        self.signs.wait(timeout)
    }
}

impl Iterator for Follow {
    type Item = Result<LogEntry>;

    fn next(&mut self) -> Option<Result<LogEntry>> {
        match wait_for_next(self, None) {
            Ok(Next::Item(entry)) => Some(Ok(entry)),
            Ok(_) => None,
            Err(error) => Some(Err(error)),
        }
    }
}

#[cfg(linux_backend)]
impl AsFd for Follow {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.signs.as_fd()
    }
}
