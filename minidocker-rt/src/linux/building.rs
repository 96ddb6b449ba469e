//! What a supervisor listens to while its container is being built: the reports of those who
//! build, and programs that ask for its end.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::channel;
use super::control::{self, Answer, MOST_CALLERS, Request};

/// How long the construction may take. What keeps it (a folder that hangs, a process that stops
/// init) keeps the container's lock too.
const LONGEST: Duration = Duration::from_secs(30);

/// A construction under way.
pub(crate) struct Building<'a> {
    door: &'a OwnedFd,
    callers: &'a mut Vec<OwnedFd>,
    deadline: Instant,
    /// When the grace period of a stop is over, if one was asked for.
    pub stop_at: Option<Instant>,
}

/// What came of a wait.
pub(crate) enum Heard {
    /// Init or the command have something to report, or have ended.
    Report,
    /// They are not to go on, for this reason.
    Over(String),
}

impl<'a> Building<'a> {
    /// Begins now.
    pub fn new(door: &'a OwnedFd, callers: &'a mut Vec<OwnedFd>) -> Building<'a> {
        Building { door, callers, deadline: Instant::now() + LONGEST, stop_at: None }
    }

    /// Waits for a report, and answers whoever calls meanwhile.
    pub fn wait(&mut self, reports: BorrowedFd<'_>) -> Heard {
        loop {
            let until = self.stop_at.map_or(self.deadline, |stop_at| stop_at.min(self.deadline));
            let left = until.saturating_duration_since(Instant::now());
            // poll(2) counts whole milliseconds: rounded up, never a busy loop.
            let timeout = PollTimeout::try_from(left.as_micros().div_ceil(1000));
            let watch = |fd| PollFd::new(fd, PollFlags::POLLIN);
            let mut fds = vec![watch(reports), watch(self.door.as_fd())];
            fds.extend(self.callers.iter().map(|caller| watch(caller.as_fd())));
            match poll(&mut fds, timeout.unwrap_or(PollTimeout::MAX)) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(errno) => return Heard::Over(format!("poll failed: {errno}")),
            }
            let ready: Vec<bool> = fds.iter().map(|fd| fd.any().unwrap_or(false)).collect();
            if ready[0] {
                return Heard::Report;
            }
            // Backwards, so that removing one does not renumber those to come.
            for index in (0..self.callers.len()).rev().filter(|index| ready[index + 2]) {
                let caller = self.callers.remove(index);
                self.answer(&caller);
            }
            if ready[1]
                && let Some(caller) = control::admit(self.door)
                && self.callers.len() < MOST_CALLERS
            {
                self.callers.push(caller);
            }
            if left.is_zero() {
                return Heard::Over(match self.stop_at {
                    Some(_) => "it was stopped while it was being built".into(),
                    None => format!("it was not done within {} s", LONGEST.as_secs()),
                });
            }
        }
    }

    fn answer(&mut self, caller: &OwnedFd) {
        let Ok(Some(request)) = channel::receive::<Request>(caller.as_fd()) else { return };
        let answer = match request.message {
            Request::Stop { grace_millis } => {
                let stop_at = Instant::now().checked_add(Duration::from_millis(grace_millis));
                self.stop_at = self.stop_at.into_iter().chain(stop_at).min();
                Answer::Done
            }
            Request::Signal(_) | Request::Attach => Answer::NotRunning,
        };
        // If the caller is gone, nobody waits for the answer.
        let _ = channel::send(caller.as_fd(), &answer, &[]);
    }
}
