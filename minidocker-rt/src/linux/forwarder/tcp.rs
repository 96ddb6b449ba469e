//! Connections: each is two sockets, the client's and the container's, and what is read from
//! the one is written to the other.
//!
//! The bytes never come into this process. splice(2) moves them from a socket into a pipe
//! and from the pipe into the other socket, which for the kernel is a matter of passing on
//! references to the pages they are in. At most one pipe full waits between the two sockets:
//! a reader who is slow makes us stop reading, TCP tells the writer, and the writer waits.

use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::libc;
use nix::sys::epoll::EpollFlags;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrStorage, connect, setsockopt, socket, sockopt,
};
use rustix::pipe::{PipeFlags, SpliceFlags, pipe_with, splice};

/// How much is moved at once: what a pipe holds (`man 7 pipe`).
const CHUNK: usize = 64 << 10;

/// How often one connection may move on before it is another's turn.
const ROUNDS: usize = 16;

/// How many empty pipes are kept for the next who needs one.
const SPARE_PIPES: usize = 32;

/// How long a silent client is believed to be there before it is asked (`man 7 tcp`).
const KEEPALIVE_SECONDS: u32 = 60;

/// The two ends of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Client,
    Container,
}

/// What becomes of a connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// It waits for the kernel's next event.
    Wait,
    /// It could go on, and it is another's turn.
    Again,
    /// All was said in both directions, or there is nobody to say it to.
    Over,
}

/// A connection of a client, and ours to the container on its behalf.
#[derive(Debug)]
pub(super) struct Connection {
    client: TcpStream,
    container: TcpStream,
    /// Whether the container has taken the connection.
    connected: bool,
    /// From the client to the container, and back.
    up: Direction,
    down: Direction,
}

/// One direction of a connection.
#[derive(Debug, Default)]
struct Direction {
    /// The pipe between the sockets, while there is something in it.
    pipe: Option<Pipe>,
    /// How much there is in it.
    pending: usize,
    /// Whether the reader has come to the end.
    ended: bool,
    /// Whether the end was passed on.
    closed: bool,
}

/// How far a direction has come.
enum Moved {
    /// The one socket has nothing (more), or the other takes nothing more.
    Blocked,
    /// It has had its rounds.
    Enough,
}

impl Connection {
    /// Connects to the container for a client that was let in.
    pub fn new(client: TcpStream, target: SocketAddr) -> Result<Connection, Errno> {
        let ready = prepare(&client).and_then(|()| {
            setsockopt(&client, sockopt::KeepAlive, &true)?;
            setsockopt(&client, sockopt::TcpKeepIdle, &KEEPALIVE_SECONDS)
        });
        let container = ready.and_then(|()| connecting(target)).inspect_err(|_| reset(&client))?;
        let (up, down) = (Direction::default(), Direction::default());
        Ok(Connection { client, container, connected: false, up, down })
    }

    /// The sockets to wait for.
    pub fn sides(&self) -> [(Side, &TcpStream); 2] {
        [(Side::Client, &self.client), (Side::Container, &self.container)]
    }

    /// Does what can be done after the kernel has told of `events` at one side. Each event is
    /// told once (EPOLLET), so all that it allows is done: until a call would block.
    pub fn hear(&mut self, side: Side, events: EpollFlags, pipes: &mut Pipes) -> Next {
        if !self.connected {
            return self.hear_early(side, events, pipes);
        }
        let failed = events.contains(EpollFlags::EPOLLERR);
        let next = self.react(side, events, pipes);
        // What failed was read to its end first: what arrived before the reset counts.
        if failed && next != Next::Over {
            self.abort(side);
            return Next::Over;
        }
        next
    }

    /// As [`Connection::hear`], before the container has taken the connection.
    fn hear_early(&mut self, side: Side, events: EpollFlags, pipes: &mut Pipes) -> Next {
        match side {
            Side::Client if events.contains(EpollFlags::EPOLLERR) => {
                reset(&self.container);
                return Next::Over;
            }
            // What it says is looked at when there is somebody to say it to.
            Side::Client => return Next::Wait,
            Side::Container => {}
        }
        // Asking takes the error away, so only this event may ask.
        match self.container.take_error() {
            Ok(None) if events.contains(EpollFlags::EPOLLOUT) => {
                self.connected = true;
                self.go_on(pipes)
            }
            Ok(None) => Next::Wait,
            // Nobody listens there (yet). The client cannot be refused any more, since the
            // kernel has let it in: a reset is the nearest thing.
            _ => {
                reset(&self.client);
                Next::Over
            }
        }
    }

    /// Moves what an event allows to be moved: from the side that it is about if there is
    /// something to read, and to it if something waits for that.
    fn react(&mut self, side: Side, events: EpollFlags, pipes: &mut Pipes) -> Next {
        let from_it = events != EpollFlags::EPOLLOUT;
        match side {
            Side::Client => self.move_on(from_it, self.down.pending > 0, pipes),
            Side::Container => self.move_on(self.up.pending > 0, from_it, pipes),
        }
    }

    /// Moves on in both directions.
    pub fn go_on(&mut self, pipes: &mut Pipes) -> Next {
        self.move_on(true, true, pipes)
    }

    /// Moves on in the directions that are asked for.
    fn move_on(&mut self, up: bool, down: bool, pipes: &mut Pipes) -> Next {
        let (client, container) = (&self.client, &self.container);
        let blocked = || Ok(Moved::Blocked);
        let up = if up { self.up.advance(client, container, pipes) } else { blocked() };
        let down = if down { self.down.advance(container, client, pipes) } else { blocked() };
        match (up, down) {
            (Ok(_), Ok(_)) if self.up.closed && self.down.closed => Next::Over,
            (Ok(Moved::Blocked), Ok(Moved::Blocked)) => Next::Wait,
            (Ok(_), Ok(_)) => Next::Again,
            // The call has failed at one of two sockets, and which of them is of no matter:
            // the failed one is closed already, and a reset of it changes nothing.
            _ => {
                reset(&self.client);
                reset(&self.container);
                Next::Over
            }
        }
    }

    /// Whether the container has said all it had to say.
    pub fn is_answered(&self) -> bool {
        self.down.closed || !self.connected
    }

    /// One side was reset: so is the other.
    fn abort(&self, side: Side) {
        match side {
            Side::Client => reset(&self.container),
            Side::Container => reset(&self.client),
        }
    }
}

impl Direction {
    /// Moves what there is, as far as both sockets let it.
    fn advance(
        &mut self,
        from: &TcpStream,
        to: &TcpStream,
        pipes: &mut Pipes,
    ) -> Result<Moved, rustix::io::Errno> {
        const FLAGS: SpliceFlags = SpliceFlags::MOVE.union(SpliceFlags::NONBLOCK);
        use rustix::io::Errno;
        let mut rounds = 0;
        while !self.closed {
            if self.pending == 0 && self.ended {
                // The other may still speak: only this direction ends (`man 2 shutdown`).
                let _ = to.shutdown(Shutdown::Write);
                self.closed = true;
                break;
            }
            if rounds == ROUNDS {
                return Ok(Moved::Enough);
            }
            rounds += 1;
            let pipe = match self.pipe.take() {
                Some(pipe) => pipe,
                None => pipes.take()?,
            };
            let pipe = self.pipe.insert(pipe);
            let moved = match self.pending {
                0 => splice(from, None, &pipe.writing, None, CHUNK, FLAGS),
                pending => splice(&pipe.reading, None, to, None, pending, FLAGS),
            };
            match moved {
                Ok(0) if self.pending == 0 => self.ended = true,
                Ok(count) if self.pending == 0 => self.pending = count,
                Ok(count) => self.pending -= count,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    if self.pending > 0 {
                        return Ok(Moved::Blocked);
                    }
                    break;
                }
                Err(errno) => return Err(errno),
            }
        }
        if let Some(pipe) = self.pipe.take() {
            pipes.give_back(pipe);
        }
        Ok(Moved::Blocked)
    }
}

/// A pipe of our own.
#[derive(Debug)]
struct Pipe {
    reading: OwnedFd,
    writing: OwnedFd,
}

/// Empty pipes. A connection on which nothing moves needs none, so a few serve many.
#[derive(Debug, Default)]
pub(super) struct Pipes(Vec<Pipe>);

impl Pipes {
    fn take(&mut self) -> Result<Pipe, rustix::io::Errno> {
        if let Some(pipe) = self.0.pop() {
            return Ok(pipe);
        }
        let (reading, writing) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        Ok(Pipe { reading, writing })
    }

    fn give_back(&mut self, pipe: Pipe) {
        if self.0.len() < SPARE_PIPES {
            self.0.push(pipe);
        }
    }
}

/// Whatever is written to it is sent at once: the sender has already thought about how to
/// cut it into packets.
fn prepare(socket: &TcpStream) -> Result<(), Errno> {
    socket
        .set_nonblocking(true)
        .and_then(|()| socket.set_nodelay(true))
        .map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO)))
}

/// Begins to connect.
fn connecting(target: SocketAddr) -> Result<TcpStream, Errno> {
    let family = match target {
        SocketAddr::V4(_) => AddressFamily::Inet,
        SocketAddr::V6(_) => AddressFamily::Inet6,
    };
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = TcpStream::from(socket(family, SockType::Stream, flags, None)?);
    prepare(&socket)?;
    match connect(socket.as_raw_fd(), &SockaddrStorage::from(target)) {
        Ok(()) | Err(Errno::EINPROGRESS) => Ok(socket),
        Err(errno) => Err(errno),
    }
}

/// Has the kernel send a reset when the socket is closed, instead of an orderly end: the
/// other must not take what it has for all there was (SO_LINGER, `man 7 socket`).
fn reset(socket: &TcpStream) {
    let _ = setsockopt(&socket.as_fd(), sockopt::Linger, &libc::linger { l_onoff: 1, l_linger: 0 });
}
