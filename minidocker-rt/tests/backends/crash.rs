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
    a_daemon_is_counted_and_ends_with_its_container,
    a_daemon_whose_supervisor_was_lost_is_found,
    no_orphan_is_left_a_zombie,
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

/// A program that makes a daemon in the usual way, by leaving its session and its parents, and
/// writes down its pid as the host counts it (by the name of a file that it holds locked).
fn daemon(name: &str, tag: u32, ends: bool) -> minidocker_rt::ContainerSpec {
    let code = format!(
        "import os, time\n\
         if os.fork() == 0:\n\
         \x20 os.setsid()\n\
         \x20 if os.fork() == 0:\n\
         \x20   memory = bytearray(48 << 20)\n\
         \x20   os.execvp('sleep', ['sleep', '{tag}'])\n\
         \x20 os._exit(0)\n\
         os.wait()\n\
         print('begun')\n\
         {}",
        if ends { "time.sleep(0.1)" } else { "time.sleep(1000)" }
    );
    python(name, &code)
}

/// The processes of this machine that sleep for `tag` seconds.
fn sleepers(tag: u32) -> usize {
    let wanted = format!("sleep\0{tag}\0").into_bytes();
    let folders = std::fs::read_dir("/proc").unwrap().flatten();
    folders
        .filter(|folder| std::fs::read(folder.path().join("cmdline")).is_ok_and(|c| c == wanted))
        .count()
}

fn a_daemon_is_counted_and_ends_with_its_container(lab: &Lab) {
    if !cfg!(target_os = "linux") {
        return;
    }
    let tag = 100_000 + std::process::id();
    let container = lab.start(daemon("a", tag, false));
    eventually("the daemon", || sleepers(tag) == 1);
    let processes = container.stats().unwrap().pids.current;
    assert_eq!(processes, 2, "the daemon is one of the container's");
    container.stop().unwrap();
    assert_eq!(sleepers(tag), 0, "it ends with a stop");

    let container = lab.start(daemon("b", tag, true));
    assert!(container.wait_timeout(PATIENCE).unwrap().success());
    assert_eq!(sleepers(tag), 0, "it ends when the command does");
}

fn a_daemon_whose_supervisor_was_lost_is_found(lab: &Lab) {
    if !cfg!(target_os = "linux") {
        return;
    }
    let tag = 200_000 + std::process::id();
    let container = lab.start(daemon("a", tag, false));
    eventually("the daemon", || sleepers(tag) == 1);
    kill(supervisor(&container, lab.root()));
    eventually("the loss", || container.status().unwrap() == Status::Error);
    container.delete_force().unwrap();
    assert_eq!(sleepers(tag), 0);
}

fn no_orphan_is_left_a_zombie(lab: &Lab) {
    if !cfg!(target_os = "linux") {
        return;
    }
    let code = "import os, time\n\
                for _ in range(20):\n\
                \x20 if os.fork() == 0:\n\
                \x20   os.fork()\n\
                \x20   os._exit(0)\n\
                \x20 os.wait()\n\
                print('begun')\n\
                time.sleep(1000)";
    let container = lab.start(python("a", code));
    eventually("its begin", || printed(&container) == "begun\n");
    let supervisor = supervisor(&container, lab.root()).to_string();
    // The fourth field of stat is the parent; a zombie has Z in the third.
    let zombies = || {
        let folders = std::fs::read_dir("/proc").unwrap().flatten();
        let stats = folders.filter_map(|folder| std::fs::read(folder.path().join("stat")).ok());
        let is_one = |stat: &Vec<u8>| {
            let text = String::from_utf8_lossy(stat);
            let rest = text.rsplit_once(") ").map_or("", |(_, rest)| rest);
            rest.starts_with(&format!("Z {supervisor} "))
        };
        stats.filter(is_one).count()
    };
    eventually("their reaping", || zombies() == 0);
}
