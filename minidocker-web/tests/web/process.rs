//! The program itself: how it starts, how it refuses to, how it ends.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::http::{request, send};
use crate::lab::{Lab, PROGRAM, Server};

crate::trials![
    a_taken_port_is_said_with_the_flag_to_change_it,
    a_root_that_cannot_be_used_is_said,
    the_greeting_says_where_and_what,
    sigterm_ends_the_server_while_a_container_goes_on,
    sigint_ends_the_server_too,
    a_stop_in_its_grace_period_does_not_hold_up_the_end,
    the_environment_chooses_the_simulation_and_the_api_says_so,
];

/// Runs the program where it must refuse, and returns what it said.
fn refusal(arguments: &[&str]) -> String {
    let output = Command::new(PROGRAM).args(arguments).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(output.stdout.is_empty(), "it must not say that it serves");
    assert!(!said.contains("panicked"), "{said}");
    said
}

fn a_taken_port_is_said_with_the_flag_to_change_it() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let root = tempfile::tempdir().unwrap();
    let said = refusal(&["--port", &port, "--root", root.path().to_str().unwrap()]);
    assert!(said.contains(&format!("port {port} on 127.0.0.1 is taken")), "{said}");
    assert!(said.contains("minidocker-web --port 5001"), "{said}");
}

fn a_root_that_cannot_be_used_is_said() {
    let said = refusal(&["--port", "0", "--root", "/dev/null/root"]);
    assert!(said.contains("/dev/null/root") && said.contains("--root"), "{said}");
}

fn the_greeting_says_where_and_what() {
    let root = tempfile::tempdir().unwrap();
    let server = Server::start(root.path());
    assert!(server.greeting.contains(&format!("http://{}", server.address)));
    assert!(server.greeting.contains(root.path().to_str().unwrap()));
}

fn sigterm_ends_the_server_while_a_container_goes_on() {
    ends_within_two_seconds_at(Signal::SIGTERM);
}

fn sigint_ends_the_server_too() {
    ends_within_two_seconds_at(Signal::SIGINT);
}

fn ends_within_two_seconds_at(signal: Signal) {
    let mut lab = Lab::new();
    lab.start("sleeper", "sleep 1000");
    let before = lab.get("/api/containers/sleeper").json();
    // A browser keeps its connection open.
    let _idle = std::net::TcpStream::connect(lab.server.address).unwrap();
    lab.server.signal(signal);
    let status = lab.server.wait(Duration::from_secs(2)).expect("it goes on");
    assert_eq!(status.code(), Some(0));
    assert!(Path::new(&format!("/proc/{}", before["pid"])).exists());
    lab.server = Server::start(&lab.root());
    let after = lab.get("/api/containers/sleeper").json();
    assert_eq!((&after["status"], &after["pid"]), (&before["status"], &before["pid"]));
}

fn a_stop_in_its_grace_period_does_not_hold_up_the_end() {
    let mut lab = Lab::new();
    lab.start("stubborn", "trap '' TERM; echo ready; while :; do sleep 0.1; done");
    while !lab.get("/api/containers/stubborn/logs").text().contains("ready") {
        std::thread::sleep(Duration::from_millis(20));
    }
    let mut waiting = std::net::TcpStream::connect(lab.server.address).unwrap();
    let path = "/api/containers/stubborn/stop?timeout=600";
    let request = crate::http::request(lab.server.address, "POST", path, &[], b"");
    std::io::Write::write_all(&mut waiting, &request).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    lab.server.signal(Signal::SIGTERM);
    assert!(lab.server.wait(Duration::from_secs(3)).is_some(), "it waits for the stop");
    lab.server = Server::start(&lab.root());
    assert_eq!(lab.get("/api/containers/stubborn").json()["status"], "running");
    assert_eq!(lab.post("/api/containers/stubborn/stop?timeout=0").status, 200);
}

fn the_environment_chooses_the_simulation_and_the_api_says_so() {
    let root = tempfile::tempdir().unwrap();
    let server = Server::start_with_variables(root.path(), &[("MINIDOCKER_BACKEND", "simulation")]);
    let ask = |method: &str, path: &str, body: &str| {
        send(server.address, &request(server.address, method, path, &[], body.as_bytes()))
    };
    let backend = &ask("GET", "/api/system", "").json()["backend"];
    assert_eq!(backend["kind"], "simulation");
    assert!(backend["why"].is_string(), "{backend}");
    let unsupported = backend["unsupported"].as_array().unwrap();
    assert!(unsupported.iter().any(|one| one["feature"] == "exec"), "{backend}");
    let spec = r#"{"name": "a", "command": ["sh", "-c", "echo hello"]}"#;
    assert_eq!(ask("POST", "/api/containers", spec).status, 201);
    let started = ask("POST", "/api/containers/a/start", "");
    assert_eq!(started.status, 200, "{}", started.text());
    let builder = minidocker_rt::Runtime::builder().backend(minidocker_rt::BackendKind::Any);
    let runtime = builder.open(root.path()).unwrap();
    runtime.get("a").unwrap().wait_timeout(Duration::from_secs(60)).unwrap();
    assert!(ask("GET", "/api/containers/a/logs?raw=true", "").text().contains("hello"));
    assert_eq!(ask("DELETE", "/api/containers/a", "").status, 204);

    let output = Command::new(PROGRAM).env("MINIDOCKER_BACKEND", "docker").output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("there is no such backend"), "{said}");
}
