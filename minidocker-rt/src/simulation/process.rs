//! What is done to a single process, in the words of each system.

#[cfg(windows)]
pub(super) mod job;
#[cfg(target_os = "linux")]
mod orphans;
#[cfg(unix)]
#[path = "process/unix.rs"]
mod system;
#[cfg(windows)]
#[path = "process/windows.rs"]
mod system;

pub(super) use system::{
    become_independent, kill, new_group, new_supervisor, resume, signal, spawn, status_of, suspend,
    wait, wait_for_end,
};

use crate::error::{Error, Result};
use crate::status::ProcessIdentity;

/// The number of SIGKILL, everywhere.
pub(super) const SIGKILL: i32 = 9;
/// The number of SIGTERM, everywhere.
pub(super) const SIGTERM: i32 = 15;

/// Refuses a number that is no signal here.
pub(super) fn check_signal(number: i32) -> Result<()> {
    if system::knows_signal(number) {
        return Ok(());
    }
    Err(Error::InvalidSpec {
        field: "signal",
        value: number.to_string(),
        why: "it is not a signal that this system has".into(),
        hint: if cfg!(windows) {
            "Windows has no signals; 9 and 15 end the command.".into()
        } else {
            "Use a number or name that `kill -l` lists, for example SIGTERM.".into()
        },
    })
}

/// The identity of a live process of this machine.
#[cfg(linux_backend)]
pub(super) fn identify(pid: u32) -> Option<ProcessIdentity> {
    crate::linux::process::identify(i32::try_from(pid).ok()?)
}

/// The identity of a live process of this machine. Its start is counted in seconds since 1970.
#[cfg(not(linux_backend))]
pub(super) fn identify(pid: u32) -> Option<ProcessIdentity> {
    use sysinfo::{Pid, ProcessRefreshKind, ProcessStatus, ProcessesToUpdate, System};
    let mut system = System::new();
    let pid_here = Pid::from_u32(pid);
    let kind = ProcessRefreshKind::nothing().without_tasks();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid_here]), true, kind);
    let process = system.process(pid_here)?;
    if matches!(process.status(), ProcessStatus::Zombie | ProcessStatus::Dead) {
        return None;
    }
    Some(ProcessIdentity { pid: i32::try_from(pid).ok()?, start_time: process.start_time() })
}
