//! WebSockets to a command: what it writes goes out, what is typed goes in.
//!
//! Binary messages are data, as it is: to the client one byte for the stream and then the
//! bytes, from the client the bytes alone. Text messages are JSON: what else there is to say.
//! Nothing is buffered without bound in either direction: a client that does not read holds
//! up the command of an exec (as a full pipe does), and misses some of what it attached to; while
//! a command does not read what was sent to it, no more is taken from the client.

pub(crate) mod partner;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use actix_web::web::{Bytes, Payload};
use actix_web::{HttpRequest, HttpResponse};
use actix_ws::{CloseCode, CloseReason, Item, Message, MessageStream, ProtocolError, Session};
use minidocker_rt::{ExitStatus, TerminalSize};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::select;
use tokio::time::{interval, timeout};

use self::partner::{Partner, Piece, Reader, Writer};
use crate::error::ApiError;
use crate::guard::peer::Connection;
use crate::signal::Signal;
use crate::streams::Place;

/// The largest frame that is taken. Data may be sent in as many as one likes.
const LARGEST: usize = 16 << 20;

/// The longest order, which may come in several frames.
const LONGEST_ORDER: usize = 64 << 10;

/// While so much input waits for the command, nothing more is read from the client.
const INPUT_BUFFER: usize = 1 << 20;

/// So long a command may leave a full buffer as it is. What the client says is not heard
/// meanwhile, so this bounds how long it can hold its place.
const STALLED: Duration = Duration::from_secs(600);

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
    let messages = messages.max_frame_size(LARGEST);
    let request = request.clone();
    actix_web::rt::spawn(async move {
        let partner = select! {
            partner = partner => partner,
            // Nobody is there any more to talk with what would come.
            () = gone(&request) => return,
        };
        match partner {
            Ok(partner) => {
                let (order, input) = (None, Input::default());
                let conversation =
                    Conversation { request, session, messages, place, partner, order, input };
                conversation.hold().await;
            }
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
    request: HttpRequest,
    session: Session,
    messages: MessageStream,
    place: Place,
    partner: P,
    /// The beginning of an order whose other frames are still to come.
    order: Option<Vec<u8>>,
    input: Input,
}

/// What the client sent and the command did not read yet.
struct Input {
    pieces: VecDeque<Bytes>,
    length: usize,
    /// Whether the end of it was sent too.
    ended: bool,
    /// When the command last read, or had nothing to read.
    moved: Instant,
}

impl Default for Input {
    fn default() -> Input {
        Input { pieces: VecDeque::new(), length: 0, ended: false, moved: Instant::now() }
    }
}

impl Input {
    fn push(&mut self, bytes: Bytes) {
        if self.length == 0 {
            self.moved = Instant::now();
        }
        self.length += bytes.len();
        if !bytes.is_empty() {
            self.pieces.push_back(bytes);
        }
    }

    fn take(&mut self, count: usize) {
        let Some(first) = self.pieces.front_mut() else { return };
        let _ = first.split_to(count);
        if first.is_empty() {
            self.pieces.pop_front();
        }
        self.length -= count;
        self.moved = Instant::now();
    }

    fn clear(&mut self) {
        *self = Input { ended: self.ended, ..Input::default() };
    }

    fn is_full(&self) -> bool {
        self.length >= INPUT_BUFFER
    }
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
        let mut ping = interval(PING);
        let mut heard = Instant::now();
        loop {
            let full = self.input.is_full();
            let step = {
                let (mut output, mut writer) = self.partner.halves();
                let next = self.input.pieces.front().map_or(&b""[..], |bytes| bytes);
                select! {
                    biased;
                    () = self.place.server_ends() => return End::ServerEnds,
                    message = self.messages.recv(), if !full => Step::Message(message),
                    written = writer.write(next), if !next.is_empty() => Step::Written(written),
                    piece = output.next() => Step::Piece(piece),
                    // What it says is not read, but that it has gone is seen.
                    () = gone(&self.request), if full => return End::Gone,
                    _ = ping.tick() => Step::Tick,
                }
            };
            if full {
                // Its answers to our pings wait behind its data.
                heard = Instant::now();
            }
            let done = match step {
                Step::Message(message) => {
                    heard = Instant::now();
                    self.hear(message).await
                }
                Step::Written(Ok(count)) => {
                    self.input.take(count);
                    Ok(())
                }
                // It does not read any more; how it ends will be told.
                Step::Written(Err(_)) => {
                    self.input.clear();
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
                Step::Tick if full && self.input.moved.elapsed() > STALLED => {
                    Err(End::Failed(ApiError::bad_request(
                        format!(
                            "the command has read nothing for {} s, and {} bytes wait for it",
                            STALLED.as_secs(),
                            self.input.length
                        ),
                        "Send input to a command that reads it.",
                    )))
                }
                Step::Tick => self.session.ping(b"").await.map_err(|_| End::Gone),
            };
            if let Err(end) = done {
                return end;
            }
            // What was sent before the end comes first.
            if self.input.ended && self.input.length == 0 {
                self.input.ended = false;
                self.partner.close_input();
            }
        }
    }

    /// Deals with a message of the client. Input is left for the command to take.
    async fn hear(&mut self, message: Option<Result<Message, ProtocolError>>) -> Result<(), End> {
        let message = match message {
            Some(Ok(message)) => message,
            Some(Err(ProtocolError::Overflow)) => {
                return Err(End::Failed(ApiError::bad_request(
                    format!("a frame has more than {LARGEST} bytes, the most that is taken"),
                    "Send it in pieces: to the command, all that is sent is one stream.",
                )));
            }
            _ => return Err(End::Gone),
        };
        match message {
            // A piece of data is data, whichever message it is part of.
            Message::Binary(bytes) | Message::Continuation(Item::FirstBinary(bytes)) => {
                self.input.push(bytes);
            }
            Message::Continuation(Item::Continue(bytes) | Item::Last(bytes))
                if self.order.is_none() =>
            {
                self.input.push(bytes);
            }
            Message::Text(text) => self.obey(text.as_bytes())?,
            Message::Continuation(Item::FirstText(bytes) | Item::Continue(bytes)) => {
                self.add_to_order(&bytes)?;
            }
            Message::Continuation(Item::Last(bytes)) => {
                self.add_to_order(&bytes)?;
                let order = self.order.take().unwrap_or_default();
                self.obey(&order)?;
            }
            Message::Ping(bytes) => {
                return self.session.pong(&bytes).await.map_err(|_| End::Gone);
            }
            Message::Pong(_) | Message::Nop => {}
            Message::Close(_) => return Err(End::Gone),
        }
        Ok(())
    }

    fn add_to_order(&mut self, bytes: &[u8]) -> Result<(), End> {
        let order = self.order.get_or_insert_default();
        check_length(order.len() + bytes.len())?;
        order.extend_from_slice(bytes);
        Ok(())
    }

    fn obey(&mut self, text: &[u8]) -> Result<(), End> {
        check_length(text.len())?;
        let order: Order = serde_json::from_slice(text).map_err(|error| {
            End::Failed(ApiError::bad_request(
                format!("the message is not understood: {error}"),
                "Send data in binary messages, and orders as JSON: resize, eof, signal, detach.",
            ))
        })?;
        match order {
            // A terminal that was closed a moment ago has no size: its end will be told.
            Order::Resize { rows, columns } => self.partner.resize(TerminalSize { rows, columns }),
            Order::Eof => self.input.ended = true,
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

/// Refuses an order that is longer than any.
fn check_length(length: usize) -> Result<(), End> {
    if length <= LONGEST_ORDER {
        return Ok(());
    }
    Err(End::Failed(ApiError::bad_request(
        format!("a text message has more than {LONGEST_ORDER} bytes, the most of an order"),
        "Send data in binary messages.",
    )))
}

/// Completes when the client has closed the connection.
async fn gone(request: &HttpRequest) {
    match request.conn_data::<Connection>() {
        Some(connection) => connection.closed().await,
        None => std::future::pending().await,
    }
}

enum Step {
    Message(Option<Result<Message, ProtocolError>>),
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
