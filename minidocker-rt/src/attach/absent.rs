//! Attaching, where no backend can: the types are there, so that programs compile on every
//! system, and have no values.

use std::convert::Infallible;
use std::io::{self, Read, Write};
use std::time::Duration;

use crate::error::Result;
use crate::logs::Stream;
use crate::spec::TerminalSize;

/// A connection to a running container, made by `Container::attach`. Takes the Linux backend.
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
    none: Infallible,
}

/// A piece of output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// The command wrote this.
    Output(Stream, Vec<u8>),
    /// So many bytes are left out, because they were not read in time. The log has them.
    Missed(u64),
}

impl Output {
    /// Waits for the next piece; None when the command has ended.
    ///
    /// # Errors
    /// None: there is no such value.
    pub fn next_piece(&mut self) -> Result<Option<Piece>> {
        match self.none {}
    }

    /// Waits for the next piece, at most so long.
    ///
    /// # Errors
    /// None: there is no such value.
    pub fn wait(&self, _timeout: Duration) -> Result<bool> {
        match self.none {}
    }
}

impl Read for Output {
    fn read(&mut self, _into: &mut [u8]) -> io::Result<usize> {
        match self.none {}
    }
}

/// The input of a container.
#[derive(Debug, Clone)]
pub struct Input {
    none: Infallible,
}

impl Input {
    /// Tells the command that nothing more will come.
    ///
    /// # Errors
    /// None: there is no such value.
    pub fn close(&self) -> io::Result<()> {
        match self.none {}
    }

    /// Sets the size of the container's terminal.
    ///
    /// # Errors
    /// None: there is no such value.
    pub fn resize(&self, _size: TerminalSize) -> io::Result<()> {
        match self.none {}
    }
}

impl Write for Input {
    fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
        match self.none {}
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.none {}
    }
}
