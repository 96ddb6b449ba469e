//! The states of a container and the ways between them.

use std::time::{Duration, Instant};

use minidocker_rt::{Command, ContainerSpec, Error, Isolation, Status, Stream};

use crate::lab::{Lab, PATIENCE, eventually, family, is_alive, sh, sleeper};

crate::trials![
    from_created_to_running_to_stopped,
    exit_codes_and_signals_are_told_apart,
    start_returns_after_the_exec,
    a_program_that_is_not_there_fails_the_start,
    a_file_that_is_no_program_fails_the_start,
    stop_asks_first_and_then_kills,
    a_stop_that_is_heeded_is_quick,
    stop_works_without_init_too,
    signals_reach_the_command,
    restart_runs_it_anew,
    what_makes_no_sense_is_refused,
    delete_needs_force_while_it_runs,
    a_name_is_free_again_after_delete,
    wait_has_a_timeout,
    output_is_kept_apart_by_stream,
    output_without_a_line_end_and_binary_output_survive,
    a_lot_of_output_arrives_whole,
    output_that_waits_when_the_end_comes_is_not_lost,
    the_log_has_the_manuals_shape,
    output_of_a_daemonised_child_does_not_hold_the_end_up,
    a_process_of_any_name_is_alive,
];

/// The kernel keeps 15 bytes of a name: of this one, seven letters and a half.
fn a_process_of_any_name_is_alive() {
    let lab = Lab::new();
    for (container, name) in [("a", "измеритель"), ("b", "x) Z 0 (y"), ("c", "two\nlines\\ 1 2")]
    {
        let script = "printf '#!/bin/sh\necho ready; while :; do sleep 1000; done\n' > \"/tmp/$1\"; \
                      chmod +x \"/tmp/$1\"; exec \"/tmp/$1\"";
        let words = ["sh", "-c", script, "sh", name];
        let container = lab.start(ContainerSpec::new(container, Command::argv(words)));
        eventually("it is called so", || container.logs().unwrap().read().unwrap() == b"ready\n");
        let comm = || {
            let pid = container.inspect().unwrap().pid.expect("it has a pid");
            std::fs::read(format!("/proc/{pid}/comm")).unwrap()
        };
        assert!(comm().starts_with(&name.as_bytes()[..name.len().min(15)]));
        assert_eq!(container.status().unwrap(), Status::Running);
        assert!(container.exec("true").unwrap().exit.success());
        container.pause().unwrap();
        container.resume().unwrap();
        assert!(container.stats().unwrap().uptime_seconds.is_some());
        container.stop_within(Duration::ZERO).unwrap();
        assert_eq!(container.inspect().unwrap().exit.unwrap().signal, Some(9));
    }
}

fn from_created_to_running_to_stopped() {
    let lab = Lab::new();
    let container = lab.create(sh("a", "read line; exit 3"));
    let info = container.inspect().unwrap();
    assert_eq!(info.status, Status::Created);
    assert!(info.started_at.is_none() && info.pid.is_none() && info.exit.is_none());
    container.start().unwrap();
    assert_eq!(container.wait().unwrap().code, 3, "standard input is empty, not the terminal");
    let info = container.inspect().unwrap();
    assert_eq!(info.status, Status::Stopped);
    assert!(info.started_at < info.finished_at && info.pid.is_none());
}

fn exit_codes_and_signals_are_told_apart() {
    let lab = Lab::new();
    let (exit, _) = lab.run(sh("a", "exit 42"));
    assert_eq!((exit.code, exit.signal), (42, None));
    let (exit, _) = lab.run(sh("b", "kill -9 $$"));
    assert_eq!((exit.code, exit.signal), (137, Some(9)));
    let (exit, _) = lab.run(sh("c", "kill -SEGV $$"));
    assert_eq!((exit.code, exit.signal), (139, Some(11)));
    let (exit, _) = lab.run(sh("d", "exit 137"));
    assert_eq!((exit.code, exit.signal), (137, None), "an exit code that only looks like it");
    let (exit, _) = lab.run(sh("e", "exit 7").init(false));
    assert_eq!((exit.code, exit.signal), (7, None));
}

fn start_returns_after_the_exec() {
    let lab = Lab::new();
    let container = lab.start(sleeper("a"));
    let pid = container.inspect().unwrap().pid.unwrap();
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap();
    assert_eq!(line, b"sleep\x001000\0", "the process is the program already");
    assert_eq!(container.status().unwrap(), Status::Running);
}

fn failed_exec(spec: minidocker_rt::ContainerSpec) -> Box<minidocker_rt::StepFailure> {
    let lab = Lab::new();
    let container = lab.create(spec);
    let Err(Error::StartFailed { failure, .. }) = container.start() else { panic!("it started") };
    let info = container.inspect().unwrap();
    assert_eq!(info.status, Status::Error);
    assert!(info.reason.unwrap().contains("exec"), "the reason is kept");
    let log = container.logs().unwrap().render().unwrap();
    assert!(log.contains("=== Container did not start: step exec"), "{log}");
    failure
}

fn a_program_that_is_not_there_fails_the_start() {
    let failure = failed_exec(minidocker_rt::ContainerSpec::new("a", "no-such-program --x"));
    assert_eq!((failure.step.as_str(), failure.errno), ("exec", Some(2)));
    assert!(failure.to_string().contains("no-such-program"), "{failure}");
    assert!(failure.hint.contains("spelling"), "{}", failure.hint);
    let failure = failed_exec(minidocker_rt::ContainerSpec::new("a", "/no/such/program"));
    let call = "execve(\"/no/such/program\", [\"/no/such/program\"], ";
    assert!(failure.call.starts_with(call), "{failure}");
}

fn a_file_that_is_no_program_fails_the_start() {
    let failure = failed_exec(minidocker_rt::ContainerSpec::new("a", "/etc/passwd"));
    assert_eq!((failure.step.as_str(), failure.errno), ("exec", Some(13)));
    assert!(failure.hint.contains("executable"), "{}", failure.hint);
}

fn stop_asks_first_and_then_kills() {
    let lab = Lab::new();
    let container = lab.start(sh("a", "trap 'echo asked' TERM; while :; do sleep 0.05; done"));
    eventually("the trap is set", || {
        let pid = container.inspect().unwrap().pid.unwrap();
        crate::lab::status_field(pid, "SigCgt")
            .is_some_and(|set| set.ends_with("4002") || set.ends_with("4000"))
    });
    container.stop_within(Duration::from_secs(2)).unwrap();
    let exit = container.wait().unwrap();
    assert_eq!((exit.code, exit.signal), (137, Some(9)));
    assert_eq!(container.logs().unwrap().read_to_string().unwrap(), "asked\n");
    container.stop().unwrap();
    assert_eq!(container.status().unwrap(), Status::Stopped, "to stop twice is no error");
}

fn a_stop_that_is_heeded_is_quick() {
    let lab = Lab::new();
    let container = lab.start(sleeper("a"));
    let start = Instant::now();
    container.stop().unwrap();
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    let exit = container.wait().unwrap();
    assert_eq!((exit.code, exit.signal, exit.oom_killed), (143, Some(15), false));
}

fn stop_works_without_init_too() {
    let lab = Lab::new();
    // PID 1 ignores SIGTERM unless it handles it: only the kill ends it.
    let container = lab.start(sleeper("a").init(false));
    container.stop_within(Duration::from_millis(200)).unwrap();
    assert_eq!(container.wait().unwrap().signal, Some(9));
    let container = lab.start(
        sleeper("b").isolation(Isolation { pid: false, ..Isolation::default() }).init(false),
    );
    container.stop().unwrap();
    assert_eq!(container.wait().unwrap().signal, Some(15));
}

fn signals_reach_the_command() {
    let lab = Lab::new();
    let script = "trap 'echo hup; exit 5' HUP; echo ready; while :; do sleep 0.05; done";
    let container = lab.start(sh("a", script));
    eventually("it is ready", || {
        container.logs().unwrap().read_to_string().unwrap().contains("ready")
    });
    container.kill(1).unwrap();
    assert_eq!(container.wait_timeout(PATIENCE).unwrap().code, 5);
    assert!(matches!(container.kill(1), Err(Error::WrongState { .. })));

    // Sent to a helper by hand, as `kill` or a shutdown would: passed on.
    for (name, to_init) in [("b", true), ("c", false)] {
        let container = lab.start(sh(name, script));
        eventually("it is ready", || {
            container.logs().unwrap().read_to_string().unwrap().contains("ready")
        });
        let family = family(&container);
        let target = if to_init { family.init } else { family.supervisor };
        let target = nix::unistd::Pid::from_raw(target);
        nix::sys::signal::kill(target, nix::sys::signal::SIGHUP).unwrap();
        assert_eq!(container.wait_timeout(PATIENCE).unwrap().code, 5, "{name}");
    }
    let container = lab.start(sleeper("d"));
    assert!(matches!(container.kill(4711), Err(Error::InvalidSpec { field: "signal", .. })));
}

fn restart_runs_it_anew() {
    let lab = Lab::new();
    let container = lab.start(sleeper("a"));
    let first = container.inspect().unwrap();
    container.restart().unwrap();
    let second = container.inspect().unwrap();
    assert_eq!(second.status, Status::Running);
    assert_ne!(first.pid, second.pid);
    assert_eq!((first.starts, second.starts), (1, 2));
    assert!(!is_alive(first.pid.unwrap()));
    let fresh = lab.create(sleeper("b"));
    fresh.restart().unwrap();
    assert_eq!(fresh.status().unwrap(), Status::Running);
}

fn what_makes_no_sense_is_refused() {
    let lab = Lab::new();
    let container = lab.create(sleeper("a"));
    let state = |result: minidocker_rt::Result<()>| match result {
        Err(error @ Error::WrongState { .. }) => {
            assert!(!error.hint().is_empty());
            error.to_string()
        }
        other => panic!("{other:?}"),
    };
    assert!(state(container.kill(15)).contains("created"));
    assert!(matches!(container.wait(), Err(Error::WrongState { .. })));
    container.stop().unwrap();
    container.start().unwrap();
    assert_eq!(state(container.start()), "cannot start container \"a\": it is running");
    match lab.runtime.create(sleeper("a")) {
        Err(error @ Error::NameInUse { .. }) => assert_eq!(error.code(), "name_in_use"),
        other => panic!("{other:?}"),
    }
    for name in ["b", "", "../a", "a/b"] {
        assert!(matches!(lab.runtime.get(name), Err(Error::NotFound { .. })), "{name:?}");
    }
    assert!(lab.runtime.create(minidocker_rt::ContainerSpec::new("", "true")).is_err());
    assert_eq!(lab.runtime.list().unwrap().len(), 1);
}

fn delete_needs_force_while_it_runs() {
    let lab = Lab::new();
    let container = lab.start(sleeper("a"));
    assert!(matches!(container.clone().delete(), Err(Error::WrongState { .. })));
    let pid = container.inspect().unwrap().pid.unwrap();
    container.clone().delete_force().unwrap();
    assert!(!is_alive(pid));
    assert!(matches!(container.inspect(), Err(Error::NotFound { .. })));
    assert!(matches!(container.start(), Err(Error::NotFound { .. })));
    assert!(lab.runtime.list().unwrap().is_empty());
}

fn a_name_is_free_again_after_delete() {
    let lab = Lab::new();
    let old = lab.create(sh("a", "echo old"));
    old.clone().delete().unwrap();
    let new = lab.start(sh("a", "echo new"));
    new.wait().unwrap();
    assert!(matches!(old.start(), Err(Error::NotFound { .. })), "the old handle is dead");
    assert!(matches!(old.delete_force(), Err(Error::NotFound { .. })));
    assert_eq!(new.logs().unwrap().read_to_string().unwrap(), "new\n");
}

fn wait_has_a_timeout() {
    let lab = Lab::new();
    let container = lab.start(sleeper("a"));
    let start = Instant::now();
    let result = container.wait_timeout(Duration::from_millis(50));
    assert!(matches!(result, Err(Error::Timeout { .. })), "{result:?}");
    assert!(start.elapsed() >= Duration::from_millis(50));
    container.kill(9).unwrap();
    assert_eq!(container.wait_timeout(Duration::MAX).unwrap().code, 137, "as good as for ever");
    container.stop_within(Duration::MAX).unwrap();
}

fn output_is_kept_apart_by_stream() {
    let lab = Lab::new();
    let container = lab.start(sh("a", "echo out; echo err >&2; echo out2"));
    container.wait().unwrap();
    let logs = container.logs().unwrap();
    let read = |stream| logs.clone().stream(stream).read_to_string().unwrap();
    assert_eq!(read(Stream::Stdout), "out\nout2\n");
    assert_eq!(read(Stream::Stderr), "err\n");
    // Together they are in the order in which they were read, which across two pipes is
    // only nearly that in which they were written.
    let mut both: Vec<String> = logs.read_to_string().unwrap().lines().map(String::from).collect();
    both.sort();
    assert_eq!(both, ["err", "out", "out2"]);
}

fn output_without_a_line_end_and_binary_output_survive() {
    let lab = Lab::new();
    let container = lab.start(sh("a", "printf 'a\\0b\\377c\\r\\n\\nend'"));
    container.wait().unwrap();
    assert_eq!(container.logs().unwrap().read().unwrap(), b"a\0b\xffc\r\n\nend");
    let rendered = container.logs().unwrap().render().unwrap();
    assert!(rendered.ends_with("end\n=== Container exited with code 0 ===\n"), "{rendered:?}");
}

fn a_lot_of_output_arrives_whole() {
    let lab = Lab::new();
    let (exit, output) = lab.run(sh("a", "seq 1 200000"));
    assert!(exit.success());
    assert_eq!(output.lines().count(), 200_000);
    assert!(output.lines().enumerate().all(|(index, line)| line == (index + 1).to_string()));
}

fn output_that_waits_when_the_end_comes_is_not_lost() {
    use nix::sys::signal::{Signal, kill};
    let lab = Lab::new();
    let folder = lab.folder("data");
    let script = "until test -e /data/go; do sleep 0.02; done; head -c 60000 /dev/zero";
    let container =
        lab.start(sh("a", script).volume(&format!("{}:/data", folder.display())).unwrap());
    let family = family(&container);
    let supervisor = nix::unistd::Pid::from_raw(family.supervisor);
    // The supervisor sleeps while the command writes a pipe full and ends.
    kill(supervisor, Signal::SIGSTOP).unwrap();
    std::fs::write(folder.join("go"), "").unwrap();
    eventually("the container has ended", || !is_alive(family.init));
    kill(supervisor, Signal::SIGCONT).unwrap();
    assert!(container.wait_timeout(PATIENCE).unwrap().success());
    assert_eq!(container.logs().unwrap().read().unwrap().len(), 60_000);
}

fn the_log_has_the_manuals_shape() {
    let lab = Lab::new();
    let command = "python -c \"print('Hello from Mini Docker!')\"";
    let container = lab.start(minidocker_rt::ContainerSpec::new("hello", command));
    container.wait().unwrap();
    let log = container.logs().unwrap().render().unwrap();
    let lines: Vec<&str> = log.lines().collect();
    let opening = format!("=== Container {} started at 20", container.id().short());
    assert!(lines[0].starts_with(&opening) && lines[0].ends_with(" ==="), "{log}");
    assert_eq!(lines[1], format!("Command: {command}"));
    assert_eq!(lines[2..], ["Hello from Mini Docker!", "=== Container exited with code 0 ==="]);
}

fn output_of_a_daemonised_child_does_not_hold_the_end_up() {
    let lab = Lab::new();
    let container = lab.start(sh("a", "sleep 1000 & echo done"));
    assert!(container.wait_timeout(PATIENCE).unwrap().success());
    assert_eq!(container.logs().unwrap().read_to_string().unwrap(), "done\n");
}
