//! How a container is built: the plan, and what was done.

use utoipa::ToSchema;

#[derive(ToSchema)]
pub(in crate::api::openapi) struct Plan {
    steps: Vec<Step>,
}

#[derive(ToSchema)]
struct Step {
    id: String,
    actor: Actor,
    title: String,
    why: String,
    syscalls: Vec<String>,
    shell: String,
    #[schema(nullable = false)]
    caution: Option<String>,
    manual: String,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
enum Actor {
    Supervisor,
    Init,
    Command,
}

#[derive(ToSchema)]
pub(in crate::api::openapi) struct Trace {
    id: String,
    #[schema(format = DateTime)]
    started_at: String,
    micros: f64,
    steps: Vec<TracedStep>,
    #[schema(nullable = false)]
    failure: Option<StepFailure>,
}

#[derive(ToSchema)]
struct TracedStep {
    id: String,
    actor: Actor,
    title: String,
    outcome: Outcome,
    start_micros: f64,
    micros: f64,
    calls: Vec<Call>,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
enum Outcome {
    Done,
    Failed,
    NotReached,
}

#[derive(ToSchema)]
struct Call {
    call: String,
    #[schema(nullable = false)]
    errno: Option<String>,
    micros: f64,
}

#[derive(ToSchema)]
struct StepFailure {
    step: String,
    call: String,
    #[schema(nullable = false)]
    message: Option<String>,
    #[schema(nullable = false)]
    errno: Option<i32>,
    hint: String,
}
