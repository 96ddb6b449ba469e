//! What wakes a follower where there is no epoll(7): a bell that the folder's watcher and the
//! supervisor's end ring.

use std::path::Path;
use std::time::{Duration, Instant};

use super::Seen;
use crate::error::{Error, Result};
use crate::simulation::Lifeline;
use crate::status::StatusRecord;
use crate::store::ContainerDir;
use crate::watch::Watch;

/// The signs that it is worth looking at a container's log.
#[derive(Debug)]
pub(super) struct Signs {
    watch: Watch,
    /// Rings when the supervisor is gone. None if there was none when we last looked.
    supervisor: Option<Lifeline>,
    /// When to look though the bell is silent.
    again_at: Option<Instant>,
}

impl Signs {
    /// Begins to watch a container's folder. Returns the folder as it is to be read.
    pub fn of(path: &Path) -> Result<(Signs, ContainerDir)> {
        if !path.exists() {
            let missing = std::io::Error::from(std::io::ErrorKind::NotFound);
            return Err(Error::io("open", path, missing));
        }
        let signs = Signs { watch: Watch::folder(path)?, supervisor: None, again_at: None };
        Ok((signs, ContainerDir::at(path.to_owned())))
    }

    /// What has happened since this was last called.
    pub fn look(&mut self) -> Result<Seen> {
        let due = self.again_at.is_some_and(|time| time <= Instant::now());
        let any = self.watch.clear() || due;
        Ok(Seen { any, ended: self.supervisor.as_ref().is_some_and(Lifeline::has_ended) })
    }

    /// Waits until something happens, at most so long. Returns whether something did.
    pub fn wait(&mut self, timeout: Option<Duration>) -> Result<bool> {
        let again = self.again_at.map(|time| time.saturating_duration_since(Instant::now()));
        match (again, timeout) {
            (Some(again), timeout) if timeout.is_none_or(|timeout| again <= timeout) => {
                self.watch.wait(Some(again)).map(|_| true)
            }
            _ => self.watch.wait(timeout),
        }
    }

    /// Whether the folder was removed or renamed.
    pub fn is_gone(&self) -> bool {
        self.watch.is_gone()
    }

    /// Whether a supervisor is followed.
    pub fn has_supervisor(&self) -> bool {
        self.supervisor.is_some()
    }

    /// Follows no supervisor any more, and waits for no time.
    pub fn forget(&mut self) -> Result<()> {
        (self.supervisor, self.again_at) = (None, None);
        Ok(())
    }

    /// Follows the supervisor of a record to its end. Returns whether it is alive.
    pub fn follow(&mut self, dir: &ContainerDir, record: &StatusRecord) -> Result<bool> {
        self.supervisor = Lifeline::to(dir, record.supervisor, self.watch.bell());
        Ok(self.supervisor.is_some())
    }

    /// Makes it worth looking again after this time.
    pub fn look_again_after(&mut self, time: Duration) -> Result<()> {
        self.again_at = Some(Instant::now() + time);
        Ok(())
    }
}
