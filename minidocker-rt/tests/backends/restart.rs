//! Restart policies, and what becomes of containers whose supervisor was lost.

use std::time::Duration;

use minidocker_rt::{RestartPolicy, Status};

use crate::lab::{Lab, PATIENCE, eventually, kill, printed, python, sleeper, supervisor};

crate::trials![
    on_failure_tries_so_often,
    success_is_not_tried_again,
    always_goes_on_until_it_is_stopped,
    between_two_runs_it_can_be_stopped,
    what_was_lost_is_revived,
];

fn on_failure_tries_so_often(lab: &Lab) {
    let spec = python("a", "print('run'); raise SystemExit(1)");
    let container = lab.start(spec.restart("on-failure:2".parse().unwrap()));
    assert_eq!(container.wait_timeout(PATIENCE).unwrap().code, 1);
    let info = container.inspect().unwrap();
    assert_eq!((info.restarts, info.starts, info.status), (2, 3, Status::Stopped));
    assert_eq!(printed(&container), "run\nrun\nrun\n");
    let log = container.logs().unwrap().render().unwrap();
    assert!(log.contains("=== Restart policy on-failure:2: starting again in 0.1 s ==="), "{log}");
}

fn success_is_not_tried_again(lab: &Lab) {
    let spec = python("a", "print('run')").restart("on-failure".parse().unwrap());
    assert_eq!(lab.run(spec).1, "run\n");
}

fn always_goes_on_until_it_is_stopped(lab: &Lab) {
    let container = lab.start(python("a", "print('run')").restart(RestartPolicy::Always));
    eventually("two restarts", || container.inspect().unwrap().restarts >= 2);
    container.stop().unwrap();
    assert_eq!(container.status().unwrap(), Status::Stopped);
    let runs = printed(&container);
    assert!(!container.status().unwrap().is_alive());
    assert_eq!(printed(&container), runs);
}

fn between_two_runs_it_can_be_stopped(lab: &Lab) {
    let spec = python("a", "raise SystemExit(1)").restart(RestartPolicy::Always);
    let container = lab.start(spec);
    eventually("a long wait", || {
        let info = container.inspect().unwrap();
        info.status == Status::Restarting && info.restarts >= 2
    });
    container.stop_within(Duration::ZERO).unwrap();
    assert_eq!(container.status().unwrap(), Status::Stopped);
}

fn what_was_lost_is_revived(lab: &Lab) {
    let container = lab.start(sleeper("a").restart(RestartPolicy::UnlessStopped));
    lab.start(sleeper("b"));
    let stopped = lab.start(sleeper("c").restart(RestartPolicy::UnlessStopped));
    stopped.stop_within(Duration::ZERO).unwrap();
    for container in lab.runtime.list().unwrap() {
        if container.status().unwrap() == Status::Running {
            kill(supervisor(&container, lab.root()));
            eventually("its loss", || container.status().unwrap() == Status::Error);
        }
    }
    let recovered = lab.runtime.recover().unwrap();
    assert_eq!(recovered.len(), 2);
    assert!(recovered.iter().all(|one| one.cleaned.is_ok()));
    let revived = lab.runtime.revive().unwrap();
    let names: Vec<&str> = revived.iter().map(|one| one.container.name().as_str()).collect();
    assert_eq!(names, ["a"]);
    assert_eq!(container.status().unwrap(), Status::Running);
}
