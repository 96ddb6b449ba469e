//! `POST /api/containers/{name}/exec`: a command to its end, and what it wrote.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use actix_web::{HttpRequest, HttpResponse, web};
use minidocker_rt::{Command, Error, Exec, ExecProcess, ExitStatus};
use serde::{Deserialize, Serialize};
use tokio::select;
use tokio::time::timeout;

use super::{Answer, Body, name_in, parsed, resource};
use crate::app::App;
use crate::error::ApiError;
use crate::guard::peer::Connection;
use crate::query::Query;
use crate::readable::{Readable, Writable, nonblocking};
use crate::text::{NotUtf8, whole_characters};

/// So much is kept of each stream.
const MOST_OUTPUT: usize = 4 << 20;

/// How long a command may take, unless the request says, and at most. In seconds.
const USUAL_TIMEOUT: f64 = 60.0;
const LONGEST_TIMEOUT: f64 = 3600.0;

/// How long a killed command may take to be gone before the answer goes out without it.
const KILL_PATIENCE: Duration = Duration::from_secs(1);

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config.service(resource("/api/containers/{name}/exec", "POST").route(web::post().to(exec)));
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    command: CommandJson,
    timeout: Option<f64>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    user: Option<String>,
    working_dir: Option<String>,
    stdin: Option<String>,
}

/// A line, split as a shell would, or exact words.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum CommandJson {
    Line(String),
    Words(Vec<String>),
}

#[derive(Debug, Serialize)]
struct Output {
    stdout: String,
    stderr: String,
    exit_code: i32,
    signal: Option<i32>,
    oom_killed: bool,
    timed_out: bool,
    truncated: bool,
    #[serde(skip_serializing_if = "NotUtf8::is_empty")]
    not_utf8: NotUtf8,
}

async fn exec(request: HttpRequest, app: web::Data<App>, body: Body) -> Answer {
    Query::of(&request)?.end()?;
    let Request { command, timeout, env, user, working_dir, stdin } = parsed(body)?;
    let seconds = timeout.unwrap_or(USUAL_TIMEOUT);
    if !(0.001..=LONGEST_TIMEOUT).contains(&seconds) {
        let hint = format!("Give seconds, {LONGEST_TIMEOUT} at most.");
        let message = format!("timeout: {seconds} is refused");
        return Err(ApiError::bad_request(message, hint).at_field("timeout"));
    }
    let mut exec = match command {
        CommandJson::Line(line) => Exec::new(line),
        CommandJson::Words(words) => Exec::new(Command::argv(words)),
    };
    for (name, value) in &env {
        exec = exec.env(name, value);
    }
    if let Some(user) = user {
        exec = exec.user(user.parse()?);
    }
    if let Some(path) = working_dir {
        exec = exec.working_dir(&path);
    }
    if stdin.is_some() {
        exec = exec.stdin_piped();
    }
    // Counted from now, and kept by the command's helper too: it holds when we are gone.
    let time = Duration::from_secs_f64(seconds);
    let deadline = Instant::now() + time;
    let exec = exec.timeout(time);
    let name = name_in(&request);
    let output = async {
        let Some(process) = begin(&app, name, exec).await? else {
            return Ok(Output::timed_out_before_it_began());
        };
        let running = Running::of(process).map_err(|error| ApiError::not_watched(&error))?;
        let left = deadline.saturating_duration_since(Instant::now());
        running.finish(stdin.unwrap_or_default(), left).await
    };
    let client_gone = async {
        match request.conn_data::<Connection>() {
            Some(connection) => connection.closed().await,
            None => std::future::pending().await,
        }
    };
    select! {
        output = output => Ok(HttpResponse::Ok().json(output?)),
        // Nobody is there to read the answer. The command is dropped, and so killed.
        () = client_gone => Err(ApiError::bad_request("the client is gone", "Stay.")),
    }
}

/// Has a command executed. No thread waits for that: it takes a moment, or as long as something
/// keeps the command from its execve. If this is dropped meanwhile, the command is killed. None if
/// its time was over first.
pub(super) async fn begin(
    app: &App,
    name: String,
    exec: Exec,
) -> Result<Option<ExecProcess>, ApiError> {
    let (runtime, of) = (app.runtime.clone(), name.clone());
    let ask = move || Ok(runtime.get(&name)?.exec_begin(exec)?);
    let beginning = app.work.quick_of(&of, ask).await?;
    let begun = Readable::of(&beginning).map_err(|error| ApiError::not_watched(&error))?;
    begun.ready().await.map_err(|error| ApiError::not_watched(&error))?;
    let begin = move || match beginning.wait() {
        Err(Error::Timeout { operation: "a command", .. }) => Ok(None),
        process => Ok(Some(process?)),
    };
    app.work.quick(begin).await
}

/// A command that runs. No thread waits for it; if the client goes away, this is dropped,
/// and the command is killed.
struct Running {
    process: ExecProcess,
    ended: Readable,
    stdout: Source,
    stderr: Source,
}

impl Running {
    fn of(mut process: ExecProcess) -> std::io::Result<Running> {
        Ok(Running {
            ended: Readable::of(&process)?,
            stdout: Source::of(process.stdout.take())?,
            stderr: Source::of(process.stderr.take())?,
            process,
        })
    }

    async fn finish(mut self, input: String, most: Duration) -> Result<Output, ApiError> {
        let stdin = self.process.stdin.take();
        let Running { ended, stdout, stderr, .. } = &mut self;
        let streams = async {
            // The streams are read and written side by side; that they end does not matter.
            tokio::join!(feed(stdin, input.as_bytes()), stdout.read_all(), stderr.read_all());
            std::future::pending::<()>().await;
        };
        let end = async {
            select! {
                ended = ended.ready() => ended,
                () = streams => Ok(()),
            }
        };
        let timed_out = match timeout(most, end).await {
            Ok(ended) => {
                ended.map_err(|error| ApiError::not_watched(&error))?;
                false
            }
            Err(_) => {
                self.process.kill();
                let _ = timeout(KILL_PATIENCE, self.ended.ready()).await;
                true
            }
        };
        // It can be told at once, or it is stuck in the kernel and dies when it gets out.
        let exit = match self.process.wait_timeout(Duration::ZERO) {
            Err(minidocker_rt::Error::Timeout { .. }) => KILLED,
            result => result?,
        };
        // What it wrote before its end is there; what its children write later is not ours.
        self.stdout.drain();
        self.stderr.drain();
        let mut not_utf8 = NotUtf8::default();
        let mut text = |field, Source { mut bytes, truncated, .. }: Source| {
            if truncated {
                bytes.truncate(whole_characters(&bytes).len());
            }
            not_utf8.text(field, bytes)
        };
        Ok(Output {
            truncated: self.stdout.truncated || self.stderr.truncated,
            stdout: text("stdout", self.stdout),
            stderr: text("stderr", self.stderr),
            not_utf8,
            exit_code: exit.code,
            signal: exit.signal,
            oom_killed: exit.oom_killed,
            // The helper keeps the time too, and may have been the first.
            timed_out: timed_out || exit.timed_out,
        })
    }
}

impl Output {
    fn timed_out_before_it_began() -> Output {
        Output {
            stdout: String::new(),
            stderr: String::new(),
            exit_code: KILLED.code,
            signal: KILLED.signal,
            oom_killed: false,
            timed_out: true,
            truncated: false,
            not_utf8: NotUtf8::default(),
        }
    }
}

/// How a command ends whose time is over.
const KILLED: ExitStatus =
    ExitStatus { code: 128 + 9, signal: Some(9), oom_killed: false, timed_out: true };

/// Writes all of the input, then closes it.
async fn feed(stdin: Option<File>, mut input: &[u8]) {
    let Some(mut stdin) = stdin else { return };
    let Ok(writable) = Writable::of(&stdin) else { return };
    nonblocking(&stdin);
    while !input.is_empty() && writable.ready().await.is_ok() {
        match stdin.write(input) {
            Ok(count) => input = &input[count..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            // It does not read any more.
            Err(_) => return,
        }
    }
}

/// One stream of the command.
struct Source {
    open: Option<(File, Readable)>,
    bytes: Vec<u8>,
    truncated: bool,
}

impl Source {
    fn of(file: Option<File>) -> std::io::Result<Source> {
        let open = match file {
            Some(file) => {
                nonblocking(&file);
                Some((Readable::of(&file)?, file))
            }
            None => None,
        };
        let open = open.map(|(readable, file)| (file, readable));
        Ok(Source { open, bytes: Vec::new(), truncated: false })
    }

    async fn read_all(&mut self) {
        while let Some((_, readable)) = &self.open {
            if readable.ready().await.is_err() {
                return;
            }
            self.read();
        }
    }

    /// Reads once. Returns whether there was something.
    fn read(&mut self) -> bool {
        let mut chunk = [0; 16 << 10];
        let Some((file, _)) = &mut self.open else { return false };
        match file.read(&mut chunk) {
            Ok(count) if count > 0 => {
                let kept = count.min(MOST_OUTPUT - self.bytes.len());
                self.bytes.extend_from_slice(&chunk[..kept]);
                self.truncated |= kept < count;
                true
            }
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) =>
            {
                false
            }
            _ => {
                self.open = None;
                false
            }
        }
    }

    /// Reads what is there; a pipe holds 1 MiB at most.
    fn drain(&mut self) {
        for _ in 0..=(1 << 20) / (16 << 10) {
            if !self.read() {
                break;
            }
        }
    }
}
