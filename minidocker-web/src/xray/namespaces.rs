//! The namespaces of a process (`man 7 namespaces`): a number of the kernel for each kind.

use std::fs;

use serde::Serialize;

#[derive(Debug, Serialize)]
pub(super) struct Namespace {
    kind: &'static str,
    /// The server's, by inode number; null where it may not be looked at.
    host: Option<u64>,
    container: Option<u64>,
    /// Whether the container has its own.
    own: bool,
    /// What the container sees by that.
    shows: &'static str,
    manual: &'static str,
}

/// Kind, what a container with its own sees, what one without sees, and where to read on.
const KINDS: [(&str, &str, &str, &str); 8] = [
    (
        "pid",
        "Its own process tree: numbers that begin at 1, and no processes of others.",
        "The host's process tree: every process of the machine, by the host's numbers.",
        "man 7 pid_namespaces",
    ),
    (
        "mnt",
        "Its own mounts: what is at / and below, unseen by the host.",
        "The host's mounts: a mount made inside shows on the host.",
        "man 7 mount_namespaces",
    ),
    (
        "uts",
        "Its own host name.",
        "The host's name: a change inside renames the host.",
        "man 7 uts_namespaces",
    ),
    (
        "ipc",
        "Its own shared memory, semaphores and message queues.",
        "The host's shared memory, semaphores and message queues.",
        "man 7 ipc_namespaces",
    ),
    (
        "net",
        "Its own network interfaces, addresses, ports and routes.",
        "The host's network interfaces, addresses, ports and routes.",
        "man 7 network_namespaces",
    ),
    (
        "cgroup",
        "Its own root of the cgroup tree: it does not see where in the host's it is.",
        "The host's cgroup tree: it sees where in the tree it is.",
        "man 7 cgroup_namespaces",
    ),
    (
        "user",
        "Its own user and group ids, and capabilities that count only inside.",
        "The host's user and group ids: user 0 inside is user 0 on the host.",
        "man 7 user_namespaces",
    ),
    (
        "time",
        "Its own clocks since boot.",
        "The host's clocks since boot.",
        "man 7 time_namespaces",
    ),
];

pub(super) fn of(pid: i32) -> Vec<Namespace> {
    KINDS
        .iter()
        .map(|&(kind, apart, shared, manual)| {
            let (host, container) = (id("self", kind), id(&pid.to_string(), kind));
            let own = host.is_some() && container.is_some() && host != container;
            let shows = if own { apart } else { shared };
            Namespace { kind, host, container, own, shows, manual }
        })
        .collect()
}

/// The number in a link such as `pid:[4026531836]`.
pub(super) fn id(process: &str, kind: &str) -> Option<u64> {
    let link = fs::read_link(format!("/proc/{process}/ns/{kind}")).ok()?;
    link.to_str()?.split_once('[')?.1.strip_suffix(']')?.parse().ok()
}
