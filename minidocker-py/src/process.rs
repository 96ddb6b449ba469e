//! Commands that run in a container, and connections to its own: `_minidocker.ExecProcess` and
//! `Attached`. Nothing here waits: Python does, on the descriptor.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, IntoRawFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use minidocker_rt::{Error, Piece, Stream, TerminalSize};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use std::io::Write;

use crate::blocking::blocking;
use crate::per_process::Owner;
use crate::wire::record;

/// Standard input, output and error, and the terminal.
type Descriptors = (Option<i32>, Option<i32>, Option<i32>, Option<i32>);

/// A command that runs in a container beside its first.
#[pyclass(frozen, module = "minidocker._minidocker")]
pub(crate) struct ExecProcess {
    owner: Owner,
    fd: i32,
    pid: i32,
    /// None once it was detached.
    process: Mutex<Option<minidocker_rt::ExecProcess>>,
}

impl ExecProcess {
    pub fn new(process: minidocker_rt::ExecProcess) -> ExecProcess {
        ExecProcess {
            owner: Owner::this(),
            fd: process.as_fd().as_raw_fd(),
            pid: process.pid(),
            process: Mutex::new(Some(process)),
        }
    }

    /// Held for a moment only, and never over a wait.
    fn process(&self) -> MutexGuard<'_, Option<minidocker_rt::ExecProcess>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl ExecProcess {
    /// Its pid as the host sees it.
    #[getter]
    fn pid(&self) -> i32 {
        self.pid
    }

    /// Its streams (standard input, output, error, terminal), each a descriptor that is then the
    /// caller's, or None. Only the first call gives them.
    fn take_streams(&self, py: Python<'_>) -> PyResult<Descriptors> {
        self.owner.check(py, "this command")?;
        let mut process = self.process();
        let Some(process) = process.as_mut() else { return Ok((None, None, None, None)) };
        let terminal = match process.terminal.take() {
            Some(terminal) => Some(terminal.as_fd().try_clone_to_owned()?),
            None => None,
        };
        let number = |file: Option<File>| file.map(IntoRawFd::into_raw_fd);
        Ok((
            number(process.stdin.take()),
            number(process.stdout.take()),
            number(process.stderr.take()),
            terminal.map(OwnedFd::into_raw_fd),
        ))
    }

    /// How it ended, if it has.
    fn poll<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.owner.check(py, "this command")?;
        let exit = blocking(py, || match self.process().as_mut() {
            Some(process) => match process.wait_timeout(Duration::ZERO) {
                Err(Error::Timeout { .. }) => Ok(None),
                result => result.map(Some),
            },
            None => Ok(None),
        })?;
        exit.map(|exit| record(py, &exit)).transpose()
    }

    /// Sends a signal to it.
    fn signal(&self, py: Python<'_>, number: i32) -> PyResult<()> {
        self.owner.check(py, "this command")?;
        blocking(py, || self.process().as_ref().map_or(Ok(()), |process| process.signal(number)))
    }

    /// Kills it and its process group.
    fn kill(&self, py: Python<'_>) -> PyResult<()> {
        self.owner.check(py, "this command")?;
        if let Some(process) = self.process().as_ref() {
            process.kill();
        }
        Ok(())
    }

    /// Lets it run without us.
    fn detach(&self, py: Python<'_>) -> PyResult<()> {
        self.owner.check(py, "this command")?;
        if let Some(process) = self.process().take() {
            process.detach();
        }
        Ok(())
    }

    /// Readable when it has ended.
    fn fileno(&self) -> i32 {
        self.fd
    }
}

/// A connection to a running container.
#[pyclass(frozen, module = "minidocker._minidocker")]
pub(crate) struct Attached {
    owner: Owner,
    fd: i32,
    output: Arc<Mutex<minidocker_rt::Output>>,
    input: minidocker_rt::Input,
}

impl Attached {
    pub fn new(attached: minidocker_rt::Attached) -> Attached {
        Attached {
            owner: Owner::this(),
            fd: attached.output.as_fd().as_raw_fd(),
            output: Arc::new(Mutex::new(attached.output)),
            input: attached.input,
        }
    }
}

#[pymethods]
impl Attached {
    /// The next piece of output, which should be there: (stream, bytes), or ("missed", count), or
    /// None when the command has ended.
    fn next_piece<'py>(
        &self,
        py: Python<'py>,
    ) -> PyResult<Option<(&'static str, Bound<'py, PyAny>)>> {
        self.owner.check(py, "this connection")?;
        let output = self.output.clone();
        let piece =
            blocking(py, || output.lock().unwrap_or_else(PoisonError::into_inner).next_piece())?;
        Ok(match piece {
            None => None,
            Some(Piece::Output(stream, bytes)) => {
                let stream = if stream == Stream::Stderr { "stderr" } else { "stdout" };
                Some((stream, PyBytes::new(py, &bytes).into_any()))
            }
            Some(Piece::Missed(count)) => Some(("missed", count.into_pyobject(py)?.into_any())),
        })
    }

    /// Writes to the command's input, at least one byte; waits while the command does not read.
    fn write(&self, py: Python<'_>, bytes: Vec<u8>) -> PyResult<usize> {
        self.owner.check(py, "this connection")?;
        let mut input = self.input.clone();
        py.detach(|| input.write(&bytes)).map_err(PyErr::from)
    }

    /// Tells the command that nothing more will come.
    fn close_input(&self, py: Python<'_>) -> PyResult<()> {
        self.owner.check(py, "this connection")?;
        py.detach(|| self.input.close()).map_err(PyErr::from)
    }

    /// Sets the size of its terminal.
    fn resize(&self, py: Python<'_>, rows: u16, columns: u16) -> PyResult<()> {
        self.owner.check(py, "this connection")?;
        py.detach(|| self.input.resize(TerminalSize { rows, columns })).map_err(PyErr::from)
    }

    /// Readable when there is a piece, or the end.
    fn fileno(&self) -> i32 {
        self.fd
    }
}
