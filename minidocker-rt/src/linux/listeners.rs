//! The host's side of published ports: sockets that are bound before anything else of a
//! container is made, so that a port which is taken costs nothing but a message.

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::libc;
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrStorage, bind, listen, setsockopt, socket,
    sockopt,
};

use super::port_owner;
use super::sys::{Sys, SysError, SysResult};
use crate::spec::{PortMapping, Protocol};

/// A bound socket and what it is for. The supervisor keeps it over all runs of the command:
/// who connects while the command is being started again waits in the kernel's queue.
#[derive(Debug)]
pub(crate) struct Listener {
    pub socket: ListenerSocket,
    /// With the port that the kernel chose, where any was free to choose.
    pub port: PortMapping,
}

#[derive(Debug)]
pub(crate) enum ListenerSocket {
    Tcp(TcpListener),
    Udp(UdpSocket),
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.socket {
            ListenerSocket::Tcp(socket) => socket.as_fd(),
            ListenerSocket::Udp(socket) => socket.as_fd(),
        }
    }
}

/// Binds one port of the host. None in a preview.
pub(crate) fn listen_at(sys: &mut Sys, port: &PortMapping) -> SysResult<Option<Listener>> {
    let address = SocketAddr::new(port.host_ip(), port.host_port());
    let (family, family_name) = match address {
        SocketAddr::V4(_) => (AddressFamily::Inet, "AF_INET"),
        SocketAddr::V6(_) => (AddressFamily::Inet6, "AF_INET6"),
    };
    let (kind, kind_name) = match port.protocol() {
        Protocol::Tcp => (SockType::Stream, "SOCK_STREAM"),
        Protocol::Udp => (SockType::Datagram, "SOCK_DGRAM"),
    };
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let made = sys.call(format!("socket({family_name}, {kind_name})"), None, || {
        socket(family, kind, flags, None).map(Some)
    })?;
    let name = port.protocol();
    // Closed if one of the calls fails. In a preview none is performed.
    let fd = || made.as_ref().ok_or(nix::errno::Errno::EBADF);
    if port.protocol() == Protocol::Tcp {
        // Connections of an earlier run may linger in TIME_WAIT; they are no listeners.
        sys.call(format!("setsockopt(<{name}>, SO_REUSEADDR, 1)"), (), || {
            setsockopt(fd()?, sockopt::ReuseAddr, &true)
        })?;
    }
    if address.is_ipv6() {
        // Otherwise [::] would take the port at 0.0.0.0 as well.
        sys.call(format!("setsockopt(<{name}>, IPV6_V6ONLY, 1)"), (), || {
            setsockopt(fd()?, sockopt::Ipv6V6Only, &true)
        })?;
    }
    if port.protocol() == Protocol::Udp {
        // At 0.0.0.0 an answer must come from the address that was asked (`man 7 ip`).
        sys.call(format!("setsockopt(<{name}>, IP_PKTINFO, 1)"), (), || match address {
            SocketAddr::V4(_) => setsockopt(fd()?, sockopt::Ipv4PacketInfo, &true),
            SocketAddr::V6(_) => setsockopt(fd()?, sockopt::Ipv6RecvPacketInfo, &true),
        })?;
    }
    sys.call(format!("bind(<{name}>, {address})"), (), || {
        bind(fd()?.as_raw_fd(), &SockaddrStorage::from(address))
    })?;
    if port.protocol() == Protocol::Tcp {
        sys.call(format!("listen(<{name}>, SOMAXCONN)"), (), || {
            listen(fd()?, Backlog::MAXALLOWABLE)
        })?;
    }
    made.map(|socket| Listener::new(socket, port, address)).transpose()
}

impl Listener {
    fn new(socket: OwnedFd, port: &PortMapping, address: SocketAddr) -> SysResult<Listener> {
        let socket = match port.protocol() {
            Protocol::Tcp => ListenerSocket::Tcp(socket.into()),
            Protocol::Udp => ListenerSocket::Udp(socket.into()),
        };
        let bound = match &socket {
            ListenerSocket::Tcp(socket) => socket.local_addr(),
            ListenerSocket::Udp(socket) => socket.local_addr(),
        };
        let bound = bound.map_err(|error| SysError {
            call: format!("getsockname(<{}>) of {address}", port.protocol()),
            errno: error.raw_os_error().unwrap_or(libc::EIO),
        })?;
        Ok(Listener { socket, port: port.at_port(bound.port()) })
    }
}

/// What to tell of a port that could not be bound, beyond the errno.
pub(crate) fn refusal(
    port: &PortMapping,
    errno: i32,
    siblings: &std::path::Path,
) -> Option<String> {
    let (address, number) = (port.host_ip(), port.host_port());
    let protocol = port.protocol();
    match errno {
        libc::EADDRINUSE => Some(match port_owner::find(port, siblings) {
            Some(owner) => format!("port {number}/{protocol} of {address} is taken by {owner}"),
            None => format!("port {number}/{protocol} of {address} is taken"),
        }),
        libc::EADDRNOTAVAIL => Some(format!("{address} is not an address of this machine")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound(port: &str) -> SysResult<Listener> {
        let port = port.parse().unwrap();
        listen_at(&mut Sys::real(None), &port).map(|listener| listener.unwrap())
    }

    #[test]
    fn a_free_port_is_told() {
        for port in ["0:80", "0:80/udp", "[::1]:0:80", "0.0.0.0:0:80/udp"] {
            let listener = bound(port).unwrap();
            assert_ne!(listener.port.host_port(), 0, "{port}");
            assert_eq!(listener.port.container_port(), 80);
        }
    }

    #[test]
    fn a_taken_port_names_its_owner() {
        for protocol in ["tcp", "udp"] {
            let first = bound(&format!("0:80/{protocol}")).unwrap();
            let again = format!("{}:81/{protocol}", first.port.host_port());
            let error = bound(&again).unwrap_err();
            assert_eq!(error.errno, libc::EADDRINUSE);
            assert!(error.call.starts_with(&format!("bind(<{protocol}>, 127.0.0.1:")));
            let why = refusal(&first.port, error.errno, "/nowhere".as_ref()).unwrap();
            let ours = format!("process {} ", std::process::id());
            assert!(why.contains(&ours), "{why}: should be {ours}");
            drop(first);
            assert!(bound(&again).is_ok(), "the port is free again");
        }
    }

    #[test]
    fn the_families_do_not_take_each_others_ports() {
        let four = bound("0.0.0.0:0:80").unwrap();
        let six = format!("[::]:{}:80", four.port.host_port());
        assert!(bound(&six).is_ok());
    }

    #[test]
    fn an_address_of_another_machine_is_refused() {
        let error = bound("192.0.2.1:0:80").unwrap_err();
        let why = refusal(&"192.0.2.1:0:80".parse().unwrap(), error.errno, "/".as_ref());
        assert_eq!(why.unwrap(), "192.0.2.1 is not an address of this machine");
    }

    #[test]
    fn a_preview_binds_nothing() {
        let mut sys = Sys::preview();
        sys.begin("publish-ports");
        let port: PortMapping = "127.0.0.1:8080:80".parse().unwrap();
        assert!(listen_at(&mut sys, &port).unwrap().is_none());
        let calls: Vec<String> = sys.take_calls().into_iter().map(|call| call.call).collect();
        assert_eq!(
            calls,
            [
                "socket(AF_INET, SOCK_STREAM)",
                "setsockopt(<tcp>, SO_REUSEADDR, 1)",
                "bind(<tcp>, 127.0.0.1:8080)",
                "listen(<tcp>, SOMAXCONN)",
            ]
        );
    }
}
