//! Single messages: UDP knows no connections, but answers must find their way back.
//!
//! For each client there is a socket of ours towards the container; what arrives there is
//! an answer to that client. When neither has said anything for a while, it is closed.

use std::collections::HashMap;
use std::io::{IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use nix::libc;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, sendmsg,
};

/// How long the two may be silent.
pub(super) const SILENCE: Duration = Duration::from_secs(90);

/// How many messages of one socket are passed on before it is another's turn.
const ROUNDS: usize = 64;

/// The largest message there can be.
const LARGEST: usize = 64 << 10;

/// Who speaks with whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Party {
    listener: usize,
    client: SocketAddr,
    /// The address that the client has written to; answers come from there.
    local: Option<IpAddr>,
}

/// One client's messages.
#[derive(Debug)]
struct Flow {
    party: Party,
    socket: UdpSocket,
    last: Instant,
}

/// All clients. Each flow has a number that is never used again.
#[derive(Debug)]
pub(super) struct Flows {
    numbers: HashMap<Party, u64>,
    flows: HashMap<u64, Flow>,
    next: u64,
    most: usize,
    silence: Duration,
    /// When to look for those that have been silent for too long, if there are any flows.
    look_at: Option<Instant>,
    buffer: Vec<u8>,
    /// Where the kernel says which address a message was sent to.
    control: Vec<u8>,
}

impl Flows {
    /// For `most` clients at a time.
    pub fn new(most: usize, silence: Duration) -> Flows {
        Flows {
            numbers: HashMap::new(),
            flows: HashMap::new(),
            next: 0,
            most,
            silence,
            look_at: None,
            buffer: vec![0; LARGEST],
            control: nix::cmsg_space!(libc::in_pktinfo, libc::in6_pktinfo),
        }
    }

    /// Passes on what clients have sent to a listener. `watch` is given the socket of each new
    /// flow, and says whether it can be waited for.
    pub fn receive(
        &mut self,
        listener: usize,
        socket: &UdpSocket,
        target: SocketAddr,
        watch: impl Fn(u64, &UdpSocket) -> bool,
    ) {
        for _ in 0..ROUNDS {
            let Some((length, client, local)) = self.receive_one(socket) else { return };
            let party = Party { listener, client, local };
            let known = self.numbers.get(&party).copied();
            let Some(number) = known.or_else(|| self.begin(party, target, &watch)) else {
                continue;
            };
            let Some(flow) = self.flows.get_mut(&number) else { continue };
            flow.last = Instant::now();
            let message = &self.buffer[..length];
            // The failure of an earlier message ("nobody listens", by ICMP) is told at this
            // one, which is not sent then.
            if flow.socket.send(message).is_err() {
                let _ = flow.socket.send(message);
            }
        }
    }

    /// The listener at which the client of a flow has asked.
    pub fn listener_of(&self, number: u64) -> Option<usize> {
        Some(self.flows.get(&number)?.party.listener)
    }

    /// Passes on what the container has answered to a client, through the listener's socket.
    pub fn answer(&mut self, number: u64, socket: &UdpSocket) {
        let Some(flow) = self.flows.get_mut(&number) else { return };
        for _ in 0..ROUNDS {
            match flow.socket.recv(&mut self.buffer) {
                Ok(length) => {
                    flow.last = Instant::now();
                    send(socket, &self.buffer[..length], flow.party);
                }
                // Reading it is what clears an error.
                Err(error) if error.raw_os_error() == Some(libc::ECONNREFUSED) => {}
                Err(_) => return,
            }
        }
    }

    fn receive_one(&mut self, socket: &UdpSocket) -> Option<(usize, SocketAddr, Option<IpAddr>)> {
        let mut slices = [IoSliceMut::new(&mut self.buffer)];
        let (control, flags) = (Some(self.control.as_mut_slice()), MsgFlags::MSG_DONTWAIT);
        let received =
            recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut slices, control, flags).ok()?;
        let client = received.address.as_ref().and_then(to_std)?;
        let local = received.cmsgs().ok()?.find_map(|message| match message {
            ControlMessageOwned::Ipv4PacketInfo(info) => {
                Some(IpAddr::V4(Ipv4Addr::from(info.ipi_spec_dst.s_addr.to_ne_bytes())))
            }
            ControlMessageOwned::Ipv6PacketInfo(info) => {
                Some(IpAddr::V6(Ipv6Addr::from(info.ipi6_addr.s6_addr)))
            }
            _ => None,
        });
        Some((received.bytes, client, local))
    }

    fn begin(
        &mut self,
        party: Party,
        target: SocketAddr,
        watch: impl Fn(u64, &UdpSocket) -> bool,
    ) -> Option<u64> {
        let any = match target {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        if self.flows.len() >= self.most {
            let oldest = self.flows.iter().min_by_key(|(_, flow)| flow.last);
            let oldest = oldest.map(|(number, _)| *number)?;
            self.end(oldest);
        }
        let socket = UdpSocket::bind((any, 0)).ok()?;
        socket.set_nonblocking(true).ok()?;
        socket.connect(target).ok()?;
        let (number, now) = (self.next, Instant::now());
        if !watch(number, &socket) {
            return None;
        }
        self.next += 1;
        self.numbers.insert(party, number);
        self.flows.insert(number, Flow { party, socket, last: now });
        self.look_at.get_or_insert(now + self.silence);
        Some(number)
    }

    /// Closes a flow; closing its socket also ends the waiting for it.
    fn end(&mut self, number: u64) {
        if let Some(flow) = self.flows.remove(&number) {
            self.numbers.remove(&flow.party);
        }
    }

    /// When to call [`Flows::end_silent`].
    pub fn deadline(&self) -> Option<Instant> {
        self.look_at
    }

    /// Closes what has been silent for too long.
    pub fn end_silent(&mut self, now: Instant) {
        if self.look_at.is_none_or(|time| now < time) {
            return;
        }
        let silent = self.flows.iter().filter(|(_, flow)| now - flow.last >= self.silence);
        for number in silent.map(|(number, _)| *number).collect::<Vec<_>>() {
            self.end(number);
        }
        let first = self.flows.values().map(|flow| flow.last + self.silence).min();
        // Not for each of them at its own time: a look costs a walk over all.
        self.look_at = first.map(|time| time.max(now + self.silence / 8));
    }
}

/// Sends an answer from the address that was asked.
fn send(socket: &UdpSocket, message: &[u8], party: Party) {
    let four = match party.local {
        Some(IpAddr::V4(local)) => Some(libc::in_pktinfo {
            ipi_ifindex: 0,
            ipi_spec_dst: libc::in_addr { s_addr: u32::from_ne_bytes(local.octets()) },
            ipi_addr: libc::in_addr { s_addr: 0 },
        }),
        _ => None,
    };
    let six = match party.local {
        Some(IpAddr::V6(local)) => Some(libc::in6_pktinfo {
            ipi6_addr: libc::in6_addr { s6_addr: local.octets() },
            ipi6_ifindex: 0,
        }),
        _ => None,
    };
    let four = four.as_ref().map(ControlMessage::Ipv4PacketInfo);
    let six = six.as_ref().map(ControlMessage::Ipv6PacketInfo);
    let control: Vec<ControlMessage<'_>> = four.into_iter().chain(six).collect();
    let client = SockaddrStorage::from(party.client);
    // A message that cannot be sent is lost, as messages are.
    let _ = sendmsg(
        socket.as_raw_fd(),
        &[IoSlice::new(message)],
        &control,
        MsgFlags::MSG_DONTWAIT,
        Some(&client),
    );
}

fn to_std(address: &SockaddrStorage) -> Option<SocketAddr> {
    let four = address.as_sockaddr_in().map(|address| SocketAddr::V4((*address).into()));
    four.or_else(|| address.as_sockaddr_in6().map(|address| SocketAddr::V6((*address).into())))
}
