//! Messages between our processes: JSON over SOCK_SEQPACKET, which keeps message
//! borders and, unlike a pipe, carries descriptors and the sender's pid.
//!
//! A message must fit into the socket's buffer (208 KiB, `man 7 socket`). One that is large goes
//! as a sealed memory file, whose descriptor is sent instead.

use std::fs::File;
use std::io::{IoSlice, IoSliceMut, Write};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::libc;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType,
    UnixCredentials, recv, recvmsg, sendmsg, setsockopt, socketpair, sockopt,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::exec::ExecRequest;
use crate::error::StepFailure;
use crate::plan::TracedStep;
use crate::spec::Subnet;

/// The most bytes that go through the socket itself: all that is usual.
const SMALL: usize = 128 << 10;

/// The most bytes of any message. The arguments and variables of a command are 6 MiB at most,
/// and grow by escapes when they are written as JSON.
const LARGEST: usize = 64 << 20;

/// Stands for a message that is in the first descriptor. No JSON begins so.
const IN_FILE: [u8; 1] = [0];

/// So that what was checked is what is read.
const SEALS: SealFlag = SealFlag::F_SEAL_SEAL
    .union(SealFlag::F_SEAL_SHRINK)
    .union(SealFlag::F_SEAL_GROW)
    .union(SealFlag::F_SEAL_WRITE);

/// Program to spawner, first of all: what it works with. Not by its command line or environment,
/// which PID 1 of every container would inherit.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Setup {
    /// The root folder.
    pub root: PathBuf,
    /// The addresses of the common bridge, if they were chosen.
    pub subnet: Option<Subnet>,
    /// The program's time zone, if it is not the machine's.
    pub time_zone: Option<String>,
}

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
    AboutToExec {
        /// Microseconds since the construction began.
        micros: f64,
    },
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
    let mut bytes = serde_json::to_vec(message).map_err(|_| Errno::EINVAL)?;
    let mut raw: Vec<i32> = descriptors.iter().map(AsRawFd::as_raw_fd).collect();
    let file = if bytes.len() > SMALL { Some(sealed(&bytes)?) } else { None };
    if let Some(file) = &file {
        bytes = IN_FILE.to_vec();
        raw.insert(0, file.as_raw_fd());
    }
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
    let mut control = nix::cmsg_space!([i32; 5], UnixCredentials);
    let (length, mut descriptors, sender) = loop {
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
    buffer.truncate(length);
    if buffer == IN_FILE {
        if descriptors.is_empty() {
            return Err(Errno::EBADMSG);
        }
        buffer = content(descriptors.remove(0))?;
    }
    let message = serde_json::from_slice(&buffer).map_err(|_| Errno::EBADMSG)?;
    Ok(Some(Received { message, descriptors, sender }))
}

/// A file in memory that nobody can change any more.
fn sealed(bytes: &[u8]) -> nix::Result<File> {
    if bytes.len() > LARGEST {
        return Err(Errno::EMSGSIZE);
    }
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    let mut file = File::from(memfd_create(c"minidocker-message", flags)?);
    file.write_all(bytes).map_err(errno_of)?;
    fcntl(&file, FcntlArg::F_ADD_SEALS(SEALS))?;
    Ok(file)
}

/// What is in such a file. Anything else, a pipe for example, might keep us waiting.
fn content(file: OwnedFd) -> nix::Result<Vec<u8>> {
    let seals = SealFlag::from_bits_retain(fcntl(&file, FcntlArg::F_GET_SEALS)?);
    let file = File::from(file);
    let length = usize::try_from(file.metadata().map_err(errno_of)?.len()).unwrap_or(usize::MAX);
    if !seals.contains(SEALS) || length > LARGEST {
        return Err(Errno::EMSGSIZE);
    }
    let mut bytes = vec![0; length];
    // By offset: the sender has left the file's position at its end.
    file.read_exact_at(&mut bytes, 0).map_err(errno_of)?;
    Ok(bytes)
}

fn errno_of(error: std::io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO))
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

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn a_message_of_any_size_arrives_with_its_descriptors() {
        let (ours, theirs) = pair().unwrap();
        for length in [0, SMALL - 2, SMALL - 1, 10 << 20] {
            let text = "x".repeat(length);
            let fds = [ours.as_fd(), theirs.as_fd(), ours.as_fd(), theirs.as_fd()];
            send(ours.as_fd(), &text, &fds).unwrap();
            let received = receive::<String>(theirs.as_fd()).unwrap().unwrap();
            assert!(received.message == text, "{length}");
            assert_eq!(received.descriptors.len(), 4);
        }
        let endless = "x".repeat(LARGEST);
        assert_eq!(send(ours.as_fd(), &endless, &[]), Err(Errno::EMSGSIZE));
    }

    #[test]
    fn what_could_keep_us_waiting_is_no_message() {
        let (ours, theirs) = pair().unwrap();
        let (pipe, _writer) = nix::unistd::pipe().unwrap();
        let unsealed = memfd_create(c"x", MFdFlags::MFD_ALLOW_SEALING).unwrap();
        for file in [pipe, unsealed] {
            let raw = [file.as_raw_fd()];
            let iov = [IoSlice::new(&IN_FILE)];
            let rights = [ControlMessage::ScmRights(&raw)];
            sendmsg::<()>(ours.as_raw_fd(), &iov, &rights, MsgFlags::empty(), None).unwrap();
            assert!(receive::<String>(theirs.as_fd()).is_err());
        }
    }
}
