//! Importing an image: from an archive to layers, all or nothing.
//!
//! The archive is first copied, uncompressed, into a nameless file: which kind it is shows only
//! when all of it was seen, and the file that names the layers may be its last. Then each
//! layer that is not there yet is unpacked into a folder of its own, and at the end, under
//! the lock, everything is renamed to where it belongs.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::tree;
use super::unpack::{Whiteouts, unpack};
use crate::archive::{ArchiveLimits, EntryPath, Kind, Reader, decompress, refuse, unreadable};
use crate::error::{Error, Result};
use crate::images::store as images;
use crate::images::{
    Descriptor, Found, ImageConfig, ImageInfo, ImageJson, ImageLayer, ImageSource, LONGEST_JSON,
    damaged, find, hex, in_use, missing,
};
use crate::spec::ImageName;
use crate::store::{IMAGE_BUILDING, StagingDir, set_mode, write_json};

/// The files of an image archive lie no deeper than this many names; those of a root
/// filesystem that do need not be remembered.
const DEEPEST: usize = 3;

/// Imports an archive as the image `name` of the store at `root`.
pub(crate) fn import(
    root: &Path,
    name: &ImageName,
    archive: &mut dyn Read,
    limits: ArchiveLimits,
) -> Result<ImageInfo> {
    if !nix::unistd::geteuid().is_root() {
        return Err(Error::Unsupported {
            feature: "importing an image".into(),
            backend: "linux",
            why: "its files get their owners, which takes root (sudo)".into(),
        });
    }
    let folder = root.join("images");
    let building = StagingDir::new(&folder, IMAGE_BUILDING)?;
    let mut import =
        Import { root, building: building.path(), rootfs: false, limits, unpacked: Vec::new() };
    let spooled = import.spool(archive)?;
    let mut image = match spooled.is_image() {
        true => import.image(&spooled)?,
        false => {
            import.rootfs = true;
            import.rootfs(&spooled)?
        }
    };
    image.name = name.to_string();
    image.imported_at = Some(Timestamp::now());
    import.put_in_place(name, &image)?;
    Ok(image)
}

struct Import<'a> {
    root: &'a Path,
    /// The folder that everything is made in.
    building: &'a Path,
    /// Whether the archive is that of a root filesystem.
    rootfs: bool,
    /// How much may still be unpacked.
    limits: ArchiveLimits,
    /// The layers that were not there yet: their digests, and where they are for now.
    unpacked: Vec<(String, PathBuf)>,
}

/// An uncompressed archive in a file, and where in it the files near the top are.
struct Spooled {
    file: File,
    digest: String,
    files: HashMap<String, Place>,
}

/// Where the content of a file in an archive is.
enum Place {
    At {
        position: u64,
        size: u64,
    },
    /// What another path has (older Docker archives have links between layers).
    Link(String),
}

impl Spooled {
    fn is_image(&self) -> bool {
        self.files.contains_key("manifest.json")
            || (self.files.contains_key("index.json") && self.files.contains_key("oci-layout"))
    }

    /// A file of the archive, if it is there.
    fn open(&self, path: &str) -> Result<Option<impl Read + use<>>> {
        // As the names of the entries were read, without "./" and the like.
        let Ok(tidy) = EntryPath::parse(path.as_bytes()) else { return Ok(None) };
        let tidy = String::from_utf8_lossy(tidy.as_bytes());
        let mut path = &*tidy;
        for _ in 0..8 {
            match self.files.get(path) {
                None => return Ok(None),
                Some(Place::Link(target)) => path = target,
                Some(&Place::At { position, size }) => {
                    let mut file = self.file.try_clone().map_err(unreadable)?;
                    file.seek(SeekFrom::Start(position)).map_err(unreadable)?;
                    return Ok(Some(file.take(size)));
                }
            }
        }
        Err(refuse(path.to_string(), "it is a link in a circle"))
    }

    /// A small file of the archive, if it is there.
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>> {
        let Some(file) = self.open(path)? else { return Ok(None) };
        let mut content = Vec::new();
        file.take(LONGEST_JSON + 1).read_to_end(&mut content).map_err(unreadable)?;
        if content.len() as u64 > LONGEST_JSON {
            return Err(refuse(path, "it is far too long"));
        }
        Ok(Some(content))
    }
}

/// Counts and hashes what is read through it.
struct Hashing<R> {
    input: R,
    hash: Sha256,
}

impl<R: Read> Hashing<R> {
    fn new(input: R) -> Hashing<R> {
        Hashing { input, hash: Sha256::new() }
    }

    fn digest(self) -> String {
        hex(&self.hash.finalize())
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        self.hash.update(&buffer[..read]);
        Ok(read)
    }
}

impl Import<'_> {
    /// Copies the archive, uncompressed, and looks what is in it.
    fn spool(&self, archive: &mut dyn Read) -> Result<Spooled> {
        let fail = |error| Error::io("unpack the archive in", self.building, error);
        let mut file = tempfile::tempfile_in(self.building).map_err(fail)?;
        let mut input = Hashing::new(decompress(BufReader::with_capacity(64 << 10, archive))?);
        // Headers and filling come on top of the content.
        let most = self.limits.bytes.saturating_add(self.limits.entries.saturating_mul(2048));
        let mut copied = 0;
        let mut buffer = vec![0; 256 << 10];
        loop {
            let read = input.read(&mut buffer).map_err(unreadable)?;
            if read == 0 {
                break;
            }
            copied += read as u64;
            if copied > most {
                let bytes = self.limits.bytes;
                return Err(refuse(
                    "the archive",
                    format!("it unpacks to more than {bytes} bytes"),
                ));
            }
            io::Write::write_all(&mut file, &buffer[..read]).map_err(fail)?;
        }
        let digest = input.digest();
        file.rewind().map_err(fail)?;
        let mut files = HashMap::new();
        let mut reader = Reader::new(BufReader::with_capacity(64 << 10, &file), self.limits);
        while let Some(entry) = reader.next_entry()? {
            let path = String::from_utf8_lossy(entry.path.as_bytes()).into_owned();
            if path.split('/').count() > DEEPEST {
                continue;
            }
            let place = match &entry.kind {
                Kind::File { size, data } if data.len() < 2 => {
                    Place::At { position: reader.content_position(), size: *size }
                }
                Kind::HardLink(target) => {
                    Place::Link(String::from_utf8_lossy(target.as_bytes()).into_owned())
                }
                Kind::Symlink(target) => Place::Link(beside(&path, target)),
                _ => continue,
            };
            files.insert(path, place);
        }
        reader.finish()?;
        Ok(Spooled { file, digest, files })
    }

    /// A root filesystem: it is the one layer.
    fn rootfs(&mut self, spooled: &Spooled) -> Result<ImageInfo> {
        let mut file = spooled.file.try_clone().map_err(unreadable)?;
        file.rewind().map_err(unreadable)?;
        let layer = self.layer(file, Some(&spooled.digest), "the archive")?;
        Ok(ImageInfo {
            name: String::new(),
            id: format!("sha256:{}", layer.digest),
            source: ImageSource::Rootfs,
            reference: None,
            architecture: None,
            imported_at: None,
            layers: vec![layer],
            config: ImageConfig::default(),
        })
    }

    /// An image with its configuration and layers.
    fn image(&mut self, spooled: &Spooled) -> Result<ImageInfo> {
        let Found { source, reference, config, layers } = find(&mut |path| spooled.read(path))?;
        let json = spooled.read(&config.path)?.ok_or_else(|| missing(&config.path))?;
        let id = hex(&Sha256::digest(&json));
        if config.digest.is_some_and(|digest| digest != id) {
            return Err(damaged(&config.path));
        }
        let json = ImageJson::parse(&json)?;
        if let Some(os) = json.os.as_deref().filter(|os| !matches!(*os, "" | "linux")) {
            return Err(refuse("the image", format!("its programs are for {os}, not for linux")));
        }
        let diff_ids = json.diff_ids()?;
        if diff_ids.len() != layers.len() {
            let (said, are) = (diff_ids.len(), layers.len());
            let why = format!("its configuration speaks of {said} layers, and it has {are}");
            return Err(refuse("the image", why));
        }
        let mut made = Vec::new();
        for (layer, diff_id) in layers.iter().zip(&diff_ids) {
            made.push(self.blob(spooled, layer, diff_id)?);
        }
        if layers.is_empty() {
            // An image of nothing: whoever uses it brings a program along as a volume.
            made.push(self.layer(&[][..], None, "the image")?);
        }
        // The lowest first in the archive, topmost first here and in an overlay's options.
        made.reverse();
        // The overlay does not ask whether the root of a layer hides what is below.
        if let Some(top) = made.iter().position(|layer| self.hides_all(layer)) {
            made.truncate(top + 1);
        }
        Ok(ImageInfo {
            name: String::new(),
            id: format!("sha256:{id}"),
            source,
            reference,
            architecture: json.architecture.clone(),
            imported_at: None,
            layers: made,
            config: json.config(),
        })
    }

    /// A layer that is a file of the archive.
    fn blob(&mut self, spooled: &Spooled, blob: &Descriptor, diff_id: &str) -> Result<ImageLayer> {
        let content = spooled.open(&blob.path)?.ok_or_else(|| missing(&blob.path))?;
        let mut content = Hashing::new(content);
        let layer = self.layer(&mut content, Some(diff_id), &blob.path)?;
        if let Some(digest) = &blob.digest {
            // A decompressor need not have read to the very end.
            io::copy(&mut content, &mut io::sink()).map_err(unreadable)?;
            if content.digest() != *digest {
                return Err(damaged(&blob.path));
            }
        }
        Ok(layer)
    }

    /// Unpacks a layer, unless it is there already.
    fn layer(
        &mut self,
        archive: impl Read,
        digest: Option<&str>,
        what: &str,
    ) -> Result<ImageLayer> {
        let folder = self.building.join(format!("layer-{}", self.unpacked.len()));
        let fail = |error| Error::io("create", &folder, error);
        let known = digest.is_some_and(|digest| {
            self.unpacked.iter().any(|(other, _)| other == digest)
                || images::layer(self.root, digest).exists()
        });
        let archive = decompress(BufReader::with_capacity(64 << 10, archive))?;
        let reader = Reader::new(Hashing::new(archive), self.limits);
        // Of a root filesystem nobody said what it should be.
        let mut reader = match self.rootfs {
            true => reader,
            false => reader.whole_by_digest(),
        };
        if known {
            // Its size is still to be told, and its content to be checked.
            while reader.next_entry()?.is_some() {}
        } else {
            fs::create_dir(&folder).map_err(fail)?;
            // The root of a layer is the container's "/", which every user must be able to
            // enter; its archive may say otherwise.
            set_mode(&folder, 0o755)?;
            let root = tree::open_root(&folder).map_err(|errno| fail(errno.into()))?;
            unpack(&mut reader, root, Whiteouts::Marks)?;
        }
        let (seen, hashing) = reader.finish()?;
        let is = hashing.digest();
        if digest.is_some_and(|digest| digest != is) {
            return Err(damaged(what));
        }
        self.limits.bytes = self.limits.bytes.saturating_sub(seen.bytes);
        self.limits.entries = self.limits.entries.saturating_sub(seen.entries);
        if !known {
            self.unpacked.push((is.clone(), folder));
        }
        Ok(ImageLayer { digest: is, bytes: seen.bytes })
    }

    /// Whether a layer is to replace all of those below.
    fn hides_all(&self, layer: &ImageLayer) -> bool {
        let unpacked = self.unpacked.iter().find(|(digest, _)| *digest == layer.digest);
        let folder = match unpacked {
            Some((_, folder)) => folder.clone(),
            None => images::layer(self.root, &layer.digest),
        };
        let mut value = [0; 1];
        rustix::fs::lgetxattr(&folder, "trusted.overlay.opaque", &mut value).is_ok()
    }

    /// Moves the layers and the image to where they belong.
    fn put_in_place(&self, name: &ImageName, image: &ImageInfo) -> Result<()> {
        let making = self.building.join("image");
        let fail = |error| Error::io("create", &making, error);
        fs::create_dir(&making).map_err(fail)?;
        write_json(&making.join("image.json"), image)?;
        // After a power cut there must not be a name without its content.
        let folder = File::open(self.building).map_err(fail)?;
        rustix::fs::syncfs(&folder).map_err(|errno| fail(errno.into()))?;

        let lock = images::change(self.root)?;
        let target = images::folder(self.root, name);
        if target.exists() {
            return Err(in_use(name));
        }
        let placed = (|| {
            for layer in &image.layers {
                let place = images::layer(self.root, &layer.digest);
                let unpacked = self.unpacked.iter().find(|(other, _)| *other == layer.digest);
                match unpacked {
                    // Another import was faster.
                    _ if place.exists() => {}
                    Some((_, folder)) => fs::rename(folder, &place)
                        .map_err(|error| Error::io("create", &place, error))?,
                    // It was there when we looked, and its last image was deleted since.
                    None => {
                        let why = "another program deleted one of its layers meanwhile";
                        return Err(refuse("the image", format!("{why}; import it again")));
                    }
                }
            }
            fs::rename(&making, &target).map_err(|error| Error::io("create", &target, error))
        })();
        if placed.is_err() {
            images::remove_unused_layers(self.root, &lock)?;
        }
        placed
    }
}

/// A relative symlink's target, seen from the archive's root.
fn beside(path: &str, target: &[u8]) -> String {
    let target = String::from_utf8_lossy(target);
    let mut names: Vec<&str> = path.split('/').collect();
    names.pop();
    for name in target.split('/') {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    names.join("/")
}
