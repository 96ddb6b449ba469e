//! How programs find a container's supervisor, and speak with it.
//!
//! - `supervisor` in the container's folder is a file that the supervisor holds locked while
//!   it lives. However it ends, the system lets go of the lock: so everybody can tell.
//! - `control` tells the port of 127.0.0.1 where it listens, and a secret. Any program of this
//!   machine can reach the port; only who can read the container's folder knows the secret.
//!
//! A connection carries one JSON line each way. The connection of a [`Request::Watch`] has no
//! answer: it ends with the supervisor, which is an event that can be waited for.

use std::fs::{File, TryLockError};
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::governor::Report;
use crate::error::{Error, Result};
use crate::interrupt;
use crate::lock;
use crate::private;
use crate::status::ProcessIdentity;
use crate::store::{ContainerDir, read_json, write_json};

/// How long a supervisor may take to answer, and a caller to say what he wants.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// No request is longer.
const LONGEST: u64 = 4096;

/// How soon to try again what has no event: a supervisor that is just beginning, or ending.
const AGAIN: Duration = Duration::from_millis(5);

/// What can be asked of a supervisor.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Request {
    /// End the container for good: ask the command, and kill it after the grace period.
    Stop { grace_millis: u64 },
    /// Pass a signal to the command.
    Signal(i32),
    /// Stop all processes, or let them go on.
    Freeze(bool),
    /// Tell what it uses.
    Stats,
    /// Keep the connection as long as you live.
    Watch,
}

/// What it answers.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Answer {
    /// It is done or, for a stop, under way.
    Done,
    /// It was tried in vain.
    NotDone,
    /// The container has just ended, or is between two runs.
    NotRunning,
    /// What it uses.
    Stats(Report),
}

/// `control`: where the supervisor listens.
#[derive(Debug, Serialize, Deserialize)]
struct Address {
    port: u16,
    secret: String,
    supervisor: ProcessIdentity,
}

/// One line of a caller.
#[derive(Debug, Serialize, Deserialize)]
struct Call {
    secret: String,
    request: Request,
}

fn life_file(dir: &ContainerDir) -> PathBuf {
    dir.path().join("supervisor")
}

/// The supervisor's side of its life: holds the lock as long as it lives. Another that is
/// still ending is waited for.
pub(super) fn begin_life(dir: &ContainerDir) -> Result<File> {
    let path = life_file(dir);
    let file = private::lock_file(&path)?;
    lock::take_soon(&file, lock::Mode::Exclusive, &path)?;
    Ok(file)
}

/// Whether the container has a supervisor.
pub(super) fn is_supervised(dir: &ContainerDir) -> bool {
    File::open(life_file(dir))
        .is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

/// The supervisor's door.
pub(super) struct Door {
    listener: TcpListener,
    secret: String,
}

impl Door {
    /// Opens it, and says where it is.
    pub fn open(dir: &ContainerDir, supervisor: ProcessIdentity) -> Result<Door> {
        let failed = |error| Error::io("listen for", dir.path(), error);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|error| Error::System {
            call: "getrandom(16)".into(),
            errno: error.raw_os_error().unwrap_or(0),
        })?;
        let secret: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let address = Address { port, secret: secret.clone(), supervisor };
        write_json(&dir.control(), &address)?;
        Ok(Door { listener, secret })
    }

    /// Hands each request to `take`, together with the connection for the answer. Never
    /// returns.
    pub fn serve(self, take: impl Fn(Request, TcpStream) + Clone + Send + 'static) {
        for caller in self.listener.incoming().flatten() {
            let (take, secret) = (take.clone(), self.secret.clone());
            // A thread each: one that says nothing must not keep the others waiting.
            let _ = std::thread::Builder::new().stack_size(128 << 10).spawn(move || {
                if let Some(request) = hear(&caller, &secret) {
                    take(request, caller);
                }
            });
        }
    }
}

fn hear(caller: &TcpStream, secret: &str) -> Option<Request> {
    caller.set_read_timeout(Some(PATIENCE)).ok()?;
    caller.set_write_timeout(Some(PATIENCE)).ok()?;
    let mut line = String::new();
    BufReader::new(caller.take(LONGEST)).read_line(&mut line).ok()?;
    let call: Call = serde_json::from_str(&line).ok()?;
    (call.secret == secret).then_some(call.request)
}

/// Answers a caller. If he is gone, nobody waits for the answer.
pub(super) fn answer(mut caller: &TcpStream, answer: &Answer) {
    if let Ok(mut line) = serde_json::to_vec(answer) {
        line.push(b'\n');
        let _ = caller.write_all(&line);
    }
}

/// Asks the supervisor of a container. None if there is none.
///
/// # Errors
/// [`Error::HelperFailed`] if it does not answer in time.
pub(super) fn ask(
    dir: &ContainerDir,
    request: Request,
    patience: Duration,
) -> Result<Option<Answer>> {
    let Some((connection, _)) = call(dir, request)? else { return Ok(None) };
    let failed = |why: String| Error::HelperFailed { action: "asking the supervisor", why };
    connection.set_read_timeout(Some(patience)).map_err(|error| failed(error.to_string()))?;
    let mut line = String::new();
    match BufReader::new(&connection).read_line(&mut line) {
        Ok(0) => Ok(None),
        Ok(_) => serde_json::from_str(&line).map(Some).map_err(|error| failed(error.to_string())),
        Err(error) if is_timeout(error.kind()) => {
            Err(failed(format!("it has not answered for {} s", patience.as_secs())))
        }
        // It has ended meanwhile.
        Err(_) => Ok(None),
    }
}

/// Connects to a container's supervisor and says what is wanted. None if there is none.
fn call(dir: &ContainerDir, request: Request) -> Result<Option<(TcpStream, ProcessIdentity)>> {
    if !is_supervised(dir) {
        return Ok(None);
    }
    let Some(Address { port, secret, supervisor }) = read_json(&dir.control())? else {
        return Ok(None);
    };
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let Ok(mut connection) = TcpStream::connect_timeout(&address, PATIENCE) else {
        return Ok(None);
    };
    let mut line = serde_json::to_vec(&Call { secret, request })
        .map_err(|error| Error::damaged(&dir.control(), error))?;
    line.push(b'\n');
    if connection.write_all(&line).is_err() {
        return Ok(None);
    }
    Ok(Some((connection, supervisor)))
}

/// Waits until a supervisor has ended, at most `timeout`. Returns whether it has.
pub(super) fn wait_for_end(
    dir: &ContainerDir,
    supervisor: ProcessIdentity,
    timeout: Option<Duration>,
) -> Result<bool> {
    let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let slice = interrupt::slice(left);
        interrupt::check()?;
        let mut pause = AGAIN;
        match call(dir, Request::Watch)? {
            // Another's time has come.
            Some((_, other)) if other != supervisor => return Ok(true),
            Some((connection, _)) => match read_to_end(&connection, slice) {
                Ended::NotYet if slice < left || left.is_none() => pause = Duration::ZERO,
                Ended::Yes => pause = Duration::ZERO,
                Ended::NotYet => return Ok(false),
            },
            None if !is_supervised(dir) => return Ok(true),
            // It is about to open its door, or to end.
            None => {}
        }
        if left.is_some_and(|left| left <= pause) {
            return Ok(!is_supervised(dir));
        }
        std::thread::sleep(pause);
    }
}

enum Ended {
    Yes,
    NotYet,
}

fn read_to_end(mut connection: &TcpStream, timeout: Option<Duration>) -> Ended {
    if timeout == Some(Duration::ZERO) {
        return Ended::NotYet;
    }
    let _ = connection.set_read_timeout(timeout);
    match connection.read(&mut [0]) {
        Err(error) if is_timeout(error.kind()) => Ended::NotYet,
        _ => Ended::Yes,
    }
}

/// Unix says one, Windows the other.
fn is_timeout(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// Follows a supervisor to its end, and rings a bell then.
#[cfg(not(linux_backend))]
#[derive(Debug)]
pub(crate) struct Lifeline {
    connection: TcpStream,
    ended: std::sync::Arc<std::sync::atomic::AtomicBool>,
}

#[cfg(not(linux_backend))]
impl Lifeline {
    /// None if it has ended.
    pub fn to(
        dir: &ContainerDir,
        supervisor: ProcessIdentity,
        bell: std::sync::Arc<crate::watch::Bell>,
    ) -> Option<Lifeline> {
        use std::sync::atomic::Ordering;
        let (connection, found) = call(dir, Request::Watch).ok().flatten()?;
        let read_from = connection.try_clone().ok()?;
        if found != supervisor {
            return None;
        }
        let ended = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let tell = ended.clone();
        let dir = dir.clone();
        std::thread::Builder::new()
            .name("minidocker-lifeline".into())
            .stack_size(128 << 10)
            .spawn(move || {
                read_to_end(&read_from, None);
                // Its connections and its lock end together, but not in one instant.
                let _ = File::open(life_file(&dir)).map(|file| file.lock_shared());
                tell.store(true, Ordering::Release);
                bell.ring();
            })
            .ok()?;
        Some(Lifeline { connection, ended })
    }

    /// Whether it has ended.
    pub fn has_ended(&self) -> bool {
        self.ended.load(std::sync::atomic::Ordering::Acquire)
    }
}

#[cfg(not(linux_backend))]
impl Drop for Lifeline {
    fn drop(&mut self) {
        // The thread that reads from it ends.
        let _ = self.connection.shutdown(std::net::Shutdown::Both);
    }
}
