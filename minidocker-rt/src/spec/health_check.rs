//! The health check: a command that tells whether the container does its work.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Command, CommandJson, CommandText, refuse};
use crate::error::{Error, Result};

/// How the health of a container is probed: a command is run inside it at an interval;
/// exit code 0 means healthy. The defaults are Docker's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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

    /// The time from the end of one probe to the start of the next; at least a millisecond.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval.max(Duration::from_millis(1));
        self
    }

    /// After this time a probe is killed and counts as failed; at least a millisecond.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout.max(Duration::from_millis(1));
        self
    }

    /// How many failures in a row mean unhealthy; at least 1.
    pub fn retries(mut self, retries: u32) -> Self {
        self.retries = retries.max(1);
        self
    }

    /// Time to get going: until it is over, failures do not count.
    pub fn start_period(mut self, start_period: Duration) -> Self {
        self.start_period = start_period;
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

/// Longest time that is taken: a year.
const LONGEST: f64 = 365.0 * 24.0 * 3600.0;

fn seconds(value: f64, least: f64) -> Result<Duration> {
    if (least..=LONGEST).contains(&value) {
        return Ok(Duration::from_secs_f64(value));
    }
    Err(refuse(
        "health_check",
        value,
        format!("a time of a health check is {least} s to a year"),
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
            .interval(seconds(json.interval_seconds, 0.001)?)
            .timeout(seconds(json.timeout_seconds, 0.001)?)
            .retries(json.retries)
            .start_period(seconds(json.start_period_seconds, 0.0)?)
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
