//! The health check: a command that tells whether the container does its work.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::json::CommandJson;
use super::{Command, CommandText, refuse};
use crate::error::{Error, Result};

/// The shortest interval and timeout.
const SHORTEST: Duration = Duration::from_millis(1);
/// Longest time that is taken: a year.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// How the health of a container is probed: a command is run inside it at an interval;
/// exit code 0 means healthy. The defaults are Docker's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "HealthCheckJson", try_from = "HealthCheckJson")]
pub struct HealthCheck {
    pub(crate) command: Command,
    pub(crate) interval: Duration,
    pub(crate) timeout: Duration,
    pub(crate) retries: u32,
    pub(crate) start_period: Duration,
    pub(crate) restart_unhealthy: bool,
}

impl HealthCheck {
    /// Runs `command` every 30 seconds, for at most 30 seconds; three failures in a row
    /// mean unhealthy.
    ///
    /// # Errors
    /// [`Error::InvalidSpec`] if the command cannot be split into words.
    pub fn new(command: impl Into<CommandText>) -> Result<HealthCheck> {
        let command = command.into().0.map_err(|error| match error {
            Error::InvalidSpec { value, why, hint, .. } => refuse("health_check", value, why, hint),
            other => other,
        })?;
        Ok(HealthCheck {
            command,
            interval: Duration::from_secs(30),
            timeout: Duration::from_secs(30),
            retries: 3,
            start_period: Duration::ZERO,
            restart_unhealthy: false,
        })
    }

    /// The time from the end of one probe to the start of the next: from a millisecond to a
    /// year.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval.clamp(SHORTEST, LONGEST);
        self
    }

    /// After this time a probe is killed and counts as failed: from a millisecond to a year.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout.clamp(SHORTEST, LONGEST);
        self
    }

    /// How many failures in a row mean unhealthy; at least 1.
    pub fn retries(mut self, retries: u32) -> Self {
        self.retries = retries.max(1);
        self
    }

    /// Time to get going, at most a year: failures of probes begun in it do not count, until
    /// one has succeeded.
    pub fn start_period(mut self, start_period: Duration) -> Self {
        self.start_period = start_period.min(LONGEST);
        self
    }

    /// Ends the command when it becomes unhealthy, so that the restart policy decides.
    pub fn restart_unhealthy(mut self, restart: bool) -> Self {
        self.restart_unhealthy = restart;
        self
    }

    /// The command that is run.
    pub fn command(&self) -> &Command {
        &self.command
    }
}

/// The JSON form; times are seconds and may have fractions.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HealthCheckJson {
    command: CommandJson,
    #[serde(default = "thirty")]
    interval_seconds: f64,
    #[serde(default = "thirty")]
    timeout_seconds: f64,
    #[serde(default = "three")]
    retries: u32,
    #[serde(default)]
    start_period_seconds: f64,
    #[serde(default)]
    restart_unhealthy: bool,
}

fn thirty() -> f64 {
    30.0
}

fn three() -> u32 {
    3
}

fn seconds(value: f64, least: Duration) -> Result<Duration> {
    if (least.as_secs_f64()..=LONGEST.as_secs_f64()).contains(&value) {
        return Ok(Duration::from_secs_f64(value));
    }
    Err(refuse(
        "health_check",
        value,
        format!("a time of a health check is {} s to a year", least.as_secs_f64()),
        "Write seconds, for example \"interval_seconds\": 10.",
    ))
}

impl TryFrom<HealthCheckJson> for HealthCheck {
    type Error = Error;

    fn try_from(json: HealthCheckJson) -> Result<HealthCheck> {
        if json.retries == 0 {
            return Err(refuse("health_check", 0, "retries is at least 1", "Write 1 or more."));
        }
        Ok(HealthCheck::new(json.command.parse())?
            .interval(seconds(json.interval_seconds, SHORTEST)?)
            .timeout(seconds(json.timeout_seconds, SHORTEST)?)
            .retries(json.retries)
            .start_period(seconds(json.start_period_seconds, Duration::ZERO)?)
            .restart_unhealthy(json.restart_unhealthy))
    }
}

impl From<HealthCheck> for HealthCheckJson {
    fn from(check: HealthCheck) -> HealthCheckJson {
        HealthCheckJson {
            command: CommandJson::of(&check.command),
            interval_seconds: check.interval.as_secs_f64(),
            timeout_seconds: check.timeout.as_secs_f64(),
            retries: check.retries,
            start_period_seconds: check.start_period.as_secs_f64(),
            restart_unhealthy: check.restart_unhealthy,
        }
    }
}
