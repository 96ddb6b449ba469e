//! `/api/containers/{name}/stats`: what a container uses, once or every second.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use minidocker_rt::{Container, Stats, Status};
use serde_json::json;
use tokio::sync::watch::Receiver;
use tokio::time::sleep;

use super::{Answer, name_in, read, resource};
use crate::app::App;
use crate::error::ApiError;
use crate::live::Sample;
use crate::query::Query;
use crate::sse::{self, Source};

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config.service(resource("/api/containers/{name}/stats", "GET, HEAD").route(read().to(stats)));
}

/// The time over which the CPU percentage is taken, in seconds.
struct Window(Duration);

impl FromStr for Window {
    type Err = ();

    fn from_str(text: &str) -> Result<Window, ()> {
        let seconds: f64 = text.parse().map_err(|_| ())?;
        (0.0..=10.0).contains(&seconds).then(|| Window(Duration::from_secs_f64(seconds))).ok_or(())
    }
}

/// Every how many seconds a client wants a sample.
struct Every(u32);

impl FromStr for Every {
    type Err = ();

    fn from_str(text: &str) -> Result<Every, ()> {
        text.parse().ok().filter(|seconds| (1..=3600).contains(seconds)).map(Every).ok_or(())
    }
}

async fn stats(request: HttpRequest, app: web::Data<App>) -> Answer {
    let mut query = Query::of(&request)?;
    let window = query.take("window", "Give seconds from 0 to 10, e.g. window=0.5.")?;
    let every = query.take("interval", "Give whole seconds from 1 to 3600.")?;
    let follow = query.flag("follow")?;
    query.end()?;
    for (given, field, with) in [
        (window.is_some() && follow, "window", "false"),
        (every.is_some() && !follow, "interval", "true"),
    ] {
        if given {
            let message = format!("{field} goes with follow={with}");
            return Err(ApiError::invalid_query(message).at_field(field));
        }
    }
    let name = name_in(&request);
    if follow {
        let Every(every) = every.unwrap_or(Every(1));
        return self::follow(&app, name, every).await;
    }
    let Window(window) = window.unwrap_or(Window(Duration::from_millis(200)));
    let earlier = app.look(name, |container| Ok((container.clone(), container.stats()?))).await?;
    let stats = match earlier {
        (container, earlier) if earlier.status.is_alive() && !window.is_zero() => {
            sleep(window).await;
            let later = app.work.quick(move || Ok(container.stats()?)).await?;
            with_percentage(later, &earlier)
        }
        (_, stats) => stats,
    };
    Ok(HttpResponse::Ok().json(stats))
}

fn with_percentage(mut stats: Stats, earlier: &Stats) -> Stats {
    stats.cpu.percent = stats.cpu_percent_since(earlier);
    stats
}

async fn follow(app: &web::Data<App>, name: String, every: u32) -> Answer {
    let place = app.streams.enter()?;
    let live = app.live.clone();
    let (container, first, samples) = {
        let runtime = app.runtime.clone();
        let name = name.clone();
        app.work
            .quick(move || {
                let container = runtime.get(&name)?;
                let first = container.stats()?;
                Ok((container, first, live.follow_samples()?))
            })
            .await?
    };
    let source = OwnStats {
        app: app.clone(),
        container,
        samples,
        every,
        last: first.status,
        first: Some(first),
        over: false,
    };
    Ok(sse::answer(place, source))
}

/// One container's part of the samples that are taken for all.
struct OwnStats {
    app: web::Data<App>,
    container: Container,
    samples: Receiver<Arc<Sample>>,
    every: u32,
    first: Option<Stats>,
    last: Status,
    over: bool,
}

impl Source for OwnStats {
    async fn next(&mut self) -> Option<Bytes> {
        if self.over {
            return None;
        }
        if let Some(first) = self.first.take() {
            return Some(sse::message(None, None, &first));
        }
        if self.last.is_alive() {
            for _ in 0..self.every {
                // An error means that the server ends.
                self.samples.changed().await.ok()?;
                let sample = self.samples.borrow_and_update().clone();
                let stats = sample.stats(self.name()).cloned();
                let Some(stats) = stats.filter(|stats| stats.status.is_alive()) else {
                    return Some(self.end().await);
                };
                self.last = stats.status;
            }
            let stats = self.samples.borrow().stats(self.name()).cloned()?;
            return Some(sse::message(None, None, &stats));
        }
        Some(self.end().await)
    }
}

impl OwnStats {
    fn name(&self) -> &str {
        self.container.name().as_str()
    }

    async fn end(&mut self) -> Bytes {
        let container = self.container.clone();
        // One that was deleted has no state any more.
        let status = self.app.work.quick(move || Ok(container.status()?)).await.ok();
        self.over = true;
        sse::message(Some("end"), None, &json!({"status": status}))
    }
}
