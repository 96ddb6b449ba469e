//! Work that may block: files, locks, a stop that takes seconds. It is done on threads apart
//! from those that serve requests, and there is a limit to how much of it is done at once,
//! so that no crowd of requests can use up this machine's threads.

use std::sync::Arc;
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

/// Archives on their way in or out, each as slow as its client.
const TRANSFERS: usize = 8;

/// How long work waits for its turn before the request is refused.
const PATIENCE: Duration = Duration::from_secs(5);

/// The places for work. Several kinds, so that many stops in their grace period do not keep
/// anybody from reading a log.
#[derive(Debug)]
pub(crate) struct Work {
    quick: Arc<Semaphore>,
    slow: Arc<Semaphore>,
    transfers: Arc<Semaphore>,
}

impl Work {
    pub fn new() -> Work {
        let places = |count| Arc::new(Semaphore::new(count));
        Work { quick: places(QUICK), slow: places(SLOW), transfers: places(TRANSFERS) }
    }

    /// Does what takes a moment.
    pub async fn quick<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        apart(turn(&self.quick).await?, work).await
    }

    /// Does what may take long.
    pub async fn slow<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        apart(turn(&self.slow).await?, work).await
    }

    /// Does what takes as long as a client does.
    pub async fn transfer<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        apart(turn(&self.transfers).await?, work).await
    }
}

async fn turn(places: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, ApiError> {
    match timeout(PATIENCE, places.clone().acquire_owned()).await {
        Ok(Ok(place)) => Ok(place),
        _ => Err(ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "busy",
            "so many operations are under way that this one got no turn",
            "Try again when some of them are done.",
        )
        .retry_after(1)),
    }
}

/// The place goes with the work: a client that does not wait for the answer frees no thread.
async fn apart<T: Send + 'static>(
    place: OwnedSemaphorePermit,
    work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    let work = move || {
        let _place = place;
        work()
    };
    web::block(work).await.unwrap_or_else(|_| Err(ApiError::internal()))
}
