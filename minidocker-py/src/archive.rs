//! Files of Python's as Rust's readers and writers: a path, or an object with `read` or `write`.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::PathBuf;

use pyo3::exceptions::{PyBlockingIOError, PyOSError};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;

/// So much is asked of a Python object at once.
const CHUNK: usize = 1 << 18;

/// What is read.
pub(crate) struct FileReader {
    source: Source,
    raised: Option<PyErr>,
}

enum Source {
    File(BufReader<File>),
    Bytes(io::Cursor<Vec<u8>>),
    /// An object with `read`, and what it gave that was not taken yet.
    Object(Py<PyAny>, io::Cursor<Vec<u8>>),
}

impl FileReader {
    /// Raises what the object raised, instead of what that led to.
    pub fn raise(self) -> PyResult<()> {
        self.raised.map_or(Ok(()), Err)
    }
}

impl<'py> FromPyObject<'_, 'py> for FileReader {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<FileReader> {
        let source = if let Ok(bytes) = object.cast::<PyBytes>() {
            Source::Bytes(io::Cursor::new(bytes.as_bytes().to_vec()))
        } else if object.hasattr("read")? {
            Source::Object(object.to_owned().unbind(), io::Cursor::default())
        } else {
            Source::File(BufReader::with_capacity(CHUNK, File::open(object.extract::<PathBuf>()?)?))
        };
        Ok(FileReader { source, raised: None })
    }
}

impl Read for FileReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match &mut self.source {
            Source::File(file) => file.read(into),
            Source::Bytes(bytes) => bytes.read(into),
            Source::Object(object, buffer) => {
                let count = buffer.read(into)?;
                if count > 0 || into.is_empty() {
                    return Ok(count);
                }
                let chunk = Python::attach(|py| {
                    let chunk = object.bind(py).call_method1("read", (CHUNK,))?;
                    Ok(chunk.extract::<PyBackedBytes>()?.to_vec())
                });
                match chunk {
                    Ok(chunk) => {
                        *buffer = io::Cursor::new(chunk);
                        buffer.read(into)
                    }
                    Err(error) => {
                        self.raised = Some(error);
                        Err(io::Error::other("the Python object that is read raised"))
                    }
                }
            }
        }
    }
}

/// What is written.
pub(crate) struct FileWriter {
    target: BufWriter<Target>,
}

enum Target {
    File(File),
    Object { object: Py<PyAny>, raised: Option<PyErr> },
}

impl FileWriter {
    /// Writes what is still held back.
    pub fn finish(&mut self) -> minidocker_rt::Result<()> {
        self.target.flush().map_err(|error| minidocker_rt::Error::Io {
            action: "write",
            path: PathBuf::from("the archive"),
            why: error.to_string(),
            errno: error.raw_os_error(),
        })
    }

    /// Raises what the object raised, instead of what that led to.
    pub fn raise(&mut self) -> PyResult<()> {
        match self.target.get_mut() {
            Target::Object { raised, .. } => raised.take().map_or(Ok(()), Err),
            Target::File(_) => Ok(()),
        }
    }
}

impl<'py> FromPyObject<'_, 'py> for FileWriter {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<FileWriter> {
        let target = if object.hasattr("write")? {
            Target::Object { object: object.to_owned().unbind(), raised: None }
        } else {
            Target::File(File::create(object.extract::<PathBuf>()?)?)
        };
        Ok(FileWriter { target: BufWriter::with_capacity(CHUNK, target) })
    }
}

/// How much an object takes of these bytes.
fn taken(object: &Bound<'_, PyAny>, bytes: &[u8]) -> PyResult<usize> {
    let py = object.py();
    let written = object.call_method1("write", (PyBytes::new(py, bytes),))?;
    match written.extract::<Option<usize>>()? {
        Some(count) if count > bytes.len() => Err(PyOSError::new_err(format!(
            "write() took {count} bytes of {}, as it says: that cannot be",
            bytes.len()
        ))),
        Some(count) => Ok(count),
        // Of a raw file that says that nothing was taken: it does not wait itself. Of any other
        // object: who does not tell has taken all.
        None if object.is_instance(&py.import("io")?.getattr("RawIOBase")?)? => {
            let why = "the file takes nothing now: have its writes wait (os.set_blocking)";
            Err(PyBlockingIOError::new_err((libc::EAGAIN, why)))
        }
        None => Ok(bytes.len()),
    }
}

impl Write for FileWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.target.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.target.flush()
    }
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Target::File(file) => file.write(bytes),
            Target::Object { object, raised } => {
                let written = Python::attach(|py| taken(object.bind(py), bytes));
                written.map_err(|error| {
                    *raised = Some(error);
                    io::Error::other("the Python object that is written to raised")
                })
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
