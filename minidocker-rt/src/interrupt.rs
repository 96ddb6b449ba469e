//! Letting go of a wait, for programs that must answer a signal meanwhile.
//!
//! A signal makes the system call that waits return `EINTR`, and everything here waits on then,
//! as it should: a signal is no end. An interpreter has to run its handlers first, and those may
//! want the wait to end (Ctrl-C). So whoever calls may lend us a question to ask whenever a wait
//! is disturbed. A signal that comes just before the wait disturbs nothing; for its sake a wait
//! that may be asked about is cut into slices.

use std::cell::Cell;
use std::time::Duration;

use crate::error::{Error, Result};

/// The longest that a signal can go unanswered.
const SLICE: Duration = Duration::from_millis(50);

thread_local! {
    static WANTS_OUT: Cell<Option<fn() -> bool>> = const { Cell::new(None) };
}

/// Runs operations of this library that can be interrupted: while one of them waits, in this
/// thread, `wants_out` is asked after each signal, and at least every 50 ms. When it says yes the
/// operation ends with [`Error::Interrupted`]. What was waited for goes on, but a command that
/// [`crate::Container::exec`] executes is killed.
///
/// ```no_run
/// # let container = minidocker_rt::Runtime::open_default()?.get("web")?;
/// use std::sync::atomic::{AtomicBool, Ordering};
///
/// static CTRL_C: AtomicBool = AtomicBool::new(false); // set by a signal handler
/// let exit = minidocker_rt::interruptible(|| CTRL_C.load(Ordering::SeqCst), || container.wait());
/// # Ok::<(), minidocker_rt::Error>(())
/// ```
pub fn interruptible<T>(wants_out: fn() -> bool, operations: impl FnOnce() -> T) -> T {
    /// Puts back what was there, also when the operations panic.
    struct Restore(Option<fn() -> bool>);
    impl Drop for Restore {
        fn drop(&mut self) {
            WANTS_OUT.set(self.0);
        }
    }
    let _restore = Restore(WANTS_OUT.replace(Some(wants_out)));
    operations()
}

/// To be called when a wait was disturbed, or a slice of it is over.
pub(crate) fn check() -> Result<()> {
    match WANTS_OUT.get() {
        Some(wants_out) if wants_out() => Err(Error::Interrupted),
        _ => Ok(()),
    }
}

/// Whether there is anybody to ask.
pub(crate) fn is_possible() -> bool {
    WANTS_OUT.get().is_some()
}

/// How long to wait at once of the time that is left.
pub(crate) fn slice(left: Option<Duration>) -> Option<Duration> {
    match is_possible() {
        true => Some(left.unwrap_or(SLICE).min(SLICE)),
        false => left,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_within_the_call_is_there_somebody_to_ask() {
        let minute = Some(Duration::from_secs(60));
        interruptible(
            || true,
            || {
                assert!(matches!(check(), Err(Error::Interrupted)));
                assert_eq!((slice(None), slice(minute)), (Some(SLICE), Some(SLICE)));
                interruptible(|| false, || assert!(check().is_ok()));
                assert!(check().is_err(), "the outer one is asked again");
            },
        );
        assert!(check().is_ok());
        assert_eq!((slice(None), slice(minute)), (None, minute));
    }
}
