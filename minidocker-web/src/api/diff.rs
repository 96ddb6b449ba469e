//! What a container changed of its image's files.

use actix_web::{HttpRequest, HttpResponse, web};

use super::{Answer, name_in, read, resource};
use crate::app::App;
use crate::query::Query;

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config.service(resource("/api/containers/{name}/diff", "GET, HEAD").route(read().to(diff)));
}

async fn diff(request: HttpRequest, app: web::Data<App>) -> Answer {
    Query::of(&request)?.end()?;
    let changes = app.look(name_in(&request), |container| container.diff()).await?;
    Ok(HttpResponse::Ok().json(changes))
}
