//! Standard input, terminals, and being attached.

use std::io::{Read, Write};
use std::time::Duration;

use minidocker_rt::{Attached, Error, Piece, Status, Stream, TerminalSize};

use crate::lab::{Lab, PATIENCE, eventually, sh};
use crate::trials;

trials!(
    what_is_typed_reaches_the_command_and_what_it_prints_comes_back,
    the_end_of_input_is_seen_by_the_command,
    without_an_open_stdin_the_command_reads_the_end_at_once,
    the_two_streams_are_told_apart_and_the_log_is_kept,
    several_programs_see_the_same_output,
    detaching_leaves_the_container_running,
    a_terminal_is_a_terminal_with_a_size_that_can_change,
    ctrl_c_on_a_terminal_interrupts_the_command,
    a_terminal_belongs_to_the_user_of_the_command,
    a_reader_that_does_not_read_holds_up_nobody_and_is_told_what_it_missed,
    attaching_to_what_does_not_run_is_refused,
    more_input_than_a_pipe_holds_arrives_whole,
    what_was_typed_arrives_though_who_typed_it_has_left,
);

/// Reads until `wanted` was seen; returns everything read.
fn read_until(attached: &mut Attached, wanted: &str) -> String {
    let mut seen = Vec::new();
    let mut buffer = [0; 4096];
    while !String::from_utf8_lossy(&seen).contains(wanted) {
        assert!(attached.output.wait(PATIENCE).unwrap(), "never saw {wanted:?}");
        let count = attached.output.read(&mut buffer).unwrap();
        let text = String::from_utf8_lossy(&seen).into_owned();
        assert!(count > 0, "ended before {wanted:?}: {text}");
        seen.extend_from_slice(&buffer[..count]);
    }
    String::from_utf8(seen).unwrap()
}

fn rest(mut attached: Attached) -> String {
    let mut text = String::new();
    attached.output.read_to_string(&mut text).unwrap();
    text
}

fn what_is_typed_reaches_the_command_and_what_it_prints_comes_back() {
    let lab = Lab::new();
    let container =
        lab.start(sh("a", "while read line; do echo \"got $line\"; done").stdin_open(true));
    let mut attached = container.attach().unwrap();
    attached.input.write_all(b"one\n").unwrap();
    read_until(&mut attached, "got one\n");
    attached.input.clone().write_all(b"two\n").unwrap();
    read_until(&mut attached, "got two\n");
    assert_eq!(container.logs().unwrap().read_to_string().unwrap(), "got one\ngot two\n");
}

fn the_end_of_input_is_seen_by_the_command() {
    let lab = Lab::new();
    let container = lab.start(sh("a", "cat; echo end").stdin_open(true));
    let mut attached = container.attach().unwrap();
    attached.input.write_all(b"text").unwrap();
    attached.input.close().unwrap();
    assert_eq!(rest(attached), "textend\n");
    assert!(container.wait_timeout(PATIENCE).unwrap().success());
}

fn without_an_open_stdin_the_command_reads_the_end_at_once() {
    let lab = Lab::new();
    let container = lab.start(sh("a", "cat; echo end; sleep 1000"));
    let mut attached = container.attach().unwrap();
    let refused = attached.input.write(b"x").unwrap_err();
    assert!(refused.to_string().contains("stdin_open"), "{refused}");
    assert!(attached.input.resize(TerminalSize::default()).is_err());
    eventually("the end", || container.logs().unwrap().read_to_string().unwrap() == "end\n");
}

fn the_two_streams_are_told_apart_and_the_log_is_kept() {
    let lab = Lab::new();
    let script = "read go; echo out; sleep 0.2; echo err >&2";
    let container = lab.start(sh("a", script).stdin_open(true));
    let mut attached = container.attach().unwrap();
    attached.input.write_all(b"go\n").unwrap();
    let mut pieces = Vec::new();
    while let Some(piece) = attached.output.next_piece().unwrap() {
        pieces.push(piece);
    }
    assert_eq!(
        pieces,
        [
            Piece::Output(Stream::Stdout, b"out\n".to_vec()),
            Piece::Output(Stream::Stderr, b"err\n".to_vec()),
        ]
    );
    let logs = container.logs().unwrap();
    assert_eq!(logs.stream(Stream::Stderr).read_to_string().unwrap(), "err\n");
}

fn several_programs_see_the_same_output() {
    let lab = Lab::new();
    let container = lab.start(sh("a", "read go; echo hello").stdin_open(true));
    let (first, second) = (container.attach().unwrap(), container.attach().unwrap());
    first.input.clone().write_all(b"go\n").unwrap();
    assert_eq!(rest(first), "hello\n");
    assert_eq!(rest(second), "hello\n");
}

fn detaching_leaves_the_container_running() {
    let lab = Lab::new();
    let container =
        lab.start(sh("a", "while read line; do echo \"got $line\"; done").stdin_open(true));
    let mut attached = container.attach().unwrap();
    attached.input.write_all(b"one\n").unwrap();
    read_until(&mut attached, "got one\n");
    drop(attached);
    assert_eq!(container.status().unwrap(), Status::Running);
    let mut again = container.attach().unwrap();
    again.input.write_all(b"two\n").unwrap();
    read_until(&mut again, "got two\n");
}

fn a_terminal_is_a_terminal_with_a_size_that_can_change() {
    let lab = Lab::new();
    let script = "trap 'stty size' WINCH; test -t 0 && test -t 1 && test -t 2 && echo yes; \
                  stty size; while :; do sleep 0.05; done";
    let container = lab.start(sh("a", script).stdin_open(true).tty(true));
    let mut attached = container.attach().unwrap();
    eventually("the size", || {
        container.logs().unwrap().read_to_string().unwrap().contains("24 80")
    });
    attached.input.resize(TerminalSize { rows: 40, columns: 132 }).unwrap();
    read_until(&mut attached, "40 132");
    let log = container.logs().unwrap().read_to_string().unwrap();
    assert!(log.starts_with("yes\r\n"), "{log:?}");
}

fn ctrl_c_on_a_terminal_interrupts_the_command() {
    let lab = Lab::new();
    let container = lab.start(sh("a", "echo ready; exec sleep 1000").stdin_open(true).tty(true));
    let mut attached = container.attach().unwrap();
    eventually("ready", || container.logs().unwrap().read_to_string().unwrap().contains("ready"));
    attached.input.write_all(b"\x03").unwrap();
    let exit = container.wait_timeout(PATIENCE).unwrap();
    assert_eq!(exit.signal, Some(2), "{exit}");
}

fn a_terminal_belongs_to_the_user_of_the_command() {
    let lab = Lab::new();
    let script = "stat -c '%u %F' $(tty)";
    let spec = sh("a", script).user("1000:1000".parse().unwrap()).tty(true);
    assert_eq!(lab.run(spec).1, "1000 character special file\r\n");
}

fn a_reader_that_does_not_read_holds_up_nobody_and_is_told_what_it_missed() {
    let lab = Lab::new();
    let bytes = 8 << 20;
    let script = format!("read go; head -c {bytes} /dev/zero | tr '\\0' x; echo; echo end");
    let container = lab.start(sh("a", &script).stdin_open(true));
    let mut attached = container.attach().unwrap();
    attached.input.write_all(b"go\n").unwrap();
    assert!(container.wait_timeout(PATIENCE).unwrap().success(), "it was held up");
    let (mut seen, mut missed) = (0, 0);
    while let Some(piece) = attached.output.next_piece().unwrap() {
        match piece {
            Piece::Output(_, bytes) => seen += bytes.len() as u64,
            Piece::Missed(count) => missed += count,
        }
    }
    assert!(seen > 0 && missed > 0, "{seen} + {missed}");
    assert_eq!(seen + missed, bytes + 5, "{seen} + {missed}");
}

fn attaching_to_what_does_not_run_is_refused() {
    let lab = Lab::new();
    let container = lab.create(sh("a", "true"));
    assert!(matches!(container.attach(), Err(Error::WrongState { .. })));
    container.start().unwrap();
    container.wait_timeout(PATIENCE).unwrap();
    assert!(matches!(container.attach(), Err(Error::WrongState { .. })));
}

fn more_input_than_a_pipe_holds_arrives_whole() {
    let lab = Lab::new();
    let container = lab.start(sh("a", "sleep 0.3; wc -c").stdin_open(true));
    let mut attached = container.attach().unwrap();
    let text = vec![b'x'; 300_000];
    attached.input.write_all(&text).unwrap();
    attached.input.close().unwrap();
    assert!(attached.output.wait(Duration::from_secs(60)).unwrap());
    assert_eq!(rest(attached).trim(), "300000");
}

fn what_was_typed_arrives_though_who_typed_it_has_left() {
    let lab = Lab::new();
    let script = "read go; echo noise; sleep 0.3; echo noise; wc -c";
    let container = lab.start(sh("a", script).stdin_open(true));
    let mut attached = container.attach().unwrap();
    attached.input.write_all(b"go\n").unwrap();
    assert!(attached.output.wait(PATIENCE).unwrap(), "it hears");
    attached.input.write_all(&[b'x'; 100_000]).unwrap();
    attached.input.close().unwrap();
    // With output that was never read.
    drop(attached);
    assert!(container.wait_timeout(PATIENCE).unwrap().success());
    let log = container.logs().unwrap().read_to_string().unwrap();
    assert_eq!(log, "noise\nnoise\n100000\n");
}
