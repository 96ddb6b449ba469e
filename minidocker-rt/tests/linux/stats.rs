//! Stats: that they are what the kernel says.

use std::fs;
use std::time::{Duration, Instant};

use minidocker_rt::{
    Command, Container, ContainerSpec, Error, Isolation, PidsLimit, Stats, Status,
};

use crate::lab::{
    Lab, PATIENCE, cgroup_value, cgroups_of, eventually, family, is_alive, kill, sh, sleeper,
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
    a_stream_ends_with_the_container_and_not_at_the_next_tick,
    a_stream_of_a_stopped_container_has_one_sample,
    a_window_that_the_container_does_not_outlive_ends_with_it,
    an_interval_of_nothing_is_refused,
    all_containers_are_told_at_once,
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
    let folder = lab.folder("data");
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
    let tmpfs = nix::sys::statfs::statfs(&folder).unwrap().filesystem_type()
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
fn is_nothing(stats: &Stats) -> bool {
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

fn a_stream_ends_with_the_container_and_not_at_the_next_tick() {
    let lab = Lab::new();
    let container = lab.start(sleeper("a"));
    let mut stream = container.stats_stream(Duration::from_millis(50)).unwrap();
    let first = stream.next().unwrap().unwrap();
    assert_eq!(first.cpu.percent, None);
    for _ in 0..3 {
        let next = stream.next().unwrap().unwrap();
        assert_eq!(next.status, Status::Running);
        assert!(next.cpu.percent.is_some());
    }
    let mut slow = container.stats_stream(Duration::MAX).unwrap();
    assert!(slow.next().unwrap().is_ok());
    let stopped = std::thread::scope(|scope| {
        scope.spawn(|| container.stop().unwrap());
        // Both would wait for ever if they did not see the end.
        let mut rest = stream.map(|stats| stats.unwrap());
        assert!(rest.all(|stats| stats.started_at == first.started_at));
        slow.next()
    });
    assert!(stopped.is_none());
    assert!(slow.next().is_none(), "an end is an end");
}

fn a_stream_of_a_stopped_container_has_one_sample() {
    let lab = Lab::new();
    let container = lab.create(sleeper("a"));
    let all: Vec<_> = container.stats_stream(Duration::MAX).unwrap().collect();
    assert_eq!(all.len(), 1);
    assert!(is_nothing(all[0].as_ref().unwrap()));
}

fn a_window_that_the_container_does_not_outlive_ends_with_it() {
    let lab = Lab::new();
    let container = lab.start(sleeper("a"));
    let killer = container.clone();
    let stats = std::thread::scope(|scope| {
        scope.spawn(move || killer.stop().unwrap());
        container.stats_over(PATIENCE * 1000).unwrap()
    });
    assert_eq!(stats.cpu.percent, None);
    container.wait_timeout(PATIENCE).unwrap();
}

fn an_interval_of_nothing_is_refused() {
    let lab = Lab::new();
    let container = lab.create(sleeper("a"));
    let refused = |error| matches!(error, Error::InvalidSpec { field: "interval", .. });
    assert!(refused(container.stats_stream(Duration::ZERO).unwrap_err()));
    assert!(refused(container.stats_over(Duration::ZERO).unwrap_err()));
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
