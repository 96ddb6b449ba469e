//! What a container changed.

use super::Container;
use crate::archive::EntryPath;
use crate::diff::{Change, ChangeKind};
use crate::error::{Error, Result};
use crate::linux::{self, view};

/// Where every start mounts the kernel's own files; images need not have them.
const KERNEL_PLACES: [&str; 3] = ["/dev", "/proc", "/sys"];

impl Container {
    /// What it changed, compared with its image, sorted by path. Works whether or not it
    /// runs. Volumes are not looked into, and the places that a start makes to mount them on
    /// are left out, as long as the container put nothing there.
    ///
    /// A folder is modified if something in it is, or its rights or its time are; a file, if
    /// it was ever opened for writing. That is how an overlay keeps changes, and how
    /// `docker diff` tells them.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if it was made without a rootfs of its own;
    /// [`Error::Io`] if its files cannot be read, as without root's rights;
    /// [`Error::NotFound`] if it was deleted.
    pub fn diff(&self) -> Result<Vec<Change>> {
        let changes = self.changed_paths()?.into_iter();
        Ok(changes.map(|(kind, path)| Change { kind, path: path.to_string() }).collect())
    }

    /// As [`Container::diff`], with the paths as they are.
    pub(super) fn changed_paths(&self) -> Result<Vec<(ChangeKind, EntryPath)>> {
        let (dir, file) = self.dir_and_spec()?;
        let spec = &file.spec;
        view::require_rootfs(&file, "the list of changes")?;
        let image = self.runtime.host.image(&spec.image)?;
        let made_by_start: Vec<&str> = KERNEL_PLACES
            .into_iter()
            .chain(image.shown.iter().map(|(_, inside)| inside.as_str()))
            .chain(spec.volumes.iter().map(|volume| volume.container().as_str()))
            .chain([spec.working_dir.as_str()])
            .collect();
        let upper = dir.rootfs();
        let changes = linux::diff::changes(&upper, &image.layers, &made_by_start);
        // Of one deleted meanwhile we may have seen a part.
        self.dir()?;
        changes.map_err(|errno| Error::io("compare", &upper, errno.into()))
    }
}
