//! Each step as a command one could type: the lesson's experiment. Typed one after the other into
//! a root shell of the host, in the order of the plan, they build the container by hand; what
//! a step opens (new namespaces, another user) is a shell in which the next ones are typed.
//!
//! They use programs that every distribution has: util-linux, coreutils, iproute2, nftables.
//! What a learner may have called things is quoted, so that a shell takes it literally.

use std::path::Path;

use nix::sched::CloneFlags;

use crate::linux::cgroup::{Cgroup, CgroupLayout, Controller};
use crate::linux::context::environment;
use crate::linux::image::Image;
use crate::linux::network::Network;
use crate::linux::{privileges, rootfs};
use crate::plan::Actor;
use crate::spec::{
    ContainerName, ContainerSpec, Pinned, PortMapping, Protocol, Resource, Subnet, Volume,
};
use crate::store::{ContainerDir, SpecFile};

/// Where the host's network namespace stays open while the container is built by hand.
const HOST_NETWORK: u32 = 9;
/// The first of the open files through which the command enters its cgroup.
const FIRST_DOOR: usize = 3;
const BRIDGE: &str = "minidocker0";
const TABLE: &str = "by_hand";

/// What to mind before a command is typed, if anything.
pub(super) fn caution(
    id: &str,
    actor: Actor,
    flags: CloneFlags,
    cgroup: &Cgroup,
) -> Option<String> {
    let undo = |what: &str, command: String| {
        Some(format!("It {what} this machine. To undo it: {command}"))
    };
    match (id, actor) {
        ("cgroup", _) => undo("makes a cgroup on", format!("rmdir {}", all(cgroup.paths().iter()))),
        ("bridge", _) => undo("makes a bridge on", format!("ip link delete {BRIDGE}")),
        ("masquerade", _) => {
            undo("changes the packet filter of", format!("nft delete table ip {TABLE}"))
        }
        ("publish-ports", _) => undo("opens ports of", "kill %1".into()),
        ("veth", _) => Some(
            "It plugs a cable into this machine's bridge; the cable goes with the container's \
             network namespace. Type it in the shell that the step “clone” has opened."
                .into(),
        ),
        ("overlay", _) => Some(
            "Not while the container runs: an overlay must not be mounted twice. Type it in the \
             shell that the step “clone” has opened; on the host it would stay mounted."
                .into(),
        ),
        (_, Actor::Supervisor) => None,
        // There is no shell to be safe in.
        _ if flags.is_empty() => {
            Some("This container has no namespaces: the command changes this machine.".into())
        }
        _ => Some(
            "Type it in the shell that the step “clone” has opened: on the host itself it would \
             change this machine."
                .into(),
        ),
    }
}

fn quote(text: impl AsRef<str>) -> String {
    shell_words::quote(text.as_ref()).into_owned()
}

fn path(path: &Path) -> String {
    quote(path.to_string_lossy())
}

fn all<'a>(paths: impl Iterator<Item = &'a std::path::PathBuf>) -> String {
    paths.map(|one| path(one)).collect::<Vec<_>>().join(" ")
}

// --- limits ------------------------------------------------------------------

/// The directories, and open files by which the command will enter them: after pivot_root no path
/// leads there.
pub(super) fn cgroup(layout: &CgroupLayout, cgroup: &Cgroup) -> String {
    let paths = cgroup.paths();
    let mut parts = Vec::new();
    for hierarchy in layout.hierarchies.iter().filter(|hierarchy| hierarchy.v2) {
        let names = hierarchy.controllers.iter().filter_map(|controller| controller.name(true));
        let enabled = names.map(|name| format!("+{name}")).collect::<Vec<_>>().join(" ");
        let control = hierarchy.mount.join("cgroup.subtree_control");
        parts.push(format!("echo {} > {}", quote(enabled), path(&control)));
    }
    parts.push(format!("mkdir -p {}", all(paths.iter())));
    let doors = layout.hierarchies.iter().zip(&paths).zip(FIRST_DOOR..).map(
        |((hierarchy, folder), number)| {
            let file = if hierarchy.v2 { "cgroup.procs" } else { "tasks" };
            format!("{number}> {}", path(&folder.join(file)))
        },
    );
    parts.push(format!("exec {}", doors.collect::<Vec<_>>().join(" ")));
    parts.join(" && ")
}

/// Writes a value to the file of a controller.
pub(super) fn limit(
    cgroup: &Cgroup,
    controller: Controller,
    v1: &str,
    v2: &str,
    value: [String; 2],
) -> String {
    let [for_v1, for_v2] = value;
    match cgroup.find(controller) {
        Some((folder, true)) => format!("echo {} > {}", quote(for_v2), path(&folder.join(v2))),
        Some((folder, false)) => format!("echo {} > {}", quote(for_v1), path(&folder.join(v1))),
        None => "# This machine has no such controller.".into(),
    }
}

/// Enters the cgroup through the files that were opened with it: "0" is the writer itself.
pub(super) fn join_cgroup(layout: &CgroupLayout) -> String {
    let doors = FIRST_DOOR..FIRST_DOOR + layout.hierarchies.len();
    doors.map(|number| format!("echo 0 >&{number}")).collect::<Vec<_>>().join("; ")
}

pub(super) fn mount_cgroup(layout: &CgroupLayout) -> String {
    if layout.version() == "v2" {
        return "mount -t cgroup2 -o ro cgroup2 /sys/fs/cgroup".into();
    }
    let mut parts = vec!["mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup".to_string()];
    for hierarchy in layout.hierarchies.iter().filter(|hierarchy| hierarchy.has_limits()) {
        let options = hierarchy.options.join(",");
        let (kind, name, options) = match hierarchy.v2 {
            true => ("cgroup2", "unified", "ro".to_string()),
            false => ("cgroup", options.as_str(), format!("ro,{options}")),
        };
        let folder = quote(format!("/sys/fs/cgroup/{name}"));
        parts.push(format!("mkdir {folder} && mount -t {kind} -o {options} {kind} {folder}"));
    }
    parts.join(" && ")
}

// --- namespaces and network --------------------------------------------------

/// A shell that is PID 1 in new namespaces. The host's network stays open behind it.
pub(super) fn clone(flags: CloneFlags) -> String {
    let options: Vec<&str> = [
        (CloneFlags::CLONE_NEWPID, "--pid"),
        (CloneFlags::CLONE_NEWNS, "--mount"),
        (CloneFlags::CLONE_NEWUTS, "--uts"),
        (CloneFlags::CLONE_NEWIPC, "--ipc"),
        (CloneFlags::CLONE_NEWNET, "--net"),
    ]
    .into_iter()
    .filter_map(|(flag, option)| flags.contains(flag).then_some(option))
    .collect();
    format!(
        "exec {HOST_NETWORK}< /proc/self/ns/net && unshare --fork --kill-child {} sh",
        options.join(" ")
    )
}

/// The last address of a network, which a container is given last.
fn address(subnet: Subnet) -> std::net::Ipv4Addr {
    std::net::Ipv4Addr::from_bits(subnet.broadcast().to_bits() - 1)
}

pub(super) fn bridge(subnet: Subnet) -> String {
    let (gateway, prefix) = (subnet.gateway(), subnet.prefix());
    format!(
        "ip link add {BRIDGE} type bridge; ip addr replace {gateway}/{prefix} dev {BRIDGE} && \
         ip link set {BRIDGE} up"
    )
}

pub(super) fn masquerade(subnet: Subnet) -> String {
    let rules = format!(
        "add table ip {TABLE}; add chain ip {TABLE} postrouting {{ type nat hook postrouting \
         priority 100; }}; add rule ip {TABLE} postrouting ip saddr {subnet} oifname != \
         \"{BRIDGE}\" masquerade"
    );
    format!("nft {} && echo 1 > /proc/sys/net/ipv4/conf/{BRIDGE}/forwarding", quote(rules))
}

/// A cable between the host's bridge and the network namespace of the shell that types this, which
/// is handed to `ip` as its standard input.
pub(super) fn veth() -> String {
    format!(
        "nsenter --net=/proc/self/fd/{HOST_NETWORK} ip link add veth-hand master {BRIDGE} up type \
         veth peer name eth0 netns /proc/self/fd/0 < /proc/self/ns/net"
    )
}

pub(super) fn add_address(subnet: Subnet) -> String {
    let (address, prefix) = (address(subnet), subnet.prefix());
    format!("ip addr add {address}/{prefix} dev eth0 && ip link set eth0 up")
}

/// The process of the container whose network is shared, from its record.
pub(super) fn find_network(other: &ContainerName, dir: &ContainerDir) -> String {
    let record = dir.sibling(other).path().join("status.json");
    format!(
        "export NETWORK_OF=$(sed -n '/\"init\"/,/}}/s/.*\"pid\": *\\([0-9]*\\).*/\\1/p' {}) && \
         echo \"$NETWORK_OF\"",
        path(&record)
    )
}

pub(super) fn join_network() -> String {
    "exec nsenter --net --target \"$NETWORK_OF\" sh".into()
}

/// The files that say who the container is and how it finds others.
pub(super) fn names(spec: &ContainerSpec, dir: &ContainerDir, subnet: Option<Subnet>) -> String {
    let own = subnet.map_or("127.0.0.1".to_string(), |subnet| address(subnet).to_string());
    let name = &spec.name;
    let hosts = quote(format!("127.0.0.1 localhost\n{own} {name}\n"));
    let folder = path(&dir.path().join("etc"));
    format!(
        "mkdir -p {folder} && printf {} > {folder}/hosts && echo {name} > {folder}/hostname && \
         cp /etc/resolv.conf {folder}/",
        hosts.replace('\n', "\\n")
    )
}

/// What one would type to have ports forwarded by a well-known program.
pub(super) fn publish(spec: &ContainerSpec, subnet: Option<Subnet>) -> String {
    let to = subnet.map_or("127.0.0.1".to_string(), |subnet| address(subnet).to_string());
    let of_port = |port: &PortMapping| {
        let protocol = match port.protocol() {
            Protocol::Tcp => "TCP",
            Protocol::Udp => "UDP",
        };
        let (listen, host, inside) = (port.host_port(), port.host_ip(), port.container_port());
        format!("socat {protocol}-LISTEN:{listen},bind={host},fork {protocol}:{to}:{inside} &")
    };
    spec.ports.iter().map(of_port).collect::<Vec<_>>().join(" ")
}

// --- the root filesystem -------------------------------------------------------

/// A path below the new root, as a shell takes it.
fn inside(dir: &ContainerDir, place: &str) -> String {
    let root = dir.rootfs();
    quote(format!("{}/{}", root.display(), place.trim_start_matches('/')))
}

pub(super) fn overlay(dir: &ContainerDir, image: &Image) -> String {
    let root = dir.rootfs();
    let options = format!(
        "lowerdir={},upperdir={},workdir={}",
        rootfs::joined(&image.layers),
        root.display(),
        dir.work().display()
    );
    format!("mount -t overlay overlay -o {} {}", quote(options), path(&root))
}

pub(super) fn host_programs(dir: &ContainerDir, image: &Image) -> String {
    let show = |(from, to): &(std::path::PathBuf, String)| {
        format!("mount --rbind -o ro {} {}", path(from), inside(dir, to))
    };
    image.shown.iter().map(show).collect::<Vec<_>>().join(" && ")
}

pub(super) fn etc_files(spec: &ContainerSpec, dir: &ContainerDir) -> String {
    let show = |file: rootfs::EtcFile| {
        let target = inside(dir, &format!("etc/{}", file.name));
        let access = if file.shared { " -o ro" } else { "" };
        format!("touch {target} && mount --bind{access} {} {target}", path(&file.path))
    };
    Network::files(spec, dir).map(show).join(" && ")
}

pub(super) fn proc(dir: &ContainerDir) -> String {
    format!("mkdir -p {0} && mount -t proc proc {0}", inside(dir, "proc"))
}

pub(super) fn allow_sockets(spec: &ContainerSpec, dir: &ContainerDir) -> String {
    let settings = match spec.isolation.rootfs {
        true => inside(dir, "proc/sys/net/ipv4"),
        false => "/proc/sys/net/ipv4".to_string(),
    };
    format!(
        "echo 0 > {settings}/ip_unprivileged_port_start && echo 0 2147483647 > \
         {settings}/ping_group_range"
    )
}

pub(super) fn sysfs(dir: &ContainerDir) -> String {
    format!("mkdir -p {0} && mount -t sysfs -o ro sysfs {0}", inside(dir, "sys"))
}

pub(super) fn dev(dir: &ContainerDir) -> String {
    let names: Vec<&str> = rootfs::DEVICES.iter().map(|(name, ..)| *name).collect();
    let links: Vec<String> = rootfs::DEVICE_LINKS
        .iter()
        .map(|(target, name)| format!("ln -s {target} {name}"))
        .collect();
    // In a subshell, whose current directory is its own.
    format!(
        "mkdir -p {0} && mount -t tmpfs -o mode=755,size=64k,nosuid tmpfs {0} && (cd {0} && \
         for d in {1}; do touch $d && mount --bind -o ro /dev/$d $d; done; {2}; mkdir pts shm && \
         mount -t devpts -o newinstance,ptmxmode=0666,mode=0620,gid=5 devpts pts && \
         mount -t tmpfs -o mode=1777,size=64m tmpfs shm)",
        inside(dir, "dev"),
        names.join(" "),
        links.join("; ")
    )
}

pub(super) fn volume(dir: &ContainerDir, volume: &Volume, pinned: &Pinned) -> String {
    let target = inside(dir, volume.container().as_str());
    let host = path(volume.host());
    // As it was found at the create: to ask a network disk that hangs would keep the plan waiting.
    let make = match pinned.folder {
        true => format!("mkdir -p {target}"),
        false => format!("mkdir -p \"$(dirname {target})\" && touch {target}"),
    };
    let read_only = if volume.read_only() { ",ro" } else { "" };
    format!("{make} && mount --rbind -o nosuid,nodev{read_only} {host} {target}")
}

pub(super) fn mask(dir: &ContainerDir) -> String {
    format!(
        "(cd {} && for f in {}; do if [ -d $f ]; then mount -t tmpfs -o ro tmpfs $f; elif [ -e $f \
         ]; then mount --bind -o ro /dev/null $f; fi; done)",
        inside(dir, ""),
        rootfs::MASKED.join(" ")
    )
}

pub(super) fn make_read_only(dir: &ContainerDir) -> String {
    format!(
        "(cd {} && for f in {}; do if [ -e $f ]; then mount --rbind -o ro $f $f; fi; done)",
        inside(dir, ""),
        rootfs::READ_ONLY.join(" ")
    )
}

pub(super) fn pivot(dir: &ContainerDir) -> String {
    format!("cd {} && pivot_root . . && umount -l . && cd /", path(&dir.rootfs()))
}

// --- the command -----------------------------------------------------------------

/// A shell that will become the command; the one before stays behind as PID 1. In version 2 it
/// is in its cgroup from the start.
pub(super) fn fork(layout: &CgroupLayout, into_cgroup: bool) -> String {
    match into_cgroup {
        true => format!("sh -c {}", quote(format!("{}; exec sh", join_cgroup(layout)))),
        false => "sh".into(),
    }
}

pub(super) fn rlimits(file: &SpecFile, open_files: u64) -> String {
    let name = |resource| match resource {
        Resource::As => "as",
        Resource::Core => "core",
        Resource::Cpu => "cpu",
        Resource::Fsize => "fsize",
        Resource::Memlock => "memlock",
        Resource::Nofile => "nofile",
        Resource::Nproc => "nproc",
        Resource::Stack => "stack",
    };
    let limits = privileges::rlimits(&file.spec.rlimits, open_files);
    let options =
        limits.iter().map(|one| format!(" --{}={}:{}", name(one.resource), one.soft, one.hard));
    format!("prlimit --pid $${}", options.collect::<String>())
}

/// Shows the numbers that the next steps will need.
pub(super) fn find_user(spec: &ContainerSpec) -> String {
    let user = spec.runs_as().to_string();
    let name = user.split(':').next().unwrap_or_default();
    format!("grep -e {} /etc/passwd /etc/group || true", quote(name))
}

pub(super) fn working_dir(spec: &ContainerSpec) -> String {
    format!("mkdir -p {0} && cd {0}", quote(spec.directory().as_str()))
}

pub(super) fn capabilities() -> String {
    let mut kept: Vec<String> = privileges::kept_capabilities()
        .iter()
        .map(|capability| {
            format!("+{}", capability.to_string().to_lowercase().trim_start_matches("cap_"))
        })
        .collect();
    kept.sort();
    format!(
        "exec setpriv --inh-caps=-all --ambient-caps=-all --bounding-set=-all,{} sh",
        kept.join(",")
    )
}

/// No ordinary program installs a filter, and one made by hand would be a page of numbers.
pub(super) fn seccomp() -> String {
    "grep Seccomp /proc/self/status # a filter is installed by seccomp(2) alone; here there is none"
        .into()
}

/// The words are quoted one by one: no shell reads them.
pub(super) fn exec(spec: &ContainerSpec, image: &Image) -> String {
    // Another home is in a file that only the container can read.
    let home = if spec.runs_as().is_root() { "/root" } else { "/" };
    let variables = environment(spec, image, home);
    let variables = variables.iter().map(|(name, value)| quote(format!("{name}={value}")));
    let words = spec.command.words().iter().map(quote);
    format!("exec env -i {}", variables.chain(words).collect::<Vec<_>>().join(" "))
}
