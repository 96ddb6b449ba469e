//! Pause and resume.

use std::time::Duration;

use minidocker_rt::{Container, Error, Status};

use crate::lab::{Lab, PATIENCE, eventually, printed, python};

crate::trials![
    a_paused_container_does_nothing_and_goes_on_where_it_was,
    all_its_processes_stand_still,
    a_paused_container_can_be_stopped_and_killed,
];

const COUNTER: &str = "import itertools, time\n\
                       for i in itertools.count(): print(i); time.sleep(0.01)";

fn counted(container: &Container) -> usize {
    printed(container).lines().count()
}

/// Its output does not grow any more, once what was on its way has arrived.
fn stands_still(container: &Container) {
    let mut before = counted(container);
    eventually("the last words", || {
        std::thread::sleep(Duration::from_millis(100));
        let now = counted(container);
        std::mem::replace(&mut before, now) == now
    });
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(counted(container), before);
}

fn a_paused_container_does_nothing_and_goes_on_where_it_was(lab: &Lab) {
    let container = lab.start(python("a", COUNTER));
    eventually("some counting", || counted(&container) > 3);
    container.pause().unwrap();
    assert_eq!(container.status().unwrap(), Status::Paused);
    assert!(matches!(container.pause(), Err(Error::WrongState { .. })));
    stands_still(&container);
    let before = counted(&container);
    container.resume().unwrap();
    assert_eq!(container.status().unwrap(), Status::Running);
    eventually("more counting", || counted(&container) > before + 3);
    container.kill(9).unwrap();
    container.wait_timeout(PATIENCE).unwrap();
    let numbers: Vec<usize> =
        printed(&container).lines().filter_map(|line| line.parse().ok()).collect();
    assert!(numbers.iter().enumerate().all(|(index, number)| index == *number), "{numbers:?}");
}

fn all_its_processes_stand_still(lab: &Lab) {
    let code = format!(
        "import subprocess, sys, time\n\
         subprocess.Popen([sys.executable, '-u', '-c', {COUNTER:?}])\n\
         time.sleep(1000)"
    );
    let container = lab.start(python("a", &code));
    eventually("some counting", || counted(&container) > 3);
    container.pause().unwrap();
    stands_still(&container);
    container.resume().unwrap();
    let before = counted(&container);
    eventually("more counting", || counted(&container) > before + 3);
}

fn a_paused_container_can_be_stopped_and_killed(lab: &Lab) {
    for by_stop in [true, false] {
        let container = lab.start(python("a", COUNTER));
        container.pause().unwrap();
        if by_stop {
            container.stop_within(PATIENCE).unwrap();
        } else {
            container.kill(9).unwrap();
        }
        let exit = container.wait_timeout(PATIENCE).unwrap();
        assert!(exit.signal.is_some(), "{exit}");
        assert_eq!(container.status().unwrap(), Status::Stopped);
        container.delete().unwrap();
    }
}
