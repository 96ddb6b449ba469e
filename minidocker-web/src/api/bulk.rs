//! `/api/containers/bulk`: one action on several containers, with a result for each.

use std::sync::Arc;
use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, guard, web};
use futures_util::StreamExt;
use futures_util::stream;
use minidocker_rt::{Container, STOP_GRACE};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, Body, parsed};
use crate::app::App;
use crate::error::ApiError;
use crate::query::Query;
use crate::signal::Signal;

/// The results are kept until all are there, so there is a bound.
const MOST: usize = 10_000;

/// So many containers are worked on at once, for each request.
const AT_ONCE: usize = 8;

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    // A container may have this name too: only what cannot be meant for it is taken.
    config.service(
        web::resource("/api/containers/bulk").guard(guard::Post()).route(web::post().to(bulk)),
    );
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    action: Action,
    names: Vec<String>,
    /// Of stop and restart, in seconds.
    timeout: Option<u64>,
    /// Of kill.
    signal: Option<String>,
    /// Of delete.
    #[serde(default)]
    force: bool,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Action {
    Start,
    Stop,
    Restart,
    Pause,
    Resume,
    Kill,
    Delete,
}

/// An action with all that belongs to it.
struct Order {
    action: Action,
    grace: Duration,
    signal: Signal,
    force: bool,
}

async fn bulk(request: HttpRequest, app: web::Data<App>, body: Body) -> Answer {
    Query::of(&request)?.end()?;
    let Request { action, names, timeout, signal, force } = parsed(body)?;
    if names.is_empty() || names.len() > MOST {
        let message = format!("names: {} are given, and 1 to {MOST} are taken", names.len());
        return Err(
            ApiError::bad_request(message, "Send the others in another request.").at_field("names")
        );
    }
    let grace = match timeout {
        Some(seconds) if seconds > 3600 => {
            let hint = super::lifecycle::GracePeriod::HINT;
            return Err(ApiError::bad_request("timeout: too long", hint).at_field("timeout"));
        }
        Some(seconds) => Duration::from_secs(seconds),
        None => STOP_GRACE,
    };
    let signal = match signal {
        Some(text) => text.parse().map_err(|()| {
            let message = format!("signal: {text:?} is no signal");
            ApiError::bad_request(message, Signal::HINT).at_field("signal")
        })?,
        None => Signal::KILL,
    };
    let order = Arc::new(Order { action, grace, signal, force });
    let results: Vec<Value> = stream::iter(names)
        .map(|name| carry_out(&app, order.clone(), name))
        .buffered(AT_ONCE)
        .collect()
        .await;
    Ok(HttpResponse::Ok().json(json!({"results": results})))
}

async fn carry_out(app: &App, order: Arc<Order>, name: String) -> Value {
    let (runtime, of) = (app.runtime.clone(), name.clone());
    let by_force = order.force && matches!(order.action, Action::Delete);
    let carry_out = move || order.carry_out(runtime.get(&of)?);
    let done = match by_force {
        true => app.work.urgent(&name, carry_out).await,
        false => app.work.slow_of(&name, carry_out).await,
    };
    match done {
        Ok(status) => json!({"name": name, "ok": true, "status": status}),
        Err(error) => json!({"name": name, "ok": false, "error": error.inner()}),
    }
}

impl Order {
    /// Returns the state that the container is in then; None if it is deleted.
    fn carry_out(&self, container: Container) -> Result<Option<minidocker_rt::Status>, ApiError> {
        match self.action {
            Action::Start => container.start()?,
            Action::Stop => container.stop_within(self.grace)?,
            Action::Restart => container.restart_within(self.grace)?,
            Action::Pause => container.pause()?,
            Action::Resume => container.resume()?,
            Action::Kill => container.kill(self.signal.number())?,
            Action::Delete => {
                if self.force {
                    container.delete_force()?;
                } else {
                    container.delete()?;
                }
                return Ok(None);
            }
        }
        Ok(Some(container.status()?))
    }
}
