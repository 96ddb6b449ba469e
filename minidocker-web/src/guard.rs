//! Who may ask, and what a browser may do with the answer.
//!
//! The server starts root processes and has no authentication yet. It is safe from
//! other machines because it listens on loopback alone; what remains is the browser on
//! this machine, which any web page can make send requests. Two attacks are refused:
//!
//! - **DNS rebinding**: evil.example first resolves to its own server, then to
//!   127.0.0.1. The browser takes us for evil.example and lets its script read every
//!   answer. But the browser still sends `Host: evil.example`, so a request under a
//!   name that is not ours is refused.
//! - **Request forgery**: a page cannot read our answers, but it can send a form's POST
//!   to us blindly. Browsers say so in `Sec-Fetch-Site` and `Origin`, which no script
//!   can forge; and a body must be JSON, which no form can send.
//!
//! Programs such as curl send neither header and are not affected.

use std::net::SocketAddr;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::{ResponseError, web};

use crate::error::ApiError;

/// The page's own files may be loaded, and the API asked; nothing else, no inline
/// scripts, no frames: HTML that found its way into the page could do nothing.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    connect-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; \
    form-action 'none'";

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The names under which this server may be addressed, with the port.
#[derive(Debug)]
pub(crate) struct Hosts {
    allowed: Vec<String>,
}

impl Hosts {
    pub fn of(address: SocketAddr) -> Hosts {
        let port = address.port();
        let mut allowed = vec![address.to_string()];
        for host in ["localhost", "127.0.0.1", "[::1]"] {
            allowed.push(format!("{host}:{port}"));
            // The default port of http, which browsers leave out.
            if port == 80 {
                allowed.push(host.to_string());
            }
        }
        Hosts { allowed }
    }

    fn allow(&self, host: &str) -> bool {
        self.allowed.iter().any(|allowed| allowed.eq_ignore_ascii_case(host))
    }
}

/// Refuses what must not be answered, and marks all answers.
pub(crate) async fn watch(
    hosts: web::Data<Hosts>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let mut response = match check(&hosts, &request) {
        Ok(()) => next.call(request).await?.map_into_boxed_body(),
        Err(refusal) => request.into_response(refusal.error_response()),
    };
    let headers = response.headers_mut();
    let mut set = |name: HeaderName, value: &'static str| {
        headers.insert(name, HeaderValue::from_static(value));
    };
    set(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY);
    // A log is text whatever it contains: no guessing that it might be HTML.
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::REFERRER_POLICY, "no-referrer");
    set(header::CROSS_ORIGIN_RESOURCE_POLICY, "same-origin");
    set(header::CACHE_CONTROL, "no-store");
    Ok(response)
}

fn check(hosts: &Hosts, request: &ServiceRequest) -> Result<(), ApiError> {
    let headers = request.headers();
    let host = one(headers, &header::HOST);
    let Some(host) = host.filter(|host| hosts.allow(host)) else {
        let name = host.unwrap_or_default();
        return Err(ApiError::new(
            StatusCode::FORBIDDEN,
            "host_refused",
            format!("this server is not {name:?}; a web page of that name may be asking"),
            format!("Address it as http://{} instead.", hosts.allowed[0]),
        ));
    };
    if [Method::GET, Method::HEAD, Method::OPTIONS].contains(request.method()) {
        return Ok(());
    }
    check_site(headers, host)?;
    check_content_type(headers)
}

/// Refuses changes that a page of another site asks for.
fn check_site(headers: &HeaderMap, host: &str) -> Result<(), ApiError> {
    // "none" is the user's own doing: a bookmark, an address typed.
    let site_is_ours = !headers.contains_key(SEC_FETCH_SITE)
        || one(headers, &SEC_FETCH_SITE)
            .is_some_and(|site| ["same-origin", "none"].contains(&site));
    // The scheme is compared too: we speak no https, so its origin is another.
    let ours = format!("http://{host}");
    let origin_is_ours = !headers.contains_key(header::ORIGIN)
        || one(headers, &header::ORIGIN).is_some_and(|origin| origin.eq_ignore_ascii_case(&ours));
    if site_is_ours && origin_is_ours {
        return Ok(());
    }
    Err(ApiError::new(
        StatusCode::FORBIDDEN,
        "cross_site_refused",
        "a page of another site asked for this change",
        format!("Use the page at {ours}, or a program that is not a browser."),
    ))
}

fn check_content_type(headers: &HeaderMap) -> Result<(), ApiError> {
    let has_body = headers.contains_key(header::TRANSFER_ENCODING)
        || headers.get(header::CONTENT_LENGTH).is_some_and(|length| length != "0");
    let kind = one(headers, &header::CONTENT_TYPE).unwrap_or_default();
    // Parameters may follow, such as charset=utf-8.
    let essence = kind.split(';').next().unwrap_or_default().trim();
    if !has_body || essence.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(ApiError::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported_media_type",
        format!("the body is declared as {kind:?}, not as JSON"),
        "Send the header Content-Type: application/json",
    ))
}

/// The value of a header that was sent exactly once, as text.
fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name);
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_with_the_port_are_ours() {
        let hosts = Hosts::of("127.0.0.1:5000".parse().unwrap());
        for host in ["localhost:5000", "LOCALHOST:5000", "127.0.0.1:5000", "[::1]:5000"] {
            assert!(hosts.allow(host), "{host}");
        }
        for host in ["localhost", "localhost:5001", "evil.example:5000", "127.0.0.1.nip.io:5000"] {
            assert!(!hosts.allow(host), "{host}");
        }
        let hosts = Hosts::of("[::1]:80".parse().unwrap());
        assert!(hosts.allow("localhost") && hosts.allow("[::1]") && hosts.allow("[::1]:80"));
    }
}
