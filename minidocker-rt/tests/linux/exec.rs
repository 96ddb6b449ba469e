//! Commands in a running container.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use minidocker_rt::{
    Command, Container, ContainerSpec, Error, Exec, ExecOutput, Isolation, Status, TerminalSize,
};

use crate::lab::{
    Lab, PATIENCE, cgroups_of, eventually, family, is_alive, kill, sh, sleeper, status_field,
};
use crate::trials;

trials!(
    it_is_in_the_namespaces_and_the_cgroup_of_the_container,
    it_has_the_rights_of_the_first_command,
    it_sees_the_files_the_environment_and_the_folder_of_the_container,
    environment_folder_and_user_can_be_others,
    each_stream_and_the_exit_code_come_back,
    what_is_given_as_input_is_read,
    a_program_that_is_not_there_is_told,
    bad_values_are_refused,
    many_arguments_and_variables_arrive,
    what_the_kernel_would_not_take_is_refused_with_its_number,
    a_timeout_is_honoured_whatever_keeps_the_streams_open,
    a_timeout_is_honoured_in_a_container_that_is_paused_meanwhile,
    what_it_leaves_in_the_background_is_not_waited_for,
    too_much_output_is_cut_and_told,
    a_terminal_has_its_size_from_the_start_and_can_be_resized,
    ctrl_c_is_typed_on_a_terminal,
    the_exit_code_is_known_when_the_stream_has_ended,
    a_streamed_command_is_written_to_and_read_from,
    dropping_it_kills_it_and_detaching_does_not,
    it_dies_with_its_container,
    without_a_pid_namespace_it_dies_with_its_container_too,
    a_killed_helper_takes_it_along_and_is_told,
    what_does_not_run_is_refused,
    commands_begun_while_the_container_stops_are_killed_or_refused,
    fifty_at_once,
    it_counts_against_the_limits,
    no_descriptor_of_ours_leaks_into_it,
    it_works_without_each_isolation_feature,
    it_works_without_our_init,
);

fn script(text: &str) -> Exec {
    Exec::new(Command::argv(["sh", "-c", text]))
}

fn run(container: &Container, text: &str) -> ExecOutput {
    container.exec(script(text).timeout(PATIENCE)).unwrap()
}

fn out(container: &Container, text: &str) -> String {
    let output = run(container, text);
    assert!(output.exit.success(), "{}: {}", output.exit, output.stderr_text());
    output.stdout_text()
}

fn it_is_in_the_namespaces_and_the_cgroup_of_the_container() {
    let lab = Lab::new();
    let container = lab.start(sleeper("a"));
    let first = container.inspect().unwrap().pid.unwrap();
    let command =
        container.exec_start(script("read go; readlink /proc/self/ns/*").stdin_piped()).unwrap();
    for namespace in ["mnt", "pid", "uts", "ipc", "net", "cgroup"] {
        let of = |pid| std::fs::read_link(format!("/proc/{pid}/ns/{namespace}")).unwrap();
        assert_eq!(of(command.pid()), of(first), "{namespace}");
    }
    let of = |pid| std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    assert_eq!(of(command.pid()), of(first));
    assert!(of(first).contains("minidocker-"));
    assert_eq!(out(&container, "hostname").trim(), "a");
}

fn it_has_the_rights_of_the_first_command() {
    let lab = Lab::new();
    let fields = "grep -E '^(Cap|Seccomp|NoNewPrivs|Uid|Gid|Groups|SigBlk|SigIgn)' \
                  /proc/self/status; cat /proc/self/limits /proc/self/oom_score_adj; umask";
    let container = lab.start(sh("a", &format!("{fields}; sleep 1000")));
    let first = || container.logs().unwrap().read_to_string().unwrap();
    let second = out(&container, fields);
    eventually("the first's lines", || first().len() >= second.len());
    assert_eq!(first(), second);
}

fn it_sees_the_files_the_environment_and_the_folder_of_the_container() {
    let lab = Lab::new();
    let spec =
        sh("a", "echo text > /file; echo ready; sleep 1000").env("MODE", "dev").working_dir("/srv");
    let container = lab.start(spec);
    eventually("ready", || !container.logs().unwrap().read().unwrap().is_empty());
    assert_eq!(out(&container, "cat /file; echo $MODE; pwd"), "text\ndev\n/srv\n");
    out(&container, "echo more >> /file");
    let file = container.inspect().unwrap().rootfs.join("file");
    assert_eq!(std::fs::read_to_string(file).unwrap(), "text\nmore\n");
}

fn environment_folder_and_user_can_be_others() {
    let lab = Lab::new();
    let container = lab.start(sleeper("a").env("MODE", "dev"));
    let exec = script("echo $MODE $EXTRA; pwd; id -u; id -g; ls /root >/dev/null || echo no")
        .env("MODE", "test")
        .env("EXTRA", "x=y")
        .working_dir("/tmp")
        .user("1000:1001".parse().unwrap());
    let output = container.exec(exec).unwrap();
    assert_eq!(output.stdout_text(), "test x=y\n/tmp\n1000\n1001\nno\n");
}

fn each_stream_and_the_exit_code_come_back() {
    let lab = Lab::new();
    let container = lab.start(sleeper("a"));
    let output = run(&container, "echo out; echo err >&2; exit 7");
    assert_eq!((output.stdout_text(), output.stderr_text()), ("out\n".into(), "err\n".into()));
    assert_eq!((output.exit.code, output.exit.signal), (7, None));
    let output = run(&container, "kill -TERM $$");
    assert_eq!((output.exit.code, output.exit.signal), (143, Some(15)));
    let output = container.exec("true").unwrap();
    assert!(output.exit.success() && output.stdout.is_empty() && !output.truncated);
    let whole = run(&container, "head -c 3000000 /dev/zero; head -c 200000 /dev/zero >&2");
    assert_eq!((whole.stdout.len(), whole.stderr.len()), (3_000_000, 200_000));
}

fn what_is_given_as_input_is_read() {
    let lab = Lab::new();
    let container = lab.start(sleeper("a"));
    assert_eq!(out(&container, "cat"), "");
    let big = vec![b'x'; 1_000_000];
    let output = container.exec(Exec::new("wc -c").stdin(big.clone())).unwrap();
    assert_eq!(output.stdout_text().trim(), "1000000");
    // One that does not read it all is no failure.
    assert!(container.exec(Exec::new("true").stdin(big)).unwrap().exit.success());
}

fn a_program_that_is_not_there_is_told() {
    let lab = Lab::new();
    let container = lab.start(sleeper("a"));
    match container.exec("nothing-like-this --x") {
        Err(Error::ExecFailed { name, failure }) => {
            assert_eq!((name.as_str(), failure.step.as_str()), ("a", "exec"));
            assert_eq!(failure.errno, Some(nix::libc::ENOENT));
            assert!(failure.hint.contains("spelling"), "{}", failure.hint);
        }
        other => panic!("{other:?}"),
    }
    let failed = container.exec(Exec::new("true").working_dir("/proc/1/nothing"));
    assert!(
        matches!(failed, Err(Error::ExecFailed { failure, .. }) if failure.step == "working-dir")
    );
    assert_eq!(container.status().unwrap(), Status::Running);
}

/// More than fits into a message between our processes.
fn many_arguments_and_variables_arrive() {
    let lab = Lab::new();
    let words: Vec<String> =
        ["sh", "-c", "echo $# ${#A} ${#B} ${#C}; echo oops >&2", "sh"].map(String::from).into();
    let words = [words, vec!["a".repeat(100_000); 10]].concat();
    let value = "v".repeat(100_000);
    let spec = ["A", "B", "C"]
        .iter()
        .fold(ContainerSpec::new("a", Command::argv(words.clone())), |spec, name| {
            spec.env(name, &value)
        });
    assert_eq!(lab.run(spec).1, "10 100000 100000 100000\noops\n");
    let container = lab.start(sleeper("b"));
    let exec = ["A", "B", "C"]
        .iter()
        .fold(Exec::new(Command::argv(words.clone())), |exec, name| exec.env(name, &value));
    let output = container.exec(exec.timeout(PATIENCE)).unwrap();
    assert_eq!(output.stdout_text(), "10 100000 100000 100000\n");
    // What fails is told as it is, however long the command.
    let missing = Command::argv([vec!["no-such-program".into()], words[4..].to_vec()].concat());
    let Err(Error::ExecFailed { failure, .. }) = container.exec(Exec::new(missing.clone())) else {
        panic!("it was executed")
    };
    assert_eq!(failure.errno, Some(nix::libc::ENOENT));
    assert!(failure.call.len() < 5_000, "{}", failure.call.len());
    let first = lab.create(ContainerSpec::new("c", missing));
    let Err(Error::StartFailed { failure, .. }) = first.start() else { panic!("it started") };
    assert_eq!((failure.step.as_str(), failure.errno), ("exec", Some(nix::libc::ENOENT)));
}

fn what_the_kernel_would_not_take_is_refused_with_its_number() {
    let lab = Lab::new();
    let container = lab.start(sleeper("a"));
    let word = || Command::argv(["true".to_string(), "a".repeat(200_000)]);
    let refused = [
        container.exec(Exec::new(word())).unwrap_err(),
        container.exec(Exec::new("true").env("A", &"a".repeat(200_000))).unwrap_err(),
        lab.runtime.create(ContainerSpec::new("b", word())).unwrap_err(),
        lab.runtime
            .create(ContainerSpec::new("b", Command::argv(vec!["a".repeat(100_000); 80])))
            .unwrap_err(),
    ];
    for error in refused {
        assert_eq!(error.code(), "invalid_spec");
        let text = error.to_string();
        let limit = ["131071", "2097152", "6291456"].iter().any(|number| text.contains(number));
        assert!(limit && text.len() < 400, "{text}");
    }
    // 2.5 MB: more than a stack of the usual size has room for, which only the exec knows.
    let words = [vec!["true".to_string()], vec!["a".repeat(100_000); 25]].concat();
    match container.exec(Exec::new(Command::argv(words))) {
        Err(Error::ExecFailed { failure, .. }) => {
            assert_eq!(failure.errno, Some(nix::libc::E2BIG));
            assert!(failure.hint.contains("stack"), "{}", failure.hint);
        }
        // Where this machine's stack is larger.
        output => assert!(output.unwrap().exit.success()),
    }
}

fn bad_values_are_refused() {
    let lab = Lab::new();
    let container = lab.start(sleeper("a"));
    for exec in
        [Exec::new(""), Exec::new("true").env("A B", "x"), Exec::new("true").working_dir("x")]
    {
        assert!(matches!(container.exec(exec), Err(Error::InvalidSpec { .. })));
    }
}

/// Executes what never ends by itself, with a time that is enough for it to write something
/// on this machine.
fn until_its_time_is_over(container: &Container, exec: &Exec) -> ExecOutput {
    [300, 3000, 30_000]
        .into_iter()
        .map(|time| container.exec(exec.clone().timeout(Duration::from_millis(time))).unwrap())
        .inspect(|output| assert!(output.timed_out))
        .find(|output| !output.stdout.is_empty())
        .expect("half a minute is enough")
}

fn a_timeout_is_honoured_whatever_keeps_the_streams_open() {
    let lab = Lab::new();
    let container = lab.start(sleeper("a"));
    let text = "echo before; (sleep 1000; echo late) & setsid sleep 1000 & sleep 1000";
    let output = until_its_time_is_over(&container, &script(text));
    assert_eq!((output.exit.signal, output.stdout_text()), (Some(9), "before\n".into()));
    // Its process group has gone with it; what left the group is the container's affair.
    eventually("the end of the group", || {
        let left = out(&container, "ps -eo args 2>/dev/null || ps -o args");
        left.matches("sleep 1000").count() <= 2
    });
    let output = until_its_time_is_over(&container, &Exec::new("yes").output_limit(1000));
    assert!(output.truncated && output.stdout.len() == 1000);
}

fn a_timeout_is_honoured_in_a_container_that_is_paused_meanwhile() {
    let lab = Lab::new();
    let container = lab.start(sleeper("a"));
    let exec = script("echo before; echo x > /begun; sleep 1000; echo late > /late");
    let begun = || container.files().stat("/begun").is_ok();
    let began = Instant::now();
    // With a time that is enough for it to begin on this machine.
    let output = [1, 5, 30].into_iter().find_map(|seconds| {
        std::thread::scope(|scope| {
            let exec = exec.clone().timeout(Duration::from_secs(seconds));
            let running = scope.spawn(|| container.exec(exec));
            eventually("its begin or its end", || begun() || running.is_finished());
            let paused = begun().then(|| container.pause().unwrap());
            let output = running.join().unwrap().unwrap();
            paused.map(|()| output)
        })
    });
    let output = output.expect("half a minute is enough to begin");
    assert!(began.elapsed() < PATIENCE * 2, "{:?}", began.elapsed());
    assert_eq!((output.timed_out, output.stdout_text().as_str()), (true, "before\n"));
    assert_eq!((output.exit.code, output.exit.signal), (137, Some(9)));
    container.resume().unwrap();
    eventually("its end", || !out(&container, "ps -o args").contains("/late"));
}

fn what_it_leaves_in_the_background_is_not_waited_for() {
    let lab = Lab::new();
    let container = lab.start(sleeper("a"));
    let output = run(&container, "sleep 1000 & echo done");
    assert_eq!(output.stdout_text(), "done\n");
    assert!(!output.timed_out);
}

fn too_much_output_is_cut_and_told() {
    let lab = Lab::new();
    let container = lab.start(sleeper("a"));
    let output = container.exec(script("seq 100000; exit 5").output_limit(10)).unwrap();
    assert_eq!((output.stdout_text().as_str(), output.truncated), ("1\n2\n3\n4\n5\n", true));
    assert_eq!(output.exit.code, 5, "it was read to its end all the same");
}

/// Reads until the terminal has shown a text.
fn read_until(terminal: &mut minidocker_rt::Terminal, wanted: &str) -> String {
    let (mut seen, mut buffer) = (Vec::new(), [0; 1024]);
    loop {
        let text = String::from_utf8_lossy(&seen).into_owned();
        if text.contains(wanted) {
            return text;
        }
        let count = terminal.read(&mut buffer).unwrap();
        assert!(count > 0, "it ended before {wanted:?}: {text:?}");
        seen.extend_from_slice(&buffer[..count]);
    }
}

fn a_terminal_has_its_size_from_the_start_and_can_be_resized() {
    let lab = Lab::new();
    let container = lab.start(sleeper("a"));
    let size = TerminalSize { rows: 33, columns: 111 };
    let text = "stty size; trap 'stty size' WINCH; echo ready; while :; do sleep 0.05; done";
    let mut process = container.exec_start(script(text).tty(size)).unwrap();
    let terminal = process.terminal.as_mut().unwrap();
    assert!(read_until(terminal, "ready").starts_with("33 111\r\n"));
    terminal.resize(TerminalSize { rows: 50, columns: 200 }).unwrap();
    read_until(terminal, "50 200");
    process.kill();
    assert_eq!(process.wait_timeout(PATIENCE).unwrap().signal, Some(9));
    let output = container.exec(script("test -t 0 && tty; echo $TERM").tty(size)).unwrap();
    let text = output.stdout_text();
    assert!(text.starts_with("/dev/pts/") && text.ends_with("\r\nxterm\r\n"), "{text:?}");
}

fn ctrl_c_is_typed_on_a_terminal() {
    let lab = Lab::new();
    let container = lab.start(sleeper("a"));
    let exec = script("echo ready; exec sleep 1000").tty(TerminalSize::default());
    let mut process = container.exec_start(exec).unwrap();
    let terminal = process.terminal.as_mut().unwrap();
    read_until(terminal, "ready");
    terminal.write_all(b"\x03").unwrap();
    assert_eq!(process.wait_timeout(PATIENCE).unwrap().signal, Some(2));
}

fn the_exit_code_is_known_when_the_stream_has_ended() {
    let lab = Lab::new();
    let container = lab.start(sleeper("a"));
    for code in 0..20 {
        let mut process = container.exec_start(script(&format!("echo x; exit {code}"))).unwrap();
        let mut text = String::new();
        process.stdout.take().unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(process.wait_timeout(PATIENCE).unwrap().code, code);
        assert_eq!((process.wait().unwrap().code, text.as_str()), (code, "x\n"));
    }
}

fn a_streamed_command_is_written_to_and_read_from() {
    let lab = Lab::new();
    let container = lab.start(sleeper("a"));
    let text = "while read line; do echo \"got $line\"; done; exit 4";
    let mut process = container.exec_start(script(text).stdin_piped()).unwrap();
    assert!(matches!(process.wait_timeout(Duration::from_millis(1)), Err(Error::Timeout { .. })));
    process.stdin.as_mut().unwrap().write_all(b"one\n").unwrap();
    let mut buffer = [0; 8];
    process.stdout.as_mut().unwrap().read_exact(&mut buffer).unwrap();
    assert_eq!(&buffer, b"got one\n");
    process.stdin = None;
    assert_eq!(process.wait_timeout(PATIENCE).unwrap().code, 4);
}

fn dropping_it_kills_it_and_detaching_does_not() {
    let lab = Lab::new();
    let container = lab.start(sleeper("a"));
    let process = container.exec_start("sleep 1000").unwrap();
    let pid = process.pid();
    assert!(is_alive(pid));
    drop(process);
    eventually("its end", || !is_alive(pid));

    let process = container.exec_start("sleep 1000").unwrap();
    let pid = process.pid();
    process.detach();
    container.exec("true").unwrap();
    assert!(is_alive(pid));
}

fn it_dies_with_its_container() {
    let lab = Lab::new();
    let container = lab.start(sleeper("a"));
    let mut process = container.exec_start("sleep 1000").unwrap();
    container.stop_within(Duration::ZERO).unwrap();
    assert_eq!(process.wait_timeout(PATIENCE).unwrap().signal, Some(9));
}

fn without_a_pid_namespace_it_dies_with_its_container_too() {
    let lab = Lab::new();
    let isolation = Isolation { pid: false, ..Isolation::default() };
    let container = lab.start(sleeper("a").isolation(isolation));
    let mut process = container.exec_start("sleep 1000").unwrap();
    container.stop_within(Duration::ZERO).unwrap();
    assert_eq!(process.wait_timeout(PATIENCE).unwrap().signal, Some(9));
}

fn a_killed_helper_takes_it_along_and_is_told() {
    let lab = Lab::new();
    let container = lab.start(sleeper("a"));
    let mut process = container.exec_start("sleep 1000").unwrap();
    let pid = process.pid();
    kill(crate::lab::parent_of(pid));
    assert!(matches!(process.wait(), Err(Error::HelperFailed { .. })));
    eventually("its end", || !is_alive(pid));
    assert_eq!(container.status().unwrap(), Status::Running);
}

fn what_does_not_run_is_refused() {
    let lab = Lab::new();
    let container = lab.create(sleeper("a"));
    let refused = |status: Status| match container.exec("true") {
        Err(Error::WrongState { status: told, .. }) => assert_eq!(told, status),
        other => panic!("{other:?}"),
    };
    refused(Status::Created);
    container.start().unwrap();
    container.stop().unwrap();
    refused(Status::Stopped);
}

fn commands_begun_while_the_container_stops_are_killed_or_refused() {
    let lab = Lab::new();
    for round in 0..10 {
        let container = lab.start(sleeper(&format!("c{round}")));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| match container.exec("sleep 1000") {
                    Ok(output) => assert_eq!(output.exit.signal, Some(9)),
                    Err(Error::WrongState { status, .. }) => assert_ne!(status, Status::Running),
                    Err(error) => panic!("{error:?}"),
                });
            }
            std::thread::sleep(Duration::from_millis(round));
            container.stop_within(Duration::ZERO).unwrap();
        });
    }
}

fn fifty_at_once() {
    let lab = Lab::new();
    let container = lab.start(sleeper("a"));
    std::thread::scope(|scope| {
        for number in 0..50 {
            let container = &container;
            scope.spawn(move || {
                let output = run(container, &format!("echo {number}; exit {number}"));
                assert_eq!(output.stdout_text(), format!("{number}\n"));
                assert_eq!(output.exit.code, number);
            });
        }
    });
}

fn it_counts_against_the_limits() {
    let lab = Lab::new();
    let spec =
        sleeper("a").memory_mb(32).pids_limit(minidocker_rt::PidsLimit::at_most(20).unwrap());
    let container = lab.start(spec);
    let output = run(&container, "exec python -c \"x = bytearray(100 << 20)\"");
    assert_eq!(output.exit.code, 137, "{}", output.stderr_text());
    assert!(output.exit.oom_killed);
    let output = run(&container, "kill -KILL $$");
    assert_eq!((output.exit.code, output.exit.oom_killed), (137, false));
    let output = run(&container, "i=0; while [ $i -lt 40 ]; do sleep 1000 & i=$((i+1)); done");
    assert!(!output.exit.success() || !output.stderr.is_empty());
}

fn no_descriptor_of_ours_leaks_into_it() {
    let lab = Lab::new();
    let container = lab.start(sleeper("a"));
    // 3 is ls's own, on the folder it lists.
    assert_eq!(out(&container, "exec ls /proc/self/fd"), "0\n1\n2\n3\n");
    let process = container.exec_start("sleep 1000").unwrap();
    let helper = crate::lab::parent_of(process.pid());
    assert_eq!(status_field(helper, "Name").unwrap(), "md-exec");
}

fn it_works_without_each_isolation_feature() {
    let lab = Lab::new();
    let on = Isolation::default();
    let without = [
        Isolation { rootfs: false, ..on },
        Isolation { pid: false, ..on },
        Isolation { uts: false, ..on },
        Isolation { ipc: false, ..on },
        Isolation { network: false, ..on },
        Isolation { cgroup: false, ..on },
        Isolation { seccomp: false, ..on },
        Isolation { capabilities: false, ..on },
        Isolation { no_new_privs: false, ..on },
        Isolation { rootfs: false, pid: false, ..on },
    ];
    for (number, isolation) in without.into_iter().enumerate() {
        let container = lab.start(sleeper(&format!("c{number}")).isolation(isolation));
        assert_eq!(out(&container, "echo fine"), "fine\n", "{isolation:?}");
        let process = container.exec_start("sleep 1000").unwrap();
        let first = family(&container).command;
        for namespace in ["mnt", "pid", "net", "cgroup"] {
            let of = |pid| std::fs::read_link(format!("/proc/{pid}/ns/{namespace}")).unwrap();
            assert_eq!(of(process.pid()), of(first), "{namespace} of {isolation:?}");
        }
        container.delete_force().unwrap();
    }
}

fn it_works_without_our_init() {
    let lab = Lab::new();
    let container = lab.start(ContainerSpec::new("a", "sleep 1000").init(false));
    assert_eq!(out(&container, "echo fine"), "fine\n");
    assert!(!cgroups_of(container.id().as_str()).is_empty());
}
