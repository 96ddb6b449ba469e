//! Executing, where no backend can: the types are there, so that programs compile on every
//! system, and have no values.

use std::convert::Infallible;
use std::fs::File;
use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use super::{Exec, ExecOutput};
use crate::container::Container;
use crate::error::Result;
use crate::spec::TerminalSize;
use crate::status::ExitStatus;

/// A command that runs in a container beside its first. Takes the Linux backend.
#[derive(Debug)]
pub struct ExecProcess {
    /// What the command reads.
    pub stdin: Option<File>,
    /// What it writes to its standard output.
    pub stdout: Option<File>,
    /// What it writes to its standard error.
    pub stderr: Option<File>,
    /// Its terminal.
    pub terminal: Option<Terminal>,
    none: Infallible,
}

/// A command that is about to be executed. Takes the Linux backend.
#[derive(Debug)]
pub struct ExecBeginning {
    none: Infallible,
}

/// What a backend has of a command that was asked for.
#[derive(Debug)]
pub(crate) struct Asked {
    none: Infallible,
}

/// What one cannot do in a container that does not run.
pub(crate) const OPERATION: &str = "execute a command in";

impl ExecBeginning {
    pub(crate) fn new(
        _container: Container,
        _command: String,
        _timeout: Option<Duration>,
        asked: Asked,
    ) -> ExecBeginning {
        match asked.none {}
    }

    /// Waits until the command was executed.
    ///
    /// # Errors
    /// None: there is no such value.
    pub fn wait(self) -> Result<ExecProcess> {
        match self.none {}
    }

    pub(crate) fn wait_until(self, _deadline: Option<Instant>) -> Result<Option<ExecProcess>> {
        match self.none {}
    }
}

impl ExecProcess {
    /// Its pid as the host sees it.
    pub fn pid(&self) -> i32 {
        match self.none {}
    }

    /// Waits until it has ended, and says how.
    ///
    /// # Errors
    /// None: there is no such value.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        match self.none {}
    }

    /// As [`ExecProcess::wait`], for at most so long.
    ///
    /// # Errors
    /// None: there is no such value.
    pub fn wait_timeout(&mut self, _timeout: Duration) -> Result<ExitStatus> {
        match self.none {}
    }

    /// Sends a signal to it.
    ///
    /// # Errors
    /// None: there is no such value.
    pub fn signal(&self, _number: i32) -> Result<()> {
        match self.none {}
    }

    /// Kills it and every process of its group.
    pub fn kill(&self) {
        match self.none {}
    }

    /// Lets it run without us.
    pub fn detach(self) {
        match self.none {}
    }
}

/// Our end of a command's terminal.
#[derive(Debug)]
pub struct Terminal {
    none: Infallible,
}

impl Terminal {
    /// Another handle to the same terminal.
    ///
    /// # Errors
    /// None: there is no such value.
    pub fn try_clone(&self) -> io::Result<Terminal> {
        match self.none {}
    }

    /// Sets its size.
    ///
    /// # Errors
    /// None: there is no such value.
    pub fn resize(&self, _size: TerminalSize) -> io::Result<()> {
        match self.none {}
    }
}

impl Read for Terminal {
    fn read(&mut self, _buffer: &mut [u8]) -> io::Result<usize> {
        match self.none {}
    }
}

impl Write for Terminal {
    fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
        match self.none {}
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.none {}
    }
}

/// Executes a command to its end and keeps what it wrote.
pub(crate) fn capture(
    process: &mut ExecProcess,
    _exec: &Exec,
    _deadline: Option<Instant>,
) -> Result<ExecOutput> {
    match process.none {}
}
