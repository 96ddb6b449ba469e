//! Images: the files that containers begin with.
//!
//! ```text
//! <root>/images/host/            this machine's own programs; built, not imported
//! <root>/images/<name>/image.json   which layers, topmost first, and how to run it
//! <root>/layers/<digest>/        one layer's files; images that have it share it
//! ```
//!
//! A layer's digest is the SHA-256 of its uncompressed tar archive (the OCI image
//! specification calls it DiffID). It is checked while the layer is unpacked, so that a layer
//! which is there already need not be unpacked again.

#[cfg(linux_backend)]
mod oci;
pub(crate) mod store;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::spec::{Command, ContainerSpec, HealthCheck, ImageName, User, no_command, refuse};

#[cfg(linux_backend)]
pub(crate) use oci::{Descriptor, Found, ImageJson, LONGEST_JSON, damaged, find, hex, missing};

/// An image: the layers a container's files begin with, and how it is meant to be run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageInfo {
    /// Its name, by which a specification asks for it.
    pub name: String,
    /// What identifies its content: `sha256:` and 64 hexadecimal digits, those of its
    /// configuration (as Docker shows them) or, without one, of its only layer. Empty for
    /// `host`.
    pub id: String,
    /// What it was made from.
    pub source: ImageSource,
    /// What the archive called it, e.g. `alpine:3.20`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// The processor its programs are for, in the words of Go: `amd64`, `arm64`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub architecture: Option<String>,
    /// When it was imported; None for `host`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported_at: Option<Timestamp>,
    /// Its layers, topmost first. `host` has none that could be shared.
    pub layers: Vec<ImageLayer>,
    /// How it is meant to be run.
    #[serde(default)]
    pub config: ImageConfig,
}

/// What an image was made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ImageSource {
    /// This machine's own programs.
    Host,
    /// The tar archive of a root filesystem, as from `docker export`.
    Rootfs,
    /// An archive of `docker save`.
    Docker,
    /// An archive of an OCI image layout.
    Oci,
}

/// A layer of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageLayer {
    /// The SHA-256 of its uncompressed archive, in hexadecimal digits.
    pub digest: String,
    /// The content of its files, in bytes.
    pub bytes: u64,
}

/// How an image is meant to be run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ImageConfig {
    /// The program and first arguments of every container (Docker's ENTRYPOINT).
    pub entrypoint: Vec<String>,
    /// The arguments, or the whole command without an entrypoint, unless others are given
    /// (Docker's CMD).
    pub command: Vec<String>,
    /// Variables that every container of the image begins with.
    pub env: BTreeMap<String, String>,
    /// The directory to start in, if it is not `/`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub working_dir: Option<String>,
    /// The user to run as, if it is not root: a name or number, perhaps with a group. Names are
    /// looked up when a container starts, in its own /etc/passwd and /etc/group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// What asks its command to end, by name or number, if its maker said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<String>,
    /// How its health is to be probed, if its maker said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health_check: Option<HealthCheck>,
    /// The ports it serves, e.g. `80/tcp`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exposed_ports: Vec<String>,
    /// What its maker wrote about it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
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

/// The refusal of a name that an image has already.
pub(crate) fn in_use(name: &ImageName) -> Error {
    refuse(
        "image",
        name,
        "an image of this name exists already",
        "Choose another name, or delete the image first.",
    )
}

impl ImageConfig {
    /// The entrypoint; one that is a single empty word is none, as in Docker.
    pub(crate) fn entrypoint(&self) -> &[String] {
        match &self.entrypoint[..] {
            [word] if word.is_empty() => &[],
            words => words,
        }
    }
}

impl ImageInfo {
    /// The specification of a container that runs the image as it is meant to be run: its
    /// entrypoint and command, directory and user. Whatever else it says (variables, stop
    /// signal, health check) holds for every container of the image anyway, unless the
    /// specification is told otherwise.
    ///
    /// # Errors
    /// [`Error::InvalidSpec`] if the image names no command.
    pub fn spec(&self, container: &str) -> Result<ContainerSpec> {
        self.spec_with(container, &self.config.command)
    }

    /// As [`ImageInfo::spec`], with these words in the place of the image's command, as
    /// `docker run IMAGE WORD…` does.
    ///
    /// # Errors
    /// As [`ImageInfo::spec`].
    pub fn spec_with(&self, container: &str, words: &[impl AsRef<str>]) -> Result<ContainerSpec> {
        let config = &self.config;
        let words: Vec<&str> = config
            .entrypoint()
            .iter()
            .map(String::as_str)
            .chain(words.iter().map(AsRef::as_ref))
            .collect();
        if words.is_empty() {
            return Err(no_command(&self.name));
        }
        let mut spec = ContainerSpec::new(container, Command::argv(words)).image(&self.name);
        // The words are the whole command.
        spec = spec.entrypoint(Vec::<String>::new());
        if let Some(path) = &config.working_dir {
            spec = spec.working_dir(path);
        }
        if let Some(user) = &config.user {
            spec = spec.user(User::of_image(user)?);
        }
        Ok(spec)
    }

    /// The content of all its layers, in bytes, also of those it shares.
    pub fn bytes(&self) -> u64 {
        self.layers.iter().map(|layer| layer.bytes).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(config: ImageConfig) -> ImageInfo {
        ImageInfo {
            name: "web".into(),
            id: String::new(),
            source: ImageSource::Docker,
            reference: None,
            architecture: None,
            imported_at: None,
            layers: Vec::new(),
            config,
        }
    }

    #[test]
    fn an_image_is_run_as_it_is_meant_to_be() {
        let image = image(ImageConfig {
            entrypoint: vec!["/entry".into(), "-x".into()],
            command: vec!["serve".into()],
            working_dir: Some("/srv".into()),
            user: Some("33:33".into()),
            ..ImageConfig::default()
        });
        let spec = image.spec("a").unwrap();
        assert_eq!(spec.command().words(), ["/entry", "-x", "serve"]);
        assert_eq!(spec.image_name().as_str(), "web");
        assert_eq!((spec.directory().as_str(), spec.runs_as()), ("/srv", &User::ids(33, 33)));
        let spec = image.spec_with("a", &["test", "me"]).unwrap();
        assert_eq!(spec.command().words(), ["/entry", "-x", "test", "me"]);
    }

    #[test]
    fn an_image_without_a_command_needs_one() {
        let image = image(ImageConfig::default());
        assert!(matches!(image.spec("a"), Err(Error::InvalidSpec { field: "command", .. })));
        assert_eq!(image.spec_with("a", &["sh"]).unwrap().command().words(), ["sh"]);
    }
}
