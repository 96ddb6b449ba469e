//! What happens on a root, as it happens.

use super::Runtime;
use crate::error::Result;
use crate::events::Events;

impl Runtime {
    /// What happens on this root from now on, whichever program does it.
    ///
    /// # Errors
    /// [`crate::Error::System`] if the kernel has no inotify watch left (`man 7 inotify`);
    /// [`crate::Error::Io`] if the journal cannot be read.
    pub fn events(&self) -> Result<Events> {
        Events::from_now(self.inner.store.journal())
    }

    /// What happened after the event `id`, and what happens from now on; 0 is before the
    /// first. So a reader that was interrupted goes on where it was. If events after
    /// `id` are not kept any more, the first one says so:
    /// [`crate::EventKind::Missed`].
    ///
    /// # Errors
    /// As [`Runtime::events`].
    pub fn events_since(&self, id: u64) -> Result<Events> {
        Events::since(self.inner.store.journal(), id)
    }
}
