//! The images of a root: the built-in `host`, and those imported from archives.

use std::collections::BTreeMap;
use std::io::Read;

use super::Runtime;
use crate::archive::ArchiveLimits;
use crate::error::{Error, Result};
use crate::events::EventKind;
use crate::images::{ImageConfig, ImageInfo, ImageSource, architecture};
use crate::linux::images::{self, ImagesLock};
use crate::linux::import::{import, in_use};
use crate::spec::{ImageName, refuse};

impl Runtime {
    /// Makes an image of an archive, which may be compressed with gzip or zstd: the tar
    /// archive of a root filesystem (as from `docker export`), one of `docker save`, or one of
    /// an OCI image layout. Takes root, because files get their owners.
    ///
    /// The archive may come from a stranger: paths that lead out of the image, links through
    /// symlinks, devices of the host, and more than the default [`ArchiveLimits`] are refused.
    /// What it holds takes disk space twice while it is imported.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let runtime = minidocker_rt::Runtime::open_default()?;
    /// let mut archive = std::fs::File::open("alpine.tar")?; // docker save alpine -o alpine.tar
    /// let image = runtime.import_image("alpine", &mut archive)?;
    /// runtime.create(image.spec("box")?)?.start()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::BadArchive`] with the path in the archive that is refused, and why;
    /// [`Error::InvalidSpec`] if the name cannot be one or is taken;
    /// [`Error::Unsupported`] without root. Nothing is left of it then.
    pub fn import_image(&self, name: &str, archive: &mut dyn Read) -> Result<ImageInfo> {
        self.import_image_within(name, archive, ArchiveLimits::default())
    }

    /// As [`Runtime::import_image`], with other limits.
    ///
    /// # Errors
    /// As [`Runtime::import_image`].
    pub fn import_image_within(
        &self,
        name: &str,
        archive: &mut dyn Read,
        limits: ArchiveLimits,
    ) -> Result<ImageInfo> {
        let name: ImageName = name.parse()?;
        // Before an archive is read that may be long.
        if name.is_host() || images::folder(self.root(), &name).exists() {
            return Err(in_use(&name));
        }
        if !nix::unistd::geteuid().is_root() {
            return Err(Error::Unsupported {
                feature: "importing an image".into(),
                backend: "linux",
                why: "its files get their owners, which takes root (sudo)".into(),
            });
        }
        let image = import(self.root(), &name, archive, limits)?;
        self.inner.store.journal().tell(name.as_str(), None, EventKind::ImageImported);
        Ok(image)
    }

    /// All images: `host`, then the imported ones by name. One whose description is damaged
    /// does not hide the others: it is left out, and [`Runtime::image`] by its name says why.
    ///
    /// # Errors
    /// [`Error::Io`] if the store cannot be read.
    pub fn images(&self) -> Result<Vec<ImageInfo>> {
        let mut all = vec![self.host_image_info()?];
        for name in images::names(self.root())? {
            match images::load(self.root(), &name) {
                Ok(image) => all.push(image),
                // Deleted by another program since the folder was listed.
                Err(Error::NoSuchImage { .. }) => {}
                Err(error) => log::warn!("image {name} is left out: {error}"),
            }
        }
        Ok(all)
    }

    /// The image called `name`.
    ///
    /// # Errors
    /// [`Error::NoSuchImage`], also for a text that could not be a name; [`Error::Io`] if its
    /// description is damaged.
    pub fn image(&self, name: &str) -> Result<ImageInfo> {
        let name: ImageName =
            name.parse().map_err(|_| Error::NoSuchImage { name: name.to_string() })?;
        match name.is_host() {
            true => self.host_image_info(),
            false => images::load(self.root(), &name),
        }
    }

    /// The names of the containers that are made from an image, sorted.
    ///
    /// # Errors
    /// [`Error::Io`] if the store cannot be read.
    pub fn containers_of_image(&self, name: &str) -> Result<Vec<String>> {
        let mut using = Vec::new();
        for container in self.names()? {
            match self.inner.store.dir(&container).spec_file() {
                Ok(Some(file)) if file.spec.image_name().as_str() == name => {
                    using.push(container.to_string());
                }
                // Nobody knows what a damaged one is made from; it can only be deleted.
                Ok(_) | Err(_) => {}
            }
        }
        Ok(using)
    }

    /// Deletes an imported image that no container is made from, also one whose description
    /// is damaged. Layers that other images have too stay.
    ///
    /// # Errors
    /// [`Error::NoSuchImage`]; [`Error::ImageInUse`] with the containers;
    /// [`Error::InvalidSpec`] for `host`, which is always there.
    pub fn delete_image(&self, name: &str) -> Result<()> {
        let name: ImageName =
            name.parse().map_err(|_| Error::NoSuchImage { name: name.to_string() })?;
        if name.is_host() {
            return Err(refuse(
                "image",
                name,
                "it is this machine's own programs, the default of every container",
                "Delete imported images only.",
            ));
        }
        let lock = images::change(self.root())?;
        let containers = self.containers_of_image(name.as_str())?;
        if !containers.is_empty() {
            return Err(Error::ImageInUse { name: name.to_string(), containers });
        }
        images::delete(self.root(), &name, &lock)?;
        self.inner.store.journal().tell(name.as_str(), None, EventKind::ImageDeleted);
        Ok(())
    }

    /// Makes sure that the image of a container in the making is there, and stays.
    pub(super) fn keep_image(&self, name: &ImageName) -> Result<Option<ImagesLock>> {
        if name.is_host() {
            return Ok(None);
        }
        let lock = images::keep(self.root())?;
        images::load(self.root(), name)?;
        Ok(Some(lock))
    }

    fn host_image_info(&self) -> Result<ImageInfo> {
        let name = ImageName::host();
        let image = self.inner.host.image(&name)?;
        Ok(ImageInfo {
            name: name.to_string(),
            id: String::new(),
            source: ImageSource::Host,
            reference: None,
            architecture: Some(architecture().to_string()),
            imported_at: None,
            layers: Vec::new(),
            config: ImageConfig {
                env: image.env.into_iter().collect::<BTreeMap<_, _>>(),
                ..ImageConfig::default()
            },
        })
    }
}
