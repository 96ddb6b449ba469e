//! The relay on loopback addresses: 127.0.0.1 stands for the host, 127.0.0.2 for the
//! container. What it is for, and how it ends with its container, is tested in
//! `tests/linux/ports.rs` with real containers.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::thread::JoinHandle;

use nix::sys::socket::{setsockopt, sockopt};
use nix::sys::time::TimeVal;

use super::super::sys::Sys;
use super::*;

const CONTAINER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 2));

/// A relay in a thread of its own.
struct Host {
    end: Option<OwnedFd>,
    thread: Option<JoinHandle<Duration>>,
    addresses: Vec<SocketAddr>,
}

impl Host {
    fn publish(ports: &[String]) -> Host {
        Host::with(ports, |_| {})
    }

    fn with(ports: &[String], change: impl FnOnce(&mut Relay<'_>) + Send + 'static) -> Host {
        let bind = |port: &String| {
            listen_at(&mut Sys::real(None), &port.parse().unwrap()).unwrap().unwrap()
        };
        let listeners: Vec<Listener> = ports.iter().map(bind).collect();
        let addresses = listeners
            .iter()
            .map(|listener| SocketAddr::new(listener.port.host_ip(), listener.port.host_port()))
            .collect();
        let (ended, end) = nix::unistd::pipe().unwrap();
        let thread = std::thread::spawn(move || {
            let mut relay = Relay::new(&listeners, CONTAINER, udp::SILENCE).unwrap();
            change(&mut relay);
            relay.run(ended.as_fd()).unwrap();
            let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_THREAD);
            let usage = usage.unwrap();
            let micros =
                |time: TimeVal| Duration::new(time.tv_sec() as u64, time.tv_usec() as u32 * 1000);
            micros(usage.user_time()) + micros(usage.system_time())
        });
        Host { end: Some(end), thread: Some(thread), addresses }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.addresses[0]).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Ends it, and tells how much CPU time it took.
    fn end(mut self) -> Duration {
        drop(self.end.take());
        self.thread.take().unwrap().join().unwrap()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

use super::super::listeners::listen_at;

const PATIENCE: Duration = Duration::from_secs(20);

/// A server in the "container", and the host's side of it.
fn server() -> (TcpListener, Host) {
    let server = TcpListener::bind((CONTAINER, 0)).unwrap();
    let port = server.local_addr().unwrap().port();
    (server, Host::publish(&[format!("0:{port}")]))
}

/// A connection through the relay: the client's end and the server's.
fn pair(server: &TcpListener, host: &Host) -> (TcpStream, TcpStream) {
    let client = host.connect();
    let (inside, _) = server.accept().unwrap();
    inside.set_read_timeout(Some(PATIENCE)).unwrap();
    inside.set_write_timeout(Some(PATIENCE)).unwrap();
    (client, inside)
}

fn bytes(count: usize) -> Vec<u8> {
    (0..count).map(|index| (index * 7919 / 13) as u8).collect()
}

fn read_all(stream: &mut TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    all
}

fn reset_now(stream: TcpStream) {
    let linger = libc::linger { l_onoff: 1, l_linger: 0 };
    setsockopt(&stream, sockopt::Linger, &linger).unwrap();
}

#[test]
fn what_is_said_arrives_whole_in_both_directions() {
    let (server, host) = server();
    let sent = bytes(9_000_001);
    let echo = std::thread::spawn(move || {
        let (mut inside, _) = server.accept().unwrap();
        let mut chunk = vec![0; 70_000];
        loop {
            match inside.read(&mut chunk).unwrap() {
                0 => return,
                count => inside.write_all(&chunk[..count]).unwrap(),
            }
        }
    });
    let mut client = host.connect();
    let mut writer = client.try_clone().unwrap();
    let to_send = sent.clone();
    let writing = std::thread::spawn(move || {
        writer.write_all(&to_send).unwrap();
        writer.shutdown(Shutdown::Write).unwrap();
    });
    let received = read_all(&mut client);
    assert!(received == sent, "{} of {} bytes", received.len(), sent.len());
    writing.join().unwrap();
    echo.join().unwrap();
}

#[test]
fn one_direction_ends_and_the_other_goes_on() {
    let (server, host) = server();
    let (mut client, mut inside) = pair(&server, &host);
    client.write_all(b"question").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_all(&mut inside), b"question");
    inside.write_all(b"answer").unwrap();
    drop(inside);
    assert_eq!(read_all(&mut client), b"answer");

    let (mut client, mut inside) = pair(&server, &host);
    inside.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_all(&mut client), b"");
    client.write_all(b"still there").unwrap();
    drop(client);
    assert_eq!(read_all(&mut inside), b"still there");
}

#[test]
fn a_reset_is_passed_on_from_either_side() {
    let (server, host) = server();
    let (client, mut inside) = pair(&server, &host);
    reset_now(client);
    assert_eq!(inside.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);

    let (mut client, mut inside) = pair(&server, &host);
    inside.write_all(b"last words").unwrap();
    let mut words = [0; 10];
    client.read_exact(&mut words).unwrap();
    reset_now(inside);
    assert_eq!(client.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(&words, b"last words");

    // Also after one direction has ended.
    let (client, mut inside) = pair(&server, &host);
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(inside.read(&mut [0]).unwrap(), 0);
    reset_now(client);
    let error = loop {
        // Writing is how a server hears of it.
        match inside.write_all(&[0; 1000]) {
            Ok(()) => {}
            Err(error) => break error.kind(),
        }
    };
    assert!(matches!(error, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{error}");
}

#[test]
fn who_comes_before_anybody_listens_is_reset_and_may_come_again() {
    let (server, host) = server();
    let address = server.local_addr().unwrap();
    drop(server);
    let mut client = host.connect();
    assert_eq!(client.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    let server = TcpListener::bind(address).unwrap();
    let (mut client, mut inside) = pair(&server, &host);
    inside.write_all(b"x").unwrap();
    client.read_exact(&mut [0]).unwrap();
}

#[test]
fn a_slow_reader_holds_up_its_writer_and_nobody_else() {
    let (server, host) = server();
    let (mut slow, inside) = pair(&server, &host);
    inside.set_nonblocking(true).unwrap();
    let mut sent = Vec::new();
    let chunk = bytes(65_000);
    let mut quiet = 0;
    // Until nothing has been taken for a while: the buffers of three sockets and a pipe.
    while quiet < 20 {
        match (&inside).write(&chunk) {
            Ok(count) => {
                sent.extend_from_slice(&chunk[..count]);
                quiet = 0;
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                quiet += 1;
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        assert!(sent.len() < 64 << 20, "nothing holds it up");
    }
    let (mut client, mut other) = pair(&server, &host);
    client.write_all(b"hello").unwrap();
    other.read_exact(&mut [0; 5]).unwrap();

    // The container's end is a half-closed socket now, of which epoll tells without end if
    // one lets it.
    slow.shutdown(Shutdown::Write).unwrap();
    drop(inside);
    std::thread::sleep(Duration::from_millis(300));
    assert!(read_all(&mut slow) == sent, "{} bytes", sent.len());
    drop((client, other, slow));
    let used = host.end();
    assert!(used < Duration::from_millis(250), "it was busy for {used:?}");
}

#[test]
fn a_thousand_connections_at_a_time() {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard.min(100_000), hard).unwrap();
    let (server, host) = server();
    let mut all: Vec<_> = (0..1000).map(|_| pair(&server, &host)).collect();
    for (index, (client, _)) in all.iter_mut().enumerate() {
        client.write_all(&(index as u32).to_be_bytes()).unwrap();
    }
    for (_, inside) in &mut all {
        let mut number = [0; 4];
        inside.read_exact(&mut number).unwrap();
        inside.write_all(&number).unwrap();
    }
    for (index, (client, _)) in all.iter_mut().enumerate() {
        let mut number = [0; 4];
        client.read_exact(&mut number).unwrap();
        assert_eq!(u32::from_be_bytes(number) as usize, index);
    }
    drop(all);
    let (mut client, mut inside) = pair(&server, &host);
    inside.write_all(b"x").unwrap();
    client.read_exact(&mut [0]).unwrap();
}

#[test]
fn beyond_the_limit_one_waits_for_another_to_go() {
    let server = TcpListener::bind((CONTAINER, 0)).unwrap();
    let port = server.local_addr().unwrap().port();
    let host = Host::with(&[format!("0:{port}")], |relay| relay.most = 2);
    let first = pair(&server, &host);
    let _second = pair(&server, &host);
    let third = host.connect();
    server.set_nonblocking(true).unwrap();
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(server.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    server.set_nonblocking(false).unwrap();
    drop(first);
    let (mut inside, _) = server.accept().unwrap();
    inside.set_nonblocking(false).unwrap();
    inside.write_all(b"x").unwrap();
    (&third).read_exact(&mut [0]).unwrap();
}

#[test]
fn last_words_are_passed_on_and_nobody_is_waited_for_too_long() {
    let (server, host) = server();
    let (mut client, mut inside) = pair(&server, &host);
    let (_idle, _idle_inside) = pair(&server, &host);
    let reading = std::thread::spawn(move || read_all(&mut client).len());
    inside.write_all(&bytes(3_000_000)).unwrap();
    drop(inside);
    let began = Instant::now();
    host.end();
    // The idle one is still open inside, which a container that has ended cannot have.
    assert!(began.elapsed() < LAST_WORDS + Duration::from_secs(1));
    assert_eq!(reading.join().unwrap(), 3_000_000);

    let (server, host) = self::server();
    let (_client, inside) = pair(&server, &host);
    drop((inside, server));
    let began = Instant::now();
    host.end();
    assert!(began.elapsed() < LAST_WORDS / 2, "all was said");
}

fn udp_server(
    host_ip: &str,
    change: impl FnOnce(&mut Relay<'_>) + Send + 'static,
) -> (UdpSocket, Host) {
    let server = UdpSocket::bind((CONTAINER, 0)).unwrap();
    server.set_read_timeout(Some(PATIENCE)).unwrap();
    let port = server.local_addr().unwrap().port();
    (server, Host::with(&[format!("{host_ip}:0:{port}/udp")], change))
}

fn udp_client(to: SocketAddr) -> UdpSocket {
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.connect(to).unwrap();
    client
}

/// What arrives next, and from where.
fn receive(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = vec![0; LARGEST_MESSAGE];
    let (count, from) = socket.recv_from(&mut buffer).unwrap();
    buffer.truncate(count);
    (buffer, from)
}

const LARGEST_MESSAGE: usize = 65_507;

#[test]
fn each_client_gets_its_own_answers() {
    let (server, host) = udp_server("127.0.0.1", |_| {});
    let (one, other) = (udp_client(host.addresses[0]), udp_client(host.addresses[0]));
    one.send(b"one").unwrap();
    let (message, from_one) = receive(&server);
    assert_eq!(message, b"one");
    other.send(b"other").unwrap();
    let (message, from_other) = receive(&server);
    assert_eq!(message, b"other");
    assert_ne!(from_one, from_other);
    server.send_to(b"for the other", from_other).unwrap();
    server.send_to(b"", from_one).unwrap();
    assert_eq!(receive(&other).0, b"for the other");
    assert_eq!(receive(&one).0, b"", "an empty message is one, too");
    one.send(&bytes(LARGEST_MESSAGE)).unwrap();
    assert_eq!(receive(&server), (bytes(LARGEST_MESSAGE), from_one), "the same flow");
}

#[test]
fn an_answer_comes_from_the_address_that_was_asked() {
    let (server, host) = udp_server("0.0.0.0", |_| {});
    let asked = SocketAddr::new("127.0.0.3".parse().unwrap(), host.addresses[0].port());
    // A connected socket takes answers from that address alone.
    let client = udp_client(asked);
    client.send(b"ask").unwrap();
    server.send_to(b"answer", receive(&server).1).unwrap();
    assert_eq!(receive(&client), (b"answer".to_vec(), asked));

    // So with IPv6, whose answers the container gives in IPv4.
    let (server, host) = udp_server("[::]", |_| {});
    let client = UdpSocket::bind("[::1]:0").unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.connect(("::1", host.addresses[0].port())).unwrap();
    client.send(b"ask").unwrap();
    server.send_to(b"answer", receive(&server).1).unwrap();
    assert_eq!(receive(&client).0, b"answer");
}

#[test]
fn a_message_to_nobody_does_not_lose_the_next() {
    // Without the relay, which may hear of the failure before the next message comes.
    let mut flows = Flows::new(1, udp::SILENCE);
    let listener = UdpSocket::bind("127.0.0.1:0").unwrap();
    let server = UdpSocket::bind((CONTAINER, 0)).unwrap();
    let target = server.local_addr().unwrap();
    drop(server);
    let client = udp_client(listener.local_addr().unwrap());
    let mut send = |message: &[u8]| {
        client.send(message).unwrap();
        listener.peek(&mut [0]).unwrap();
        flows.receive(0, &listener, target, |_, _| true);
    };
    send(b"too early");
    let server = UdpSocket::bind(target).unwrap();
    server.set_read_timeout(Some(PATIENCE)).unwrap();
    send(b"in time");
    assert_eq!(receive(&server).0, b"in time");
}

#[test]
fn the_silent_go_and_the_longest_silent_makes_room() {
    let silence = Duration::from_millis(200);
    let (server, host) = udp_server("127.0.0.1", move |relay| relay.flows = Flows::new(2, silence));
    let client = udp_client(host.addresses[0]);
    let ask = |client: &UdpSocket| {
        client.send(b"x").unwrap();
        receive(&server).1
    };
    let first = ask(&client);
    assert_eq!(ask(&client), first);
    std::thread::sleep(2 * silence);
    assert_ne!(ask(&client), first, "it was forgotten");

    let (one, two, three) = (
        udp_client(host.addresses[0]),
        udp_client(host.addresses[0]),
        udp_client(host.addresses[0]),
    );
    let (_, second) = (ask(&one), ask(&two));
    ask(&three);
    assert_eq!(ask(&two), second, "the one that spoke last is kept");
}
