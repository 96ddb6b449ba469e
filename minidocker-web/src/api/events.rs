//! `/api/events`: what happens, as it happens, from where a client left off.

use std::collections::VecDeque;
use std::str::FromStr;
use std::sync::Arc;

use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use minidocker_rt::{Event, Events, Next};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::{Answer, read, resource};
use crate::app::App;
use crate::background::Background;
use crate::error::ApiError;
use crate::journal::{Told, is_about};
use crate::query::{Query, last_event_id};
use crate::sse::{self, Source};

/// So many events are given as a list, and read from the journal at a time.
const MOST: usize = 1000;

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config.service(resource("/api/events", "GET, HEAD").route(read().to(events)));
}

/// The largest id of an event that is taken: the largest whole number that every program reads
/// from JSON as it is.
pub(super) const LAST_ID: u64 = (1 << 53) - 1;

/// The id of an event.
struct EventId(u64);

impl FromStr for EventId {
    type Err = ();

    fn from_str(text: &str) -> Result<EventId, ()> {
        text.parse().ok().filter(|id| *id <= LAST_ID).map(EventId).ok_or(())
    }
}

async fn events(request: HttpRequest, app: web::Data<App>) -> Answer {
    let mut query = Query::of(&request)?;
    let since = query
        .take("since", "Give the id of an event; 0 is before the first that is kept.")?
        .map(|EventId(id)| id);
    let name: Option<String> = query.take("name", "Give the name of a container.")?;
    let follow = query.take::<bool>("follow", "Write follow=true or follow=false.")?;
    query.end()?;
    if follow == Some(false) {
        let runtime = app.runtime.clone();
        let events = app
            .work
            .quick(move || {
                let (mut events, _) = take(&mut runtime.events_since(since.unwrap_or(0))?)?;
                events.retain(|event| is_about(event, name.as_deref()));
                Ok(events)
            })
            .await?;
        return Ok(HttpResponse::Ok().json(events));
    }
    let place = app.streams.enter()?;
    // What a reconnecting browser says is newer than the query of the page that opened it.
    let since = match last_event_id(&request) {
        None => since,
        Some(id) => Some(id.parse().map(|EventId(id)| id).map_err(|()| {
            ApiError::invalid_query("the header Last-Event-ID is not the id of an event")
        })?),
    };
    let shared = app.clone();
    let listen = move || {
        // First the ear, then the past: so nothing falls between them.
        let live = shared.journal.listen()?;
        Ok((live, since.map(|id| shared.runtime.events_since(id)).transpose()?))
    };
    let (live, past) = app.work.quick(listen).await?;
    let past = past.map(|past| Background::new(past, |past| take(past).map_err(ApiError::from)));
    let source = Journal { past, live, ready: VecDeque::new(), told: since, name };
    Ok(sse::answer(place, source))
}

/// The next events of the journal, and whether there may be more.
fn take(events: &mut Events) -> Result<(Vec<Event>, bool), minidocker_rt::Error> {
    let mut taken = Vec::new();
    while taken.len() < MOST {
        match events.try_next()? {
            Next::Item(event) => taken.push(event),
            Next::NothingYet | Next::End => return Ok((taken, false)),
        }
    }
    Ok((taken, true))
}

/// The past, while there is some left, then the present.
struct Journal {
    past: Option<Background<Events, (Vec<Event>, bool)>>,
    live: Receiver<Arc<Told>>,
    ready: VecDeque<Event>,
    /// The id of the last event that was told: the past and the present overlap.
    told: Option<u64>,
    name: Option<String>,
}

impl Source for Journal {
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                self.told = Some(event.id);
                if is_about(&event, self.name.as_deref()) {
                    return Some(Told::from(event).message);
                }
                continue;
            }
            if let Some(past) = &mut self.past {
                match past.next().await {
                    Ok((events, more)) => {
                        self.ready.extend(events);
                        if !more {
                            self.past = None;
                        }
                    }
                    Err(error) => {
                        self.past = None;
                        return Some(sse::error(&error));
                    }
                }
                continue;
            }
            match self.live.recv().await {
                Ok(told) => {
                    let seen = self.told.is_some_and(|id| told.event.id <= id);
                    if !seen && is_about(&told.event, self.name.as_deref()) {
                        return Some(told.message.clone());
                    }
                }
                Err(RecvError::Lagged(count)) => return Some(sse::missed(count)),
                Err(RecvError::Closed) => return None,
            }
        }
    }
}
