//! A command that is about to be executed in a container.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use super::process::{ExecProcess, Terminal};
use crate::container::Container;
use crate::error::{Error, Result};
use crate::events::EventKind;
use crate::linux::exec::{ExecReply, LONGEST_BEGINNING};
use crate::linux::{channel, process};
use crate::status::Status;

/// How much longer than that its helper may take to say so.
const MOMENT: Duration = Duration::from_secs(5);

/// What a backend has of a command that was asked for: where its helper answers, and our ends of
/// its streams.
#[derive(Debug)]
pub(crate) struct Asked {
    pub channel: OwnedFd,
    pub streams: [Option<File>; 3],
}

/// A command that is about to be executed. Its descriptor becomes readable when that is done, or
/// has failed; [`ExecBeginning::wait`] then returns at once. Dropping it kills what was made of
/// the command so far. Made by [`Container::exec_begin`].
#[derive(Debug)]
pub struct ExecBeginning {
    container: Container,
    /// As it is told in events.
    command: String,
    timeout: Option<Duration>,
    asked: Asked,
}

impl ExecBeginning {
    pub(crate) fn new(
        container: Container,
        command: String,
        timeout: Option<Duration>,
        asked: Asked,
    ) -> ExecBeginning {
        ExecBeginning { container, command, timeout, asked }
    }

    /// Waits until the command was executed.
    ///
    /// # Errors
    /// As [`Container::exec_start`].
    pub fn wait(self) -> Result<ExecProcess> {
        let (name, timeout) = (self.container.name().to_string(), self.timeout);
        self.wait_until(None)?.ok_or_else(|| Error::Timeout {
            name,
            operation: "a command",
            seconds: timeout.unwrap_or_default().as_secs(),
            because: None,
        })
    }

    /// None if its time, or ours, is over before it was executed.
    pub(crate) fn wait_until(self, deadline: Option<Instant>) -> Result<Option<ExecProcess>> {
        let Asked { channel, streams } = self.asked;
        let container = &self.container;
        let unanswered = LONGEST_BEGINNING + MOMENT;
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        // With the channel's end, the helper kills what it has made so far.
        if !process::wait_readable(
            channel.as_fd(),
            Some(left.unwrap_or(unanswered).min(unanswered)),
        )? {
            return match left {
                Some(left) if left <= unanswered => Ok(None),
                _ => Err(not_begun(container)),
            };
        }
        let killed = |why: &str| Error::HelperFailed {
            action: "executing a command in the container",
            why: why.to_string(),
        };
        let reply = match channel::receive::<ExecReply>(channel.as_fd()) {
            Ok(Some(reply)) => reply,
            // The helper shares the container's fate from when it has entered it.
            Ok(None) => {
                return Err(match container.status()? {
                    Status::Running => killed("the helper was killed"),
                    status => container.wrong_state(OPERATION, status),
                });
            }
            Err(errno) => return Err(killed(&errno.to_string())),
        };
        Err(match reply.message {
            ExecReply::Started { pid } => {
                let mut process = ExecProcess::new(container.name().to_string(), pid, channel);
                [process.stdin, process.stdout, process.stderr] = streams;
                process.terminal = reply.descriptors.into_iter().next().map(Terminal::new);
                container.tell(EventKind::ExecStarted { command: self.command });
                return Ok(Some(process));
            }
            ExecReply::Ended { timed_out: true, .. } => return Ok(None),
            ExecReply::Failed(failure) => {
                let (command, failed) = (self.command, failure.clone());
                container.tell(EventKind::ExecFailed { command, failure: failed });
                let name = container.name().to_string();
                Error::ExecFailed { name, failure: failure.into() }
            }
            // Its supervisor may not have written down yet that it ended.
            ExecReply::NotRunning => match container.status()? {
                Status::Running => container.wrong_state(OPERATION, Status::Stopped),
                status => container.wrong_state(OPERATION, status),
            },
            ExecReply::NotBegun => not_begun(container),
            ExecReply::Ended { oom_killed: true, .. } => {
                killed("it was killed before it began: the container is out of memory")
            }
            ExecReply::Ended { .. } => killed("it was killed before it began"),
        })
    }
}

/// What one cannot do in a container that does not run.
pub(crate) const OPERATION: &str = "execute a command in";

/// Something keeps it from its execve: it was stopped, or waits for a folder that hangs.
fn not_begun(container: &Container) -> Error {
    Error::Timeout {
        name: container.name().to_string(),
        operation: "the beginning of a command",
        seconds: LONGEST_BEGINNING.as_secs(),
        because: None,
    }
}

impl AsFd for ExecBeginning {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.asked.channel.as_fd()
    }
}
