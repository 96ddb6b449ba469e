//! Stats over time: a stream goes on as long as the container does, restarts included.

use std::time::Duration;

use minidocker_rt::{Error, RestartPolicy, Stats, Status};

use crate::lab::{Lab, PATIENCE, sh, sleeper};
use crate::stats::is_nothing;

crate::trials![
    a_stream_ends_with_the_container_and_not_at_the_next_tick,
    a_stream_of_a_stopped_container_has_one_sample,
    a_window_that_the_container_does_not_outlive_ends_with_it,
    an_interval_of_nothing_is_refused,
    a_stream_goes_on_through_restarts_by_the_policy,
    a_stream_goes_on_through_a_restart_by_an_operator,
    a_stream_ends_when_the_container_is_deleted,
    a_window_with_a_restart_in_it_has_no_percentage,
];

const QUICK: Duration = Duration::from_millis(50);

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

fn a_stream_goes_on_through_restarts_by_the_policy() {
    let lab = Lab::new();
    let container = lab.start(sh("a", "sleep 0.3; exit 1").restart(RestartPolicy::Always));
    let mut seen: Vec<Stats> = Vec::new();
    for stats in container.stats_stream(QUICK / 5).unwrap() {
        seen.push(stats.unwrap());
        if seen.last().is_some_and(|last| last.restarts == 2) {
            container.stop_within(Duration::ZERO).unwrap();
        }
    }
    assert!(seen.iter().any(|stats| stats.status == Status::Restarting), "{seen:?}");
    assert!(seen.is_sorted_by_key(|stats| stats.restarts), "{seen:?}");
    for pair in seen.windows(2).filter(|pair| pair[0].started_at != pair[1].started_at) {
        assert_eq!(pair[1].cpu.percent, None, "between two runs there is no rate");
    }
    let running = |stats: &&Stats| stats.status == Status::Running && stats.restarts == 1;
    assert!(seen.iter().filter(running).any(|stats| stats.cpu.percent.is_some()));
}

fn a_stream_goes_on_through_a_restart_by_an_operator() {
    let lab = Lab::new();
    let container = lab.start(sleeper("a"));
    let mut stream = container.stats_stream(QUICK).unwrap().map(|stats| stats.unwrap());
    let first = stream.next().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| container.restart_within(Duration::ZERO).unwrap());
        let next = stream.find(|stats| stats.started_at != first.started_at).unwrap();
        assert_eq!((next.status, next.cpu.percent), (Status::Running, None));
        assert!(stream.next().unwrap().cpu.percent.is_some());
    });
    container.stop_within(Duration::ZERO).unwrap();
    assert!(stream.all(|stats| stats.started_at != first.started_at), "it ends now");
}

fn a_stream_ends_when_the_container_is_deleted() {
    let lab = Lab::new();
    let container = lab.start(sh("a", "exit 1").restart(RestartPolicy::Always));
    let mut stream = container.stats_stream(Duration::MAX).unwrap();
    assert!(stream.next().unwrap().is_ok());
    std::thread::scope(|scope| {
        scope.spawn(|| container.clone().delete_force().unwrap());
        assert!(stream.next().is_none());
    });
    assert!(matches!(container.stats_stream(QUICK), Err(Error::NotFound { .. })));
}

fn a_window_with_a_restart_in_it_has_no_percentage() {
    let lab = Lab::new();
    let container = lab.start(sleeper("a"));
    let before = container.stats().unwrap();
    let stats = std::thread::scope(|scope| {
        let watched = scope.spawn(|| container.stats_over(Duration::from_secs(2)).unwrap());
        std::thread::sleep(QUICK);
        container.restart_within(Duration::ZERO).unwrap();
        watched.join().unwrap()
    });
    assert_eq!((stats.status, stats.cpu.percent), (Status::Running, None));
    assert!(stats.started_at > before.started_at);
}
