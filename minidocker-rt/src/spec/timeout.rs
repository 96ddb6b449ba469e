//! The time limit of a run, by the clock on the wall.

use std::time::Duration;

use super::{ContainerSpec, refuse};
use crate::error::Result;

const SHORTEST: Duration = Duration::from_millis(1);
/// The longest time that is taken: a year.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

impl ContainerSpec {
    /// Limits how long a run may last, from a millisecond to a year: then it is killed, with
    /// everything in it, and its [`ExitStatus`](crate::ExitStatus) says `timed_out`.
    ///
    /// Its supervisor keeps the time, so it holds whatever becomes of the program that started
    /// it. The time of a pause counts. Each run that a restart policy starts has all of it, and
    /// one that was killed for it has failed.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = self.keep(check(timeout));
        self
    }
}

/// The JSON form: seconds, which may have fractions.
pub(super) fn from_seconds(seconds: f64) -> Result<Duration> {
    Duration::try_from_secs_f64(seconds).map_or_else(|_| Err(refused(seconds)), check)
}

fn check(timeout: Duration) -> Result<Duration> {
    match (SHORTEST..=LONGEST).contains(&timeout) {
        true => Ok(timeout),
        false => Err(refused(timeout.as_secs_f64())),
    }
}

fn refused(seconds: f64) -> crate::error::Error {
    refuse(
        "timeout_seconds",
        seconds,
        "the time of a run is limited to 0.001 s at least and a year at most",
        "Write seconds, for example 60, or leave it out for no limit.",
    )
}
