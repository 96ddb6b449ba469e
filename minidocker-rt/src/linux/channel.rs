//! Messages between our processes: JSON over SOCK_SEQPACKET, which keeps message
//! borders and, unlike a pipe, carries descriptors and the sender's pid.

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::path::PathBuf;

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType,
    UnixCredentials, recv, recvmsg, sendmsg, setsockopt, socketpair, sockopt,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::exec::ExecRequest;
use crate::error::StepFailure;
use crate::plan::TracedStep;

/// Program to spawner: fork this.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Request {
    /// A supervisor that starts the container. With it go two descriptors: the supervisor's
    /// end of a channel for the [`Started`](crate::backend::Started), and the container's lock.
    Start { container: PathBuf },
    /// A helper that executes a command. With it go its end of a channel and, unless it has
    /// a terminal, the three standard streams.
    Exec(ExecRequest),
}

/// Spawner to program, once: whether it is ready.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Greeting {
    Ready,
    Refused(String),
}

/// Init and command to supervisor, while the container is built.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Report {
    /// Steps that were done, or failed.
    Steps(Vec<TracedStep>),
    /// The start has failed.
    Failed(StepFailure),
    /// The command's terminal: our end of it goes along.
    Terminal,
    /// Only the exec is left. Sent by the command, whose pid the kernel adds.
    AboutToExec,
}

/// A message with what the kernel attached to it.
pub(crate) struct Received<T> {
    pub message: T,
    pub descriptors: Vec<OwnedFd>,
    /// The sender's pid as this process sees it, whatever namespace it is in.
    pub sender: Option<i32>,
}

/// Two connected ends, closed on exec.
pub(crate) fn pair() -> nix::Result<(OwnedFd, OwnedFd)> {
    socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)
}

/// Asks the kernel to add the sender's pid to each message received here.
pub(crate) fn want_sender(socket: &OwnedFd) -> nix::Result<()> {
    setsockopt(socket, sockopt::PassCred, &true)
}

/// Sends one message, with descriptors if any.
pub(crate) fn send<T: Serialize>(
    socket: BorrowedFd<'_>,
    message: &T,
    descriptors: &[BorrowedFd<'_>],
) -> nix::Result<()> {
    let bytes = serde_json::to_vec(message).map_err(|_| Errno::EINVAL)?;
    let raw: Vec<i32> = descriptors.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&raw)];
    let control: &[ControlMessage<'_>] = if raw.is_empty() { &[] } else { &rights };
    loop {
        let iov = [IoSlice::new(&bytes)];
        match sendmsg::<()>(socket.as_raw_fd(), &iov, control, MsgFlags::MSG_NOSIGNAL, None) {
            Ok(_) => return Ok(()),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

/// Receives one message; None when the other side has closed.
pub(crate) fn receive<T: DeserializeOwned>(
    socket: BorrowedFd<'_>,
) -> nix::Result<Option<Received<T>>> {
    // Exactly as much as there is: a buffer for the longest message would be the largest
    // part of a supervisor's memory, long after the last message.
    let mut buffer = vec![0; next_length(socket)?];
    let mut control = nix::cmsg_space!([i32; 4], UnixCredentials);
    let (length, descriptors, sender) = loop {
        let mut iov = [IoSliceMut::new(&mut buffer)];
        let flags = MsgFlags::MSG_CMSG_CLOEXEC;
        let received = match recvmsg::<()>(socket.as_raw_fd(), &mut iov, Some(&mut control), flags)
        {
            Err(Errno::EINTR) => continue,
            result => result?,
        };
        let (mut descriptors, mut sender) = (Vec::new(), None);
        for part in received.cmsgs()? {
            match part {
                ControlMessageOwned::ScmRights(raw) => {
                    // SAFETY: the kernel has just made these descriptors for us alone.
                    descriptors
                        .extend(raw.into_iter().map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }));
                }
                ControlMessageOwned::ScmCredentials(from) => sender = Some(from.pid()),
                _ => {}
            }
        }
        break (received.bytes, descriptors, sender);
    };
    if length == 0 {
        return Ok(None);
    }
    let message =
        serde_json::from_slice(&buffer[..length]).map_err(|_| Errno::from_raw(libc::EBADMSG))?;
    Ok(Some(Received { message, descriptors, sender }))
}

/// Waits for the next message and tells its length, leaving it there.
fn next_length(socket: BorrowedFd<'_>) -> nix::Result<usize> {
    loop {
        match recv(socket.as_raw_fd(), &mut [], MsgFlags::MSG_PEEK | MsgFlags::MSG_TRUNC) {
            Err(Errno::EINTR) => {}
            result => return result,
        }
    }
}
