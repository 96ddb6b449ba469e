//! The plan of a simulated container: the steps of a real one, and what happens instead.

use crate::plan::{Actor, Lesson, Plan, Step, become_command, lesson};
use crate::spec::{ContainerSpec, PidsLimit};

/// The steps that would build the container on Linux, each with what is done here.
pub(super) fn plan(spec: &ContainerSpec) -> Plan {
    let on = spec.isolation;
    let mut ids: Vec<(Actor, String)> = Vec::new();
    let mut add = |wanted: bool, actor: Actor, names: &[&str]| {
        if wanted {
            ids.extend(names.iter().map(|name| (actor, name.to_string())));
        }
    };
    let (supervisor, init, command) = (Actor::Supervisor, Actor::Init, Actor::Command);
    add(!spec.ports.is_empty(), supervisor, &["publish-ports"]);
    add(true, supervisor, &["cgroup"]);
    add(spec.memory.is_some(), supervisor, &["memory-limit"]);
    add(spec.cpu.is_some(), supervisor, &["cpu-limit"]);
    add(spec.pids != PidsLimit::Unlimited, supervisor, &["pids-limit"]);
    let bridged = spec.network_mode().is_bridged();
    add(bridged, supervisor, &["bridge", "masquerade"]);
    add(bridged || on.rootfs, supervisor, &["names"]);
    add(true, supervisor, &["clone"]);
    add(bridged, supervisor, &["veth"]);
    add(on.rootfs || on.pid, init, &["private-mounts"]);
    add(on.rootfs, init, &["overlay", "host-programs"]);
    add(on.rootfs && !spec.has_etc_volume(), init, &["etc-files"]);
    add(on.rootfs || on.pid, init, &["proc"]);
    add(spec.has_own_network(), init, &["user-sockets"]);
    add(on.rootfs, init, &["sysfs", "dev"]);
    for (index, _) in spec.volumes_by_depth() {
        add(on.rootfs, init, &[&format!("volume-{}", index + 1)]);
    }
    add(on.rootfs && spec.has_etc_volume(), init, &["etc-files"]);
    add(on.rootfs && on.masked_paths, init, &["masked-paths", "read-only-paths"]);
    add(on.rootfs, init, &["pivot-root"]);
    add(on.uts, init, &["hostname"]);
    add(on.network, init, &["loopback"]);
    add(bridged, init, &["address", "default-route"]);
    add(spec.init, init, &["fork"]);
    add(true, command, &["join-cgroup"]);
    add(on.cgroup, command, &["cgroup-namespace"]);
    add(on.cgroup && on.rootfs, command, &["cgroup-mount"]);
    add(true, command, &["oom-score"]);
    add(spec.looks_up_user(), command, &["find-user"]);
    add(true, command, &["rlimits", "working-dir"]);
    add(on.no_new_privs, command, &["no-new-privs"]);
    add(on.seccomp && !on.no_new_privs, command, &["seccomp"]);
    add(on.capabilities, command, &["capabilities"]);
    add(true, command, &["user"]);
    add(on.seccomp && on.no_new_privs, command, &["seccomp"]);
    add(true, command, &["exec"]);
    Plan { steps: ids.into_iter().map(|(actor, id)| step(id, actor, spec)).collect() }
}

fn step(id: String, actor: Actor, spec: &ContainerSpec) -> Step {
    let Lesson { title, why, manual } = lesson(&id, spec);
    let Imitation { syscalls, shell, instead } = imitation(&id, spec);
    Step {
        actor,
        title,
        why: why.into(),
        syscalls: syscalls.iter().map(ToString::to_string).collect(),
        shell,
        caution: None,
        manual: manual.into(),
        simulated: Some(instead),
        id,
    }
}

/// How Linux does a step, and what is done here instead.
struct Imitation {
    syscalls: &'static [&'static str],
    shell: String,
    instead: String,
}

fn imitation(id: &str, spec: &ContainerSpec) -> Imitation {
    // The words one by one, as they are executed: no shell reads a line that was typed.
    let command = shell_words::join(spec.command.words());
    let (syscalls, shell, instead): (&'static [&'static str], String, String) = match id {
        "publish-ports" => (
            &["socket(…)", "bind(…)", "listen(…)"],
            "socat TCP-LISTEN:8080,fork TCP:$CONTAINER_IP:80 &".into(),
            "The program opens its port on this machine itself. If another one is to be published, \
             the supervisor opens that and passes connections on."
                .into(),
        ),
        "cgroup" => (
            &[r#"mkdir("/sys/fs/cgroup/minidocker-…", 0755)"#],
            "mkdir /sys/fs/cgroup/minidocker-…".into(),
            "No group is made. The supervisor finds the container's processes by their parents \
             and their session, and adds up what they use."
                .into(),
        ),
        "memory-limit" => (
            &[r#"write("/sys/fs/cgroup/minidocker-…/memory.max", …)"#],
            format!(
                "echo {} > /sys/fs/cgroup/minidocker-…/memory.max",
                spec.memory.map_or(0, |limit| limit.as_bytes())
            ),
            "The supervisor looks ten times a second at what the processes use, and kills them \
             all when it is too much. What they take and give back in between is not seen."
                .into(),
        ),
        "cpu-limit" => (
            &[r#"write("/sys/fs/cgroup/minidocker-…/cpu.max", "… 100000")"#],
            format!(
                "echo '{} 100000' > /sys/fs/cgroup/minidocker-…/cpu.max",
                spec.cpu.map_or(0, |limit| limit.quota_micros())
            ),
            "The supervisor stops the processes when they have used more than their share, and \
             lets them go on when time has made up for it."
                .into(),
        ),
        "pids-limit" => (
            &[r#"write("/sys/fs/cgroup/minidocker-…/pids.max", …)"#],
            "echo 512 > /sys/fs/cgroup/minidocker-…/pids.max".into(),
            "Not done: only the kernel can refuse a fork.".into(),
        ),
        "clone" => (
            &["clone3({flags=CLONE_NEWNS|CLONE_NEWPID|CLONE_NEWUTS|CLONE_NEWIPC|CLONE_NEWNET, …})"],
            "unshare --fork --pid --mount --uts --ipc --net sh".into(),
            "No namespace is made. The command will be an ordinary child process, which sees the \
             processes, the network and the files of this machine."
                .into(),
        ),
        "private-mounts" => (
            &[r#"mount("none", "/", NULL, MS_REC|MS_PRIVATE, NULL)"#],
            "mount --make-rprivate /".into(),
            "Nothing is mounted.".into(),
        ),
        "overlay" => (
            &[r#"fsopen("overlay", FSOPEN_CLOEXEC)"#, "fsconfig(…)", "fsmount(…)", "move_mount(…)"],
            "mount -t overlay overlay -o lowerdir=…,upperdir=…,workdir=… rootfs".into(),
            "The folder rootfs is given the shape of a root filesystem: bin, etc, home, tmp, usr, \
             var and so on."
                .into(),
        ),
        "host-programs" => (
            &[r#"open_tree(AT_FDCWD, "/usr", OPEN_TREE_CLONE|AT_RECURSIVE)"#, "move_mount(…)"],
            "mount --rbind -o ro /usr rootfs/usr".into(),
            "The command finds this machine's programs where they are, by its PATH. They are not \
             read-only for it."
                .into(),
        ),
        "proc" => (
            &[r#"fsopen("proc", FSOPEN_CLOEXEC)"#, "move_mount(…)"],
            "mount -t proc proc rootfs/proc".into(),
            "Not done: the container sees the processes of this machine.".into(),
        ),
        "sysfs" => (
            &[r#"fsopen("sysfs", FSOPEN_CLOEXEC)"#, "move_mount(…)"],
            "mount -t sysfs -o ro sysfs rootfs/sys".into(),
            "Not done.".into(),
        ),
        "dev" => (
            &[r#"fsopen("tmpfs", FSOPEN_CLOEXEC)"#, "move_mount(…)"],
            "mount -t tmpfs tmpfs rootfs/dev".into(),
            "Not done: the container sees the devices of this machine, as far as its user may."
                .into(),
        ),
        "masked-paths" => (
            &[r#"move_mount(…, "/proc/kcore", …)"#],
            "mount --bind /dev/null rootfs/proc/kcore".into(),
            "Not done.".into(),
        ),
        "read-only-paths" => (
            &[r#"mount_setattr("/proc/sys", MOUNT_ATTR_RDONLY)"#],
            "mount --bind -o ro rootfs/proc/sys rootfs/proc/sys".into(),
            "Not done.".into(),
        ),
        "pivot-root" => (
            &["fchdir(rootfs)", r#"pivot_root(".", ".")"#, r#"umount2(".", MNT_DETACH)"#],
            "cd rootfs && pivot_root . . && umount -l .".into(),
            "The root stays this machine's. Instead, the container's paths in the command and its \
             variables are rewritten to where they are here; the log says which."
                .into(),
        ),
        "hostname" => (
            &["sethostname(…)"],
            format!("hostname {}", spec.name),
            "The machine keeps its name. The variable HOSTNAME says what it would be.".into(),
        ),
        "loopback" => (
            &["ioctl(SIOCSIFFLAGS, {ifr_name=\"lo\", ifr_flags=IFF_UP})"],
            "ip link set lo up".into(),
            "The container uses the network of this machine. A port that it opens is open here."
                .into(),
        ),
        "bridge" => (
            &[
                r#"sendto(<NETLINK_ROUTE>, RTM_NEWLINK {name="minidocker0", kind=bridge, …})"#,
                r#"sendto(<NETLINK_ROUTE>, RTM_NEWADDR {dev="minidocker0", local=10.88.0.1/16})"#,
            ],
            "ip link add minidocker0 type bridge && ip addr add 10.88.0.1/16 dev minidocker0".into(),
            "No bridge is made and no address is taken. The container has those of this machine."
                .into(),
        ),
        "masquerade" => (
            &["sendto(<NETLINK_NETFILTER>, nftables batch {table ip minidocker, …})"],
            "nft add rule ip minidocker postrouting ip saddr 10.88.0.0/16 oifname != minidocker0 \
             masquerade"
                .into(),
            "Not done: what the container sends leaves like anything else of this machine.".into(),
        ),
        "names" => (
            &[r#"write("…/etc/hosts")"#],
            format!("echo 'ADDRESS {}' >> …/etc/hosts", spec.name),
            "Not done: the container knows the names that this machine knows.".into(),
        ),
        "veth" => (
            &[r#"sendto(<NETLINK_ROUTE>, RTM_NEWLINK {kind=veth, peer={name="eth0", …}})"#],
            "ip link add veth0 master minidocker0 up type veth peer name eth0 netns CONTAINER"
                .into(),
            "Not done: there is no network namespace to lead a cable to.".into(),
        ),
        "etc-files" => (
            &[r#"open_tree(AT_FDCWD, "…/etc/hosts", …)"#, "move_mount(…)"],
            "mount --bind …/etc/hosts rootfs/etc/hosts # …".into(),
            "Nothing is mounted.".into(),
        ),
        "address" => (
            &[r#"sendto(<NETLINK_ROUTE>, RTM_NEWADDR {dev="eth0", local=10.88.0.2/16})"#],
            "ip addr add ADDRESS/16 dev eth0 && ip link set eth0 up".into(),
            "Not done: at 127.0.0.1 the container finds this machine.".into(),
        ),
        "default-route" => (
            &["sendto(<NETLINK_ROUTE>, RTM_NEWROUTE {default, gateway=10.88.0.1})"],
            "ip route add default via 10.88.0.1".into(),
            "Not done: the routes are this machine's.".into(),
        ),
        "fork" => (
            &["clone3({flags=0, …})"],
            format!("sh -c {}", shell_words::quote(&format!("{command} & wait"))),
            "There is no PID 1. Orphans become children of this machine's own init.".into(),
        ),
        "join-cgroup" => (
            &[r#"write("/sys/fs/cgroup/minidocker-…/cgroup.procs", "0")"#],
            "echo 0 > /sys/fs/cgroup/minidocker-…/cgroup.procs".into(),
            "The command is put into a process group of its own, as a shell would do.".into(),
        ),
        "cgroup-namespace" => {
            (&["unshare(CLONE_NEWCGROUP)"], "unshare --cgroup sh".into(), "Not done.".into())
        }
        "cgroup-mount" => (
            &[r#"fsopen("cgroup2", FSOPEN_CLOEXEC)"#, "move_mount(…)"],
            "mount -t cgroup2 -o ro cgroup2 /sys/fs/cgroup".into(),
            "Not done: a program that looks for its limits finds those of the machine.".into(),
        ),
        "oom-score" => (
            &[r#"write("/proc/self/oom_score_adj", "0")"#],
            "echo 0 > /proc/self/oom_score_adj".into(),
            "Not done: the supervisor and the command are alike for this system.".into(),
        ),
        "rlimits" => (
            &["prlimit64(0, RLIMIT_CORE, {0, 0}, NULL)"],
            "ulimit -c 0 -n 1024".into(),
            "Not done: the command has the limits of the program that started it.".into(),
        ),
        "working-dir" => (
            &["chdir(…)", "getcwd(…)"],
            format!("cd {}", shell_words::quote(spec.directory().as_str())),
            "The command starts in the folder that stands for it on this machine.".into(),
        ),
        "no-new-privs" => (
            &["prctl(PR_SET_NO_NEW_PRIVS, 1)"],
            format!("setpriv --no-new-privs {command}"),
            "Not done.".into(),
        ),
        "seccomp" => (
            &["seccomp(SECCOMP_SET_MODE_FILTER, 0, …)"],
            "docker run --security-opt seccomp=default.json".into(),
            "Not done: the command may make every system call that its user may.".into(),
        ),
        "capabilities" => (
            &["prctl(PR_CAPBSET_DROP, …)", "capset(…)"],
            "capsh --drop=cap_sys_admin,cap_sys_module,… -- -c sh".into(),
            "Not done: the command has the rights of the user who started it.".into(),
        ),
        "user-sockets" => (
            &[r#"write("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0")"#],
            "echo 0 > /proc/sys/net/ipv4/ip_unprivileged_port_start".into(),
            "Not done: low ports are for whom this machine lets have them.".into(),
        ),
        "find-user" => (
            &[r#"openat2(AT_FDCWD, "/etc/passwd", …)"#, r#"openat2(AT_FDCWD, "/etc/group", …)"#],
            format!("id {}", shell_words::quote(&spec.runs_as().user.to_string())),
            "Not done: the command runs as the user who started it.".into(),
        ),
        "user" => (
            &["setgroups(0, [])", "setresgid(…)", "setresuid(…)"],
            become_command(spec),
            "Not done: the command runs as the user who started it.".into(),
        ),
        "exec" => (
            &["execve(…)"],
            format!("exec {command}"),
            "The program is started as an ordinary child process, with the paths that were \
             rewritten and with variables of its own."
                .into(),
        ),
        _ => (
            &["open_tree(…, OPEN_TREE_CLONE|AT_RECURSIVE)", "move_mount(…)"],
            "mount --rbind HOST rootfs/CONTAINER".into(),
            "The path in the container is rewritten to the folder's own. A read-only volume is \
             not read-only here."
                .into(),
        ),
    };
    Imitation { syscalls, shell, instead }
}

/// What was asked for and does not hold here: the field, and why.
pub(super) fn demands_in_vain(spec: &ContainerSpec) -> Vec<(&'static str, &'static str)> {
    let mut list = Vec::new();
    let mut tell = |in_vain: bool, field, why| {
        if in_vain {
            list.push((field, why));
        }
    };
    const UNSEEN: &str = "this system does not tell what processes use";
    const NAMES: &str = "a simulated container has the names and the network of this machine";
    let unseen = !sysinfo::IS_SUPPORTED_SYSTEM;
    let limited = spec.pids != PidsLimit::Unlimited && spec.pids != PidsLimit::default();
    tell(unseen && spec.memory.is_some(), "mem_limit_mb", UNSEEN);
    tell(unseen && spec.cpu.is_some(), "cpu_limit_percent", UNSEEN);
    tell(limited, "pids_limit", "only the Linux kernel can refuse to make processes");
    tell(
        spec.volumes.iter().any(|volume| volume.read_only()),
        "volumes",
        "a read-only volume can be written to in a simulation",
    );
    tell(!spec.runs_as().is_root(), "user", "a simulated container runs as whoever started it");
    tell(!spec.rlimits.is_empty(), "rlimits", "they take the Linux backend");
    tell(spec.hostname.is_some(), "hostname", NAMES);
    tell(!spec.aliases.is_empty(), "aliases", NAMES);
    tell(!spec.dns.is_empty(), "dns", NAMES);
    tell(!spec.extra_hosts.is_empty(), "extra_hosts", NAMES);
    list
}

/// As a status tells it.
pub(super) fn not_enforced(spec: &ContainerSpec) -> Vec<String> {
    demands_in_vain(spec).into_iter().map(|(field, why)| format!("{field}: {why}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Command, User};

    #[test]
    fn what_a_specification_says_is_quoted_for_the_shell() {
        let spec = ContainerSpec::new("a", Command::argv(["echo", "it's", "$(evil)"]))
            .working_dir("/srv/a;evil")
            .user("x;evil:staff".parse::<User>().unwrap());
        let shell = |id: &str| {
            let step = plan(&spec).steps.into_iter().find(|step| step.id == id);
            shell_words::split(&step.unwrap().shell).unwrap()
        };
        assert_eq!(shell("working-dir"), ["cd", "/srv/a;evil"]);
        assert_eq!(shell("find-user"), ["id", "x;evil"]);
        assert_eq!(shell("exec"), ["exec", "echo", "it's", "$(evil)"]);
        let fork = shell("fork");
        assert_eq!(fork[..2], ["sh", "-c"]);
        assert_eq!(shell_words::split(&fork[2]).unwrap(), ["echo", "it's", "$(evil)", "&", "wait"]);
    }
}
