//! What containers and images take on disk, and the removal of what is not needed.

use actix_web::{HttpRequest, HttpResponse, web};

use super::{Answer, read, resource};
use crate::app::App;
use crate::query::Query;

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(resource("/api/disk", "GET, HEAD").route(read().to(usage)))
        .service(resource("/api/prune", "POST").route(web::post().to(prune)));
}

async fn usage(request: HttpRequest, app: web::Data<App>) -> Answer {
    Query::of(&request)?.end()?;
    let runtime = app.runtime.clone();
    // To measure many large folders takes a while.
    let usage = app.work.slow(move || Ok(runtime.disk_usage()?)).await?;
    Ok(HttpResponse::Ok().json(usage))
}

async fn prune(request: HttpRequest, app: web::Data<App>) -> Answer {
    Query::of(&request)?.end()?;
    let runtime = app.runtime.clone();
    let pruned = app.work.slow(move || Ok(runtime.prune()?)).await?;
    Ok(HttpResponse::Ok().json(pruned))
}
