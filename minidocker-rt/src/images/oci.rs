//! The JSON files in image archives: which of the other files are the layers.
//!
//! Two forms are in use. `docker save` writes `manifest.json`, a list of images with the paths
//! of their configurations and layers. An OCI image layout has `index.json`, which names a
//! manifest for each platform, and all further files are named by their digest
//! (<https://github.com/opencontainers/image-spec>). Newer Docker archives have both.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

use super::{ImageConfig, ImageSource};
use crate::archive::refuse;
use crate::error::Result;

/// More JSON than any real image has.
pub(crate) const LONGEST_JSON: u64 = 8 << 20;

/// How deep an index may lead to another.
const DEEPEST: usize = 4;

/// The image in an archive.
#[derive(Debug)]
pub(crate) struct Found {
    pub source: ImageSource,
    pub reference: Option<String>,
    /// Its configuration.
    pub config: Descriptor,
    /// The files of its layers, the lowest first.
    pub layers: Vec<Descriptor>,
}

/// A file of the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Descriptor {
    pub path: String,
    /// What its SHA-256 must be, in hexadecimal digits, where the archive says so.
    pub digest: Option<String>,
}

/// The configuration of an image.
#[derive(Debug, Deserialize)]
pub(crate) struct ImageJson {
    pub architecture: Option<String>,
    pub os: Option<String>,
    #[serde(default, deserialize_with = "null_is_default")]
    config: ConfigJson,
    rootfs: RootfsJson,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct ConfigJson {
    #[serde(deserialize_with = "null_is_default")]
    entrypoint: Vec<String>,
    #[serde(deserialize_with = "null_is_default")]
    cmd: Vec<String>,
    #[serde(deserialize_with = "null_is_default")]
    env: Vec<String>,
    #[serde(deserialize_with = "null_is_default")]
    working_dir: String,
    #[serde(deserialize_with = "null_is_default")]
    user: String,
    #[serde(deserialize_with = "null_is_default")]
    exposed_ports: BTreeMap<String, serde_json::Value>,
    #[serde(deserialize_with = "null_is_default")]
    labels: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
struct RootfsJson {
    #[serde(default, deserialize_with = "null_is_default")]
    diff_ids: Vec<String>,
}

/// Go writes an empty list as null.
fn null_is_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> std::result::Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

impl ImageJson {
    pub fn parse(json: &[u8]) -> Result<ImageJson> {
        parse("the image's configuration", json)
    }

    /// The digests of the uncompressed layers, the lowest first.
    pub fn diff_ids(&self) -> Result<Vec<String>> {
        self.rootfs.diff_ids.iter().map(|digest| sha256(digest)).collect()
    }

    /// The user as the image's maker wrote it: a name or number, perhaps with a group.
    pub fn user(&self) -> &str {
        &self.config.user
    }

    /// How it is meant to be run; without the user, whose name has to be looked up.
    pub fn config(&self) -> ImageConfig {
        let config = &self.config;
        let variable = |text: &String| {
            let (name, value) = text.split_once('=')?;
            Some((name.to_string(), value.to_string()))
        };
        ImageConfig {
            entrypoint: config.entrypoint.clone(),
            command: config.cmd.clone(),
            env: config.env.iter().filter_map(variable).collect(),
            working_dir: Some(config.working_dir.clone())
                .filter(|path| !matches!(path.as_str(), "" | "/")),
            user: None,
            exposed_ports: config.exposed_ports.keys().cloned().collect(),
            labels: config.labels.clone(),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DockerJson {
    config: String,
    #[serde(default, deserialize_with = "null_is_default")]
    repo_tags: Vec<String>,
    #[serde(default, deserialize_with = "null_is_default")]
    layers: Vec<String>,
}

/// An index, or a manifest: which of the two, its content tells.
#[derive(Debug, Deserialize)]
struct OciJson {
    #[serde(default, deserialize_with = "null_is_default")]
    manifests: Vec<OciDescriptor>,
    config: Option<OciDescriptor>,
    #[serde(default, deserialize_with = "null_is_default")]
    layers: Vec<OciDescriptor>,
}

#[derive(Debug, Clone, Deserialize)]
struct OciDescriptor {
    digest: String,
    platform: Option<Platform>,
    #[serde(default, deserialize_with = "null_is_default")]
    annotations: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Platform {
    architecture: String,
    os: String,
}

/// This machine's processor, in the words of Go.
pub(crate) fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "x86" => "386",
        "aarch64" => "arm64",
        "powerpc64" => "ppc64le",
        other => other,
    }
}

/// Finds the image in an archive. `file` returns the content of a file of it, if it is there.
///
/// # Errors
/// `Error::BadArchive` if there is none, or more than one, for this machine.
pub(crate) fn find(file: &mut dyn FnMut(&str) -> Result<Option<Vec<u8>>>) -> Result<Found> {
    if let Some(json) = file("manifest.json")? {
        return docker(parse("manifest.json", &json)?);
    }
    let Some(json) = file("index.json")? else {
        return Err(refuse("the archive", "it has neither manifest.json nor index.json"));
    };
    oci(parse("index.json", &json)?, file)
}

fn docker(images: Vec<DockerJson>) -> Result<Found> {
    let [image] = &images[..] else {
        let names: Vec<&str> =
            images.iter().flat_map(|image| &image.repo_tags).map(String::as_str).collect();
        let count = images.len();
        let why = format!("it has {count} images ({}); save one at a time", names.join(", "));
        return Err(refuse("the archive", why));
    };
    let at = |path: &String| Descriptor { path: path.clone(), digest: None };
    Ok(Found {
        source: ImageSource::Docker,
        reference: image.repo_tags.first().cloned(),
        config: at(&image.config),
        layers: image.layers.iter().map(at).collect(),
    })
}

fn oci(mut index: OciJson, file: &mut dyn FnMut(&str) -> Result<Option<Vec<u8>>>) -> Result<Found> {
    let mut reference = None;
    for _ in 0..DEEPEST {
        if let Some(config) = &index.config {
            return Ok(Found {
                source: ImageSource::Oci,
                reference,
                config: blob(config)?,
                layers: index.layers.iter().map(blob).collect::<Result<_>>()?,
            });
        }
        let chosen = choose(&index.manifests)?;
        let name = |key: &str| chosen.annotations.get(key).cloned();
        reference = reference
            .or_else(|| name("io.containerd.image.name"))
            .or_else(|| name("org.opencontainers.image.ref.name"));
        let blob = blob(chosen)?;
        let json = file(&blob.path)?.ok_or_else(|| missing(&blob.path))?;
        check(&blob, &json)?;
        index = parse(&blob.path, &json)?;
    }
    Err(refuse("index.json", "one index leads to another without end"))
}

/// The manifest for this machine.
fn choose(manifests: &[OciDescriptor]) -> Result<&OciDescriptor> {
    let here = Platform { architecture: architecture().into(), os: "linux".into() };
    // Docker puts statements about an image beside it, for the platform "unknown".
    let images: Vec<&OciDescriptor> = manifests
        .iter()
        .filter(|one| one.platform.as_ref().is_none_or(|platform| platform.os != "unknown"))
        .collect();
    if let Some(fitting) = images.iter().find(|one| one.platform.as_ref() == Some(&here)) {
        return Ok(fitting);
    }
    match &images[..] {
        [only] => Ok(only),
        [] => Err(refuse("the archive", "it has no image")),
        several => {
            let platforms: Vec<String> = several
                .iter()
                .filter_map(|one| one.platform.as_ref())
                .map(|platform| format!("{}/{}", platform.os, platform.architecture))
                .collect();
            let why = format!(
                "none of its images is for {}/{}, but for: {}",
                here.os,
                here.architecture,
                platforms.join(", ")
            );
            Err(refuse("the archive", why))
        }
    }
}

fn blob(descriptor: &OciDescriptor) -> Result<Descriptor> {
    let digest = sha256(&descriptor.digest)?;
    Ok(Descriptor { path: format!("blobs/sha256/{digest}"), digest: Some(digest) })
}

/// The digits of a digest of the one kind that is in use.
fn sha256(digest: &str) -> Result<String> {
    let digits = digest.strip_prefix("sha256:").filter(|digits| {
        digits.len() == 64 && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    });
    digits.map(str::to_string).ok_or_else(|| {
        let shown: String = digest.chars().take(100).collect();
        refuse(format!("the digest {shown:?}"), "it is not \"sha256:\" and 64 hexadecimal digits")
    })
}

/// Checks the content of a file against its name.
pub(crate) fn check(file: &Descriptor, content: &[u8]) -> Result<()> {
    use sha2::Digest;
    let is = hex(&sha2::Sha256::digest(content));
    match &file.digest {
        Some(digest) if *digest != is => Err(damaged(&file.path)),
        _ => Ok(()),
    }
}

pub(crate) fn damaged(path: &str) -> crate::Error {
    refuse(format!("{path} in the archive"), "it is damaged: its SHA-256 is another")
}

pub(crate) fn missing(path: &str) -> crate::Error {
    let shown: String = path.chars().take(200).collect();
    refuse(format!("{shown} in the archive"), "it is named by the image, but missing")
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn parse<T: DeserializeOwned>(what: &str, json: &[u8]) -> Result<T> {
    serde_json::from_slice(json)
        .map_err(|error| refuse(what, format!("it cannot be understood: {error}")))
}

#[cfg(test)]
mod tests;
