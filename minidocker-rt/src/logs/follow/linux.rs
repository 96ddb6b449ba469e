//! What wakes a follower on Linux: one epoll(7) over the folder's inotify, the supervisor's
//! pidfd and a timer.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

use super::Seen;
use crate::error::{Error, Result};
use crate::linux::process;
use crate::linux::watch::Watch;
use crate::status::StatusRecord;
use crate::store::ContainerDir;

/// What happened, as epoll(7) tells it.
const CHANGED: u64 = 0;
const SUPERVISOR: u64 = 1;
const TIMER: u64 = 2;

/// The signs that it is worth looking at a container's log.
#[derive(Debug)]
pub(super) struct Signs {
    /// Held open: through it the folder is read even if it was renamed by a delete.
    _folder: OwnedFd,
    watch: Watch,
    /// A pidfd: readable when the supervisor is gone, whatever ended it. None if there was
    /// none when we last looked.
    supervisor: Option<OwnedFd>,
    timer: TimerFd,
    poll: Epoll,
}

impl Signs {
    /// Begins to watch a container's folder. Returns the folder as it is to be read.
    pub fn of(path: &Path) -> Result<(Signs, ContainerDir)> {
        let folder = File::open(path).map_err(|error| Error::io("open", path, error))?;
        let folder = OwnedFd::from(folder);
        // The folder itself, whatever is called so later (`man 5 proc_pid_fd`).
        let path = PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd()));
        let watch = Watch::folder(&path)?;
        let timer = TimerFd::new(
            ClockId::CLOCK_MONOTONIC,
            TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK,
        )
        .map_err(|errno| system("timerfd_create", errno))?;
        let poll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)
            .map_err(|errno| system("epoll_create1", errno))?;
        for (fd, what) in [(watch.as_fd(), CHANGED), (timer.as_fd(), TIMER)] {
            poll.add(fd, EpollEvent::new(EpollFlags::EPOLLIN, what))
                .map_err(|errno| system("epoll_ctl", errno))?;
        }
        let signs = Signs { _folder: folder, watch, supervisor: None, timer, poll };
        Ok((signs, ContainerDir::at(path)))
    }

    /// What has happened since this was last called.
    pub fn look(&mut self) -> Result<Seen> {
        let mut found = [EpollEvent::empty(); 3];
        let count = loop {
            match self.poll.wait(&mut found, EpollTimeout::ZERO) {
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(system("epoll_wait", errno)),
                Ok(count) => break count,
            }
        };
        let happened = |what| found[..count].iter().any(|event| event.data() == what);
        if happened(CHANGED) {
            self.watch.clear();
        }
        Ok(Seen { any: count > 0, ended: happened(SUPERVISOR) })
    }

    /// Waits until something happens, at most so long. Returns whether something did.
    pub fn wait(&mut self, timeout: Option<Duration>) -> Result<bool> {
        process::wait_readable(self.as_fd(), timeout)
    }

    /// Whether the folder was removed or renamed.
    pub fn is_gone(&self) -> bool {
        self.watch.is_gone()
    }

    /// Whether a supervisor is followed.
    pub fn has_supervisor(&self) -> bool {
        self.supervisor.is_some()
    }

    /// Follows no supervisor any more, and waits for no time.
    pub fn forget(&mut self) -> Result<()> {
        // Closing a descriptor also takes it out of the epoll set.
        self.supervisor = None;
        self.timer.unset().map_err(|errno| system("timerfd_settime", errno))
    }

    /// Follows the supervisor of a record to its end. Returns whether it is alive.
    pub fn follow(&mut self, _dir: &ContainerDir, record: &StatusRecord) -> Result<bool> {
        if record.boot_id != process::boot_id() {
            return Ok(false);
        }
        let Some(pidfd) = process::open(record.supervisor) else { return Ok(false) };
        self.poll
            .add(&pidfd, EpollEvent::new(EpollFlags::EPOLLIN, SUPERVISOR))
            .map_err(|errno| system("epoll_ctl", errno))?;
        self.supervisor = Some(pidfd);
        Ok(true)
    }

    /// Makes it worth looking again after this time.
    pub fn look_again_after(&mut self, time: Duration) -> Result<()> {
        let time = Expiration::OneShot(TimeSpec::from_duration(time));
        self.timer
            .set(time, TimerSetTimeFlags::empty())
            .map_err(|errno| system("timerfd_settime", errno))
    }
}

impl AsFd for Signs {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.poll.0.as_fd()
    }
}

fn system(call: &str, errno: Errno) -> Error {
    Error::System { call: call.into(), errno: errno as i32 }
}
