//! `/api/containers/{name}/attach/ws`: the container's own command to talk with.

use actix_web::HttpRequest;
use actix_web::web::{self, Payload};

use super::{Answer, name_in, read, resource};
use crate::app::App;
use crate::error::ApiError;
use crate::query::Query;
use crate::socket;
use crate::socket::partner::AttachedTo;

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config.service(resource("/api/containers/{name}/attach/ws", "GET").route(read().to(attach)));
}

async fn attach(request: HttpRequest, app: web::Data<App>, payload: Payload) -> Answer {
    Query::of(&request)?.end()?;
    let place = app.streams.enter()?;
    let name = name_in(&request);
    let shared = app.clone();
    let begin = async move {
        let attach = |container: &minidocker_rt::Container| {
            Ok((container.clone(), container.inspect()?, container.attach()?))
        };
        let (container, info, attached) = shared.look(name, attach).await?;
        AttachedTo::new(shared, container, &info, attached)
            .map_err(|error| ApiError::not_watched(&error))
    };
    socket::open(&request, payload, place, begin)
}
