//! The name of an image.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::refuse;
use crate::error::{Error, Result};

/// An image's name: 1 to 63 of `a-z 0-9 _ . -`, starting with a letter or digit; upper
/// case is refused as by Docker. It is also a folder's name. The image `host`, the default,
/// shows this machine's own programs.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct ImageName(String);

impl ImageName {
    /// The image that needs no download: this machine's programs, read-only.
    pub fn host() -> ImageName {
        ImageName("host".into())
    }

    /// Whether it is the image `host`.
    pub fn is_host(&self) -> bool {
        self.0 == "host"
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ImageName {
    type Err = Error;

    fn from_str(text: &str) -> Result<ImageName> {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_.-".contains(c);
        let valid = (1..=63).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
            && text.chars().all(allowed);
        if valid {
            return Ok(ImageName(text.to_string()));
        }
        Err(refuse(
            "image",
            text,
            "it is not an image's name",
            "Use 1 to 63 lower-case letters, digits, '-', '_' and '.', for example debian-12.",
        ))
    }
}

impl TryFrom<String> for ImageName {
    type Error = Error;

    fn try_from(text: String) -> Result<ImageName> {
        text.parse()
    }
}

impl From<ImageName> for String {
    fn from(name: ImageName) -> String {
        name.0
    }
}

impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
