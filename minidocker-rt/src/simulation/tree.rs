//! The processes of a container, found by looking at all of this machine's.

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;

use sysinfo::{
    Pid, Process, ProcessRefreshKind, ProcessStatus, ProcessesToUpdate, System, UpdateKind,
};

use super::command::MARK;
use crate::spec::ContainerId;

/// A container's processes: the command's descendants and, where the supervisor is known, all
/// that it looks after. Those are, on unix, of its session, below it, or marked as the container's
/// ([`MARK`]), so that one is found whose parents have ended; on Windows, all of its job.
pub(super) struct Tree {
    system: System,
    /// Whose they are; None for the descendants of the command alone.
    owner: Option<Owner>,
    command: Pid,
    /// The processes found last, with the CPU time that each had used.
    members: HashMap<Pid, u64>,
    /// CPU time in milliseconds, of those that have ended too.
    cpu_millis: u64,
}

struct Owner {
    supervisor: Pid,
    /// The variable that marks the container's processes.
    mark: Option<OsString>,
}

/// What a container's processes use together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Usage {
    /// Resident memory. What processes share is counted for each.
    pub memory_bytes: u64,
    pub cpu_millis: u64,
    pub processes: u64,
}

impl Tree {
    /// The processes that `supervisor` looks after, of which `command` is the first.
    pub fn new(id: Option<&ContainerId>, supervisor: u32, command: u32) -> Tree {
        let supervisor = Pid::from_u32(supervisor);
        let mark = id.map(|id| OsString::from(format!("{MARK}={}", id.as_str())));
        Tree { owner: Some(Owner { supervisor, mark }), ..Tree::below(command) }
    }

    /// A process and its descendants.
    pub fn below(command: u32) -> Tree {
        Tree {
            system: System::new(),
            owner: None,
            command: Pid::from_u32(command),
            members: HashMap::new(),
            cpu_millis: 0,
        }
    }

    /// Looks at all processes now.
    pub fn look(&mut self) -> Usage {
        let mut kind = ProcessRefreshKind::nothing().with_memory().with_cpu().without_tasks();
        if cfg!(unix) && self.owner.is_some() {
            kind = kind.with_environ(UpdateKind::OnlyIfNotSet);
        }
        self.system.refresh_processes_specifics(ProcessesToUpdate::All, true, kind);
        let found = self.find();
        let mut usage = Usage { processes: found.len() as u64, ..Usage::default() };
        let mut members = HashMap::with_capacity(found.len());
        for pid in found {
            let Some(process) = self.system.process(pid) else { continue };
            usage.memory_bytes += process.memory();
            let now = process.accumulated_cpu_time();
            let before = self.members.get(&pid).copied().unwrap_or(0);
            self.cpu_millis += now.saturating_sub(before);
            members.insert(pid, now.max(before));
        }
        self.members = members;
        usage.cpu_millis = self.cpu_millis;
        usage
    }

    /// The pids found last, the command's first: what it starts meanwhile is then not more
    /// than its children can.
    pub fn pids(&self) -> Vec<u32> {
        let mut pids: Vec<u32> = self.members.keys().map(|pid| pid.as_u32()).collect();
        pids.sort_unstable_by_key(|pid| (*pid != self.command.as_u32(), *pid));
        pids
    }

    /// Whether all that were found last are stopped, where the system tells.
    pub fn are_stopped(&self) -> bool {
        cfg!(not(unix))
            || self.members.keys().filter_map(|pid| self.system.process(*pid)).all(|process| {
                matches!(process.status(), ProcessStatus::Stop | ProcessStatus::Tracing)
            })
    }

    fn find(&self) -> HashSet<Pid> {
        let processes = self.system.processes();
        let is_alive = |process: &Process| {
            !matches!(process.status(), ProcessStatus::Zombie | ProcessStatus::Dead)
        };
        let mut found: HashSet<Pid> = processes
            .values()
            .filter(|process| is_alive(process))
            .filter(|process| {
                process.pid() == self.command
                    || self.owner.as_ref().is_some_and(|owner| owner.has(process))
            })
            .map(Process::pid)
            .collect();
        #[cfg(windows)]
        if self.owner.as_ref().is_some_and(|owner| owner.supervisor.as_u32() == std::process::id())
        {
            found.extend(super::process::job::members().into_iter().map(Pid::from_u32));
        }
        if let Some(owner) = &self.owner {
            found.remove(&owner.supervisor);
        }
        // Children of those found, until there are no more.
        loop {
            let children: Vec<Pid> = processes
                .values()
                .filter(|process| process.parent().is_some_and(|parent| found.contains(&parent)))
                .filter(|process| is_alive(process) && !found.contains(&process.pid()))
                .map(Process::pid)
                .collect();
            if children.is_empty() {
                return found;
            }
            found.extend(children);
        }
    }
}

impl Owner {
    /// Whether a process is the container's for more than who its parents are. Of the supervisor's
    /// children it is each: the command, probes, and on Linux the orphans that it has adopted.
    fn has(&self, process: &Process) -> bool {
        cfg!(unix)
            && (process.session_id() == Some(self.supervisor)
                || process.parent() == Some(self.supervisor)
                || self.mark.as_ref().is_some_and(|mark| process.environ().contains(mark)))
    }
}
