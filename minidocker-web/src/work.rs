//! Work that may block: files, locks, a stop that takes seconds. It is done on threads apart
//! from those that serve requests, and there is a limit to how much of it is done at once,
//! so that no crowd of requests can use up this machine's threads.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::web;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::error::ApiError;

/// Reading and writing a few files: done in a moment.
const QUICK: usize = 32;

/// Starting, stopping and the like, which may take as long as a container does.
const SLOW: usize = 64;

/// Ending a container by force: never behind what a container can prolong.
const URGENT: usize = 32;

/// Archives on their way in or out, each as slow as its client.
const TRANSFERS: usize = 8;

/// Of each kind of place, one container has a fourth at most: what hangs on one of them does not
/// keep the others waiting.
const SHARE: usize = 4;

/// How long work waits for its turn before the request is refused.
const PATIENCE: Duration = Duration::from_secs(5);

/// The places for work. Several kinds, so that many stops in their grace period do not keep
/// anybody from reading a log.
#[derive(Debug)]
pub(crate) struct Work {
    quick: Places,
    slow: Places,
    urgent: Places,
    transfers: Places,
}

impl Work {
    pub fn new() -> Work {
        Work {
            quick: Places::new(QUICK),
            slow: Places::new(SLOW),
            urgent: Places::new(URGENT),
            transfers: Places::new(TRANSFERS),
        }
    }

    /// Does what takes a moment.
    pub async fn quick<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        apart(self.quick.turn(None).await?, work).await
    }

    /// Does what takes a moment, unless the container keeps it.
    pub async fn quick_of<T: Send + 'static>(
        &self,
        container: &str,
        work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        apart(self.quick.turn(Some(container)).await?, work).await
    }

    /// Does what may take long.
    pub async fn slow<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        apart(self.slow.turn(None).await?, work).await
    }

    /// Does what may take as long as the container likes.
    pub async fn slow_of<T: Send + 'static>(
        &self,
        container: &str,
        work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        apart(self.slow.turn(Some(container)).await?, work).await
    }

    /// Ends a container by force.
    pub async fn urgent<T: Send + 'static>(
        &self,
        container: &str,
        work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        apart(self.urgent.turn(Some(container)).await?, work).await
    }

    /// Does what takes as long as a client does.
    pub async fn transfer<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        apart(self.transfers.turn(None).await?, work).await
    }
}

/// The places of one kind.
#[derive(Debug)]
struct Places {
    all: Arc<Semaphore>,
    share: usize,
    /// The share of each container that has work under way.
    shares: Mutex<HashMap<String, Arc<Semaphore>>>,
}

/// What is held while work is done.
type Turn = (Option<OwnedSemaphorePermit>, OwnedSemaphorePermit);

impl Places {
    fn new(count: usize) -> Places {
        Places {
            all: Arc::new(Semaphore::new(count)),
            share: count / SHARE,
            shares: Mutex::new(HashMap::new()),
        }
    }

    fn share_of(&self, container: &str) -> Arc<Semaphore> {
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        // Those that nobody holds or waits for are as good as new.
        shares.retain(|name, share| name == container || Arc::strong_count(share) > 1);
        let new = || Arc::new(Semaphore::new(self.share));
        shares.entry(container.to_string()).or_insert_with(new).clone()
    }

    async fn turn(&self, container: Option<&str>) -> Result<Turn, ApiError> {
        let share = match container.map(|container| self.share_of(container)) {
            Some(share) => Some(acquire(share, "on this container").await?),
            None => None,
        };
        Ok((share, acquire(self.all.clone(), "here").await?))
    }
}

async fn acquire(places: Arc<Semaphore>, of: &str) -> Result<OwnedSemaphorePermit, ApiError> {
    match timeout(PATIENCE, places.acquire_owned()).await {
        Ok(Ok(place)) => Ok(place),
        _ => Err(ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "busy",
            format!("so many operations are under way {of} that this one got no turn"),
            "Try again when some of them are done.",
        )
        .retry_after(1)),
    }
}

/// The place goes with the work: a client that does not wait for the answer frees no thread.
async fn apart<T: Send + 'static>(
    turn: Turn,
    work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    let work = move || {
        let _turn = turn;
        work()
    };
    web::block(work).await.unwrap_or_else(|_| Err(ApiError::internal()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[actix_web::test]
    async fn what_hangs_on_one_container_keeps_no_other_waiting() {
        let places = Places::new(8);
        let held = [places.turn(Some("a")).await.unwrap(), places.turn(Some("a")).await.unwrap()];
        let moment = Duration::from_millis(50);
        assert!(timeout(moment, places.turn(Some("a"))).await.is_err(), "its share is used up");
        let others: Vec<_> = [Some("b"), Some("c"), None]
            .map(|of| timeout(moment, places.turn(of)))
            .into_iter()
            .collect();
        for other in others {
            assert!(other.await.unwrap().is_ok());
        }
        drop(held);
        assert!(places.turn(Some("a")).await.is_ok());
        assert!(places.turn(Some("b")).await.is_ok());
        assert_eq!(places.shares.lock().unwrap().len(), 1, "nothing is kept of the others");
    }
}
