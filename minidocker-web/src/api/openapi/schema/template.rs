//! Templates.

use utoipa::ToSchema;

#[derive(ToSchema)]
pub(in crate::api::openapi) struct Template {
    name: String,
    title: String,
    description: String,
    builtin: bool,
    /// A specification without its name.
    #[schema(value_type = Object)]
    spec: serde_json::Value,
}

#[derive(ToSchema)]
pub(in crate::api::openapi) struct NewTemplate {
    #[schema(pattern = "^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}$")]
    name: String,
    title: Option<String>,
    #[schema(nullable = false)]
    description: Option<String>,
    /// Taken and not heeded: only those that come with the program are built in.
    #[schema(nullable = false)]
    builtin: Option<bool>,
    /// A specification without its name.
    #[schema(value_type = Object)]
    spec: serde_json::Value,
}
