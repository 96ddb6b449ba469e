//! Published ports where there is no network to put a container on: its program opens its
//! port on this machine, and if that is not the port to be published, a small proxy passes
//! connections on. Portable, and so with a thread for each direction.

use std::io;
use std::net::{
    IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::spec::{ContainerSpec, PortMapping, Protocol};

/// How many connections are passed on at a time; each takes two threads.
const MOST_CONNECTIONS: usize = 256;

/// What needs little more than a buffer.
const STACK: usize = 128 << 10;

/// How long a thread may take to hear that it is over.
const WAKING: Duration = Duration::from_secs(1);

/// Refuses what is not done here.
pub(super) fn check(spec: &ContainerSpec) -> Result<()> {
    let moved = |port: &&PortMapping| {
        port.protocol() == Protocol::Udp && port.host_port() != port.container_port()
    };
    match spec.ports.iter().find(moved) {
        None => Ok(()),
        Some(port) => Err(Error::Unsupported {
            feature: format!("the port {port}"),
            backend: "simulation",
            why: format!(
                "a simulated program opens its port on this machine itself, and only TCP is \
                 passed on from another. Publish {0}:{0}/udp, or use Linux.",
                port.container_port()
            ),
        }),
    }
}

/// A port that cannot be opened, and why.
#[derive(Debug)]
pub(super) struct Taken {
    pub call: String,
    pub message: String,
    pub errno: Option<i32>,
}

/// The published ports, open until this is dropped.
#[derive(Debug, Default)]
pub(super) struct Open {
    /// As they are open, in the order in which they were asked for.
    pub ports: Vec<PortMapping>,
    proxies: Vec<Proxy>,
}

/// A listener in a thread of its own.
#[derive(Debug)]
struct Proxy {
    address: SocketAddr,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// Opens the ports that are not the program's own, and sees to it that those which are can be
/// opened.
pub(super) fn open(ports: &[PortMapping]) -> std::result::Result<Open, Taken> {
    let mut bound = Vec::new();
    for port in ports {
        let address = SocketAddr::new(port.host_ip(), port.host_port());
        // Where the program will listen.
        if port.host_port() == port.container_port() {
            try_out(port, address)?;
            bound.push((*port, None));
            continue;
        }
        try_out(port, inside(port))?;
        let listener = TcpListener::bind(address)
            .and_then(|listener| Ok((listener.local_addr()?.port(), listener)));
        let (number, listener) = listener.map_err(|error| taken(port, address, &error))?;
        bound.push((port.at_port(number), Some(listener)));
    }
    // Nobody is let in before it is clear that none of them is taken.
    let mut open = Open::default();
    for (port, listener) in bound {
        if let Some(listener) = listener {
            let address = SocketAddr::new(port.host_ip(), port.host_port());
            let proxy = Proxy::start(listener, address, inside(&port));
            open.proxies.push(proxy.map_err(|error| taken(&port, address, &error))?);
        }
        open.ports.push(port);
    }
    Ok(open)
}

impl Proxy {
    fn start(listener: TcpListener, address: SocketAddr, inside: SocketAddr) -> io::Result<Proxy> {
        let over = Arc::new(AtomicBool::new(false));
        let seen = over.clone();
        let thread = thread(move || serve(&listener, inside, &seen))?;
        Ok(Proxy { address, over, thread: Some(thread) })
    }
}

/// Whoever starts the container next finds the port free. The thread waits for a client, so it
/// is sent one.
impl Drop for Proxy {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Release);
        let mut address = self.address;
        match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
            IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
            _ => {}
        }
        let woken = TcpStream::connect_timeout(&address, WAKING);
        if let (Ok(_), Some(thread)) = (woken, self.thread.take()) {
            let _ = thread.join();
        }
    }
}

/// Where the program listens, as far as one can know.
fn inside(port: &PortMapping) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port.container_port()))
}

/// Whether a port is free; it is let go of at once.
fn try_out(port: &PortMapping, address: SocketAddr) -> std::result::Result<(), Taken> {
    let free = match port.protocol() {
        Protocol::Tcp => TcpListener::bind(address).map(drop),
        Protocol::Udp => UdpSocket::bind(address).map(drop),
    };
    free.map_err(|error| taken(port, address, &error))
}

fn taken(port: &PortMapping, address: SocketAddr, error: &io::Error) -> Taken {
    let (number, protocol, ip) = (address.port(), port.protocol(), address.ip());
    let message = match error.kind() {
        io::ErrorKind::AddrInUse => format!("port {number}/{protocol} of {ip} is taken"),
        io::ErrorKind::AddrNotAvailable => format!("{ip} is not an address of this machine"),
        _ => format!("port {number}/{protocol} of {ip} cannot be opened"),
    };
    Taken { call: format!("bind({address})"), message, errno: error.raw_os_error() }
}

fn thread(work: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new().stack_size(STACK).spawn(work)
}

/// Lets in whoever comes, until it is over.
fn serve(listener: &TcpListener, inside: SocketAddr, over: &AtomicBool) {
    let count = Arc::new(AtomicUsize::new(0));
    for client in listener.incoming() {
        if over.load(Ordering::Acquire) {
            return;
        }
        let Ok(client) = client else { continue };
        let seat = Seat::take(&count);
        // Too many, or nobody listens inside: the client is let go of.
        let (Some(seat), Ok(server)) = (seat, TcpStream::connect(inside)) else { continue };
        let _ = pass_on(client, server, Arc::new(seat));
    }
}

/// One of the connections that there may be.
struct Seat(Arc<AtomicUsize>);

impl Seat {
    fn take(count: &Arc<AtomicUsize>) -> Option<Seat> {
        let seat = Seat(count.clone());
        (count.fetch_add(1, Ordering::Relaxed) < MOST_CONNECTIONS).then_some(seat)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Passes on what is said in both directions, each until its end.
fn pass_on(client: TcpStream, server: TcpStream, seat: Arc<Seat>) -> io::Result<()> {
    let (from_server, to_client) = (server.try_clone()?, client.try_clone()?);
    let other_seat = seat.clone();
    thread(move || copy(client, server, seat))?;
    thread(move || copy(from_server, to_client, other_seat)).map(drop)
}

fn copy(mut from: TcpStream, mut to: TcpStream, _seat: Arc<Seat>) {
    match io::copy(&mut from, &mut to) {
        Ok(_) => {
            let _ = to.shutdown(Shutdown::Write);
        }
        // What cannot be said in one direction is not answered in the other.
        Err(_) => {
            let _ = to.shutdown(Shutdown::Both);
            let _ = from.shutdown(Shutdown::Both);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::time::Duration;

    use super::*;

    /// A port of which nobody else knows.
    fn free() -> u16 {
        TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
    }

    fn ports(texts: &[String]) -> Vec<PortMapping> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn a_differing_port_is_passed_on_and_a_free_one_is_told() {
        let (inside, outside, same) = (free(), free(), free());
        let asked = ports(&[
            format!("0:{inside}"),
            format!("{outside}:{inside}"),
            format!("{same}:{same}"),
        ]);
        let open = open(&asked).unwrap();
        assert_ne!(open.ports[0].host_port(), 0);
        assert_eq!(open.ports[1..], asked[1..]);
        let server = TcpListener::bind(("127.0.0.1", inside)).unwrap();
        for port in [open.ports[0].host_port(), outside] {
            let mut client = TcpStream::connect(("127.0.0.1", port)).unwrap();
            client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            let (mut answering, _) = server.accept().unwrap();
            client.write_all(b"question").unwrap();
            client.shutdown(Shutdown::Write).unwrap();
            let mut heard = String::new();
            answering.read_to_string(&mut heard).unwrap();
            answering.write_all(b"answer").unwrap();
            drop(answering);
            let mut said = String::new();
            client.read_to_string(&mut said).unwrap();
            assert_eq!((heard.as_str(), said.as_str()), ("question", "answer"));
        }
        // The program's own port is left to it.
        TcpListener::bind(("127.0.0.1", same)).unwrap();
        drop(open);
        TcpListener::bind(("127.0.0.1", outside)).unwrap();
    }

    #[test]
    fn a_taken_port_is_named() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let number = taken.local_addr().unwrap().port();
        for asked in [format!("{number}:{}", free()), format!("{number}:{number}")] {
            let error = open(&ports(&[asked])).unwrap_err();
            assert_eq!(error.message, format!("port {number}/tcp of 127.0.0.1 is taken"));
            assert_eq!(error.call, format!("bind(127.0.0.1:{number})"));
        }
    }

    #[test]
    fn messages_are_taken_at_the_same_port_only() {
        let spec = |port: &str| ContainerSpec::new("a", "true").publish(port);
        assert!(check(&spec("53:53/udp")).is_ok());
        assert!(check(&spec("8080:80")).is_ok());
        for port in ["54:53/udp", "53/udp"] {
            assert!(matches!(check(&spec(port)), Err(Error::Unsupported { .. })), "{port}");
        }
    }
}
