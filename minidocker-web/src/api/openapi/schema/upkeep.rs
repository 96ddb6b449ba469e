//! Disk use and prune.

use utoipa::ToSchema;

use super::container::Status;

#[derive(ToSchema)]
pub(in crate::api::openapi) struct DiskUsage {
    containers: Vec<ContainerUsage>,
    images: Vec<ImageUsage>,
    containers_bytes: u64,
    images_bytes: u64,
    reclaimable_bytes: u64,
}

#[derive(ToSchema)]
struct ContainerUsage {
    name: String,
    id: String,
    status: Status,
    changes_bytes: u64,
    log_bytes: u64,
    records_bytes: u64,
}

#[derive(ToSchema)]
struct ImageUsage {
    name: String,
    bytes: u64,
    containers: u64,
}

#[derive(ToSchema)]
pub(in crate::api::openapi) struct Pruned {
    containers: Vec<String>,
    reclaimed_bytes: u64,
    #[schema(nullable = false)]
    failed: Option<Vec<NotPruned>>,
}

#[derive(ToSchema)]
struct NotPruned {
    name: String,
    why: String,
}
