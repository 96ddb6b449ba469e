//! How slow a client may be. It has some time, uses it up while we wait for it, and gets more
//! with each byte: so a large body may take hours, and one that trickles is given up.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::web::Bytes;
use futures_util::Stream;
use tokio::time::{Instant, Sleep, sleep_until};

/// The time that it has at first, and never more than that at once.
const MOST: Duration = Duration::from_secs(60);

/// So many bytes earn it a second.
const BYTES_A_SECOND: u64 = 8 << 10;

/// What a client has left of its time.
#[derive(Debug)]
pub(crate) struct Pace {
    left: Duration,
}

impl Pace {
    pub fn new() -> Pace {
        Pace { left: MOST }
    }

    /// For how long it may be waited for now.
    pub fn left(&self) -> Duration {
        self.left
    }

    /// It was waited for so long, and so many bytes went by.
    pub fn moved(&mut self, waited: Duration, bytes: usize) {
        let earned = Duration::from_millis(bytes as u64 * 1000 / BYTES_A_SECOND);
        self.left = self.left.saturating_sub(waited).saturating_add(earned).min(MOST);
    }
}

/// A body that must keep its pace.
pub(crate) struct Paced {
    body: Payload,
    pace: Pace,
    /// Since when we wait for the next bytes. Only this time counts: what we take to make
    /// something of those before is not the client's fault.
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl Paced {
    pub fn new(body: Payload) -> Paced {
        Paced { body, pace: Pace::new(), waiting: None }
    }
}

impl Stream for Paced {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if let Poll::Ready(piece) = Pin::new(&mut this.body).poll_next(context) {
            let waited = this.waiting.take().map_or(Duration::ZERO, |(since, _)| since.elapsed());
            let bytes = piece.as_ref().and_then(|piece| piece.as_ref().ok()).map_or(0, Bytes::len);
            this.pace.moved(waited, bytes);
            return Poll::Ready(piece);
        }
        let left = this.pace.left();
        let (_, timer) = this.waiting.get_or_insert_with(|| {
            let now = Instant::now();
            (now, Box::pin(sleep_until(now + left)))
        });
        match timer.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Some(Err(PayloadError::Io(too_slow())))),
            Poll::Pending => Poll::Pending,
        }
    }
}

/// Why it was given up.
pub(crate) fn too_slow() -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::TimedOut, "the rest did not come in time")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_used_up_by_waiting_and_earned_by_bytes() {
        let mut pace = Pace::new();
        pace.moved(Duration::from_secs(20), 0);
        assert_eq!(pace.left(), MOST - Duration::from_secs(20));
        pace.moved(Duration::ZERO, 10 * BYTES_A_SECOND as usize);
        assert_eq!(pace.left(), MOST - Duration::from_secs(10));
        pace.moved(Duration::ZERO, 1 << 30);
        assert_eq!(pace.left(), MOST, "nobody saves up");
        // A byte now and then earns nothing to speak of.
        let trickle = (0..).take_while(|_| {
            pace.moved(Duration::from_secs(1), 1);
            !pace.left().is_zero()
        });
        assert!(trickle.count() <= 61);
    }
}
