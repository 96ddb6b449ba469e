//! Probes the health of a container: the supervisor's side of a health check. It is stepped
//! from the supervisor's poll loop, and never waits itself.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc;
use nix::unistd::pipe2;

use super::context::Streams;
use super::exec::{ExecOrder, ExecReply, ExecRequest, fork_helper};
use super::host::Host;
use super::raw::reap_raw;
use super::supervisor::decode;
use super::{channel, process};
use crate::health::Probe;
use crate::spec::HealthCheck;
use crate::utf8;

/// How much of a probe's output is kept: 4 KiB, as Docker does.
const OUTPUT: usize = 4 << 10;

/// How much a pipe holds (`man 7 pipe`).
const PIPE: usize = 64 << 10;

/// The probes of one run of a container.
pub(crate) struct Prober {
    check: HealthCheck,
    container: PathBuf,
    /// When the run began.
    began: Instant,
    /// Whether the latest probe was begun in the start period.
    lenient: bool,
    state: State,
}

enum State {
    /// Until the next probe.
    Idle { next: Instant },
    /// One is under way.
    Probing(Probing),
}

/// How long the helper of a killed probe may take to be gone. It gives the probe a second.
const LONGEST_END: Duration = Duration::from_secs(2);

/// A probe under way.
struct Probing {
    helper: i32,
    channel: OwnedFd,
    output: OwnedFd,
    text: Vec<u8>,
    started_at: Timestamp,
    /// When its time is over; None once it was killed for that.
    deadline: Option<Instant>,
}

impl Prober {
    /// The first probe comes after one interval.
    pub fn new(check: HealthCheck, container: &Path) -> Prober {
        let began = Instant::now();
        let state = State::Idle { next: began + check.interval };
        Prober { check, container: container.to_owned(), began, lenient: true, state }
    }

    /// What to wait for.
    pub fn fds(&self) -> Vec<BorrowedFd<'_>> {
        match &self.state {
            State::Idle { .. } => Vec::new(),
            State::Probing(probing) => vec![probing.channel.as_fd(), probing.output.as_fd()],
        }
    }

    /// When to step though nothing was heard.
    pub fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Idle { next } => Some(*next),
            State::Probing(probing) => probing.deadline,
        }
    }

    /// Whether a failure of the latest probe does not count yet.
    pub fn is_lenient(&self) -> bool {
        self.lenient
    }

    /// The health check.
    pub fn check(&self) -> &HealthCheck {
        &self.check
    }

    /// Does whatever can be done now. Returns a probe that has ended.
    pub fn step(&mut self, host: &Host, paused: impl Fn() -> bool) -> Option<Probe> {
        let now = Instant::now();
        let ended = match &mut self.state {
            State::Idle { next } if *next > now => return None,
            // What is frozen cannot answer, and is not to blame.
            State::Idle { .. } if paused() => None,
            State::Idle { .. } => {
                self.lenient = self.began.elapsed() < self.check.start_period;
                match self.begin(host) {
                    Ok(probing) => {
                        self.state = State::Probing(probing);
                        return None;
                    }
                    Err(why) => Some(ended(Timestamp::now(), None, why)),
                }
            }
            State::Probing(probing) => Some(probing.step(now, &self.check, paused)?),
        };
        self.state = State::Idle { next: Instant::now() + self.check.interval };
        ended
    }

    fn begin(&self, host: &Host) -> Result<Probing, String> {
        let system = |call: &str, errno: nix::errno::Errno| format!("{call} => {errno}");
        let pipe = || pipe2(OFlag::O_CLOEXEC).map_err(|errno| system("pipe2", errno));
        let (stdin, _) = pipe()?;
        let (output, stdout) = pipe()?;
        let _ = fcntl(&output, FcntlArg::F_SETFL(OFlag::O_NONBLOCK));
        let stderr = stdout.try_clone().map_err(|error| error.to_string())?;
        let streams = Streams { stdin: Some(stdin), stdout: Some(stdout), stderr: Some(stderr) };
        let request = ExecRequest {
            container: self.container.clone(),
            words: self.check.command.words().to_vec(),
            env: Vec::new(),
            working_dir: None,
            user: None,
            tty: None,
            // The supervisor keeps the time: that of a pause does not count.
            timeout: None,
        };
        let (helper, channel) =
            fork_helper(&request, streams, host).map_err(|error| error.to_string())?;
        Ok(Probing {
            helper,
            channel,
            output,
            text: Vec::new(),
            started_at: Timestamp::now(),
            deadline: Some(Instant::now() + self.check.timeout),
        })
    }
}

impl Probing {
    fn step(
        &mut self,
        now: Instant,
        check: &HealthCheck,
        paused: impl Fn() -> bool,
    ) -> Option<Probe> {
        self.read();
        let heard = process::wait_readable(self.channel.as_fd(), Some(std::time::Duration::ZERO));
        if matches!(heard, Ok(true)) {
            let reply = channel::receive::<ExecReply>(self.channel.as_fd()).ok().flatten();
            let (exit_code, why) = match reply.map(|received| received.message) {
                Some(ExecReply::Started { .. }) => return None,
                Some(ExecReply::Ended { status, .. }) if self.deadline.is_some() => {
                    (Some(decode(status).0), None)
                }
                Some(ExecReply::Ended { .. }) => {
                    let seconds = check.timeout.as_secs_f64();
                    (None, Some(format!("it was killed after {seconds} s, its timeout")))
                }
                Some(ExecReply::Failed(failure)) => (None, Some(failure.to_string())),
                Some(ExecReply::NotBegun) => {
                    (None, Some("it did not begin, and was killed for that".into()))
                }
                Some(ExecReply::NotRunning) => (None, Some("the container has ended".into())),
                None => (None, Some("its helper was killed".into())),
            };
            self.read();
            reap_raw(self.helper);
            self.helper = 0;
            let mut text = match self.text.len() < OUTPUT {
                true => String::from_utf8_lossy(&self.text).into_owned(),
                false => utf8::cut_off(&self.text),
            };
            if let Some(why) = why {
                text.push_str(&why);
            }
            return Some(ended(self.started_at, exit_code, text));
        }
        if self.deadline.is_some_and(|deadline| deadline <= now) {
            if paused() {
                // It has stood still with its container: it has all its time once more.
                self.deadline = Some(now + check.timeout);
            } else {
                self.deadline = None;
                let _ = channel::send(self.channel.as_fd(), &ExecOrder::Kill, &[]);
            }
        }
        None
    }

    /// Takes what it wrote, keeps the beginning, and throws the rest away. Not more than a
    /// pipe holds: one that writes as fast as we read would keep us here for ever.
    fn read(&mut self) {
        let mut chunk = [0; 4096];
        for _ in 0..PIPE / chunk.len() {
            let Ok(count @ 1..) = nix::unistd::read(&self.output, &mut chunk) else { return };
            let kept = count.min(OUTPUT - self.text.len());
            self.text.extend_from_slice(&chunk[..kept]);
        }
    }
}

/// A run that ends takes its probe along; nobody asks any more how that went.
impl Drop for Probing {
    fn drop(&mut self) {
        if self.helper != 0 {
            // The order lets it end its command's whole process group. One that hears nothing,
            // because a disk keeps it waiting, is killed, and takes the command along.
            let _ = channel::send(self.channel.as_fd(), &ExecOrder::Kill, &[]);
            let Ok(helper) = process::pidfd_of(self.helper) else { return };
            let ended =
                || matches!(process::wait_readable(helper.as_fd(), Some(LONGEST_END)), Ok(true));
            if !ended() {
                let _ = process::signal(&helper, libc::SIGKILL);
            }
            // Should even that not end it, the end of the container is told all the same.
            if ended() {
                reap_raw(self.helper);
            }
        }
    }
}

fn ended(started_at: Timestamp, exit_code: Option<i32>, output: String) -> Probe {
    Probe { started_at, finished_at: Timestamp::now(), exit_code, output }
}
