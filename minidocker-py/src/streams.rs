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
    /// The beginnings of lines whose ends were not written yet: of stdout and of stderr.
    open: [Vec<u8>; 2],
    ended: bool,
}

impl Follow {
    pub fn new(follow: minidocker_rt::Follow) -> Follow {
        let fd = follow.as_fd().as_raw_fd();
        let state = FollowState { follow, open: [Vec::new(), Vec::new()], ended: false };
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
        Ok(entries)
    }

    /// Whole lines of the command's output, put together of their parts.
    fn lines(&mut self, timeout: Option<Duration>) -> minidocker_rt::Result<Option<Vec<String>>> {
        let text = |bytes: Vec<u8>| match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
        };
        if self.ended {
            return Ok(None);
        }
        let Some(entries) = self.entries(timeout)? else {
            // What the command wrote last may have no line's end.
            let rest: Vec<String> = self
                .open
                .iter_mut()
                .map(std::mem::take)
                .filter(|open| !open.is_empty())
                .map(text)
                .collect();
            return Ok(if rest.is_empty() { None } else { Some(rest) });
        };
        let mut lines = Vec::with_capacity(entries.len());
        for entry in entries {
            let open = match entry.stream {
                Stream::Stdout => &mut self.open[0],
                Stream::Stderr => &mut self.open[1],
                Stream::System => continue,
            };
            match (open.is_empty(), entry.full) {
                (true, true) => lines.push(text(entry.text)),
                (false, true) => {
                    open.extend_from_slice(&entry.text);
                    lines.push(text(std::mem::take(open)));
                }
                (_, false) => open.extend_from_slice(&entry.text),
            }
        }
        Ok(Some(lines))
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
