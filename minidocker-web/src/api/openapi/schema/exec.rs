//! Commands in a container.

use std::collections::BTreeMap;

use utoipa::ToSchema;

use super::spec::Command;

#[derive(ToSchema)]
pub(in crate::api::openapi) struct ExecRequest {
    command: Command,
    /// In seconds; 60 unless given.
    #[schema(minimum = 0.001, maximum = 3600)]
    timeout: Option<f64>,
    #[schema(nullable = false)]
    env: Option<BTreeMap<String, String>>,
    user: Option<String>,
    working_dir: Option<String>,
    stdin: Option<String>,
}

#[derive(ToSchema)]
pub(in crate::api::openapi) struct ExecOutput {
    stdout: String,
    stderr: String,
    exit_code: i32,
    #[schema(required)]
    signal: Option<i32>,
    oom_killed: bool,
    timed_out: bool,
    truncated: bool,
    #[schema(nullable = false)]
    not_utf8: Option<Vec<String>>,
}
