//! Server-sent events: one long answer of small messages
//! (<https://html.spec.whatwg.org/multipage/server-sent-events.html>).
//!
//! Nobody waits for a client: each stream is polled by its own connection, and only when
//! the client has taken what was sent before. What is made meanwhile is either still there
//! (a log, a journal), or counted and told as missed, or replaced by something newer.

use std::fmt::Write;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::web::Bytes;
use futures_util::stream::unfold;
use serde::Serialize;
use serde_json::json;
use tokio::select;
use tokio::time::sleep;

use crate::error::ApiError;
use crate::streams::Place;

/// So often a silent stream says that it is there. Proxies and browsers give up on silent
/// connections, and only by writing does the server notice that a client's machine is gone.
const ALIVE: Duration = Duration::from_secs(15);

/// How soon an `EventSource` connects again, in milliseconds.
const RETRY: u32 = 1000;

/// Where the messages of a stream come from.
pub(crate) trait Source {
    /// Waits for what comes next; None at the end. Must lose nothing when it is dropped
    /// before it completes.
    async fn next(&mut self) -> Option<Bytes>;
}

/// Answers with all that comes from `source`, until it, the client or the server ends.
pub(crate) fn answer(place: Place, source: impl Source + 'static) -> HttpResponse {
    let begin = Bytes::from(format!("retry: {RETRY}\n\n"));
    let state = (place, source, Some(begin));
    let body = unfold(state, async |(mut place, mut source, begin)| {
        let bytes = match begin {
            // At once, so that the client knows that it is connected.
            Some(begin) => begin,
            None => select! {
                // Without this order, a busy source could keep a server from ending.
                biased;
                () = place.server_ends() => return None,
                bytes = source.next() => bytes?,
                () = sleep(ALIVE) => Bytes::from_static(b": still here\n\n"),
            },
        };
        Some((Ok::<_, actix_web::Error>(bytes), (place, source, None)))
    });
    HttpResponse::Ok().content_type("text/event-stream").streaming(Box::pin(body))
}

/// A message: what an `EventSource` gives to the listeners for `event`.
pub(crate) fn message(event: Option<&str>, id: Option<&str>, data: &impl Serialize) -> Bytes {
    // JSON has no line breaks but those in its white space, of which we write none.
    let data = serde_json::to_string(data).unwrap_or_default();
    let mut text = String::with_capacity(data.len() + 64);
    for (field, value) in [("id", id), ("event", event)] {
        if let Some(value) = value {
            let _ = writeln!(text, "{field}: {value}");
        }
    }
    let _ = write!(text, "data: {data}\n\n");
    text.into()
}

/// Tells a client that read too slowly how much it did not get.
pub(crate) fn missed(count: u64) -> Bytes {
    message(Some("missed"), None, &json!({"missed": count}))
}

/// The last message of a stream that failed.
pub(crate) fn error(error: &ApiError) -> Bytes {
    message(Some("error"), None, &error.body())
}
