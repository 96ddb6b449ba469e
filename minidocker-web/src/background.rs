//! A reader whose reading may block, used from where nothing may.

use actix_web::rt::task::{JoinHandle, spawn_blocking};

use crate::error::ApiError;

/// Reads on another thread, a piece at a time. Between two pieces no thread is used.
pub(crate) struct Background<R, T> {
    /// None while a thread has it.
    reader: Option<R>,
    read: fn(&mut R) -> Result<T, ApiError>,
    under_way: Option<JoinHandle<(R, Result<T, ApiError>)>>,
}

impl<R: Send + 'static, T: Send + 'static> Background<R, T> {
    pub fn new(reader: R, read: fn(&mut R) -> Result<T, ApiError>) -> Background<R, T> {
        Background { reader: Some(reader), read, under_way: None }
    }

    /// The next piece. Nothing is lost if this is dropped before it completes: the next call
    /// goes on with the same piece.
    pub async fn next(&mut self) -> Result<T, ApiError> {
        let under_way = match (&mut self.under_way, self.reader.take()) {
            (Some(under_way), _) => under_way,
            (empty, Some(mut reader)) => {
                let read = self.read;
                empty.insert(spawn_blocking(move || {
                    let piece = read(&mut reader);
                    (reader, piece)
                }))
            }
            // It panicked the last time.
            (None, None) => return Err(ApiError::internal()),
        };
        let ended = under_way.await;
        self.under_way = None;
        let (reader, piece) = ended.map_err(|_| ApiError::internal())?;
        self.reader = Some(reader);
        piece
    }
}
