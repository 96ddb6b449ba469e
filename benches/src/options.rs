//! The benches' few options.

use std::str::FromStr;

use crate::{Error, Result};

/// The value after `name` on the command line, if it is there.
pub fn option(name: &str) -> Option<String> {
    std::env::args().skip_while(|argument| argument != name).nth(1)
}

/// Whether `name` is on the command line.
pub fn flag(name: &str) -> bool {
    std::env::args().any(|argument| argument == name)
}

/// The number after `name` on the command line, or `default`.
///
/// # Errors
/// [`Error::Missing`] if it is no number.
pub fn number_option<T: FromStr>(name: &str, default: T) -> Result<T> {
    match option(name) {
        Some(value) => value.parse().map_err(|_| Error::Missing(format!("{name} takes a number"))),
        None => Ok(default),
    }
}
