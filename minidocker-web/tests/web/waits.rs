//! What a container, another user or a client that has gone would like to prolong.

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::http::request;
use crate::lab::{Lab, Server};
use crate::wire::Socket;

crate::trials![
    commands_that_are_stopped_before_they_begin_hold_nothing_up,
    a_command_that_reads_nothing_keeps_no_thread_of_the_server,
    who_holds_hundreds_of_connections_keeps_nobody_out,
    the_server_may_open_more_files_and_its_containers_may_not,
    numbers_beyond_what_the_document_says_are_refused,
];

/// Long enough for a slow machine, and much shorter than what is waited for otherwise.
const SOON: Duration = Duration::from_secs(20);

fn commands_that_are_stopped_before_they_begin_hold_nothing_up() {
    let lab = Lab::new();
    lab.start("hostile", "while :; do kill -STOP -1; done");
    lab.start("other", "sleep 1000");
    let server = lab.server.address;
    let body = json!({"command": "true", "timeout": 600}).to_string();
    let path = "/api/containers/hostile/exec";
    let execs: Vec<TcpStream> = (0..100)
        .map(|_| {
            let mut stream = TcpStream::connect(server).unwrap();
            stream.write_all(&request(server, "POST", path, &[], body.as_bytes())).unwrap();
            stream
        })
        .collect();
    std::thread::sleep(Duration::from_secs(2));
    let began = Instant::now();
    assert_eq!(lab.post("/api/containers/other/stop?timeout=0").status, 200);
    assert_eq!(lab.post("/api/containers/other/start").status, 200);
    let exec = lab.ask("POST", "/api/containers/other/exec", &[], r#"{"command": "true"}"#);
    assert_eq!(exec.json()["exit_code"], 0, "{}", exec.text());
    assert_eq!(lab.get("/api/containers/hostile").status, 200);
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    let timed_out = (0..20).any(|_| {
        let body = json!({"command": "true", "timeout": 0.5}).to_string();
        let began = Instant::now();
        let output = lab.ask("POST", path, &[], &body);
        assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
        output.json()["timed_out"] == true
    });
    assert!(timed_out, "none was stopped");
    // Who has gone is waited for by nobody.
    drop(execs);
    let began = Instant::now();
    assert_eq!(lab.delete("/api/containers/hostile?force=true").status, 204);
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
}

fn a_command_that_reads_nothing_keeps_no_thread_of_the_server() {
    let lab = Lab::new();
    let spec = json!({"name": "deaf", "command": ["sh", "-c", "stty raw; echo ready; sleep 1000"],
                      "tty": true, "stdin_open": true});
    assert_eq!(lab.create(spec).status, 201);
    assert_eq!(lab.post("/api/containers/deaf/start").status, 200);
    let began = Instant::now();
    while !lab.get("/api/containers/deaf/logs").text().contains("ready") {
        assert!(began.elapsed() < SOON);
        std::thread::sleep(Duration::from_millis(20));
    }
    // More of them than the server has threads.
    let sockets: Vec<Socket> = (0..4)
        .map(|_| {
            let mut socket = Socket::open(lab.server.address, "/api/containers/deaf/attach/ws");
            socket.next();
            for _ in 0..14 {
                socket.type_in(&[b'x'; 4096]);
            }
            for rows in 1..1500 {
                socket.say(&json!({"type": "resize", "rows": rows, "columns": 80}));
            }
            socket
        })
        .collect();
    std::thread::sleep(Duration::from_secs(1));
    let began = Instant::now();
    for _ in 0..8 {
        assert_eq!(lab.get("/api/containers/deaf").status, 200);
    }
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    drop(sockets);
}

fn who_holds_hundreds_of_connections_keeps_nobody_out() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_allowed(&folder.path().join("root"), 1024);
    let held: Vec<TcpStream> =
        (0..900).map(|_| TcpStream::connect(server.address).unwrap()).collect();
    let began = Instant::now();
    for _ in 0..10 {
        let asked = request(server.address, "GET", "/api/containers", &[], b"");
        assert_eq!(crate::http::send(server.address, &asked).status, 200);
    }
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    let folder = format!("/proc/{}/fd", server.pid());
    let open = std::fs::read_dir(folder).unwrap().count();
    assert!(open < 500, "{open} descriptors for {} connections", held.len());
}

fn the_server_may_open_more_files_and_its_containers_may_not() {
    let folder = tempfile::tempdir().unwrap();
    for backend in ["linux", "simulation"] {
        let root = folder.path().join(backend);
        let server = Server::start_with_variables(&root, &[("MINIDOCKER_BACKEND", backend)]);
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", server.pid())).unwrap();
        let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
        let numbers: Vec<u64> =
            line.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        assert_eq!(numbers[0], numbers[1].min(65_536), "{line}");
        let ask = |method, path: &str, body: &str| {
            let asked = request(server.address, method, path, &[], body.as_bytes());
            crate::http::send(server.address, &asked)
        };
        let spec = json!({"name": "a", "command": ["sh", "-c", "ulimit -n"]});
        assert_eq!(ask("POST", "/api/containers", &spec.to_string()).status, 201);
        assert_eq!(ask("POST", "/api/containers/a/start", "").status, 200);
        let began = Instant::now();
        while ask("GET", "/api/containers/a", "").json()["status"] != "stopped" {
            assert!(began.elapsed() < SOON);
            std::thread::sleep(Duration::from_millis(20));
        }
        let log = ask("GET", "/api/containers/a/logs?stream=stdout&raw=true", "");
        assert_eq!(log.text().trim(), "1024", "{backend}");
        assert_eq!(ask("DELETE", "/api/containers/a", "").status, 204);
    }
}

fn numbers_beyond_what_the_document_says_are_refused() {
    let lab = Lab::new();
    let document = lab.get("/api/openapi.json").json();
    let most = &document["paths"]["/api/events"]["get"]["parameters"]
        .as_array()
        .unwrap()
        .iter()
        .find(|parameter| parameter["name"] == "since")
        .unwrap()["schema"]["maximum"];
    let most = most.as_f64().unwrap() as u64;
    assert!(most > u64::from(u32::MAX), "an id is how many bytes were written before");
    let ask = |since: u64| lab.get(&format!("/api/events?follow=false&since={since}")).status;
    assert_eq!((ask(1 << 32), ask(most), ask(most + 1)), (200, 200, 400));
    for query in ["rows=0", "columns=0", "rows=65536"] {
        let path = format!("/api/containers/a/exec/ws?{query}");
        lab.get(&path).refusal(400, "invalid_query");
    }
}
