//! What a WebSocket is connected to: a command of an exec, or a container's own.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::time::Duration;

use actix_web::web;
use minidocker_rt::{
    Attached, Container, ContainerInfo, ExecProcess, ExitStatus, Input, Output, Stream, Terminal,
    TerminalSize,
};
use serde_json::{Value, json};
use tokio::select;

use crate::app::App;
use crate::error::ApiError;
use crate::readable::{Readable, Writable, nonblocking};
use crate::signal::Signal;

/// So much is read and sent at a time.
const CHUNK: usize = 16 << 10;

/// So much is typed at a time: little enough to fit whenever the other side takes anything.
const TYPED: usize = 4 << 10;

/// What a command has to tell.
pub(crate) enum Piece {
    /// It wrote this to the stream of this number: 1 for standard output or the terminal.
    Data(u8, Vec<u8>),
    /// So many bytes are left out.
    Missed(u64),
    /// It has ended.
    End,
}

/// A command to talk with.
pub(crate) trait Partner {
    /// What it reads and writes, apart, so that both can be waited for at once.
    fn halves(&mut self) -> (impl Reader, impl Writer);
    /// The first message.
    fn introduction(&self) -> Value;
    fn resize(&self, size: TerminalSize);
    fn close_input(&mut self);
    fn signal(&self, signal: Signal) -> Result<(), ApiError>;
    /// How it ended, if anybody knows. To be called after [`Piece::End`].
    async fn exit(&mut self) -> Result<Option<ExitStatus>, ApiError>;
    /// Leaves it to itself.
    fn detach(self);
}

/// What it writes. Loses nothing when a wait is given up.
pub(crate) trait Reader {
    async fn next(&mut self) -> Piece;
}

/// What it reads.
pub(crate) trait Writer {
    /// Writes as much as it takes now, once it takes any.
    async fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;
}

/// A command of an exec. When this is dropped, it is killed.
pub(crate) struct Executed {
    process: ExecProcess,
    output: ExecOutput,
    input: ExecInput,
    terminal: Option<Terminal>,
}

struct ExecOutput {
    ended: Readable,
    streams: Vec<Source>,
    /// Whether the command has ended: what its streams hold now is all there is.
    over: bool,
}

/// One stream: number, file, and a way to wait for it.
struct Source {
    number: u8,
    file: Box<dyn Read>,
    readable: Readable,
}

enum ExecInput {
    Open(Box<dyn Write>, Writable),
    Closed,
}

impl Executed {
    pub fn new(mut process: ExecProcess) -> io::Result<Executed> {
        let mut streams = Vec::new();
        let mut input = ExecInput::Closed;
        let mut terminal = None;
        if let Some(screen) = process.terminal.take() {
            nonblocking(&screen);
            let (typed, shown) = (screen.try_clone()?, screen.try_clone()?);
            input = ExecInput::Open(Box::new(typed), Writable::of(&screen)?);
            let readable = Readable::of(&screen)?;
            streams.push(Source { number: 1, file: Box::new(shown), readable });
            terminal = Some(screen);
        }
        if let Some(stdin) = process.stdin.take() {
            nonblocking(&stdin);
            let writable = Writable::of(&stdin)?;
            input = ExecInput::Open(Box::new(stdin), writable);
        }
        let pipes: [(u8, Option<File>); 2] =
            [(1, process.stdout.take()), (2, process.stderr.take())];
        for (number, pipe) in pipes {
            if let Some(pipe) = pipe {
                nonblocking(&pipe);
                let readable = Readable::of(&pipe)?;
                streams.push(Source { number, file: Box::new(pipe), readable });
            }
        }
        let output = ExecOutput { ended: Readable::of(&process)?, streams, over: false };
        Ok(Executed { process, output, input, terminal })
    }
}

impl Partner for Executed {
    fn halves(&mut self) -> (impl Reader, impl Writer) {
        (&mut self.output, &mut self.input)
    }

    fn introduction(&self) -> Value {
        json!({"type": "started", "pid": self.process.pid(), "tty": self.terminal.is_some(),
               "stdin": true})
    }

    fn resize(&self, size: TerminalSize) {
        if let Some(terminal) = &self.terminal {
            // One that is closed has no size any more, and its end will be told.
            let _ = terminal.resize(size);
        }
    }

    fn close_input(&mut self) {
        match (&self.terminal, &mut self.input) {
            // On a terminal, the end of file is a character.
            (Some(_), ExecInput::Open(typed, _)) => drop(typed.write(b"\x04")),
            _ => self.input = ExecInput::Closed,
        }
    }

    fn signal(&self, signal: Signal) -> Result<(), ApiError> {
        Ok(self.process.signal(signal.number())?)
    }

    async fn exit(&mut self) -> Result<Option<ExitStatus>, ApiError> {
        // It is readable, so this does not wait.
        Ok(Some(self.process.wait_timeout(Duration::ZERO)?))
    }

    fn detach(self) {
        self.process.detach();
    }
}

impl Reader for &mut ExecOutput {
    async fn next(&mut self) -> Piece {
        loop {
            let ready = match &self.streams[..] {
                _ if self.over => None,
                [] => {
                    let _ = self.ended.ready().await;
                    None
                }
                [only] => select! {
                    biased;
                    _ = only.readable.ready() => Some(0),
                    _ = self.ended.ready() => None,
                },
                [first, second, ..] => select! {
                    biased;
                    _ = first.readable.ready() => Some(0),
                    _ = second.readable.ready() => Some(1),
                    _ = self.ended.ready() => None,
                },
            };
            let Some(index) = ready else {
                self.over = true;
                // What it wrote before its end is there to be read. Its children may go on
                // writing; nobody waits for that.
                for source in &mut self.streams {
                    if let Some(bytes) = source.read().filter(|bytes| !bytes.is_empty()) {
                        return Piece::Data(source.number, bytes);
                    }
                }
                return Piece::End;
            };
            match self.streams[index].read() {
                Some(bytes) if bytes.is_empty() => {}
                Some(bytes) => return Piece::Data(self.streams[index].number, bytes),
                None => drop(self.streams.remove(index)),
            }
        }
    }
}

impl Source {
    /// What can be read now, which may be nothing; None at the end.
    fn read(&mut self) -> Option<Vec<u8>> {
        let mut chunk = vec![0; CHUNK];
        match self.file.read(&mut chunk) {
            Ok(0) => None,
            Ok(count) => {
                chunk.truncate(count);
                Some(chunk)
            }
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) =>
            {
                Some(Vec::new())
            }
            Err(_) => None,
        }
    }
}

impl Writer for &mut ExecInput {
    async fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let ExecInput::Open(file, writable) = self else {
            return Err(ErrorKind::BrokenPipe.into());
        };
        loop {
            writable.ready().await?;
            match file.write(&bytes[..bytes.len().min(TYPED)]) {
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) =>
                {
                    // A terminal may say that it takes something and then not take it.
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                result => return result,
            }
        }
    }
}

/// A container that one is attached to. When this is dropped, the container goes on.
pub(crate) struct AttachedTo {
    app: web::Data<App>,
    container: Container,
    stdin: bool,
    tty: bool,
    output: AttachedOutput,
    input: AttachedInput,
    /// Whether the end of the input was told.
    closed: bool,
}

struct AttachedOutput {
    output: Output,
    readable: Readable,
}

struct AttachedInput {
    input: Input,
    writable: Writable,
}

impl AttachedTo {
    pub fn new(
        app: web::Data<App>,
        container: Container,
        info: &ContainerInfo,
        attached: Attached,
    ) -> io::Result<AttachedTo> {
        let Attached { output, input } = attached;
        // The specification tells of these two in its JSON.
        let spec = serde_json::to_value(&info.spec).unwrap_or_default();
        let writable = Writable::of(&output)?;
        let readable = Readable::of(&output)?;
        Ok(AttachedTo {
            app,
            container,
            stdin: spec["stdin_open"] == true,
            tty: spec["tty"] == true,
            output: AttachedOutput { output, readable },
            input: AttachedInput { input, writable },
            closed: false,
        })
    }
}

impl Partner for AttachedTo {
    fn halves(&mut self) -> (impl Reader, impl Writer) {
        (&mut self.output, &mut self.input)
    }

    fn introduction(&self) -> Value {
        json!({"type": "started", "pid": null, "tty": self.tty, "stdin": self.stdin})
    }

    fn resize(&self, size: TerminalSize) {
        // A command that does not take what was typed does not look at its size either: the
        // message would wait, and this thread with it.
        if self.input.writable.is_ready() {
            // Without a terminal there is nothing to resize.
            let _ = self.input.input.resize(size);
        }
    }

    fn close_input(&mut self) {
        // There is always room for one, since nothing else is sent unless there is plenty.
        if !std::mem::replace(&mut self.closed, true) {
            let _ = self.input.input.close();
        }
    }

    fn signal(&self, signal: Signal) -> Result<(), ApiError> {
        Ok(self.container.kill(signal.number())?)
    }

    async fn exit(&mut self) -> Result<Option<ExitStatus>, ApiError> {
        let container = self.container.clone();
        // Its supervisor writes it down in a moment. If it is started again instead, the last
        // end is the one.
        let exit = move || match container.wait_timeout(Duration::from_secs(1)) {
            Ok(exit) => Ok(Some(exit)),
            Err(_) => Ok(container.inspect()?.exit),
        };
        self.app.work.quick(exit).await
    }

    fn detach(self) {}
}

impl Reader for &mut AttachedOutput {
    async fn next(&mut self) -> Piece {
        if self.readable.ready().await.is_err() {
            return Piece::End;
        }
        match self.output.next_piece() {
            Ok(Some(minidocker_rt::Piece::Output(stream, bytes))) => {
                Piece::Data(if stream == Stream::Stderr { 2 } else { 1 }, bytes)
            }
            Ok(Some(minidocker_rt::Piece::Missed(count))) => Piece::Missed(count),
            Ok(None) | Err(_) => Piece::End,
        }
    }
}

impl Writer for &mut AttachedInput {
    async fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writable.ready().await?;
        self.input.write(&bytes[..bytes.len().min(TYPED)])
    }
}
