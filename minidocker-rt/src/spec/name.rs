//! Names: the container's, its id, its hostname.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::refuse;
use crate::error::{Error, Result};

/// A container's name: 1 to 63 of `a-z A-Z 0-9 _ . -`, starting with a letter or
/// digit, as in Docker. It is also a folder's name, so no separators and no `..`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct ContainerName(String);

impl ContainerName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Stands in a specification whose own name was refused; never created.
    pub(crate) fn placeholder() -> ContainerName {
        ContainerName("invalid".into())
    }
}

impl FromStr for ContainerName {
    type Err = Error;

    fn from_str(text: &str) -> Result<ContainerName> {
        const HINT: &str = "Use 1 to 63 letters, digits, '-', '_' or '.', starting with a letter \
                            or digit, for example my-web-server.";
        let why = if text.is_empty() {
            "a container needs a name"
        } else if text.len() > 63 {
            "it is longer than 63 characters"
        } else if !text.starts_with(|c: char| c.is_ascii_alphanumeric()) {
            "it does not start with a letter or digit"
        } else if !text.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c)) {
            "it has characters other than letters, digits, '-', '_' and '.'"
        } else {
            return Ok(ContainerName(text.to_string()));
        };
        Err(refuse("name", text, why, HINT))
    }
}

impl fmt::Display for ContainerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A container's identity: 64 hexadecimal digits, drawn at create. Names may be
/// used again after a delete; ids never are.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct ContainerId(String);

impl ContainerId {
    /// Draws a new id from the system's random numbers.
    pub(crate) fn random() -> Result<ContainerId> {
        let mut bytes = [0u8; 32];
        getrandom::fill(&mut bytes).map_err(|error| Error::System {
            call: "getrandom(32)".into(),
            errno: error.raw_os_error().unwrap_or(0),
        })?;
        Ok(ContainerId(bytes.iter().map(|byte| format!("{byte:02x}")).collect()))
    }

    /// All 64 digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first 12 digits, as lists and logs show it.
    pub fn short(&self) -> &str {
        &self.0[..12]
    }
}

impl TryFrom<String> for ContainerId {
    type Error = Error;

    fn try_from(text: String) -> Result<ContainerId> {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() == 64 && text.bytes().all(is_digit) {
            return Ok(ContainerId(text));
        }
        let hint = "An id is drawn at create and never made up.";
        Err(refuse("id", text, "it is not 64 hexadecimal digits", hint))
    }
}

impl From<ContainerId> for String {
    fn from(id: ContainerId) -> String {
        id.0
    }
}

impl fmt::Display for ContainerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the container sees as its host's name (`man 2 sethostname`): at most 63
/// letters, digits, `-`, `_` and `.`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Hostname(String);

impl Hostname {
    /// The hostname as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&ContainerName> for Hostname {
    fn from(name: &ContainerName) -> Hostname {
        Hostname(name.0.clone())
    }
}

impl FromStr for Hostname {
    type Err = Error;

    fn from_str(text: &str) -> Result<Hostname> {
        let valid = (1..=63).contains(&text.len())
            && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
            && !text.starts_with(['-', '.']);
        if valid {
            Ok(Hostname(text.to_string()))
        } else {
            Err(refuse(
                "hostname",
                text,
                "it is not a hostname",
                "Use 1 to 63 letters, digits, '-', '_' and '.', for example web-1.",
            ))
        }
    }
}

impl fmt::Display for Hostname {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
