//! Who may ask, and what a browser may do with the answer.
//!
//! This server starts processes as root. What it has to fear, in the order it is looked at:
//!
//! - **DNS rebinding**: evil.example first resolves to its own server, then to 127.0.0.1. The
//!   browser takes us for evil.example and lets its script read every answer. But the browser
//!   still sends `Host: evil.example`, so a request under a name that is not ours is refused
//!   ([`hosts`]).
//! - **Other users**: a local port is open to every user of this machine, and to containers
//!   that share its network. The kernel knows to which user the other end of a connection
//!   belongs ([`peer`]): our own and the one who called sudo enter, others need the
//!   [`token`], as everybody does from another machine.
//! - **Request forgery**: a page of another site cannot read our answers, but it can send a
//!   form's POST to us blindly, or open a WebSocket. Browsers say so in `Sec-Fetch-Site` and
//!   `Origin`, which no script can forge; and a body must be JSON, a tar archive or plain
//!   bytes, none of which a form can send.
//!
//! Programs such as curl send neither header and are not affected.

pub(crate) mod hosts;
pub(crate) mod peer;
pub(crate) mod strangers;
pub(crate) mod token;

use std::net::SocketAddr;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::{HttpMessage, ResponseError, web};

use self::hosts::Hosts;
use self::peer::Connection;
use self::token::Token;
use crate::error::ApiError;
use crate::pace::Paced;

/// The page's own files may be loaded, and the API asked; nothing else, no inline scripts or
/// styles, no frames: HTML that found its way into the page could do nothing.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    font-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; \
    form-action 'none'; connect-src 'self'";

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// What may be asked by anybody who reaches the port: whether the server is well, and to be
/// let in.
const OPEN: [&str; 2] = ["/healthz", "/login"];

/// All that decides who may ask.
#[derive(Debug)]
pub(crate) struct Guard {
    pub hosts: Hosts,
    pub token: Token,
    /// The users that enter without ceremony.
    pub users: Vec<u32>,
}

/// How a client entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entrance {
    /// It belongs to this user of this machine.
    User(u32),
    Token,
    /// It asked for what is open to all.
    Open,
}

/// Refuses what must not be answered, and marks all answers.
pub(crate) async fn watch(
    guard: web::Data<Guard>,
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let mut ours = None;
    let mut response = match check(&guard, &request, &mut ours).await {
        Ok(entrance) => {
            if entrance != Entrance::Open
                && let Some(connection) = request.conn_data::<Connection>()
            {
                connection.let_in();
            }
            request.extensions_mut().insert(entrance);
            // What a WebSocket brings is as slow as who types it.
            if !opens_socket(&request) {
                let body = Paced::new(request.take_payload());
                request.set_payload(Payload::Stream { payload: Box::pin(body) });
            }
            next.call(request).await?.map_into_boxed_body()
        }
        Err(refusal) => request.into_response(refusal.error_response()),
    };
    let headers = response.headers_mut();
    let is_lasting = headers.contains_key(header::CACHE_CONTROL);
    let mut set = |name: HeaderName, value: &'static str| {
        headers.insert(name, HeaderValue::from_static(value));
    };
    // A log is text whatever it contains: no guessing that it might be HTML.
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::REFERRER_POLICY, "no-referrer");
    set(header::CROSS_ORIGIN_RESOURCE_POLICY, "same-origin");
    set(header::CROSS_ORIGIN_OPENER_POLICY, "same-origin");
    // What never changes says so itself (the page's files); all else is of this moment.
    if !is_lasting {
        set(header::CACHE_CONTROL, "no-store");
    }
    headers.insert(header::CONTENT_SECURITY_POLICY, content_security_policy(ours.as_deref()));
    Ok(response)
}

/// Whether the request is the beginning of a WebSocket. Any other with an `Upgrade` stays what it
/// is, an upload for instance.
fn opens_socket(request: &ServiceRequest) -> bool {
    let upgrade = request.headers().get(header::UPGRADE).and_then(|value| value.to_str().ok());
    request.method() == Method::GET
        && upgrade.is_some_and(|names| names.to_ascii_lowercase().contains("websocket"))
}

/// With the WebSockets of this very server: not every browser takes them for `'self'`.
fn content_security_policy(host: Option<&str>) -> HeaderValue {
    let sockets = host.map(|host| format!(" ws://{host}")).unwrap_or_default();
    HeaderValue::from_str(&format!("{CONTENT_SECURITY_POLICY}{sockets}"))
        .unwrap_or(HeaderValue::from_static(CONTENT_SECURITY_POLICY))
}

/// `ours` becomes the name under which the server was asked, if that is one of its own.
async fn check(
    guard: &Guard,
    request: &ServiceRequest,
    ours: &mut Option<String>,
) -> Result<Entrance, ApiError> {
    let headers = request.headers();
    let connection = request.conn_data::<Connection>();
    let local = connection.map(|connection| connection.local);
    let host = one(headers, &header::HOST);
    let Some(host) = host.filter(|host| guard.hosts.allow(host, local)) else {
        return Err(host_refused(guard, host.unwrap_or_default(), local));
    };
    *ours = Some(host.to_string());
    let entrance = enter(guard, request, connection).await?;
    let upgrades = headers.contains_key(header::UPGRADE);
    let only_asks = [Method::GET, Method::HEAD, Method::OPTIONS].contains(request.method());
    if only_asks && !upgrades && !is_embedded_elsewhere(headers) {
        return Ok(entrance);
    }
    check_site(headers, host)?;
    if !only_asks {
        check_content_type(request.path(), headers)?;
    }
    Ok(entrance)
}

fn host_refused(guard: &Guard, name: &str, local: Option<SocketAddr>) -> ApiError {
    let message = format!("this server is not {name:?}; a web page of that name may be asking");
    let hint = match local {
        Some(local) => format!("Address it as http://{local} instead."),
        None => format!("Address it as http://{} instead.", guard.hosts.first()),
    };
    ApiError::new(StatusCode::FORBIDDEN, "host_refused", message, hint)
}

async fn enter(
    guard: &Guard,
    request: &ServiceRequest,
    connection: Option<&Connection>,
) -> Result<Entrance, ApiError> {
    if OPEN.contains(&request.path()) {
        return Ok(Entrance::Open);
    }
    let uid = match connection {
        Some(connection) => connection.uid().await,
        None => None,
    };
    if let Some(uid) = uid.filter(|uid| guard.users.contains(uid)) {
        return Ok(Entrance::User(uid));
    }
    match guard.token.presented(request.request()) {
        Some(true) => Ok(Entrance::Token),
        Some(false) => Err(ApiError::new(
            StatusCode::FORBIDDEN,
            "token_refused",
            "the token is not the one of this server",
            "A server that was started anew has a new token: use the link that it printed.",
        )),
        None => Err(ApiError::new(
            StatusCode::UNAUTHORIZED,
            "token_required",
            match uid {
                Some(uid) => format!("user {uid} of this machine needs the token to enter"),
                None => "who is not known to this server needs the token to enter".to_string(),
            },
            "Open the link that the server printed when it started, or send the header \
             Authorization: Bearer TOKEN.",
        )),
    }
}

/// Whether a page of another site loads this in its own background: it could read nothing of
/// it, but take up all the places for streams. To follow a link to us is another matter.
fn is_embedded_elsewhere(headers: &HeaderMap) -> bool {
    let foreign = one(headers, &SEC_FETCH_SITE)
        .is_some_and(|site| ["cross-site", "same-site"].contains(&site));
    foreign && one(headers, &SEC_FETCH_MODE) != Some("navigate")
}

/// Refuses changes, and WebSockets, that a page of another site asks for.
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
        "a page of another site asked for this",
        format!("Use the page at {ours}, or a program that is not a browser."),
    ))
}

/// What a body at this path must be declared as. None of it can be sent by a form.
fn body_type(path: &str) -> &'static str {
    match path.rsplit('/').next() {
        Some("content") => "application/octet-stream",
        Some("archive") => "application/x-tar",
        _ if path == "/api/images" => "application/x-tar",
        _ => "application/json",
    }
}

fn check_content_type(path: &str, headers: &HeaderMap) -> Result<(), ApiError> {
    let has_body = headers.contains_key(header::TRANSFER_ENCODING)
        || headers.get(header::CONTENT_LENGTH).is_some_and(|length| length != "0");
    let kind = one(headers, &header::CONTENT_TYPE).unwrap_or_default();
    // Parameters may follow, such as charset=utf-8.
    let essence = kind.split(';').next().unwrap_or_default().trim();
    let wanted = body_type(path);
    if !has_body || essence.eq_ignore_ascii_case(wanted) {
        return Ok(());
    }
    Err(ApiError::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported_media_type",
        format!("the body is declared as {kind:?}, not as {wanted}"),
        format!("Send the header Content-Type: {wanted}"),
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
    use actix_web::test::TestRequest;

    use super::*;

    /// Who is exempt from its pace holds its place for as long as it likes.
    #[test]
    fn nothing_but_a_web_socket_is_exempt_from_its_pace() {
        for (method, upgrade, is_socket) in [
            (Method::GET, Some("websocket"), true),
            (Method::GET, Some("WebSocket"), true),
            (Method::GET, Some("h2c"), false),
            (Method::GET, None, false),
            (Method::PUT, Some("websocket"), false),
            (Method::POST, Some("x"), false),
        ] {
            let mut request = TestRequest::default().method(method.clone());
            if let Some(upgrade) = upgrade {
                request = request.insert_header((header::UPGRADE, upgrade));
            }
            let request = request.to_srv_request();
            assert_eq!(opens_socket(&request), is_socket, "{method} {upgrade:?}");
        }
    }
}
