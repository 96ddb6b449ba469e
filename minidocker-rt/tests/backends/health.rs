//! Health checks.

use std::time::Duration;

use minidocker_rt::{Command, Container, Health, HealthCheck, RestartPolicy, WriteOptions};

use crate::lab::{Lab, PATIENCE, eventually, sleeper};

crate::trials![
    it_becomes_unhealthy_and_healthy,
    a_probe_that_takes_too_long_is_killed,
    a_probe_that_cannot_be_executed_says_why,
    an_unhealthy_container_is_restarted_if_that_is_wanted,
];

fn probed(code: &str) -> HealthCheck {
    HealthCheck::new(Command::argv(["python", "-c", code]))
        .unwrap()
        .interval(Duration::from_millis(20))
        .timeout(PATIENCE)
        .retries(2)
}

fn until(container: &Container, wanted: Health) {
    eventually(&format!("{wanted:?}"), || {
        container.inspect().unwrap().health.is_some_and(|report| report.status == wanted)
    });
}

fn it_becomes_unhealthy_and_healthy(lab: &Lab) {
    let code = "import os, sys; print('looked'); sys.exit(not os.path.exists('/tmp/ok'))";
    let container = lab.start(sleeper("a").health_check(probed(code)));
    until(&container, Health::Unhealthy);
    container.files().write("/tmp/ok", b"", WriteOptions::default()).unwrap();
    until(&container, Health::Healthy);
    let report = container.inspect().unwrap().health.unwrap();
    let last = report.probes.last().unwrap();
    assert_eq!((last.exit_code, last.output.trim_end()), (Some(0), "looked"));
    assert_eq!(
        container.logs().unwrap().read_to_string().unwrap(),
        "",
        "it is not the container's"
    );
    container.stop_within(Duration::ZERO).unwrap();
    assert_eq!(container.inspect().unwrap().health, None, "what has ended has no health");
}

fn a_probe_that_takes_too_long_is_killed(lab: &Lab) {
    let check = probed("import time; time.sleep(1000)").timeout(Duration::from_millis(100));
    let container = lab.start(sleeper("a").health_check(check.retries(1)));
    until(&container, Health::Unhealthy);
    let probe = container.inspect().unwrap().health.unwrap().probes.remove(0);
    assert_eq!(probe.exit_code, None);
    assert!(probe.output.contains("it was killed after 0.1 s"), "{}", probe.output);
}

fn a_probe_that_cannot_be_executed_says_why(lab: &Lab) {
    let check = HealthCheck::new("no-such-probe").unwrap().interval(Duration::from_millis(20));
    let container = lab.start(sleeper("a").health_check(check.retries(1)));
    until(&container, Health::Unhealthy);
    let probe = container.inspect().unwrap().health.unwrap().probes.remove(0);
    assert!(probe.output.contains("no program \"no-such-probe\""), "{}", probe.output);
}

fn an_unhealthy_container_is_restarted_if_that_is_wanted(lab: &Lab) {
    let check = probed("raise SystemExit(1)").retries(1).restart_unhealthy(true);
    let container = lab.start(sleeper("a").restart(RestartPolicy::Always).health_check(check));
    eventually("a restart", || container.inspect().unwrap().restarts >= 1);
    container.stop_within(Duration::ZERO).unwrap();
    let log = container.logs().unwrap().render().unwrap();
    assert!(log.contains("=== Unhealthy: the command is ended"), "{log}");
}
