//! A look through a container: what the kernel tells about its processes in /proc and in
//! cgroups, side by side with this server's own. Nothing here comes from our records but the
//! pid to begin with.

mod capabilities;
mod cgroups;
mod mounts;
mod namespaces;
mod network;
mod processes;

use minidocker_rt::ContainerInfo;
use serde::Serialize;

use capabilities::Capabilities;
use cgroups::Cgroup;
use mounts::Mount;
use namespaces::Namespace;
use network::Network;
use processes::Process;

use crate::text;

/// Everything that can be seen.
#[derive(Debug, Serialize)]
pub(crate) struct Xray {
    running: bool,
    /// Why there is nothing to see.
    why: Option<String>,
    /// The command's pid on the host.
    pid: Option<i32>,
    hostname: Option<Hostname>,
    namespaces: Vec<Namespace>,
    processes: Vec<Process>,
    mounts: Vec<Mount>,
    /// How many mounts the server sees.
    host_mounts: usize,
    cgroups: Vec<Cgroup>,
    capabilities: Option<Capabilities>,
    seccomp: Option<Seccomp>,
    network: Option<Network>,
    uid_map: Vec<IdRange>,
    gid_map: Vec<IdRange>,
}

#[derive(Debug, Serialize)]
struct Hostname {
    host: String,
    container: String,
}

/// The system call filter (`man 2 seccomp`).
#[derive(Debug, Serialize)]
struct Seccomp {
    mode: u32,
    name: &'static str,
    filters: u32,
    no_new_privs: bool,
}

/// Ids inside and outside (`man 7 user_namespaces`).
#[derive(Debug, PartialEq, Serialize)]
struct IdRange {
    inside: u32,
    outside: u32,
    count: u32,
}

impl Xray {
    /// Of one that may end while it is looked at: then there is less to see.
    pub fn of(info: &ContainerInfo) -> Xray {
        let status = |pid: &i32| text::read(format!("/proc/{pid}/status"));
        let alive = info.pid.and_then(|pid| Some((pid, status(&pid)?)));
        let Some((pid, status)) = alive else { return Xray::nothing(info) };
        let cgroups = cgroups::of(pid);
        Xray {
            running: true,
            why: None,
            pid: Some(pid),
            hostname: Some(hostname(info)),
            namespaces: namespaces::of(pid),
            processes: processes::of(pid, &cgroups),
            mounts: mounts::of(pid),
            host_mounts: mounts::count_own(),
            cgroups,
            capabilities: Capabilities::of(&status),
            seccomp: Seccomp::of(&status),
            network: Some(network::of(pid, &info.network)),
            uid_map: id_map(pid, "uid_map"),
            gid_map: id_map(pid, "gid_map"),
        }
    }

    fn nothing(info: &ContainerInfo) -> Xray {
        Xray {
            running: false,
            why: Some(format!(
                "It is {}: there are no processes to look at. Namespaces, mounts and cgroups are \
                 made at the start and go with the last process.",
                info.status
            )),
            pid: None,
            hostname: None,
            namespaces: Vec::new(),
            processes: Vec::new(),
            mounts: Vec::new(),
            host_mounts: mounts::count_own(),
            cgroups: Vec::new(),
            capabilities: None,
            seccomp: None,
            network: None,
            uid_map: Vec::new(),
            gid_map: Vec::new(),
        }
    }
}

/// The container's is known from its specification: to ask the kernel, one would have to
/// enter its namespace.
fn hostname(info: &ContainerInfo) -> Hostname {
    let host = nix::unistd::gethostname()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let spec = serde_json::to_value(&info.spec).unwrap_or_default();
    let container = match (&spec["isolation"]["uts"], spec["hostname"].as_str()) {
        (serde_json::Value::Bool(false), _) => host.clone(),
        (_, Some(name)) => name.to_string(),
        (_, None) => info.name.clone(),
    };
    Hostname { host, container }
}

impl Seccomp {
    fn of(status: &str) -> Option<Seccomp> {
        let number = |field: &str| value(status, field)?.parse().ok();
        let mode = number("Seccomp")?;
        Some(Seccomp {
            mode,
            name: match mode {
                0 => "none",
                1 => "strict",
                _ => "filter",
            },
            filters: number("Seccomp_filters").unwrap_or(0),
            no_new_privs: number("NoNewPrivs") == Some(1),
        })
    }
}

/// A field of /proc/PID/status.
fn value<'a>(status: &'a str, field: &str) -> Option<&'a str> {
    status.lines().find_map(|line| Some(line.strip_prefix(field)?.strip_prefix(':')?.trim()))
}

fn id_map(pid: i32, file: &str) -> Vec<IdRange> {
    let text = text::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
    parse_id_map(&text)
}

fn parse_id_map(text: &str) -> Vec<IdRange> {
    text.lines()
        .filter_map(|line| {
            let mut numbers = line.split_whitespace().map(|word| word.parse().ok());
            Some(IdRange {
                inside: numbers.next()??,
                outside: numbers.next()??,
                count: numbers.next()??,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_map_is_read_line_by_line() {
        let text = "         0     100000      65536\n     65536       1000          1\n";
        let range = |inside, outside, count| IdRange { inside, outside, count };
        assert_eq!(parse_id_map(text), [range(0, 100_000, 65_536), range(65_536, 1000, 1)]);
        assert_eq!(parse_id_map("nonsense\n1 2\n"), []);
    }

    #[test]
    fn a_field_of_the_status_is_found_by_its_whole_name() {
        let status = "Name:\tsh\nSeccomp:\t2\nSeccomp_filters:\t1\nNoNewPrivs:\t1\n";
        let seccomp = Seccomp::of(status).unwrap();
        assert_eq!((seccomp.mode, seccomp.filters, seccomp.no_new_privs), (2, 1, true));
    }
}
