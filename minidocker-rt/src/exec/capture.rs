//! Executes a command to its end and keeps what it wrote.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::process::{ExecProcess, Terminal};
use super::{Exec, ExecOutput, KILLED, Stdin};
use crate::error::{Error, Result};
use crate::interrupt;
use crate::status::ExitStatus;

/// How long a killed command may take to be gone before we go on without it.
const KILL_PATIENCE: Duration = Duration::from_secs(1);

/// Feeds and reads a command until it has ended or its time is over. What it left in the
/// background may keep the streams open: nobody waits for that.
pub(crate) fn capture(
    process: &mut ExecProcess,
    exec: &Exec,
    deadline: Option<Instant>,
) -> Result<ExecOutput> {
    let mut input = match &exec.stdin {
        Stdin::Bytes(bytes) => &bytes[..],
        _ => &[],
    };
    let mut stdin = process.stdin.take().filter(|_| !input.is_empty());
    let mut sources = [
        Source::new(process.stdout.take().map(Open::Pipe), exec.output_limit),
        Source::new(process.stderr.take().map(Open::Pipe), exec.output_limit),
        Source::new(process.terminal.take().map(Open::Terminal), exec.output_limit),
    ];
    if let Some(stdin) = &stdin {
        nonblocking(stdin.as_fd());
    }
    let mut timed_out = false;
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let ended = wait(process, &sources, stdin.as_ref(), interrupt::slice(left))?;
        // Whoever lets go drops the process, and so kills it.
        interrupt::check()?;
        for source in &mut sources {
            source.read();
        }
        if let Some(pipe) = &mut stdin {
            match pipe.write(input) {
                Ok(count) => input = &input[count..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // It does not read any more.
                Err(_) => input = &[],
            }
            if input.is_empty() {
                stdin = None;
            }
        }
        if ended {
            break;
        }
        if left == Some(Duration::ZERO) {
            timed_out = true;
            process.kill();
            break;
        }
    }
    let exit = match process.wait_timeout(KILL_PATIENCE) {
        // Frozen, or in the middle of a slow write: it dies when it goes on, and not one
        // instruction of its own comes before.
        Err(Error::Timeout { .. }) => KILLED,
        result => result?,
    };
    // The helper keeps the time too, and may have been the first.
    let timed_out = timed_out || exit.timed_out;
    let exit = ExitStatus { timed_out, ..exit };
    for source in &mut sources {
        source.drain();
    }
    let truncated = sources.iter().any(|source| source.truncated);
    let [mut stdout, stderr, terminal] = sources.map(|source| source.bytes);
    stdout.extend(terminal);
    Ok(ExecOutput { stdout, stderr, exit, timed_out, truncated })
}

/// Waits until something can be read or written, or the command has ended, which is told.
fn wait(
    process: &ExecProcess,
    sources: &[Source],
    stdin: Option<&File>,
    left: Option<Duration>,
) -> Result<bool> {
    let mut fds = vec![PollFd::new(process.as_fd(), PollFlags::POLLIN)];
    let open = sources.iter().filter_map(Source::fd);
    fds.extend(open.map(|fd| PollFd::new(fd, PollFlags::POLLIN)));
    fds.extend(stdin.map(|file| PollFd::new(file.as_fd(), PollFlags::POLLOUT)));
    let timeout = left.map_or(PollTimeout::NONE, |left| {
        PollTimeout::try_from(left.as_micros().div_ceil(1000)).unwrap_or(PollTimeout::MAX)
    });
    match poll(&mut fds, timeout) {
        Ok(_) => Ok(fds[0].any().unwrap_or(false)),
        Err(Errno::EINTR) => Ok(false),
        Err(errno) => Err(Error::System { call: "poll".into(), errno: errno as i32 }),
    }
}

enum Open {
    Pipe(File),
    Terminal(Terminal),
}

/// One stream of the command.
struct Source {
    open: Option<Open>,
    bytes: Vec<u8>,
    limit: usize,
    truncated: bool,
}

impl Source {
    fn new(open: Option<Open>, limit: usize) -> Source {
        let source = Source { open, bytes: Vec::new(), limit, truncated: false };
        if let Some(fd) = source.fd() {
            nonblocking(fd);
        }
        source
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        match self.open.as_ref()? {
            Open::Pipe(file) => Some(file.as_fd()),
            Open::Terminal(terminal) => Some(terminal.as_fd()),
        }
    }

    /// Reads once. Returns whether there was something.
    fn read(&mut self) -> bool {
        let mut chunk = [0; 16 << 10];
        let result = match &mut self.open {
            Some(Open::Pipe(file)) => file.read(&mut chunk),
            Some(Open::Terminal(terminal)) => terminal.read(&mut chunk),
            None => return false,
        };
        match result {
            Ok(count) if count > 0 => {
                let kept = count.min(self.limit - self.bytes.len());
                self.bytes.extend_from_slice(&chunk[..kept]);
                self.truncated |= kept < count;
                true
            }
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) =>
            {
                false
            }
            _ => {
                self.open = None;
                false
            }
        }
    }

    /// What it wrote before its end is there to be read; what comes after, from those it
    /// left behind, is not waited for. A pipe holds 1 MiB at most.
    fn drain(&mut self) {
        for _ in 0..=(1 << 20) / (16 << 10) {
            if !self.read() {
                break;
            }
        }
    }
}

fn nonblocking(fd: BorrowedFd<'_>) {
    let _ = fcntl(fd, FcntlArg::F_SETFL(OFlag::O_NONBLOCK));
}
