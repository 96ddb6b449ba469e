//! Events: what happens on a root, whichever program does it.
//!
//! Every operation appends a line to the [`journal`] `<root>/events`; whoever follows it
//! ([`reader`], [`follow`]) sees what *any* program does to the containers of this root.

#[cfg(target_os = "linux")]
mod follow;
mod journal;
mod reader;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::StepFailure;
use crate::spec::ContainerId;
use crate::status::{ExitStatus, Health};

#[cfg(target_os = "linux")]
pub use follow::Events;
pub(crate) use journal::Journal;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Its place in the journal; a later event has a larger one.
    pub id: u64,
    /// When it happened.
    pub time: Timestamp,
    /// The name of the container, template or image it happened to.
    pub name: String,
    /// The container's id, if it happened to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<ContainerId>,
    /// What happened.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// What can happen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum EventKind {
    /// A container was made.
    Created,
    /// Its command was executed.
    Started,
    /// A step of the start failed; everything was removed again.
    StartFailed {
        /// The step, the call and the errno.
        failure: StepFailure,
    },
    /// A command was executed in the running container.
    ExecStarted {
        /// The command.
        command: String,
    },
    /// A command could not be executed in the running container.
    ExecFailed {
        /// The command.
        command: String,
        /// The step, the call and the errno.
        failure: StepFailure,
    },
    /// The kernel killed a process of the container for lack of memory.
    OutOfMemory {
        /// How often so far in this run.
        kills: u64,
    },
    /// It was frozen.
    Paused,
    /// It goes on.
    Resumed,
    /// Its health changed.
    HealthChanged {
        /// To what.
        health: Health,
    },
    /// Its command ended.
    Exited {
        /// How.
        exit: ExitStatus,
    },
    /// Its restart policy started it again.
    Restarted {
        /// How often so far since the last start by an operator.
        restarts: u64,
    },
    /// An operator has stopped it between two runs: it will not be started again.
    RestartCancelled,
    /// The container was deleted.
    Deleted,
    /// A template was saved.
    TemplateSaved,
    /// A template was deleted.
    TemplateDeleted,
    /// An image was imported.
    ImageImported,
    /// An image was deleted.
    ImageDeleted,
    /// Told to a reader alone: events were rotated away before it could read them. What it
    /// knows of the containers may be out of date. This event has no name.
    Missed,
}
