//! A network of its own for a test: everything that is the machine's, bridges, rules and
//! forwarding, is a network namespace's, so that tests are in nobody's way and can say what is
//! left at the end.

use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use minidocker_rt::{Command, Container, ContainerSpec, Exec, NetworkMode};
use nix::sched::{CloneFlags, unshare};

use crate::lab::{Lab, PATIENCE, eventually};

/// Long enough for a packet that is let through.
const MOMENT: Duration = Duration::from_secs(3);

/// Runs a test in a network namespace of its own, in which nothing is to be left.
pub fn in_own_network(test: fn(&Lab)) {
    let thread = std::thread::spawn(move || {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        ip("link set lo up");
        let lab = Lab::new();
        test(&lab);
        drop(lab);
        eventually("nothing is left", || left().is_empty());
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

/// Trials, each in a network of its own.
#[macro_export]
macro_rules! net_trials {
    ($($test:ident),* $(,)?) => {
        pub fn trials() -> Vec<libtest_mimic::Trial> {
            vec![$($crate::lab::trial(
                stringify!($test),
                || $crate::net_lab::in_own_network($test),
            )),*]
        }
    };
}

/// What there is of ours in this thread's network namespace.
pub fn left() -> Vec<String> {
    let mut left: Vec<String> =
        interfaces().into_iter().filter(|name| name.starts_with("m")).collect();
    left.extend(has_rules().then(|| "the nftables table".to_string()));
    left.extend(state().exists().then(|| state().display().to_string()));
    left
}

/// Where the machine's networks of this thread's namespace are written down.
pub fn state() -> PathBuf {
    let namespace = fs::metadata("/proc/thread-self/ns/net").unwrap().ino();
    PathBuf::from(format!("/run/minidocker/net-{namespace}"))
}

/// The interfaces of this thread's network namespace.
pub fn interfaces() -> Vec<String> {
    let text = fs::read_to_string("/proc/thread-self/net/dev").unwrap();
    text.lines().filter_map(|line| Some(line.split_once(':')?.0.trim().to_string())).collect()
}

/// The cables of containers.
pub fn cables() -> Vec<String> {
    let is_cable = |name: &String| name.starts_with("md") && name.contains('-');
    interfaces().into_iter().filter(is_cable).collect()
}

/// Whether the kernel has our table of rules here, asked over netlink: there need be no `nft`.
pub fn has_rules() -> bool {
    use nix::sys::socket::{
        AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket,
    };
    use std::os::fd::AsRawFd;
    let socket = socket(
        AddressFamily::Netlink,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::NetlinkNetFilter,
    )
    .unwrap();
    // NFT_MSG_GETTABLE of nftables, NLM_F_REQUEST | NLM_F_DUMP, for all families.
    let kind: u16 = 10 << 8 | 1;
    let mut request = Vec::new();
    request.extend(20u32.to_ne_bytes());
    request.extend(kind.to_ne_bytes());
    request.extend(0x301u16.to_ne_bytes());
    request.extend([0; 12]);
    send(socket.as_raw_fd(), &request, MsgFlags::empty()).unwrap();
    let mut answer = vec![0; 1 << 16];
    let length = recv(socket.as_raw_fd(), &mut answer, MsgFlags::empty()).unwrap();
    answer[..length].windows(11).any(|bytes| bytes == b"minidocker\0")
}

/// `ip`, in this thread's network namespace: busybox's understands this much.
pub fn ip(arguments: &str) {
    let status =
        std::process::Command::new("ip").args(arguments.split_whitespace()).status().unwrap();
    assert!(status.success(), "ip {arguments}");
}

pub fn switch(interface: &str) -> String {
    let path = format!("/proc/sys/net/ipv4/conf/{interface}/forwarding");
    fs::read_to_string(path).unwrap().trim().to_string()
}

/// A container that answers each connection to its port 8000 with the caller's address.
pub fn server(name: &str) -> ContainerSpec {
    let code = "import socket\ns = socket.create_server(('', 8000))\nwhile True:\n    \
                c, a = s.accept()\n    c.sendall((a[0] + '\\n').encode())\n    c.close()";
    ContainerSpec::new(name, Command::argv(["python3", "-c", code])).network(NetworkMode::Bridge)
}

/// The network that was made with that name.
pub fn on(name: &str) -> NetworkMode {
    name.parse().unwrap()
}

pub fn address(container: &Container) -> IpAddr {
    container.inspect().unwrap().network.networks[0].ip_address
}

pub fn gateway(container: &Container) -> IpAddr {
    container.inspect().unwrap().network.networks[0].gateway
}

/// What somebody who calls from this thread's network namespace is answered.
pub fn call(address: IpAddr, port: u16) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&SocketAddr::new(address, port), MOMENT)?;
    stream.set_read_timeout(Some(MOMENT))?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.trim().to_string())
}

/// Waits until a server answers.
pub fn answering(container: &Container) -> IpAddr {
    let address = address(container);
    eventually("the server answers", || call(address, 8000).is_ok());
    address
}

/// What a container prints when it calls somebody.
pub fn call_from(container: &Container, host: &str, port: u16) -> String {
    let code = "import socket, sys\ntry:\n    s = socket.create_connection((sys.argv[1], \
                int(sys.argv[2])), 3)\n    print(s.makefile().readline().strip())\n\
                except OSError as error:\n    print('error:', type(error).__name__, error)";
    let port = port.to_string();
    run(container, &["python3", "-c", code, host, &port])
}

/// What a command prints that is executed in a container.
pub fn run(container: &Container, words: &[&str]) -> String {
    let exec = Exec::new(Command::argv(words.to_vec())).timeout(PATIENCE);
    let output = container.exec(exec).unwrap();
    format!("{}{}", output.stdout_text(), output.stderr_text()).trim().to_string()
}

/// Answers each connection to a port of this thread's network namespace with the caller's
/// address, for as long as the test runs.
pub fn answer_at(port: u16) {
    let listener = TcpListener::bind(("0.0.0.0", port)).unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let caller = stream.peer_addr().unwrap().ip();
            let _ = writeln!(stream, "{caller}");
        }
    });
}

/// Another machine, to which this one has a cable: the interface `uplink` with the address
/// 203.0.113.1. It is 203.0.113.2, answers at port 9000, and is the way to everywhere.
pub struct Outside {
    orders: mpsc::Sender<Box<dyn FnOnce() + Send>>,
    thread: Option<JoinHandle<()>>,
}

impl Outside {
    pub fn new() -> Outside {
        let (orders, received) = mpsc::channel::<Box<dyn FnOnce() + Send>>();
        let thread = std::thread::spawn(move || {
            unshare(CloneFlags::CLONE_NEWNET).unwrap();
            received.into_iter().for_each(|order| order());
        });
        let outside = Outside { orders, thread: Some(thread) };
        let there = outside.run(|| nix::unistd::gettid().as_raw());
        // Without a name for it, the kernel calls the other end veth0.
        ip("link add uplink type veth");
        ip(&format!("link set veth0 netns {there}"));
        ip("addr add 203.0.113.1/24 dev uplink");
        ip("link set uplink up");
        ip("route add default via 203.0.113.2");
        outside.run(|| {
            ip("link set lo up");
            ip("addr add 203.0.113.2/24 dev veth0");
            ip("link set veth0 up");
            answer_at(9000);
        });
        outside
    }

    /// Does something there.
    pub fn run<T: Send + 'static>(&self, order: impl FnOnce() -> T + Send + 'static) -> T {
        let (answer, answered) = mpsc::channel();
        self.orders.send(Box::new(move || answer.send(order()).unwrap())).unwrap();
        answered.recv().unwrap()
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        self.orders = mpsc::channel().0;
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// What an ordinary file of a container's /etc says.
pub fn etc(container: &Container, name: &str) -> String {
    run(container, &["cat", &format!("/etc/{name}")])
}

/// The registry as it is written down.
pub fn registry() -> String {
    fs::read_to_string(state().join("registry.json")).unwrap_or_default()
}

/// Whether a process shows that name.
pub fn is_called(pid: i32, name: &str) -> bool {
    fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("comm"))
        .is_ok_and(|comm| comm.trim() == name)
}
