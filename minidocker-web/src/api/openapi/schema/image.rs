//! Images.

use utoipa::ToSchema;

#[derive(ToSchema)]
pub(in crate::api::openapi) struct Image {
    name: String,
    id: String,
    source: ImageSource,
    #[schema(nullable = false)]
    reference: Option<String>,
    #[schema(nullable = false)]
    architecture: Option<String>,
    #[schema(nullable = false, format = DateTime)]
    imported_at: Option<String>,
    layers: Vec<ImageLayer>,
    #[schema(value_type = Object)]
    config: serde_json::Value,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
enum ImageSource {
    Host,
    Rootfs,
    Docker,
    Oci,
}

#[derive(ToSchema)]
struct ImageLayer {
    digest: String,
    bytes: u64,
}
