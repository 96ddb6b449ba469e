//! Pause and resume: that nothing runs in between, and that nothing is lost.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use minidocker_rt::{
    Container, ContainerSpec, Error, Isolation, PidsLimit, Runtime, Status, WriteOptions,
};

use crate::lab::{
    Lab, PATIENCE, cgroup_value, cgroups_of, eventually, family, is_alive, kill, sh, sleeper,
};

crate::trials![
    a_paused_container_stands_still_and_goes_on_where_it_was,
    pausing_what_does_not_run_is_refused,
    another_programs_freeze_is_seen_and_can_be_resumed,
    pause_and_resume_are_told_to_the_journal,
    a_paused_container_can_be_stopped_and_still_has_its_say,
    a_signal_reaches_a_paused_container_when_it_is_resumed,
    a_paused_container_is_killed_without_running_on,
    a_paused_container_can_be_deleted_whatever_its_isolation,
    a_paused_container_can_be_restarted,
    a_container_that_was_paused_when_its_supervisor_was_lost_can_be_started,
    a_paused_container_whose_init_is_killed_is_understood,
    a_fork_bomb_can_be_paused,
];

/// Counts as fast as it can, into a file of its rootfs.
fn counter(name: &str) -> ContainerSpec {
    sh(name, "i=0; while :; do i=$((i+1)); echo $i > /count; done")
}

/// What was counted so far; none at the moment at which the file is empty.
fn count(container: &Container) -> Option<u64> {
    let file = container.inspect().unwrap().rootfs.join("count");
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

fn start_counting(lab: &Lab, spec: ContainerSpec) -> Container {
    let container = lab.start(spec);
    eventually("it counts", || count(&container).is_some_and(|count| count > 10));
    container
}

fn frozen_in_the_kernel(container: &Container) -> bool {
    ["FROZEN", "1"].contains(&cgroup_value(container, "freezer.state", "cgroup.freeze").as_str())
}

fn a_paused_container_stands_still_and_goes_on_where_it_was() {
    let lab = Lab::new();
    let container = start_counting(&lab, counter("a"));
    container.pause().unwrap();
    let paused_at = count(&container);
    assert_eq!(container.status().unwrap(), Status::Paused);
    assert!(frozen_in_the_kernel(&container));
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(count(&container), paused_at);

    container.resume().unwrap();
    assert_eq!(container.status().unwrap(), Status::Running);
    assert!(!frozen_in_the_kernel(&container));
    let mut last = paused_at.unwrap_or(0);
    assert!(paused_at.is_none() || last > 10);
    for _ in 0..3 {
        eventually("it counts on", || {
            let now = count(&container).unwrap_or(last);
            assert!(now >= last, "it fell back from {last} to {now}");
            now > last && {
                last = now;
                true
            }
        });
    }
}

fn pausing_what_does_not_run_is_refused() {
    let lab = Lab::new();
    let container = lab.create(sleeper("a"));
    let refused = |result: minidocker_rt::Result<()>, wanted: Status| match result {
        Err(Error::WrongState { status, .. }) => assert_eq!(status, wanted),
        other => panic!("{other:?}"),
    };
    refused(container.pause(), Status::Created);
    container.start().unwrap();
    refused(container.resume(), Status::Running);
    container.pause().unwrap();
    refused(container.pause(), Status::Paused);
    refused(container.start(), Status::Paused);
    refused(container.clone().delete(), Status::Paused);
    container.stop_within(Duration::ZERO).unwrap();
    refused(container.pause(), Status::Stopped);
    refused(container.resume(), Status::Stopped);
}

fn freezer_file(container: &Container) -> (PathBuf, [&'static str; 2]) {
    let find = |name| {
        let cgroups = cgroups_of(container.id().as_str());
        cgroups.into_iter().map(|path| path.join(name)).find(|file| file.exists())
    };
    match find("freezer.state") {
        Some(file) => (file, ["FROZEN", "THAWED"]),
        None => (find("cgroup.freeze").unwrap(), ["1", "0"]),
    }
}

fn another_programs_freeze_is_seen_and_can_be_resumed() {
    let lab = Lab::new();
    let container = lab.start(sleeper("a"));
    let (file, [freeze, thaw]) = freezer_file(&container);
    fs::write(&file, freeze).unwrap();
    let seen = || Runtime::open(lab.root()).unwrap().get("a").unwrap().status().unwrap();
    eventually("the freeze is seen", || seen() == Status::Paused);
    container.resume().unwrap();
    assert_eq!(seen(), Status::Running);

    container.pause().unwrap();
    fs::write(&file, thaw).unwrap();
    eventually("the thaw is seen", || seen() == Status::Running);
    container.stop().unwrap();
}

fn pause_and_resume_are_told_to_the_journal() {
    let lab = Lab::new();
    let container = lab.start(sleeper("a"));
    container.pause().unwrap();
    assert!(container.pause().is_err());
    container.resume().unwrap();
    let journal = fs::read_to_string(lab.root().join("events")).unwrap();
    let told = |event: &str| {
        let event = format!("\"event\":\"{event}\"");
        journal.lines().filter(|line| line.contains(&event)).count()
    };
    assert_eq!((told("paused"), told("resumed")), (1, 1), "{journal}");
}

fn a_paused_container_can_be_stopped_and_still_has_its_say() {
    let lab = Lab::new();
    let script = "trap 'echo bye; exit 3' TERM; touch /ready; sleep 1000 & wait";
    let container = lab.start(sh("a", script));
    let ready = container.inspect().unwrap().rootfs.join("ready");
    eventually("the trap is set", || ready.exists());
    container.pause().unwrap();
    container.stop_within(PATIENCE).unwrap();
    assert_eq!(container.wait().unwrap().code, 3);
    assert_eq!(container.logs().unwrap().read_to_string().unwrap(), "bye\n");
}

fn a_signal_reaches_a_paused_container_when_it_is_resumed() {
    let lab = Lab::new();
    let container = lab.start(sleeper("a"));
    container.pause().unwrap();
    container.kill(nix::libc::SIGTERM).unwrap();
    assert_eq!(container.status().unwrap(), Status::Paused);
    container.resume().unwrap();
    assert_eq!(container.wait_timeout(PATIENCE).unwrap().signal, Some(nix::libc::SIGTERM));
}

fn a_paused_container_is_killed_without_running_on() {
    let lab = Lab::new();
    for (round, init) in [true, false].into_iter().cycle().take(6).enumerate() {
        // The counter is a child: nobody but the kill of the whole cgroup can know of it.
        let name = format!("a{round}");
        let script = "(i=0; while :; do i=$((i+1)); echo $i > /count; done) & wait";
        let container = start_counting(&lab, sh(&name, script).init(init));
        container.pause().unwrap();
        let paused_at = count(&container);
        if round < 3 {
            container.kill(nix::libc::SIGKILL).unwrap();
        } else {
            container.stop_within(Duration::ZERO).unwrap();
        }
        assert_eq!(container.wait_timeout(PATIENCE).unwrap().code, 137);
        assert_eq!(count(&container), paused_at);
    }
}

fn a_paused_container_can_be_deleted_whatever_its_isolation() {
    let lab = Lab::new();
    let no_pid = Isolation { pid: false, ..Isolation::default() };
    let many = "for i in 1 2 3; do sleep 1000 & done; wait";
    for (name, spec) in [
        ("plain", sh("plain", many)),
        ("no-init", sh("no-init", many).init(false)),
        ("no-pid", sh("no-pid", many).isolation(no_pid)),
        ("no-init-no-pid", sh("no-init-no-pid", many).init(false).isolation(no_pid)),
    ] {
        let container = lab.start(spec);
        container.pause().unwrap();
        let id = container.id().clone();
        container.delete_force().unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(cgroups_of(id.as_str()).is_empty(), "{name}");
    }
}

fn a_paused_container_can_be_restarted() {
    let lab = Lab::new();
    let container = lab.start(sleeper("a"));
    container.pause().unwrap();
    container.restart().unwrap();
    assert_eq!(container.status().unwrap(), Status::Running);
    container.pause().unwrap();
    container.resume().unwrap();
    container.stop().unwrap();
}

fn a_container_that_was_paused_when_its_supervisor_was_lost_can_be_started() {
    let lab = Lab::new();
    let container = lab.start(sleeper("a"));
    container.pause().unwrap();
    let family = family(&container);
    kill(family.supervisor);
    eventually("the supervisor is dead", || !is_alive(family.supervisor));
    assert_eq!(container.status().unwrap(), Status::Error);
    container.start().unwrap();
    assert!(!is_alive(family.command), "nothing of the first run is left");
    assert_eq!(container.status().unwrap(), Status::Running);
    container.stop().unwrap();
}

/// Init is not frozen and can be killed; on cgroup v1 what it cared for cannot die before it
/// is resumed. Its files are out of reach then, which is told at once.
fn a_paused_container_whose_init_is_killed_is_understood() {
    let lab = Lab::new();
    let container = lab.start(sleeper("a"));
    container.pause().unwrap();
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(family(&container).init),
        nix::sys::signal::SIGKILL,
    )
    .unwrap();
    let written = || container.files().write("/written", b"x", WriteOptions::default());
    eventually("the end of init", || {
        container.status().unwrap() != Status::Paused || written().is_err()
    });
    match written() {
        Ok(()) => assert_eq!(container.status().unwrap(), Status::Stopped),
        Err(Error::WrongState { status: Status::Paused, .. }) => container.resume().unwrap(),
        other => panic!("{other:?}"),
    }
    assert_eq!(container.wait_timeout(PATIENCE).unwrap().code, 137);
}

fn a_fork_bomb_can_be_paused() {
    let lab = Lab::new();
    let limit = PidsLimit::at_most(40).unwrap();
    let container = lab.start(sh("bomb", "f() { f | f & }; f; exec sleep 100").pids_limit(limit));
    eventually("the bomb reaches its limit", || {
        let refused = cgroup_value(&container, "pids.events", "pids.events");
        refused.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() > 0
    });
    container.pause().unwrap();
    let members = || {
        let (file, _) = freezer_file(&container);
        fs::read_to_string(file.with_file_name("cgroup.procs")).unwrap()
    };
    let paused = members();
    assert!(!paused.is_empty());
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(members(), paused, "nothing is born and nothing dies");
    container.delete_force().unwrap();
}
