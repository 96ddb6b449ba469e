//! The Linux backend: real containers, from namespaces, cgroups and an overlay.
//!
//! Read [`steps`] for what is done and why, [`rootfs`] and [`cgroup`] for how, and
//! [`sys`] for the system calls. Three processes do it: the [`supervisor`], forked
//! from the [`spawner`]; [`init`], PID 1 of the container; and the command.

mod attachments;
mod cgroup;
pub(crate) mod channel;
mod construct;
mod context;
pub(crate) mod control;
pub(crate) mod diff;
pub(crate) mod exec;
pub(crate) mod files;
pub(crate) mod frames;
pub(crate) mod freezer;
mod host;
mod image;
pub(crate) mod images;
pub(crate) mod import;
mod init;
mod memory_watch;
mod output;
pub(crate) mod pack;
mod privileges;
mod prober;
pub(crate) mod process;
mod raw;
mod rootfs;
mod seccomp;
pub(crate) mod spawner;
pub(crate) mod stats;
mod steps;
mod supervisor;
mod sys;
pub(crate) mod terminal;
pub(crate) mod tree;
pub(crate) mod unpack;
pub(crate) mod upkeep;
pub(crate) mod view;
pub(crate) mod watch;

pub(crate) use channel::Reply;
pub(crate) use host::Host;
pub(crate) use steps::preview;
pub(crate) use supervisor::{clean_up_after, clean_up_unrecorded, decode};

use crate::status::{KernelFacts, StatusRecord};

/// What the kernel says now about a container's processes.
pub(crate) fn kernel_facts(record: &StatusRecord, host: &Host) -> KernelFacts {
    let same_boot = record.boot_id == host.boot_id;
    let supervisor_alive =
        same_boot && process::identify(record.supervisor.pid) == Some(record.supervisor);
    let frozen = supervisor_alive && freezer::is_frozen(&record.cgroups);
    KernelFacts { same_boot, supervisor_alive, frozen }
}
