//! The network of a process: its interfaces and the cables that lead from them to the host,
//! its routes, and who listens in it.
//!
//! /proc/PID/net is of that process's network namespace, and the container's own /sys tells of
//! its interfaces: nobody need enter the namespace to look at it.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use minidocker_rt::NetworkInfo;
use rustix::fs::{CWD, FsWord, Mode, OFlags, ResolveFlags};
use serde::Serialize;

use super::namespaces;
use crate::packet_filter;
use crate::text;

/// What can be seen of a network.
#[derive(Debug, Serialize)]
pub(super) struct Network {
    /// Whether the container has its own.
    own: bool,
    interfaces: Vec<Interface>,
    routes: Vec<Route>,
    /// The sockets that wait for others.
    listening: Vec<Listener>,
    bridge: Option<Bridge>,
    /// What the host does with the bridges' packets; null where it cannot be asked.
    rules: Option<Vec<Rule>>,
}

/// A rule of our table, in nft's words.
#[derive(Debug, PartialEq, Serialize)]
struct Rule {
    chain: String,
    rule: String,
}

/// An interface in the container.
#[derive(Debug, PartialEq, Serialize)]
struct Interface {
    name: String,
    index: Option<u32>,
    mac: Option<String>,
    mtu: Option<u32>,
    /// `up`, `down`, or `unknown` as for loopback.
    state: Option<String>,
    addresses: Vec<IpAddr>,
    rx_bytes: u64,
    rx_packets: u64,
    tx_bytes: u64,
    tx_packets: u64,
    /// The other end of the cable, on the host.
    peer: Option<Peer>,
}

/// The host's end of a veth pair (`man 4 veth`).
#[derive(Debug, PartialEq, Serialize)]
struct Peer {
    name: String,
    index: u32,
    /// The bridge that it is plugged into.
    bridge: Option<String>,
}

/// A switch made of software, and what is plugged into it.
#[derive(Debug, Serialize)]
struct Bridge {
    name: String,
    mac: Option<String>,
    ports: Vec<String>,
}

/// A line of the routing table (`man 8 ip-route`).
#[derive(Debug, PartialEq, Serialize)]
struct Route {
    /// `default` or a block of addresses.
    to: String,
    via: Option<Ipv4Addr>,
    interface: String,
}

#[derive(Debug, PartialEq, Serialize)]
struct Listener {
    protocol: &'static str,
    address: IpAddr,
    port: u16,
}

const HOST: &str = "/sys/class/net";

pub(super) fn of(pid: i32, info: &NetworkInfo) -> Network {
    let own = namespaces::id("self", "net") != namespaces::id(&pid.to_string(), "net");
    let net = PathBuf::from(format!("/proc/{pid}/net"));
    let read = |file: &str| text::read(net.join(file)).unwrap_or_default();
    let mut interfaces = parse_interfaces(&read("dev"));
    for interface in &mut interfaces {
        if own && let Some(inside) = folder_inside(pid, &interface.name) {
            let inside = format!("/proc/self/fd/{}", inside.as_raw_fd());
            interface.look_up(Path::new(&inside), Path::new(HOST));
        }
        interface.addresses = match interface.name.as_str() {
            "lo" => vec![Ipv4Addr::LOCALHOST.into()],
            "eth0" => info.networks.iter().map(|endpoint| endpoint.ip_address).collect(),
            _ => Vec::new(),
        };
    }
    let bridge = interfaces.iter().find_map(|one| one.peer.as_ref()?.bridge.clone());
    let listening = [("tcp", "tcp"), ("tcp", "tcp6"), ("udp", "udp"), ("udp", "udp6")]
        .into_iter()
        .flat_map(|(protocol, file)| parse_listeners(protocol, &read(file)))
        .collect();
    Network {
        own,
        // The host's own are not the container's secret, but not its doing either.
        interfaces: if own { interfaces } else { Vec::new() },
        routes: if own { parse_routes(&read("route")) } else { Vec::new() },
        listening: if own { listening } else { Vec::new() },
        rules: bridge.as_ref().map_or(Some(Vec::new()), |_| {
            let rules = packet_filter::rules(c"minidocker").ok()?.into_iter();
            Some(rules.map(|rule| Rule { chain: rule.chain, rule: rule.text }).collect())
        }),
        bridge: bridge.map(|name| Bridge::of(Path::new(HOST), name)),
    }
}

/// The folder of an interface in the container's /sys. A command that may use chroot(2) chooses
/// what stands at /sys: a symlink into the host's files, a FIFO, a file without an end. So links
/// are followed inside its root alone, and only what is of sysfs counts.
fn folder_inside(pid: i32, interface: &str) -> Option<OwnedFd> {
    const SYSFS_MAGIC: FsWord = 0x6265_6572;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::openat(CWD, format!("/proc/{pid}/root"), flags, Mode::empty()).ok()?;
    let path = Path::new(HOST).join(interface);
    let within = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let folder = rustix::fs::openat2(root, path, flags, Mode::empty(), within).ok()?;
    (rustix::fs::fstatfs(&folder).ok()?.f_type == SYSFS_MAGIC).then_some(folder)
}

impl Interface {
    /// What the container's /sys tells of it, and the host's of the other end.
    fn look_up(&mut self, inside: &Path, host: &Path) {
        self.index = number(inside, "ifindex");
        self.mac = word(inside, "address").filter(|mac| mac != "00:00:00:00:00:00");
        self.mtu = number(inside, "mtu");
        self.state = word(inside, "operstate");
        let (Some(index), Some(other)) = (self.index, number(inside, "iflink")) else { return };
        // A number says which interface only together with its namespace: the other end must
        // point back.
        if other == index {
            return;
        }
        self.peer = fs::read_dir(host).into_iter().flatten().find_map(|entry| {
            let path = entry.ok()?.path();
            let is_it =
                number(&path, "ifindex") == Some(other) && number(&path, "iflink") == Some(index);
            is_it.then(|| Peer {
                name: file_name(&path),
                index: other,
                bridge: fs::read_link(path.join("master")).ok().map(|master| file_name(&master)),
            })
        });
    }
}

impl Bridge {
    fn of(host: &Path, name: String) -> Bridge {
        let place = host.join(&name);
        let ports = fs::read_dir(place.join("brif")).into_iter().flatten();
        let mut ports: Vec<String> =
            ports.filter_map(|port| Some(file_name(&port.ok()?.path()))).collect();
        ports.sort();
        Bridge { mac: word(&place, "address"), name, ports }
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn word(folder: &Path, file: &str) -> Option<String> {
    let text = text::read(folder.join(file))?;
    Some(text.trim().to_string()).filter(|text| !text.is_empty())
}

fn number(folder: &Path, file: &str) -> Option<u32> {
    word(folder, file)?.parse().ok()
}

/// /proc/PID/net/dev: two lines of titles, then a line for each interface.
fn parse_interfaces(text: &str) -> Vec<Interface> {
    text.lines()
        .filter_map(|line| {
            let (name, rest) = line.split_once(':')?;
            let numbers: Vec<u64> =
                rest.split_whitespace().map_while(|word| word.parse().ok()).collect();
            Some(Interface {
                name: name.trim().to_string(),
                index: None,
                mac: None,
                mtu: None,
                state: None,
                addresses: Vec::new(),
                rx_bytes: *numbers.first()?,
                rx_packets: *numbers.get(1)?,
                tx_bytes: *numbers.get(8)?,
                tx_packets: *numbers.get(9)?,
                peer: None,
            })
        })
        .collect()
}

/// /proc/PID/net/route: numbers as the network has them, printed as the processor has them.
fn parse_routes(text: &str) -> Vec<Route> {
    let address =
        |word: &str| Some(Ipv4Addr::from(u32::from_str_radix(word, 16).ok()?.to_ne_bytes()));
    text.lines()
        .skip(1)
        .filter_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let (to, via) = (address(words.get(1)?)?, address(words.get(2)?)?);
            let prefix = address(words.get(7)?)?.to_bits().count_ones();
            Some(Route {
                to: if prefix == 0 { "default".into() } else { format!("{to}/{prefix}") },
                via: (!via.is_unspecified()).then_some(via),
                interface: words.first()?.to_string(),
            })
        })
        .collect()
}

/// /proc/PID/net/tcp and the like (`man 5 proc_pid_net`).
fn parse_listeners(protocol: &'static str, text: &str) -> Vec<Listener> {
    // TCP_LISTEN, and what the kernel calls a UDP socket that is not connected: TCP_CLOSE.
    let state = if protocol == "tcp" { "0A" } else { "07" };
    text.lines()
        .filter_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let (address, port) = words.get(1)?.split_once(':')?;
            if words.get(3) != Some(&state) {
                return None;
            }
            let parts: Vec<[u8; 4]> = (0..address.len() / 8)
                .map(|part| {
                    let part = address.get(part * 8..part * 8 + 8)?;
                    Some(u32::from_str_radix(part, 16).ok()?.to_ne_bytes())
                })
                .collect::<Option<_>>()?;
            let address = match parts.as_slice() {
                [four] => IpAddr::from(*four),
                [a, b, c, d] => {
                    let bytes = [*a, *b, *c, *d].concat();
                    Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).into()
                }
                _ => return None,
            };
            Some(Listener { protocol, address, port: u16::from_str_radix(port, 16).ok()? })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_and_their_traffic_are_read() {
        let text = "Inter-|   Receive                            |  Transmit\n \
            face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n    \
            lo:     100       2    0    0    0     0          0         0      100       2    0    0    0     0       0          0\n  \
            eth0: 1290       15    0    0    0     0          0         0      866      11    0    0    0     0       0          0\n";
        let interfaces = parse_interfaces(text);
        assert_eq!(interfaces.len(), 2);
        let eth0 = &interfaces[1];
        assert_eq!((eth0.name.as_str(), eth0.rx_bytes, eth0.tx_packets), ("eth0", 1290, 11));
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn routes_are_read() {
        let text = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
            eth0\t00000000\t0100580A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
            eth0\t0000580A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n";
        let route = |to: &str, via: Option<[u8; 4]>| Route {
            to: to.into(),
            via: via.map(Ipv4Addr::from),
            interface: "eth0".into(),
        };
        assert_eq!(
            parse_routes(text),
            [route("default", Some([10, 88, 0, 1])), route("10.88.0.0/16", None)]
        );
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn who_listens_is_read_and_who_speaks_is_not() {
        let text = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n   \
            0: 00000000:1F40 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0\n   \
            1: 0100580A:1F40 0200580A:9C40 01 00000000:00000000 00:00000000 00000000     0        0 2 1 0\n";
        let listener =
            Listener { protocol: "tcp", address: Ipv4Addr::UNSPECIFIED.into(), port: 8000 };
        assert_eq!(parse_listeners("tcp", text), [listener]);
        let six = "  sl  local_address remote_address st\n   \
            0: 00000000000000000000000000000000:0035 00000000000000000000000000000000:0000 07 0 0 0 0 0 3\n";
        let listener =
            Listener { protocol: "udp", address: Ipv6Addr::UNSPECIFIED.into(), port: 53 };
        assert_eq!(parse_listeners("udp", six), [listener]);
        assert_eq!(parse_listeners("tcp", "nonsense\n\n1: 2 3"), []);
    }

    #[test]
    fn the_other_end_of_a_cable_is_found_only_if_it_points_back() {
        let dir = tempfile::tempdir().unwrap();
        let make = |path: &str, files: &[(&str, &str)]| {
            let path = dir.path().join(path);
            fs::create_dir_all(&path).unwrap();
            for (name, value) in files {
                fs::write(path.join(name), format!("{value}\n")).unwrap();
            }
            path
        };
        let eth0 = make("in/eth0", &[("ifindex", "2"), ("iflink", "7"), ("operstate", "up")]);
        make("host/other", &[("ifindex", "7"), ("iflink", "7")]);
        let look = || {
            let mut interface = parse_interfaces("eth0: 0 0 0 0 0 0 0 0 0 0").remove(0);
            interface.look_up(&eth0, &dir.path().join("host"));
            interface
        };
        assert_eq!(look().peer, None);
        let veth = make("host/veth", &[("ifindex", "7"), ("iflink", "2")]);
        std::os::unix::fs::symlink("../bridge0", veth.join("master")).unwrap();
        make("host/bridge0", &[("address", "02:00:00:00:00:01")]);
        make("host/bridge0/brif/veth", &[]);
        let peer = Peer { name: "veth".into(), index: 7, bridge: Some("bridge0".into()) };
        assert_eq!(look(), Interface { peer: Some(peer), ..look() });
        assert_eq!(look().state.as_deref(), Some("up"));
        let bridge = Bridge::of(&dir.path().join("host"), "bridge0".into());
        assert_eq!(
            (bridge.ports, bridge.mac),
            (vec!["veth".to_string()], Some("02:00:00:00:00:01".into()))
        );
    }
}
