//! What goes on: `_minidocker.Follow`, `Events` and `StatsStream`.
//!
//! Each gives what it has in batches, so that a reader of a million lines does not let go of the
//! GIL a million times. Its lock is only waited for without the GIL.

use std::os::fd::{AsFd, AsRawFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use minidocker_rt::{Event, LogEntry, Next, Stream};
use pyo3::prelude::*;
use pyo3::types::PyList;

use crate::blocking::{blocking, maybe_seconds};
use crate::container::{EntryParts, entry_parts};
use crate::per_process::Owner;
use crate::wire::record;

/// At most so many items are handed out at once.
const BATCH: usize = 1024;

/// A line is at most so long: a command may write for ever without ending one. The rest of it
/// is the next.
const LONGEST_LINE: usize = 16 << 20;

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Items that a source has: None at its end, none if the time is over.
fn batch<T>(
    timeout: Option<Duration>,
    mut next: impl FnMut(Option<Duration>) -> minidocker_rt::Result<Next<T>>,
) -> minidocker_rt::Result<Option<Vec<T>>> {
    let mut items = Vec::new();
    // Waits for the first only.
    let mut wait = Some(timeout.unwrap_or(Duration::MAX));
    while items.len() < BATCH {
        match next(wait.take())? {
            Next::Item(item) => items.push(item),
            Next::NothingYet => break,
            Next::End if items.is_empty() => return Ok(None),
            Next::End => break,
        }
    }
    Ok(Some(items))
}

/// A log that is followed.
#[pyclass(frozen, module = "minidocker._minidocker")]
pub(crate) struct Follow {
    owner: Owner,
    fd: i32,
    state: Arc<Mutex<FollowState>>,
}

struct FollowState {
    follow: minidocker_rt::Follow,
    lines: Lines,
    ended: bool,
    missed: bool,
}

impl Follow {
    pub fn new(follow: minidocker_rt::Follow) -> Follow {
        let fd = follow.as_fd().as_raw_fd();
        let state = FollowState { follow, lines: Lines::default(), ended: false, missed: false };
        Follow { owner: Owner::this(), fd, state: Arc::new(Mutex::new(state)) }
    }
}

impl FollowState {
    fn entries(
        &mut self,
        timeout: Option<Duration>,
    ) -> minidocker_rt::Result<Option<Vec<LogEntry>>> {
        if self.ended {
            return Ok(None);
        }
        let follow = &mut self.follow;
        let entries = batch(timeout, |wait| match wait {
            Some(timeout) => follow.next_timeout(timeout),
            None => follow.try_next(),
        })?;
        self.ended = entries.is_none();
        self.missed |= entries.iter().flatten().any(LogEntry::tells_of_a_gap);
        Ok(entries)
    }

    /// Whole lines of the command's output.
    fn lines(&mut self, timeout: Option<Duration>) -> minidocker_rt::Result<Option<Vec<String>>> {
        if self.ended {
            return Ok(None);
        }
        if let Some(entries) = self.entries(timeout)? {
            let lines = &mut self.lines;
            return Ok(Some(entries.into_iter().filter_map(|entry| lines.add(entry)).collect()));
        }
        let rest = self.lines.rest();
        Ok((!rest.is_empty()).then_some(rest))
    }
}

/// Puts the lines of each stream together of their parts.
#[derive(Default)]
pub(crate) struct Lines {
    /// The beginnings of lines whose ends did not come yet: of stdout and of stderr.
    open: [Vec<u8>; 2],
}

impl Lines {
    /// The line that this entry completes, if it does.
    pub fn add(&mut self, entry: LogEntry) -> Option<String> {
        let open = match entry.stream {
            Stream::Stdout => &mut self.open[0],
            Stream::Stderr => &mut self.open[1],
            Stream::System => return None,
        };
        match (open.is_empty(), entry.full) {
            (true, true) => Some(text(entry.text)),
            (false, true) => {
                open.extend_from_slice(&entry.text);
                Some(text(std::mem::take(open)))
            }
            (_, false) => {
                open.extend_from_slice(&entry.text);
                // A part ends with a whole character.
                (open.len() >= LONGEST_LINE).then(|| text(std::mem::take(open)))
            }
        }
    }

    /// What the command wrote last without a line's end.
    pub fn rest(&mut self) -> Vec<String> {
        let open = self.open.iter_mut().map(std::mem::take);
        open.filter(|open| !open.is_empty()).map(text).collect()
    }
}

fn text(bytes: Vec<u8>) -> String {
    match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    }
}

#[pymethods]
impl Follow {
    /// The next lines of output: waits for some, at most so long. None at the end.
    #[pyo3(signature = (timeout=None))]
    fn lines(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Option<Vec<String>>> {
        self.owner.check(py, "this log")?;
        let (state, timeout) = (self.state.clone(), maybe_seconds(timeout)?);
        blocking(py, || locked(&state).lines(timeout))
    }

    /// The next entries: waits for some, at most so long. None at the end.
    #[pyo3(signature = (timeout=None))]
    fn entries(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Option<Vec<EntryParts>>> {
        self.owner.check(py, "this log")?;
        let (state, timeout) = (self.state.clone(), maybe_seconds(timeout)?);
        let entries = blocking(py, || locked(&state).entries(timeout))?;
        Ok(entries.map(|entries| entries.into_iter().map(entry_parts).collect()))
    }

    /// Whether entries were rotated away before they could be read.
    #[getter]
    fn missed(&self, py: Python<'_>) -> bool {
        py.detach(|| locked(&self.state).missed)
    }

    /// Readable when it is worth asking again.
    fn fileno(&self) -> i32 {
        self.fd
    }
}

/// The events of a root.
#[pyclass(frozen, module = "minidocker._minidocker")]
pub(crate) struct Events {
    owner: Owner,
    fd: i32,
    events: Arc<Mutex<minidocker_rt::Events>>,
}

impl Events {
    pub fn new(events: minidocker_rt::Events) -> Events {
        let fd = events.as_fd().as_raw_fd();
        Events { owner: Owner::this(), fd, events: Arc::new(Mutex::new(events)) }
    }
}

#[pymethods]
impl Events {
    /// The next events: waits for some, at most so long. None when the root is gone.
    #[pyo3(signature = (timeout=None))]
    fn batch<'py>(
        &self,
        py: Python<'py>,
        timeout: Option<f64>,
    ) -> PyResult<Option<Bound<'py, PyList>>> {
        self.owner.check(py, "this stream of events")?;
        let (events, timeout) = (self.events.clone(), maybe_seconds(timeout)?);
        let found: Option<Vec<Event>> = blocking(py, || {
            let mut events = locked(&events);
            batch(timeout, |wait| match wait {
                Some(timeout) => events.next_timeout(timeout),
                None => events.try_next(),
            })
        })?;
        let Some(found) = found else { return Ok(None) };
        let records: Vec<_> =
            found.iter().map(|event| record(py, event)).collect::<PyResult<_>>()?;
        PyList::new(py, records).map(Some)
    }

    /// Readable when it is worth asking again.
    fn fileno(&self) -> i32 {
        self.fd
    }
}

/// The stats of a container at equal intervals.
#[pyclass(frozen, module = "minidocker._minidocker")]
pub(crate) struct StatsStream {
    owner: Owner,
    stream: Arc<Mutex<minidocker_rt::StatsStream>>,
}

impl StatsStream {
    pub fn new(stream: minidocker_rt::StatsStream) -> StatsStream {
        StatsStream { owner: Owner::this(), stream: Arc::new(Mutex::new(stream)) }
    }
}

#[pymethods]
impl StatsStream {
    fn __iter__(slf: Py<StatsStream>) -> Py<StatsStream> {
        slf
    }

    /// The next sample, when it is due.
    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.owner.check(py, "this stream of stats")?;
        let stream = self.stream.clone();
        let stats = blocking(py, || locked(&stream).next().transpose())?;
        stats.map(|stats| record(py, &stats)).transpose()
    }
}
