//! The life of a container, from create to delete.

use std::time::Duration;

use minidocker_rt::{Container, ContainerSpec, Error, Status, Stream};

use crate::lab::{Lab, PATIENCE, eventually, printed, python, sleeper};

crate::trials![
    a_command_runs_to_its_end_and_what_it_printed_stays,
    exit_codes_are_told,
    the_manuals_commands_run,
    a_program_that_does_not_exist_is_named,
    a_start_that_fails_leaves_a_container_that_can_be_deleted,
    what_makes_no_sense_in_a_state_is_refused,
    a_stop_asks_the_command_first,
    a_command_that_does_not_listen_is_killed_after_the_grace_period,
    the_earliest_end_of_several_stops_counts,
    a_kill_is_told_as_such,
    a_restart_begins_anew_and_keeps_the_files,
    what_it_left_running_ends_with_it,
    a_wait_can_be_limited,
    deleted_with_force_while_it_runs,
    ten_at_once,
    the_environment_is_the_containers_own,
    the_working_directory_is_made,
];

fn a_command_runs_to_its_end_and_what_it_printed_stays(lab: &Lab) {
    let container = lab.create(python("a", "import sys; print('out'); sys.stderr.write('err\\n')"));
    assert_eq!(container.status().unwrap(), Status::Created);
    container.start().unwrap();
    let exit = container.wait_timeout(PATIENCE).unwrap();
    assert!(exit.success(), "{exit}");
    assert_eq!(container.status().unwrap(), Status::Stopped);
    for (stream, expected) in [(Stream::Stdout, "out"), (Stream::Stderr, "err")] {
        let text = container.logs().unwrap().stream(stream).read_to_string().unwrap();
        assert_eq!(text.trim_end(), expected);
    }
    let info = container.inspect().unwrap();
    assert_eq!((info.starts, info.exit, info.pid), (1, Some(exit), None));
    assert!(info.finished_at >= info.started_at);
    container.delete().unwrap();
    assert!(matches!(lab.runtime.get("a"), Err(Error::NotFound { .. })));
}

fn exit_codes_are_told(lab: &Lab) {
    for code in [0, 1, 3, 42] {
        let (exit, _) = lab.run(python("a", &format!("import sys; sys.exit({code})")));
        assert_eq!((exit.code, exit.signal, exit.oom_killed), (code, None, false));
    }
}

fn the_manuals_commands_run(lab: &Lab) {
    for (command, expected) in [
        (r#"python -c "print('Hello from Mini Docker!')""#, "Hello from Mini Docker!\n"),
        (
            r#"python -c "for i in range(1, 4): print(f'Number {i}')""#,
            "Number 1\nNumber 2\nNumber 3\n",
        ),
        (
            r#"python -c "with open('test.txt', 'w') as f: f.write('Hello!'); print('made')""#,
            "made\n",
        ),
    ] {
        assert_eq!(lab.run(ContainerSpec::new("a", command)).1, expected, "{command}");
    }
}

fn a_program_that_does_not_exist_is_named(lab: &Lab) {
    let container = lab.create(ContainerSpec::new("a", "no-such-program --flag"));
    match container.start() {
        Err(Error::StartFailed { failure, .. }) => {
            assert_eq!(failure.step, "exec");
            assert!(failure.to_string().contains("no program \"no-such-program\""), "{failure}");
            assert!(!failure.hint.is_empty());
        }
        other => panic!("{other:?}"),
    }
    let info = container.inspect().unwrap();
    assert_eq!(info.status, Status::Error);
    assert!(info.reason.unwrap().contains("no-such-program"));
    assert!(container.logs().unwrap().render().unwrap().contains("did not start"));
}

fn a_start_that_fails_leaves_a_container_that_can_be_deleted(lab: &Lab) {
    let volume = lab.folder("data");
    let spec = sleeper("a").volume(&format!("{}:/data", volume.display())).unwrap();
    let container = lab.create(spec);
    std::fs::remove_dir(&volume).unwrap();
    match container.start() {
        Err(Error::StartFailed { failure, .. }) => assert_eq!(failure.step, "volume-1"),
        other => panic!("{other:?}"),
    }
    assert_eq!(container.status().unwrap(), Status::Error);
    std::fs::create_dir(&volume).unwrap();
    container.start().unwrap();
    assert_eq!(container.status().unwrap(), Status::Running);
    container.stop_within(Duration::ZERO).unwrap();
    container.delete().unwrap();
}

fn what_makes_no_sense_in_a_state_is_refused(lab: &Lab) {
    let container = lab.create(sleeper("a"));
    assert!(matches!(lab.runtime.create(sleeper("a")), Err(Error::NameInUse { .. })));
    assert!(matches!(container.wait(), Err(Error::WrongState { .. })));
    assert!(matches!(container.kill(9), Err(Error::WrongState { .. })));
    assert!(matches!(container.resume(), Err(Error::WrongState { .. })));
    container.stop().unwrap();
    container.start().unwrap();
    assert!(matches!(container.start(), Err(Error::WrongState { .. })));
    assert!(matches!(container.clone().delete(), Err(Error::WrongState { .. })));
    assert!(matches!(container.kill(12345), Err(Error::InvalidSpec { field: "signal", .. })));
}

fn a_stop_asks_the_command_first(lab: &Lab) {
    if cfg!(windows) {
        return;
    }
    let code = "import signal, sys, time\n\
                signal.signal(signal.SIGTERM, lambda *_: (print('bye'), sys.exit(7)))\n\
                print('ready')\n\
                time.sleep(1000)";
    let container = lab.start(python("a", code));
    eventually("ready", || printed(&container) == "ready\n");
    container.stop_within(PATIENCE).unwrap();
    assert_eq!(container.wait().unwrap().code, 7);
    assert_eq!(printed(&container), "ready\nbye\n");
}

fn a_command_that_does_not_listen_is_killed_after_the_grace_period(lab: &Lab) {
    let code = "import signal, time\n\
                signal.signal(signal.SIGTERM, signal.SIG_IGN)\n\
                print('ready')\n\
                time.sleep(1000)";
    let container = lab.start(python("a", code));
    eventually("ready", || printed(&container) == "ready\n");
    container.stop_within(Duration::from_millis(200)).unwrap();
    assert!(container.wait().unwrap().signal.is_some());
    assert_eq!(container.status().unwrap(), Status::Stopped);
}

fn the_earliest_end_of_several_stops_counts(lab: &Lab) {
    // Not on Windows, where nothing asks a command to end.
    if cfg!(windows) {
        return;
    }
    let code = "import signal, time\n\
                signal.signal(signal.SIGTERM, lambda *_: print('asked'))\n\
                print('ready')\n\
                while True: time.sleep(1000)";
    let hour = Duration::from_secs(3600);
    let enders: [fn(&Container); 5] = [
        |container| container.stop_within(Duration::ZERO).unwrap(),
        |container| container.stop_within(Duration::from_millis(100)).unwrap(),
        |container| container.restart_within(Duration::ZERO).unwrap(),
        |container| container.clone().delete_force().unwrap(),
        // Stopped by somebody else meanwhile, one that is being restarted is stopped afterwards.
        |container| {
            container.restart_within(Duration::ZERO).unwrap();
            container.stop_within(Duration::ZERO).unwrap();
        },
    ];
    for (number, end) in enders.into_iter().enumerate() {
        for restarted in [false, true] {
            let container = lab.start(python(&format!("c{number}-{restarted}"), code));
            eventually("ready", || printed(&container) == "ready\n");
            let longer = container.clone();
            let thread = std::thread::spawn(move || match restarted {
                true => longer.restart_within(hour),
                false => longer.stop_within(hour),
            });
            eventually("the long stop", || printed(&container) == "ready\nasked\n");
            let began = std::time::Instant::now();
            end(&container);
            assert!(began.elapsed() < PATIENCE, "it waited for the long one");
            // Deleted before it got to its second half, a restart has nothing to start.
            match thread.join().unwrap() {
                Ok(()) | Err(Error::NotFound { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }
}

fn a_kill_is_told_as_such(lab: &Lab) {
    let container = lab.start(sleeper("a"));
    container.kill(9).unwrap();
    let exit = container.wait_timeout(PATIENCE).unwrap();
    assert_eq!((exit.code, exit.signal), (137, Some(9)));
    let log = container.logs().unwrap().render().unwrap();
    assert!(log.ends_with("=== Container exited with code 137 ===\n"), "{log}");
}

fn a_restart_begins_anew_and_keeps_the_files(lab: &Lab) {
    let code = "import os, time\n\
                print('again' if os.path.exists('/tmp/x') else 'first')\n\
                open('/tmp/x', 'w').close()\n\
                time.sleep(1000)";
    let container = lab.start(python("a", code));
    eventually("first", || printed(&container) == "first\n");
    // The file is made after the line is printed.
    eventually("the file", || container.files().stat("/tmp/x").is_ok());
    container.restart_within(Duration::ZERO).unwrap();
    eventually("again", || printed(&container) == "first\nagain\n");
    let info = container.inspect().unwrap();
    assert_eq!((info.starts, info.restarts), (2, 0));
}

fn what_it_left_running_ends_with_it(lab: &Lab) {
    let code = "import subprocess, sys\n\
                sleeper = [sys.executable, '-c', 'import time; time.sleep(1000)']\n\
                print(subprocess.Popen(sleeper).pid)";
    let container = lab.start(python("a", code));
    assert!(container.wait_timeout(PATIENCE).unwrap().success());
    if lab.is_simulation() {
        let pid: u32 = printed(&container).trim().parse().unwrap();
        eventually("its end", || !crate::lab::is_alive(pid));
    }
}

fn a_wait_can_be_limited(lab: &Lab) {
    let container = lab.start(sleeper("a"));
    let waited = container.wait_timeout(Duration::from_millis(20));
    assert!(matches!(waited, Err(Error::Timeout { .. })), "{waited:?}");
    let waiter = container.clone();
    let thread = std::thread::spawn(move || waiter.wait());
    container.kill(9).unwrap();
    assert_eq!(thread.join().unwrap().unwrap().code, 137);
}

fn deleted_with_force_while_it_runs(lab: &Lab) {
    let container = lab.start(sleeper("a"));
    container.delete_force().unwrap();
    assert!(lab.runtime.list().unwrap().is_empty());
}

fn ten_at_once(lab: &Lab) {
    std::thread::scope(|scope| {
        for number in 0..10 {
            scope.spawn(move || {
                let (exit, output) =
                    lab.run(python(&format!("c{number}"), &format!("print({number})")));
                assert!(exit.success());
                assert_eq!(output, format!("{number}\n"));
            });
        }
    });
}

fn the_environment_is_the_containers_own(lab: &Lab) {
    let code = "import os; print(os.environ.get('MODE'), os.environ['HOSTNAME'], \
                os.environ.get('CARGO_MANIFEST_DIR'))";
    let (_, output) = lab.run(python("web", code).env("MODE", "production"));
    assert_eq!(output, "production web None\n");
}

fn the_working_directory_is_made(lab: &Lab) {
    let spec = python("a", "open('here', 'w').write('x')").working_dir("/app/work");
    let container = lab.start(spec);
    assert!(container.wait_timeout(PATIENCE).unwrap().success());
    assert_eq!(container.files().read("/app/work/here", 10).unwrap(), b"x");
}
