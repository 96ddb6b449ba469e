//! What a container changed.

use super::Container;
use crate::diff::{Change, Diff, Wanted};
use crate::error::{Error, Result};

/// The most changes that [`Container::diff`] tells. [`Container::diff_within`] tells the first of
/// more.
pub const DIFF_LIMIT: usize = 100_000;

/// The most bytes of paths that are told at once.
const DIFF_BYTES: usize = 64 << 20;

/// How systems say that something is too much.
pub(super) const E2BIG: i32 = 7;

impl Container {
    /// What it changed, compared with its image, sorted by path. Works whether or not it
    /// runs. Volumes are not looked into, and the places that a start makes to mount them on
    /// are left out, as long as the container put nothing there.
    ///
    /// A folder is modified if something in it is, or its rights or its time are; a file, if
    /// it was ever opened for writing. That is how an overlay keeps changes, and how
    /// `docker diff` tells them.
    ///
    /// What has a path of more than 4095 bytes is left out: no program can open it by that.
    ///
    /// # Errors
    /// [`crate::Error::File`] if there are more than [`DIFF_LIMIT`] changes, or some cannot be told;
    /// [`crate::Error::Unsupported`] if it was made without a rootfs of its own;
    /// [`crate::Error::Io`] if its files cannot be read, as without root's rights;
    /// [`crate::Error::NotFound`] if it was deleted.
    pub fn diff(&self) -> Result<Vec<Change>> {
        let wanted = Wanted { folder: None, changes: DIFF_LIMIT, bytes: DIFF_BYTES };
        match self.compare(wanted)? {
            Diff { truncated: false, changes } => Ok(changes),
            Diff { truncated: true, changes } if changes.len() < DIFF_LIMIT => {
                let why = "some of it cannot be told: its paths are too long for that, or it is in \
                           a folder that cannot be read";
                Err(self.not_compared(why.into()))
            }
            Diff { truncated: true, .. } => Err(self.too_many(DIFF_LIMIT)),
        }
    }

    /// As [`Container::diff`], but of more than `limit` changes it tells those nearest to the
    /// root, and that there are more; so it does of those that it can tell.
    ///
    /// # Errors
    /// As [`Container::diff`], but for their number.
    pub fn diff_within(&self, limit: usize) -> Result<Diff> {
        self.compare(Wanted { folder: None, changes: limit, bytes: DIFF_BYTES })
    }

    /// What it changed directly in a folder.
    pub(super) fn diff_in(&self, folder: &[u8], limit: usize) -> Result<Diff> {
        self.compare(Wanted { folder: Some(folder), changes: limit, bytes: DIFF_BYTES })
    }

    pub(super) fn compare(&self, wanted: Wanted<'_>) -> Result<Diff> {
        let (dir, file) = self.dir_and_spec()?;
        let changes = self.runtime.backend.changes(&dir, &file, wanted);
        // Of one deleted meanwhile we may have seen a part.
        self.dir()?;
        changes
    }

    pub(super) fn too_many(&self, most: usize) -> Error {
        self.not_compared(format!("it changed more than {most} files"))
    }

    fn not_compared(&self, why: String) -> Error {
        let (name, path) = (self.name.to_string(), "/".into());
        Error::File { name, action: "compare", path, why, errno: Some(E2BIG) }
    }
}
