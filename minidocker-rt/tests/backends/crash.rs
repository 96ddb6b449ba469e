//! Programs and supervisors that are killed.

use std::time::Duration;

use minidocker_rt::{BackendKind, Error, Status};

use crate::lab::{
    Lab, PATIENCE, child, eventually, is_alive, kill, open, printed, python, sleeper, supervisor,
};

crate::trials![
    a_container_outlives_the_program_that_started_it,
    its_time_is_over_also_when_the_program_that_started_it_was_killed,
    without_its_supervisor_a_container_is_lost_and_that_is_told,
    a_supervisor_that_is_lost_is_no_obstacle,
];

/// A program that starts a container and waits.
pub fn start(kind: BackendKind, root: &str) {
    let code = "import time\nprint('begun')\nwhile True:\n    time.sleep(0.01)\n    try: open('/tmp/go').close()\n    except OSError: continue\n    break\nprint('done'); raise SystemExit(5)";
    open(kind, root).create(python("a", code)).unwrap().start().unwrap();
    println!("started");
    std::thread::sleep(PATIENCE * 2);
}

fn a_container_outlives_the_program_that_started_it(lab: &Lab) {
    let mut program = child("start", lab);
    assert_eq!(program.line(), "started");
    program.child.kill().unwrap();
    program.child.wait().unwrap();
    let container = lab.runtime.get("a").unwrap();
    eventually("its begin", || printed(&container) == "begun\n");
    assert_eq!(container.status().unwrap(), Status::Running);
    container.files().write("/tmp/go", b"", Default::default()).unwrap();
    assert_eq!(container.wait_timeout(PATIENCE).unwrap().code, 5);
    assert_eq!(printed(&container), "begun\ndone\n");
}

/// A program that starts a container for a short time and waits.
pub fn start_for_a_second(kind: BackendKind, root: &str) {
    let spec = sleeper("a").timeout(Duration::from_secs(1));
    open(kind, root).create(spec).unwrap().start().unwrap();
    println!("started");
    std::thread::sleep(PATIENCE * 2);
}

fn its_time_is_over_also_when_the_program_that_started_it_was_killed(lab: &Lab) {
    let mut program = child("start-for-a-second", lab);
    assert_eq!(program.line(), "started");
    program.child.kill().unwrap();
    program.child.wait().unwrap();
    let exit = lab.runtime.get("a").unwrap().wait_timeout(PATIENCE).unwrap();
    assert!(exit.timed_out, "{exit}");
}

fn without_its_supervisor_a_container_is_lost_and_that_is_told(lab: &Lab) {
    let container = lab.start(sleeper("a"));
    let waiter = container.clone();
    let thread = std::thread::spawn(move || waiter.wait());
    kill(supervisor(&container, lab.root()));
    eventually("its loss", || container.status().unwrap() == Status::Error);
    let reason = container.inspect().unwrap().reason.unwrap();
    assert!(reason.contains("its supervisor was killed"), "{reason}");
    assert!(matches!(thread.join().unwrap(), Err(Error::HelperFailed { .. })));
    assert!(matches!(container.kill(9), Err(Error::WrongState { .. })));
    assert_eq!(container.stats().unwrap().pids.current, 0);
}

fn a_supervisor_that_is_lost_is_no_obstacle(lab: &Lab) {
    let container = lab.start(sleeper("a"));
    for _ in 0..3 {
        let command = container.inspect().unwrap().pid.unwrap() as u32;
        kill(supervisor(&container, lab.root()));
        eventually("its loss", || container.status().unwrap() == Status::Error);
        container.start().unwrap();
        assert_eq!(container.status().unwrap(), Status::Running);
        assert!(!is_alive(command), "what was left of it is ended");
    }
    let command = container.inspect().unwrap().pid.unwrap() as u32;
    kill(supervisor(&container, lab.root()));
    eventually("its loss", || container.status().unwrap() == Status::Error);
    container.stop_within(Duration::ZERO).unwrap();
    container.delete().unwrap();
    assert!(!is_alive(command));
}
