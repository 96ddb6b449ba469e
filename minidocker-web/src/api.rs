//! The REST API: each route a short function over the library's own calls.

use std::str::FromStr;
use std::time::Duration;

use actix_web::error::PayloadError;
use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, Resource, Route, guard, web};
use jiff::Timestamp;
use minidocker_rt::{Container, ContainerSpec, Error, Runtime, STOP_GRACE};
use serde_json::{Value, json};

use crate::error::ApiError;
use crate::query::Query;

type Answer = Result<HttpResponse, ApiError>;

/// Far more than the words and variables of a sensible specification, and little
/// enough that many at once do no harm.
const LARGEST_BODY: usize = 1 << 20;

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config
        .app_data(web::PayloadConfig::new(LARGEST_BODY))
        .service(resource("/healthz", "GET, HEAD").route(read().to(health)))
        .service(resource("/api/backend", "GET, HEAD").route(read().to(backend)))
        .service(
            resource("/api/containers", "GET, HEAD, POST")
                .route(read().to(list))
                .route(web::post().to(create)),
        )
        .service(
            resource("/api/containers/{name}", "GET, HEAD, DELETE")
                .route(read().to(inspect))
                .route(web::delete().to(delete)),
        )
        .service(resource("/api/containers/{name}/start", "POST").route(web::post().to(start)))
        .service(resource("/api/containers/{name}/stop", "POST").route(web::post().to(stop)))
        .service(resource("/api/containers/{name}/restart", "POST").route(web::post().to(restart)))
        .service(resource("/api/containers/{name}/logs", "GET, HEAD").route(read().to(logs)))
        .service(resource("/api/containers/{name}/plan", "GET, HEAD").route(read().to(plan)))
        .service(resource("/api/containers/{name}/trace", "GET, HEAD").route(read().to(trace)))
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

async fn health(request: HttpRequest) -> Answer {
    Query::of(&request)?.end()?;
    Ok(HttpResponse::Ok().json(json!({"status": "ok", "version": env!("CARGO_PKG_VERSION")})))
}

async fn backend(request: HttpRequest, runtime: web::Data<Runtime>) -> Answer {
    Query::of(&request)?.end()?;
    let chosen = runtime.backend();
    Ok(HttpResponse::Ok().json(json!({
        "kind": chosen.kind,
        "reason": chosen.reason,
        "capabilities": runtime.capabilities(),
    })))
}

async fn list(request: HttpRequest, runtime: web::Data<Runtime>) -> Answer {
    Query::of(&request)?.end()?;
    let containers = apart(move || Ok(listed(&runtime)?)).await?;
    Ok(HttpResponse::Ok().json(containers))
}

/// All containers; one that cannot be read is reduced to its name and the reason.
fn listed(runtime: &Runtime) -> Result<Vec<Value>, Error> {
    let mut listed = Vec::new();
    for name in runtime.names()? {
        match runtime.get(name.as_str()).and_then(|container| container.inspect()) {
            Ok(info) => listed.push(json!(info)),
            // Deleted since.
            Err(Error::NotFound { .. }) => {}
            Err(error) => {
                let reason = error.to_string();
                listed.push(json!({"name": name, "status": "error", "reason": reason}));
            }
        }
    }
    Ok(listed)
}

async fn create(
    request: HttpRequest,
    runtime: web::Data<Runtime>,
    body: Result<web::Bytes, actix_web::Error>,
) -> Answer {
    Query::of(&request)?.end()?;
    let body = body.map_err(unreadable_body)?;
    let info =
        apart(move || Ok(runtime.create(ContainerSpec::from_json(&body)?)?.inspect()?)).await?;
    // A name consists of characters that need no escaping in a URL.
    let location = format!("/api/containers/{}", info.name);
    Ok(HttpResponse::Created().insert_header((header::LOCATION, location)).json(info))
}

fn unreadable_body(error: actix_web::Error) -> ApiError {
    match error.as_error::<PayloadError>() {
        Some(PayloadError::Overflow) => ApiError::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body_too_large",
            format!("the body has more than {LARGEST_BODY} bytes"),
            "Give large data to a container in a volume.",
        ),
        _ => ApiError::new(
            StatusCode::BAD_REQUEST,
            "bad_request",
            format!("the body cannot be read: {error}"),
            "Send all of the body, and its length.",
        ),
    }
}

async fn inspect(request: HttpRequest, runtime: web::Data<Runtime>) -> Answer {
    Query::of(&request)?.end()?;
    then_inspect(request, runtime, |_| Ok(())).await
}

async fn start(request: HttpRequest, runtime: web::Data<Runtime>) -> Answer {
    Query::of(&request)?.end()?;
    then_inspect(request, runtime, Container::start).await
}

/// How long a stop may wait, as `?timeout=` gives it: whole seconds, up to an hour.
struct GracePeriod(Duration);

impl FromStr for GracePeriod {
    type Err = ();

    fn from_str(text: &str) -> Result<GracePeriod, ()> {
        let seconds = text.parse().ok().filter(|seconds| *seconds <= 3600).ok_or(())?;
        Ok(GracePeriod(Duration::from_secs(seconds)))
    }
}

async fn stop(request: HttpRequest, runtime: web::Data<Runtime>) -> Answer {
    const HINT: &str = "Give a whole number of seconds, 3600 at most; 0 kills at once.";
    let mut query = Query::of(&request)?;
    let GracePeriod(grace) = query.take("timeout", HINT)?.unwrap_or(GracePeriod(STOP_GRACE));
    query.end()?;
    then_inspect(request, runtime, move |container| container.stop_within(grace)).await
}

async fn restart(request: HttpRequest, runtime: web::Data<Runtime>) -> Answer {
    Query::of(&request)?.end()?;
    then_inspect(request, runtime, Container::restart).await
}

async fn delete(request: HttpRequest, runtime: web::Data<Runtime>) -> Answer {
    let mut query = Query::of(&request)?;
    let force = query.flag("force")?;
    query.end()?;
    let name = name_in(&request);
    apart(move || {
        let container = runtime.get(&name)?;
        Ok(if force { container.delete_force() } else { container.delete() }?)
    })
    .await?;
    Ok(HttpResponse::NoContent().finish())
}

async fn logs(request: HttpRequest, runtime: web::Data<Runtime>) -> Answer {
    let mut query = Query::of(&request)?;
    let tail: Option<u32> = query.take("tail", "Give a whole number of lines, e.g. tail=100.")?;
    let since: Option<Timestamp> =
        query.take("since", "Give an RFC 3339 time, e.g. since=2030-01-31T12:00:00Z.")?;
    let timestamps = query.flag("timestamps")?;
    let raw = query.flag("raw")?;
    query.end()?;
    let name = name_in(&request);
    let text = apart(move || {
        let mut logs = runtime.get(&name)?.logs()?.timestamps(timestamps);
        if let Some(lines) = tail {
            logs = logs.tail(lines as usize);
        }
        if let Some(time) = since {
            logs = logs.since(time);
        }
        Ok(if raw { logs.read()? } else { logs.render()?.into_bytes() })
    })
    .await?;
    Ok(HttpResponse::Ok().content_type("text/plain; charset=utf-8").body(text))
}

async fn plan(request: HttpRequest, runtime: web::Data<Runtime>) -> Answer {
    Query::of(&request)?.end()?;
    let name = name_in(&request);
    let plan = apart(move || Ok(runtime.get(&name)?.plan()?)).await?;
    Ok(HttpResponse::Ok().json(plan))
}

async fn trace(request: HttpRequest, runtime: web::Data<Runtime>) -> Answer {
    Query::of(&request)?.end()?;
    let name = name_in(&request);
    let trace =
        apart(move || runtime.get(&name)?.trace()?.ok_or_else(|| ApiError::never_started(&name)))
            .await?;
    Ok(HttpResponse::Ok().json(trace))
}

/// The `{name}` of the path, decoded. Whether it can be a name, the library decides.
fn name_in(request: &HttpRequest) -> String {
    request.match_info().query("name").to_string()
}

/// Does something with a container, and answers with what it is then.
async fn then_inspect(
    request: HttpRequest,
    runtime: web::Data<Runtime>,
    operation: impl FnOnce(&Container) -> Result<(), Error> + Send + 'static,
) -> Answer {
    let name = name_in(&request);
    let info = apart(move || {
        let container = runtime.get(&name)?;
        operation(&container)?;
        Ok(container.inspect()?)
    })
    .await?;
    Ok(HttpResponse::Ok().json(info))
}

/// Does work that may block (files, locks, a stop that takes seconds) on a thread
/// apart from those that serve all the other requests.
async fn apart<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    web::block(work).await.unwrap_or_else(|_| Err(ApiError::internal()))
}
