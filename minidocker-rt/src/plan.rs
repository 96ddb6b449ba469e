//! The plan: what will be done to build a container, as data, and the trace: what
//! was done, with the kernel's answers and the time each call took.

mod lessons;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::StepFailure;
use crate::spec::ContainerId;

pub(crate) use lessons::{Lesson, become_command, lesson};

/// Which process performs a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Actor {
    /// The supervisor: outside the container, with the host's rights.
    Supervisor,
    /// PID 1 of the container, in its new namespaces.
    Init,
    /// The process that becomes the command, in its cgroup.
    Command,
}

/// Everything that starting a container will do, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The steps, in the order they are performed.
    pub steps: Vec<Step>,
}

/// One step of a plan, explained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// A stable word for it, e.g. `pivot-root`; error messages and traces use it.
    pub id: String,
    /// Who performs it.
    pub actor: Actor,
    /// What it does, in a few words.
    pub title: String,
    /// Why it is done, for a beginner.
    pub why: String,
    /// The system calls, as strace would print them.
    pub syscalls: Vec<String>,
    /// A command one could type to the same effect. Those of all steps, typed one after the
    /// other into a root shell, build the container by hand (with util-linux, iproute2 and
    /// nftables); some open a shell in which the next ones are typed.
    pub shell: String,
    /// What to mind before typing it, for example that it changes this machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caution: Option<String>,
    /// Where the mechanism is specified, e.g. `man 2 pivot_root`.
    pub manual: String,
    /// What happens instead, if the backend does not do the step but imitates it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub simulated: Option<String>,
}

/// A plan as it was executed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trace {
    /// Of which container.
    pub id: ContainerId,
    /// When the start began.
    pub started_at: Timestamp,
    /// Microseconds from there to the command's exec (or to the failure).
    pub micros: f64,
    /// Each step of the plan.
    pub steps: Vec<TracedStep>,
    /// The failure, if a step failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<StepFailure>,
}

/// A step as it was executed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TracedStep {
    /// The step's id in the plan.
    pub id: String,
    /// Who performed it.
    pub actor: Actor,
    /// What it does, in a few words.
    pub title: String,
    /// How it went.
    pub outcome: Outcome,
    /// Microseconds from the start of the construction to the start of the step.
    pub start_micros: f64,
    /// How long the step took, in microseconds.
    pub micros: f64,
    /// The calls it made.
    pub calls: Vec<Call>,
    /// What happened instead, if the backend did not do the step but imitated it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub simulated: Option<String>,
}

/// How a step went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was done.
    Done,
    /// It failed; the trace's failure says how.
    Failed,
    /// An earlier step failed.
    NotReached,
}

/// One system call or file write, recorded by the layer that performed it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// The call with its arguments, as strace would print it.
    pub call: String,
    /// The name of the errno, if it failed, e.g. `ENOENT`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errno: Option<String>,
    /// How long it took, in microseconds.
    pub micros: f64,
}
