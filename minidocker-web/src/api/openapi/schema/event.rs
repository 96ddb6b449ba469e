//! Events.

use utoipa::ToSchema;

#[derive(ToSchema)]
pub(in crate::api::openapi) struct Event {
    id: u64,
    #[schema(format = DateTime)]
    time: String,
    name: String,
    #[schema(nullable = false)]
    container: Option<String>,
    event: String,
}
