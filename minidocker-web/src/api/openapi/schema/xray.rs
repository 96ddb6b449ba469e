//! What the kernel says of a container.

use utoipa::ToSchema;

use super::network::XrayNetwork;

#[derive(ToSchema)]
pub(in crate::api::openapi) struct Xray {
    running: bool,
    #[schema(required)]
    why: Option<String>,
    #[schema(required)]
    pid: Option<i32>,
    #[schema(required)]
    hostname: Option<XrayHostname>,
    namespaces: Vec<Namespace>,
    processes: Vec<Process>,
    mounts: Vec<Mount>,
    host_mounts: u64,
    cgroups: Vec<Cgroup>,
    #[schema(required)]
    capabilities: Option<Capabilities>,
    #[schema(required)]
    seccomp: Option<Seccomp>,
    #[schema(required)]
    network: Option<XrayNetwork>,
    uid_map: Vec<IdRange>,
    gid_map: Vec<IdRange>,
}

#[derive(ToSchema)]
struct XrayHostname {
    host: String,
    container: String,
}

#[derive(ToSchema)]
struct Namespace {
    kind: String,
    #[schema(required)]
    host: Option<u64>,
    #[schema(required)]
    container: Option<u64>,
    own: bool,
    shows: String,
    manual: String,
}

#[derive(ToSchema)]
struct Process {
    host_pid: i32,
    container_pid: i32,
    parent_host_pid: i32,
    command: String,
    state: String,
    uid: u32,
    threads: u32,
    memory_bytes: u64,
    #[schema(nullable = false)]
    not_utf8: Option<Vec<String>>,
}

#[derive(ToSchema)]
struct Mount {
    target: String,
    source: String,
    filesystem: String,
    options: Vec<String>,
    read_only: bool,
    #[schema(nullable = false)]
    not_utf8: Option<Vec<String>>,
}

#[derive(ToSchema)]
pub(super) struct Cgroup {
    controller: String,
    version: u8,
    folder: String,
    files: Vec<ControlFile>,
    #[schema(nullable = false)]
    not_utf8: Option<Vec<String>>,
}

#[derive(ToSchema)]
struct ControlFile {
    name: String,
    value: String,
}

#[derive(ToSchema)]
pub(super) struct Capabilities {
    host: Vec<String>,
    kept: Vec<String>,
    dropped: Vec<String>,
    effective: Vec<String>,
    permitted: Vec<String>,
    inheritable: Vec<String>,
    bounding: Vec<String>,
    ambient: Vec<String>,
}

#[derive(ToSchema)]
pub(super) struct Seccomp {
    mode: u32,
    name: String,
    filters: u32,
    no_new_privs: bool,
}

#[derive(ToSchema)]
struct IdRange {
    inside: u32,
    outside: u32,
    count: u32,
}
