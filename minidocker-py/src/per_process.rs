//! What a fork must not share.
//!
//! `os.fork` copies a program with all its handles, but only the thread that called it. A handle
//! on the spawner, or on a stream that both copies would read from, must not be used by both;
//! and a lock that another thread held at that moment stays locked in the copy for ever.

use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;

/// A value that is made anew in each process that uses it.
///
/// The lock is only ever taken with the GIL held and let go of before that is: a thread that
/// forks has the GIL, so at that moment nobody holds the lock. (So nothing under the lock may run
/// Python code, which can let go of the GIL at any time.)
pub(crate) struct PerProcess<T> {
    value: Mutex<Option<(u32, T)>>,
}

impl<T: Clone> PerProcess<T> {
    pub fn new(value: T) -> PerProcess<T> {
        PerProcess { value: Mutex::new(Some((std::process::id(), value))) }
    }

    /// The value, made by `make` if this is another process than the one it was made in. None if
    /// it was taken.
    pub fn get(
        &self,
        _py: Python<'_>,
        make: impl FnOnce() -> minidocker_rt::Result<T>,
    ) -> minidocker_rt::Result<Option<T>> {
        let mut slot = self.value.lock().unwrap_or_else(PoisonError::into_inner);
        match &*slot {
            None => Ok(None),
            Some((owner, value)) if *owner == std::process::id() => Ok(Some(value.clone())),
            Some(_) => {
                let value = make()?;
                *slot = Some((std::process::id(), value.clone()));
                Ok(Some(value))
            }
        }
    }

    /// Takes the value away.
    pub fn take(&self, _py: Python<'_>) -> Option<T> {
        let taken = self.value.lock().unwrap_or_else(PoisonError::into_inner).take();
        taken.map(|(_, value)| value)
    }
}

/// The process that a stream belongs to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Owner(u32);

impl Owner {
    /// The calling process.
    pub fn this() -> Owner {
        Owner(std::process::id())
    }

    /// Refuses a copy of the process.
    pub fn check(self, py: Python<'_>, what: &str) -> PyResult<()> {
        if self.0 == std::process::id() {
            return Ok(());
        }
        let message = format!(
            "{what} was opened in another process (pid {}), of which this one is a fork: both \
             would read from it. Open it anew here",
            self.0
        );
        let error = py.import("minidocker._errors")?.getattr("ForkedError")?.call1((message,))?;
        Err(PyErr::from_value(error))
    }
}
