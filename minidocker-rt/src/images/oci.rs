//! The JSON files in image archives: which of the other files are the layers.
//!
//! Two forms are in use. `docker save` writes `manifest.json`, a list of images with the paths
//! of their configurations and layers. An OCI image layout has `index.json`, which names a
//! manifest for each platform, and all further files are named by their digest
//! (<https://github.com/opencontainers/image-spec>). Newer Docker archives have both.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

use super::{ImageConfig, ImageSource, architecture};
use crate::archive::refuse;
use crate::error::Result;
use crate::spec::{Command, HealthCheck};

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
#[derive(Debug)]
pub(crate) struct ImageJson {
    pub architecture: Option<String>,
    pub os: Option<String>,
    config: ConfigJson,
    health: HealthJson,
    diff_ids: Vec<String>,
}

/// Everything may be missing or null: Go writes an empty list as null.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ConfigJson {
    #[serde(deserialize_with = "words")]
    entrypoint: Vec<String>,
    #[serde(deserialize_with = "words")]
    cmd: Vec<String>,
    #[serde(deserialize_with = "texts")]
    env: Vec<String>,
    #[serde(deserialize_with = "null_is_default")]
    workingdir: String,
    #[serde(deserialize_with = "null_is_default")]
    user: String,
    #[serde(deserialize_with = "null_is_default")]
    stopsignal: String,
    #[serde(deserialize_with = "words")]
    shell: Vec<String>,
    #[serde(deserialize_with = "null_is_default")]
    exposedports: BTreeMap<String, serde_json::Value>,
    #[serde(deserialize_with = "null_is_default")]
    labels: BTreeMap<String, Option<String>>,
}

/// How Docker has health probed. Times are nanoseconds, and 0 is the default.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct HealthJson {
    #[serde(deserialize_with = "texts")]
    test: Vec<String>,
    #[serde(deserialize_with = "null_is_default")]
    interval: i64,
    #[serde(deserialize_with = "null_is_default")]
    timeout: i64,
    #[serde(deserialize_with = "null_is_default")]
    startperiod: i64,
    #[serde(deserialize_with = "null_is_default")]
    retries: i64,
}

/// The fields of a JSON object, read as Go reads them: names are the same in capitals and small
/// letters, and of a name that is there twice the last value counts.
#[derive(Debug, Default)]
struct Fields(serde_json::Map<String, serde_json::Value>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(input: D) -> std::result::Result<Fields, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Fields;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut map: A,
            ) -> std::result::Result<Fields, A::Error> {
                let mut fields = Fields::default();
                while let Some((name, value)) = map.next_entry::<String, serde_json::Value>()? {
                    fields.0.insert(name.to_ascii_lowercase(), value);
                }
                Ok(fields)
            }
        }
        input.deserialize_map(Visitor)
    }
}

impl Fields {
    /// One field, which may be missing or null.
    fn take<T: DeserializeOwned + Default>(&mut self, what: &str, name: &str) -> Result<T> {
        match self.0.remove(name) {
            None | Some(serde_json::Value::Null) => Ok(T::default()),
            Some(value) => understood(&format!("{name} of {what}"), value),
        }
    }
}

fn understood<T: DeserializeOwned>(what: &str, value: serde_json::Value) -> Result<T> {
    serde_json::from_value(value)
        .map_err(|error| refuse(what, format!("it cannot be understood: {error}")))
}

/// Go writes an empty list as null.
fn null_is_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> std::result::Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// A list of texts, in which null is an empty one.
fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Vec<String>, D::Error> {
    let list: Option<Vec<Option<String>>> = Option::deserialize(deserializer)?;
    Ok(list.unwrap_or_default().into_iter().map(Option::unwrap_or_default).collect())
}

/// As [`texts`]; older images have a single text in the place of a list.
fn words<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Vec<String>, D::Error> {
    match Option::deserialize(deserializer)? {
        None => Ok(Vec::new()),
        Some(serde_json::Value::String(word)) => Ok(vec![word]),
        Some(list) => texts(list).map_err(serde::de::Error::custom),
    }
}

impl ImageJson {
    pub fn parse(json: &[u8]) -> Result<ImageJson> {
        let what = "the image's configuration";
        let mut all: Fields = parse(what, json)?;
        let mut config: Fields = all.take(what, "config")?;
        let Fields(health) = config.take(what, "healthcheck")?;
        let mut rootfs: Fields = all.take(what, "rootfs")?;
        Ok(ImageJson {
            architecture: all.take(what, "architecture")?,
            os: all.take(what, "os")?,
            config: understood(what, config.0.into())?,
            health: understood("the image's health check", health.into())?,
            diff_ids: rootfs.take(what, "diff_ids")?,
        })
    }

    /// The digests of the uncompressed layers, the lowest first.
    pub fn diff_ids(&self) -> Result<Vec<String>> {
        self.diff_ids.iter().map(|digest| sha256(digest)).collect()
    }

    /// How it is meant to be run. What of it means nothing to any program, as a variable
    /// without a name, is left out: it is no reason to refuse the image.
    pub fn config(&self) -> ImageConfig {
        let config = &self.config;
        let variable = |text: &String| {
            let (name, value) = text.split_once('=')?;
            let possible = !name.is_empty() && !text.contains('\0');
            possible.then(|| (name.to_string(), value.to_string()))
        };
        let some = |text: &str| Some(text.to_string()).filter(|text| !text.is_empty());
        ImageConfig {
            entrypoint: config.entrypoint.clone(),
            command: config.cmd.clone(),
            env: config.env.iter().filter_map(variable).collect(),
            working_dir: some(&tidy(&config.workingdir)).filter(|path| path != "/"),
            user: some(&config.user),
            stop_signal: some(&config.stopsignal),
            health_check: self.health_check(),
            exposed_ports: config.exposedports.keys().cloned().collect(),
            labels: config
                .labels
                .iter()
                .map(|(name, text)| (name.clone(), text.clone().unwrap_or_default()))
                .collect(),
        }
    }

    /// `HEALTHCHECK`, unless there is none or it says NONE.
    fn health_check(&self) -> Option<HealthCheck> {
        let json = &self.health;
        let command = match json.test.split_first() {
            Some((kind, words)) if kind == "CMD" && !words.is_empty() => words.to_vec(),
            Some((kind, [line])) if kind == "CMD-SHELL" => {
                let shell = ["/bin/sh".to_string(), "-c".to_string()];
                let shell = match &self.config.shell[..] {
                    [] => &shell[..],
                    shell => shell,
                };
                shell.iter().chain([line]).cloned().collect()
            }
            None => return None,
            Some((kind, _)) if kind == "NONE" => return None,
            Some(_) => {
                log::warn!("a health check is left out: nobody knows what {:?} means", json.test);
                return None;
            }
        };
        let time = |nanoseconds: i64| {
            u64::try_from(nanoseconds).ok().filter(|&time| time > 0).map(Duration::from_nanos)
        };
        let mut check = HealthCheck::new(Command::argv(command)).ok()?;
        if let Some(interval) = time(json.interval) {
            check = check.interval(interval);
        }
        if let Some(timeout) = time(json.timeout) {
            check = check.timeout(timeout);
        }
        if let Some(period) = time(json.startperiod) {
            check = check.start_period(period);
        }
        match u32::try_from(json.retries) {
            Ok(retries) if retries > 0 => Some(check.retries(retries)),
            _ => Some(check),
        }
    }
}

/// A folder as Docker takes it: from the root, without `.` and `..`.
fn tidy(path: &str) -> String {
    let mut names = Vec::new();
    for name in path.split('/') {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    match path {
        "" => String::new(),
        _ => format!("/{}", names.join("/")),
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
