//! Resource limits of single processes (`man 2 setrlimit`), as opposed to the
//! cgroup limits of the whole container.

use serde::{Deserialize, Serialize};

use super::refuse;
use crate::error::Result;

/// Which resource is limited, named as in `man 2 setrlimit` without `RLIMIT_`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Resource {
    /// Address space of a process, in bytes.
    As,
    /// Size of a core dump, in bytes.
    Core,
    /// CPU time of a process, in seconds.
    Cpu,
    /// Size of a file it writes, in bytes.
    Fsize,
    /// Memory it may lock, in bytes.
    Memlock,
    /// Open file descriptors.
    Nofile,
    /// Processes of its real user id.
    Nproc,
    /// Size of its stack, in bytes.
    Stack,
}

/// One resource limit. A process may raise `soft` up to `hard`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rlimit {
    /// Which resource.
    pub resource: Resource,
    /// The limit that is enforced.
    pub soft: u64,
    /// The ceiling for `soft`.
    pub hard: u64,
}

impl Rlimit {
    /// A limit on `resource`.
    ///
    /// # Errors
    /// `soft` above `hard`.
    pub fn new(resource: Resource, soft: u64, hard: u64) -> Result<Rlimit> {
        if soft > hard {
            return Err(refuse(
                "rlimits",
                format!("{soft}:{hard}"),
                "the soft limit is above the hard one",
                "Give soft first, and at most as much as hard.",
            ));
        }
        Ok(Rlimit { resource, soft, hard })
    }
}
