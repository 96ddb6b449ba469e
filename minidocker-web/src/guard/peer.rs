//! To which user of this machine the other end of a connection belongs.
//!
//! /proc/net/tcp and tcp6 (`man 5 proc_net`) list all connections with their owners. Ours is
//! there twice: once from each end. A socket that nobody holds any more is listed as root's!
//! Who sends a request and closes the connection at once would pass for root; so only a
//! socket that some process holds (one with an inode) counts.

use std::any::Any;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsRawFd;
use std::sync::Arc;

use actix_web::dev::Extensions;
use actix_web::rt::net::TcpStream;
use actix_web::web;
use nix::libc;
use tokio::sync::OnceCell;

use super::strangers::{Place, Strangers};
use crate::readable::closed;

/// A connection to this server.
#[derive(Debug)]
pub(crate) struct Connection {
    pub peer: SocketAddr,
    pub local: SocketAddr,
    /// Where it is found, to notice its end. No copy: a descriptor for each would halve how many
    /// there can be.
    place: Place,
    strangers: Arc<Strangers>,
    /// Its number among the strangers, until it was let in.
    number: u64,
    /// Looked up at the first request: None inside if it cannot be told.
    uid: OnceCell<Option<u32>>,
}

impl Connection {
    /// Remembers a new connection; for `HttpServer::on_connect`.
    pub fn remember(strangers: &Arc<Strangers>, connection: &dyn Any, data: &mut Extensions) {
        let stream = connection.downcast_ref::<TcpStream>();
        let place = stream.and_then(|stream| {
            let (peer, local) = (stream.peer_addr().ok()?, stream.local_addr().ok()?);
            Some(Place { fd: stream.as_raw_fd(), peer, local })
        });
        if let Some(place) = place {
            let Place { peer, local, .. } = place;
            let number = strangers.enter(place);
            let (strangers, uid) = (strangers.clone(), OnceCell::new());
            data.insert(Connection { peer, local, place, strangers, number, uid });
        }
    }

    /// Whoever is at the other end was let in.
    pub fn let_in(&self) {
        self.strangers.leave(self.number);
    }

    /// Completes when the client has closed the connection, or its side of it. While an
    /// answer is being made, actix does not look.
    pub async fn closed(&self) {
        match self.place.socket() {
            Some(socket) => closed(socket).await,
            // It is closed already, or there is no descriptor left to watch it with.
            None if std::io::Error::last_os_error().raw_os_error() != Some(libc::EMFILE) => {}
            None => std::future::pending().await,
        }
    }

    /// The user at the other end; None from another machine, or if nobody can tell.
    pub async fn uid(&self) -> Option<u32> {
        let (peer, local) = (self.peer, self.local);
        // An address of this machine, if it comes from where it goes to.
        if !peer.ip().to_canonical().is_loopback() {
            return None;
        }
        let look_up = || async move { web::block(move || look_up(peer, local)).await.ok()? };
        *self.uid.get_or_init(look_up).await
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.strangers.leave(self.number);
    }
}

fn look_up(peer: SocketAddr, local: SocketAddr) -> Option<u32> {
    ["/proc/net/tcp", "/proc/net/tcp6"].into_iter().find_map(|path| {
        let table = fs::read_to_string(path).ok()?;
        table.lines().skip(1).filter_map(Entry::parse).find(|e| e.is(peer, local)).map(|e| e.uid)
    })
}

/// A line of the table.
#[derive(Debug, PartialEq)]
struct Entry {
    local: SocketAddr,
    remote: SocketAddr,
    uid: u32,
    inode: u64,
}

impl Entry {
    fn parse(line: &str) -> Option<Entry> {
        let words: Vec<&str> = line.split_whitespace().collect();
        Some(Entry {
            local: parse_address(words.get(1)?)?,
            remote: parse_address(words.get(2)?)?,
            uid: words.get(7)?.parse().ok()?,
            inode: words.get(9)?.parse().ok()?,
        })
    }

    /// Whether this is the end of the client, and held by a process.
    fn is(&self, peer: SocketAddr, local: SocketAddr) -> bool {
        self.inode != 0 && same(self.local, peer) && same(self.remote, local)
    }
}

/// A socket for IPv6 may speak IPv4, and is listed with an address that says so.
fn same(one: SocketAddr, other: SocketAddr) -> bool {
    one.port() == other.port() && one.ip().to_canonical() == other.ip().to_canonical()
}

/// `0100007F:1388`: words of 32 bits as this machine writes numbers, then the port.
fn parse_address(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |from: usize| -> Option<[u8; 4]> {
        Some(u32::from_str_radix(address.get(from..from + 8)?, 16).ok()?.to_ne_bytes())
    };
    let ip: IpAddr = match address.len() {
        8 => Ipv4Addr::from(word(0)?).into(),
        32 => {
            let mut bytes = [0; 16];
            for (index, bytes) in bytes.chunks_exact_mut(4).enumerate() {
                bytes.copy_from_slice(&word(index * 8)?);
            }
            Ipv6Addr::from(bytes).into()
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_endian = "little")]
    #[test]
    fn a_line_of_the_table_is_read() {
        let line = "   1: 0100007F:D431 0100007F:1388 01 00000000:00000000 00:00000000 00000000  \
                    1000        0 123456 1 0000000000000000 20 4 30 10 -1";
        let entry = Entry::parse(line).unwrap();
        let (peer, local) = ("127.0.0.1:54321".parse().unwrap(), "127.0.0.1:5000".parse().unwrap());
        assert_eq!(entry, Entry { local: peer, remote: local, uid: 1000, inode: 123_456 });
        assert!(entry.is(peer, local) && !entry.is(local, peer));
        assert!(!Entry { inode: 0, ..entry }.is(peer, local), "nobody holds it");
        let six = parse_address("0000000000000000FFFF00000100007F:1388").unwrap();
        assert!(same(six, local));
        assert_eq!(
            parse_address("00000000000000000000000001000000:0050"),
            Some("[::1]:80".parse().unwrap())
        );
        for nonsense in ["", "x", "0100007F", "01:1388", "0100007G:1388"] {
            assert_eq!(parse_address(nonsense), None);
        }
    }
}
