//! Health checks.

use std::time::Duration;

use minidocker_rt::{
    Command, Container, ContainerSpec, EventKind, Health, HealthCheck, Next, RestartPolicy, Status,
};

use crate::lab::{Lab, PATIENCE, child, eventually, is_alive, parent_of, sh};
use crate::trials;

trials!(
    it_starts_becomes_healthy_unhealthy_and_healthy_again,
    the_last_five_probes_are_kept_with_their_output,
    a_probe_that_takes_too_long_is_killed_and_counts_as_failed,
    a_probe_that_cannot_be_executed_says_why,
    a_probe_that_writes_without_end_is_killed_and_holds_up_nobody,
    a_pause_is_no_failure_of_the_probe_that_it_froze,
    in_the_start_period_failures_do_not_count,
    an_unhealthy_container_is_restarted_if_that_is_wanted,
    it_is_probed_on_when_its_program_has_ended,
    a_container_that_ends_takes_its_probe_along,
    a_probe_that_dies_with_its_container_does_not_count,
    a_probe_has_the_rights_of_the_container,
);

const QUICK: Duration = Duration::from_millis(50);
/// For a probe to begin, in a slow virtual machine too.
const LONG_ENOUGH: Duration = Duration::from_secs(4);

fn probed(script: &str) -> HealthCheck {
    HealthCheck::new(Command::argv(["sh", "-c", script]))
        .unwrap()
        .interval(QUICK)
        .timeout(PATIENCE)
        .retries(2)
}

fn health(container: &Container) -> Option<Health> {
    container.inspect().unwrap().health.map(|report| report.status)
}

fn until(container: &Container, wanted: Health) {
    eventually(&format!("{wanted:?}"), || health(container) == Some(wanted));
}

fn it_starts_becomes_healthy_unhealthy_and_healthy_again() {
    let lab = Lab::new();
    let spec = sh("a", "sleep 1000").health_check(probed("test -e /ok"));
    let container = lab.start(spec);
    assert_eq!(health(&container), Some(Health::Starting));
    until(&container, Health::Unhealthy);
    container.exec("touch /ok").unwrap();
    until(&container, Health::Healthy);
    container.exec("rm /ok").unwrap();
    until(&container, Health::Unhealthy);
    assert_eq!(container.status().unwrap(), Status::Running, "it is told, not ended");
    assert!(container.inspect().unwrap().health.unwrap().failing_streak >= 2);
    container.stop_within(Duration::ZERO).unwrap();
    assert_eq!(health(&container), None, "what has ended has no health");
}

fn the_last_five_probes_are_kept_with_their_output() {
    let lab = Lab::new();
    let script = "echo x >> /n; echo \"probe $(wc -l < /n)\"; echo oops >&2; exit 3";
    let container = lab.start(sh("a", "sleep 1000").health_check(probed(script)));
    let probes = || container.inspect().unwrap().health.unwrap().probes;
    eventually("seven probes", || probes().iter().any(|p| p.output.contains("probe 7\n")));
    let probes = probes();
    assert_eq!(probes.len(), 5);
    assert!(probes.iter().all(|probe| probe.exit_code == Some(3)));
    assert!(probes.iter().all(|probe| probe.output.ends_with("oops\n")));
    assert!(probes.windows(2).all(|pair| pair[0].finished_at <= pair[1].started_at));
    let log = container.logs().unwrap().read_to_string().unwrap();
    assert_eq!(log, "", "a probe's output is not the container's");
}

fn a_probe_that_takes_too_long_is_killed_and_counts_as_failed() {
    let lab = Lab::new();
    let check = probed("echo begun; sleep 1000 & sleep 1000").timeout(LONG_ENOUGH);
    let container = lab.start(sh("a", "sleep 1000").health_check(check.retries(1)));
    until(&container, Health::Unhealthy);
    let probe = container.inspect().unwrap().health.unwrap().probes.remove(0);
    assert_eq!(probe.exit_code, None);
    assert!(probe.output.contains("begun\nit was killed after 4 s"), "{}", probe.output);
}

fn a_probe_that_cannot_be_executed_says_why() {
    let lab = Lab::new();
    let check = HealthCheck::new("no-such-probe").unwrap().interval(QUICK).retries(1);
    let container = lab.start(sh("a", "sleep 1000").health_check(check));
    until(&container, Health::Unhealthy);
    let probe = container.inspect().unwrap().health.unwrap().probes.remove(0);
    assert!(probe.output.contains("no program \"no-such-probe\""), "{}", probe.output);
}

fn a_probe_that_writes_without_end_is_killed_and_holds_up_nobody() {
    let lab = Lab::new();
    let check = probed("yes").timeout(LONG_ENOUGH).retries(1);
    let container = lab.start(sh("a", "sleep 1000").health_check(check));
    until(&container, Health::Unhealthy);
    let probe = container.inspect().unwrap().health.unwrap().probes.remove(0);
    assert_eq!(probe.exit_code, None);
    assert!(probe.output.starts_with("y\ny\n") && probe.output.len() < 5000);
    container.attach().unwrap();
    container.stop_within(Duration::ZERO).unwrap();
}

fn a_pause_is_no_failure_of_the_probe_that_it_froze() {
    let lab = Lab::new();
    let shared = lab.folder("shared");
    let (begun, hold) = (shared.join("begun"), shared.join("hold"));
    std::fs::write(&hold, "").unwrap();
    let script = "echo x >> /s/begun; while [ -e /s/hold ]; do sleep 0.02; done";
    let spec = sh("a", "sleep 1000").volume(&format!("{}:/s", shared.display())).unwrap();
    let container = lab.start(spec.health_check(probed(script).timeout(LONG_ENOUGH).retries(1)));
    eventually("a probe that waits", || begun.exists());
    container.pause().unwrap();
    std::thread::sleep(LONG_ENOUGH * 2);
    std::fs::remove_file(hold).unwrap();
    container.resume().unwrap();
    until(&container, Health::Healthy);
    let report = container.inspect().unwrap().health.unwrap();
    assert!(report.probes.iter().all(|probe| probe.exit_code == Some(0)), "{report:?}");
}

fn in_the_start_period_failures_do_not_count() {
    let lab = Lab::new();
    let check = probed("echo x >> /n; exit 1").start_period(PATIENCE * 10);
    let container = lab.start(sh("a", "sleep 1000").health_check(check));
    eventually("four probes", || container.inspect().unwrap().health.unwrap().probes.len() >= 4);
    assert_eq!(health(&container), Some(Health::Starting));
}

fn restarting(script: &str) -> ContainerSpec {
    sh("a", "echo run; trap 'exit 0' TERM; while :; do sleep 0.02; done")
        .restart("on-failure".parse().unwrap())
        .health_check(probed(script).restart_unhealthy(true))
}

fn an_unhealthy_container_is_restarted_if_that_is_wanted() {
    let lab = Lab::new();
    let container = lab.start(restarting("exit 1"));
    eventually("two restarts", || container.inspect().unwrap().restarts >= 2);
    container.stop().unwrap();
    let log = container.logs().unwrap().render().unwrap();
    assert!(log.contains("=== Unhealthy: the command is ended"), "{log}");
    assert!(log.contains("=== Container exited with code 0 ==="), "{log}");
}

/// A program that starts a container with a health check and ends.
pub fn start_probed(root: &str) {
    let runtime = crate::lab::open(root);
    let spec = sh("a", "sleep 1000").health_check(probed("echo x >> /n"));
    runtime.create(spec).unwrap().start().unwrap();
    println!("started");
}

fn it_is_probed_on_when_its_program_has_ended() {
    let lab = Lab::new();
    let mut program = child("start-probed", lab.root());
    assert_eq!(program.line(), "started");
    program.child.wait().unwrap();
    let container = lab.runtime.get("a").unwrap();
    until(&container, Health::Healthy);
    let count = || std::fs::read(container.inspect().unwrap().rootfs.join("n")).unwrap().len();
    let before = count();
    eventually("another probe", || count() > before);
}

fn a_container_that_ends_takes_its_probe_along() {
    let lab = Lab::new();
    let check = probed("echo $$ > /pid; sleep 1000");
    let spec = sh("a", "sleep 1000").health_check(check).restart(RestartPolicy::Always);
    let container = lab.start(spec);
    let file = container.inspect().unwrap().rootfs.join("pid");
    eventually("a probe", || file.exists());
    let supervisor = parent_of(parent_of(container.inspect().unwrap().pid.unwrap()));
    container.kill(nix::libc::SIGUSR1).unwrap();
    eventually("a restart", || container.inspect().unwrap().restarts == 1);
    assert!(is_alive(supervisor));
    let children =
        std::fs::read_to_string(format!("/proc/{supervisor}/task/{supervisor}/children"));
    // Its init, and at most the helper of the next probe: no zombie of the last.
    assert!(children.unwrap().split_whitespace().count() <= 2);
}

fn a_probe_that_dies_with_its_container_does_not_count() {
    let lab = Lab::new();
    let mut events = lab.runtime.events().unwrap();
    let shared = lab.folder("shared");
    let volume = format!("{}:/s", shared.display());
    // A success, and so no reason to restart it, also if a probe is under way at the end.
    let check = probed("echo x >> /s/begun; sleep 1000").retries(1).restart_unhealthy(true);
    let script = "until [ -e /s/begun ]; do sleep 0.02; done; exit 0";
    let spec = sh("a", script).volume(&volume).unwrap().health_check(check);
    for round in 0..10 {
        let spec = spec.clone().named(&format!("c{round}")).restart("on-failure".parse().unwrap());
        let container = lab.start(spec);
        assert!(container.wait_timeout(PATIENCE).unwrap().success());
        assert_eq!(container.inspect().unwrap().restarts, 0);
        std::fs::remove_file(shared.join("begun")).unwrap();
    }
    while let Next::Item(event) = events.try_next().unwrap() {
        assert!(!matches!(event.kind, EventKind::HealthChanged { .. }), "{event:?}");
    }
}

fn a_probe_has_the_rights_of_the_container() {
    let lab = Lab::new();
    let fields = "grep -E '^(Cap|Seccomp:|NoNewPrivs)' /proc/self/status";
    let spec = sh("a", &format!("{fields}; sleep 1000")).health_check(probed(fields));
    let container = lab.start(spec);
    until(&container, Health::Healthy);
    let probe = container.inspect().unwrap().health.unwrap().probes.remove(0);
    assert_eq!(probe.output, container.logs().unwrap().read_to_string().unwrap());
}
