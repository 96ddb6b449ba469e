//! SIGKILL of anything at any moment: what is told afterwards is true, and what is left
//! is removed by the next operation.

use std::time::Duration;

use minidocker_rt::{Error, Runtime, Status};

use crate::lab::{Lab, cgroups_of, child, eventually, family, helpers_of, is_alive, kill, sleeper};

crate::trials![
    a_container_outlives_its_program,
    a_killed_spawner_is_replaced,
    a_killed_supervisor_takes_its_container_along_and_start_works_again,
    a_lost_container_can_be_deleted,
    a_killed_init_ends_the_container,
    a_killed_command_ends_the_container,
    kills_at_any_moment_leave_a_true_state_and_no_orphans,
    two_programs_share_one_root,
    a_damaged_status_is_told_and_can_be_deleted_or_started_anew,
    a_damaged_specification_does_not_hide_the_others,
];

/// The scenario of a program that starts a container and then only lives.
pub fn start_and_wait(root: &str) {
    let runtime = crate::lab::open(root);
    let container = runtime.create(sleeper("theirs")).unwrap();
    container.start().unwrap();
    println!("started");
    let _ = std::io::stdin().read_line(&mut String::new());
    println!("{}", container.status().unwrap());
}

/// What another program sees that opens the root afresh.
fn seen_afresh(lab: &Lab, name: &str) -> Status {
    Runtime::open(lab.root()).unwrap().get(name).unwrap().status().unwrap()
}

fn a_container_outlives_its_program() {
    let lab = Lab::new();
    let mut program = child("start-and-wait", lab.root());
    assert_eq!(program.line(), "started");
    let container = lab.runtime.get("theirs").unwrap();
    let family = family(&container);
    program.child.kill().unwrap();
    program.child.wait().unwrap();
    eventually("the spawner ends with its program", || !is_alive(family.spawner));
    assert_eq!(seen_afresh(&lab, "theirs"), Status::Running);
    assert!(is_alive(family.command));
    container.stop().unwrap();
    assert_eq!(container.wait().unwrap().code, 143);
}

fn a_killed_spawner_is_replaced() {
    let lab = Lab::new();
    let first = lab.start(sleeper("a"));
    let family = family(&first);
    kill(family.spawner);
    eventually("the spawner is dead", || !is_alive(family.spawner));
    assert_eq!(seen_afresh(&lab, "a"), Status::Running, "its containers go on");
    lab.start(sleeper("b"));
    assert_eq!(seen_afresh(&lab, "b"), Status::Running);
    first.stop().unwrap();
    assert_eq!(first.wait().unwrap().code, 143);
}

fn a_killed_supervisor_takes_its_container_along_and_start_works_again() {
    let lab = Lab::new();
    let container = lab.start(sleeper("a"));
    let family = family(&container);
    kill(family.supervisor);
    eventually("the kernel ends the container", || !is_alive(family.command));
    assert_eq!(seen_afresh(&lab, "a"), Status::Error);
    let reason = container.inspect().unwrap().reason.unwrap();
    assert!(reason.contains("supervisor was killed"), "{reason}");
    assert!(
        matches!(container.wait(), Err(Error::HelperFailed { .. })),
        "nobody knows how it ended"
    );
    container.start().unwrap();
    assert_eq!(container.status().unwrap(), Status::Running);
    container.stop().unwrap();
}

fn a_lost_container_can_be_deleted() {
    let lab = Lab::new();
    let container = lab.start(sleeper("a"));
    let family = family(&container);
    kill(family.supervisor);
    eventually("the supervisor is dead", || !is_alive(family.supervisor));
    let id = container.id().clone();
    assert!(!cgroups_of(id.as_str()).is_empty(), "the cgroups are left for somebody to remove");
    container.delete().unwrap();
    assert!(cgroups_of(id.as_str()).is_empty());
}

fn a_killed_init_ends_the_container() {
    let lab = Lab::new();
    let container = lab.start(sleeper("a"));
    let family = family(&container);
    kill(family.init);
    let exit = container.wait().unwrap();
    assert_eq!((exit.code, exit.signal), (137, Some(9)));
    assert!(!is_alive(family.command));
    assert_eq!(seen_afresh(&lab, "a"), Status::Stopped);
}

fn a_killed_command_ends_the_container() {
    let lab = Lab::new();
    let container = lab.start(sleeper("a"));
    kill(family(&container).command);
    let exit = container.wait().unwrap();
    assert_eq!((exit.code, exit.signal, exit.oom_killed), (137, Some(9), false));
}

fn kills_at_any_moment_leave_a_true_state_and_no_orphans() {
    let lab = Lab::new();
    // A fixed sequence of pseudo-random numbers (xorshift), so that a failure repeats.
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move |below: u64| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed % below
    };
    for round in 0..40 {
        let container = lab.create(sleeper(&format!("round-{round}")));
        let starter = {
            let container = container.clone();
            std::thread::spawn(move || container.start())
        };
        std::thread::sleep(Duration::from_micros(random(15_000)));
        let helpers = helpers_of(lab.root());
        if !helpers.is_empty() {
            let victim = helpers[random(helpers.len() as u64) as usize];
            // It may have ended by itself since it was listed.
            let _ = nix::sys::signal::kill(
                nix::unistd::Pid::from_raw(victim),
                nix::sys::signal::SIGKILL,
            );
        }
        let started = starter.join().unwrap();
        let status = seen_afresh(&lab, container.name().as_str());
        if started.is_err() {
            eventually("a failed start is never told as running", || {
                seen_afresh(&lab, container.name().as_str()) != Status::Running
            });
        }
        // Whatever the state is, a forced delete works and leaves nothing.
        let id = container.id().clone();
        container.delete_force().unwrap_or_else(|error| panic!("round {round}, {status}: {error}"));
        assert!(cgroups_of(id.as_str()).is_empty(), "round {round}, {status}");
    }
}

fn two_programs_share_one_root() {
    let lab = Lab::new();
    let mut program = child("start-and-wait", lab.root());
    assert_eq!(program.line(), "started");
    let theirs = lab.runtime.get("theirs").unwrap();
    assert_eq!(theirs.status().unwrap(), Status::Running);
    assert!(matches!(lab.runtime.create(sleeper("theirs")), Err(Error::NameInUse { .. })));
    assert!(matches!(theirs.start(), Err(Error::WrongState { .. })));
    theirs.stop().unwrap();
    use std::io::Write;
    program.child.stdin.take().unwrap().write_all(b"\n").unwrap();
    assert_eq!(program.line(), "stopped", "they see what we did");
}

fn a_damaged_status_is_told_and_can_be_deleted_or_started_anew() {
    let lab = Lab::new();
    for start_anew in [true, false] {
        let container = lab.start(sleeper("a"));
        let family = family(&container);
        kill(family.supervisor);
        eventually("the container is dead", || !is_alive(family.command));
        let id = container.id().clone();
        // A power cut in the middle of a write, on a filesystem that is not careful.
        let status = container.inspect().unwrap().rootfs.with_file_name("status.json");
        std::fs::write(status, "{\"phase\":").unwrap();
        let info = container.inspect().unwrap();
        assert_eq!(info.status, Status::Error);
        assert!(info.reason.unwrap().contains("status.json"));
        if start_anew {
            container.start().unwrap();
            assert_eq!(container.status().unwrap(), Status::Running);
        }
        container.delete_force().unwrap();
        assert!(cgroups_of(id.as_str()).is_empty());
    }
}

fn a_damaged_specification_does_not_hide_the_others() {
    let lab = Lab::new();
    let damaged = lab.create(sleeper("damaged"));
    lab.create(sleeper("whole"));
    let folder = damaged.inspect().unwrap().rootfs.parent().unwrap().to_path_buf();
    std::fs::write(folder.join("spec.json"), "").unwrap();
    let listed = lab.runtime.list().unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].name().as_str(), "whole");
    assert_eq!(lab.runtime.names().unwrap().len(), 2);
    let error = lab.runtime.get("damaged").unwrap_err();
    assert!(error.hint().contains(&folder.display().to_string()), "{}", error.hint());
    std::fs::remove_dir_all(folder).unwrap();
}
