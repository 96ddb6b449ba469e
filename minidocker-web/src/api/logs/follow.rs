//! The log as it comes: batches of lines, resumable.

use std::str::FromStr;

use actix_web::HttpRequest;
use actix_web::web::{self, Bytes};
use jiff::Timestamp;
use minidocker_rt::{Container, Follow, LogEntry, Next};
use serde_json::json;

use super::{Line, Part, why_empty};
use crate::api::{Answer, name_in};
use crate::app::App;
use crate::background::Background;
use crate::error::ApiError;
use crate::query::last_event_id;
use crate::readable::Readable;
use crate::sse::{self, Source};

/// So many lines and so many bytes are sent as one message at most.
const MOST_LINES: usize = 500;
const MOST_BYTES: usize = 64 << 10;

pub(super) async fn follow(request: &HttpRequest, app: &web::Data<App>, part: Part) -> Answer {
    let place = app.streams.enter()?;
    let resumed = match last_event_id(request) {
        None => None,
        Some(id) => Some(id.parse::<LineId>().map_err(|()| {
            ApiError::invalid_query("the header Last-Event-ID is not the id of a line")
        })?),
    };
    let goes_on = resumed.is_some() || part.since.is_some();
    let (container, follow, dropped) = app
        .look(name_in(request), move |container| {
            let logs = match resumed {
                // The lines of that very moment are read again, to be counted.
                Some(id) => Part { since: Some(id.time), tail: None, ..part }.of(container.logs()?),
                None => part.of(container.logs()?),
            };
            let dropped = if goes_on { 0 } else { logs.dropped_bytes()? };
            Ok((container.clone(), logs.follow()?, dropped))
        })
        .await?;
    let readable = Readable::of(&follow).map_err(|error| ApiError::not_watched(&error))?;
    let reader = Reader { container, follow, skip: resumed };
    let lines = Background::new(reader, Reader::next_batch);
    let last = resumed;
    let lines = LogLines { lines, readable, last, dropped, told: false, over: false };
    Ok(sse::answer(place, lines))
}

/// A line's place in the log: its time, and which of the lines of that time it is. A clock
/// may be too coarse to tell two lines apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct LineId {
    time: Timestamp,
    number: u32,
}

impl LineId {
    /// Of a line with this time that comes after the one with the id `last`.
    fn after(last: Option<LineId>, time: Timestamp) -> LineId {
        match last {
            Some(last) if last.time == time => LineId { time, number: last.number + 1 },
            _ => LineId { time, number: 1 },
        }
    }
}

impl FromStr for LineId {
    type Err = ();

    fn from_str(text: &str) -> Result<LineId, ()> {
        let (time, number) = text.split_once('/').ok_or(())?;
        Ok(LineId { time: time.parse().map_err(|_| ())?, number: number.parse().map_err(|_| ())? })
    }
}

impl std::fmt::Display for LineId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.9}/{}", self.time, self.number)
    }
}

/// What a look at the log finds.
enum Found {
    Lines(Vec<LogEntry>),
    NothingYet,
    End(serde_json::Value),
}

struct Reader {
    container: Container,
    follow: Follow,
    /// The lines up to this one were told before.
    skip: Option<LineId>,
}

impl Reader {
    fn next_batch(&mut self) -> Result<Found, ApiError> {
        let (mut lines, mut bytes) = (Vec::new(), 0);
        while lines.len() < MOST_LINES && bytes < MOST_BYTES {
            match self.follow.try_next()? {
                Next::Item(entry) if self.was_told(&entry) => {}
                Next::Item(entry) => {
                    bytes += entry.text.len();
                    lines.push(entry);
                }
                Next::NothingYet if lines.is_empty() => return Ok(Found::NothingYet),
                Next::End if lines.is_empty() => return Ok(Found::End(self.end())),
                // The next look will find the same.
                Next::NothingYet | Next::End => break,
            }
        }
        Ok(Found::Lines(lines))
    }

    fn was_told(&mut self, entry: &LogEntry) -> bool {
        match &mut self.skip {
            Some(skip) if skip.time == entry.time && skip.number > 0 => {
                skip.number -= 1;
                true
            }
            _ => false,
        }
    }

    fn end(&self) -> serde_json::Value {
        match self.container.inspect() {
            Ok(info) => {
                json!({"status": info.status, "exit": info.exit, "empty": why_empty(&info)})
            }
            Err(error) => json!({"status": null, "exit": null, "empty": error.to_string()}),
        }
    }
}

struct LogLines {
    lines: Background<Reader, Found>,
    readable: Readable,
    last: Option<LineId>,
    /// So many bytes before the first line are not in the log any more, which is still to be told.
    dropped: u64,
    /// Whether there was any line.
    told: bool,
    over: bool,
}

impl Source for LogLines {
    async fn next(&mut self) -> Option<Bytes> {
        if self.over {
            return None;
        }
        if self.dropped > 0 {
            let dropped = std::mem::take(&mut self.dropped);
            return Some(sse::message(Some("dropped"), None, &json!({"dropped_bytes": dropped})));
        }
        loop {
            match self.lines.next().await {
                Ok(Found::Lines(lines)) => {
                    self.told = true;
                    return Some(self.message(lines));
                }
                Ok(Found::NothingYet) => {
                    if let Err(error) = self.readable.ready().await {
                        return Some(self.fail(&ApiError::not_watched(&error)));
                    }
                }
                Ok(Found::End(mut end)) => {
                    self.over = true;
                    if self.told || self.last.is_some() {
                        end["empty"] = serde_json::Value::Null;
                    }
                    return Some(sse::message(Some("end"), None, &end));
                }
                Err(error) => return Some(self.fail(&error)),
            }
        }
    }
}

impl LogLines {
    fn message(&mut self, entries: Vec<LogEntry>) -> Bytes {
        let lines: Vec<Line> = entries
            .into_iter()
            .map(|entry| {
                self.last = Some(LineId::after(self.last, entry.time));
                Line::from(entry)
            })
            .collect();
        sse::message(None, self.last.map(|id| id.to_string()).as_deref(), &lines)
    }

    fn fail(&mut self, error: &ApiError) -> Bytes {
        self.over = true;
        sse::error(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_one_moment_have_ids_of_their_own() {
        let time: Timestamp = "2026-11-23T14:19:33.123456789Z".parse().unwrap();
        let first = LineId::after(None, time);
        let second = LineId::after(Some(first), time);
        assert_eq!(second.to_string(), "2026-11-23T14:19:33.123456789Z/2");
        assert_eq!(second.to_string().parse(), Ok(second));
        assert_eq!(LineId::after(Some(second), Timestamp::UNIX_EPOCH).number, 1);
        for text in ["", "2026-11-23T14:19:33Z", "x/1", "2026-11-23T14:19:33Z/-1"] {
            assert_eq!(text.parse::<LineId>(), Err(()), "{text}");
        }
    }
}
