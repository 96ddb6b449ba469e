//! Restart policies.

use minidocker_rt::{ContainerSpec, Error, EventKind, Next, RestartPolicy, Status};

use crate::lab::{Lab, PATIENCE, child, eventually, is_alive, kill, sh, sleeper};
use crate::trials;

trials!(
    without_a_policy_an_end_is_the_end,
    on_failure_restarts_a_failure_and_not_a_success,
    on_failure_gives_up_after_the_number_given,
    always_restarts_also_a_success,
    a_stop_ends_it_while_it_runs_and_between_two_runs,
    a_kill_is_a_stop_and_another_signal_is_not,
    delete_with_force_ends_it,
    a_start_by_an_operator_counts_anew,
    a_run_of_ten_seconds_counts_anew,
    a_stop_between_two_runs_is_told_as_the_end,
    the_rootfs_is_kept_from_run_to_run,
    it_goes_on_when_the_program_has_ended,
    a_run_that_cannot_be_built_again_ends_it_with_the_reason,
    a_container_between_two_runs_is_alive,
);

fn policy(text: &str) -> RestartPolicy {
    text.parse().unwrap()
}

/// Counts its runs in a file of its rootfs.
fn counting(end: &str) -> ContainerSpec {
    sh("a", &format!("echo x >> /runs; echo \"run $(wc -l < /runs)\"; {end}"))
}

fn runs(container: &minidocker_rt::Container) -> usize {
    container.logs().unwrap().read_to_string().unwrap().lines().count()
}

fn without_a_policy_an_end_is_the_end() {
    let lab = Lab::new();
    let container = lab.start(counting("exit 1"));
    assert_eq!(container.wait_timeout(PATIENCE).unwrap().code, 1);
    assert_eq!((container.status().unwrap(), runs(&container)), (Status::Stopped, 1));
}

fn on_failure_restarts_a_failure_and_not_a_success() {
    let lab = Lab::new();
    let container = lab.start(counting("test $(wc -l < /runs) = 3").restart(policy("on-failure")));
    assert!(container.wait_timeout(PATIENCE).unwrap().success());
    let info = container.inspect().unwrap();
    assert_eq!((info.status, info.restarts, info.starts), (Status::Stopped, 2, 3));
    let text = container.logs().unwrap().render().unwrap();
    assert!(text.contains("=== Restart policy on-failure: starting again in 0.1 s ==="), "{text}");
    assert!(text.contains("starting again in 0.2 s"), "{text}");
    assert!(text.contains("run 3"), "{text}");
}

fn on_failure_gives_up_after_the_number_given() {
    let lab = Lab::new();
    let container = lab.start(counting("exit 7").restart(policy("on-failure:2")));
    assert_eq!(container.wait_timeout(PATIENCE).unwrap().code, 7);
    assert_eq!(container.inspect().unwrap().restarts, 2);
    assert_eq!(runs(&container), 3);
}

fn always_restarts_also_a_success() {
    let lab = Lab::new();
    let container = lab.start(counting("exit 0").restart(RestartPolicy::Always));
    eventually("three runs", || runs(&container) >= 3);
    container.stop().unwrap();
    assert_eq!(container.status().unwrap(), Status::Stopped);
}

fn a_stop_ends_it_while_it_runs_and_between_two_runs() {
    let lab = Lab::new();
    let container = lab.start(sleeper("a").restart(RestartPolicy::Always));
    container.stop().unwrap();
    assert_eq!(container.status().unwrap(), Status::Stopped);
    assert_eq!(container.inspect().unwrap().restarts, 0);

    let container = lab.start(sh("b", "exit 1").restart(RestartPolicy::UnlessStopped));
    // From the third on the waits are long enough to be met.
    eventually("a long wait", || {
        let info = container.inspect().unwrap();
        info.status == Status::Restarting && info.restarts >= 3
    });
    container.stop().unwrap();
    assert_eq!(container.status().unwrap(), Status::Stopped);
    assert_eq!(container.wait_timeout(PATIENCE).unwrap().code, 1);
}

fn a_kill_is_a_stop_and_another_signal_is_not() {
    let lab = Lab::new();
    let container = lab.start(sleeper("a").restart(RestartPolicy::Always));
    container.kill(nix::libc::SIGUSR1).unwrap();
    eventually("a restart", || {
        let info = container.inspect().unwrap();
        info.status == Status::Running && info.restarts == 1
    });
    container.kill(nix::libc::SIGKILL).unwrap();
    assert_eq!(container.wait_timeout(PATIENCE).unwrap().signal, Some(9));
    assert_eq!(container.status().unwrap(), Status::Stopped);
}

fn delete_with_force_ends_it() {
    let lab = Lab::new();
    for (name, script) in [("a", "sleep 1000"), ("b", "exit 1")] {
        let container = lab.start(sh(name, script).restart(RestartPolicy::Always));
        container.delete_force().unwrap();
        assert!(matches!(lab.runtime.get(name), Err(Error::NotFound { .. })));
    }
}

fn a_start_by_an_operator_counts_anew() {
    let lab = Lab::new();
    let container = lab.start(counting("exit 1").restart(policy("on-failure:1")));
    container.wait_timeout(PATIENCE).unwrap();
    container.start().unwrap();
    container.wait_timeout(PATIENCE).unwrap();
    let info = container.inspect().unwrap();
    assert_eq!((info.restarts, info.starts, runs(&container)), (1, 4, 4));
}

fn a_run_of_ten_seconds_counts_anew() {
    let lab = Lab::new();
    let end = "case $(wc -l < /runs) in 2) sleep 10.1;; 3) exit 0;; esac; exit 1";
    let container = lab.start(counting(end).restart(policy("on-failure:1")));
    assert!(container.wait_timeout(PATIENCE).unwrap().success());
    assert_eq!(container.inspect().unwrap().restarts, 2);
    let text = container.logs().unwrap().render().unwrap();
    assert_eq!(text.matches("starting again in 0.1 s").count(), 2, "the wait, too: {text}");
}

fn a_stop_between_two_runs_is_told_as_the_end() {
    let lab = Lab::new();
    let mut events = lab.runtime.events().unwrap();
    let container = lab.start(sh("a", "exit 1").restart(RestartPolicy::Always));
    eventually("a long wait", || {
        let info = container.inspect().unwrap();
        info.status == Status::Restarting && info.restarts >= 3
    });
    container.stop().unwrap();
    let mut last = None;
    while let Next::Item(event) = events.try_next().unwrap() {
        last = Some(event.kind);
    }
    assert_eq!(last, Some(EventKind::RestartCancelled));
}

fn the_rootfs_is_kept_from_run_to_run() {
    let lab = Lab::new();
    let container = lab.start(counting("exit 1").restart(policy("on-failure:2")));
    container.wait_timeout(PATIENCE).unwrap();
    let log = container.logs().unwrap().read_to_string().unwrap();
    assert_eq!(log, "run 1\nrun 2\nrun 3\n");
}

/// A program that starts a container and ends.
pub fn start_and_end(root: &str) {
    let runtime = crate::lab::open(root);
    let spec = sh("a", "sleep 0.3; exit 1").restart(RestartPolicy::Always);
    runtime.create(spec).unwrap().start().unwrap();
    println!("started");
}

fn it_goes_on_when_the_program_has_ended() {
    let lab = Lab::new();
    let mut program = child("start-and-end", lab.root());
    assert_eq!(program.line(), "started");
    program.child.wait().unwrap();
    let container = lab.runtime.get("a").unwrap();
    eventually("two restarts", || container.inspect().unwrap().restarts >= 2);
    container.stop_within(std::time::Duration::ZERO).unwrap();
}

fn a_run_that_cannot_be_built_again_ends_it_with_the_reason() {
    let lab = Lab::new();
    let volume = lab.folder("data");
    let spec = sh("a", "read go; exit 1")
        .stdin_open(true)
        .restart(RestartPolicy::Always)
        .volume(&format!("{}:/data", volume.display()))
        .unwrap();
    let container = lab.start(spec);
    std::fs::remove_dir(&volume).unwrap();
    container.attach().unwrap().input.close().unwrap();
    match container.wait_timeout(PATIENCE) {
        Err(Error::StartFailed { failure, .. }) => assert_eq!(failure.step, "volume-1"),
        other => panic!("{other:?}"),
    }
    assert_eq!(container.status().unwrap(), Status::Error);
}

fn a_container_between_two_runs_is_alive() {
    let lab = Lab::new();
    let container = lab.start(sh("a", "exit 1").restart(RestartPolicy::Always));
    eventually("a long wait", || {
        let info = container.inspect().unwrap();
        info.status == Status::Restarting && info.restarts >= 3
    });
    assert_eq!(container.inspect().unwrap().exit.unwrap().code, 1);
    assert!(matches!(container.start(), Err(Error::WrongState { .. })));
    assert!(matches!(container.kill(15), Err(Error::WrongState { .. })));
    assert!(matches!(container.clone().delete(), Err(Error::WrongState { .. })));
    // Killing its supervisor loses it, and that is told.
    let record = std::fs::read_to_string(lab.root().join("containers/a/status.json")).unwrap();
    let record: serde_json::Value = serde_json::from_str(&record).unwrap();
    let supervisor = record["supervisor"]["pid"].as_i64().unwrap() as i32;
    kill(supervisor);
    eventually("its end", || !is_alive(supervisor));
    assert_eq!(container.status().unwrap(), Status::Error);
    container.start().unwrap();
}
