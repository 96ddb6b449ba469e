//! Limits: those that hold, and those of which it is said that they do not.

use std::time::{Duration, Instant};

use minidocker_rt::{Error, EventKind, Next, PidsLimit, Resource, Rlimit, User};

use crate::lab::{Lab, PATIENCE, python, sleeper};

pub fn trials() -> Vec<libtest_mimic::Trial> {
    let mut trials: Vec<libtest_mimic::Trial> = [
        crate::lab::each(
            "a_container_that_needs_too_much_memory_is_killed_and_that_is_told",
            a_container_that_needs_too_much_memory_is_killed_and_that_is_told,
        ),
        crate::lab::each("a_child_counts_too", a_child_counts_too),
        crate::lab::each("a_run_ends_when_its_time_is_over", a_run_ends_when_its_time_is_over),
        crate::lab::each("cpu_time_is_handed_out", cpu_time_is_handed_out),
        crate::lab::each("limits_beyond_the_machine_are_refused", limits_beyond_the_machine),
    ]
    .into_iter()
    .flatten()
    .collect();
    let simulation = minidocker_rt::BackendKind::Simulation;
    trials.push(crate::lab::one("what_does_not_hold_is_listed", simulation, what_does_not_hold));
    trials.push(crate::lab::one("what_would_not_hold_is_refused", simulation, what_would_not_hold));
    trials
}

const GREEDY: &str = "import time; x = b'x' * (300 << 20); time.sleep(1000)";

fn a_container_that_needs_too_much_memory_is_killed_and_that_is_told(lab: &Lab) {
    let mut events = lab.runtime.events().unwrap();
    let container = lab.start(python("a", GREEDY).memory_mb(64));
    let exit = container.wait_timeout(PATIENCE).unwrap();
    assert!(exit.oom_killed && !exit.success(), "{exit}");
    assert!(container.inspect().unwrap().oom_kills > 0);
    let log = container.logs().unwrap().render().unwrap();
    assert!(log.contains("=== Out of memory: ") && log.contains("limit of 64 MB ==="), "{log}");
    loop {
        match events.next_timeout(PATIENCE).unwrap() {
            Next::Item(event) if matches!(event.kind, EventKind::OutOfMemory { .. }) => break,
            Next::Item(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

fn a_child_counts_too(lab: &Lab) {
    let code = format!(
        "import subprocess, sys\n\
         raise SystemExit(subprocess.run([sys.executable, '-c', {GREEDY:?}]).returncode != 0)"
    );
    let container = lab.start(python("a", &code).memory_mb(64));
    let exit = container.wait_timeout(PATIENCE).unwrap();
    assert!(!exit.success());
    assert!(container.inspect().unwrap().oom_kills > 0);
}

fn cpu_time_is_handed_out(lab: &Lab) {
    // So little that it gets more on the busiest machine, were it not held back.
    let container = lab.start(python("a", "while True: pass").cpu_percent(5));
    // What it saved up at first, and what it takes before it is looked at, is small beside
    // what it would take in that time.
    let stats = container.stats_over(Duration::from_secs(3)).unwrap();
    assert!(stats.cpu.percent.unwrap() < 40.0, "{stats:?}");
    let mut samples = container.stats_stream(Duration::from_millis(200)).unwrap();
    let deadline = Instant::now() + PATIENCE;
    while samples.next().unwrap().unwrap().cpu.throttled_periods == 0 {
        assert!(Instant::now() < deadline, "it was never throttled");
    }
}

fn a_run_ends_when_its_time_is_over(lab: &Lab) {
    let limit = Duration::from_millis(300);
    let mut events = lab.runtime.events().unwrap();
    let container = lab.start(sleeper("a").timeout(limit));
    let exit = container.wait_timeout(PATIENCE).unwrap();
    assert!(exit.timed_out && !exit.oom_killed && !exit.success(), "{exit}");
    let info = container.inspect().unwrap();
    assert_eq!(info.exit, Some(exit));
    let lasted = info.finished_at.unwrap().duration_since(info.started_at.unwrap());
    assert!(lasted.as_millis() >= 300, "{lasted:?}");
    let log = container.logs().unwrap().render().unwrap();
    assert!(log.contains("=== Out of time: killed after 0.3 s, its time limit ==="), "{log}");
    loop {
        match events.next_timeout(PATIENCE).unwrap() {
            Next::Item(event) if matches!(event.kind, EventKind::Exited { exit } if exit.timed_out) =>
            {
                break;
            }
            Next::Item(_) => {}
            other => panic!("{other:?}"),
        }
    }
    // Each run has all of it, and one that was killed for it has failed.
    let policy = "on-failure:2".parse().unwrap();
    let again = lab.start(sleeper("b").timeout(limit).restart(policy));
    let exit = again.wait_timeout(PATIENCE).unwrap();
    assert!(exit.timed_out && again.inspect().unwrap().restarts == 2, "{exit}");
    // What stands still is over all the same.
    let paused = lab.start(sleeper("c").timeout(Duration::from_secs(2)));
    if paused.pause().is_ok() {
        assert!(paused.wait_timeout(PATIENCE).unwrap().timed_out);
    }
    // Who ends in time, or is stopped, has not been killed for it.
    let (exit, _) = lab.run(python("d", "raise SystemExit(3)").timeout(PATIENCE));
    assert_eq!((exit.code, exit.timed_out), (3, false));
    let stopped = lab.start(sleeper("e").timeout(PATIENCE));
    stopped.stop_within(Duration::ZERO).unwrap();
    assert!(!stopped.wait().unwrap().timed_out);
    for wrong in [Duration::ZERO, Duration::from_nanos(1), Duration::MAX] {
        let error = lab.runtime.create(sleeper("f").timeout(wrong)).unwrap_err();
        assert!(
            matches!(error, minidocker_rt::Error::InvalidSpec { field: "timeout_seconds", .. }),
            "{error}"
        );
    }
}

fn limits_beyond_the_machine(lab: &Lab) {
    assert!(lab.runtime.create(sleeper("a").memory_mb(1 << 40)).is_err());
    assert!(lab.runtime.create(sleeper("a").cpu_percent(1_000_000)).is_err());
    assert!(lab.runtime.names().unwrap().is_empty());
}

fn what_would_not_hold(lab: &Lab) {
    let folder = lab.folder("data");
    let rlimit = Rlimit::new(Resource::Nofile, 64, 64).unwrap();
    let read_only = format!("{}:/data:ro", folder.display());
    for (field, spec) in [
        ("user", sleeper("a").user("12345:12345".parse::<User>().unwrap())),
        ("rlimits", sleeper("a").rlimit(rlimit)),
        ("pids_limit", sleeper("a").pids_limit(PidsLimit::at_most(2).unwrap())),
        ("volumes", sleeper("a").volume(&read_only).unwrap()),
        ("hostname", sleeper("a").hostname("jail")),
    ] {
        let refused = lab.runtime.create(spec.clone()).unwrap_err();
        match &refused {
            Error::Unsupported { feature, backend: "simulation", why } => {
                assert_eq!(feature, field);
                assert!(why.contains("best_effort_limits"), "{why}");
            }
            other => panic!("{other:?}"),
        }
        assert!(lab.runtime.names().unwrap().is_empty());
        // Who allows it gets it, and is told.
        let container = lab.create(spec.best_effort_limits(true));
        container.start().unwrap();
        let list = container.inspect().unwrap().not_enforced;
        assert!(list.iter().any(|text| text.starts_with(&format!("{field}: "))), "{list:?}");
        container.delete_force().unwrap();
    }
}

fn what_does_not_hold(lab: &Lab) {
    let folder = lab.folder("data");
    let spec = sleeper("a")
        .pids_limit(PidsLimit::at_most(10).unwrap())
        .volume(&format!("{}:/data:ro", folder.display()))
        .unwrap();
    let info = lab.start(spec.best_effort_limits(true)).inspect().unwrap();
    assert!(!info.isolated);
    let list = info.not_enforced;
    assert!(list.iter().any(|text| text.starts_with("pids_limit: ")), "{list:?}");
    assert!(list.iter().any(|text| text.starts_with("volumes: ")), "{list:?}");
    let plain = lab.start(sleeper("b").memory_mb(100).cpu_percent(50));
    assert!(plain.inspect().unwrap().not_enforced.is_empty());
}
