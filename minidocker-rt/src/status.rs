//! What happened: the record that the supervisor writes, and what it means.
//!
//! [`reconcile`] is a pure function from that record and a few facts about the
//! kernel to the [`Status`] a user sees. Nothing is cached: a supervisor that was
//! killed cannot have written so, but its absence tells.

use std::fmt;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::StepFailure;
use crate::health::HealthReport;
use crate::network::NetworkInfo;

/// The state of a container, as the manual names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Made, never started.
    Created,
    /// Its command runs.
    Running,
    /// Frozen; it will go on where it was.
    Paused,
    /// Its command has ended and will be started again, as its restart policy says.
    Restarting,
    /// Its command has ended (with whatever exit code) or was stopped.
    Stopped,
    /// It could not be started, or its supervisor was lost; the reason says which.
    Error,
}

impl Status {
    /// Whether a supervisor looks after it: running, paused or about to be restarted.
    pub fn is_alive(self) -> bool {
        matches!(self, Status::Running | Status::Paused | Status::Restarting)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Status::Created => "created",
            Status::Running => "running",
            Status::Paused => "paused",
            Status::Restarting => "restarting",
            Status::Stopped => "stopped",
            Status::Error => "error",
        })
    }
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitStatus {
    /// The exit code; 128+N for a death by signal N, as in every shell.
    pub code: i32,
    /// The signal that killed it, if one did.
    #[serde(default)]
    pub signal: Option<i32>,
    /// Whether the kernel killed it for going over its memory limit.
    #[serde(default)]
    pub oom_killed: bool,
    /// Whether it was killed because its time was over
    /// ([`ContainerSpec::timeout`](crate::ContainerSpec::timeout)).
    #[serde(default)]
    pub timed_out: bool,
}

impl ExitStatus {
    /// Whether the command ended by itself with code 0.
    pub fn success(&self) -> bool {
        self.code == 0
    }
}

impl fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "code {}", self.code)?;
        match self.signal {
            _ if self.timed_out => write!(f, " (killed: its time was over)"),
            _ if self.oom_killed => write!(f, " (killed: out of memory)"),
            Some(signal) => write!(f, " (killed by signal {signal})"),
            None => Ok(()),
        }
    }
}

/// What the probes of a health check have found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// No probe has succeeded yet, and not too many have failed.
    Starting,
    /// The last probe succeeded, or not enough have failed since.
    Healthy,
    /// So many probes in a row failed as the check allows retries.
    Unhealthy,
}

/// A process that cannot be mistaken for a later one with the same pid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessIdentity {
    /// Its pid as the host sees it.
    pub pid: i32,
    /// When it started, in clock ticks since boot (`man 5 proc_pid_stat`, field 22).
    pub start_time: u64,
}

/// How far the supervisor has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Phase {
    /// Building the container.
    Starting,
    /// The command was exec'ed.
    Running,
    /// The command has ended; the supervisor waits before it starts it again.
    Waiting,
    /// The command has ended, and all is cleaned up.
    Exited,
    /// A step failed, and all is cleaned up.
    Failed,
}

impl Phase {
    /// Whether a supervisor that has written this is still to write another.
    pub fn is_lasting(self) -> bool {
        matches!(self, Phase::Starting | Phase::Running | Phase::Waiting)
    }
}

/// `status.json`: written by the supervisor alone, each time as a whole.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct StatusRecord {
    pub phase: Phase,
    /// Pids and start times mean nothing after a reboot; this tells.
    pub boot_id: String,
    pub supervisor: ProcessIdentity,
    pub init: Option<ProcessIdentity>,
    pub command: Option<ProcessIdentity>,
    /// Who forwards its published ports.
    #[serde(default)]
    pub forwarder: Option<ProcessIdentity>,
    pub started_at: Timestamp,
    pub finished_at: Option<Timestamp>,
    pub exit: Option<ExitStatus>,
    pub failure: Option<StepFailure>,
    /// How often the kernel killed a process of the container for lack of memory.
    pub oom_kills: u64,
    /// Limits that were asked for on best effort and do not hold here.
    pub not_enforced: Vec<String>,
    /// How often it was started, this time included.
    pub starts: u64,
    /// How often its restart policy has started it since an operator last did.
    #[serde(default)]
    pub restarts: u64,
    /// Whether an operator has asked for its end.
    #[serde(default)]
    pub stopped: bool,
    /// Whether an operator has paused it, where no kernel can be asked.
    #[serde(default)]
    pub paused: bool,
    /// What its health check has found, if it has one.
    #[serde(default)]
    pub health: Option<HealthReport>,
    /// How it is connected, while it runs.
    #[serde(default)]
    pub network: Option<NetworkInfo>,
    /// The cgroup directories made for it, to be removed by whoever comes last.
    pub cgroups: Vec<PathBuf>,
}

/// What the kernel says now about the processes of a record.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KernelFacts {
    pub same_boot: bool,
    pub supervisor_alive: bool,
    pub frozen: bool,
    /// Whether what a lost supervisor leaves goes on until somebody ends it.
    pub left_behind: bool,
}

/// What a user should be told, from what was written and what the kernel says.
/// The text is the reason for [`Status::Error`].
pub(crate) fn reconcile(
    record: Option<&StatusRecord>,
    kernel: KernelFacts,
) -> (Status, Option<String>) {
    let Some(record) = record else { return (Status::Created, None) };
    match record.phase {
        Phase::Exited => (Status::Stopped, None),
        Phase::Failed => {
            let reason = match &record.failure {
                Some(failure) => format!("it did not start: {failure}"),
                None => "it did not start".to_string(),
            };
            (Status::Error, Some(reason))
        }
        Phase::Starting | Phase::Running | Phase::Waiting if !kernel.same_boot => {
            (Status::Error, Some("the machine was restarted while it ran".into()))
        }
        Phase::Starting | Phase::Running | Phase::Waiting if !kernel.supervisor_alive => {
            let reason = match kernel.left_behind {
                false => "its supervisor was killed, and the kernel ended the container with it",
                true => "its supervisor was killed; the next operation ends what is left of it",
            };
            (Status::Error, Some(reason.into()))
        }
        Phase::Starting => (Status::Created, None),
        Phase::Waiting => (Status::Restarting, None),
        Phase::Running if kernel.frozen => (Status::Paused, None),
        Phase::Running => (Status::Running, None),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn record(phase: Phase) -> StatusRecord {
        StatusRecord {
            phase,
            boot_id: "b".into(),
            supervisor: ProcessIdentity { pid: 10, start_time: 1 },
            init: None,
            command: None,
            forwarder: None,
            started_at: Timestamp::UNIX_EPOCH,
            finished_at: None,
            exit: None,
            failure: None,
            oom_kills: 0,
            not_enforced: vec![],
            starts: 1,
            restarts: 0,
            stopped: false,
            paused: false,
            health: None,
            network: None,
            cgroups: vec![],
        }
    }

    const ALIVE: KernelFacts =
        KernelFacts { same_boot: true, supervisor_alive: true, frozen: false, left_behind: false };

    fn status(phase: Phase, kernel: KernelFacts) -> Status {
        reconcile(Some(&record(phase)), kernel).0
    }

    #[test]
    fn without_a_record_it_was_never_started() {
        assert_eq!(reconcile(None, ALIVE).0, Status::Created);
    }

    #[test]
    fn a_running_record_is_believed_only_while_its_supervisor_lives() {
        assert_eq!(status(Phase::Running, ALIVE), Status::Running);
        let dead = KernelFacts { supervisor_alive: false, ..ALIVE };
        assert_eq!(status(Phase::Running, dead), Status::Error);
        assert_eq!(status(Phase::Starting, dead), Status::Error);
        let rebooted = KernelFacts { same_boot: false, ..ALIVE };
        let (status, reason) = reconcile(Some(&record(Phase::Running)), rebooted);
        assert_eq!(status, Status::Error);
        assert!(reason.unwrap().contains("restarted"));
    }

    #[test]
    fn paused_is_what_the_freezer_says() {
        assert_eq!(status(Phase::Running, KernelFacts { frozen: true, ..ALIVE }), Status::Paused);
    }

    #[test]
    fn an_end_stays_true_after_a_reboot() {
        let rebooted = KernelFacts { same_boot: false, supervisor_alive: false, ..ALIVE };
        assert_eq!(status(Phase::Exited, rebooted), Status::Stopped);
        assert_eq!(status(Phase::Failed, rebooted), Status::Error);
    }

    proptest::proptest! {
        /// Whatever was written and whatever the kernel says, the answer makes sense.
        #[test]
        fn every_record_and_every_kernel_give_an_honest_status(
            phase in 0..5usize, same_boot: bool, supervisor_alive: bool, frozen: bool,
        ) {
            use Phase::{Exited, Failed, Running, Starting, Waiting};
            let phase = [Starting, Running, Waiting, Exited, Failed][phase];
            let kernel = KernelFacts { same_boot, supervisor_alive, frozen, left_behind: frozen };
            let (status, reason) = reconcile(Some(&record(phase)), kernel);
            proptest::prop_assert_eq!(status == Status::Error, reason.is_some());
            if status.is_alive() {
                proptest::prop_assert!(same_boot && supervisor_alive && phase.is_lasting());
            }
            if status == Status::Paused {
                proptest::prop_assert!(frozen);
            }
            if matches!(phase, Exited) {
                proptest::prop_assert_eq!(status, Status::Stopped);
            }
        }
    }
}
