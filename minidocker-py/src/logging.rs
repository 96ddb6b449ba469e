//! The library's log, for Python's `logging`.
//!
//! The library logs where it likes: without the GIL, and with locks of its own held. Who took the
//! GIL there could wait for a thread that has it and waits for such a lock. So a record is only
//! put aside, by the thread that logs, and handed to `logging` at the end of the call, when no
//! lock is held. What threads without Python log (the dashboard's) waits in a common queue.

use std::cell::{Cell, RefCell};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use log::{Level, LevelFilter, Log, Metadata, Record};
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

/// The most records that wait; nobody reads more, and nothing may grow without end.
const MOST: usize = 1000;

/// A record of the log: what `logging.Logger.log` takes.
struct Entry {
    /// As `logging` counts them.
    level: u8,
    /// The logger's name, dotted.
    logger: String,
    text: String,
}

thread_local! {
    /// Whether this thread is in a call that will hand its records on.
    static IN_CALL: Cell<bool> = const { Cell::new(false) };
    static OWN: RefCell<Vec<Entry>> = const { RefCell::new(Vec::new()) };
}

static COMMON: Mutex<Vec<Entry>> = Mutex::new(Vec::new());
static NEWS: Condvar = Condvar::new();

/// Puts records aside.
struct Queue;

impl Log for Queue {
    /// Of what the library is built on, only what is wrong.
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= Level::Warn || metadata.target().starts_with("minidocker")
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let level = match record.level() {
            Level::Error => 40,
            Level::Warn => 30,
            Level::Info => 20,
            Level::Debug | Level::Trace => 10,
        };
        let logger = record.target().replace("minidocker_", "minidocker.").replace("::", ".");
        let entry = Entry { level, logger, text: record.args().to_string() };
        let add = |entries: &mut Vec<Entry>| {
            if entries.len() < MOST {
                entries.push(entry);
            }
        };
        match IN_CALL.get() {
            true => OWN.with_borrow_mut(add),
            false => {
                add(&mut COMMON.lock().unwrap_or_else(PoisonError::into_inner));
                NEWS.notify_one();
            }
        }
    }

    fn flush(&self) {}
}

/// From now on the library's log is kept for Python.
pub(crate) fn install() {
    // Fails if the extension was loaded before, which has its logger then.
    if log::set_logger(&Queue).is_ok() {
        log::set_max_level(LevelFilter::Debug);
    }
}

/// Runs an operation of the library that will be followed by [`hand_on`] in the same thread.
pub(crate) fn gathering<T>(operation: impl FnOnce() -> T) -> T {
    /// Puts back what was there, also when the operation panics.
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            IN_CALL.set(self.0);
        }
    }
    let _restore = Restore(IN_CALL.replace(true));
    operation()
}

/// Hands what this thread has put aside to `logging`, and what waits in the common queue. To be
/// called without any lock held. Raises what a signal handler raises meanwhile.
pub(crate) fn hand_on(py: Python<'_>) -> PyResult<()> {
    let mut entries = OWN.take();
    // At a fork another thread may have held this lock, which is then locked for ever: nobody
    // waits for it.
    if let Ok(mut common) = COMMON.try_lock() {
        entries.append(&mut common);
    }
    for entry in entries {
        if let Err(raised) = deliver(py, &entry) {
            // What a handler of the log gets wrong is no reason for the call to fail.
            if !raised.is_instance_of::<PyException>(py) {
                return Err(raised);
            }
            raised.write_unraisable(py, None);
        }
    }
    Ok(())
}

fn deliver(py: Python<'_>, entry: &Entry) -> PyResult<()> {
    static GET_LOGGER: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let logger = GET_LOGGER.import(py, "logging", "getLogger")?.call1((&entry.logger,))?;
    logger.call_method1("log", (entry.level, "%s", &entry.text)).map(|_| ())
}

/// Runs an operation that takes as long as the program, in whose threads there is no Python, and
/// hands their records to `logging` meanwhile. To be called without the GIL.
pub(crate) fn handing_on<T>(operation: impl FnOnce() -> T) -> T {
    let ended = Mutex::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let is_over = || *ended.lock().unwrap_or_else(PoisonError::into_inner);
            while !is_over() {
                let common = COMMON.lock().unwrap_or_else(PoisonError::into_inner);
                let waited = NEWS.wait_timeout_while(common, Duration::from_secs(1), |entries| {
                    entries.is_empty() && !is_over()
                });
                let entries = match waited {
                    Ok((mut common, _)) => std::mem::take(&mut *common),
                    Err(_) => return,
                };
                if !entries.is_empty() {
                    Python::attach(|py| {
                        for entry in &entries {
                            if let Err(raised) = deliver(py, entry) {
                                raised.write_unraisable(py, None);
                            }
                        }
                    });
                }
            }
        });
        let result = operation();
        *ended.lock().unwrap_or_else(PoisonError::into_inner) = true;
        // With the lock, so that who is about to wait is not missed.
        drop(COMMON.lock());
        NEWS.notify_all();
        result
    })
}
