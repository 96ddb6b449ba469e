//! The streams that are open: how many there may be, and their end with the server's.

use std::sync::Arc;

use actix_web::http::StatusCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::error::ApiError;

/// More than a class of thirty with several views each, and few enough that their buffers
/// do not matter.
pub(crate) const MOST: usize = 512;

/// Counts streams and WebSockets.
#[derive(Debug, Clone)]
pub(crate) struct Streams {
    places: Arc<Semaphore>,
    ending: watch::Receiver<bool>,
}

/// The place of an open stream; it is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    _place: OwnedSemaphorePermit,
    ending: watch::Receiver<bool>,
}

impl Streams {
    /// Streams that end when `ending` becomes true.
    pub fn new(ending: watch::Receiver<bool>) -> Streams {
        Streams { places: Arc::new(Semaphore::new(MOST)), ending }
    }

    pub fn open(&self) -> usize {
        MOST - self.places.available_permits()
    }

    pub fn enter(&self) -> Result<Place, ApiError> {
        match self.places.clone().try_acquire_owned() {
            Ok(place) => Ok(Place { _place: place, ending: self.ending.clone() }),
            Err(_) => Err(ApiError::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too_many_streams",
                format!("{MOST} live streams are open already"),
                "Close some: pages in other tabs, or programs that follow logs.",
            )
            .retry_after(5)),
        }
    }
}

impl Place {
    /// Completes when the server is asked to end. May be called again and again.
    pub async fn server_ends(&mut self) {
        // An error means that the sender is gone, and the server with it.
        let _ = self.ending.wait_for(|ending| *ending).await;
    }
}
