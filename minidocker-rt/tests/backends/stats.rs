//! What containers use.

use std::time::Duration;

use minidocker_rt::Status;

use crate::lab::{Lab, PATIENCE, eventually, printed, python, sleeper};

crate::trials![
    a_container_at_rest_uses_nothing,
    memory_and_processes_are_counted,
    computing_is_counted,
    the_stream_ends_with_the_container,
    all_containers_are_told_at_once,
];

fn a_container_at_rest_uses_nothing(lab: &Lab) {
    let container = lab.create(sleeper("a").memory_mb(100).cpu_percent(50));
    let stats = container.stats().unwrap();
    assert_eq!((stats.status, stats.memory.used_bytes), (Status::Created, 0));
    assert_eq!(stats.memory.limit_bytes, Some(100 << 20));
    assert_eq!(stats.cpu.limit_percent, Some(50.0));
    assert_eq!((stats.pids.current, stats.uptime_seconds), (0, None));
}

fn memory_and_processes_are_counted(lab: &Lab) {
    let code = "import subprocess, sys, time\n\
                memory = b'x' * (40 << 20)\n\
                subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(1000)'])\n\
                print('ready')\n\
                time.sleep(1000)";
    let container = lab.start(python("a", code).memory_mb(400));
    eventually("ready", || printed(&container) == "ready\n");
    let stats = container.stats().unwrap();
    assert!(stats.memory.used_bytes > 40 << 20, "{stats:?}");
    assert!(stats.memory.percent > 10.0 && stats.memory.percent < 100.0, "{stats:?}");
    assert!(stats.pids.current >= 2, "{stats:?}");
    assert!(stats.uptime_seconds.unwrap() > 0.0);
}

fn computing_is_counted(lab: &Lab) {
    let container = lab.start(python("a", "while True: pass"));
    let before = container.stats().unwrap();
    eventually("CPU time", || {
        let now = container.stats().unwrap();
        now.cpu.total_micros > before.cpu.total_micros + 100_000
            && now.cpu_percent_since(&before).is_some_and(|percent| percent > 0.0)
    });
}

fn the_stream_ends_with_the_container(lab: &Lab) {
    let container = lab.start(sleeper("a"));
    let mut stream = container.stats_stream(Duration::from_millis(20)).unwrap();
    for _ in 0..3 {
        assert_eq!(stream.next().unwrap().unwrap().status, Status::Running);
    }
    let killer = container.clone();
    let thread = std::thread::spawn(move || killer.kill(9));
    let rest = stream.inspect(|sample| assert!(sample.is_ok(), "{sample:?}")).count();
    thread.join().unwrap().unwrap();
    assert!(rest < 3000);
    assert!(container.wait_timeout(PATIENCE).is_ok());
}

fn all_containers_are_told_at_once(lab: &Lab) {
    lab.start(sleeper("runs"));
    lab.create(sleeper("rests"));
    let all = lab.runtime.stats().unwrap();
    let told: Vec<(&str, bool)> =
        all.iter().map(|one| (one.name.as_str(), one.stats.pids.current > 0)).collect();
    assert_eq!(told, [("rests", false), ("runs", true)]);
}
