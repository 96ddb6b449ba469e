//! Whether this program can be its own helper process.

use std::sync::atomic::{AtomicBool, Ordering};

static INITIALISED: AtomicBool = AtomicBool::new(false);

/// Remembers that [`crate::init`] was called: if this program is executed once more as a
/// helper, it will be recognised.
pub(crate) fn remember() {
    INITIALISED.store(true, Ordering::SeqCst);
}

/// Whether [`crate::init`] was called.
pub(crate) fn can_be_own() -> bool {
    INITIALISED.load(Ordering::SeqCst)
}
