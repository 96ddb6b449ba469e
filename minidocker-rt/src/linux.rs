//! The Linux backend: real containers, from namespaces, cgroups and an overlay.
//!
//! Read [`steps`] for what is done and why, [`rootfs`] and [`cgroup`] for how, and
//! [`sys`] for the system calls. Three processes do it: the [`supervisor`], forked
//! from the [`spawner`]; [`init`], PID 1 of the container; and the command.

mod cgroup;
mod channel;
mod context;
mod host;
mod image;
mod init;
mod privileges;
pub(crate) mod process;
mod raw;
mod rootfs;
mod seccomp;
pub(crate) mod spawner;
mod steps;
mod supervisor;
mod sys;

pub(crate) use channel::Reply;
pub(crate) use host::Host;
pub(crate) use steps::preview;
pub(crate) use supervisor::{clean_up_after, clean_up_unrecorded};

use crate::status::{KernelFacts, StatusRecord};

/// What the kernel says now about a container's processes.
pub(crate) fn kernel_facts(record: &StatusRecord, host: &Host) -> KernelFacts {
    let same_boot = record.boot_id == host.boot_id;
    let supervisor_alive =
        same_boot && process::identify(record.supervisor.pid) == Some(record.supervisor);
    // Version 2 tells in each cgroup whether it is frozen.
    let frozen = supervisor_alive
        && record.cgroups.iter().any(|path| {
            std::fs::read_to_string(path.join("cgroup.events"))
                .is_ok_and(|events| events.lines().any(|line| line == "frozen 1"))
        });
    KernelFacts { same_boot, supervisor_alive, frozen }
}
