//! Limits: that they hold, and that they are told truthfully.

use std::fs;
use std::time::{Duration, Instant};

use minidocker_rt::{
    Command, ContainerSpec, Error, Exec, Isolation, PidsLimit, Resource, Rlimit, Status,
};

use crate::lab::{Lab, PATIENCE, cgroup_value, cgroups_of, eventually, family, sh, sleeper};

crate::trials![
    the_memory_limit_kills_and_is_reported,
    an_oom_kill_of_a_child_is_reported_too,
    an_oom_kill_of_a_child_is_no_reason_for_a_later_kill,
    the_cpu_limit_holds_a_busy_loop_to_its_share,
    a_fork_bomb_stops_at_the_pids_limit,
    the_kernel_holds_the_limits_that_were_asked_for,
    only_the_payload_is_in_the_cgroup,
    rlimits_reach_the_command,
    limits_beyond_the_machine_are_refused_before_anything_is_made,
    a_fork_bomb_without_a_pid_namespace_is_killed_whole,
];

fn the_memory_limit_kills_and_is_reported() {
    let lab = Lab::new();
    let eat = "x = []\nwhile True: x.append(bytearray(1 << 20))";
    let spec = ContainerSpec::new("a", Command::argv(["python3", "-c", eat])).memory_mb(40);
    let container = lab.start(spec);
    let exit = container.wait_timeout(PATIENCE).unwrap();
    assert_eq!((exit.code, exit.signal, exit.oom_killed), (137, Some(9), true));
    let info = container.inspect().unwrap();
    assert_eq!(info.status, Status::Stopped);
    assert!(info.oom_kills >= 1);
    let log = container.logs().unwrap().render().unwrap();
    assert!(log.contains("Out of memory"), "{log}");
    assert!(log.contains("40 MB"), "{log}");
    assert!(log.ends_with("=== Container exited with code 137 ===\n"), "{log}");
}

fn an_oom_kill_of_a_child_is_reported_too() {
    let lab = Lab::new();
    let script = "python3 -c 'x = bytearray(300 << 20)'; echo went on; exit 3";
    let container = lab.start(sh("a", script).memory_mb(40));
    let exit = container.wait_timeout(PATIENCE).unwrap();
    assert_eq!((exit.code, exit.oom_killed), (3, false));
    assert_eq!(container.inspect().unwrap().oom_kills, 1);
    let log = container.logs().unwrap().render().unwrap();
    assert!(log.contains("went on\n") && log.contains("=== Out of memory"), "{log}");
}

fn an_oom_kill_of_a_child_is_no_reason_for_a_later_kill() {
    let lab = Lab::new();
    let script = "python3 -c 'x = bytearray(300 << 20)'; echo went on; sleep 0.3; kill -KILL $$";
    let container = lab.start(sh("a", script).memory_mb(40));
    let exit = container.wait_timeout(PATIENCE).unwrap();
    assert_eq!((exit.code, exit.signal, exit.oom_killed), (137, Some(9), false));
    assert_eq!(container.inspect().unwrap().oom_kills, 1, "it has happened");

    let container = lab.start(sleeper("b").memory_mb(40));
    let output = container.exec(Exec::new(Command::argv(["sh", "-c", script]))).unwrap();
    assert_eq!((output.exit.code, output.exit.oom_killed), (137, false));
    container.stop_within(Duration::ZERO).unwrap();
    let exit = container.wait().unwrap();
    assert_eq!((exit.signal, exit.oom_killed), (Some(9), false), "an operator has killed it");
}

fn the_cpu_limit_holds_a_busy_loop_to_its_share() {
    let lab = Lab::new();
    let container = lab.start(sh("a", "while :; do :; done").cpu_percent(20));
    let pid = container.inspect().unwrap().pid.unwrap();
    let used = || -> f64 {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let fields: Vec<&str> = stat[stat.rfind(')').unwrap()..].split(' ').collect();
        let ticks: u64 = fields[12].parse::<u64>().unwrap() + fields[13].parse::<u64>().unwrap();
        ticks as f64 / 100.0
    };
    let (before, start) = (used(), Instant::now());
    std::thread::sleep(Duration::from_secs(4));
    let share = (used() - before) / start.elapsed().as_secs_f64();
    assert!((0.17..=0.23).contains(&share), "{share} of a core instead of 0.2");
}

fn a_fork_bomb_stops_at_the_pids_limit() {
    let lab = Lab::new();
    let limit = PidsLimit::at_most(40).unwrap();
    let container = lab.start(sh("bomb", "f() { f | f & }; f; exec sleep 100").pids_limit(limit));
    eventually("the bomb reaches its limit", || {
        let refused = cgroup_value(&container, "pids.events", "pids.events");
        refused.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() > 0
    });
    let current: u64 = cgroup_value(&container, "pids.current", "pids.current").parse().unwrap();
    assert!(current <= 40, "{current} processes");
    container.delete_force().unwrap();
}

fn the_kernel_holds_the_limits_that_were_asked_for() {
    let lab = Lab::new();
    let container = lab.start(sleeper("a").memory_mb(64).cpu_percent(50));
    let value = |v1, v2| cgroup_value(&container, v1, v2);
    assert_eq!(value("memory.limit_in_bytes", "memory.max"), (64 << 20).to_string());
    let swap = value("memory.memsw.limit_in_bytes", "memory.swap.max");
    assert!(["0".to_string(), (64 << 20).to_string()].contains(&swap), "{swap}");
    assert!(["50000", "50000 100000"].contains(&value("cpu.cfs_quota_us", "cpu.max").as_str()));
    assert_eq!(value("pids.max", "pids.max"), "512", "the default");
}

fn only_the_payload_is_in_the_cgroup() {
    let lab = Lab::new();
    let container = lab.start(sleeper("a"));
    let family = family(&container);
    for cgroup in cgroups_of(container.id().as_str()) {
        let members = fs::read_to_string(cgroup.join("cgroup.procs")).unwrap();
        assert_eq!(members.trim(), family.command.to_string(), "{}", cgroup.display());
    }
    for helper in [family.init, family.supervisor] {
        let groups = fs::read_to_string(format!("/proc/{helper}/cgroup")).unwrap();
        assert!(!groups.contains("minidocker-"), "{groups}");
    }
}

fn rlimits_reach_the_command() {
    let lab = Lab::new();
    let spec = sh("a", "ulimit -n; ulimit -c; ulimit -f");
    let (_, output) = lab.run(
        spec.rlimit(Rlimit::new(Resource::Nofile, 99, 100).unwrap())
            .rlimit(Rlimit::new(Resource::Fsize, 512 * 8, 512 * 8).unwrap()),
    );
    assert_eq!(output, "99\n0\n8\n");
}

fn limits_beyond_the_machine_are_refused_before_anything_is_made() {
    let lab = Lab::new();
    for (spec, field) in [
        (sh("a", "true").memory_mb(1 << 40), "mem_limit_mb"),
        (sh("a", "true").cpu_percent(6_000_000), "cpu_limit_percent"),
    ] {
        match lab.runtime.create(spec) {
            Err(Error::InvalidSpec { field: found, why, .. }) => {
                assert_eq!(found, field);
                assert!(why.contains("this machine has"), "{why}");
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(lab.runtime.list().unwrap().is_empty());
}

fn a_fork_bomb_without_a_pid_namespace_is_killed_whole() {
    let lab = Lab::new();
    let isolation = Isolation { pid: false, ..Isolation::default() };
    // The command ends, its children go on; no PID namespace ends them with init.
    let seconds = 1_000_000 + std::process::id();
    let script = format!("for i in 1 2 3 4 5; do sleep {seconds} & done; exit 0");
    let container = lab.start(sh("a", &script).isolation(isolation));
    container.wait_timeout(PATIENCE).unwrap();
    let sleepers = || {
        fs::read_dir("/proc")
            .unwrap()
            .flatten()
            .filter(|entry| {
                fs::read_to_string(entry.path().join("cmdline"))
                    .is_ok_and(|line| line == format!("sleep\0{seconds}\0"))
            })
            .count()
    };
    assert_eq!(sleepers(), 0);
    assert!(cgroups_of(container.id().as_str()).is_empty());
}
