//! What a container takes on disk, and its removal by a prune.

use super::Container;
use crate::error::Result;
use crate::lock::Lock;
use crate::store::{ContainerDir, LockedContainer, SpecFile};
use crate::upkeep::ContainerUsage;

impl Container {
    /// What it takes on disk; see [`crate::DiskUsage`] for what is counted.
    ///
    /// # Errors
    /// [`crate::Error::NotFound`] if it was deleted; [`crate::Error::Io`] if its folder cannot be read.
    pub fn disk_usage(&self) -> Result<ContainerUsage> {
        let (dir, file) = self.dir_and_spec()?;
        self.usage(&dir, file)
    }

    fn usage(&self, dir: &ContainerDir, file: SpecFile) -> Result<ContainerUsage> {
        let mut usage = ContainerUsage {
            name: self.name.to_string(),
            id: file.id,
            status: self.status_in(dir)?.1,
            changes_bytes: 0,
            log_bytes: 0,
            records_bytes: 0,
        };
        for (name, bytes) in self.runtime.backend.sizes(dir.path())? {
            match name.to_str() {
                Some("rootfs") => usage.changes_bytes += bytes,
                Some("log" | "log.1") => usage.log_bytes += bytes,
                _ => usage.records_bytes += bytes,
            }
        }
        Ok(usage)
    }

    /// Deletes it, unless it is alive or somebody works on it. Returns how many bytes it
    /// took, or None if it stays.
    pub(crate) fn prune(self) -> Result<Option<u64>> {
        let (dir, file) = self.dir_and_spec()?;
        if self.status_in(&dir)?.1.is_alive() {
            return Ok(None);
        }
        // Before the lock is taken: its holder writes down what for, which takes a block.
        let bytes = self.usage(&dir, file.clone())?.total_bytes();
        // Whoever holds the lock is about to start it, or to delete it anyway.
        let Some(lock) = dir.try_lock("delete")? else { return Ok(None) };
        let lock = Lock::held(lock);
        // Before we had the lock it may have been deleted, and even made anew.
        let spec_file = match dir.spec_file()? {
            Some(now) if now.id == file.id => now,
            _ => return Ok(None),
        };
        let (record, status, _) = self.status_in(&dir)?;
        if status.is_alive() {
            return Ok(None);
        }
        self.clean_up(&dir, record.as_ref())?;
        self.runtime.store.delete(LockedContainer { dir, spec_file, lock })?;
        Ok(Some(bytes))
    }
}
