//! A container's life, as a program on the other side of HTTP sees it.

use std::time::{Duration, Instant};

use minidocker_rt::ContainerInfo;
use serde_json::{Value, json};

use crate::lab::{Lab, Server};

crate::trials![
    a_container_is_created_started_read_and_deleted,
    the_list_is_sorted_and_complete,
    a_created_container_is_answered_with_its_place,
    stop_and_restart_answer_with_the_new_state,
    stop_takes_the_grace_period_of_the_query,
    other_requests_are_answered_while_a_stop_waits,
    a_running_container_is_deleted_only_with_force,
    logs_are_chosen_by_tail_since_and_timestamps,
    raw_logs_are_byte_for_byte_what_the_command_wrote,
    the_plan_is_known_before_the_first_start_and_the_trace_after,
    an_unreadable_container_does_not_hide_the_others,
    two_servers_on_one_root_see_the_same_containers,
    the_server_says_that_it_is_well,
    a_new_server_brings_back_what_was_lost_and_its_policy_wants_back,
];

fn a_container_is_created_started_read_and_deleted() {
    let lab = Lab::new();
    let spec = json!({
        "name": "hello",
        "command": "python -c \"print('Hello from Mini Docker!')\"",
        "mem_limit_mb": 64,
        "cpu_limit_percent": 50,
        "volumes": ["/usr/share:/shared:ro"],
        "env_vars": {"MODE": "production"},
    });
    assert_eq!(lab.create(spec.clone()).json()["spec"], spec);

    let started = lab.post("/api/containers/hello/start");
    assert_eq!(started.status, 200);
    assert!(["running", "stopped"].contains(&started.json()["status"].as_str().unwrap()));

    let info = lab.until_stopped("hello");
    assert_eq!(info["exit"]["code"], 0);
    // The form is the library's own.
    serde_json::from_value::<ContainerInfo>(info).unwrap();

    let logs = lab.get("/api/containers/hello/logs");
    assert_eq!(logs.header("content-type"), Some("text/plain; charset=utf-8"));
    let lines: Vec<&str> = logs.text().lines().collect();
    assert_eq!(lines[2..], ["Hello from Mini Docker!", "=== Container exited with code 0 ==="]);

    let deleted = lab.delete("/api/containers/hello");
    assert_eq!((deleted.status, deleted.text()), (204, ""));
    lab.get("/api/containers/hello").refusal(404, "not_found");
    assert_eq!(lab.get("/api/containers").json(), json!([]));
}

fn the_list_is_sorted_and_complete() {
    let lab = Lab::new();
    for name in ["b", "a", "c"] {
        lab.create(json!({"name": name, "command": "true"}));
    }
    let list = lab.get("/api/containers").json();
    let names: Vec<&Value> = list.as_array().unwrap().iter().map(|info| &info["name"]).collect();
    assert_eq!(names, ["a", "b", "c"]);
    assert_eq!(list[0], lab.get("/api/containers/a").json());
}

fn a_created_container_is_answered_with_its_place() {
    let lab = Lab::new();
    let created = lab.create(json!({"name": "a.b-c_d", "command": ["true"]}));
    assert_eq!(created.status, 201);
    assert_eq!(created.json()["status"], "created");
    let place = created.header("location").unwrap();
    assert_eq!(place, "/api/containers/a.b-c_d");
    assert_eq!(lab.get(place).json(), created.json());
}

fn stop_and_restart_answer_with_the_new_state() {
    let lab = Lab::new();
    lab.start("sleeper", "sleep 1000");
    let stopped = lab.post("/api/containers/sleeper/stop").json();
    assert_eq!((&stopped["status"], &stopped["pid"]), (&json!("stopped"), &Value::Null));
    let again = lab.post("/api/containers/sleeper/stop");
    assert_eq!(again.status, 200, "a container that does not run is left as it is");
    let restarted = lab.post("/api/containers/sleeper/restart").json();
    assert_eq!((&restarted["status"], &restarted["starts"]), (&json!("running"), &json!(2)));
}

fn stop_takes_the_grace_period_of_the_query() {
    let lab = Lab::new();
    lab.start("stubborn", "trap '' TERM; while :; do sleep 0.1; done");
    let begin = Instant::now();
    let stopped = lab.post("/api/containers/stubborn/stop?timeout=0").json();
    assert!(begin.elapsed() < Duration::from_secs(5), "the usual grace period is 10 s");
    assert_eq!(stopped["exit"]["signal"], 9);
}

fn other_requests_are_answered_while_a_stop_waits() {
    let lab = Lab::new();
    lab.start("stubborn", "trap '' TERM; echo ready; while :; do sleep 0.1; done");
    while !lab.get("/api/containers/stubborn/logs").text().contains("ready") {
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::scope(|scope| {
        // More stops than the server has threads for connections.
        let stop = || lab.post("/api/containers/stubborn/stop?timeout=3").status;
        let stops: Vec<_> = (0..6).map(|_| scope.spawn(stop)).collect();
        std::thread::sleep(Duration::from_millis(300));
        let begin = Instant::now();
        assert_eq!(lab.get("/api/containers").json()[0]["status"], "running");
        assert!(begin.elapsed() < Duration::from_secs(1));
        for stop in stops {
            assert_eq!(stop.join().unwrap(), 200);
        }
    });
}

fn a_running_container_is_deleted_only_with_force() {
    let lab = Lab::new();
    lab.start("sleeper", "sleep 1000");
    let refusal = lab.delete("/api/containers/sleeper").refusal(409, "wrong_state");
    assert!(refusal["hint"].as_str().unwrap().contains("force"), "{refusal}");
    lab.delete("/api/containers/sleeper?force=false").refusal(409, "wrong_state");
    assert_eq!(lab.delete("/api/containers/sleeper?force=true").status, 204);
    lab.get("/api/containers/sleeper").refusal(404, "not_found");
}

fn logs_are_chosen_by_tail_since_and_timestamps() {
    let lab = Lab::new();
    lab.start("lines", "echo one; echo two; sleep 0.2; echo three");
    lab.until_stopped("lines");
    let logs = |query: &str| {
        lab.get(&format!("/api/containers/lines/logs?raw=true&{query}")).text().to_string()
    };
    assert_eq!(logs("tail=2"), "two\nthree\n");
    assert_eq!(logs("tail=0"), "");
    assert_eq!(logs("tail=4294967295"), "one\ntwo\nthree\n");
    let timed = logs("timestamps=true");
    let time = timed.lines().last().unwrap().split(' ').next().unwrap();
    assert_eq!(logs(&format!("since={time}")), "three\n");
    assert_eq!(logs("since=2999-01-01T00:00:00%2B01:00"), "");
}

fn raw_logs_are_byte_for_byte_what_the_command_wrote() {
    let lab = Lab::new();
    lab.start("bytes", r"printf 'a\r\n\377\000\n\nend'; printf x >&2");
    lab.until_stopped("bytes");
    let raw = lab.get("/api/containers/bytes/logs?raw=true");
    let mut sorted = raw.body.clone();
    // Two pipes have no order between them.
    sorted.retain(|byte| *byte != b'x');
    assert_eq!(sorted, b"a\r\n\xff\0\n\nend");
    assert_eq!(raw.header("content-type"), Some("text/plain; charset=utf-8"));
}

fn the_plan_is_known_before_the_first_start_and_the_trace_after() {
    let lab = Lab::new();
    lab.create(json!({"name": "a", "command": "true"}));
    let ids = |steps: &Value| -> Vec<String> {
        let steps = steps["steps"].as_array().unwrap();
        steps.iter().map(|step| step["id"].as_str().unwrap().to_string()).collect()
    };
    let plan = lab.get("/api/containers/a/plan").json();
    let refusal = lab.get("/api/containers/a/trace").refusal(404, "never_started");
    assert!(refusal["hint"].as_str().unwrap().contains("/api/containers/a/start"));
    lab.post("/api/containers/a/start");
    let trace = lab.get("/api/containers/a/trace").json();
    assert_eq!(ids(&plan), ids(&trace));
    assert!(trace["steps"].as_array().unwrap().iter().all(|step| step["outcome"] == "done"));
}

fn an_unreadable_container_does_not_hide_the_others() {
    let lab = Lab::new();
    for name in ["a", "broken", "c"] {
        lab.create(json!({"name": name, "command": "true"}));
    }
    let folder = lab.root().join("containers/broken");
    let spec = std::fs::read(folder.join("spec.json")).unwrap();
    for file in ["status.json", "spec.json"] {
        std::fs::write(folder.join(file), "{").unwrap();
        let list = lab.get("/api/containers").json();
        assert_eq!((&list[0]["name"], &list[0]["status"]), (&json!("a"), &json!("created")));
        assert_eq!((&list[1]["name"], &list[1]["status"]), (&json!("broken"), &json!("error")));
        assert!(list[1]["reason"].as_str().unwrap().contains(file), "{list}");
        assert_eq!((&list[2]["name"], &list[2]["status"]), (&json!("c"), &json!("created")));
        let one = lab.get("/api/containers/broken");
        match file {
            "spec.json" => drop(one.refusal(500, "io")),
            _ => assert_eq!(one.json()["status"], "error"),
        }
        std::fs::remove_file(folder.join(file)).unwrap();
    }
    std::fs::write(folder.join("spec.json"), spec).unwrap();
}

fn two_servers_on_one_root_see_the_same_containers() {
    let mut lab = Lab::new();
    lab.start("shared", "sleep 1000");
    let first = lab.get("/api/containers").json();
    let second = Server::start(&lab.root());
    let first_server = std::mem::replace(&mut lab.server, second);
    let seen = lab.get("/api/containers").json();
    for field in ["id", "status", "pid", "started_at"] {
        assert_eq!(seen[0][field], first[0][field]);
    }
    assert_eq!(lab.post("/api/containers/shared/stop").json()["status"], "stopped");
    lab.server = first_server;
    // What one has done, the other knows at once.
    assert_eq!(lab.get("/api/containers").json()[0]["status"], "stopped");
    assert_eq!(lab.get("/api/containers/shared").json()["status"], "stopped");
}

fn the_server_says_that_it_is_well() {
    let lab = Lab::new();
    let health = lab.get("/healthz");
    assert_eq!((health.status, &health.json()["status"]), (200, &json!("ok")));
    let head = lab.ask("HEAD", "/healthz", &[], "");
    assert_eq!((head.status, head.text()), (200, ""));
}

fn a_new_server_brings_back_what_was_lost_and_its_policy_wants_back() {
    let mut lab = Lab::new();
    let command = ["sleep", "1000"];
    lab.create(json!({"name": "wanted", "command": command, "restart": "unless-stopped"}));
    lab.create(json!({"name": "unwanted", "command": command}));
    for name in ["wanted", "unwanted"] {
        assert_eq!(lab.post(&format!("/api/containers/{name}/start")).status, 200);
        let record = lab.root().join(format!("containers/{name}/status.json"));
        let record: Value = serde_json::from_slice(&std::fs::read(record).unwrap()).unwrap();
        let supervisor = record["supervisor"]["pid"].as_i64().unwrap();
        nix::sys::signal::kill(
            nix::unistd::Pid::from_raw(supervisor.try_into().unwrap()),
            nix::sys::signal::Signal::SIGKILL,
        )
        .unwrap();
        lab.until("error", name);
    }
    lab.server = Server::start(&lab.root());
    lab.until("running", "wanted");
    assert_eq!(lab.get("/api/containers/unwanted").json()["status"], "error");
}
