//! The processes of a container, found by looking at all of this machine's.

use std::collections::{HashMap, HashSet};

use sysinfo::{Pid, Process, ProcessRefreshKind, ProcessStatus, ProcessesToUpdate, System};

/// A container's processes. On unix those of its supervisor's session, so that also one whose
/// parent has ended is found; and everywhere the command's descendants.
pub(super) struct Tree {
    system: System,
    /// Whose session they share; None for the descendants alone.
    supervisor: Option<Pid>,
    command: Pid,
    /// The processes found last, with the CPU time that each had used.
    members: HashMap<Pid, u64>,
    /// CPU time in milliseconds, of those that have ended too.
    cpu_millis: u64,
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
    pub fn new(supervisor: u32, command: u32) -> Tree {
        Tree { supervisor: Some(Pid::from_u32(supervisor)), ..Tree::below(command) }
    }

    /// A process and its descendants.
    pub fn below(command: u32) -> Tree {
        Tree {
            system: System::new(),
            supervisor: None,
            command: Pid::from_u32(command),
            members: HashMap::new(),
            cpu_millis: 0,
        }
    }

    /// Looks at all processes now.
    pub fn look(&mut self) -> Usage {
        let kind = ProcessRefreshKind::nothing().with_memory().with_cpu().without_tasks();
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
                    || cfg!(unix)
                        && self.supervisor.is_some()
                        && process.session_id() == self.supervisor
            })
            .map(Process::pid)
            .collect();
        if let Some(supervisor) = self.supervisor {
            found.remove(&supervisor);
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
