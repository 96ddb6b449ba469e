//! Talking to the kernel's network: netlink sockets (`man 7 netlink`).
//!
//! A request is one message (or a batch of them) and is carried out while it is sent: when
//! send(2) returns, the answer is there. So there is nothing to wait for, and no event loop.

use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, send,
    socket,
};

use crate::linux::sys::{Sys, SysResult};

/// A socket to one part of the network. It belongs to the network namespace it was opened in,
/// wherever the process goes later. In a preview there is none.
#[derive(Debug)]
pub(crate) struct Netlink {
    socket: Option<OwnedFd>,
    name: &'static str,
}

/// The larger parts of an answer come in pieces of at most this.
const LONGEST: usize = 32 * 1024;

/// The length of a message's header (struct nlmsghdr).
const HEADER: usize = 16;

impl Netlink {
    /// To interfaces, addresses and routes (`man 7 rtnetlink`).
    pub fn route(sys: &mut Sys) -> SysResult<Netlink> {
        Netlink::open(sys, "NETLINK_ROUTE", SockProtocol::NetlinkRoute)
    }

    /// To the packet filter.
    pub fn netfilter(sys: &mut Sys) -> SysResult<Netlink> {
        Netlink::open(sys, "NETLINK_NETFILTER", SockProtocol::NetlinkNetFilter)
    }

    fn open(sys: &mut Sys, name: &'static str, protocol: SockProtocol) -> SysResult<Netlink> {
        let text = format!("socket(AF_NETLINK, SOCK_RAW|SOCK_CLOEXEC, {name})");
        let socket = sys.call(text, None, || {
            let flags = SockFlag::SOCK_CLOEXEC;
            let socket = socket(AddressFamily::Netlink, SockType::Raw, flags, protocol)?;
            bind(socket.as_raw_fd(), &NetlinkAddr::new(0, 0))?;
            Ok::<_, Errno>(Some(socket))
        })?;
        Ok(Netlink { socket, name })
    }

    /// Sends a request and returns the answer's messages, without their headers. `text` says
    /// what is asked for.
    pub fn ask(&self, sys: &mut Sys, text: &str, request: &Request) -> SysResult<Vec<Vec<u8>>> {
        let text = format!("sendto(<{}>, {text})", self.name);
        sys.call(text, Vec::new(), || match &self.socket {
            Some(socket) => {
                let mut answer = exchange(socket, &request.bytes)?;
                // A list that changed while it was told may lack what was there all the time.
                for _ in 0..20 {
                    if answer.interrupted {
                        answer = exchange(socket, &request.bytes)?;
                    }
                }
                Ok::<_, Errno>(answer.messages)
            }
            None => Ok(Vec::new()),
        })
    }
}

#[derive(Default)]
struct Answer {
    messages: Vec<Vec<u8>>,
    interrupted: bool,
}

fn exchange(socket: &OwnedFd, request: &[u8]) -> nix::Result<Answer> {
    send(socket.as_raw_fd(), request, MsgFlags::empty())?;
    let mut buffer = vec![0; LONGEST];
    let (mut answer, mut error) = (Answer::default(), None);
    loop {
        // Each piece of a long answer is made when the one before is taken.
        let length = match recv(socket.as_raw_fd(), &mut buffer, MsgFlags::MSG_DONTWAIT) {
            Err(Errno::EAGAIN) => return error.map_or(Ok(answer), Err),
            Err(Errno::EINTR) => continue,
            result => result?,
        };
        for (kind, flags, body) in Messages(&buffer[..length]) {
            answer.interrupted |= i32::from(flags) & libc::NLM_F_DUMP_INTR != 0;
            match i32::from(kind) {
                libc::NLMSG_ERROR => {
                    // The errno, negative; zero is the acknowledgement.
                    let code = body.first_chunk::<4>().map_or(0, |raw| i32::from_ne_bytes(*raw));
                    if code != 0 && error.is_none() {
                        error = Some(Errno::from_raw(-code));
                    }
                }
                libc::NLMSG_DONE | libc::NLMSG_NOOP => {}
                _ => answer.messages.push(body.to_vec()),
            }
        }
    }
}

/// The messages of a datagram: type, flags and body of each.
struct Messages<'a>(&'a [u8]);

impl<'a> Iterator for Messages<'a> {
    type Item = (u16, u16, &'a [u8]);

    fn next(&mut self) -> Option<(u16, u16, &'a [u8])> {
        let header = self.0.first_chunk::<HEADER>()?;
        let length = u32::from_ne_bytes([header[0], header[1], header[2], header[3]]) as usize;
        let kind = u16::from_ne_bytes([header[4], header[5]]);
        let flags = u16::from_ne_bytes([header[6], header[7]]);
        let body = self.0.get(HEADER..length)?;
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, flags, body))
    }
}

/// A request in the making: one message, or several that are carried out as one.
#[derive(Debug, Default)]
pub(crate) struct Request {
    bytes: Vec<u8>,
    count: u32,
}

impl Request {
    /// A request of one message, which is to be acknowledged.
    pub fn one(kind: u16, flags: i32, body: impl FnOnce(&mut Vec<u8>)) -> Request {
        let mut request = Request::default();
        request.push(kind, flags | libc::NLM_F_ACK, body);
        request
    }

    /// Adds a message.
    pub fn push(&mut self, kind: u16, flags: i32, body: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        self.bytes.resize(start + HEADER, 0);
        body(&mut self.bytes);
        let length = self.bytes.len() - start;
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        // No message of ours comes near 4 GB, and these flags have 16 bits.
        let flags = (flags | libc::NLM_F_REQUEST) as u16;
        let header = &mut self.bytes[start..start + HEADER];
        header[0..4].copy_from_slice(&(length as u32).to_ne_bytes());
        header[4..6].copy_from_slice(&kind.to_ne_bytes());
        header[6..8].copy_from_slice(&flags.to_ne_bytes());
        header[8..12].copy_from_slice(&self.count.to_ne_bytes());
        self.count += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_told_apart_and_a_cut_off_one_is_left_out() {
        let mut request = Request::default();
        request.push(7, 0, |body| body.extend(b"abcde"));
        request.push(8, libc::NLM_F_ACK, |body| body.extend(b"fgh"));
        let all: Vec<_> = Messages(&request.bytes).collect();
        assert_eq!(all, [(7, 1, &b"abcde"[..]), (8, 5, b"fgh")]);
        let cut = &request.bytes[..request.bytes.len() - 4];
        assert_eq!(Messages(cut).count(), 1);
        assert_eq!(Messages(&[0; 40]).count(), 0, "nonsense is no message");
    }
}
