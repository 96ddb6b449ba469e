//! Environment variables.

use std::fmt;
use std::str::FromStr;

use super::refuse;
use crate::error::{Error, Result};

/// One environment variable of the container (`man 7 environ`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvVar {
    name: String,
    value: String,
}

const HINT: &str = "Write KEY=VALUE, for example MODE=production.";

impl EnvVar {
    /// A variable from its two halves.
    ///
    /// # Errors
    /// A name that is empty or holds `=`, white space or NUL; a value with NUL.
    pub fn new(name: &str, value: &str) -> Result<EnvVar> {
        let why = if name.is_empty() {
            "the name before '=' is empty"
        } else if name.contains('=') {
            "the name has a '='"
        } else if name.contains(|c: char| c.is_whitespace() || c.is_control()) {
            "the name has white space or control characters"
        } else if value.contains('\0') {
            "the value has a NUL byte"
        } else {
            return Ok(EnvVar { name: name.to_string(), value: value.to_string() });
        };
        Err(refuse("env_vars", format!("{name}={value}").replace('\0', "\\0"), why, HINT))
    }

    /// The half before `=`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The half after `=`.
    pub fn value(&self) -> &str {
        &self.value
    }
}

impl FromStr for EnvVar {
    type Err = Error;

    fn from_str(text: &str) -> Result<EnvVar> {
        let (name, value) =
            text.split_once('=').ok_or_else(|| refuse("env_vars", text, "it has no '='", HINT))?;
        EnvVar::new(name, value)
    }
}

impl fmt::Display for EnvVar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.name, self.value)
    }
}
