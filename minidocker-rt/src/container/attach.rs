//! Attaching to a container.

use super::Container;
use crate::attach::Attached;
use crate::error::Result;
use crate::status::Status;

impl Container {
    /// Connects to the running command: its output from now on and, if it was made with
    /// `stdin_open`, its input. Several programs may be attached; the log goes on as ever.
    ///
    /// # Errors
    /// [`crate::Error::WrongState`] if it does not run.
    pub fn attach(&self) -> Result<Attached> {
        let dir = self.dir()?;
        let (_, status, _) = self.status_in(&dir)?;
        if !matches!(status, Status::Running | Status::Paused) {
            return Err(self.wrong_state("attach to", status));
        }
        match self.runtime.backend.attach(&dir)? {
            Some(attached) => Ok(attached),
            // It has ended in the meantime.
            None => Err(self.wrong_state("attach to", self.status()?)),
        }
    }
}
