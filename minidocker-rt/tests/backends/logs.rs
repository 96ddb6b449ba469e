//! Logs, following them, and events.

use minidocker_rt::{BackendKind, Command, ContainerSpec, Event, EventKind, Next, Stream};

use crate::lab::{Lab, PATIENCE, child, open, python, sleeper};

crate::trials![
    the_log_has_the_manuals_shape,
    what_python_prints_is_in_the_log_at_once,
    the_last_lines_and_one_stream_can_be_chosen,
    a_follower_gets_each_line_and_the_end,
    a_follower_goes_on_through_a_restart,
    much_output_is_kept_byte_for_byte,
    a_log_that_lost_its_beginning_says_how_much,
    a_character_written_in_pieces_is_whole,
    events_tell_the_whole_life,
    events_of_another_program_are_told,
];

fn the_log_has_the_manuals_shape(lab: &Lab) {
    let container = lab.start(python("a", "print('Hello')"));
    container.wait_timeout(PATIENCE).unwrap();
    let text = container.logs().unwrap().render().unwrap().replace("\r\n", "\n");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 4, "{text}");
    let opening = format!("=== Container {} started at 2", container.id().short());
    assert!(lines[0].starts_with(&opening) && lines[0].ends_with(" ==="), "{text}");
    assert!(lines[1].starts_with("Command: python"), "{text}");
    assert_eq!(lines[2..], ["Hello", "=== Container exited with code 0 ==="]);
}

fn what_python_prints_is_in_the_log_at_once(lab: &Lab) {
    let code = "import time; print('Hello'); time.sleep(1000)";
    let container = lab.start(ContainerSpec::new("a", Command::argv(["python", "-c", code])));
    let mut lines = container.logs().unwrap().follow().unwrap();
    loop {
        match lines.next_timeout(PATIENCE).unwrap() {
            Next::Item(entry) if entry.stream == Stream::System => {}
            Next::Item(entry) => return assert_eq!(entry.text, b"Hello"),
            other => panic!("{other:?}"),
        }
    }
}

fn the_last_lines_and_one_stream_can_be_chosen(lab: &Lab) {
    let code = "import sys\nfor i in range(5): print(i)\nsys.stderr.write('oops\\n')";
    let container = lab.start(python("a", code));
    container.wait_timeout(PATIENCE).unwrap();
    let read = |logs: minidocker_rt::Logs| logs.read_to_string().unwrap().replace("\r\n", "\n");
    let logs = || container.logs().unwrap();
    assert_eq!(read(logs().stream(Stream::Stderr)), "oops\n");
    assert_eq!(read(logs().stream(Stream::Stdout).tail(2)), "3\n4\n");
    let entries = logs().entries().unwrap();
    assert!(entries.is_sorted_by_key(|entry| entry.time));
    assert!(entries.last().unwrap().full);
}

fn a_follower_gets_each_line_and_the_end(lab: &Lab) {
    let code = "import sys, time\n\
                for i in range(3): print(i); time.sleep(0.05)\n\
                sys.stderr.write('end\\n')";
    let container = lab.start(python("a", code));
    // However the program cuts its lines into writes, together they are what it wrote.
    let text: Vec<u8> = container
        .logs()
        .unwrap()
        .follow()
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.stream != Stream::System)
        .flat_map(|entry| entry.text.into_iter().chain(entry.full.then_some(b'\n')))
        .collect();
    assert_eq!(String::from_utf8(text).unwrap().replace("\r\n", "\n"), "0\n1\n2\nend\n");
    assert!(container.wait_timeout(PATIENCE).unwrap().success());
}

fn a_follower_goes_on_through_a_restart(lab: &Lab) {
    let code = "import time; print('run'); time.sleep(1000)";
    let container = lab.start(python("a", code));
    let mut follow = container.logs().unwrap().follow().unwrap();
    let mut runs = 0;
    let mut next = |follow: &mut minidocker_rt::Follow| match follow.next_timeout(PATIENCE) {
        Ok(Next::Item(entry)) => {
            runs += usize::from(entry.text.starts_with(b"run"));
            runs
        }
        other => panic!("{other:?}"),
    };
    while next(&mut follow) < 1 {}
    container.restart_within(std::time::Duration::ZERO).unwrap();
    while next(&mut follow) < 2 {}
    container.kill(9).unwrap();
    loop {
        match follow.next_timeout(PATIENCE).unwrap() {
            Next::Item(_) => {}
            Next::End => break,
            Next::NothingYet => panic!("it does not end"),
        }
    }
}

fn much_output_is_kept_byte_for_byte(lab: &Lab) {
    let code = "import sys\nfor i in range(20000): sys.stdout.write(f'line {i}\\n')";
    let (_, output) = lab.run(python("a", code));
    let expected: String = (0..20000).map(|i| format!("line {i}\n")).collect();
    assert!(output == expected, "{} bytes instead of {}", output.len(), expected.len());
}

fn next(events: &mut minidocker_rt::Events) -> Event {
    match events.next_timeout(PATIENCE).unwrap() {
        Next::Item(event) => event,
        other => panic!("{other:?}"),
    }
}

fn a_log_that_lost_its_beginning_says_how_much(lab: &Lab) {
    for megabytes in [0, 1025] {
        let error = lab.runtime.create(sleeper("a").log_max_mb(megabytes)).unwrap_err();
        assert!(error.to_string().contains("1 to 1024 MB"), "{error}");
    }
    // Each run has a supervisor of its own, and they count on.
    let code = "import sys\n\
                for i in range(1200): sys.stdout.buffer.write(b'x' * 999 + b'\\n')\n\
                sys.stderr.buffer.write(b'oops\\n')";
    let container = lab.create(python("a", code).log_max_mb(1));
    for runs in 1..=3 {
        container.start().unwrap();
        container.wait_timeout(PATIENCE).unwrap();
        let logs = container.logs().unwrap();
        let kept = logs.read().unwrap().len() as u64;
        assert!(kept <= 1 << 20, "{kept}");
        assert_eq!(kept + logs.dropped_bytes().unwrap(), runs * (1_200_000 + 5));
        let out = logs.clone().stream(Stream::Stdout);
        let kept = out.read().unwrap().len() as u64;
        assert_eq!(kept + out.dropped_bytes().unwrap(), runs * 1_200_000);
        assert!(logs.render().unwrap().contains("bytes of earlier output are not in the log"));
    }
    assert!(container.disk_usage().unwrap().log_bytes <= 1 << 20);
}

fn a_character_written_in_pieces_is_whole(lab: &Lab) {
    let code = "import os, time\n\
                os.write(1, b'price: \\xe2\\x82'); time.sleep(0.1); os.write(1, b'\\xac 5\\n')\n\
                os.write(1, ('x' * 65535 + '\\u65b9' * 3000 + '\\n').encode())\n\
                os.write(1, b'caf\\xe9')";
    let container = lab.start(python("a", code));
    let entries: Vec<_> = container.logs().unwrap().follow().unwrap().map(Result::unwrap).collect();
    let mut text = String::new();
    for entry in entries.iter().filter(|entry| entry.stream == Stream::Stdout) {
        text.push_str(&String::from_utf8_lossy(&entry.text));
        text.extend(entry.full.then_some('\n'));
    }
    let expected = format!("price: € 5\n{}{}\ncaf\u{fffd}", "x".repeat(65535), "方".repeat(3000));
    assert!(text.replace("\r\n", "\n") == expected, "{}", text.len());
    let bytes = container.logs().unwrap().read().unwrap();
    assert!(bytes.ends_with(b"caf\xe9"), "what is no text is kept as it is");
}

fn events_tell_the_whole_life(lab: &Lab) {
    let mut events = lab.runtime.events().unwrap();
    let container = lab.start(sleeper("a"));
    container.pause().unwrap();
    container.resume().unwrap();
    container.kill(9).unwrap();
    container.wait_timeout(PATIENCE).unwrap();
    container.delete().unwrap();
    let kinds: Vec<EventKind> = (0..6).map(|_| next(&mut events).kind).collect();
    assert!(
        matches!(
            kinds[..],
            [
                EventKind::Created,
                EventKind::Started,
                EventKind::Paused,
                EventKind::Resumed,
                EventKind::Exited { .. },
                EventKind::Deleted,
            ]
        ),
        "{kinds:?}"
    );
    assert!(matches!(events.try_next().unwrap(), Next::NothingYet));
}

/// A program that makes a container and removes it.
pub fn create_and_delete(kind: BackendKind, root: &str) {
    open(kind, root).create(sleeper("other")).unwrap().delete().unwrap();
}

fn events_of_another_program_are_told(lab: &Lab) {
    let mut events = lab.runtime.events().unwrap();
    child("create-and-delete", lab).child.wait().unwrap();
    let event = next(&mut events);
    assert_eq!((event.name.as_str(), event.kind), ("other", EventKind::Created));
    assert_eq!(next(&mut events).kind, EventKind::Deleted);
}
