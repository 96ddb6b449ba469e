//! Logs.

use utoipa::ToSchema;

#[derive(ToSchema)]
pub(in crate::api::openapi) struct Log {
    lines: Vec<Line>,
    /// Why there is no line.
    #[schema(required)]
    empty: Option<String>,
    /// So many bytes of output are not in the log any more.
    dropped_bytes: u64,
}

#[derive(ToSchema)]
pub(super) struct Line {
    #[schema(format = DateTime)]
    time: String,
    stream: LineStream,
    text: String,
    full: bool,
    #[schema(nullable = false)]
    not_utf8: Option<Vec<String>>,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
enum LineStream {
    Stdout,
    Stderr,
    System,
}
