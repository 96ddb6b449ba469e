//! Isolation features, each with its own switch.

use serde::{Deserialize, Serialize};

/// Which parts of the isolation are built. Everything is on unless switched off:
/// a learner sees what a feature does by its absence.
///
/// ```
/// use minidocker_rt::Isolation;
///
/// let sees_host_processes = Isolation { pid: false, ..Isolation::default() };
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Isolation {
    /// A process tree of its own (`man 7 pid_namespaces`).
    pub pid: bool,
    /// A root filesystem of its own: overlay and pivot_root. Without it the command
    /// sees the host's files, with the rights of its user.
    pub rootfs: bool,
    /// A hostname of its own (`man 7 uts_namespaces`).
    pub uts: bool,
    /// Shared memory, semaphores and message queues of its own (`man 7 ipc_namespaces`).
    pub ipc: bool,
    /// Network interfaces of its own (`man 7 network_namespaces`). Switched off, it is the
    /// network mode [`crate::NetworkMode::Host`], and the other way round.
    pub network: bool,
    /// Its own cgroup as the root of what it sees (`man 7 cgroup_namespaces`).
    pub cgroup: bool,
    /// Kernel files under /proc and /sys hidden or made read-only.
    pub masked_paths: bool,
    /// Only Docker's default capabilities (`man 7 capabilities`).
    pub capabilities: bool,
    /// No way to gain rights by executing a set-user-ID program (`man 2 prctl`).
    pub no_new_privs: bool,
    /// Docker's default system call filter (`man 2 seccomp`).
    pub seccomp: bool,
}

impl Isolation {
    /// Everything off: an ordinary child process. For comparison only.
    pub const NONE: Isolation = Isolation {
        pid: false,
        rootfs: false,
        uts: false,
        ipc: false,
        network: false,
        cgroup: false,
        masked_paths: false,
        capabilities: false,
        no_new_privs: false,
        seccomp: false,
    };

    pub(crate) fn is_default(&self) -> bool {
        *self == Isolation::default()
    }
}

impl Default for Isolation {
    fn default() -> Self {
        Isolation {
            pid: true,
            rootfs: true,
            uts: true,
            ipc: true,
            network: true,
            cgroup: true,
            masked_paths: true,
            capabilities: true,
            no_new_privs: true,
            seccomp: true,
        }
    }
}
