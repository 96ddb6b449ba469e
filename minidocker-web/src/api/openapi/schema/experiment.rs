//! Experiments: with and without one isolation feature.

use utoipa::ToSchema;

use super::Problem;

#[derive(ToSchema)]
pub(in crate::api::openapi) struct Experiment {
    feature: String,
    title: String,
    question: String,
    command: String,
    look_for: String,
}

#[derive(ToSchema)]
pub(in crate::api::openapi) struct ExperimentRequest {
    feature: Feature,
    command: Option<String>,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
enum Feature {
    Pid,
    Rootfs,
    Uts,
    Ipc,
    Network,
    Cgroup,
    MaskedPaths,
    Capabilities,
    NoNewPrivs,
    Seccomp,
}

#[derive(ToSchema)]
pub(in crate::api::openapi) struct ExperimentResult {
    feature: Feature,
    command: String,
    with: ExperimentRun,
    without: ExperimentRun,
}

#[derive(ToSchema)]
struct ExperimentRun {
    output: String,
    #[schema(required)]
    exit_code: Option<i32>,
    #[schema(required)]
    signal: Option<i32>,
    timed_out: bool,
    truncated: bool,
    #[schema(nullable = false)]
    error: Option<Problem>,
}
