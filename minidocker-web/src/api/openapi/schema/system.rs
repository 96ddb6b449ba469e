//! This machine and this server.

use std::collections::BTreeMap;

use utoipa::ToSchema;

#[derive(ToSchema)]
pub(in crate::api::openapi) struct Health {
    status: String,
    version: String,
}

#[derive(ToSchema)]
pub(in crate::api::openapi) struct Session {
    #[schema(required)]
    uid: Option<u32>,
    by: By,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
enum By {
    User,
    Token,
}

#[derive(ToSchema)]
pub(in crate::api::openapi) struct System {
    version: String,
    #[schema(format = DateTime)]
    started_at: String,
    root: String,
    backend: Backend,
    kernel: Kernel,
    cores: u32,
    memory_bytes: u64,
    memory_available_bytes: u64,
    load: Vec<f64>,
    disk: Disk,
    cgroup: CgroupVersion,
    user: ServerUser,
    enforced: Vec<Enforced>,
    containers: BTreeMap<String, u64>,
    streams: OpenStreams,
    doctor: Vec<Check>,
}

#[derive(ToSchema)]
struct Backend {
    kind: String,
    why: String,
    unsupported: Vec<Unsupported>,
}

#[derive(ToSchema)]
struct Unsupported {
    feature: String,
    why: String,
}

#[derive(ToSchema)]
struct Kernel {
    name: String,
    release: String,
    architecture: String,
    hostname: String,
}

#[derive(ToSchema)]
struct Disk {
    path: String,
    total_bytes: u64,
    available_bytes: u64,
}

#[derive(ToSchema)]
struct CgroupVersion {
    version: String,
    controllers: Vec<String>,
}

#[derive(ToSchema)]
struct ServerUser {
    uid: u32,
    root: bool,
}

#[derive(ToSchema)]
struct Enforced {
    limit: String,
    enforced: bool,
    why: String,
}

#[derive(ToSchema)]
struct OpenStreams {
    open: u64,
    limit: u64,
}

#[derive(ToSchema)]
struct Check {
    id: String,
    title: String,
    status: Verdict,
    detail: String,
    #[schema(required)]
    command: Option<String>,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
enum Verdict {
    Ok,
    Warning,
    Problem,
}
