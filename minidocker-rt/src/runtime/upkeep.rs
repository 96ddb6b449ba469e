//! What a root takes on disk, and the removal of what is not needed.

use std::collections::HashMap;

use super::Runtime;
use crate::error::{Error, Result};
use crate::images::ImageInfo;
use crate::linux::upkeep::Measure;
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
        let images = self.image_usage(&images_in_use)?;
        let layers = self.sizes_in("layers")?;
        let images_bytes =
            self.sizes_in("images")?.iter().chain(&layers).map(|(_, bytes)| bytes).sum();
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

    /// What each image takes. A layer of several counts for each of them.
    fn image_usage(&self, in_use: &[String]) -> Result<Vec<ImageUsage>> {
        let layers: HashMap<String, u64> = self.sizes_in("layers")?.into_iter().collect();
        let own: HashMap<String, u64> = self.sizes_in("images")?.into_iter().collect();
        let images = self.images()?;
        let has = |image: &ImageInfo, digest: &str| {
            image.layers.iter().any(|layer| layer.digest == digest)
        };
        let users = |digest: &str| images.iter().filter(|image| has(image, digest)).count();
        let mut usage: Vec<ImageUsage> = images
            .iter()
            .map(|image| {
                let size = |digest: &str| layers.get(digest).copied().unwrap_or_default();
                let digests = image.layers.iter().map(|layer| layer.digest.as_str());
                let shared = digests.clone().filter(|digest| users(digest) > 1).map(size).sum();
                let own = own.get(&image.name).copied().unwrap_or_default();
                ImageUsage {
                    name: image.name.clone(),
                    bytes: own + digests.map(size).sum::<u64>(),
                    shared_bytes: shared,
                    containers: in_use.iter().filter(|name| **name == image.name).count(),
                }
            })
            .collect();
        usage.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(usage)
    }

    /// What each thing in a folder of the root takes on disk.
    fn sizes_in(&self, folder: &str) -> Result<Vec<(String, u64)>> {
        let folder = self.root().join(folder);
        let entries = Measure::default()
            .entries(&folder)
            .map_err(|errno| Error::io("measure", &folder, errno.into()))?;
        let named = entries.into_iter();
        Ok(named.map(|(name, bytes)| (name.to_string_lossy().into_owned(), bytes)).collect())
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
