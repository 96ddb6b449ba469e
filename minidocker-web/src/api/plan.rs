//! What a start will do, and what the last one did.

use actix_web::{HttpRequest, HttpResponse, web};

use super::{Answer, name_in, read, resource};
use crate::app::App;
use crate::error::ApiError;
use crate::query::Query;

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(resource("/api/containers/{name}/plan", "GET, HEAD").route(read().to(plan)))
        .service(resource("/api/containers/{name}/trace", "GET, HEAD").route(read().to(trace)));
}

async fn plan(request: HttpRequest, app: web::Data<App>) -> Answer {
    Query::of(&request)?.end()?;
    let plan = app.look(name_in(&request), |container| container.plan()).await?;
    Ok(HttpResponse::Ok().json(plan))
}

async fn trace(request: HttpRequest, app: web::Data<App>) -> Answer {
    Query::of(&request)?.end()?;
    let name = name_in(&request);
    let trace = app.look(name.clone(), |container| container.trace()).await?;
    Ok(HttpResponse::Ok().json(trace.ok_or_else(|| ApiError::never_started(&name))?))
}
