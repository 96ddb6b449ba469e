//! `/api/containers/{name}/logs`: what a container printed, as text, as JSON, or as it comes.

mod follow;

use std::io::Write;
use std::str::FromStr;

use actix_web::http::header::HeaderName;
use actix_web::{HttpRequest, HttpResponse, web};
use jiff::Timestamp;
use minidocker_rt::{Container, ContainerInfo, LogEntry, Logs, Status, Stream};
use serde::Serialize;
use serde_json::json;

use super::{Answer, Json, name_in, read, resource};
use crate::app::App;
use crate::error::ApiError;
use crate::query::Query;
use crate::text::NotUtf8;
use crate::transfer;

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config.service(resource("/api/containers/{name}/logs", "GET, HEAD").route(read().to(logs)));
}

/// Says why an answer without a line has none.
const EMPTY_BECAUSE: HeaderName = HeaderName::from_static("empty-because");

/// How many bytes of output the log has dropped.
const DROPPED_BYTES: HeaderName = HeaderName::from_static("dropped-bytes");

/// A log of the usual size is read into memory; a larger one is sent while it is read.
const IN_MEMORY: u64 = 33 << 20;

/// Which part of a log is asked for.
#[derive(Debug, Clone)]
struct Part {
    tail: Option<u32>,
    since: Option<Timestamp>,
    stream: Option<Stream>,
}

impl Part {
    fn take(query: &mut Query) -> Result<Part, ApiError> {
        Ok(Part {
            tail: query.take("tail", "Give a whole number of lines, e.g. tail=100.")?,
            since: query
                .take("since", "Give an RFC 3339 time, e.g. since=2030-01-31T12:00:00Z.")?,
            stream: query
                .take("stream", "Give stdout or stderr.")?
                .map(|CommandStream(stream)| stream),
        })
    }

    fn of(&self, mut logs: Logs) -> Logs {
        if let Some(lines) = self.tail {
            logs = logs.tail(lines as usize);
        }
        if let Some(time) = self.since {
            logs = logs.since(time);
        }
        match self.stream {
            Some(stream) => logs.stream(stream),
            None => logs,
        }
    }
}

/// One of the command's two streams.
struct CommandStream(Stream);

impl FromStr for CommandStream {
    type Err = ();

    fn from_str(text: &str) -> Result<CommandStream, ()> {
        match text {
            "stdout" => Ok(CommandStream(Stream::Stdout)),
            "stderr" => Ok(CommandStream(Stream::Stderr)),
            _ => Err(()),
        }
    }
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Text,
    Json,
}

impl FromStr for Format {
    type Err = ();

    fn from_str(text: &str) -> Result<Format, ()> {
        match text {
            "text" => Ok(Format::Text),
            "json" => Ok(Format::Json),
            _ => Err(()),
        }
    }
}

/// A line, or a part of one, as JSON.
#[derive(Debug, Serialize)]
struct Line {
    time: Timestamp,
    stream: Stream,
    text: String,
    full: bool,
    #[serde(skip_serializing_if = "NotUtf8::is_empty")]
    not_utf8: NotUtf8,
}

impl From<LogEntry> for Line {
    fn from(entry: LogEntry) -> Line {
        let LogEntry { time, stream, full, text } = entry;
        let mut not_utf8 = NotUtf8::default();
        Line { time, stream, text: not_utf8.text("text", text), full, not_utf8 }
    }
}

async fn logs(request: HttpRequest, app: web::Data<App>) -> Answer {
    let mut query = Query::of(&request)?;
    let part = Part::take(&mut query)?;
    let timestamps = query.flag("timestamps")?;
    let raw = query.flag("raw")?;
    let format = query.take("format", "Write format=text or format=json.")?;
    let follow = query.flag("follow")?;
    query.end()?;
    let format = format.unwrap_or(Format::Text);
    if follow && (timestamps || raw || format == Format::Json) {
        return Err(ApiError::invalid_query(
            "follow goes with tail, since and stream alone: its lines are JSON with their times",
        )
        .at_field("follow"));
    }
    if follow {
        return follow::follow(&request, &app, part).await;
    }
    let name = name_in(&request);
    let choice = part.clone();
    let (large, dropped) = app
        .look(name.clone(), move |container| {
            let logs = choice.of(container.logs()?).timestamps(timestamps);
            let dropped = logs.dropped_bytes()?;
            Ok(((logs.size()? > IN_MEMORY).then_some(logs), dropped))
        })
        .await?;
    if let Some(logs) = large {
        return in_pieces(&app, logs, dropped, format, raw).await;
    }
    if format == Format::Json {
        let answer = app
            .look(name, move |container| {
                let entries = part.of(container.logs()?).entries()?;
                let empty = match entries.is_empty() {
                    true => Some(why_empty(&container.inspect()?)),
                    false => None,
                };
                let lines: Vec<Line> = entries.into_iter().map(Line::from).collect();
                Ok(Json::of(&json!({"lines": lines, "empty": empty, "dropped_bytes": dropped})))
            })
            .await?;
        return Ok(answer.answer(HttpResponse::Ok()));
    }
    let (text, empty) = app
        .look(name, move |container| {
            let logs = part.of(container.logs()?).timestamps(timestamps);
            let text = if raw { logs.read()? } else { logs.render()?.into_bytes() };
            let empty = empty_because(container, text.is_empty())?;
            Ok((text, empty))
        })
        .await?;
    let mut answer = HttpResponse::Ok();
    answer.insert_header((DROPPED_BYTES, dropped));
    if let Some(why) = empty {
        answer.insert_header((EMPTY_BECAUSE, why));
    }
    Ok(answer.content_type("text/plain; charset=utf-8").body(text))
}

/// Answers with a log that may be too large for the memory of many such answers.
async fn in_pieces(
    app: &web::Data<App>,
    logs: Logs,
    dropped: u64,
    format: Format,
    raw: bool,
) -> Answer {
    let mut answer = HttpResponse::Ok();
    answer.insert_header((DROPPED_BYTES, dropped)).content_type(match format {
        Format::Text => "text/plain; charset=utf-8",
        Format::Json => "application/json",
    });
    let give = move |out: &mut dyn Write| match format {
        Format::Text if raw => Ok(logs.write_to(out)?),
        Format::Text => Ok(logs.render_to(out)?),
        Format::Json => {
            let not_taken = |error: std::io::Error| ApiError::not_taken(&error);
            let mut before = r#"{"lines":["#;
            logs.for_each(|entry| {
                out.write_all(before.as_bytes()).map_err(not_taken)?;
                before = ",";
                serde_json::to_writer(&mut *out, &Line::from(entry))
                    .map_err(|error| not_taken(error.into()))
            })?;
            let begin = if before == "," { "" } else { before };
            write!(out, r#"{begin}],"empty":null,"dropped_bytes":{dropped}}}"#).map_err(not_taken)
        }
    };
    transfer::send(app, answer, give).await
}

fn empty_because(
    container: &Container,
    empty: bool,
) -> Result<Option<&'static str>, minidocker_rt::Error> {
    Ok(if empty { Some(why_empty(&container.inspect()?)) } else { None })
}

/// Why there is nothing to see: silence is no answer to somebody who is looking.
fn why_empty(info: &ContainerInfo) -> &'static str {
    match info.status {
        Status::Created => "It was never started.",
        Status::Running => "It runs and has printed nothing so far, or nothing that was asked for.",
        Status::Paused => "It is paused and had printed nothing that was asked for.",
        Status::Restarting => {
            "It will be started again and has printed nothing that was asked for."
        }
        Status::Stopped => "It has ended without printing anything that was asked for.",
        Status::Error => "It did not run, or was lost: its reason says more.",
    }
}
