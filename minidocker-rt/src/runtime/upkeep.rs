//! What a root takes on disk, and the removal of what is not needed.

use super::Runtime;
use crate::error::{Error, Result};
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
        let entries = self.inner.backend.sizes(&folder)?;
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
    /// # Errors
    /// [`Error::Io`] if the store cannot be read.
    pub fn prune(&self) -> Result<Pruned> {
        let mut pruned = Pruned::default();
        for container in self.list()? {
            let name = container.name().to_string();
            match container.prune() {
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
}
