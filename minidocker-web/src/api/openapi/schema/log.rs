//! Logs.

use utoipa::ToSchema;

#[derive(ToSchema)]
pub(in crate::api::openapi) struct Log {
    lines: Vec<Line>,
    /// Why there is no line.
    #[schema(required)]
    empty: Option<String>,
}

#[derive(ToSchema)]
pub(super) struct Line {
    #[schema(format = DateTime)]
    time: String,
    stream: LineStream,
    text: String,
    full: bool,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
enum LineStream {
    Stdout,
    Stderr,
    System,
}
