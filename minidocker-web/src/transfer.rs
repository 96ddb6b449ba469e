//! Archives on their way in and out, of any size: between a body, which comes and goes in
//! pieces and without blocking, and the library, which reads and writes as with a file.
//!
//! A few pieces wait between the two; whoever is faster waits for the other. A client that
//! moves too slowly loses its place.

use std::io::{self, ErrorKind, Read, Write};
use std::time::Instant;

use actix_web::web::{self, Bytes, Payload};
use actix_web::{HttpResponse, HttpResponseBuilder};
use futures_util::StreamExt;
use futures_util::stream::unfold;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::timeout;

use crate::app::App;
use crate::error::ApiError;
use crate::pace::Pace;

/// So many pieces wait.
const WAITING: usize = 4;

/// The size of a piece on its way out.
const PIECE: usize = 64 << 10;

/// Gives the body to `take`, which reads it as a file, on a thread of its own.
pub(crate) async fn receive<T: Send + 'static>(
    app: &web::Data<App>,
    mut body: Payload,
    take: impl FnOnce(&mut dyn Read) -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    let (sender, pieces) = channel(WAITING);
    let taken = app.work.transfer(move || take(&mut Incoming { pieces, piece: Bytes::new() }));
    let given = async move {
        // Who sends too slowly is given up by the body itself.
        while let Some(piece) = body.next().await {
            let piece = piece.map_err(|error| io::Error::other(error.to_string()));
            let last = piece.is_err();
            // An error means that nobody reads any more: the result says why.
            if sender.send(piece).await.is_err() || last {
                break;
            }
        }
    };
    let (taken, ()) = tokio::join!(taken, given);
    taken
}

/// A body, read as a file.
struct Incoming {
    pieces: Receiver<io::Result<Bytes>>,
    piece: Bytes,
}

impl Read for Incoming {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.pieces.blocking_recv() {
                Some(piece) => self.piece = piece?,
                None => return Ok(0),
            }
        }
        let count = self.piece.len().min(buffer.len());
        buffer[..count].copy_from_slice(&self.piece.split_to(count));
        Ok(count)
    }
}

/// Answers with what `give` writes as into a file, on a thread of its own. If it fails before
/// it has written anything, that is the answer; later, the body is broken off.
pub(crate) async fn send(
    app: &web::Data<App>,
    mut answer: HttpResponseBuilder,
    give: impl FnOnce(&mut dyn Write) -> Result<(), ApiError> + Send + 'static,
) -> Result<HttpResponse, ApiError> {
    let (sender, mut pieces) = channel(WAITING);
    let shared = app.clone();
    let given = actix_web::rt::spawn(async move {
        let give = move || {
            let mut out = Outgoing { sender, piece: Vec::with_capacity(PIECE), pace: Pace::new() };
            give(&mut out)?;
            out.flush().map_err(|error| ApiError::not_taken(&error))
        };
        shared.work.transfer(give).await
    });
    let first: Option<Bytes> = pieces.recv().await;
    if first.is_none() {
        given.await.unwrap_or_else(|_| Err(ApiError::internal()))?;
        return Ok(answer.finish());
    }
    let body = unfold((first, pieces, Some(given)), async |(first, mut pieces, mut given)| {
        let piece = match first {
            Some(piece) => Some(piece),
            None => pieces.recv().await,
        };
        if let Some(piece) = piece {
            return Some((Ok(piece), (None, pieces, given)));
        }
        // Only an end that was meant may look like one.
        match given.take()?.await.unwrap_or_else(|_| Err(ApiError::internal())) {
            Ok(()) => None,
            Err(error) => Some((Err(actix_web::Error::from(error)), (None, pieces, None))),
        }
    });
    Ok(answer.streaming(Box::pin(body)))
}

/// A body, written as a file.
struct Outgoing {
    sender: Sender<Bytes>,
    piece: Vec<u8>,
    pace: Pace,
}

impl Write for Outgoing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let piece = Bytes::from(std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE)));
        if piece.is_empty() {
            return Ok(());
        }
        let (began, bytes) = (Instant::now(), piece.len());
        match Handle::current().block_on(timeout(self.pace.left(), self.sender.send(piece))) {
            Ok(Ok(())) => {
                self.pace.moved(began.elapsed(), bytes);
                Ok(())
            }
            Ok(Err(_)) => Err(ErrorKind::BrokenPipe.into()),
            Err(_) => Err(ErrorKind::TimedOut.into()),
        }
    }
}
