//! A container's output, gathered while it is written, until the container has ended.

use std::os::fd::{AsFd, AsRawFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use minidocker_rt::{Container, ExecOutput, Follow, Next, Result, Stream};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::blocking::{blocking, seconds};
use crate::container::output;
use crate::per_process::Owner;

/// What a stream has brought, up to a limit.
struct Captured {
    bytes: Vec<u8>,
    limit: usize,
    truncated: bool,
}

impl Captured {
    fn new(limit: usize) -> Captured {
        Captured { bytes: Vec::new(), limit, truncated: false }
    }

    fn take(&mut self, bytes: &[u8]) {
        let room = self.limit - self.bytes.len();
        self.truncated |= bytes.len() > room;
        self.bytes.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
}

/// How far the reading has come.
enum Progress {
    /// Everything was read, and the container has ended.
    Ended,
    /// Nothing is there to be read now.
    Waiting,
    /// The time for this turn is over.
    Unfinished,
}

/// The output so far. It is read from the log while that is written, so that no rotation takes
/// anything away.
pub(crate) struct Collection {
    container: Container,
    follow: Follow,
    stdout: Captured,
    stderr: Captured,
    timed_out: bool,
}

impl Collection {
    /// Nothing yet.
    pub fn of(container: Container, limit: usize) -> Result<Collection> {
        let follow = container.logs()?.follow()?;
        let (stdout, stderr) = (Captured::new(limit), Captured::new(limit));
        Ok(Collection { container, follow, stdout, stderr, timed_out: false })
    }

    /// Reads until `until`, or to the end. Waits for output only if asked to.
    fn read(&mut self, until: Option<Instant>, wait: bool) -> Result<Progress> {
        loop {
            // However much there is to read: a time that is over is over.
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                return Ok(Progress::Unfinished);
            }
            let next = match wait {
                true => self.follow.next_timeout(left.unwrap_or(Duration::MAX))?,
                false => self.follow.try_next()?,
            };
            match next {
                Next::Item(entry) => {
                    self.stdout.truncated |= entry.tells_of_a_gap();
                    let captured = match entry.stream {
                        Stream::Stdout => &mut self.stdout,
                        Stream::Stderr => &mut self.stderr,
                        Stream::System => continue,
                    };
                    captured.take(&entry.text);
                    if entry.full {
                        captured.take(b"\n");
                    }
                }
                Next::NothingYet if wait => {}
                Next::NothingYet => return Ok(Progress::Waiting),
                Next::End => return Ok(Progress::Ended),
            }
        }
    }

    /// Its time is over: kills the container. What it wrote is still to be read.
    fn kill(&mut self) -> Result<()> {
        self.timed_out = true;
        self.container.stop_within(Duration::ZERO)
    }

    /// What was gathered, once everything was read.
    fn result(&mut self) -> Result<ExecOutput> {
        Ok(ExecOutput {
            truncated: self.stdout.truncated || self.stderr.truncated,
            stdout: std::mem::take(&mut self.stdout.bytes),
            stderr: std::mem::take(&mut self.stderr.bytes),
            exit: self.container.wait()?,
            timed_out: self.timed_out,
        })
    }
}

/// Gathers everything, and kills the container at its deadline.
pub(crate) fn to_the_end(
    container: Container,
    deadline: Option<Instant>,
    limit: usize,
) -> Result<ExecOutput> {
    let mut collection = Collection::of(container, limit)?;
    if let Progress::Unfinished = collection.read(deadline, true)? {
        collection.kill()?;
        collection.read(None, true)?;
    }
    collection.result()
}

/// A collection for an event loop: what there is, is read in turns of a limited time, by other
/// threads; what is not there yet is waited for on a descriptor.
#[pyclass(frozen, module = "minidocker._minidocker")]
pub(crate) struct Collector {
    owner: Owner,
    fd: i32,
    collection: Arc<Mutex<Collection>>,
}

impl Collector {
    pub fn new(collection: Collection) -> Collector {
        let fd = collection.follow.as_fd().as_raw_fd();
        Collector { owner: Owner::this(), fd, collection: Arc::new(Mutex::new(collection)) }
    }
}

fn locked(collection: &Mutex<Collection>) -> MutexGuard<'_, Collection> {
    collection.lock().unwrap_or_else(PoisonError::into_inner)
}

#[pymethods]
impl Collector {
    /// Reads what is there, for at most so many seconds. Returns `ended`, `waiting` (for the
    /// descriptor) or `unfinished` (there is more).
    fn read(&self, py: Python<'_>, budget: f64) -> PyResult<&'static str> {
        self.owner.check(py, "this collection of output")?;
        let (collection, until) = (self.collection.clone(), Instant::now() + seconds(budget)?);
        Ok(match blocking(py, || locked(&collection).read(Some(until), false))? {
            Progress::Ended => "ended",
            Progress::Waiting => "waiting",
            Progress::Unfinished => "unfinished",
        })
    }

    /// Kills the container, because its time is over.
    fn kill(&self, py: Python<'_>) -> PyResult<()> {
        self.owner.check(py, "this collection of output")?;
        let collection = self.collection.clone();
        blocking(py, || locked(&collection).kill())
    }

    /// What was gathered, after the end.
    fn result<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        self.owner.check(py, "this collection of output")?;
        let collection = self.collection.clone();
        output(py, &blocking(py, || locked(&collection).result())?)
    }

    /// Readable when it is worth reading again.
    fn fileno(&self) -> i32 {
        self.fd
    }
}
