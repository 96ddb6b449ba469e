//! Finds out who has a port that is wanted: the kernel lists the sockets of all processes,
//! and each process's own descriptors, and the two lists meet in the socket's inode.

use std::fmt;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use crate::spec::{PortMapping, Protocol};
use crate::store::ContainerDir;

/// Who has a port.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// A container of the same root.
    Container(String),
    /// A process, by pid and name.
    Process(i32, String),
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Owner::Container(name) => write!(f, "container {name:?}"),
            Owner::Process(pid, name) => write!(f, "process {pid} ({name})"),
        }
    }
}

/// The owner of the socket that keeps `port` from being bound, if it can be seen. The
/// containers whose folders are in `siblings` are known by name.
pub(crate) fn find(port: &PortMapping, siblings: &Path) -> Option<Owner> {
    let tables: &[&str] = match port.protocol() {
        Protocol::Tcp => &["/proc/net/tcp", "/proc/net/tcp6"],
        Protocol::Udp => &["/proc/net/udp", "/proc/net/udp6"],
    };
    let inodes: Vec<u64> = tables
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| {
            let sockets = table.lines().filter_map(Socket::parse);
            sockets
                .filter(|socket| socket.blocks(port))
                .map(|socket| socket.inode)
                .collect::<Vec<_>>()
        })
        .collect();
    let holders = holders(&inodes);
    let container = fs::read_dir(siblings).into_iter().flatten().find_map(|entry| {
        let entry = entry.ok()?;
        let record = ContainerDir::at(entry.path()).status().ok().flatten()?;
        let name = entry.file_name().to_string_lossy().into_owned();
        holders.contains(&record.supervisor.pid).then_some(Owner::Container(name))
    });
    container.or_else(|| {
        let pid = *holders.first()?;
        let name = fs::read(format!("/proc/{pid}/comm")).ok()?;
        Some(Owner::Process(pid, printable(name.strip_suffix(b"\n").unwrap_or(&name))))
    })
}

/// A process may be named with any bytes: none of them may break the line that it is told in.
fn printable(name: &[u8]) -> String {
    let name = String::from_utf8_lossy(name);
    name.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// The processes that have one of these sockets open.
fn holders(inodes: &[u64]) -> Vec<i32> {
    if inodes.is_empty() {
        return Vec::new();
    }
    let links: Vec<String> = inodes.iter().map(|inode| format!("socket:[{inode}]")).collect();
    let mut pids: Vec<i32> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid| {
            let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten();
            let mut targets = descriptors.filter_map(|fd| fs::read_link(fd.ok()?.path()).ok());
            targets.any(|target| links.iter().any(|link| target.as_os_str() == link.as_str()))
        })
        .collect();
    pids.sort_unstable();
    pids
}

/// A line of /proc/net/tcp or udp (`man 5 proc_pid_net`).
#[derive(Debug, PartialEq, Eq)]
struct Socket {
    address: IpAddr,
    port: u16,
    listening: bool,
    inode: u64,
}

impl Socket {
    fn parse(line: &str) -> Option<Socket> {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (address, port) = fields.get(1)?.split_once(':')?;
        // The address is printed as words of 32 bits, each as the processor sees it.
        let words: Vec<[u8; 4]> = (0..address.len() / 8)
            .map(|word| {
                let word = address.get(word * 8..word * 8 + 8)?;
                Some(u32::from_str_radix(word, 16).ok()?.to_ne_bytes())
            })
            .collect::<Option<_>>()?;
        let address = match words.as_slice() {
            [word] => IpAddr::V4(Ipv4Addr::from(*word)),
            [a, b, c, d] => {
                let bytes = [*a, *b, *c, *d].concat();
                IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?))
            }
            _ => return None,
        };
        // TCP_LISTEN, and what the kernel calls an unconnected UDP socket: TCP_CLOSE.
        let listening = matches!(*fields.get(3)?, "0A" | "07");
        Some(Socket {
            address: address.to_canonical(),
            port: u16::from_str_radix(port, 16).ok()?,
            listening,
            inode: fields.get(9)?.parse().ok()?,
        })
    }

    /// Whether it keeps others from binding `port`.
    fn blocks(&self, port: &PortMapping) -> bool {
        let wanted = port.host_ip();
        // A socket of IPv6 for all addresses is often one for those of IPv4, too.
        let addresses = self.address == wanted
            || self.address == IpAddr::V6(Ipv6Addr::UNSPECIFIED)
            || self.address.is_ipv4() == wanted.is_ipv4()
                && (self.address.is_unspecified() || wanted.is_unspecified());
        self.port == port.host_port() && self.listening && addresses
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn the_kernels_lines_are_read() {
        let line = "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 31337 1 0000000000000000 100 0 0 10 0";
        let socket = Socket::parse(line).unwrap();
        let expected = Socket {
            address: "127.0.0.1".parse().unwrap(),
            port: 8080,
            listening: true,
            inode: 31337,
        };
        assert_eq!(socket, expected);
        let six = "   1: 00000000000000000000000001000000:0035 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 42 2 0000000000000000 0";
        let socket = Socket::parse(six).unwrap();
        assert_eq!((socket.address, socket.port), ("::1".parse().unwrap(), 53));
        assert_eq!(Socket::parse("  sl  local_address rem_address   st"), None);
    }

    #[test]
    fn a_name_of_any_bytes_stays_on_its_line() {
        assert_eq!(printable(b"nginx: master"), "nginx: master");
        assert_eq!(printable("измерит".as_bytes()), "измерит");
        assert_eq!(printable(b"a\n\x1b[2J\xd0"), "a\u{fffd}\u{fffd}[2J\u{fffd}");
    }

    #[test]
    fn a_connection_blocks_nobody() {
        let port: PortMapping = "127.0.0.1:8080:80".parse().unwrap();
        let socket = |address: &str, listening| Socket {
            address: address.parse().unwrap(),
            port: 8080,
            listening,
            inode: 1,
        };
        assert!(socket("127.0.0.1", true).blocks(&port));
        assert!(socket("0.0.0.0", true).blocks(&port));
        assert!(socket("::", true).blocks(&port));
        assert!(!socket("127.0.0.2", true).blocks(&port));
        assert!(!socket("127.0.0.1", false).blocks(&port));
    }
}
