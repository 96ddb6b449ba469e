//! What a container is made from.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::Problem;

/// A command line, or its exact words.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(in crate::api::openapi) enum Command {
    Line(String),
    Words(Vec<String>),
}

/// What a container is made from. All but the name are optional, and the command too if an image
/// is named that has one. What an image says holds unless the specification says otherwise.
#[derive(Serialize, ToSchema)]
pub(in crate::api::openapi) struct Spec {
    #[schema(pattern = "^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}$")]
    name: String,
    #[schema(nullable = false)]
    command: Option<Command>,
    /// Executed before the command, in the place of the image's own; [] for nothing.
    #[schema(nullable = false)]
    entrypoint: Option<Command>,
    #[schema(nullable = false)]
    image: Option<String>,
    mem_limit_mb: Option<u64>,
    cpu_limit_percent: Option<u32>,
    /// -1 is no limit.
    pids_limit: Option<i64>,
    #[schema(nullable = false)]
    volumes: Option<Vec<String>>,
    #[schema(nullable = false)]
    env_vars: Option<BTreeMap<String, String>>,
    /// As 8080:80, 127.0.0.1:8080:80/tcp, 53:53/udp, 80 or 8000-8010:8000-8010. Without an
    /// address only this machine reaches them.
    #[schema(nullable = false)]
    ports: Option<Vec<String>>,
    /// bridge (the default), none, host, container:NAME, or the name of a network.
    #[schema(nullable = false)]
    network: Option<String>,
    /// More names by which the containers of its network find it.
    #[schema(nullable = false)]
    aliases: Option<Vec<String>>,
    /// Addresses of name servers.
    #[schema(nullable = false)]
    dns: Option<Vec<String>>,
    /// Lines of its /etc/hosts, as db:10.0.0.7.
    #[schema(nullable = false)]
    extra_hosts: Option<Vec<String>>,
    #[schema(nullable = false)]
    hostname: Option<String>,
    #[schema(nullable = false)]
    working_dir: Option<String>,
    /// As bob, bob:staff, 1000:1000 or 1000: names are those of its own /etc/passwd.
    #[schema(nullable = false)]
    user: Option<String>,
    #[schema(nullable = false)]
    rlimits: Option<Vec<Rlimit>>,
    #[schema(nullable = false)]
    restart: Option<String>,
    /// After so many seconds a run is killed, and its exit says timed_out. Kept by the
    /// container's supervisor, whatever becomes of who started it.
    #[schema(nullable = false, minimum = 0.001, maximum = 31_536_000)]
    timeout_seconds: Option<f64>,
    /// What asks its command to end, as SIGQUIT or 3: the image's, or else SIGTERM.
    #[schema(nullable = false)]
    stop_signal: Option<String>,
    #[schema(nullable = false)]
    health_check: Option<HealthChoice>,
    #[schema(nullable = false)]
    stdin_open: Option<bool>,
    #[schema(nullable = false)]
    tty: Option<bool>,
    /// The size of its log; what is older is dropped, and counted. 32 unless given.
    #[schema(nullable = false, minimum = 1, maximum = 1024)]
    log_max_mb: Option<u32>,
    #[schema(nullable = false)]
    init: Option<bool>,
    #[schema(nullable = false)]
    best_effort_limits: Option<bool>,
    #[schema(nullable = false)]
    isolation: Option<Isolation>,
}

#[derive(Serialize, ToSchema)]
struct Rlimit {
    resource: RlimitResource,
    soft: u64,
    hard: u64,
}

#[derive(Serialize, ToSchema)]
#[schema(rename_all = "lowercase")]
enum RlimitResource {
    As,
    Core,
    Cpu,
    Fsize,
    Memlock,
    Nofile,
    Nproc,
    Stack,
}

/// How its health is probed, or "none": not even as its image says.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
enum HealthChoice {
    Check(HealthCheck),
    No(NoHealthCheck),
}

#[derive(Serialize, ToSchema)]
#[schema(rename_all = "lowercase")]
enum NoHealthCheck {
    None,
}

#[derive(Serialize, ToSchema)]
struct HealthCheck {
    command: Command,
    #[schema(nullable = false)]
    interval_seconds: Option<f64>,
    #[schema(nullable = false)]
    timeout_seconds: Option<f64>,
    #[schema(nullable = false, minimum = 1)]
    retries: Option<u32>,
    #[schema(nullable = false)]
    start_period_seconds: Option<f64>,
    #[schema(nullable = false)]
    restart_unhealthy: Option<bool>,
}

/// Each is on unless switched off.
#[derive(Serialize, ToSchema)]
struct Isolation {
    #[schema(nullable = false)]
    pid: Option<bool>,
    #[schema(nullable = false)]
    rootfs: Option<bool>,
    #[schema(nullable = false)]
    uts: Option<bool>,
    #[schema(nullable = false)]
    ipc: Option<bool>,
    #[schema(nullable = false)]
    network: Option<bool>,
    #[schema(nullable = false)]
    cgroup: Option<bool>,
    #[schema(nullable = false)]
    masked_paths: Option<bool>,
    #[schema(nullable = false)]
    capabilities: Option<bool>,
    #[schema(nullable = false)]
    no_new_privs: Option<bool>,
    #[schema(nullable = false)]
    seccomp: Option<bool>,
}

/// A specification, perhaps an unfinished one.
#[derive(ToSchema)]
#[schema(value_type = Object)]
pub(in crate::api::openapi) struct AnyObject(serde_json::Map<String, serde_json::Value>);

#[derive(ToSchema)]
pub(in crate::api::openapi) struct Validation {
    valid: bool,
    problems: Vec<Problem>,
}
