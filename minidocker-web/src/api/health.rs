//! `/healthz`: whether the server is well.

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;

use super::{Answer, read, resource};
use crate::query::Query;

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config.service(resource("/healthz", "GET, HEAD").route(read().to(health)));
}

async fn health(request: HttpRequest) -> Answer {
    Query::of(&request)?.end()?;
    Ok(HttpResponse::Ok().json(json!({"status": "ok", "version": env!("CARGO_PKG_VERSION")})))
}
