//! The dashboard: the files that `build.rs` made of `ui/`, part of the program, so that it
//! works from any folder. Without the cargo feature `dashboard` there is only a word at `/`.

use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};

use crate::api::{read, resource};

/// Path in the URL, content, and the content compressed by gzip where that helps.
type File = (&'static str, &'static [u8], Option<&'static [u8]>);

#[cfg(feature = "dashboard")]
const FILES: &[File] = include!(concat!(env!("OUT_DIR"), "/files.rs"));

#[cfg(not(feature = "dashboard"))]
const FILES: &[File] = &[(
    "/index.txt",
    b"This minidocker-web was built without its dashboard (the cargo feature `dashboard`).\n\
      The REST API is at /api.\n",
    None,
)];

/// A file below this has a hash of its content in its name, so it never changes.
const HASHED: &str = "/assets/";

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    for &(path, plain, gzip) in FILES {
        // The page itself has no name in a URL.
        let path = if path.starts_with("/index.") { "/" } else { path };
        let answer = move |request: HttpRequest| async move { serve(&request, path, plain, gzip) };
        config.service(resource(path, "GET, HEAD").route(read().to(answer)));
    }
}

fn serve(
    request: &HttpRequest,
    path: &'static str,
    plain: &'static [u8],
    gzip: Option<&'static [u8]>,
) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    response.content_type(kind(path));
    if path.starts_with(HASHED) {
        response.insert_header((header::CACHE_CONTROL, "public, max-age=31536000, immutable"));
    }
    if gzip.is_some() {
        response.insert_header((header::VARY, "Accept-Encoding"));
    }
    let accepted = request.headers().get_all(header::ACCEPT_ENCODING);
    match gzip {
        Some(gzip) if accepts_gzip(accepted) => {
            response.insert_header((header::CONTENT_ENCODING, "gzip")).body(gzip)
        }
        _ => response.body(plain),
    }
}

/// Whether a client takes gzip: it names it, and does not refuse it by a weight of 0
/// (RFC 9110, section 12.5.3).
fn accepts_gzip<'a>(accepted: impl Iterator<Item = &'a HeaderValue>) -> bool {
    accepted.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).any(
        |coding| {
            let mut parts = coding.split(';').map(str::trim);
            let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
            let weight = parts.find_map(|part| part.strip_prefix("q=")?.parse::<f32>().ok());
            named && weight != Some(0.0)
        },
    )
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
