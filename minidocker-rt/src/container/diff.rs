//! What a container changed.

use super::Container;
use crate::diff::Change;
use crate::error::{Error, Result};
use crate::linux;

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
        let (dir, file) = self.dir_and_spec()?;
        let spec = &file.spec;
        if !spec.isolation.rootfs {
            return Err(Error::Unsupported {
                feature: "the list of changes".into(),
                backend: "linux",
                why: "this container was made without a rootfs of its own: what it changes, it \
                      changes on the host"
                    .into(),
            });
        }
        let image = &self.runtime.host.image;
        let made_by_start: Vec<&str> = KERNEL_PLACES
            .into_iter()
            .chain(image.shown.iter().map(|(_, inside)| inside.as_str()))
            .chain(spec.volumes.iter().map(|volume| volume.container().as_str()))
            .chain([spec.working_dir.as_str()])
            .collect();
        let (upper, layers) = (dir.rootfs(), [image.layer.clone()]);
        let changes = linux::diff::changes(&upper, &layers, &made_by_start);
        // Of one deleted meanwhile we may have seen a part.
        self.dir()?;
        changes.map_err(|errno| Error::io("compare", &upper, errno.into()))
    }
}
