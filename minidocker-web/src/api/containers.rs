//! `/api/containers` and `/api/containers/{name}`: list, create, inspect, delete.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use minidocker_rt::ContainerSpec;

use super::{Answer, Body, created, describe, json_text, name_in, read, resource, whole};
use crate::app::App;
use crate::live::Filter;
use crate::query::Query;

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(
            resource("/api/containers", "GET, HEAD, POST")
                .route(read().to(list))
                .route(web::post().to(create)),
        )
        .service(
            resource("/api/containers/{name}", "GET, HEAD, DELETE")
                .route(read().to(inspect))
                .route(web::delete().to(delete)),
        );
}

async fn list(request: HttpRequest, app: web::Data<App>) -> Answer {
    let mut query = Query::of(&request)?;
    let filter = Filter {
        statuses: query.take(
            "status",
            "Give one or more of created, running, paused, restarting, stopped and error, with \
             commas between them.",
        )?,
        name: query.take("name", "Give a part of a name.")?,
        image: query.take("image", "Give the name of an image.")?,
        search: query.take("search", "Give words, such as env:MODE=dev or python.")?,
    };
    query.end()?;
    let shared = app.clone();
    let list = app.work.quick(move || shared.live.list(&filter)).await?;
    Ok(json_text(StatusCode::OK, list))
}

async fn create(request: HttpRequest, app: web::Data<App>, body: Body) -> Answer {
    Query::of(&request)?.end()?;
    let body = whole(body)?;
    let shared = app.clone();
    let (text, name) = app
        .work
        .quick(move || {
            let container = shared.runtime.create(ContainerSpec::from_json(&body)?)?;
            Ok((describe(&shared, &container)?, container.name().to_string()))
        })
        .await?;
    Ok(created(&text, &name))
}

async fn inspect(request: HttpRequest, app: web::Data<App>) -> Answer {
    Query::of(&request)?.end()?;
    let (shared, name) = (app.clone(), name_in(&request));
    let of = name.clone();
    let describe = move || describe(&shared, &shared.runtime.get(&name)?);
    let text = app.work.quick_of(&of, describe).await?;
    Ok(json_text(StatusCode::OK, text))
}

async fn delete(request: HttpRequest, app: web::Data<App>) -> Answer {
    let mut query = Query::of(&request)?;
    let force = query.flag("force")?;
    query.end()?;
    let (runtime, name) = (app.runtime.clone(), name_in(&request));
    let of = name.clone();
    match force {
        true => app.work.urgent(&of, move || Ok(runtime.get(&name)?.delete_force()?)).await?,
        false => app.work.slow_of(&of, move || Ok(runtime.get(&name)?.delete()?)).await?,
    }
    Ok(HttpResponse::NoContent().finish())
}
