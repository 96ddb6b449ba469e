//! What containers and images take on disk, and what a prune gave back.

use serde::{Deserialize, Serialize};

use crate::spec::ContainerId;
use crate::status::Status;

/// What everything under a root takes on disk.
///
/// All sizes are bytes of allocated blocks, as `du` counts: a sparse file takes what is
/// written of it, a file with several names is counted once, and folders count too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskUsage {
    /// Each container, by name.
    pub containers: Vec<ContainerUsage>,
    /// Each image, by name.
    pub images: Vec<ImageUsage>,
    /// All containers together.
    pub containers_bytes: u64,
    /// All images together; layers that several share count once.
    pub images_bytes: u64,
    /// What a prune now would give back: the containers that are not alive.
    pub reclaimable_bytes: u64,
}

/// What a container takes on disk. Its volumes and its image are not its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerUsage {
    /// Its name.
    pub name: String,
    /// Its identity.
    pub id: ContainerId,
    /// Its state.
    pub status: Status,
    /// What it changed of its image's files.
    pub changes_bytes: u64,
    /// What it printed.
    pub log_bytes: u64,
    /// What is kept about it: its specification, its status, the overlay's scratch space.
    pub records_bytes: u64,
}

impl ContainerUsage {
    /// All of it.
    pub fn total_bytes(&self) -> u64 {
        self.changes_bytes + self.log_bytes + self.records_bytes
    }
}

/// What an image takes on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageUsage {
    /// Its name.
    pub name: String,
    /// Its files, shared ones too. The programs of this machine, which `host` shows, take
    /// nothing.
    pub bytes: u64,
    /// What of it stays when it is deleted, because other images have the same layers.
    pub shared_bytes: u64,
    /// How many containers are made from it.
    pub containers: usize,
}

/// What a prune removed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pruned {
    /// The names of the removed containers.
    pub containers: Vec<String>,
    /// The bytes they took.
    pub reclaimed_bytes: u64,
    /// Those that should have gone and could not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<NotPruned>,
}

/// A container that a prune could not remove.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotPruned {
    /// Its name.
    pub name: String,
    /// Why not.
    pub why: String,
}
