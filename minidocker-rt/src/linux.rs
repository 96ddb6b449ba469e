//! The Linux backend: real containers, from namespaces, cgroups and an overlay.
//!
//! Read [`steps`] for what is done and why, [`rootfs`] and [`cgroup`] for how, and
//! [`sys`] for the system calls. Three processes do it: the [`supervisor`], forked
//! from the [`spawner`]; [`init`], PID 1 of the container; and the command.

mod arguments;
mod attachments;
mod backend;
mod building;
mod cgroup;
pub(crate) mod channel;
mod construct;
mod context;
mod control;
mod diff;
pub(crate) mod exec;
mod files;
mod forwarder;
pub(crate) mod frames;
mod freezer;
mod host;
mod identity;
mod image;
mod import;
mod init;
mod listeners;
mod memory_watch;
mod network;
mod output;
mod pack;
mod port_owner;
mod privileges;
mod prober;
pub(crate) mod process;
mod publisher;
mod raw;
mod refusal;
mod resolve;
mod rootfs;
mod seccomp;
pub(crate) mod spawner;
mod stats;
mod steps;
mod supervisor;
mod sys;
pub(crate) mod terminal;
pub(crate) mod tree;
mod unpack;
mod upkeep;
mod view;
pub(crate) mod watch;

pub(crate) use backend::LinuxBackend;
use host::Host;
#[cfg(any(test, fuzzing))]
pub(crate) use import::import;
pub(crate) use refusal::refusal;
use steps::preview;
pub(crate) use supervisor::decode;
use supervisor::{clean_up_after, clean_up_unrecorded};

use crate::status::{KernelFacts, StatusRecord};

/// What the kernel says now about a container's processes.
fn kernel_facts(record: &StatusRecord, host: &Host) -> KernelFacts {
    let same_boot = record.boot_id == host.machine.boot_id;
    let supervisor_alive =
        same_boot && process::identify(record.supervisor.pid) == Some(record.supervisor);
    let frozen = supervisor_alive && freezer::is_frozen(&record.cgroups);
    KernelFacts { same_boot, supervisor_alive, frozen, left_behind: false }
}
