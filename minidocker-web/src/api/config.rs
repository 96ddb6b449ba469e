//! Export and import: the configuration of a container, as the manual has it.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, guard, web};

use super::{Answer, Body, created, describe, name_in, read, resource, whole};
use crate::app::App;
use crate::query::Query;

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(
            web::resource("/api/containers/import")
                .guard(guard::Post())
                .route(web::post().to(import)),
        )
        .service(resource("/api/containers/{name}/export", "GET, HEAD").route(read().to(export)));
}

async fn export(request: HttpRequest, app: web::Data<App>) -> Answer {
    Query::of(&request)?.end()?;
    let config = app.look(name_in(&request), |container| container.export()).await?;
    // A name consists of characters that need no quoting.
    let disposition = format!("attachment; filename=\"{}.json\"", config.spec().container_name());
    Ok(HttpResponse::Ok().insert_header((header::CONTENT_DISPOSITION, disposition)).json(config))
}

async fn import(request: HttpRequest, app: web::Data<App>, body: Body) -> Answer {
    let mut query = Query::of(&request)?;
    let name: Option<String> = query.take("name", "Give the name of the new container.")?;
    query.end()?;
    let body = whole(body)?;
    let shared = app.clone();
    let (text, name) = app
        .work
        .quick(move || {
            let container = match &name {
                Some(name) => shared.runtime.import_as(&body, name)?,
                None => shared.runtime.import(&body)?,
            };
            Ok((describe(&shared, &container)?, container.name().to_string()))
        })
        .await?;
    Ok(created(&text, &name))
}
