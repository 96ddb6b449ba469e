//! `/api/live`: the list, kept up to date.

use actix_web::HttpRequest;
use actix_web::web::{self, Bytes};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::{Answer, read, resource};
use crate::app::App;
use crate::background::Background;
use crate::error::ApiError;
use crate::live::Live;
use crate::query::Query;
use crate::sse::{self, Source};

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config.service(resource("/api/live", "GET, HEAD").route(read().to(live)));
}

async fn live(request: HttpRequest, app: web::Data<App>) -> Answer {
    Query::of(&request)?.end()?;
    let place = app.streams.enter()?;
    let whole = Background::new(app.live.clone(), |live| live.follow());
    Ok(sse::answer(place, LiveList { whole, changes: None, missed: 0 }))
}

/// The whole list first, and again after a gap; the changes in between.
struct LiveList {
    whole: Background<Live, (Bytes, Receiver<Bytes>)>,
    changes: Option<Receiver<Bytes>>,
    /// How many messages were missed before the list that comes next.
    missed: u64,
}

impl Source for LiveList {
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(changes) = &mut self.changes {
            match changes.recv().await {
                Ok(message) => return Some(message),
                Err(RecvError::Closed) => return None,
                Err(RecvError::Lagged(count)) => {
                    self.missed = count;
                    self.changes = None;
                }
            }
        }
        if self.missed > 0 {
            return Some(sse::missed(std::mem::take(&mut self.missed)));
        }
        Some(match self.whole.next().await {
            Ok((list, changes)) => {
                self.changes = Some(changes);
                list
            }
            Err(error) => self.pause_after(&error).await,
        })
    }
}

impl LiveList {
    /// It will be tried again, but not in a circle.
    async fn pause_after(&self, error: &ApiError) -> Bytes {
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        sse::error(error)
    }
}
