//! Ctrl-C, turned into an ordinary error: a process that is killed by a signal drops
//! nothing, and would leave its containers running.

use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

use crate::{Error, Result};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

extern "C" fn note(_signal: libc::c_int) {
    INTERRUPTED.store(true, Ordering::SeqCst);
}

/// From now on SIGINT and SIGTERM only make [`check_interrupt`] fail.
pub fn catch_interrupts() {
    let action = SigAction::new(SigHandler::Handler(note), SaFlags::SA_RESTART, SigSet::empty());
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        // SAFETY: the handler does nothing but store to an atomic, which is allowed at
        // any point of the program.
        let _ = unsafe { sigaction(signal, &action) };
    }
}

/// To be asked in every round.
///
/// # Errors
/// [`Error::Interrupted`] if a signal has come.
pub fn check_interrupt() -> Result<()> {
    if INTERRUPTED.load(Ordering::SeqCst) { Err(Error::Interrupted) } else { Ok(()) }
}
