//! Attached to a container: its output from now on, its input, and its terminal's size.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::linux::frames::{Frame, LARGEST, receive_frame, send_frame};
use crate::linux::process;
use crate::logs::Stream;
use crate::spec::TerminalSize;

/// A connection to a running container, made by `Container::attach`. Dropping it detaches;
/// the container goes on, and its log is written either way. It ends when the command does.
#[derive(Debug)]
pub struct Attached {
    /// What the command prints.
    pub output: Output,
    /// What it reads.
    pub input: Input,
}

/// The output of a container from the moment of the attach.
#[derive(Debug)]
pub struct Output {
    socket: Arc<OwnedFd>,
    buffer: Vec<u8>,
    /// Where the bytes that [`Read`] has not handed out yet begin and end.
    rest: (usize, usize),
}

/// A piece of output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// The command wrote this, as many bytes at a time as the supervisor read.
    Output(Stream, Vec<u8>),
    /// So many bytes are left out, because they were not read in time. The log has them.
    Missed(u64),
}

impl Output {
    /// Waits for the next piece; None when the command has ended.
    ///
    /// # Errors
    /// [`Error::System`] if the connection cannot be read.
    pub fn next_piece(&mut self) -> Result<Option<Piece>> {
        let length = receive_frame(self.socket.as_fd(), &mut self.buffer)
            .map_err(|errno| Error::System { call: "recv".into(), errno: errno as i32 })?;
        Ok(match Frame::decode(&self.buffer[..length]) {
            Some(Frame::Output(stream, bytes)) => Some(Piece::Output(stream, bytes.to_vec())),
            Some(Frame::Missed(count)) => Some(Piece::Missed(count)),
            _ => None,
        })
    }

    /// Waits for the next piece, at most so long. Returns whether there is one (or the end),
    /// which [`Output::next_piece`] will then tell at once.
    ///
    /// # Errors
    /// [`Error::System`] if the connection cannot be watched.
    pub fn wait(&self, timeout: Duration) -> Result<bool> {
        process::wait_readable(self.socket.as_fd(), Some(timeout))
    }
}

/// Both streams as one, as on a screen. A gap is read as an error of kind `Other`, once.
impl Read for Output {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.rest.0 == self.rest.1 {
            let length = receive_frame(self.socket.as_fd(), &mut self.buffer)?;
            match Frame::decode(&self.buffer[..length]) {
                Some(Frame::Output(..)) => self.rest = (1, length),
                Some(Frame::Missed(count)) => {
                    let text = format!("{count} bytes of output were not read in time");
                    return Err(io::Error::other(text));
                }
                _ => return Ok(0),
            }
        }
        let count = (self.rest.1 - self.rest.0).min(into.len());
        into[..count].copy_from_slice(&self.buffer[self.rest.0..self.rest.0 + count]);
        self.rest.0 += count;
        Ok(count)
    }
}

/// Readable when there is a piece, or the end.
impl AsFd for Output {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// The input of a container. Cheap to clone, usable from any thread.
#[derive(Debug, Clone)]
pub struct Input {
    socket: Arc<OwnedFd>,
    open: bool,
    tty: bool,
}

impl Input {
    /// Tells the command that nothing more will come: the end of file, or Ctrl-D on a
    /// terminal.
    ///
    /// # Errors
    /// As writing does.
    pub fn close(&self) -> io::Result<()> {
        self.check_open()?;
        self.send(&Frame::CloseInput)
    }

    /// Sets the size of the container's terminal; programs on it get SIGWINCH.
    ///
    /// # Errors
    /// Kind `Unsupported` if the container was made without a terminal.
    pub fn resize(&self, size: TerminalSize) -> io::Result<()> {
        if !self.tty {
            let why = "the container was made without a terminal (tty)";
            return Err(io::Error::new(io::ErrorKind::Unsupported, why));
        }
        self.send(&Frame::Resize(size))
    }

    fn check_open(&self) -> io::Result<()> {
        if self.open {
            return Ok(());
        }
        let why = "the container was made without an open standard input (stdin_open)";
        Err(io::Error::new(io::ErrorKind::Unsupported, why))
    }

    fn send(&self, frame: &Frame<'_>) -> io::Result<()> {
        Ok(send_frame(self.socket.as_fd(), frame, true)?)
    }
}

/// Writes wait while the command does not read.
impl Write for Input {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.check_open()?;
        let count = bytes.len().min(LARGEST);
        self.send(&Frame::Input(&bytes[..count]))?;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Attached {
    /// Over a connection that the supervisor has accepted.
    pub(crate) fn new(socket: OwnedFd, stdin: bool, tty: bool) -> Attached {
        let socket = Arc::new(socket);
        let output = Output { socket: socket.clone(), buffer: vec![0; LARGEST + 1], rest: (0, 0) };
        Attached { output, input: Input { socket, open: stdin, tty } }
    }
}
