//! Following the log of a container until it has ended.

use std::fs::{File, TryLockError};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

use super::cursor::{Beyond, Cursor};
use super::line::Line;
use super::{LogEntry, Logs, Stream};
use crate::error::{Error, Result};
use crate::linux::process;
use crate::linux::watch::{Watch, wait_for_next};
use crate::next::Next;
use crate::store::ContainerDir;

/// How soon to look again whether an operation on the container is over: flock(2) has no
/// descriptor to wait for.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// What wakes a follower, as epoll(7) tells it.
const CHANGED: u64 = 0;
const SUPERVISOR: u64 = 1;
const TIMER: u64 = 2;

/// The entries of a log as they are written, until the container has ended. Made by
/// [`Logs::follow`].
///
/// As an iterator it waits for each entry. For programs that wait for many things at once
/// there is [`Follow::try_next`], and a descriptor ([`AsFd`]) that is readable when it is
/// worth calling.
///
/// A reader may be as slow as it likes: it reads from the log's files. Only if it is so far
/// behind that the log was rotated more than once, it may miss entries, and gets a remark
/// ([`Stream::System`]) that says so.
#[derive(Debug)]
pub struct Follow {
    logs: Logs,
    dir: ContainerDir,
    /// Held open: through it the folder is read even if it was renamed by a delete.
    _folder: OwnedFd,
    cursor: Cursor,
    watch: Watch,
    /// A pidfd: readable when the supervisor is gone, whatever ended it. None if there was
    /// none when we last looked.
    supervisor: Option<OwnedFd>,
    timer: TimerFd,
    poll: Epoll,
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
        let folder = match File::open(&path) {
            Ok(folder) => OwnedFd::from(folder),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(not_found()),
            Err(error) => return Err(Error::io("open", &path, error)),
        };
        // The folder itself, whatever is called so later (`man 5 proc_pid_fd`).
        let path = PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd()));
        let dir = ContainerDir::at(path);
        // A container that was made anew has another log.
        dir.spec_file()?.filter(|file| file.id == logs.id).ok_or_else(not_found)?;

        let made = |call: &'static str| {
            move |errno: Errno| Error::System { call: call.into(), errno: errno as i32 }
        };
        // Before the first look at the files: what changes after it is told.
        let watch = Watch::folder(dir.path())?;
        let timer = TimerFd::new(
            ClockId::CLOCK_MONOTONIC,
            TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK,
        )
        .map_err(made("timerfd_create"))?;
        let poll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(made("epoll_create1"))?;
        for (fd, what) in [(watch.as_fd(), CHANGED), (timer.as_fd(), TIMER)] {
            poll.add(fd, EpollEvent::new(EpollFlags::EPOLLIN, what)).map_err(made("epoll_ctl"))?;
        }
        Ok(Follow {
            cursor: Cursor::open(&dir.log(), logs.tail, logs.stream)?,
            logs,
            dir,
            _folder: folder,
            watch,
            supervisor: None,
            timer,
            poll,
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
        wait_for_next(self, Follow::try_next, Some(timeout))
    }

    /// Whether it is worth reading on. Finds out also whether the container has ended, which
    /// must come before the reading: then what is read afterwards is all there is.
    fn look_for_changes(&mut self) -> Result<bool> {
        let mut found = [EpollEvent::empty(); 3];
        let count = loop {
            match self.poll.wait(&mut found, EpollTimeout::ZERO) {
                Err(Errno::EINTR) => {}
                Err(errno) => {
                    return Err(Error::System { call: "epoll_wait".into(), errno: errno as i32 });
                }
                Ok(count) => break count,
            }
        };
        let happened = |what| found[..count].iter().any(|event| event.data() == what);
        if happened(CHANGED) {
            self.watch.clear();
        }
        let unattended = self.supervisor.is_none();
        if happened(SUPERVISOR) || unattended && (self.fresh || count > 0) || self.watch.is_gone() {
            self.over = self.has_ended()?;
        }
        Ok(std::mem::take(&mut self.fresh) || count > 0)
    }

    /// Whether nobody will write to the log any more. If somebody will, there is afterwards
    /// something that tells of his end.
    fn has_ended(&mut self) -> Result<bool> {
        // Closing a descriptor also takes it out of the epoll set.
        self.supervisor = None;
        self.timer.unset().map_err(|errno| system("timerfd_settime", errno))?;
        if self.watch.is_gone() || self.finds_supervisor()? {
            return Ok(self.watch.is_gone());
        }
        // Between the two halves of a restart there is no supervisor, but the operation's lock.
        let Ok(lock) = File::open(self.dir.path().join("lock")) else { return Ok(true) };
        match lock.try_lock_shared() {
            Ok(()) => Ok(!self.finds_supervisor()?),
            Err(TryLockError::WouldBlock) => {
                let time = Expiration::OneShot(TimeSpec::from_duration(LOOK_AGAIN));
                self.timer
                    .set(time, TimerSetTimeFlags::empty())
                    .map_err(|errno| system("timerfd_settime", errno))?;
                Ok(false)
            }
            Err(TryLockError::Error(error)) => Err(Error::io("lock", self.dir.path(), error)),
        }
    }

    fn finds_supervisor(&mut self) -> Result<bool> {
        // A record that cannot be read tells of nobody.
        let record = self.dir.status().ok().flatten();
        let record = record.filter(|record| record.boot_id == process::boot_id());
        let Some(pidfd) = record.and_then(|record| process::open(record.supervisor)) else {
            return Ok(false);
        };
        self.poll
            .add(&pidfd, EpollEvent::new(EpollFlags::EPOLLIN, SUPERVISOR))
            .map_err(|errno| system("epoll_ctl", errno))?;
        self.supervisor = Some(pidfd);
        Ok(true)
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

fn gap() -> LogEntry {
    LogEntry {
        time: Timestamp::now(),
        stream: Stream::System,
        full: true,
        text: b"=== The log was rotated faster than it was read: lines may be missing ===".into(),
    }
}

fn system(call: &str, errno: Errno) -> Error {
    Error::System { call: call.into(), errno: errno as i32 }
}

impl Iterator for Follow {
    type Item = Result<LogEntry>;

    fn next(&mut self) -> Option<Result<LogEntry>> {
        match wait_for_next(self, Follow::try_next, None) {
            Ok(Next::Item(entry)) => Some(Ok(entry)),
            Ok(_) => None,
            Err(error) => Some(Err(error)),
        }
    }
}

impl AsFd for Follow {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.poll.0.as_fd()
    }
}
