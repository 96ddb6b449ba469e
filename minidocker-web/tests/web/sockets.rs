//! WebSockets: exec and attach, byte for byte.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::lab::Lab;
use crate::wire::{Frame, Socket};

crate::trials![
    a_shell_is_typed_into_and_says_how_it_ended,
    a_terminal_has_the_size_it_is_given,
    bytes_go_through_unchanged_in_both_directions,
    input_waits_for_a_command_that_reads_slowly,
    a_command_that_never_reads_holds_the_client_up_and_goes_with_it,
    a_message_may_come_in_any_pieces,
    streams_are_told_apart_without_a_terminal,
    a_signal_reaches_the_command,
    what_cannot_be_done_is_told_in_a_message,
    a_command_dies_with_its_socket_unless_it_is_detached,
    attached_one_sees_and_types_and_leaves,
    nonsense_ends_the_conversation_with_the_reason,
];

fn exec(lab: &Lab, query: &str) -> Socket {
    let mut socket = Socket::open(lab.server.address, &format!("/api/containers/a/exec/ws{query}"));
    match socket.next() {
        Frame::Text(text) if text["type"] == "started" => assert!(text["pid"].is_u64()),
        other => panic!("{other:?}"),
    }
    socket
}

fn a_shell_is_typed_into_and_says_how_it_ended() {
    let lab = Lab::new();
    lab.start("a", "sleep 1000");
    let mut shell = exec(&lab, "?env=PS1=%3E&env=WHO=me&working_dir=/tmp");
    shell.read_until(1, b">");
    shell.type_in(b"echo $WHO in $(pwd)\n");
    let seen = shell.read_until(1, b"me in /tmp\r\n>");
    assert!(seen.starts_with(b"echo $WHO"), "a terminal echoes: {seen:?}");
    shell.type_in(b"exit 3\n");
    let (.., last) = shell.finish();
    let expected = json!({"type": "exit", "exit_code": 3, "signal": null, "oom_killed": false});
    assert_eq!(last, expected);
}

fn a_terminal_has_the_size_it_is_given() {
    let lab = Lab::new();
    lab.start("a", "sleep 1000");
    let mut shell =
        exec(&lab, "?command=sh%20-c%20'stty%20size;read%20x;stty%20size'&rows=33&columns=99");
    shell.read_until(1, b"33 99\r\n");
    shell.say(&json!({"type": "resize", "rows": 44, "columns": 111}));
    shell.type_in(b"\n");
    let (out, ..) = shell.finish();
    assert!(out.ends_with(b"44 111\r\n"), "{:?}", String::from_utf8_lossy(&out));
}

fn bytes_go_through_unchanged_in_both_directions() {
    let lab = Lab::new();
    lab.start("a", "sleep 1000");
    let mut cat = exec(&lab, "?command=cat&tty=false");
    let bytes: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    // In pieces: the client reads between them, as any client must.
    let mut seen: Vec<u8> = Vec::new();
    for piece in bytes.chunks(30_000) {
        cat.type_in(piece);
        while seen.len() < piece.len() {
            match cat.next() {
                Frame::Binary(data) => seen.extend(&data[1..]),
                other => panic!("{other:?}"),
            }
        }
        assert!(seen == piece, "they come back changed");
        seen.clear();
    }
    cat.say(&json!({"type": "eof"}));
    assert_eq!(cat.finish().2["exit_code"], 0);
}

/// More than any buffer holds, of which nothing is lost.
fn input_waits_for_a_command_that_reads_slowly() {
    let lab = Lab::new();
    lab.start("a", "sleep 1000");
    let mut count = exec(&lab, "?command=sh%20-c%20'sleep%201;wc%20-c'&tty=false");
    count.type_in(&vec![b'x'; 5 << 20]);
    for _ in 0..100 {
        count.type_in(&[b'x'; 100_000]);
    }
    count.say(&json!({"type": "eof"}));
    let (out, _, last) = count.finish();
    let expected = (5 << 20) + 10_000_000;
    assert_eq!(String::from_utf8_lossy(&out).trim(), expected.to_string());
    assert_eq!(last["exit_code"], 0);
}

fn a_command_that_never_reads_holds_the_client_up_and_goes_with_it() {
    let lab = Lab::new();
    lab.start("a", "sleep 1000");
    let mut deaf = exec(&lab, "?command=sleep%20999&tty=false");
    let running = || {
        let script = "cat /proc/[0-9]*/cmdline | tr '\\0' ' '";
        let body = json!({"command": ["sh", "-c", script]}).to_string();
        let output = lab.ask("POST", "/api/containers/a/exec", &[], &body).json();
        output["stdout"].as_str().unwrap().contains("sleep 999")
    };
    assert!(running());
    // Taken are the buffers of the kernel and 1 MiB, and no more.
    let taken = deaf.type_until_it_blocks();
    assert!((1 << 20..64 << 20).contains(&taken), "{taken}");
    assert!(running());
    // The server sees that the client has gone, though it does not read what it sent.
    drop(deaf);
    let deadline = Instant::now() + Duration::from_secs(60);
    while running() {
        assert!(Instant::now() < deadline, "the command is not killed");
    }
}

fn a_message_may_come_in_any_pieces() {
    let lab = Lab::new();
    lab.start("a", "sleep 1000");
    let mut cat = exec(&lab, "?command=cat&tty=false");
    cat.send_pieces(2, &[b"one ", b"", b"two ", b"three"]);
    cat.send_pieces(1, &[b"", b"{\"type\":", b" \"eof\"}"]);
    let (out, _, last) = cat.finish();
    assert_eq!((&out[..], &last["exit_code"]), (&b"one two three"[..], &json!(0)));
    let mut cat = exec(&lab, "?command=cat&tty=false");
    cat.type_in(&vec![0; (16 << 20) + 1]);
    let error = cat.finish().2;
    assert!(error["error"]["message"].as_str().unwrap().contains("16777216 bytes"), "{error}");
    let mut cat = exec(&lab, "?command=cat&tty=false");
    cat.send_pieces(1, &[&[b' '; 60_000][..]; 2]);
    let error = cat.finish().2;
    assert!(error["error"]["message"].as_str().unwrap().contains("65536 bytes"), "{error}");
    // What comes whole may not be longer.
    let mut cat = exec(&lab, "?command=cat&tty=false");
    cat.send_pieces(1, &[&[b' '; 120_000][..]]);
    let error = cat.finish().2;
    assert!(error["error"]["message"].as_str().unwrap().contains("65536 bytes"), "{error}");
}

fn streams_are_told_apart_without_a_terminal() {
    let lab = Lab::new();
    lab.start("a", "sleep 1000");
    let command = "?tty=false&command=sh%20-c%20'echo%20out;echo%20err%20%3E%262'";
    let (out, err, last) = exec(&lab, command).finish();
    assert_eq!((out.as_slice(), err.as_slice()), (b"out\n".as_slice(), b"err\n".as_slice()));
    assert_eq!(last["exit_code"], 0);
}

fn a_signal_reaches_the_command() {
    let lab = Lab::new();
    lab.start("a", "sleep 1000");
    let mut sleep = exec(&lab, "?command=sleep%201000&tty=false");
    sleep.say(&json!({"type": "signal", "signal": "TERM"}));
    let last = sleep.finish().2;
    assert_eq!((&last["exit_code"], &last["signal"]), (&json!(143), &json!(15)));
}

fn what_cannot_be_done_is_told_in_a_message() {
    let lab = Lab::new();
    lab.create(json!({"name": "a", "command": "true"}));
    lab.start("b", "sleep 1000");
    for (path, code) in [
        ("none/exec/ws", "not_found"),
        ("none/attach/ws", "not_found"),
        ("a/exec/ws", "wrong_state"),
        ("a/attach/ws", "wrong_state"),
        ("b/exec/ws?command=no-such-program", "exec_failed"),
    ] {
        let socket = Socket::open(lab.server.address, &format!("/api/containers/{path}"));
        let last = socket.finish().2;
        assert_eq!(
            (&last["type"], &last["error"]["code"]),
            (&json!("error"), &json!(code)),
            "{path}"
        );
        assert!(last["error"]["hint"].is_string());
    }
    lab.get("/api/containers/b/exec/ws?rows=many").refusal(400, "invalid_query");
}

/// Asks until the container has so many processes.
fn until_pids(lab: &Lab, count: u64) {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let stats = lab.get("/api/containers/a/stats?window=0").json();
        if stats["pids"]["current"] == count {
            return;
        }
        assert!(Instant::now() < deadline, "{}", stats["pids"]);
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn a_command_dies_with_its_socket_unless_it_is_detached() {
    let lab = Lab::new();
    lab.start("a", "exec sleep 1000");
    until_pids(&lab, 1);
    let sleep = exec(&lab, "?command=sleep%201001");
    until_pids(&lab, 2);
    drop(sleep);
    until_pids(&lab, 1);
    let mut sleep = exec(&lab, "?command=sleep%201002&tty=false");
    until_pids(&lab, 2);
    sleep.say(&json!({"type": "detach"}));
    assert_eq!(sleep.next(), Frame::Close);
    drop(sleep);
    std::thread::sleep(Duration::from_millis(500));
    until_pids(&lab, 2);
}

fn attached_one_sees_and_types_and_leaves() {
    let lab = Lab::new();
    let script = "while read line; do echo got $line; done; echo over >&2; exit 7";
    lab.create(json!({"name": "a", "command": ["sh", "-c", script], "stdin_open": true}));
    lab.post("/api/containers/a/start");
    let attach = || {
        let mut socket = Socket::open(lab.server.address, "/api/containers/a/attach/ws");
        let expected = json!({"type": "started", "pid": null, "tty": false, "stdin": true});
        assert_eq!(socket.next(), Frame::Text(expected));
        socket
    };
    let mut first = attach();
    first.type_in(b"one\n");
    first.read_until(1, b"got one\n");
    first.say(&json!({"type": "detach"}));
    assert_eq!(first.next(), Frame::Close);
    assert_eq!(lab.get("/api/containers/a").json()["status"], "running");
    let mut second = attach();
    second.type_in(b"two\n");
    second.read_until(1, b"got two\n");
    second.say(&json!({"type": "eof"}));
    let (out, err, last) = second.finish();
    assert_eq!((out.as_slice(), err.as_slice()), (b"".as_slice(), b"over\n".as_slice()));
    assert_eq!((&last["type"], &last["exit_code"]), (&json!("exit"), &json!(7)));
}

fn nonsense_ends_the_conversation_with_the_reason() {
    let lab = Lab::new();
    lab.start("a", "sleep 1000");
    for order in [
        json!({"type": "fly"}),
        json!({"type": "resize", "rows": -1, "columns": 5}),
        json!({"type": "signal", "signal": "NONE"}),
        json!([]),
    ] {
        let mut socket = exec(&lab, "?command=cat&tty=false");
        socket.say(&order);
        let last = socket.finish().2;
        assert_eq!(
            (&last["type"], &last["error"]["code"]),
            (&json!("error"), &json!("bad_request"))
        );
    }
}
