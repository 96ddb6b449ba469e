//! The REST API: each route a short function over the library's own calls. A file here is
//! one concept of the API.

mod archive;
mod attach;
mod bulk;
mod config;
mod containers;
mod diff;
mod disk;
mod events;
mod exec;
mod experiments;
mod files;
mod health;
mod images;
mod lifecycle;
mod live;
mod logs;
mod metrics;
mod networks;
mod openapi;
mod plan;
mod session;
mod stats;
mod system;
mod templates;
mod terminal;
mod validate;
mod xray;

use actix_web::error::PayloadError;
use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, Resource, Route, guard, web};
use minidocker_rt::Container;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::app::App;
use crate::error::ApiError;
use crate::view::{Usage, View};

type Answer = Result<HttpResponse, ApiError>;

/// JSON as long as a container makes it. It is written where it is looked up, apart and within
/// the places for that: the few threads that serve requests would all stand still for it.
struct Json(Vec<u8>);

impl Json {
    fn of(value: &impl Serialize) -> Json {
        // Only a map whose keys are no text could fail.
        Json(serde_json::to_vec(value).unwrap_or_default())
    }

    fn answer(self, mut answer: HttpResponseBuilder) -> HttpResponse {
        answer.content_type(header::ContentType::json()).body(self.0)
    }
}

/// What a handler gets of a body.
type Body = Result<web::Bytes, actix_web::Error>;

/// All the words and variables that the kernel takes (6 MiB), and little enough that many at
/// once do no harm.
const LARGEST_BODY: usize = 8 << 20;

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config
        .app_data(web::PayloadConfig::new(LARGEST_BODY))
        .configure(health::routes)
        .configure(session::routes)
        .configure(system::routes)
        .configure(disk::routes)
        .configure(templates::routes)
        .configure(images::routes)
        .configure(networks::routes)
        .configure(events::routes)
        .configure(live::routes)
        .configure(experiments::routes)
        .configure(metrics::routes)
        .configure(openapi::routes)
        // Before the routes of single containers, which may have any name.
        .configure(bulk::routes)
        .configure(validate::routes)
        .configure(config::routes)
        .configure(containers::routes)
        .configure(lifecycle::routes)
        .configure(logs::routes)
        .configure(stats::routes)
        .configure(exec::routes)
        .configure(terminal::routes)
        .configure(attach::routes)
        .configure(plan::routes)
        .configure(xray::routes)
        .configure(diff::routes)
        .configure(files::routes)
        .configure(archive::routes)
        .default_service(web::to(|request: HttpRequest| async move {
            Answer::Err(ApiError::no_such_path(request.path()))
        }));
}

/// A path; any method but those in `allow` is refused.
pub(crate) fn resource(path: &str, allow: &'static str) -> Resource {
    web::resource(path).default_service(web::to(move |request: HttpRequest| async move {
        Answer::Err(ApiError::method_not_allowed(request.method(), request.path(), allow))
    }))
}

/// A request that only asks.
pub(crate) fn read() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

/// The `{name}` of the path, decoded. Whether it can be a name, the library decides.
fn name_in(request: &HttpRequest) -> String {
    request.match_info().query("name").to_string()
}

/// The whole body, if it could be read.
fn whole(body: Body) -> Result<web::Bytes, ApiError> {
    body.map_err(|error| match error.as_error::<PayloadError>() {
        Some(PayloadError::Overflow) => too_large(LARGEST_BODY),
        _ => ApiError::bad_request(
            format!("the body cannot be read: {error}"),
            "Send all of the body, and its length.",
        ),
    })
}

fn too_large(most: usize) -> ApiError {
    ApiError::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "body_too_large",
        format!("the body has more than {most} bytes"),
        "Give large data to a container in a volume.",
    )
}

/// A body of our own form; serde's message names the field.
fn parsed<T: DeserializeOwned>(body: Body) -> Result<T, ApiError> {
    serde_json::from_slice(&whole(body)?).map_err(|error| {
        ApiError::bad_request(
            format!("the body is not what is taken here: {error}"),
            "The page /api/docs shows what is.",
        )
    })
}

/// The text of a container, with what it uses now. May block for a moment.
fn describe(app: &App, container: &Container) -> Result<String, ApiError> {
    let info = container.inspect()?;
    let usage = if info.status.is_alive() {
        let mut stats = container.stats()?;
        stats.cpu.percent = app.live.last_cpu_percent(&info.name);
        Usage::of(&stats)
    } else {
        None
    };
    View::of(&info).with_usage(usage.as_ref()).map_err(|_| ApiError::internal())
}

/// An answer whose JSON is written already.
fn json_text(status: StatusCode, text: String) -> HttpResponse {
    HttpResponse::build(status).content_type("application/json").body(text)
}

/// Answers with a container that was just made, and with its place.
fn created(container: &str, name: &str) -> HttpResponse {
    HttpResponse::Created()
        // A name consists of characters that need no escaping in a URL.
        .insert_header((header::LOCATION, format!("/api/containers/{name}")))
        .content_type("application/json")
        .body(container.to_string())
}
