//! The supervisor's door: a socket in the container's folder, through which programs ask it
//! to stop or signal the container, or attach to it.
//!
//! What goes through it is what must not be lost when the asker dies half-way (a stop with
//! its grace period), or what only the supervisor can do (input, the terminal's size).

use std::fs::{self, File};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, accept4, bind, connect, listen,
    setsockopt, socket, sockopt,
};
use nix::sys::time::TimeVal;
use serde::{Deserialize, Serialize};

use super::{channel, process};
use crate::error::{Error, Result};
use crate::store::ContainerDir;

/// More programs than this are not served at once.
pub(crate) const MOST_CALLERS: usize = 256;

/// What can be asked of a supervisor.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Request {
    /// End the container for good: SIGTERM, and SIGKILL after the grace period.
    Stop { grace_millis: u64 },
    /// Pass a signal to the command.
    Signal(i32),
    /// Show the output from now on, and take input, over this connection.
    Attach,
}

/// What it answers.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Answer {
    /// It is done or, for a stop, under way.
    Done,
    /// The connection carries frames from now on.
    Attached { stdin: bool, tty: bool },
    /// The container has just ended, or is between two runs.
    NotRunning,
}

/// Opens the door. One that a killed supervisor left is replaced.
pub(crate) fn open(dir: &ContainerDir) -> Result<OwnedFd> {
    let path = dir.control();
    let _ = fs::remove_file(&path);
    let made = |call: &'static str| {
        move |errno: Errno| Error::System { call: call.into(), errno: errno as i32 }
    };
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let door = socket(AddressFamily::Unix, SockType::SeqPacket, flags, None)
        .map_err(made("socket(AF_UNIX, SOCK_SEQPACKET)"))?;
    with_address(&path, |address| bind(door.as_raw_fd(), address)).map_err(made("bind"))?;
    listen(&door, Backlog::new(64).unwrap_or(Backlog::MAXCONN)).map_err(made("listen"))?;
    Ok(door)
}

/// Accepts a connection on the control socket, if one is waiting.
pub(crate) fn admit(door: &OwnedFd) -> Option<OwnedFd> {
    use std::os::fd::FromRawFd;
    let fd = accept4(door.as_raw_fd(), SockFlag::SOCK_CLOEXEC).ok()?;
    // SAFETY: accept4 has just made this descriptor for us alone.
    Some(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Asks the supervisor of a container. None if there is none. Otherwise its answer, with the
/// connection.
///
/// # Errors
/// [`Error::HelperFailed`] if it does not answer within `patience`.
pub(crate) fn ask(
    dir: &ContainerDir,
    request: &Request,
    patience: Duration,
) -> Result<Option<(Answer, OwnedFd)>> {
    let call = |call: &'static str| {
        move |errno: Errno| Error::System { call: call.into(), errno: errno as i32 }
    };
    let socket = socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC, None)
        .map_err(call("socket(AF_UNIX, SOCK_SEQPACKET)"))?;
    // Where the supervisor takes nobody in, connect(2) waits for the queue to have room.
    let limit = TimeVal::new(patience.as_secs().try_into().unwrap_or(i64::MAX), 0);
    setsockopt(&socket, sockopt::SendTimeout, &limit).map_err(call("setsockopt(SO_SNDTIMEO)"))?;
    let unanswered = || Error::HelperFailed {
        action: "asking the supervisor",
        why: format!("it has not answered for {} s", patience.as_secs()),
    };
    match with_address(&dir.control(), |address| connect(socket.as_raw_fd(), address)) {
        Ok(()) => {}
        Err(Errno::ENOENT | Errno::ECONNREFUSED) => return Ok(None),
        Err(Errno::EAGAIN) => return Err(unanswered()),
        Err(errno) => return Err(call("connect")(errno)),
    }
    // Whoever attaches writes for as long as the command does not read.
    setsockopt(&socket, sockopt::SendTimeout, &TimeVal::new(0, 0))
        .map_err(call("setsockopt(SO_SNDTIMEO)"))?;
    match channel::send(socket.as_fd(), request, &[]) {
        Ok(()) => {}
        Err(Errno::EPIPE | Errno::ECONNRESET) => return Ok(None),
        Err(errno) => return Err(call("sendmsg")(errno)),
    }
    if !process::wait_readable(socket.as_fd(), Some(patience))? {
        return Err(unanswered());
    }
    match channel::receive::<Answer>(socket.as_fd()) {
        Ok(Some(received)) => Ok(Some((received.message, socket))),
        Ok(None) | Err(Errno::ECONNRESET) => Ok(None),
        Err(errno) => Err(call("recvmsg")(errno)),
    }
}

/// The path of a socket may have 107 bytes only (`man 7 unix`); by way of a descriptor of its
/// folder it is short, however deep the root lies.
fn with_address(path: &Path, act: impl FnOnce(&UnixAddr) -> nix::Result<()>) -> nix::Result<()> {
    let folder = path.parent().unwrap_or(path);
    let folder =
        File::open(folder).map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(0)))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let short = format!("/proc/self/fd/{}/{name}", folder.as_raw_fd());
    act(&UnixAddr::new(short.as_str())?)
}
