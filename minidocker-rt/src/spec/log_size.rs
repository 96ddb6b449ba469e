//! How much of a container's output is kept.

use std::fmt;

use super::limits::whole;
use super::refuse;
use crate::error::Result;

/// The most bytes that a container's log takes, in megabytes of 1024*1024 bytes. What is older
/// is dropped, and counted: see `Logs::dropped_bytes`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogSize {
    megabytes: u64,
}

impl LogSize {
    /// What one reads of a log is in memory for a moment, so there is a bound.
    const MOST: u64 = 1024;

    /// `megabytes` of 1024*1024 bytes, 1 to 1024.
    ///
    /// # Errors
    /// Zero, or more than 1024.
    pub fn megabytes(megabytes: u64) -> Result<LogSize> {
        const HINT: &str =
            "Use 32, which is usual; have a program that writes more write it to a volume.";
        match megabytes {
            1..=LogSize::MOST => Ok(LogSize { megabytes }),
            _ => Err(refuse("log_max_mb", megabytes, "a log has 1 to 1024 MB", HINT)),
        }
    }

    pub(super) fn from_json(number: serde_json::Number) -> Result<LogSize> {
        LogSize::megabytes(whole(number, "log_max_mb", "Give a whole number of MB, e.g. 32.")?)
    }

    /// In megabytes of 1024*1024 bytes.
    pub fn as_megabytes(self) -> u64 {
        self.megabytes
    }

    /// Two files are kept: each is rotated at half of it.
    pub(crate) fn rotate_at(self) -> u64 {
        (self.megabytes << 20) / 2
    }
}

impl Default for LogSize {
    fn default() -> LogSize {
        LogSize { megabytes: 32 }
    }
}

impl fmt::Display for LogSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} MB", self.megabytes)
    }
}
