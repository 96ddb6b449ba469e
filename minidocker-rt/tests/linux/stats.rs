//! Stats: that they are what the kernel says.

use std::fs;
use std::time::{Duration, Instant};

use minidocker_rt::{
    Command, Container, ContainerSpec, Error, Health, HealthCheck, Isolation, PidsLimit,
    RestartPolicy, Stats, Status,
};

use crate::lab::{
    Lab, PATIENCE, cgroup_value, cgroups_of, eventually, family, helpers_of, is_alive, kill, sh,
    sleeper,
};

crate::trials![
    memory_that_a_program_fills_is_counted,
    the_file_cache_is_counted_but_not_as_used,
    shared_memory_is_counted_as_such,
    a_cpu_bound_container_uses_its_share_and_is_throttled,
    an_idle_container_uses_no_cpu_time,
    every_thread_is_counted,
    a_process_that_ran_out_of_memory_is_counted,
    limits_are_the_kernels,
    what_reaches_the_disk_is_counted,
    the_network_is_the_containers_own,
    a_container_that_does_not_run_uses_nothing,
    a_paused_container_still_has_its_memory,
    a_lost_container_uses_nothing,
    uptime_counts_from_the_start,
    restarts_and_health_are_told_beside_the_usage,
    what_waits_for_its_restart_uses_nothing_and_keeps_its_counts,
    the_figures_of_a_frozen_container_are_exactly_the_kernels,
    pressure_is_what_the_kernel_tells,
    all_containers_are_told_at_once,
    what_many_containers_cost_grows_with_their_number_and_no_more,
];

const MB: u64 = 1 << 20;

fn python(name: &str, script: &str) -> ContainerSpec {
    ContainerSpec::new(name, Command::argv(["python3", "-c", script]))
}

/// Starts it and waits until it says that it is ready, by a file.
fn start_ready(lab: &Lab, spec: ContainerSpec) -> Container {
    let container = lab.start(spec);
    let ready = container.inspect().unwrap().rootfs.join("ready");
    eventually("it is ready", || {
        assert!(
            container.status().unwrap() == Status::Running,
            "{}",
            container.logs().unwrap().render().unwrap()
        );
        ready.exists()
    });
    container
}

const READY: &str = "open('/ready', 'w'); import time; time.sleep(1000)";

fn number(container: &Container, v1: &str, v2: &str) -> u64 {
    cgroup_value(container, v1, v2).parse().unwrap()
}

/// A number of memory.stat.
fn memory_stat(container: &Container, v1: &str, v2: &str) -> u64 {
    let text = cgroup_value(container, "memory.stat", "memory.stat");
    let find = |key| text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '));
    find(v1).or(find(v2)).unwrap().parse().unwrap()
}

#[track_caller]
fn close(found: u64, wanted: u64, by: u64) {
    assert!(found.abs_diff(wanted) <= by, "{found} is not within {by} of {wanted}");
}

fn memory_that_a_program_fills_is_counted() {
    let lab = Lab::new();
    let script = format!("x = bytearray(b'x' * {}); {READY}", 20 * MB);
    let container = start_ready(&lab, python("a", &script).memory_mb(64));
    let memory = container.stats().unwrap().memory;
    // Beyond its array: the interpreter itself, and what the charging batches up.
    assert!((20 * MB..40 * MB).contains(&memory.anon_bytes), "{memory:?}");
    close(memory.anon_bytes, memory_stat(&container, "total_rss", "anon"), MB);
    let current = number(&container, "memory.usage_in_bytes", "memory.current");
    close(memory.current_bytes, current, MB);
    assert!((20 * MB..=64 * MB).contains(&memory.used_bytes), "{memory:?}");
    assert!(memory.used_bytes <= memory.current_bytes);
    assert_eq!(memory.limit_bytes, Some(64 * MB));
    let percent = memory.used_bytes as f64 / (64 * MB) as f64 * 100.0;
    assert!((memory.percent - percent).abs() < 0.001, "{memory:?}");
    assert!(memory.machine_bytes > 64 * MB);
    // For building the array Python needs it twice.
    if let Some(peak) = memory.peak_bytes {
        assert!(peak >= 40 * MB && peak >= memory.current_bytes, "{memory:?}");
    }
}

fn the_file_cache_is_counted_but_not_as_used() {
    let lab = Lab::new();
    // Written once and never looked at again. Where the rootfs is a tmpfs there is no cache
    // to be dropped: that is shared memory, and used.
    let script = format!(
        "f = open('/big', 'wb'); f.write(b'x' * {0}); f.flush(); import os; os.fsync(f); {READY}",
        20 * MB
    );
    let container = start_ready(&lab, python("a", &script));
    let memory = container.stats().unwrap().memory;
    let inactive = memory_stat(&container, "total_inactive_file", "inactive_file");
    assert!(memory.file_bytes >= 20 * MB, "{memory:?}");
    close(memory.current_bytes - memory.used_bytes, inactive, MB);
    if memory.shmem_bytes < MB {
        assert!(inactive >= 15 * MB, "{memory:?}");
    }
}

fn shared_memory_is_counted_as_such() {
    let lab = Lab::new();
    let script = format!("open('/dev/shm/x', 'wb').write(b'x' * {}); {READY}", 8 * MB);
    let container = start_ready(&lab, python("a", &script));
    let memory = container.stats().unwrap().memory;
    assert!(memory.shmem_bytes >= 8 * MB, "{memory:?}");
    assert!(memory.used_bytes >= 8 * MB, "{memory:?}");
}

fn a_cpu_bound_container_uses_its_share_and_is_throttled() {
    let lab = Lab::new();
    let container = lab.start(sh("a", "while :; do :; done").cpu_percent(20));
    eventually("it is throttled", || container.stats().unwrap().cpu.throttled_periods > 5);
    let cpu = container.stats_over(Duration::from_secs(3)).unwrap().cpu;
    let percent = cpu.percent.unwrap();
    assert!((10.0..=30.0).contains(&percent), "{percent} percent instead of 20");
    assert_eq!(cpu.limit_percent, Some(20.0));
    assert!(cpu.throttled_micros > 0 && cpu.periods >= cpu.throttled_periods, "{cpu:?}");
    assert!(cpu.total_micros > 100_000, "{cpu:?}");
    // The kernel divides it up by ticks, and rounds.
    close(cpu.user_micros + cpu.system_micros, cpu.total_micros, cpu.total_micros / 2);
}

fn an_idle_container_uses_no_cpu_time() {
    let lab = Lab::new();
    let container = lab.start(sleeper("a"));
    let cpu = container.stats_over(Duration::from_secs(2)).unwrap().cpu;
    assert!(cpu.percent.unwrap() < 10.0, "{cpu:?}");
    assert_eq!((cpu.limit_percent, cpu.throttled_periods), (None, 0));
    assert!(container.stats().unwrap().cpu.percent.is_none(), "one sample tells no rate");
}

fn every_thread_is_counted() {
    let lab = Lab::new();
    let script = format!(
        "import threading, time\n\
         for _ in range(5): threading.Thread(target=time.sleep, args=(1000,)).start()\n\
         {READY}"
    );
    let limit = PidsLimit::at_most(40).unwrap();
    let container = start_ready(&lab, python("a", &script).pids_limit(limit));
    let pids = container.stats().unwrap().pids;
    assert_eq!((pids.current, pids.limit), (6, Some(40)));
    assert_eq!(pids.current, number(&container, "pids.current", "pids.current"));
}

fn a_process_that_ran_out_of_memory_is_counted() {
    let lab = Lab::new();
    let script = "python3 -c 'x = bytearray(300 << 20)'; touch /ready; sleep 1000";
    let container = start_ready(&lab, sh("a", script).memory_mb(40));
    assert_eq!(container.stats().unwrap().oom_kills, 1);
    container.stop_within(Duration::ZERO).unwrap();
    assert_eq!(container.stats().unwrap().oom_kills, 1, "that stays true");
}

fn limits_are_the_kernels() {
    let lab = Lab::new();
    let spec = sleeper("a").memory_mb(64).cpu_percent(150);
    // The number of cores is the machine's.
    let spec = match std::thread::available_parallelism().unwrap().get() {
        1 => spec.cpu_percent(50),
        _ => spec,
    };
    let container = lab.start(spec);
    let before = container.stats().unwrap();
    assert!([Some(150.0), Some(50.0)].contains(&before.cpu.limit_percent), "{before:?}");
    // Another program lowers what we set.
    let folders = cgroups_of(container.id().as_str());
    let write = |name: &str, value: &str| {
        let mut files = folders.iter().map(|folder| folder.join(name));
        files.find(|file| file.exists()).map(|file| fs::write(file, value).unwrap())
    };
    write("cpu.max", "25000 100000").or_else(|| write("cpu.cfs_quota_us", "25000")).unwrap();
    write("pids.max", "7").unwrap();
    let value = (32 * MB).to_string();
    write("memory.max", &value).or_else(|| write("memory.limit_in_bytes", &value)).unwrap();
    let after = container.stats().unwrap();
    assert_eq!(after.cpu.limit_percent, Some(25.0));
    assert_eq!(after.pids.limit, Some(7));
    assert_eq!(after.memory.limit_bytes, Some(32 * MB));

    let free = lab.start(sleeper("b").pids_limit(PidsLimit::Unlimited)).stats().unwrap();
    assert_eq!(
        (free.memory.limit_bytes, free.cpu.limit_percent, free.pids.limit),
        (None, None, None)
    );
}

fn what_reaches_the_disk_is_counted() {
    let lab = Lab::new();
    // Not in the lab: where /tmp is a tmpfs, nothing there ever reaches a disk.
    let folder = tempfile::tempdir_in("/var/tmp").unwrap();
    let folder = folder.path();
    let script = format!(
        "f = open('/data/x', 'wb'); f.write(b'x' * {}); f.flush()\n\
         import os; os.fsync(f)\n\
         {READY}",
        4 * MB
    );
    let spec = python("a", &script).volume(&format!("{}:/data", folder.display())).unwrap();
    let container = start_ready(&lab, spec);
    let text = cgroup_value(&container, "blkio.throttle.io_service_bytes_recursive", "io.stat");
    let sum = |marker: &str| -> u64 {
        let ends = text.lines().flat_map(|line| line.split(marker).skip(1));
        ends.filter_map(|rest| rest.split_whitespace().next()?.parse::<u64>().ok()).sum()
    };
    let (read, written) = (sum("rbytes=") + sum(" Read "), sum("wbytes=") + sum(" Write "));
    let found = container.stats().unwrap().block_io;
    // More may have been read or written back since.
    assert!(found.read_bytes >= read && found.write_bytes >= written, "{found:?}: {text}");
    close(found.read_bytes + found.write_bytes, read + written, MB);
    // Only version 2 knows who wrote what a disk gets, and a tmpfs has no disk.
    let tmpfs = nix::sys::statfs::statfs(folder).unwrap().filesystem_type()
        == nix::sys::statfs::TMPFS_MAGIC;
    let v2 = cgroups_of(container.id().as_str()).iter().any(|path| path.join("io.stat").exists());
    if v2 && !tmpfs {
        assert!(found.write_bytes >= 4 * MB, "{found:?}: {text}");
    }
}

fn the_network_is_the_containers_own() {
    let lab = Lab::new();
    // A datagram to itself over loopback is no traffic of the container.
    let script = format!(
        "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); \
         s.sendto(b'x' * 1000, ('127.0.0.1', 9)); {READY}"
    );
    let container = start_ready(&lab, python("a", &script));
    let network = container.stats().unwrap().network.unwrap();
    assert_eq!((network.tx_bytes, network.rx_packets), (0, 0));

    let shared = Isolation { network: false, ..Isolation::default() };
    let shared = lab.start(sleeper("b").isolation(shared));
    assert_eq!(shared.stats().unwrap().network, None, "the host's is not its own");
}

/// Whether nothing at all is counted, beside the limits.
pub fn is_nothing(stats: &Stats) -> bool {
    stats.memory.current_bytes == 0
        && stats.memory.used_bytes == 0
        && stats.memory.percent == 0.0
        && stats.cpu.total_micros == 0
        && stats.cpu.percent.is_none()
        && stats.pids.current == 0
        && stats.network.is_none()
        && stats.uptime_seconds.is_none()
}

fn a_container_that_does_not_run_uses_nothing() {
    let lab = Lab::new();
    let container = lab.create(sleeper("a").memory_mb(64).cpu_percent(50));
    let stats = container.stats().unwrap();
    assert!(is_nothing(&stats), "{stats:?}");
    assert_eq!((stats.status, stats.started_at), (Status::Created, None));
    assert_eq!(stats.memory.limit_bytes, Some(64 * MB));
    assert_eq!((stats.cpu.limit_percent, stats.pids.limit), (Some(50.0), Some(512)));
    container.start().unwrap();
    assert!(!is_nothing(&container.stats().unwrap()));
    container.stop().unwrap();
    let stats = container.stats_over(Duration::from_millis(10)).unwrap();
    assert!(is_nothing(&stats), "{stats:?}");
    assert_eq!(stats.status, Status::Stopped);
    assert!(stats.started_at.is_some());
    container.clone().delete().unwrap();
    assert!(matches!(container.stats(), Err(Error::NotFound { .. })));
}

fn a_paused_container_still_has_its_memory() {
    let lab = Lab::new();
    let script = format!("x = bytearray(b'x' * {}); {READY}", 8 * MB);
    let container = start_ready(&lab, python("a", &script));
    container.pause().unwrap();
    let stats = container.stats_over(Duration::from_millis(500)).unwrap();
    assert_eq!(stats.status, Status::Paused);
    assert_eq!(stats.cpu.percent, Some(0.0));
    assert!(stats.memory.anon_bytes >= 8 * MB, "{stats:?}");
    container.resume().unwrap();
    assert_eq!(container.stats().unwrap().status, Status::Running);
}

fn a_lost_container_uses_nothing() {
    let lab = Lab::new();
    let container = lab.start(sleeper("a"));
    let family = family(&container);
    kill(family.supervisor);
    eventually("the container is dead", || !is_alive(family.command));
    let stats = container.stats().unwrap();
    assert_eq!(stats.status, Status::Error);
    assert!(is_nothing(&stats), "{stats:?}");
}

fn uptime_counts_from_the_start() {
    let lab = Lab::new();
    let before = Instant::now();
    let container = lab.start(sleeper("a"));
    let first = container.stats().unwrap();
    let uptime = first.uptime_seconds.unwrap();
    // The kernel tells a process's start to a hundredth of a second.
    assert!(uptime <= before.elapsed().as_secs_f64() + 0.02, "{uptime}");
    std::thread::sleep(Duration::from_millis(300));
    let second = container.stats().unwrap();
    assert!(second.uptime_seconds.unwrap() >= uptime + 0.3);
    assert!(second.cpu_percent_since(&first).is_some());
    container.restart().unwrap();
    let third = container.stats().unwrap();
    assert!(third.started_at > first.started_at);
    assert_eq!(third.cpu_percent_since(&second), None, "it was started anew");
}

fn restarts_and_health_are_told_beside_the_usage() {
    let lab = Lab::new();
    let check = HealthCheck::new(Command::argv(["test", "-e", "/ok"])).unwrap();
    let spec = sh("a", "test -e /again && exec sleep 1000; touch /again; exit 1")
        .restart(RestartPolicy::OnFailure { max: None })
        .health_check(check.interval(Duration::from_millis(50)).timeout(PATIENCE).retries(1));
    let container = lab.create(spec);
    let told = || {
        let stats = container.stats().unwrap();
        (stats.status, stats.restarts, stats.health)
    };
    assert_eq!(told(), (Status::Created, 0, None));
    container.start().unwrap();
    eventually("it is unhealthy", || told() == (Status::Running, 1, Some(Health::Unhealthy)));
    container.exec("touch /ok").unwrap();
    eventually("it is healthy", || told() == (Status::Running, 1, Some(Health::Healthy)));
    container.pause().unwrap();
    assert_eq!(told(), (Status::Paused, 1, Some(Health::Healthy)));
    let all = lab.runtime.stats().unwrap();
    assert_eq!((all[0].stats.restarts, all[0].stats.health), (1, Some(Health::Healthy)));
    container.stop_within(Duration::ZERO).unwrap();
    assert_eq!(told(), (Status::Stopped, 1, None), "what has ended has no health");
    container.start().unwrap();
    assert_eq!(container.stats().unwrap().restarts, 0, "counted since an operator's start");
}

fn what_waits_for_its_restart_uses_nothing_and_keeps_its_counts() {
    let lab = Lab::new();
    let check = HealthCheck::new(Command::argv(["true"])).unwrap();
    let script = "python3 -c 'x = bytearray(300 << 20)'; exit 1";
    let spec = sh("a", script).memory_mb(40).cpu_percent(50).restart(RestartPolicy::Always);
    let container = lab.start(spec.health_check(check));
    let mut found = None;
    eventually("it waits", || {
        let stats = container.stats().unwrap();
        let waits = stats.status == Status::Restarting && stats.restarts >= 1;
        found = waits.then_some(stats);
        waits
    });
    let stats = found.unwrap();
    assert!(is_nothing(&stats), "{stats:?}");
    assert_eq!((stats.oom_kills, stats.health), (1, Some(Health::Starting)));
    assert_eq!(stats.memory.limit_bytes, Some(40 * MB), "that will hold again");
    assert_eq!((stats.cpu.limit_percent, stats.pids.limit), (Some(50.0), Some(512)));
    container.stop().unwrap();
    let stopped = container.stats().unwrap();
    assert_eq!((stopped.oom_kills, stopped.restarts), (1, stats.restarts));
}

/// One number of a file of `key value` lines.
fn keyed(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '))?;
    line.trim().parse().ok()
}

fn the_figures_of_a_frozen_container_are_exactly_the_kernels() {
    let lab = Lab::new();
    let script = "head -c 3000000 /usr/bin/python3 > /copy; echo > /ready; while :; do :; done";
    let spec = sh("a", script).cpu_percent(20).memory_mb(64);
    let container = start_ready(&lab, spec);
    eventually("it is throttled", || container.stats().unwrap().cpu.throttled_periods > 2);
    container.pause().unwrap();
    // Each tree of version 1 has its own files; version 2 has them all in one folder.
    let kernel = || {
        let folders = cgroups_of(container.id().as_str());
        let mut text = String::new();
        for name in ["cpu.stat", "cpuacct.stat", "memory.stat", "memory.oom_control"] {
            for folder in &folders {
                text += &fs::read_to_string(folder.join(name)).unwrap_or_default();
            }
        }
        let one = |key| keyed(&text, key);
        let micros = |v2, v1, per: u64| one(v2).or_else(|| Some(one(v1)? / per)).unwrap();
        let ticks = |v2, v1| one(v2).or_else(|| Some(one(v1)? * 10_000)).unwrap();
        let total = one("usage_usec")
            .unwrap_or_else(|| number(&container, "cpuacct.usage", "cpuacct.usage") / 1000);
        let cpu = [
            total,
            ticks("user_usec", "user"),
            ticks("system_usec", "system"),
            one("nr_periods").unwrap(),
            one("nr_throttled").unwrap(),
            micros("throttled_usec", "throttled_time", 1000),
        ];
        let memory = [
            number(&container, "memory.usage_in_bytes", "memory.current"),
            number(&container, "memory.max_usage_in_bytes", "memory.peak"),
            one("total_rss").or_else(|| one("anon")).unwrap(),
            one("total_cache").or_else(|| one("file")).unwrap(),
            one("total_shmem").or_else(|| one("shmem")).unwrap(),
            one("total_inactive_file").or_else(|| one("inactive_file")).unwrap(),
        ];
        (cpu, memory)
    };
    eventually("the kernel's own figures", || {
        let before = kernel();
        let Stats { cpu, memory, .. } = container.stats().unwrap();
        let ours = [
            cpu.total_micros,
            cpu.user_micros,
            cpu.system_micros,
            cpu.periods,
            cpu.throttled_periods,
            cpu.throttled_micros,
        ];
        let bytes = [
            memory.current_bytes,
            memory.peak_bytes.unwrap(),
            memory.anon_bytes,
            memory.file_bytes,
            memory.shmem_bytes,
            memory.current_bytes - memory.used_bytes,
        ];
        // What the last moments before the freeze cost may be counted a little later.
        if before != kernel() {
            return false;
        }
        assert_eq!((ours, bytes), before);
        // User and system time are divided up by ticks, so that one of them may be zero.
        let [total, _, _, throttled @ ..] = ours;
        let told = [total].into_iter().chain(throttled).chain(bytes[..4].iter().copied());
        assert!(told.min() > Some(0), "{ours:?} {bytes:?}");
        true
    });
}

fn pressure_is_what_the_kernel_tells() {
    let lab = Lab::new();
    // Two that want a fifth of a core: each waits most of the time.
    let script = "while :; do :; done & while :; do :; done";
    let container = lab.start(sh("a", script).cpu_percent(20));
    // Total microseconds, from "some avg10=... total=1"; the file cannot be read where the
    // kernel does not keep such accounts.
    let total = || {
        let folders = cgroups_of(container.id().as_str());
        let mut files =
            folders.iter().map(|folder| fs::read_to_string(folder.join("cpu.pressure")));
        let text = files.find_map(Result::ok)?;
        text.lines().next()?.rsplit_once("total=")?.1.parse::<u64>().ok()
    };
    let Some(before) = total() else {
        assert_eq!(container.stats().unwrap().pressure, None);
        return;
    };
    let cpu = container.stats().unwrap().pressure.unwrap().cpu.some;
    assert!((before..=total().unwrap()).contains(&cpu.total_micros), "{cpu:?} after {before}");
    eventually("they feel it", || {
        let cpu = container.stats().unwrap().pressure.unwrap().cpu.some;
        cpu.total_micros > before + 100_000 && cpu.avg10 > 1.0
    });
}

fn all_containers_are_told_at_once() {
    let lab = Lab::new();
    let running = lab.start(sleeper("b"));
    lab.create(sleeper("a"));
    let damaged = lab.create(sleeper("c")).inspect().unwrap().rootfs.with_file_name("spec.json");
    fs::write(damaged.with_file_name("gone"), fs::read(&damaged).unwrap()).unwrap();
    fs::write(&damaged, "{").unwrap();
    let all = lab.runtime.stats().unwrap();
    let seen: Vec<_> = all.iter().map(|one| (one.name.as_str(), one.stats.status)).collect();
    assert_eq!(seen, [("a", Status::Created), ("b", Status::Running)]);
    assert_eq!(&all[1].id, running.id());
    assert!(is_nothing(&all[0].stats) && all[1].stats.pids.current == 1);
    fs::rename(damaged.with_file_name("gone"), &damaged).unwrap();
}

/// How often this thread has asked the kernel to read something.
fn reads() -> u64 {
    keyed(&fs::read_to_string("/proc/thread-self/io").unwrap(), "syscr:").unwrap()
}

fn what_many_containers_cost_grows_with_their_number_and_no_more() {
    let lab = Lab::new();
    let cost = || {
        let before = reads();
        let all = lab.runtime.stats().unwrap().len();
        (all, reads() - before)
    };
    let (_, nothing) = cost();
    for number in 0..20 {
        lab.create(sleeper(&format!("idle-{number}")));
    }
    let (all, idle) = cost();
    assert!(all == 20 && idle <= nothing + 20 * 4, "{idle} reads for {all} containers");
    for number in 0..5 {
        lab.start(sleeper(&format!("running-{number}")));
    }
    let helpers = helpers_of(lab.root());
    let (all, running) = cost();
    // A dozen files and more, each read to its end, which is a read that finds nothing.
    assert!(all == 25 && running <= idle + 5 * 60, "{running} reads for {all} containers");
    assert_eq!(helpers_of(lab.root()), helpers, "nobody is started for it");
}
