//! `/api/networks`: the common bridge, and the networks that were made.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use minidocker_rt::{NetworkOptions, Subnet};
use serde::Deserialize;

use super::{Answer, Body, name_in, parsed, read, resource};
use crate::app::App;
use crate::query::Query;

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(
            resource("/api/networks", "GET, HEAD, POST")
                .route(read().to(list))
                .route(web::post().to(create)),
        )
        .service(
            resource("/api/networks/{name}", "GET, HEAD, DELETE")
                .route(read().to(show))
                .route(web::delete().to(delete)),
        );
}

/// What a network is made from.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    name: String,
    /// Text, so that the library's own words tell what is wrong with it.
    #[serde(default)]
    subnet: Option<String>,
}

async fn list(request: HttpRequest, app: web::Data<App>) -> Answer {
    Query::of(&request)?.end()?;
    let runtime = app.runtime.clone();
    let networks = app.work.quick(move || Ok(runtime.networks()?)).await?;
    Ok(HttpResponse::Ok().json(networks))
}

async fn create(request: HttpRequest, app: web::Data<App>, body: Body) -> Answer {
    Query::of(&request)?.end()?;
    let Asked { name, subnet } = parsed(body)?;
    let runtime = app.runtime.clone();
    let create = move || {
        let subnet = subnet.map(|text| text.parse::<Subnet>()).transpose()?;
        Ok(runtime.create_network(&name, NetworkOptions { subnet })?)
    };
    let network = app.work.quick(create).await?;
    Ok(HttpResponse::Created()
        // A name consists of characters that need no escaping in a URL.
        .insert_header((header::LOCATION, format!("/api/networks/{}", network.name)))
        .json(network))
}

async fn show(request: HttpRequest, app: web::Data<App>) -> Answer {
    Query::of(&request)?.end()?;
    let (runtime, name) = (app.runtime.clone(), name_in(&request));
    let network = app.work.quick(move || Ok(runtime.network(&name)?)).await?;
    Ok(HttpResponse::Ok().json(network))
}

async fn delete(request: HttpRequest, app: web::Data<App>) -> Answer {
    Query::of(&request)?.end()?;
    let (runtime, name) = (app.runtime.clone(), name_in(&request));
    app.work.quick(move || Ok(runtime.delete_network(&name)?)).await?;
    Ok(HttpResponse::NoContent().finish())
}
