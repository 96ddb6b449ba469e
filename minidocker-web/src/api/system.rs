//! `/api/system`: what this machine is and can do, and what would mend what it cannot.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;

use super::{Answer, read, resource};
use crate::app::App;
use crate::error::ApiError;
use crate::query::Query;
use crate::streams;
use crate::system::{Backend, Check, Enforced, Facts, Network, doctor};

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config.service(resource("/api/system", "GET, HEAD").route(read().to(system)));
}

async fn system(request: HttpRequest, app: web::Data<App>) -> Answer {
    Query::of(&request)?.end()?;
    let shared = app.clone();
    // The address that the client itself has used: another server may listen at the usual one.
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let address = host.unwrap_or("localhost:5000").to_string();
    let system = app.work.quick(move || describe(&shared, &address)).await?;
    Ok(HttpResponse::Ok().json(system))
}

#[derive(Debug, Serialize)]
struct System {
    version: &'static str,
    started_at: Timestamp,
    root: String,
    backend: Backend,
    #[serde(flatten)]
    facts: Facts,
    enforced: Vec<Enforced>,
    containers: serde_json::Value,
    streams: serde_json::Value,
    doctor: Vec<Check>,
}

fn describe(app: &App, address: &str) -> Result<System, ApiError> {
    let mut facts = Facts::gather(app.runtime.root());
    facts.details.prune = format!("curl -X POST http://{address}/api/prune");
    facts.details.network = Network::gather(&app.runtime);
    Ok(System {
        version: env!("CARGO_PKG_VERSION"),
        started_at: app.started_at,
        root: app.runtime.root().display().to_string(),
        backend: Backend::of(&app.runtime),
        enforced: Enforced::by(&facts),
        containers: json!(app.live.count()?),
        streams: json!({"open": app.streams.open(), "limit": streams::MOST}),
        doctor: doctor::examine(&facts),
        facts,
    })
}
