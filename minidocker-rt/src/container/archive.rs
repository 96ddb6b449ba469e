//! A container's files as a tar archive, out and in.

use std::fs;
use std::io::{Read, Write};
use std::os::fd::AsFd;

use rustix::fs::{CWD, RenameFlags};

use super::Container;
use crate::archive::{
    ArchiveContent, ArchiveLimits, ArchiveSummary, EntryPath, Reader, decompress,
};
use crate::diff::ChangeKind;
use crate::error::{Error, Result};
use crate::linux::pack::{Packer, Trouble};
use crate::linux::unpack::{Whiteouts, unpack};
use crate::linux::view;
use crate::store::{CREATING, HalfMade, set_mode};

impl Container {
    /// Writes its files into a tar archive, running or not, with their owners, permissions,
    /// times, hard links, symlinks, devices, extended attributes and holes. Sockets are left
    /// out, and so is what is mounted: volumes, the kernel's own files, and the programs that
    /// the image `host` borrows from this machine.
    ///
    /// A file that changes meanwhile is packed as it is found; to have all files of one
    /// moment, pause the container. One that does not run cannot be started before the
    /// archive is complete.
    ///
    /// # Errors
    /// [`Error::File`] with the path that could not be read, or if `output` cannot be written;
    /// [`Error::Unsupported`] if the container was made without a rootfs of its own;
    /// [`Error::NotFound`] if it was deleted.
    pub fn export_rootfs(
        &self,
        content: ArchiveContent,
        output: &mut dyn Write,
    ) -> Result<ArchiveSummary> {
        let view = self.view()?;
        let mut packer = Packer::new(view.root.as_fd(), output);
        match content {
            ArchiveContent::Merged => packer.everything().map_err(|why| self.not_packed(why))?,
            ArchiveContent::Changes => {
                for (kind, path) in self.changed_paths()? {
                    match kind {
                        ChangeKind::Deleted => packer.whiteout(&path),
                        ChangeKind::Added | ChangeKind::Modified => packer.path(&path),
                    }
                    .map_err(|why| self.not_packed(why))?;
                }
            }
        }
        packer
            .finish()
            .map_err(|error| self.not_packed(Trouble { path: EntryPath::default(), error }))
    }

    fn not_packed(&self, Trouble { path, error }: Trouble) -> Error {
        Error::File {
            name: self.name.to_string(),
            action: "pack",
            path: path.to_string(),
            why: crate::error::plain_reason(&error),
            errno: error.raw_os_error(),
        }
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
    /// [`Error::BadArchive`] with the path in the archive that is refused, and why;
    /// [`Error::WrongState`] if it runs; [`Error::Unsupported`] if the container was made
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
        let locked = self.lock()?;
        let (record, status, _) = self.status_in(&locked.dir)?;
        if status.is_alive() {
            return Err(self.wrong_state("replace the files of", status));
        }
        let (dir, spec) = (&locked.dir, &locked.spec_file.spec);
        view::require_rootfs(&locked.spec_file, "the replacement of the files")?;
        self.clean_up(record.as_ref())?;

        let image = self.runtime.host.image(&spec.image)?;
        let containers = dir.path().parent().unwrap_or(dir.path());
        let making = HalfMade::new(containers, CREATING)?;
        let (upper, work) = (making.path().join("rootfs"), making.path().join("work"));
        for folder in [&upper, &work] {
            fs::create_dir(folder).map_err(|error| Error::io("create", folder, error))?;
            set_mode(folder, 0o755)?;
        }
        let root = view::mount(&image.layers, &upper, &work)?;
        let mut reader = Reader::new(decompress(std::io::BufReader::new(archive))?, limits);
        unpack(&mut reader, root, Whiteouts::Deletions)?;
        let (summary, _) = reader.finish()?;
        // The overlay is unmounted by now. What was there goes away with the half-made folder.
        let (from, to) = (&upper, dir.rootfs());
        rustix::fs::renameat_with(CWD, from, CWD, &to, RenameFlags::EXCHANGE)
            .map_err(|errno| Error::io("replace", &to, errno.into()))?;
        Ok(summary)
    }
}
