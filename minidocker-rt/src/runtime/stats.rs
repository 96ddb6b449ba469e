//! What all containers use.

use super::Runtime;
use crate::container::Container;
use crate::error::Result;
use crate::stats::ContainerStats;

impl Runtime {
    /// What each container uses now, sorted by name; those that do not run use nothing.
    /// Reads a few small files per container. As with [`Runtime::list`], one whose
    /// `spec.json` is damaged does not hide the others.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) if the store cannot be read.
    pub fn stats(&self) -> Result<Vec<ContainerStats>> {
        let names = self.names()?;
        let mut all = Vec::with_capacity(names.len());
        for name in names {
            let dir = self.inner.store.dir(&name);
            let stats = dir.spec_file().and_then(|file| {
                // Deleted by another program since the folder was listed.
                let Some(file) = file else { return Ok(None) };
                let container = Container::new(self.inner.clone(), name.clone(), file.id.clone());
                container.stats_in(&dir, &file).map(|stats| Some((file.id, stats)))
            });
            match stats {
                Ok(Some((id, stats))) => {
                    all.push(ContainerStats { name: name.to_string(), id, stats })
                }
                Ok(None) => {}
                Err(error) => log::warn!("container {name} is left out: {error}"),
            }
        }
        Ok(all)
    }
}
