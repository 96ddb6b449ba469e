//! What a root takes on disk, and the removal of what is not needed.

use super::Runtime;
use crate::error::{Error, Result};
use crate::linux::upkeep::Measure;
use crate::linux::{self, process};
use crate::spec::ContainerName;
use crate::upkeep::{DiskUsage, ImageUsage, NotPruned, Pruned};

impl Runtime {
    /// What the containers and images take on disk.
    ///
    /// # Errors
    /// [`Error::Io`] if a folder cannot be read.
    pub fn disk_usage(&self) -> Result<DiskUsage> {
        let mut containers = Vec::new();
        let mut images_in_use = Vec::new();
        for container in self.list()? {
            match container.disk_usage().and_then(|usage| Ok((usage, container.inspect()?))) {
                Ok((usage, info)) => {
                    containers.push(usage);
                    images_in_use.push(info.spec.image_name().to_string());
                }
                // Deleted since the list was made.
                Err(Error::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        let folder = self.root().join("images");
        let entries = Measure::default()
            .entries(&folder)
            .map_err(|errno| Error::io("measure", &folder, errno.into()))?;
        let images_bytes = entries.iter().map(|(_, bytes)| bytes).sum();
        let images = entries
            .into_iter()
            .map(|(name, bytes)| (name.to_string_lossy().into_owned(), bytes))
            // Those in the making count, but are not images yet.
            .filter(|(name, _)| !name.starts_with('.'))
            .map(|(name, bytes)| {
                let containers = images_in_use.iter().filter(|image| **image == name).count();
                ImageUsage { name, bytes, containers }
            })
            .collect();
        Ok(DiskUsage {
            containers_bytes: containers.iter().map(|usage| usage.total_bytes()).sum(),
            reclaimable_bytes: containers
                .iter()
                .filter(|usage| !usage.status.is_alive())
                .map(|usage| usage.total_bytes())
                .sum(),
            containers,
            images,
            images_bytes,
        })
    }

    /// Deletes all containers that are not alive: those created and never started, stopped,
    /// and failed, with their files and logs. Spared are those that run, are paused or about
    /// to be restarted, and those that another operation works on at this moment, such as a
    /// start. Volumes and images stay. One that cannot be deleted does not keep the others.
    ///
    /// What is left of a container whose `spec.json` is damaged or missing, as after a power
    /// cut, goes too: nothing else can be done with it.
    ///
    /// # Errors
    /// [`Error::Io`] if the store cannot be read.
    pub fn prune(&self) -> Result<Pruned> {
        let mut pruned = Pruned::default();
        for name in self.names()? {
            let result = match self.get(name.as_str()) {
                Ok(container) => container.prune(),
                Err(_) => self.prune_ruin(&name),
            };
            let name = name.to_string();
            match result {
                Ok(Some(bytes)) => {
                    pruned.containers.push(name);
                    pruned.reclaimed_bytes += bytes;
                }
                Ok(None) | Err(Error::NotFound { .. }) => {}
                Err(error) => pruned.failed.push(NotPruned { name, why: error.to_string() }),
            }
        }
        Ok(pruned)
    }
    /// Removes a container that has no readable specification, unless it is alive. Returns how
    /// many bytes it took, or None if it stays.
    fn prune_ruin(&self, name: &ContainerName) -> Result<Option<u64>> {
        let dir = self.inner.store.dir(name);
        // Made or mended since, or deleted.
        if matches!(dir.spec_file(), Ok(Some(_))) || !dir.path().exists() {
            return Ok(None);
        }
        match dir.status() {
            Ok(Some(record)) if record.boot_id == self.inner.host.boot_id => {
                if process::open(record.supervisor).is_some() {
                    return Ok(None);
                }
                linux::clean_up_after(&record)?;
            }
            // Nothing tells of processes, or they ended with that boot.
            _ => {}
        }
        let entries = Measure::default()
            .entries(dir.path())
            .map_err(|errno| Error::io("measure", dir.path(), errno.into()))?;
        self.inner.store.delete_ruin(&dir, name)?;
        Ok(Some(entries.iter().map(|(_, bytes)| bytes).sum()))
    }
}
