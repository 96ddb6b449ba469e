//! `/api/images`: what containers are made from.

use actix_web::http::header;
use actix_web::web::{self, Payload};
use actix_web::{HttpRequest, HttpResponse};

use super::{Answer, name_in, read, resource};
use crate::app::App;
use crate::query::Query;
use crate::transfer;

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(
            resource("/api/images", "GET, HEAD, POST")
                .route(read().to(list))
                .route(web::post().to(import)),
        )
        .service(
            resource("/api/images/{name}", "GET, HEAD, DELETE")
                .route(read().to(show))
                .route(web::delete().to(delete)),
        );
}

async fn list(request: HttpRequest, app: web::Data<App>) -> Answer {
    Query::of(&request)?.end()?;
    let runtime = app.runtime.clone();
    let images = app.work.quick(move || Ok(runtime.images()?)).await?;
    Ok(HttpResponse::Ok().json(images))
}

async fn import(request: HttpRequest, app: web::Data<App>, body: Payload) -> Answer {
    let mut query = Query::of(&request)?;
    let name: String = query.need("name", "Give the name of the new image.")?;
    query.end()?;
    let runtime = app.runtime.clone();
    let import = move |archive: &mut dyn std::io::Read| Ok(runtime.import_image(&name, archive)?);
    let image = transfer::receive(&app, body, import).await?;
    Ok(HttpResponse::Created()
        .insert_header((header::LOCATION, format!("/api/images/{}", image.name)))
        .json(image))
}

async fn show(request: HttpRequest, app: web::Data<App>) -> Answer {
    Query::of(&request)?.end()?;
    let (runtime, name) = (app.runtime.clone(), name_in(&request));
    let image = app.work.quick(move || Ok(runtime.image(&name)?)).await?;
    Ok(HttpResponse::Ok().json(image))
}

async fn delete(request: HttpRequest, app: web::Data<App>) -> Answer {
    Query::of(&request)?.end()?;
    let (runtime, name) = (app.runtime.clone(), name_in(&request));
    // A large one takes a while.
    app.work.slow(move || Ok(runtime.delete_image(&name)?)).await?;
    Ok(HttpResponse::NoContent().finish())
}
