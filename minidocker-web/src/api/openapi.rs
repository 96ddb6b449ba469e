//! `/api/openapi.json`: the API for programs, and `/api/docs`: the same for people.

mod document;
mod page;
mod routes;
mod schema;

use actix_web::{HttpRequest, HttpResponse, web};

use super::{Answer, read, resource};
use crate::query::Query;

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    // Written once: they do not change.
    let json = serde_json::to_string(&document::openapi()).unwrap_or_default();
    let html = page::html(&document::openapi());
    let files = [
        ("/api/openapi.json", "application/json", json),
        ("/api/docs", "text/html; charset=utf-8", html),
        ("/api/docs.css", "text/css; charset=utf-8", page::CSS.to_string()),
    ];
    for (path, kind, text) in files {
        let text = web::Bytes::from(text);
        let answer = move |request: HttpRequest| {
            let text = text.clone();
            async move {
                Query::of(&request)?.end()?;
                Answer::Ok(HttpResponse::Ok().content_type(kind).body(text))
            }
        };
        config.service(resource(path, "GET, HEAD").route(read().to(answer)));
    }
}
