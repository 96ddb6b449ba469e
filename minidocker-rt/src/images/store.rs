//! The images of a store: which there are, and the layers they share.
//!
//! Whoever adds or removes an image holds the lock of all images (`images/.lock`) for that
//! moment; whoever makes a container of one holds it too, shared with others who do. So a layer
//! is never removed under an image that is being added, nor an image under a container.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::ImageInfo;
use crate::error::{Error, Result};
use crate::lock::{self, Mode};
use crate::private;
use crate::spec::ImageName;
use crate::store::{DELETING, read_json, remove_folder};

/// The folder of an image, whether or not there is one.
pub(crate) fn folder(root: &Path, name: &ImageName) -> PathBuf {
    root.join("images").join(name.as_str())
}

/// The folder of a layer, whether or not there is one.
#[cfg(linux_backend)]
pub(crate) fn layer(root: &Path, digest: &str) -> PathBuf {
    root.join("layers").join(digest)
}

/// An imported image.
///
/// # Errors
/// [`Error::NoSuchImage`]; [`Error::Io`] if its description is damaged.
pub(crate) fn load(root: &Path, name: &ImageName) -> Result<ImageInfo> {
    read_json(&folder(root, name).join("image.json"))?
        .ok_or_else(|| Error::NoSuchImage { name: name.to_string() })
}

/// The names of all imported images, sorted.
pub(crate) fn names(root: &Path) -> Result<Vec<ImageName>> {
    let images = root.join("images");
    let mut names: Vec<ImageName> = Vec::new();
    for entry in fs::read_dir(&images).map_err(|error| Error::io("list", &images, error))? {
        let name = entry.map_err(|error| Error::io("list", &images, error))?.file_name();
        names.extend(name.to_str().and_then(|name| name.parse().ok()));
    }
    names.retain(|name| !name.is_host());
    names.sort();
    Ok(names)
}

/// The lock of all images, held until it is dropped.
#[derive(Debug)]
pub(crate) struct ImagesLock(#[expect(dead_code, reason = "held, not used")] File);

/// Keeps all images where they are.
pub(crate) fn keep(root: &Path) -> Result<ImagesLock> {
    lock(root, Mode::Shared)
}

/// For a change.
pub(crate) fn change(root: &Path) -> Result<ImagesLock> {
    lock(root, Mode::Exclusive)
}

fn lock(root: &Path, mode: Mode) -> Result<ImagesLock> {
    let path = root.join("images/.lock");
    let file = private::lock_file(&path)?;
    lock::take_soon(&file, mode, &path)?;
    Ok(ImagesLock(file))
}

/// Removes an image, and the layers that no other image has.
pub(crate) fn delete(root: &Path, name: &ImageName, lock: &ImagesLock) -> Result<()> {
    let folder = folder(root, name);
    if !folder.exists() {
        return Err(Error::NoSuchImage { name: name.to_string() });
    }
    remove(&folder)?;
    remove_unused_layers(root, lock)
}

/// Removes the layers of no image: those of one that was deleted, or whose import was cut
/// short between the layers and the image.
pub(crate) fn remove_unused_layers(root: &Path, _lock: &ImagesLock) -> Result<()> {
    let mut used = BTreeSet::new();
    for name in names(root)? {
        match load(root, &name) {
            Ok(image) => used.extend(image.layers.into_iter().map(|layer| layer.digest)),
            // Nobody knows which are its layers, so all stay.
            Err(error) => {
                log::warn!("no layer is removed, because image {name} is damaged: {error}");
                return Ok(());
            }
        }
    }
    let layers = root.join("layers");
    for entry in fs::read_dir(&layers).map_err(|error| Error::io("list", &layers, error))? {
        let entry = entry.map_err(|error| Error::io("list", &layers, error))?;
        let digest = entry.file_name().to_string_lossy().into_owned();
        if !digest.starts_with('.') && !used.contains(&digest) {
            remove(&entry.path())?;
        }
    }
    Ok(())
}

/// Renames a folder out of sight first, so that it vanishes at once and whole.
fn remove(folder: &Path) -> Result<()> {
    let fail = |error| Error::io("delete", folder, error);
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let mut random = [0; 4];
    getrandom::fill(&mut random).map_err(|_| fail(ErrorKind::Other.into()))?;
    let doomed = format!("{DELETING}{name}-{:08x}", u32::from_ne_bytes(random));
    let doomed = folder.with_file_name(doomed);
    fs::rename(folder, &doomed).map_err(fail)?;
    remove_folder(&doomed).map_err(fail)
}
