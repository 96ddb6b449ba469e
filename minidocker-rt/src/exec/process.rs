//! A command that was executed in a container, while it runs.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use crate::error::{Error, Result};
use crate::linux::exec::{ExecOrder, ExecReply};
use crate::linux::{channel, decode, process, terminal};
use crate::signal::Signal;
use crate::spec::TerminalSize;
use crate::status::ExitStatus;

/// A command that runs in a container beside its first. Dropping it kills the command, with
/// its process group, unless it was [detached](ExecProcess::detach); it dies with its
/// container in any case.
#[derive(Debug)]
pub struct ExecProcess {
    /// What the command reads, if it was made with [`crate::Exec::stdin_piped`]. Dropping it
    /// is the end of file.
    pub stdin: Option<File>,
    /// What it writes to its standard output, unless it has a terminal.
    pub stdout: Option<File>,
    /// What it writes to its standard error, unless it has a terminal.
    pub stderr: Option<File>,
    /// Its terminal, if it was made with [`crate::Exec::tty`].
    pub terminal: Option<Terminal>,
    container: String,
    pid: i32,
    channel: OwnedFd,
    exit: Option<ExitStatus>,
}

impl ExecProcess {
    pub(crate) fn new(container: String, pid: i32, channel: OwnedFd) -> ExecProcess {
        let (stdin, stdout, stderr, terminal) = (None, None, None, None);
        ExecProcess { stdin, stdout, stderr, terminal, container, pid, channel, exit: None }
    }

    /// Its pid as the host sees it.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Waits until it has ended, and says how; at once if that is known.
    ///
    /// # Errors
    /// [`Error::HelperFailed`] if the helper that watched it was killed (the command with it).
    pub fn wait(&mut self) -> Result<ExitStatus> {
        if let Some(exit) = self.exit {
            return Ok(exit);
        }
        let why = match channel::receive::<ExecReply>(self.channel.as_fd()) {
            Ok(Some(reply)) => match reply.message {
                ExecReply::Ended { status, oom_killed, timed_out } => {
                    let (code, signal) = decode(status);
                    return Ok(*self.exit.insert(ExitStatus {
                        code,
                        signal,
                        oom_killed,
                        timed_out,
                    }));
                }
                other => format!("unexpected answer {other:?}"),
            },
            Ok(None) => "the helper was killed, and the command with it".into(),
            Err(errno) => errno.to_string(),
        };
        Err(Error::HelperFailed { action: "waiting for a command in the container", why })
    }

    /// As [`ExecProcess::wait`], for at most so long. The command goes on.
    ///
    /// # Errors
    /// As [`ExecProcess::wait`], and [`Error::Timeout`].
    pub fn wait_timeout(&mut self, timeout: Duration) -> Result<ExitStatus> {
        if self.exit.is_none() && !process::wait_readable(self.channel.as_fd(), Some(timeout))? {
            return Err(Error::Timeout {
                name: self.container.clone(),
                operation: "the command",
                seconds: timeout.as_secs(),
                because: None,
            });
        }
        self.wait()
    }

    /// Sends a signal to it, for example `libc::SIGINT`. One that has ended is left alone.
    ///
    /// # Errors
    /// [`Error::InvalidSpec`] if the number is no signal.
    pub fn signal(&self, number: i32) -> Result<()> {
        Signal::from_number(number)?;
        self.order(&ExecOrder::Signal(number));
        Ok(())
    }

    /// Kills it and every process of its group.
    pub fn kill(&self) {
        self.order(&ExecOrder::Kill);
    }

    /// Lets it run without us; how it ends will not be known.
    pub fn detach(self) {
        self.order(&ExecOrder::Detach);
    }

    /// A helper that does not listen any more has nothing to do.
    fn order(&self, order: &ExecOrder) {
        if self.exit.is_none() {
            let _ = channel::send(self.channel.as_fd(), order, &[]);
        }
    }
}

/// Readable once it has ended; [`ExecProcess::wait`] then returns at once.
impl AsFd for ExecProcess {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.channel.as_fd()
    }
}

/// Our end of a command's terminal: what is written here is typed there.
#[derive(Debug)]
pub struct Terminal {
    file: File,
}

impl Terminal {
    pub(crate) fn new(file: OwnedFd) -> Terminal {
        Terminal { file: file.into() }
    }

    /// Another handle to the same terminal, for example for a thread that types.
    ///
    /// # Errors
    /// Those of dup(2).
    pub fn try_clone(&self) -> io::Result<Terminal> {
        Ok(Terminal { file: self.file.try_clone()? })
    }

    /// Sets its size; programs on it get SIGWINCH.
    ///
    /// # Errors
    /// Those of the ioctl TIOCSWINSZ.
    pub fn resize(&self, size: TerminalSize) -> io::Result<()> {
        terminal::set_size(self.file.as_fd(), size).map_err(io::Error::from_raw_os_error)
    }
}

impl Read for Terminal {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.file.read(buffer) {
            // So the kernel says that nobody has the other end any more.
            Err(error) if error.raw_os_error() == Some(nix::libc::EIO) => Ok(0),
            result => result,
        }
    }
}

impl Write for Terminal {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsFd for Terminal {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}
