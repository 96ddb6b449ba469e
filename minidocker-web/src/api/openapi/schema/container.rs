//! Containers: as they are listed, and what was done to several.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::Problem;
use super::network::Network;
use super::spec::Spec;

#[derive(Serialize, ToSchema)]
#[schema(rename_all = "lowercase")]
pub(in crate::api::openapi) enum Status {
    Created,
    Running,
    Paused,
    Restarting,
    Stopped,
    Error,
}

#[derive(Serialize, ToSchema)]
pub(in crate::api::openapi) struct Exit {
    /// 128+N for a death by signal N.
    code: i32,
    #[schema(required)]
    signal: Option<i32>,
    oom_killed: bool,
    /// Whether it was killed because its time was over.
    timed_out: bool,
}

/// A container of the list; one whose files are damaged has a name, a status and a reason.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(in crate::api::openapi) enum Listed {
    Whole(Box<Container>),
    Damaged(Damaged),
}

#[derive(Serialize, ToSchema)]
pub(in crate::api::openapi) struct Damaged {
    name: String,
    status: Status,
    reason: String,
    #[schema(required)]
    usage: Option<Usage>,
}

#[derive(Serialize, ToSchema)]
pub(in crate::api::openapi) struct Container {
    #[schema(min_length = 64, max_length = 64)]
    id: String,
    #[schema(min_length = 12, max_length = 12)]
    short_id: String,
    name: String,
    status: Status,
    #[schema(nullable = false)]
    reason: Option<String>,
    /// As one would type it.
    command: String,
    spec: Spec,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(required, format = DateTime)]
    started_at: Option<String>,
    #[schema(required, format = DateTime)]
    finished_at: Option<String>,
    #[schema(required)]
    exit: Option<Exit>,
    oom_kills: u64,
    #[schema(required)]
    pid: Option<i32>,
    starts: u64,
    restarts: u64,
    #[schema(nullable = false)]
    health: Option<HealthReport>,
    not_enforced: Vec<String>,
    /// Whether the kernel keeps it apart from this machine; false in a simulation.
    isolated: bool,
    rootfs: String,
    network: Network,
    #[schema(required)]
    usage: Option<Usage>,
}

#[derive(Serialize, ToSchema)]
struct HealthReport {
    status: HealthStatus,
    failing_streak: u32,
    probes: Vec<Probe>,
}

#[derive(Serialize, ToSchema)]
#[schema(rename_all = "lowercase")]
pub(super) enum HealthStatus {
    Starting,
    Healthy,
    Unhealthy,
}

#[derive(Serialize, ToSchema)]
struct Probe {
    #[schema(format = DateTime)]
    started_at: String,
    #[schema(format = DateTime)]
    finished_at: String,
    #[schema(required)]
    exit_code: Option<i32>,
    output: String,
}

#[derive(Serialize, ToSchema)]
struct Usage {
    #[schema(required)]
    uptime_seconds: Option<f64>,
    #[schema(required)]
    cpu_percent: Option<f64>,
    memory_bytes: u64,
    #[schema(required)]
    memory_limit_bytes: Option<u64>,
    memory_percent: f64,
    pids: u64,
}

#[derive(ToSchema)]
pub(in crate::api::openapi) struct Bulk {
    action: Action,
    #[schema(min_items = 1, max_items = 200)]
    names: Vec<String>,
    /// Of stop and restart, in seconds.
    #[schema(maximum = 3600)]
    timeout: Option<u64>,
    /// Of kill.
    signal: Option<String>,
    /// Of delete.
    #[schema(nullable = false)]
    force: Option<bool>,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
enum Action {
    Start,
    Stop,
    Restart,
    Pause,
    Resume,
    Kill,
    Delete,
}

#[derive(ToSchema)]
pub(in crate::api::openapi) struct BulkResults {
    results: Vec<BulkResult>,
}

#[derive(ToSchema)]
struct BulkResult {
    name: String,
    ok: bool,
    /// What it is then; null if it is deleted.
    status: Option<Status>,
    #[schema(nullable = false)]
    error: Option<Problem>,
}

/// The manual's fields are always there; others only where they are not the default.
#[derive(ToSchema)]
pub(in crate::api::openapi) struct ExportedConfig {
    name: String,
    command: String,
    #[schema(required)]
    mem_limit_mb: Option<u64>,
    #[schema(required)]
    cpu_limit_percent: Option<u32>,
    volumes: Vec<String>,
    env_vars: BTreeMap<String, String>,
    exported_at: String,
}
