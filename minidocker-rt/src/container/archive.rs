//! A container's files as a tar archive, out and in.

use std::io::{Read, Write};

use super::{Container, EXPORT, REPLACE};
use crate::archive::{ArchiveContent, ArchiveLimits, ArchiveSummary};
use crate::diff::{Diff, Wanted};
use crate::error::Result;

/// The most changes that are packed, and the most bytes of their paths: what an import takes.
const MOST: usize = 1_000_000;
const MOST_BYTES: usize = 256 << 20;

impl Container {
    /// Writes its files into a tar archive, running or not, with their owners, permissions,
    /// times, hard links, symlinks, devices, extended attributes and holes. Sockets are left
    /// out, and so is what is mounted: volumes, the kernel's own files, and the programs that
    /// the image `host` borrows from this machine. What no archive can hold, such as a path of
    /// more than 4095 bytes, is counted in [`ArchiveSummary::left_out`].
    ///
    /// A file that changes meanwhile is packed as it is found; to have all files of one
    /// moment, pause the container. One that does not run cannot be started before the
    /// archive is complete.
    ///
    /// # Errors
    /// [`crate::Error::File`] with the path that could not be read, or if `output` cannot be written;
    /// [`crate::Error::Unsupported`] if the container was made without a rootfs of its own;
    /// [`crate::Error::NotFound`] if it was deleted.
    pub fn export_rootfs(
        &self,
        content: ArchiveContent,
        output: &mut dyn Write,
    ) -> Result<ArchiveSummary> {
        let view = self.view(EXPORT)?;
        let changes = match content {
            ArchiveContent::Merged => None,
            ArchiveContent::Changes => {
                let wanted = Wanted { folder: None, changes: MOST, bytes: MOST_BYTES };
                let Diff { changes, truncated } = self.compare(wanted)?;
                if truncated {
                    return Err(self.too_many(MOST));
                }
                Some(changes)
            }
        };
        view.tree.pack(changes.as_deref(), output)
    }

    /// Puts the content of an archive in the place of what the container changed: afterwards it
    /// has its image's files with those of the archive over them, and nothing of what it wrote
    /// before. So an archive of [`ArchiveContent::Changes`] brings another container of the
    /// same image to the same state. The container must not run. Takes root.
    ///
    /// As with [`crate::Runtime::import_image`], the archive may be compressed, and may come
    /// from a stranger.
    ///
    /// # Errors
    /// [`crate::Error::BadArchive`] with the path in the archive that is refused, and why;
    /// [`crate::Error::WrongState`] if it runs; [`crate::Error::Unsupported`] if the container was made
    /// without a rootfs of its own. Its files are as before then.
    pub fn import_rootfs(&self, archive: &mut dyn Read) -> Result<ArchiveSummary> {
        self.import_rootfs_within(archive, ArchiveLimits::default())
    }

    /// As [`Container::import_rootfs`], with other limits.
    ///
    /// # Errors
    /// As [`Container::import_rootfs`].
    pub fn import_rootfs_within(
        &self,
        archive: &mut dyn Read,
        limits: ArchiveLimits,
    ) -> Result<ArchiveSummary> {
        let locked = self.lock(REPLACE)?;
        let (record, status, _) = self.status_in(&locked.dir)?;
        if status.is_alive() {
            return Err(self.wrong_state("replace the files of", status));
        }
        self.clean_up(&locked.dir, record.as_ref())?;
        self.runtime.backend.unpack(&locked.dir, &locked.spec_file, archive, limits)
    }
}
