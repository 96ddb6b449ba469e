//! The files by which programs find others: /etc/hosts, /etc/hostname and /etc/resolv.conf.
//!
//! Each container has its own, in its folder on the host, shown over those of its image. Its
//! /etc/hosts lists the containers of its network (and root), and is rewritten when they come
//! and go. So names are found without a name server of ours, by every program that uses the
//! C library.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::net::IpAddr;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::libc;

use super::registry::{Lease, Segment};
use crate::linux::sys::{Sys, SysResult};
use crate::spec::{ContainerSpec, ExtraHost, Hostname, NetworkMode};

/// The files, as they are called in /etc.
pub(crate) const FILES: [&str; 3] = ["hosts", "hostname", "resolv.conf"];

const HEAD: &str = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n";

/// The names that a container is found by: its own, its hostname, its aliases.
pub(crate) fn names_of(spec: &ContainerSpec) -> Vec<String> {
    let own = Hostname::from(&spec.name);
    let all = [&own].into_iter().chain(&spec.hostname).chain(&spec.aliases);
    let mut names: Vec<String> = Vec::new();
    for name in all.map(ToString::to_string) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// Rewrites the files of all on a network. One that is gone needs none.
pub(crate) fn tell(sys: &mut Sys, segment: &Segment) {
    for lease in &segment.leases {
        let Some(path) = &lease.hosts else { continue };
        let text = hosts_on(segment, lease);
        if let Err(error) = sys.call(format!("write({path:?})"), (), || rewrite(path, &text)) {
            log::debug!("{}: {}", error.call, crate::error::Errno(error.errno));
        }
    }
}

/// Writes the file of one of them, which is about to start.
pub(crate) fn write_hosts(
    sys: &mut Sys,
    folder: &Path,
    segment: &Segment,
    own: &Lease,
) -> SysResult<()> {
    write_file(sys, folder, "hosts", &hosts_on(segment, own))
}

/// The file of a container on a bridge.
fn hosts_on(segment: &Segment, own: &Lease) -> String {
    let mut text = format!(
        "# Rewritten by minidocker when containers of this network come and go.\n{HEAD}{}\t{}\n",
        own.address,
        own.names.join(" ")
    );
    extra(&mut text, &own.extra_hosts, segment.subnet.gateway().into());
    for other in &segment.leases {
        let known = !other.holders.is_empty() && !other.names.is_empty();
        if known && other.container != own.container && other.root == own.root {
            let _ = writeln!(text, "{}\t{}", other.address, other.names.join(" "));
        }
    }
    text
}

/// Adds extra hosts. `gateway` is where the host itself is found.
fn extra(text: &mut String, hosts: &[ExtraHost], gateway: IpAddr) {
    for host in hosts {
        let _ = writeln!(text, "{}\t{}", host.address().unwrap_or(gateway), host.name());
    }
}

/// Changes a file that is mounted elsewhere, and so must stay the same file. Who reads it
/// meanwhile sees the old or the new content, at worst with blank lines behind it.
fn rewrite(path: &Path, text: &str) -> std::io::Result<()> {
    let file = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o644)
        // Its container may hold a lease on it (`man 2 fcntl`), for whose end a plain open would
        // wait 45 seconds; then it keeps the old content.
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path)?;
    let before = usize::try_from(file.metadata()?.len()).unwrap_or(0).min(1 << 20);
    let mut bytes = text.as_bytes().to_vec();
    let length = bytes.len();
    bytes.resize(length.max(before), b'\n');
    file.write_all_at(&bytes, 0)?;
    if bytes.len() > length {
        file.set_len(length as u64)?;
    }
    Ok(())
}

/// A file of the host's administrator, whose comments may be in any encoding.
fn text_of(path: &str) -> Option<String> {
    fs::read(path).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// The files of a container that is on no bridge, but for those it shares.
pub(crate) fn hosts_alone(spec: &ContainerSpec) -> String {
    let mut text = match spec.network_mode() {
        // It is the host, and has its names.
        NetworkMode::Host => text_of("/etc/hosts").unwrap_or_else(|| HEAD.into()),
        _ => format!("{HEAD}127.0.0.1\t{}\n", names_of(spec).join(" ")),
    };
    if !text.ends_with('\n') {
        text.push('\n');
    }
    // On the host's network the host is oneself.
    extra(&mut text, &spec.extra_hosts, std::net::Ipv4Addr::LOCALHOST.into());
    text
}

/// The container's resolv.conf, and what is to be said about it.
pub(crate) fn resolv_conf(spec: &ContainerSpec) -> (String, Option<String>) {
    let read = |path: &str| text_of(path).unwrap_or_default();
    resolv_conf_from(
        &spec.network_mode(),
        &spec.dns,
        &read("/etc/resolv.conf"),
        // systemd-resolved keeps the servers behind its own address here.
        &read("/run/systemd/resolve/resolv.conf"),
    )
}

fn resolv_conf_from(
    mode: &NetworkMode,
    asked: &[IpAddr],
    host: &str,
    behind: &str,
) -> (String, Option<String>) {
    let servers = |text: &str| -> Vec<IpAddr> {
        let words = text.lines().filter_map(|line| line.trim().strip_prefix("nameserver"));
        // An address of IPv6 may have its interface behind a percent sign.
        words.filter_map(|rest| rest.trim().split('%').next()?.parse().ok()).collect()
    };
    if *mode == NetworkMode::None {
        return ("# No network, so no name server.\n".into(), None);
    }
    if asked.is_empty() && *mode == NetworkMode::Host {
        return (host.to_string(), None);
    }
    let others: String = host
        .lines()
        .filter(|line| !line.trim_start().starts_with("nameserver"))
        .filter(|line| !line.trim_start().starts_with(['#', ';']) && !line.trim().is_empty())
        .map(|line| format!("{line}\n"))
        .collect();
    // A loopback address is the container's own there, and there is no way to IPv6.
    let reachable = |server: &IpAddr| server.is_ipv4() && !server.is_loopback();
    let found: Vec<IpAddr> = match asked {
        [] => servers(host).into_iter().filter(reachable).collect(),
        asked => asked.to_vec(),
    };
    let found = match found.is_empty() {
        true => servers(behind).into_iter().filter(reachable).collect(),
        false => found,
    };
    let caveat = found.is_empty().then(|| {
        let what = match servers(host).as_slice() {
            [] => "the host has no name server".to_string(),
            [first, ..] => {
                format!("the host's name server {first} cannot be reached from a container")
            }
        };
        format!("no names of the outside are found: {what}; give one (dns)")
    });
    let lines: String = found.iter().map(|server| format!("nameserver {server}\n")).collect();
    let remark = caveat.as_ref().map_or(String::new(), |caveat| format!("# {caveat}\n"));
    (format!("{remark}{others}{lines}"), caveat)
}

/// Writes one of the files into the folder of a container that is about to start.
pub(crate) fn write_file(sys: &mut Sys, folder: &Path, name: &str, text: &str) -> SysResult<()> {
    let path = folder.join(name);
    sys.call(format!("write({path:?})"), (), || match rewrite(&path, text) {
        // Nothing of this container runs, so it is another, which shares its network, that holds
        // a lease: it keeps the old file.
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
            fs::remove_file(&path)?;
            rewrite(&path, text)
        }
        result => result,
    })
}

/// The folder of these files.
pub(crate) fn folder(container: &Path) -> PathBuf {
    container.join("etc")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linux::network::registry::Key;
    use crate::spec::ContainerId;
    use crate::status::ProcessIdentity;

    fn lease(last: u8, root: &str, names: &[&str]) -> Lease {
        Lease {
            address: [10, 88, 0, last].into(),
            container: ContainerId::random().unwrap(),
            root: root.into(),
            names: names.iter().map(ToString::to_string).collect(),
            extra_hosts: Vec::new(),
            hosts: None,
            runs: 0,
            holders: vec![ProcessIdentity { pid: 1, start_time: 1 }],
        }
    }

    #[test]
    fn a_container_finds_itself_its_extra_hosts_and_the_others_of_its_root() {
        let mut web = lease(2, "/r", &["web", "web-1"]);
        web.extra_hosts =
            vec!["db:192.168.7.7".parse().unwrap(), "h:host-gateway".parse().unwrap()];
        let mut left = lease(5, "/r", &["left"]);
        left.holders.clear();
        let segment = Segment {
            key: Key::Bridge,
            bridge: "minidocker0".into(),
            subnet: "10.88.0.0/16".parse().unwrap(),
            mtu: 1500,
            last: [10, 88, 0, 5].into(),
            idle_since: None,
            leases: vec![
                web.clone(),
                lease(3, "/r", &["db"]),
                lease(4, "/other", &["theirs"]),
                left,
            ],
        };
        let text = hosts_on(&segment, &web);
        let lines: Vec<&str> = text.lines().skip(3).collect();
        assert_eq!(
            lines,
            ["10.88.0.2\tweb web-1", "192.168.7.7\tdb", "10.88.0.1\th", "10.88.0.3\tdb"]
        );
    }

    #[test]
    fn a_file_that_becomes_shorter_or_longer_stays_the_same_file() {
        use std::os::unix::fs::MetadataExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hosts");
        rewrite(&path, "first\n").unwrap();
        let file = fs::metadata(&path).unwrap().ino();
        for text in ["a much longer one\n", "short\n", ""] {
            rewrite(&path, text).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        assert_eq!(fs::metadata(&path).unwrap().ino(), file);
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(rewrite(&link, "x").is_err(), "a link is not followed");
    }

    #[test]
    fn a_name_server_that_only_the_host_reaches_is_replaced_or_told() {
        let conf = |mode, asked: &[IpAddr], host: &str, behind: &str| {
            resolv_conf_from(&mode, asked, host, behind)
        };
        let bridge = || NetworkMode::Bridge;
        let (text, caveat) = conf(bridge(), &[], "nameserver 10.0.0.53\nsearch lan\n", "");
        assert_eq!((text.as_str(), caveat), ("search lan\nnameserver 10.0.0.53\n", None));

        let stub = "# by systemd\nnameserver 127.0.0.53\noptions edns0\n";
        let (text, caveat) =
            conf(bridge(), &[], stub, "nameserver fe80::1%eth0\nnameserver 192.168.1.1\n");
        assert_eq!(text, "options edns0\nnameserver 192.168.1.1\n");
        assert!(caveat.is_none());

        let (text, caveat) = conf(bridge(), &[], stub, "");
        assert!(caveat.as_ref().unwrap().contains("127.0.0.53"), "{caveat:?}");
        assert!(text.starts_with("# ") && text.contains("127.0.0.53") && text.contains("(dns)"));
        assert!(!text.lines().any(|line| line.starts_with("nameserver")));

        let (text, caveat) = conf(bridge(), &["9.9.9.9".parse().unwrap()], stub, "");
        assert_eq!((text.as_str(), caveat), ("options edns0\nnameserver 9.9.9.9\n", None));
        let (text, _) = conf(NetworkMode::Host, &[], stub, "");
        assert_eq!(text, stub, "the host's own network reaches what the host reaches");
        let (text, _) = conf(NetworkMode::None, &[], stub, "");
        assert!(!text.contains("nameserver"));
    }

    #[test]
    fn its_names_are_its_own_its_hostname_and_its_aliases() {
        let spec = ContainerSpec::new("web", "true").hostname("h").alias("db").alias("web");
        assert_eq!(names_of(&spec), ["web", "h", "db"]);
        let alone = hosts_alone(&spec.network(NetworkMode::None).extra_host("x:10.0.0.1"));
        assert!(alone.contains("127.0.0.1\tweb h db\n10.0.0.1\tx\n"), "{alone}");
    }
}
