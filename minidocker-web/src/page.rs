//! The page: three files, part of the program, so that it works from any folder.

use actix_web::{HttpResponse, web};

use crate::api::{read, resource};

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    let files = [
        ("/", "text/html; charset=utf-8", include_str!("../ui/index.html")),
        ("/app.js", "text/javascript; charset=utf-8", include_str!("../ui/app.js")),
        ("/style.css", "text/css; charset=utf-8", include_str!("../ui/style.css")),
    ];
    for (path, kind, text) in files {
        let answer = move || async move { HttpResponse::Ok().content_type(kind).body(text) };
        config.service(resource(path, "GET, HEAD").route(read().to(answer)));
    }
}
