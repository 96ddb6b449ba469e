//! Published ports: a port of the host behind which a port of the container answers.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU16;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::refuse;
use crate::error::{Error, Result};

/// A port of the host, and the port of the container that is reached through it.
///
/// Written as Docker writes it: `HOST:CONTAINER`, `ADDRESS:HOST:CONTAINER` or `CONTAINER`
/// alone, each with `/tcp` (the default) or `/udp` behind it. A host port of 0, or none, is
/// a free port that the kernel chooses at each start.
///
/// Without an address it is the loopback's, 127.0.0.1, and only this machine reaches it.
/// Docker listens at every address (0.0.0.0) unless told otherwise, which has put many a
/// database on the open internet; here one asks for that: `0.0.0.0:8080:80`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "PortMappingJson", into = "PortMappingJson")]
pub struct PortMapping {
    host_ip: IpAddr,
    host_port: u16,
    container_port: NonZeroU16,
    protocol: Protocol,
}

/// The protocol of a published port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// Connections (`man 7 tcp`).
    Tcp,
    /// Single messages (`man 7 udp`).
    Udp,
}

/// Each takes a socket of the host and a descriptor of two processes; beyond this a
/// container wants the host's network instead.
const MOST_PORTS: usize = 1024;

const HINT: &str = "Write HOST:CONTAINER, ADDRESS:HOST:CONTAINER or CONTAINER, for example \
                    8080:80, 127.0.0.1:8080:80/tcp, 53:53/udp or 8000-8010:8000-8010.";

impl PortMapping {
    /// Publishes `container_port` as `host_port` (0: a free one) of the host's address
    /// `host_ip`.
    ///
    /// # Errors
    /// A container's port 0, and an address that nothing can listen at.
    pub fn new(
        host_ip: IpAddr,
        host_port: u16,
        container_port: u16,
        protocol: Protocol,
    ) -> Result<PortMapping> {
        // ::ffff:127.0.0.1 is another spelling of 127.0.0.1.
        let host_ip = host_ip.to_canonical();
        let bad = |why: &str, hint: &str| {
            let value = written(host_ip, host_port, container_port, protocol);
            refuse("ports", value, why, hint)
        };
        let container_port = NonZeroU16::new(container_port).ok_or_else(|| {
            bad(
                "no program can listen at port 0",
                "Give the port at which the program in the container listens.",
            )
        })?;
        if host_ip.is_multicast() || host_ip == IpAddr::V4(Ipv4Addr::BROADCAST) {
            return Err(bad(
                "its address names many machines, and one cannot listen at it",
                "Give an address of this machine: 127.0.0.1, or 0.0.0.0 for all it has.",
            ));
        }
        Ok(PortMapping { host_ip, host_port, container_port, protocol })
    }

    /// The host's address at which it listens.
    pub fn host_ip(&self) -> IpAddr {
        self.host_ip
    }

    /// The host's port; 0 for a free one, to be chosen at each start.
    pub fn host_port(&self) -> u16 {
        self.host_port
    }

    /// The port in the container.
    pub fn container_port(&self) -> u16 {
        self.container_port.get()
    }

    /// Whether connections or single messages are passed on.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// The same with the host port that was chosen.
    pub(crate) fn at_port(self, host_port: u16) -> PortMapping {
        PortMapping { host_port, ..self }
    }

    /// Whether the two cannot both be bound.
    fn collides(&self, other: &PortMapping) -> bool {
        // Two free ports are two, but for the very same purpose one is meant.
        if self.host_port == 0 {
            return self == other;
        }
        // A socket for all addresses of IPv6 is made for IPv6 alone.
        let same_address = self.host_ip == other.host_ip
            || self.host_ip.is_ipv4() == other.host_ip.is_ipv4()
                && (self.host_ip.is_unspecified() || other.host_ip.is_unspecified());
        self.protocol == other.protocol && same_address && self.host_port == other.host_port
    }
}

/// Adds what `text` publishes, a port or a range of ports, to those that are published.
pub(super) fn publish(ports: &mut Vec<PortMapping>, text: &str) -> Result<()> {
    for port in parse(text)? {
        if let Some(other) = ports.iter().find(|other| other.collides(&port)) {
            return Err(refuse(
                "ports",
                text,
                format!("{port} and {other} are the same port of the host"),
                "Give each its own port of the host, or 0 for a free one.",
            ));
        }
        if ports.len() == MOST_PORTS {
            return Err(refuse(
                "ports",
                text,
                format!("a container can publish {MOST_PORTS} ports at most"),
                "Publish only those that its program listens at.",
            ));
        }
        ports.push(port);
    }
    Ok(())
}

/// Reads a port or a range of ports.
fn parse(text: &str) -> Result<Vec<PortMapping>> {
    let bad = |why: String| refuse("ports", text, why, HINT);
    let (places, protocol) = match text.split_once('/') {
        Some((places, protocol)) => (places, protocol.parse::<Protocol>().map_err(bad)?),
        None => (text, Protocol::Tcp),
    };
    // From the right: an address of IPv6 has colons of its own.
    let (rest, container) = match places.rsplit_once(':') {
        Some((rest, container)) => (Some(rest), container),
        None => (None, places),
    };
    let (address, host) = match rest.map(|rest| rest.rsplit_once(':')) {
        None => (None, None),
        Some(None) => (None, rest),
        Some(Some((address, host))) => (Some(address), Some(host)),
    };
    let host_ip = match address {
        None => IpAddr::V4(Ipv4Addr::LOCALHOST),
        Some(address) => address_of(address).map_err(bad)?,
    };
    let (first, last) = range(container).map_err(bad)?;
    let (host_first, host_last) = match host {
        // Docker's 127.0.0.1::80 and 80: a free port.
        None => (0, 0),
        Some("") if address.is_some() => (0, 0),
        Some(host) => range(host).map_err(bad)?,
    };
    if host_first != 0 && host_last - host_first != last - first {
        return Err(bad(format!(
            "the range {host_first}-{host_last} of the host and the range {first}-{last} of the \
             container have different lengths"
        )));
    }
    // A range that begins at 0 is none.
    if host_first == 0 && host_last != 0 {
        return Err(bad("a range of ports cannot begin at 0".into()));
    }
    (first..=last)
        .map(|port| {
            let host_port = if host_first == 0 { 0 } else { host_first + (port - first) };
            PortMapping::new(host_ip, host_port, port, protocol)
        })
        .collect()
}

/// `[::1]` or `127.0.0.1`.
fn address_of(text: &str) -> std::result::Result<IpAddr, String> {
    let inner = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match (inner, text.parse::<IpAddr>()) {
        (Some(inner), _) if inner.parse::<std::net::Ipv6Addr>().is_ok() => {
            Ok(IpAddr::V6(inner.parse().expect("it was just parsed")))
        }
        (None, Ok(address @ IpAddr::V4(_))) => Ok(address),
        (None, Ok(IpAddr::V6(_))) => Err("an address of IPv6 stands in brackets: [::1]".into()),
        _ => Err(format!("{text:?} is not an address such as 127.0.0.1 or [::1]")),
    }
}

/// `80` or `8000-8010`.
fn range(text: &str) -> std::result::Result<(u16, u16), String> {
    // u16 would take a sign in front.
    let port = |text: &str| match text.parse::<u16>() {
        Ok(port) if text.bytes().all(|byte| byte.is_ascii_digit()) => Ok(port),
        _ => Err(format!("{text:?} is not a port, a number from 0 to 65535")),
    };
    let (first, last) = match text.split_once('-') {
        Some((first, last)) => (port(first)?, port(last)?),
        None => (port(text)?, port(text)?),
    };
    match first <= last {
        true => Ok((first, last)),
        false => Err(format!("the range {text} ends before it begins")),
    }
}

impl FromStr for PortMapping {
    type Err = Error;

    /// Reads a single port. [`crate::ContainerSpec::publish`] also takes a range, which is
    /// several.
    fn from_str(text: &str) -> Result<PortMapping> {
        match parse(text)?.as_slice() {
            [port] => Ok(*port),
            _ => Err(refuse(
                "ports",
                text,
                "it is a range of ports, where one is wanted",
                "Give a single port, for example 8080:80.",
            )),
        }
    }
}

impl FromStr for Protocol {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Protocol, String> {
        match text {
            "tcp" => Ok(Protocol::Tcp),
            "udp" => Ok(Protocol::Udp),
            _ => Err(format!("{text:?} is neither tcp nor udp")),
        }
    }
}

impl fmt::Display for PortMapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PortMapping { host_ip, host_port, container_port, protocol } = *self;
        f.write_str(&written(host_ip, host_port, container_port.get(), protocol))
    }
}

/// With the address also where it is the usual one, because readers used to Docker expect
/// another; with the protocol only where it is not TCP.
fn written(host_ip: IpAddr, host_port: u16, container_port: u16, protocol: Protocol) -> String {
    let protocol = match protocol {
        Protocol::Tcp => "",
        Protocol::Udp => "/udp",
    };
    let host = std::net::SocketAddr::new(host_ip, host_port);
    format!("{host}:{container_port}{protocol}")
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        })
    }
}

/// The form in which a status lists a published port.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PortMappingJson {
    host_ip: IpAddr,
    host_port: u16,
    container_port: u16,
    protocol: Protocol,
}

impl TryFrom<PortMappingJson> for PortMapping {
    type Error = Error;

    fn try_from(json: PortMappingJson) -> Result<PortMapping> {
        PortMapping::new(json.host_ip, json.host_port, json.container_port, json.protocol)
    }
}

impl From<PortMapping> for PortMappingJson {
    fn from(port: PortMapping) -> PortMappingJson {
        PortMappingJson {
            host_ip: port.host_ip,
            host_port: port.host_port,
            container_port: port.container_port.get(),
            protocol: port.protocol,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ContainerSpec;

    fn read(text: &str) -> String {
        let mut ports = Vec::new();
        match publish(&mut ports, text) {
            Ok(()) => ports.iter().map(PortMapping::to_string).collect::<Vec<_>>().join(" "),
            Err(Error::InvalidSpec { field: "ports", why, hint, .. }) => {
                assert!(!hint.is_empty());
                format!("refused: {why}")
            }
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn ports_are_written_as_docker_writes_them() {
        assert_eq!(read("8080:80"), "127.0.0.1:8080:80");
        assert_eq!(read("80"), "127.0.0.1:0:80");
        assert_eq!(read("0:80"), "127.0.0.1:0:80");
        assert_eq!(read("127.0.0.1:8080:80/tcp"), "127.0.0.1:8080:80");
        assert_eq!(read("0.0.0.0:8080:80"), "0.0.0.0:8080:80");
        assert_eq!(read("127.0.0.1::80"), "127.0.0.1:0:80");
        assert_eq!(read("[::1]:8080:80"), "[::1]:8080:80");
        assert_eq!(read("[::]::80/udp"), "[::]:0:80/udp");
        assert_eq!(read("[::ffff:127.0.0.1]:1:2"), "127.0.0.1:1:2");
        assert_eq!(read("53:53/udp"), "127.0.0.1:53:53/udp");
        assert_eq!(
            read("8000-8002:9000-9002"),
            "127.0.0.1:8000:9000 127.0.0.1:8001:9001 127.0.0.1:8002:9002"
        );
        assert_eq!(read("90-91"), "127.0.0.1:0:90 127.0.0.1:0:91");
        assert_eq!(read("65535:65535"), "127.0.0.1:65535:65535");
    }

    #[test]
    fn what_is_no_port_is_refused_with_the_reason() {
        for (text, why) in [
            ("", "\"\" is not a port"),
            (":", "\"\" is not a port"),
            (":80", "\"\" is not a port"),
            ("80:", "\"\" is not a port"),
            ("8080:0", "port 0"),
            ("0", "port 0"),
            ("65536:80", "\"65536\" is not a port"),
            ("+80:80", "\"+80\" is not a port"),
            ("-1:80", "\"\" is not a port"),
            ("http:80", "\"http\" is not a port"),
            ("80:80/sctp", "neither tcp nor udp"),
            ("80:80/tcp/udp", "neither tcp nor udp"),
            ("localhost:80:80", "\"localhost\" is not an address"),
            ("::1:8080:80", "brackets"),
            ("[127.0.0.1]:8080:80", "is not an address"),
            ("[::1:8080:80", "is not an address"),
            ("224.0.0.1:80:80", "many machines"),
            ("255.255.255.255:80:80/udp", "many machines"),
            ("1.2.3.4:5.6.7.8:80:80", "is not an address"),
            ("8010-8000:80-90", "ends before it begins"),
            ("8000-8010:80", "different lengths"),
            ("8000:80-90", "different lengths"),
            ("0-10:80-90", "cannot begin at 0"),
            ("8000-8001:0-1", "port 0"),
            ("1-1025:1-1025", "1024 ports at most"),
        ] {
            let answer = read(text);
            assert!(answer.starts_with("refused: ") && answer.contains(why), "{text}: {answer}");
        }
    }

    #[test]
    fn two_that_are_one_port_of_the_host_are_refused() {
        let both = |one: &str, other: &str| {
            let json = serde_json::json!({"name": "a", "command": "true", "ports": [one, other]});
            ContainerSpec::from_json(json.to_string().as_bytes()).is_ok()
        };
        assert!(both("8080:80", "8081:80"));
        assert!(both("8080:80", "8080:80/udp"));
        assert!(both("8080:80", "127.0.0.2:8080:80"));
        assert!(both("0.0.0.0:8080:80", "[::]:8080:80"));
        assert!(both("80", "81") && both("80", "0.0.0.0:0:80"), "two free ports");
        assert!(!both("8080:80", "8080:81"));
        assert!(!both("8080:80", "0.0.0.0:8080:80"));
        assert!(!both("8000-8010:8000-8010", "8005:80"));
        assert!(!both("[::]:8080:80", "[::1]:8080:80"));
        assert!(!both("80", "80"));
    }

    #[test]
    fn a_specification_publishes_and_writes_its_ports() {
        let spec = ContainerSpec::new("a", "true").publish("8080:80").publish("53:53/udp");
        assert!(spec.problem.is_none());
        assert_eq!(spec.ports()[0].container_port(), 80);
        let json = serde_json::to_value(&spec).unwrap();
        assert_eq!(json["ports"], serde_json::json!(["127.0.0.1:8080:80", "127.0.0.1:53:53/udp"]));
        let again: ContainerSpec = serde_json::from_value(json).unwrap();
        assert_eq!(again.ports(), spec.ports());
        let spec = ContainerSpec::new("a", "true").publish("8080:80").publish("8080:81");
        assert!(spec.problem.is_some(), "create says so");
    }

    #[test]
    fn a_status_lists_a_port_by_its_parts() {
        let port: PortMapping = "8080:80".parse().unwrap();
        let json = serde_json::json!({
            "host_ip": "127.0.0.1", "host_port": 8080, "container_port": 80, "protocol": "tcp",
        });
        assert_eq!(serde_json::to_value(port).unwrap(), json);
        assert_eq!(serde_json::from_value::<PortMapping>(json).unwrap(), port);
        assert!("8000-8001:8000-8001".parse::<PortMapping>().is_err(), "a range is several");
    }
}
