//! Connections that nobody was let in by yet: of users without a token, who may hold as many
//! open as they like, and of everybody before the first request.
//!
//! There may be so many of them and no more; who comes then takes the place of the one that has
//! been waiting longest. Those who have something to ask do so at once, and are strangers no
//! longer.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::sync::{Mutex, PoisonError};

use nix::libc;

/// So many there may be.
pub(crate) const MOST: usize = 256;

/// Where a connection is found again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    /// Its descriptor, which is actix's: it may be closed by now, and even be another's.
    pub fd: RawFd,
    pub peer: SocketAddr,
    pub local: SocketAddr,
}

/// The strangers of this server, in the order of their coming.
#[derive(Debug, Default)]
pub(crate) struct Strangers {
    waiting: Mutex<(u64, BTreeMap<u64, Place>)>,
}

impl Strangers {
    /// Takes one in; if there are too many, the oldest is disconnected. Returns its number.
    pub fn enter(&self, place: Place) -> u64 {
        let (number, oldest) = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            let (last, places) = &mut *waiting;
            *last += 1;
            places.insert(*last, place);
            let oldest = if places.len() > MOST { places.pop_first() } else { None };
            (*last, oldest)
        };
        if let Some(socket) = oldest.and_then(|(_, place)| place.socket()) {
            let _ = std::net::TcpStream::from(socket).shutdown(std::net::Shutdown::Both);
        }
        number
    }

    /// It is known now, or gone.
    pub fn leave(&self, number: u64) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).1.remove(&number);
    }
}

impl Place {
    /// A copy of the connection's descriptor, if it is still open.
    pub fn socket(&self) -> Option<OwnedFd> {
        // SAFETY: fcntl takes any number and says so if it is no open descriptor; a copy is ours
        // alone.
        let copy = unsafe {
            let fd = libc::fcntl(self.fd, libc::F_DUPFD_CLOEXEC, 0);
            (fd >= 0).then(|| OwnedFd::from_raw_fd(fd))?
        };
        let stream = std::net::TcpStream::from(copy);
        let same = stream.peer_addr().is_ok_and(|peer| peer == self.peer)
            && stream.local_addr().is_ok_and(|local| local == self.local);
        same.then(|| stream.into())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsRawFd;

    use super::*;

    #[test]
    fn the_oldest_stranger_goes_when_there_are_too_many() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let strangers = Strangers::default();
        let connect = || {
            let theirs = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (ours, peer) = listener.accept().unwrap();
            let local = ours.local_addr().unwrap();
            let number = strangers.enter(Place { fd: ours.as_raw_fd(), peer, local });
            (theirs, ours, number)
        };
        let mut held: Vec<_> = (0..MOST).map(|_| connect()).collect();
        // One that was let in is none of them.
        strangers.leave(held[0].2);
        held.push(connect());
        let ended = |(theirs, ..): &mut (TcpStream, TcpStream, u64)| {
            theirs.set_nonblocking(true).unwrap();
            matches!(theirs.read(&mut [0]), Ok(0))
        };
        assert!(!held.iter_mut().any(ended));
        held.push(connect());
        assert!(!ended(&mut held[0]));
        assert!(ended(&mut held[1]));
        assert!(!held[2..].iter_mut().any(ended));
    }
}
