//! The form of what is sent and answered. The library's own types know nothing of OpenAPI, so
//! their JSON is described here; `scripts/test-api` compares it with what the server sends.

#![expect(dead_code, reason = "they describe JSON; nobody makes them")]

use utoipa::ToSchema;

mod container;
mod event;
mod exec;
mod experiment;
mod files;
mod image;
mod log;
mod network;
mod plan;
mod spec;
mod stats;
mod system;
mod template;
mod upkeep;
mod xray;

pub(super) use container::{Bulk, BulkResults, Container, ExportedConfig, Listed};
pub(super) use event::Event;
pub(super) use exec::{ExecOutput, ExecRequest};
pub(super) use experiment::{Experiment, ExperimentRequest, ExperimentResult};
pub(super) use files::{ArchiveSummary, Change, Place};
pub(super) use image::Image;
pub(super) use log::Log;
pub(super) use network::{NetworkOfContainers, NewNetwork};
pub(super) use plan::{Plan, Trace};
pub(super) use spec::{AnyObject, Spec, Validation};
pub(super) use stats::Stats;
pub(super) use system::{Health, Session, System};
pub(super) use template::{NewTemplate, Template};
pub(super) use upkeep::{DiskUsage, Pruned};
pub(super) use xray::Xray;

/// What every refusal is.
#[derive(ToSchema)]
pub(super) struct Refusal {
    error: Problem,
}

#[derive(ToSchema)]
pub(super) struct Problem {
    /// A stable word for the kind of problem.
    code: String,
    /// One sentence.
    message: String,
    /// What to do about it.
    hint: String,
    /// The field or parameter at fault.
    #[schema(nullable = false)]
    field: Option<String>,
}
