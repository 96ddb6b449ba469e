//! `/api/templates`: specifications to make containers from.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use minidocker_rt::Template;

use super::{Answer, Body, name_in, read, resource, whole};
use crate::app::App;
use crate::error::ApiError;
use crate::query::Query;

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(
            resource("/api/templates", "GET, HEAD, POST")
                .route(read().to(list))
                .route(web::post().to(save)),
        )
        .service(
            resource("/api/templates/{name}", "GET, HEAD, PUT, DELETE")
                .route(read().to(show))
                .route(web::put().to(replace))
                .route(web::delete().to(delete)),
        );
}

async fn list(request: HttpRequest, app: web::Data<App>) -> Answer {
    Query::of(&request)?.end()?;
    let runtime = app.runtime.clone();
    let templates = app.work.quick(move || Ok(runtime.templates()?)).await?;
    Ok(HttpResponse::Ok().json(templates))
}

async fn save(request: HttpRequest, app: web::Data<App>, body: Body) -> Answer {
    Query::of(&request)?.end()?;
    let template = Template::from_json(&whole(body)?)?;
    let runtime = app.runtime.clone();
    let saved = template.clone();
    app.work.quick(move || Ok(runtime.save_template(&saved)?)).await?;
    Ok(HttpResponse::Created()
        .insert_header((header::LOCATION, format!("/api/templates/{}", template.name())))
        .json(template))
}

async fn show(request: HttpRequest, app: web::Data<App>) -> Answer {
    Query::of(&request)?.end()?;
    let (runtime, name) = (app.runtime.clone(), name_in(&request));
    let template = app.work.quick(move || Ok(runtime.template(&name)?)).await?;
    Ok(HttpResponse::Ok().json(template))
}

async fn replace(request: HttpRequest, app: web::Data<App>, body: Body) -> Answer {
    Query::of(&request)?.end()?;
    let template = Template::from_json(&whole(body)?)?;
    let name = name_in(&request);
    if template.name().as_str() != name {
        let message = format!("the template is called {:?}, not {name:?}", template.name());
        let hint = "Save it under another name with POST /api/templates.";
        return Err(ApiError::bad_request(message, hint).at_field("name"));
    }
    let runtime = app.runtime.clone();
    let replaced = template.clone();
    app.work.quick(move || Ok(runtime.replace_template(&replaced)?)).await?;
    Ok(HttpResponse::Ok().json(template))
}

async fn delete(request: HttpRequest, app: web::Data<App>) -> Answer {
    Query::of(&request)?.end()?;
    let (runtime, name) = (app.runtime.clone(), name_in(&request));
    app.work.quick(move || Ok(runtime.delete_template(&name)?)).await?;
    Ok(HttpResponse::NoContent().finish())
}
