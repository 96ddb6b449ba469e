//! Namespaces: what is the container's own, and what it cannot see.

use std::fs;

use minidocker_rt::{ContainerSpec, Isolation};

use crate::lab::{Lab, sh, sleeper};

crate::trials![
    each_namespace_is_its_own,
    each_namespace_can_be_shared_for_comparison,
    the_command_sees_only_its_own_processes,
    the_hostname_is_its_own,
    the_network_has_only_loopback_and_that_is_up,
    the_cgroup_looks_like_the_top,
    without_any_isolation_it_is_an_ordinary_process,
    without_a_rootfs_the_hosts_files_are_seen,
];

const NAMESPACES: [&str; 6] = ["pid", "mnt", "uts", "ipc", "net", "cgroup"];

fn namespaces(pid: &str) -> Vec<String> {
    NAMESPACES
        .iter()
        .map(|kind| fs::read_link(format!("/proc/{pid}/ns/{kind}")).unwrap().display().to_string())
        .collect()
}

fn each_namespace_is_its_own() {
    let lab = Lab::new();
    let container = lab.start(sleeper("a"));
    let pid = container.inspect().unwrap().pid.unwrap().to_string();
    for (inside, outside) in namespaces(&pid).iter().zip(namespaces("self")) {
        assert_ne!(*inside, outside);
    }
}

fn each_namespace_can_be_shared_for_comparison() {
    let lab = Lab::new();
    let host = namespaces("self");
    let on = Isolation::default();
    let without = [
        ("pid", Isolation { pid: false, ..on }),
        ("uts", Isolation { uts: false, ..on }),
        ("ipc", Isolation { ipc: false, ..on }),
        ("net", Isolation { network: false, ..on }),
        ("cgroup", Isolation { cgroup: false, ..on }),
    ];
    for (kind, isolation) in without {
        let container = lab.start(sleeper(kind).isolation(isolation));
        let pid = container.inspect().unwrap().pid.unwrap().to_string();
        for ((name, inside), outside) in NAMESPACES.iter().zip(namespaces(&pid)).zip(&host) {
            assert_eq!(inside == *outside, *name == kind, "{name} without {kind}");
        }
    }
}

fn the_command_sees_only_its_own_processes() {
    let lab = Lab::new();
    let pids = lab.sh("cd /proc && echo [0-9]*");
    let count = pids.split_whitespace().count();
    assert_eq!(count, 2, "init and the shell, not {pids}");
    assert_eq!(lab.run(sh("b", "echo $$").init(false)).1, "1\n", "without init it is PID 1");
}

fn the_hostname_is_its_own() {
    let lab = Lab::new();
    assert_eq!(lab.run(sh("web-1", "hostname")).1, "web-1\n");
    assert_eq!(lab.run(sh("web-2", "hostname; echo $HOSTNAME").hostname("db")).1, "db\ndb\n");
    assert_ne!(fs::read_to_string("/proc/sys/kernel/hostname").unwrap(), "web-1\n");
}

fn the_network_has_only_loopback_and_that_is_up() {
    let lab = Lab::new();
    let devices = lab.sh("cat /proc/net/dev");
    let names: Vec<&str> = devices
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, _)| name.trim())
        .collect();
    assert_eq!(names, ["lo"]);
    let talk = "import socket; s = socket.create_server(('127.0.0.1', 0)); \
                socket.create_connection(s.getsockname()); print('connected')";
    let spec = ContainerSpec::new("a", minidocker_rt::Command::argv(["python3", "-c", talk]));
    assert_eq!(lab.run(spec).1, "connected\n");
}

fn the_cgroup_looks_like_the_top() {
    let lab = Lab::new();
    let cgroups = lab.sh("cat /proc/self/cgroup");
    let limited = cgroups.lines().filter(|line| {
        let controllers = line.split(':').nth(1).unwrap();
        ["memory", "cpu", "pids", ""].contains(&controllers)
    });
    for line in limited {
        assert!(line.ends_with(":/"), "{line}");
    }
    let limit = lab.run(
        sh("b", "cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes")
            .memory_mb(64),
    );
    assert!(limit.1.contains(&(64 << 20).to_string()), "{}", limit.1);
    let (_, answer) = lab.run(sh("c", "mkdir /sys/fs/cgroup/x /sys/fs/cgroup/memory/x"));
    assert!(answer.contains("Read-only"), "{answer}");
}

fn without_any_isolation_it_is_an_ordinary_process() {
    let lab = Lab::new();
    let (exit, output) = lab.run(sh("a", "ls -l /proc/self/ns").isolation(Isolation::NONE));
    assert!(exit.success(), "{output}");
    for namespace in namespaces("self") {
        assert!(output.contains(&namespace), "{namespace} in {output}");
    }
}

fn without_a_rootfs_the_hosts_files_are_seen() {
    let lab = Lab::new();
    let folder = lab.folder("seen");
    fs::write(folder.join("file"), "from the host").unwrap();
    let isolation = Isolation { rootfs: false, ..Isolation::default() };
    let script = format!("cat {}/file; cd /proc; echo; echo [0-9]*", folder.display());
    let (_, output) = lab.run(sh("a", &script).isolation(isolation));
    let (file, processes) = output.split_once('\n').unwrap();
    assert_eq!(file, "from the host");
    assert_eq!(processes.split_whitespace().count(), 2, "but /proc is its own: {processes}");
}
