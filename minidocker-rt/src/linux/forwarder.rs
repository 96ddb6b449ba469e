//! Forwards published ports: one small process per container that publishes any.
//!
//! It has the listening sockets, which its supervisor has bound, and the container's
//! address; whoever connects to a port of the host is connected to the container's. An
//! alternative is to have the kernel rewrite addresses (DNAT by nftables), which is faster,
//! but is a set of rules that outlive whoever made them, and for the loopback addresses, to
//! which we bind, takes settings that weaken the host (`route_localnet`). A process is seen
//! in `ps`, ends with the container, and leaves nothing behind however it ends.
//!
//! The container sees connections coming from the host's end of its network, not from the
//! client's own address.
//!
//! The process is one loop over epoll(7) with nothing that blocks. It begins as a fork of
//! the supervisor and gives up what it does not need: other descriptors, root, capabilities.

mod tcp;
#[cfg(test)]
mod tests;
mod udp;

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use caps::CapSet;
use nix::errno::Errno;
use nix::libc;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::{ForkResult, Gid, Uid};

use self::tcp::{Connection, Next, Pipes, Side};
use self::udp::Flows;
use super::listeners::{Listener, ListenerSocket};
use super::raw::{close_all_except, install_filter, reap_raw, set_process_name};
use super::{init, process, seccomp};
use crate::status::ProcessIdentity;

/// The user and group that own nothing (`man 5 passwd`, on every Linux).
const NOBODY: u32 = 65534;

/// How many descriptors it may have, where the system allows it.
const DESCRIPTORS: u64 = 65_536;

/// How many connections are taken from one listener before it is another's turn.
const ROUNDS: usize = 64;

/// How long to wait for descriptors when the whole system is short of them.
const SHORTAGE: Duration = Duration::from_millis(100);

/// How long the last words of a container may take to reach slow clients.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A forwarder, as its supervisor sees it.
#[derive(Debug)]
pub(crate) struct Forwarder {
    pid: i32,
    pidfd: OwnedFd,
}

impl Forwarder {
    /// Starts one that connects whoever comes to the `listeners` to `target`. The caller has
    /// one thread.
    pub fn start(listeners: &[Listener], target: IpAddr) -> Result<Forwarder, Errno> {
        let supervisor = process::pidfd_of(nix::unistd::getpid().as_raw());
        let supervisor = supervisor.map_err(Errno::from_raw)?;
        // SAFETY: the caller has one thread, so its child may run any code.
        match unsafe { nix::unistd::fork() }? {
            ForkResult::Child => {
                let code = run(listeners, target, &supervisor).map_or(1, |()| 0);
                // Not through destructors, which belong to the supervisor.
                init::exit(code)
            }
            ForkResult::Parent { child } => {
                let pid = child.as_raw();
                match process::pidfd_of(pid) {
                    Ok(pidfd) => Ok(Forwarder { pid, pidfd }),
                    Err(errno) => {
                        let _ = nix::sys::signal::kill(child, Signal::SIGKILL);
                        reap_raw(pid);
                        Err(Errno::from_raw(errno))
                    }
                }
            }
        }
    }

    /// The process.
    pub fn process(&self) -> Option<ProcessIdentity> {
        process::identify(self.pid)
    }

    /// Readable when it has ended, which it does not do by itself.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// Ends it when its container has ended: what the container has said last still reaches
    /// the clients, unless they take too long.
    pub fn end(self) {
        let _ = process::signal(&self.pidfd, libc::SIGTERM);
        let _ = process::wait_readable(self.pidfd.as_fd(), Some(2 * LAST_WORDS));
    }
}

/// However it is let go of, it is gone.
impl Drop for Forwarder {
    fn drop(&mut self) {
        let _ = process::signal(&self.pidfd, libc::SIGKILL);
        reap_raw(self.pid);
    }
}

/// The process's main function.
fn run(listeners: &[Listener], target: IpAddr, supervisor: &OwnedFd) -> Result<(), Errno> {
    set_process_name(c"md-forwarder");
    let _ = std::env::set_current_dir("/");
    let sockets = listeners.iter().map(|listener| listener.as_fd().as_raw_fd());
    close_all_except(&sockets.chain([supervisor.as_raw_fd()]).collect::<Vec<_>>());
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if setrlimit(Resource::RLIMIT_NOFILE, DESCRIPTORS, DESCRIPTORS).is_err() && soft < hard {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
    drop_rights();
    // After the change of user, which clears it (PR_SET_PDEATHSIG(2const)).
    if !init::bind_to(supervisor) {
        return Ok(());
    }
    // The supervisor blocks SIGTERM, and so does its fork: it is read from here instead.
    let ends: SigSet = [Signal::SIGTERM].into_iter().collect();
    ends.thread_block()?;
    let end = SignalFd::with_flags(&ends, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
    let relay = Relay::new(listeners, target, udp::SILENCE)?;
    install_filter(&seccomp::only(CALLS, seccomp::FAILS)).map_err(Errno::from_raw)?;
    relay.run(end.as_fd())
}

/// What it calls from its first connection on. It opens no file, starts no program and looks into
/// no process; a call that is not here fails.
const CALLS: &[libc::c_long] = &[
    // Most of all: waiting, and moving bytes.
    #[cfg(target_arch = "x86_64")]
    libc::SYS_epoll_wait,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
    libc::SYS_epoll_ctl,
    libc::SYS_splice,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_recvmmsg,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_sendmmsg,
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_close,
    // Connections.
    libc::SYS_accept4,
    libc::SYS_socket,
    libc::SYS_bind,
    libc::SYS_connect,
    libc::SYS_shutdown,
    libc::SYS_getsockopt,
    libc::SYS_setsockopt,
    libc::SYS_getsockname,
    libc::SYS_getpeername,
    libc::SYS_fcntl,
    libc::SYS_ioctl,
    libc::SYS_pipe2,
    // The C library's own: memory, time, random numbers for the tables, and its end.
    libc::SYS_brk,
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_mprotect,
    libc::SYS_madvise,
    libc::SYS_futex,
    libc::SYS_clock_gettime,
    libc::SYS_getrandom,
    libc::SYS_sched_yield,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_tgkill,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// What it needs it has in its hands: no file, no privilege, no other process. A client who
/// finds a hole in it gets a process that can open sockets, and little else.
fn drop_rights() {
    let _ = nix::sys::prctl::set_no_new_privs();
    let nobody = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
    let _ = nix::unistd::setgroups(&[]);
    let _ = nix::unistd::setresgid(nobody.1, nobody.1, nobody.1);
    // This also clears the capabilities; where there is no such user, they are cleared below.
    let _ = nix::unistd::setresuid(nobody.0, nobody.0, nobody.0);
    for set in [CapSet::Ambient, CapSet::Inheritable, CapSet::Effective, CapSet::Permitted] {
        let _ = caps::clear(None, set);
    }
    let _ = nix::sys::prctl::set_dumpable(false);
}

/// What an event is about, as it is written into epoll's 64 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    End,
    Listener(usize),
    Connection(u64, Side),
    Flow(u64),
}

impl Source {
    fn code(self) -> u64 {
        match self {
            Source::End => 0,
            Source::Listener(index) => (index as u64) << 3 | 1,
            Source::Connection(number, Side::Client) => number << 3 | 2,
            Source::Connection(number, Side::Container) => number << 3 | 3,
            Source::Flow(number) => number << 3 | 4,
        }
    }

    fn of(code: u64) -> Source {
        let number = code >> 3;
        match code & 7 {
            1 => Source::Listener(number as usize),
            2 => Source::Connection(number, Side::Client),
            3 => Source::Connection(number, Side::Container),
            4 => Source::Flow(number),
            _ => Source::End,
        }
    }
}

/// The loop, and all it knows.
struct Relay<'l> {
    epoll: Epoll,
    listeners: &'l [Listener],
    target: IpAddr,
    /// By a number that is never used again: an event may be about one that is gone.
    connections: HashMap<u64, Connection>,
    next: u64,
    /// How many there may be.
    most: usize,
    /// Those that can go on without an event.
    ready: HashSet<u64>,
    pipes: Pipes,
    flows: Flows,
    /// Whether nobody is let in now, for want of descriptors.
    paused: bool,
    /// When to let in again though no connection has ended.
    resume_at: Option<Instant>,
    /// Set at the end: nobody is let in any more, and until then all is to be over.
    end_at: Option<Instant>,
}

impl<'l> Relay<'l> {
    fn new(listeners: &'l [Listener], target: IpAddr, silence: Duration) -> Result<Self, Errno> {
        let (descriptors, _) = getrlimit(Resource::RLIMIT_NOFILE)?;
        let descriptors = usize::try_from(descriptors.min(DESCRIPTORS)).unwrap_or(0);
        let free = descriptors.saturating_sub(listeners.len() + 64);
        let relay = Relay {
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
            listeners,
            target,
            connections: HashMap::new(),
            next: 0,
            // Two sockets and, if neither is read, two pipes. An eighth is for messages.
            most: (free / 8 * 7 / 6).max(1),
            ready: HashSet::new(),
            pipes: Pipes::default(),
            flows: Flows::new((free / 8).max(1), silence),
            paused: false,
            resume_at: None,
            end_at: None,
        };
        for (index, listener) in listeners.iter().enumerate() {
            let event = EpollEvent::new(EpollFlags::EPOLLIN, Source::Listener(index).code());
            relay.epoll.add(listener, event)?;
        }
        Ok(relay)
    }

    /// Forwards until `end` is readable, and then what is still under way.
    fn run(mut self, end: BorrowedFd<'_>) -> Result<(), Errno> {
        self.epoll.add(end, EpollEvent::new(EpollFlags::EPOLLIN, Source::End.code()))?;
        let mut events = [EpollEvent::empty(); 256];
        loop {
            let count = match self.epoll.wait(&mut events, self.timeout()) {
                Err(Errno::EINTR) => 0,
                other => other?,
            };
            for event in &events[..count] {
                match Source::of(event.data()) {
                    Source::End => self.begin_end(end),
                    Source::Listener(index) => self.listen(index),
                    Source::Connection(number, side) => self.hear(number, side, event.events()),
                    Source::Flow(number) => self.answer(number),
                }
            }
            for number in std::mem::take(&mut self.ready) {
                let Some(connection) = self.connections.get_mut(&number) else { continue };
                let next = connection.go_on(&mut self.pipes);
                self.follow(number, next);
            }
            let now = Instant::now();
            self.flows.end_silent(now);
            if self.paused && self.resume_at.is_some_and(|time| time <= now) {
                self.set_paused(false);
            }
            if self.end_at.is_some_and(|time| time <= now || self.connections.is_empty()) {
                return Ok(());
            }
        }
    }

    /// How long nothing need be done.
    fn timeout(&self) -> EpollTimeout {
        if !self.ready.is_empty() {
            return EpollTimeout::ZERO;
        }
        let deadlines = [self.flows.deadline(), self.resume_at, self.end_at];
        deadlines.into_iter().flatten().min().map_or(EpollTimeout::NONE, |deadline| {
            let left = deadline.saturating_duration_since(Instant::now());
            // epoll_wait(2) counts whole milliseconds: rounded up, never a busy loop.
            EpollTimeout::try_from(left.as_micros().div_ceil(1000)).unwrap_or(EpollTimeout::MAX)
        })
    }

    /// The container has ended: what it has said is still passed on.
    fn begin_end(&mut self, end: BorrowedFd<'_>) {
        let _ = self.epoll.delete(end);
        for listener in self.listeners {
            let _ = self.epoll.delete(listener);
        }
        self.end_at = Some(Instant::now() + LAST_WORDS);
        self.connections.retain(|_, connection| !connection.is_answered());
    }

    /// Somebody has come to a listener.
    fn listen(&mut self, index: usize) {
        let Some(listener) = self.listeners.get(index).filter(|_| self.end_at.is_none()) else {
            return;
        };
        let target = SocketAddr::new(self.target, listener.port.container_port());
        match &listener.socket {
            ListenerSocket::Tcp(socket) => self.accept(socket, target),
            ListenerSocket::Udp(socket) => {
                let epoll = &self.epoll;
                self.flows.receive(index, socket, target, |number, socket| {
                    let source = Source::Flow(number).code();
                    epoll.add(socket, EpollEvent::new(EpollFlags::EPOLLIN, source)).is_ok()
                });
            }
        }
    }

    fn accept(&mut self, listener: &TcpListener, target: SocketAddr) {
        for _ in 0..ROUNDS {
            if self.connections.len() >= self.most {
                // Who comes now waits in the kernel's queue until somebody goes.
                return self.set_paused(true);
            }
            let client = match listener.accept() {
                Ok((client, _)) => client,
                Err(error) => match error.raw_os_error().map(Errno::from_raw) {
                    Some(Errno::EMFILE | Errno::ENFILE | Errno::ENOBUFS | Errno::ENOMEM) => {
                        self.set_paused(true);
                        self.resume_at = Some(Instant::now() + SHORTAGE);
                        return;
                    }
                    Some(Errno::EAGAIN) => return,
                    // That client has gone already; the next may be there.
                    _ => continue,
                },
            };
            // If the container cannot be reached, the client was told.
            if let Ok(connection) = Connection::new(client, target) {
                self.add(connection);
            }
        }
    }

    fn add(&mut self, connection: Connection) {
        let number = self.next;
        self.next += 1;
        // Told once each time that something changes, and only looked at then: a socket that
        // is not wanted now (its reader is slow) does not wake us again and again.
        let flags = EpollFlags::EPOLLIN
            | EpollFlags::EPOLLOUT
            | EpollFlags::EPOLLRDHUP
            | EpollFlags::EPOLLET;
        let watched = connection.sides().into_iter().all(|(side, socket)| {
            let source = Source::Connection(number, side).code();
            self.epoll.add(socket, EpollEvent::new(flags, source)).is_ok()
        });
        if watched {
            self.connections.insert(number, connection);
        }
    }

    fn hear(&mut self, number: u64, side: Side, events: EpollFlags) {
        let Some(connection) = self.connections.get_mut(&number) else { return };
        let next = connection.hear(side, events, &mut self.pipes);
        self.follow(number, next);
    }

    fn follow(&mut self, number: u64, next: Next) {
        let answered = self.connections.get(&number).is_none_or(Connection::is_answered);
        match next {
            Next::Over => drop(self.connections.remove(&number)),
            _ if answered && self.end_at.is_some() => drop(self.connections.remove(&number)),
            Next::Wait => return,
            Next::Again => {
                self.ready.insert(number);
                return;
            }
        }
        if self.paused && self.resume_at.is_none() && self.connections.len() < self.most {
            self.set_paused(false);
        }
    }

    /// Stops letting clients in, or goes on.
    fn set_paused(&mut self, paused: bool) {
        (self.paused, self.resume_at) = (paused, None);
        let flags = if paused { EpollFlags::empty() } else { EpollFlags::EPOLLIN };
        for (index, listener) in self.listeners.iter().enumerate() {
            if matches!(listener.socket, ListenerSocket::Tcp(_)) {
                let mut event = EpollEvent::new(flags, Source::Listener(index).code());
                let _ = self.epoll.modify(listener, &mut event);
            }
        }
    }

    fn answer(&mut self, number: u64) {
        let listener = self.flows.listener_of(number).and_then(|index| self.listeners.get(index));
        if let Some(Listener { socket: ListenerSocket::Udp(socket), .. }) = listener {
            self.flows.answer(number, socket);
        }
    }
}
