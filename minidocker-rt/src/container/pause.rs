//! Pause and resume.

use super::Container;
use crate::backend::FREEZE_PATIENCE;
use crate::error::{Error, Result};
use crate::events::EventKind;
use crate::status::Status;

impl Container {
    /// Freezes all its processes where they are (`man 7 cgroups`, the freezer). They keep
    /// their memory, files and connections, and use no CPU time. Returns when all of them
    /// have stopped.
    ///
    /// # Errors
    /// [`Error::WrongState`] if it does not run, or is paused already;
    /// [`Error::Timeout`] if the processes do not all stop within 10 seconds, after
    /// letting them go on; [`Error::Unsupported`] if this machine has no freezer.
    pub fn pause(&self) -> Result<()> {
        self.set_frozen(true)
    }

    /// Lets a paused container go on exactly where it was.
    ///
    /// # Errors
    /// [`Error::WrongState`] if it is not paused; [`Error::Timeout`] if something else holds
    /// it frozen, such as a freeze of the cgroup above.
    pub fn resume(&self) -> Result<()> {
        self.set_frozen(false)
    }

    fn set_frozen(&self, frozen: bool) -> Result<()> {
        let (operation, from, event) = match frozen {
            true => ("pause", Status::Running, EventKind::Paused),
            false => ("resume", Status::Paused, EventKind::Resumed),
        };
        let locked = self.lock(operation)?;
        let (record, status, _) = self.status_in(&locked.dir)?;
        let Some(record) = record.filter(|_| status == from) else {
            return Err(self.wrong_state(operation, status));
        };
        match self.runtime.backend.set_frozen(&locked.dir, &record, frozen) {
            Ok(Some(true)) => {
                self.tell(event);
                Ok(())
            }
            Ok(Some(false)) => Err(Error::Timeout {
                name: self.name.to_string(),
                operation,
                seconds: FREEZE_PATIENCE.as_secs(),
                because: None,
            }),
            // Perhaps it ended by itself in the meantime, and that is not written down yet.
            failed => match (self.status_in(&locked.dir)?.1, failed) {
                (Status::Running | Status::Paused, Err(error)) => Err(error),
                (Status::Running | Status::Paused, _) => {
                    Err(self.wrong_state(operation, Status::Stopped))
                }
                (ended, _) => Err(self.wrong_state(operation, ended)),
            },
        }
    }
}
