//! `/api/containers/{name}/xray`: what the kernel knows of a container, beside the host.

use actix_web::{HttpRequest, HttpResponse, web};
use minidocker_rt::Container;

use super::{Answer, Json, name_in, read, resource};
use crate::app::App;
use crate::query::Query;
use crate::xray::Xray;

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config.service(resource("/api/containers/{name}/xray", "GET, HEAD").route(read().to(xray)));
}

async fn xray(request: HttpRequest, app: web::Data<App>) -> Answer {
    Query::of(&request)?.end()?;
    let look = |container: &Container| Ok(Json::of(&Xray::of(&container.inspect()?)));
    Ok(app.look(name_in(&request), look).await?.answer(HttpResponse::Ok()))
}
