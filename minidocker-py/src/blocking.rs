//! Calls that may take their time: other Python threads run meanwhile, and Ctrl-C is answered.

use std::cell::RefCell;
use std::time::Duration;

use minidocker_rt::Error;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::error::to_python;
use crate::logging;

thread_local! {
    /// What a signal handler raised while an operation waited.
    static RAISED: RefCell<Option<PyErr>> = const { RefCell::new(None) };
}

/// Runs an operation of the library without the GIL. In the main thread, where Python runs
/// its signal handlers, they are run while the operation waits, and what one raises (as Ctrl-C
/// does) ends it.
pub(crate) fn blocking<T: Send>(
    py: Python<'_>,
    operation: impl FnOnce() -> minidocker_rt::Result<T> + Send,
) -> PyResult<T> {
    let result = py.detach(|| {
        logging::gathering(|| match is_main_thread() {
            true => minidocker_rt::interruptible(handler_raises, operation),
            false => operation(),
        })
    });
    let raised = RAISED.take().or(logging::hand_on(py).err());
    match (result, raised) {
        (Ok(value), None) => Ok(value),
        // Done, and the signal came too late to undo it; but it was heard.
        (Ok(_), Some(raised)) | (Err(Error::Interrupted), Some(raised)) => Err(raised),
        (Err(error), _) => Err(to_python(py, &error)),
    }
}

fn handler_raises() -> bool {
    Python::attach(|py| match py.check_signals() {
        Ok(()) => false,
        Err(raised) => {
            RAISED.set(Some(raised));
            true
        }
    })
}

fn is_main_thread() -> bool {
    // SAFETY: these only tell numbers.
    unsafe { libc::gettid() == libc::getpid() }
}

/// A time in seconds, as Python gives it.
pub(crate) fn seconds(value: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(value)
        .map_err(|_| PyValueError::new_err(format!("{value} is no time: give seconds, 0 or more")))
}

/// A time in seconds, or as long as it takes.
pub(crate) fn maybe_seconds(value: Option<f64>) -> PyResult<Option<Duration>> {
    match value {
        // More than any clock counts is as good as no limit.
        Some(value) if value > 1e15 => Ok(None),
        value => value.map(seconds).transpose(),
    }
}
