//! WebSockets to a command: what it writes goes out, what is typed goes in.
//!
//! Binary messages are data, as it is: to the client one byte for the stream and then the
//! bytes, from the client the bytes alone. Text messages are JSON: what else there is to say.
//! Nothing is buffered without bound in either direction: a client that does not read holds
//! up the command of an exec (as a full pipe does), and misses some of what it attached to;
//! a command that does not read is typed for until the buffer is full.

pub(crate) mod partner;

use std::time::{Duration, Instant};

use actix_web::web::{Bytes, Payload};
use actix_web::{HttpRequest, HttpResponse};
use actix_ws::{AggregatedMessage, AggregatedMessageStream, CloseCode, CloseReason, Session};
use minidocker_rt::{ExitStatus, TerminalSize};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::select;
use tokio::time::{interval, timeout};

use self::partner::{Partner, Piece, Reader, Writer};
use crate::error::ApiError;
use crate::signal::Signal;
use crate::streams::Place;

/// The largest message that is taken: more than anybody pastes.
const LARGEST: usize = 1 << 20;

/// So much input may wait for a command that does not read.
const INPUT_BUFFER: usize = 2 << 20;

/// So often the client is asked whether it is there, and so long it may take to say so. A
/// connection that is not read counts as gone after this too.
const PING: Duration = Duration::from_secs(15);
const PATIENCE: Duration = Duration::from_secs(60);

/// What a client may say besides data.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
enum Order {
    Resize { rows: u16, columns: u16 },
    Eof,
    Signal { signal: String },
    Detach,
}

/// Why a conversation is over.
enum End {
    /// The command has ended.
    Exit(Option<ExitStatus>),
    Failed(ApiError),
    /// The client left, and the command goes on if it can.
    Detached,
    /// The client closed the connection, or is not to be reached.
    Gone,
    ServerEnds,
}

/// Answers the upgrade. What there is to talk to is looked for afterwards: a page cannot read
/// why an upgrade was refused, but it can read a message.
pub(crate) fn open<P, F>(
    request: &HttpRequest,
    payload: Payload,
    place: Place,
    partner: F,
) -> Result<HttpResponse, ApiError>
where
    P: Partner + 'static,
    F: Future<Output = Result<P, ApiError>> + 'static,
{
    let (response, session, messages) = actix_ws::handle(request, payload).map_err(|error| {
        ApiError::bad_request(
            format!("this is no WebSocket handshake: {error}"),
            "Connect with a WebSocket client, e.g. new WebSocket(\"ws://…\").",
        )
    })?;
    let messages =
        messages.max_frame_size(LARGEST).aggregate_continuations().max_continuation_size(LARGEST);
    actix_web::rt::spawn(async move {
        match partner.await {
            Ok(partner) => Conversation { session, messages, place, partner }.hold().await,
            Err(error) => refuse(session, &error).await,
        }
    });
    Ok(response)
}

async fn refuse(mut session: Session, error: &ApiError) {
    let mut message = error.body();
    message["type"] = json!("error");
    let _ = session.text(message.to_string()).await;
    let _ = session.close(Some(CloseCode::Normal.into())).await;
}

struct Conversation<P> {
    session: Session,
    messages: AggregatedMessageStream,
    place: Place,
    partner: P,
}

impl<P: Partner> Conversation<P> {
    async fn hold(mut self) {
        let end = match self.say(&self.partner.introduction()).await {
            Ok(()) => self.talk().await,
            Err(end) => end,
        };
        let Conversation { mut session, partner, .. } = self;
        let (last, code) = match end {
            End::Exit(exit) => (Some(exit_message(exit)), CloseCode::Normal),
            End::Failed(error) => {
                let mut message = error.body();
                message["type"] = json!("error");
                (Some(message), CloseCode::Normal)
            }
            End::Detached => {
                partner.detach();
                (None, CloseCode::Normal)
            }
            End::ServerEnds => (None, CloseCode::Away),
            End::Gone => return,
        };
        let goodbye = async {
            if let Some(message) = last {
                session.text(message.to_string()).await?;
            }
            session.close(Some(CloseReason::from(code))).await
        };
        let _ = timeout(PING, goodbye).await;
    }

    async fn talk(&mut self) -> End {
        let mut input: Vec<u8> = Vec::new();
        let mut ping = interval(PING);
        let mut heard = Instant::now();
        loop {
            let step = {
                let (mut output, mut writer) = self.partner.halves();
                select! {
                    biased;
                    () = self.place.server_ends() => return End::ServerEnds,
                    message = self.messages.recv() => Step::Message(message),
                    written = writer.write(&input), if !input.is_empty() => Step::Written(written),
                    piece = output.next() => Step::Piece(piece),
                    _ = ping.tick() => Step::Tick,
                }
            };
            let done = match step {
                Step::Message(message) => {
                    heard = Instant::now();
                    self.hear(message, &mut input).await
                }
                Step::Written(Ok(count)) => {
                    input.drain(..count);
                    Ok(())
                }
                // It does not read any more; how it ends will be told.
                Step::Written(Err(_)) => {
                    input.clear();
                    Ok(())
                }
                Step::Piece(Piece::Data(stream, bytes)) => self.pass_on(stream, &bytes).await,
                Step::Piece(Piece::Missed(bytes)) => {
                    self.say(&json!({"type": "missed", "bytes": bytes})).await
                }
                Step::Piece(Piece::End) => Err(match self.partner.exit().await {
                    Ok(exit) => End::Exit(exit),
                    Err(error) => End::Failed(error),
                }),
                Step::Tick if heard.elapsed() > PATIENCE => Err(End::Gone),
                Step::Tick => self.session.ping(b"").await.map_err(|_| End::Gone),
            };
            if let Err(end) = done {
                return end;
            }
        }
    }

    /// Deals with a message of the client. Input is left for the command to take.
    async fn hear<E>(
        &mut self,
        message: Option<Result<AggregatedMessage, E>>,
        input: &mut Vec<u8>,
    ) -> Result<(), End> {
        let Some(Ok(message)) = message else { return Err(End::Gone) };
        match message {
            AggregatedMessage::Binary(bytes) if input.len() + bytes.len() > INPUT_BUFFER => {
                Err(End::Failed(ApiError::bad_request(
                    "the command does not read what is typed, and there is too much of it",
                    "Send less at a time.",
                )))
            }
            AggregatedMessage::Binary(bytes) => {
                input.extend_from_slice(&bytes);
                Ok(())
            }
            AggregatedMessage::Text(text) => self.obey(&text, input).await,
            AggregatedMessage::Ping(bytes) => {
                self.session.pong(&bytes).await.map_err(|_| End::Gone)
            }
            AggregatedMessage::Pong(_) => Ok(()),
            AggregatedMessage::Close(_) => Err(End::Gone),
        }
    }

    async fn obey(&mut self, text: &str, input: &mut Vec<u8>) -> Result<(), End> {
        let order: Order = serde_json::from_str(text).map_err(|error| {
            End::Failed(ApiError::bad_request(
                format!("the message is not understood: {error}"),
                "Send data in binary messages, and orders as JSON: resize, eof, signal, detach.",
            ))
        })?;
        match order {
            // A terminal that was closed a moment ago has no size: its end will be told.
            Order::Resize { rows, columns } => self.partner.resize(TerminalSize { rows, columns }),
            Order::Eof => {
                // What was typed before comes first.
                while !input.is_empty() {
                    let (_, mut writer) = self.partner.halves();
                    match timeout(PING, writer.write(input)).await {
                        Ok(Ok(count)) => drop(input.drain(..count)),
                        _ => input.clear(),
                    }
                }
                self.partner.close_input();
            }
            Order::Signal { signal } => {
                let signal: Signal = signal.parse().map_err(|()| {
                    let message = format!("signal: {signal:?} is no signal");
                    End::Failed(ApiError::bad_request(message, Signal::HINT))
                })?;
                self.partner.signal(signal).map_err(End::Failed)?;
            }
            Order::Detach => return Err(End::Detached),
        }
        Ok(())
    }

    async fn pass_on(&mut self, stream: u8, bytes: &[u8]) -> Result<(), End> {
        let mut message = Vec::with_capacity(bytes.len() + 1);
        message.push(stream);
        message.extend_from_slice(bytes);
        let sent = self.session.binary(Bytes::from(message));
        // While the client does not take it, nothing more is read of the command.
        select! {
            biased;
            () = self.place.server_ends() => Err(End::ServerEnds),
            sent = timeout(PATIENCE, sent) => match sent {
                Ok(Ok(())) => Ok(()),
                _ => Err(End::Gone),
            },
        }
    }

    async fn say(&mut self, message: &Value) -> Result<(), End> {
        self.session.text(message.to_string()).await.map_err(|_| End::Gone)
    }
}

enum Step<E> {
    Message(Option<Result<AggregatedMessage, E>>),
    Written(std::io::Result<usize>),
    Piece(Piece),
    Tick,
}

fn exit_message(exit: Option<ExitStatus>) -> Value {
    json!({
        "type": "exit",
        "exit_code": exit.map(|exit| exit.code),
        "signal": exit.and_then(|exit| exit.signal),
        "oom_killed": exit.is_some_and(|exit| exit.oom_killed),
    })
}
