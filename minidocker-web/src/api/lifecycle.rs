//! `/api/containers/{name}/start` and the other operations of a container's life.

use std::str::FromStr;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, web};
use minidocker_rt::{Container, Error, STOP_GRACE};

use super::{Answer, describe, json_text, name_in, resource};
use crate::app::App;
use crate::error::ApiError;
use crate::query::Query;
use crate::signal::Signal;

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    let operation = |name: &str| resource(&format!("/api/containers/{{name}}/{name}"), "POST");
    config
        .service(operation("start").route(web::post().to(start)))
        .service(operation("stop").route(web::post().to(stop)))
        .service(operation("restart").route(web::post().to(restart)))
        .service(operation("kill").route(web::post().to(kill)))
        .service(operation("pause").route(web::post().to(pause)))
        .service(operation("resume").route(web::post().to(resume)))
        .service(operation("rename").route(web::post().to(rename)));
}

/// How long a stop may wait, as `?timeout=` gives it: whole seconds, up to an hour.
pub(super) struct GracePeriod(pub Duration);

impl GracePeriod {
    pub const HINT: &str = "Give a whole number of seconds, 3600 at most; 0 kills at once.";

    fn take(query: &mut Query) -> Result<Duration, ApiError> {
        Ok(query.take("timeout", GracePeriod::HINT)?.map_or(STOP_GRACE, |GracePeriod(time)| time))
    }
}

impl FromStr for GracePeriod {
    type Err = ();

    fn from_str(text: &str) -> Result<GracePeriod, ()> {
        let seconds = text.parse().ok().filter(|seconds| *seconds <= 3600).ok_or(())?;
        Ok(GracePeriod(Duration::from_secs(seconds)))
    }
}

async fn start(request: HttpRequest, app: web::Data<App>) -> Answer {
    Query::of(&request)?.end()?;
    then_inspect(request, app, Container::start).await
}

async fn stop(request: HttpRequest, app: web::Data<App>) -> Answer {
    let mut query = Query::of(&request)?;
    let grace = GracePeriod::take(&mut query)?;
    query.end()?;
    then_inspect(request, app, move |container| container.stop_within(grace)).await
}

async fn restart(request: HttpRequest, app: web::Data<App>) -> Answer {
    let mut query = Query::of(&request)?;
    let grace = GracePeriod::take(&mut query)?;
    query.end()?;
    then_inspect(request, app, move |container| container.restart_within(grace)).await
}

async fn kill(request: HttpRequest, app: web::Data<App>) -> Answer {
    let mut query = Query::of(&request)?;
    let signal = query.take("signal", Signal::HINT)?.unwrap_or(Signal::KILL);
    query.end()?;
    then_inspect(request, app, move |container| container.kill(signal.number())).await
}

async fn pause(request: HttpRequest, app: web::Data<App>) -> Answer {
    Query::of(&request)?.end()?;
    then_inspect(request, app, Container::pause).await
}

async fn resume(request: HttpRequest, app: web::Data<App>) -> Answer {
    Query::of(&request)?.end()?;
    then_inspect(request, app, Container::resume).await
}

async fn rename(request: HttpRequest, app: web::Data<App>) -> Answer {
    let name = name_in(&request);
    app.look(name.clone(), |_| Ok(())).await?;
    Err(ApiError::new(
        StatusCode::CONFLICT,
        "immutable",
        format!("container {name:?} keeps its name: containers are immutable"),
        format!(
            "Duplicate it under another name: GET /api/containers/{name}/export, then POST it to \
             /api/containers/import?name=OTHER."
        ),
    ))
}

/// Does something with a container, and answers with what it is then.
async fn then_inspect(
    request: HttpRequest,
    app: web::Data<App>,
    operation: impl FnOnce(&Container) -> Result<(), Error> + Send + 'static,
) -> Answer {
    let (shared, name) = (app.clone(), name_in(&request));
    let of = name.clone();
    let text = app
        .work
        .slow_of(&of, move || {
            let container = shared.runtime.get(&name)?;
            operation(&container)?;
            describe(&shared, &container)
        })
        .await?;
    Ok(json_text(StatusCode::OK, text))
}
