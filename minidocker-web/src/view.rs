//! A container as the API shows it: what the library knows, and what a list shows besides.

use minidocker_rt::{ContainerInfo, Stats};
use serde::Serialize;

/// What an inspect and the list answer.
#[derive(Debug, Serialize)]
pub(crate) struct View<'a> {
    #[serde(flatten)]
    info: &'a ContainerInfo,
    /// The first 12 digits of the id.
    short_id: &'a str,
    /// The command as one would type it.
    command: String,
}

impl View<'_> {
    pub fn of(info: &ContainerInfo) -> View<'_> {
        View { short_id: info.id.short(), command: info.spec.command().to_string(), info }
    }

    /// The JSON text, together with what the container uses.
    pub fn with_usage(&self, usage: Option<&Usage>) -> serde_json::Result<String> {
        Ok(attach_usage(&serde_json::to_string(self)?, &serde_json::to_string(&usage)?))
    }
}

/// Puts the usage, which changes all the time, into the text of the rest, which does not.
pub(crate) fn attach_usage(container: &str, usage: &str) -> String {
    let open = container.strip_suffix('}').unwrap_or(container);
    format!("{open},\"usage\":{usage}}}")
}

/// What a living container uses: the figures of a list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Usage {
    uptime_seconds: Option<f64>,
    cpu_percent: Option<f64>,
    memory_bytes: u64,
    memory_limit_bytes: Option<u64>,
    memory_percent: f64,
    pids: u64,
}

impl Usage {
    /// None if it is not alive.
    pub fn of(stats: &Stats) -> Option<Usage> {
        stats.status.is_alive().then_some(Usage {
            uptime_seconds: stats.uptime_seconds,
            cpu_percent: stats.cpu.percent,
            memory_bytes: stats.memory.used_bytes,
            memory_limit_bytes: stats.memory.limit_bytes,
            memory_percent: stats.memory.percent,
            pids: stats.pids.current,
        })
    }
}
