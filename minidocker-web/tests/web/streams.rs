//! Server-sent events: what is told, where one can resume, what a slow client misses.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::features::without_chunks;
use crate::lab::{Lab, Server};
use crate::wire::Events;

crate::trials![
    the_live_list_begins_whole_and_tells_every_change,
    what_another_program_does_is_in_the_live_list,
    usage_is_measured_while_somebody_looks,
    events_are_told_as_they_happen_and_resumed_after_the_last,
    events_that_are_kept_are_given_as_a_list,
    a_log_is_followed_to_the_end_and_resumed_after_the_last_line,
    an_empty_log_says_why,
    lines_come_whole_whatever_is_in_them,
    a_log_that_lost_its_beginning_says_so,
    a_large_log_is_sent_as_it_is,
    stats_come_every_second_until_the_end,
    a_client_that_does_not_read_delays_nobody,
    open_streams_end_with_the_server,
    too_many_streams_are_refused_and_places_come_free,
];

fn open(lab: &Lab, path: &str) -> Events {
    Events::open(lab.server.address, path, &[])
}

fn the_live_list_begins_whole_and_tells_every_change() {
    let lab = Lab::new();
    lab.create(json!({"name": "before", "command": "true"}));
    let mut live = open(&lab, "/api/live");
    let list = live.next().unwrap();
    assert_eq!((list.event.as_str(), &list.data), ("list", &lab.get("/api/containers").json()));
    lab.create(json!({"name": "new", "command": ["sleep", "1000"]}));
    let made = live.until("changed").data;
    assert_eq!((&made[0]["name"], &made[0]["status"]), (&json!("new"), &json!("created")));
    for (operation, status) in [
        ("start", "running"),
        ("pause", "paused"),
        ("resume", "running"),
        ("stop?timeout=0", "stopped"),
    ] {
        assert_eq!(lab.post(&format!("/api/containers/new/{operation}")).status, 200);
        while live.until("changed").data[0]["status"] != status {}
    }
    lab.delete("/api/containers/new");
    assert_eq!(live.until("removed").data, json!(["new"]));
}

fn what_another_program_does_is_in_the_live_list() {
    let lab = Lab::new();
    lab.start("a", "sleep 1000");
    let mut live = open(&lab, "/api/live");
    assert_eq!(live.next().unwrap().data[0]["status"], "running");
    let other = Server::start(&lab.root());
    let stop = crate::http::request(other.address, "POST", "/api/containers/a/stop", &[], b"");
    assert_eq!(crate::http::send(other.address, &stop).status, 200);
    while live.until("changed").data[0]["status"] != "stopped" {}
    // Nobody writes down that a supervisor was killed.
    lab.post("/api/containers/a/start");
    while live.until("changed").data[0]["status"] != "running" {}
    let record = std::fs::read(lab.root().join("containers/a/status.json")).unwrap();
    let record: Value = serde_json::from_slice(&record).unwrap();
    let supervisor = record["supervisor"]["pid"].as_i64().unwrap().try_into().unwrap();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(supervisor), Signal::SIGKILL).unwrap();
    while live.until("changed").data[0]["status"] != "error" {}
    assert_eq!(lab.get("/api/containers").json()[0]["status"], "error");
}

fn usage_is_measured_while_somebody_looks() {
    let lab = Lab::new();
    lab.create(json!({"name": "idle", "command": "true"}));
    lab.start("busy", "while :; do :; done");
    let mut live = open(&lab, "/api/live");
    assert!(live.next().unwrap().data[0]["usage"]["memory_bytes"].as_u64().unwrap() > 0);
    let percent = loop {
        let usage = live.until("usage").data["usage"].clone();
        assert_eq!(usage.as_object().unwrap().len(), 1, "only the living: {usage}");
        if let Some(percent) = usage["busy"]["cpu_percent"].as_f64() {
            break percent;
        }
    };
    assert!(percent > 0.0, "{percent}");
    // The list knows too, now.
    let list = lab.get("/api/containers").json();
    assert!(list[0]["usage"]["cpu_percent"].is_f64(), "{list}");
    assert_eq!(list[1]["usage"], Value::Null);
}

fn events_are_told_as_they_happen_and_resumed_after_the_last() {
    let lab = Lab::new();
    lab.create(json!({"name": "a", "command": "true"}));
    let mut events = open(&lab, "/api/events?since=0");
    let first = events.next().unwrap();
    assert_eq!((&first.data["event"], &first.data["name"]), (&json!("created"), &json!("a")));
    let first_id = first.id.unwrap();
    assert_eq!(first_id, first.data["id"].to_string());
    lab.post("/api/containers/a/start");
    let kinds = |events: &mut Events, count: usize| -> Vec<String> {
        let kind = |_| events.next().unwrap().data["event"].as_str().unwrap().to_string();
        (0..count).map(kind).collect()
    };
    let told = kinds(&mut events, 2);
    assert_eq!(told, ["started", "exited"]);
    // A browser connects again with the id of the last event that it got; it counts more
    // than the query that the page once opened the stream with.
    let resume = [("Last-Event-ID", first_id.as_str())];
    let mut again = Events::open(lab.server.address, "/api/events?since=0", &resume);
    assert_eq!(kinds(&mut again, 2), told);
    // Nothing falls between the past and the present, and nothing comes twice.
    lab.create(json!({"name": "b", "command": "true"}));
    for stream in [&mut events, &mut again] {
        assert_eq!(stream.next().unwrap().data["name"], "b");
    }
    let mut only = open(&lab, "/api/events?since=0&name=b");
    assert_eq!(only.next().unwrap().data["name"], "b");
    let bad = [("Last-Event-ID", "yesterday")];
    lab.ask("GET", "/api/events", &bad, "").refusal(400, "invalid_query");
}

fn events_that_are_kept_are_given_as_a_list() {
    let lab = Lab::new();
    for name in ["a", "b"] {
        lab.create(json!({"name": name, "command": "true"}));
    }
    let all = lab.get("/api/events?follow=false").json();
    let names: Vec<&Value> = all.as_array().unwrap().iter().map(|e| &e["name"]).collect();
    assert_eq!(names, ["a", "b"]);
    let after = lab.get(&format!("/api/events?follow=false&since={}", all[0]["id"])).json();
    assert_eq!(after, json!([all[1]]));
}

fn texts(lines: &Value) -> Vec<&str> {
    lines.as_array().unwrap().iter().map(|line| line["text"].as_str().unwrap()).collect()
}

fn a_log_is_followed_to_the_end_and_resumed_after_the_last_line() {
    let lab = Lab::new();
    lab.start("a", "echo one; echo two >&2; read line; echo three");
    let path = "/api/containers/a/logs?follow=true";
    let mut follow = open(&lab, path);
    let (mut lines, mut ids) = (Vec::new(), Vec::new());
    loop {
        let message = follow.next().unwrap();
        if message.event == "end" {
            assert_eq!(
                (&message.data["status"], &message.data["exit"]["code"]),
                (&json!("stopped"), &json!(0))
            );
            assert_eq!(message.data["empty"], Value::Null);
            break;
        }
        ids.push((message.id.unwrap(), lines.len() + message.data.as_array().unwrap().len()));
        lines.extend(message.data.as_array().unwrap().clone());
    }
    assert!(follow.next().is_none(), "the stream is over");
    let said: Vec<(&str, &str)> = lines
        .iter()
        .map(|line| (line["stream"].as_str().unwrap(), line["text"].as_str().unwrap()))
        .collect();
    for expected in [("stdout", "one"), ("stderr", "two"), ("stdout", "three")] {
        assert!(said.contains(&expected), "{said:?}");
    }
    for (id, told) in ids {
        let resume = [("Last-Event-ID", id.as_str())];
        let mut again = Events::open(lab.server.address, path, &resume);
        let mut rest = Vec::new();
        loop {
            let message = again.next().unwrap();
            if message.event == "end" {
                break;
            }
            rest.extend(message.data.as_array().unwrap().clone());
        }
        assert_eq!(rest, lines[told..], "resumed after {id}");
    }
    let mut tail = open(&lab, &format!("{path}&tail=1&stream=stdout"));
    let last = tail.next().unwrap().data;
    assert_eq!(texts(&last)[0], "three");
}

fn an_empty_log_says_why() {
    let lab = Lab::new();
    lab.create(json!({"name": "a", "command": "true"}));
    let end = open(&lab, "/api/containers/a/logs?follow=true").next().unwrap();
    assert_eq!((end.event.as_str(), &end.data["status"]), ("end", &json!("created")));
    assert!(end.data["empty"].as_str().unwrap().contains("never started"), "{:?}", end.data);
    let json = lab.get("/api/containers/a/logs?format=json").json();
    assert!(json["empty"].as_str().unwrap().contains("never started"), "{json}");
    let text = lab.get("/api/containers/a/logs");
    assert!(text.header("empty-because").unwrap().contains("never started"));
}

fn lines_come_whole_whatever_is_in_them() {
    let lab = Lab::new();
    lab.start("a", r#"printf '<script>alert(1)</script>\n\033[31mred\n\001\377\n\ndata: x\n'"#);
    lab.until_stopped("a");
    let json = lab.get("/api/containers/a/logs?format=json&stream=stdout").json();
    let all = texts(&json["lines"]);
    let expected = ["<script>alert(1)</script>", "\u{1b}[31mred", "\u{1}\u{fffd}", "", "data: x"];
    assert!(all.windows(5).any(|window| window == expected), "{all:?}");
    for line in json["lines"].as_array().unwrap() {
        let marked = line["not_utf8"] == json!(["text"]);
        assert_eq!(marked, line["text"].as_str().unwrap().contains('\u{fffd}'), "{line}");
        assert!(marked || line.get("not_utf8").is_none());
    }
    let mut follow = open(&lab, "/api/containers/a/logs?follow=true&stream=stdout");
    let followed = follow.next().unwrap().data;
    assert_eq!(texts(&followed), all);
}

fn a_log_that_lost_its_beginning_says_so() {
    let lab = Lab::new();
    lab.create(json!({"name": "a", "command": "head -c 1500000 /dev/zero", "log_max_mb": 1}));
    assert_eq!(lab.post("/api/containers/a/start").status, 200);
    lab.until_stopped("a");
    let json = lab.get("/api/containers/a/logs?format=json").json();
    let dropped = json["dropped_bytes"].as_u64().unwrap();
    let raw = lab.get("/api/containers/a/logs?raw=true");
    assert_eq!(raw.header("dropped-bytes").unwrap(), dropped.to_string());
    assert_eq!(dropped + raw.body.len() as u64, 1_500_000);
    let first = open(&lab, "/api/containers/a/logs?follow=true&tail=5").next().unwrap();
    assert_eq!((first.event.as_str(), &first.data["dropped_bytes"]), ("dropped", &json!(dropped)));
    lab.create(json!({"name": "b", "command": "true"}));
    assert_eq!(lab.get("/api/containers/b/logs").header("dropped-bytes").unwrap(), "0");
}

/// Of a size that is not read into memory.
fn a_large_log_is_sent_as_it_is() {
    let lab = Lab::new();
    let command = "head -c 36000000 /dev/zero | tr '\\0' x; echo; echo caf\u{e9}";
    lab.create(json!({"name": "a", "command": ["sh", "-c", command], "log_max_mb": 200}));
    assert_eq!(lab.post("/api/containers/a/start").status, 200);
    lab.until_stopped("a");
    let whole = |path: &str| {
        let answer = lab.get(path);
        assert_eq!(answer.header("dropped-bytes"), Some("0"));
        without_chunks(&answer.body)
    };
    assert_eq!(whole("/api/containers/a/logs?raw=true").len(), 36_000_007);
    let text = String::from_utf8(whole("/api/containers/a/logs")).unwrap();
    assert!(text.starts_with("=== Container"));
    assert!(text.ends_with("café\n=== Container exited with code 0 ===\n"));
    let json = |stream: &str| -> serde_json::Value {
        let path = format!("/api/containers/a/logs?format=json&stream={stream}");
        serde_json::from_slice(&whole(&path)).unwrap()
    };
    let none = json("stderr");
    let json = json("stdout");
    let lines = json["lines"].as_array().unwrap();
    assert_eq!(lines.iter().filter(|line| line["full"] == true).count(), 2);
    assert_eq!(texts(&json["lines"]).concat().len(), 36_000_005);
    assert_eq!(
        (&lines[lines.len() - 1]["text"], &json["dropped_bytes"]),
        (&json!("café"), &json!(0))
    );
    assert_eq!(none, json!({"lines": [], "empty": null, "dropped_bytes": 0}));
}

fn stats_come_every_second_until_the_end() {
    let lab = Lab::new();
    lab.start("a", "sleep 1000");
    let path = "/api/containers/a/stats?follow=true";
    let mut stats = open(&lab, path);
    for _ in 0..3 {
        let sample = stats.next().unwrap();
        assert_eq!((sample.event.as_str(), &sample.data["status"]), ("", &json!("running")));
    }
    lab.post("/api/containers/a/stop?timeout=0");
    assert_eq!(stats.until("end").data, json!({"status": "stopped"}));
    assert!(stats.next().is_none());
    let mut once = open(&lab, path);
    assert_eq!(once.next().unwrap().data["memory"]["used_bytes"], 0);
    assert_eq!(once.next().unwrap().event, "end");
    lab.get("/api/containers/none/stats?follow=true").refusal(404, "not_found");
}

fn a_client_that_does_not_read_delays_nobody() {
    let lab = Lab::new();
    let mut asleep = open(&lab, "/api/live");
    let mut awake = open(&lab, "/api/live");
    awake.next().unwrap();
    // More than the buffers between here and there hold.
    let big = "x".repeat(100_000);
    let env: Value = json!({"BIG": big, "MORE": big});
    let begin = Instant::now();
    for number in 0..120 {
        let spec = json!({"name": format!("c{number}"), "command": "true", "env_vars": env});
        assert_eq!(lab.create(spec).status, 201);
        awake.until("changed");
    }
    assert!(begin.elapsed() < Duration::from_secs(120));
    // The one that slept is told how much it missed, and then what is true now.
    let missed = asleep.until("missed").data["missed"].as_u64().unwrap();
    assert!(missed > 0);
    assert_eq!(asleep.next().unwrap().event, "list");
}

fn open_streams_end_with_the_server() {
    let mut lab = Lab::new();
    lab.start("a", "sleep 1000");
    let mut streams = vec![
        open(&lab, "/api/live"),
        open(&lab, "/api/events"),
        open(&lab, "/api/containers/a/logs?follow=true"),
        open(&lab, "/api/containers/a/stats?follow=true"),
    ];
    let mut socket =
        crate::wire::Socket::open(lab.server.address, "/api/containers/a/exec/ws?command=cat");
    socket.next();
    lab.server.signal(Signal::SIGTERM);
    let status = lab.server.wait(Duration::from_secs(2)).expect("it goes on");
    assert_eq!(status.code(), Some(0));
    for stream in &mut streams {
        while stream.next().is_some() {}
    }
    lab.server = Server::start(&lab.root());
    assert_eq!(lab.get("/api/containers/a").json()["status"], "running");
}

fn too_many_streams_are_refused_and_places_come_free() {
    let lab = Lab::new();
    let limit = lab.get("/api/system").json()["streams"]["limit"].as_u64().unwrap();
    let mut streams: Vec<Events> = (0..limit).map(|_| open(&lab, "/api/events")).collect();
    let refusal = lab.get("/api/live");
    refusal.refusal(429, "too_many_streams");
    assert!(refusal.header("retry-after").is_some());
    assert_eq!(lab.get("/api/system").json()["streams"]["open"], limit);
    // Everything else goes on.
    assert_eq!(lab.create(json!({"name": "a", "command": "true"})).status, 201);
    for stream in &mut streams {
        assert_eq!(stream.next().unwrap().data["name"], "a");
    }
    streams.truncate(10);
    // Soon, not when writing to those that left has failed (see sse::ALIVE).
    let deadline = Instant::now() + Duration::from_secs(10);
    while lab.get("/api/system").json()["streams"]["open"].as_u64().unwrap() > 10 {
        assert!(Instant::now() < deadline, "places are not free again");
        std::thread::sleep(Duration::from_millis(200));
    }
}
