//! Equal intervals for as long as a container lives.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

use crate::error::{Error, Result};
use crate::linux::process;
use crate::status::ProcessIdentity;

/// The kernel refuses times beyond its own range; nobody waits for so long.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// A timer of the kernel beside the supervisor's pidfd, so that the container's end is
/// noticed at once and not at the next tick. See `man 2 timerfd_create`.
#[derive(Debug)]
pub(crate) struct Ticker {
    timer: TimerFd,
    supervisor: Option<OwnedFd>,
}

impl Ticker {
    /// Ticks every `interval`, which is not zero, for no container yet.
    pub fn new(interval: Duration) -> Result<Ticker> {
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_CLOEXEC)
            .map_err(|errno| system("timerfd_create", errno))?;
        let interval = TimeSpec::from_duration(interval.min(LONGEST));
        timer
            .set(Expiration::Interval(interval), TimerSetTimeFlags::empty())
            .map_err(|errno| system("timerfd_settime", errno))?;
        Ok(Ticker { timer, supervisor: None })
    }

    /// Ticks, from now on, as long as this supervisor lives.
    pub fn follow(&mut self, supervisor: ProcessIdentity) {
        self.supervisor = process::open(supervisor);
    }

    /// Waits for the next tick. Returns false, without waiting for it, once the container
    /// has ended. Ticks that nobody waited for are one.
    pub fn tick(&self) -> Result<bool> {
        let Some(supervisor) = &self.supervisor else { return Ok(false) };
        loop {
            let watch = |fd| PollFd::new(fd, PollFlags::POLLIN);
            let mut fds = [watch(supervisor.as_fd()), watch(self.timer.as_fd())];
            match poll(&mut fds, PollTimeout::NONE) {
                Ok(_) => {}
                Err(Errno::EINTR) => continue,
                Err(errno) => return Err(system("poll", errno)),
            }
            let [ended, due] = fds.map(|fd| fd.any().unwrap_or(false));
            if ended {
                return Ok(false);
            }
            if due {
                self.timer.wait().map_err(|errno| system("read(timerfd)", errno))?;
                return Ok(true);
            }
        }
    }
}

fn system(call: &str, errno: Errno) -> Error {
    Error::System { call: call.into(), errno: errno as i32 }
}
