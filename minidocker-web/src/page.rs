//! The dashboard: the files that `build.rs` made of `ui/`, part of the program, so that it
//! works from any folder. Without the cargo feature `dashboard` there is only a word at `/`.

use actix_web::{HttpResponse, web};

use crate::api::{read, resource};

/// Path in the URL, and content.
#[cfg(feature = "dashboard")]
const FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/files.rs"));

#[cfg(not(feature = "dashboard"))]
const FILES: &[(&str, &[u8])] = &[(
    "/index.txt",
    b"This minidocker-web was built without its dashboard (the cargo feature `dashboard`).\n\
      The REST API is at /api.\n",
)];

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    for (path, bytes) in FILES {
        // The page itself has no name in a URL.
        let path = if path.starts_with("/index.") { "/" } else { path };
        let kind = kind(path);
        let answer = move || async move { HttpResponse::Ok().content_type(kind).body(*bytes) };
        config.service(resource(path, "GET, HEAD").route(read().to(answer)));
    }
}

fn kind(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, ending)| ending) {
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("woff2") => "font/woff2",
        Some("txt") => "text/plain; charset=utf-8",
        Some("json") => "application/json",
        None if cfg!(feature = "dashboard") => "text/html; charset=utf-8",
        None => "text/plain; charset=utf-8",
        Some(_) => "application/octet-stream",
    }
}
