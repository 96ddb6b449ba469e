//! What a container changed.

use super::Container;
use crate::diff::Change;
use crate::error::Result;

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
    /// [`crate::Error::Unsupported`] if it was made without a rootfs of its own;
    /// [`crate::Error::Io`] if its files cannot be read, as without root's rights;
    /// [`crate::Error::NotFound`] if it was deleted.
    pub fn diff(&self) -> Result<Vec<Change>> {
        let (dir, file) = self.dir_and_spec()?;
        let changes = self.runtime.backend.changes(&dir, &file);
        // Of one deleted meanwhile we may have seen a part.
        self.dir()?;
        changes
    }
}
