//! The restart policy: what becomes of a container whose command has ended.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use super::refuse;
use crate::error::{Error, Result};

/// When the supervisor starts the command again. Written as Docker writes it: `no`,
/// `on-failure`, `on-failure:5`, `always`, `unless-stopped`.
///
/// Between two runs it waits 100 ms, then twice as long each time up to a minute; a run of 10
/// seconds or more begins the count anew. A stop by an operator is final under every policy
/// until the next start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RestartPolicy {
    /// Never (the default).
    #[default]
    No,
    /// When the exit code is not 0, at most so many times in a row if a number is given.
    OnFailure {
        /// The largest number of restarts in a row; None for no limit.
        max: Option<NonZeroU32>,
    },
    /// However it ended; and after a reboot, when the root is next revived, even if it had
    /// been stopped.
    Always,
    /// As `Always`, but what an operator had stopped stays stopped after a reboot.
    UnlessStopped,
}

impl FromStr for RestartPolicy {
    type Err = Error;

    fn from_str(text: &str) -> Result<RestartPolicy> {
        let (name, max) = match text.split_once(':') {
            Some((name, max)) => (name, Some(max)),
            None => (text, None),
        };
        match (name, max) {
            ("no", None) => Ok(RestartPolicy::No),
            ("always", None) => Ok(RestartPolicy::Always),
            ("unless-stopped", None) => Ok(RestartPolicy::UnlessStopped),
            ("on-failure", None) => Ok(RestartPolicy::OnFailure { max: None }),
            ("on-failure", Some(max)) if max.parse::<NonZeroU32>().is_ok() => {
                Ok(RestartPolicy::OnFailure { max: max.parse().ok() })
            }
            _ => Err(refuse(
                "restart",
                text,
                "it is not a restart policy",
                "Write no, on-failure, on-failure:5, always or unless-stopped.",
            )),
        }
    }
}

impl fmt::Display for RestartPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RestartPolicy::No => f.write_str("no"),
            RestartPolicy::OnFailure { max: None } => f.write_str("on-failure"),
            RestartPolicy::OnFailure { max: Some(max) } => write!(f, "on-failure:{max}"),
            RestartPolicy::Always => f.write_str("always"),
            RestartPolicy::UnlessStopped => f.write_str("unless-stopped"),
        }
    }
}
