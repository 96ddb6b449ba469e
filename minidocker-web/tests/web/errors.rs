//! Each way to ask wrongly: the status, and the one shape of the answer.

use serde_json::json;

use crate::http::{request, send};
use crate::lab::Lab;

crate::trials![
    a_refused_value_is_named_with_its_field,
    json_that_cannot_be_read_is_refused,
    a_body_that_is_no_json_is_refused_by_its_type,
    a_body_over_the_limit_is_refused,
    a_name_is_given_once,
    what_does_not_exist_is_not_found,
    a_wrong_method_is_told_the_right_ones,
    a_wrong_query_is_refused_with_the_parameter,
    starting_twice_is_a_conflict,
    a_start_that_fails_says_which_step,
];

fn a_refused_value_is_named_with_its_field() {
    let lab = Lab::new();
    for (spec, field) in [
        (json!({"name": "<img src=x onerror=alert(1)>", "command": "true"}), "name"),
        (json!({"name": "../up", "command": "true"}), "name"),
        (json!({"name": "a", "command": "echo 'open"}), "command"),
        (json!({"name": "a", "command": "true", "mem_limit_mb": -1}), "mem_limit_mb"),
        (json!({"name": "a", "command": "true", "cpu_limit_percent": 0.5}), "cpu_limit_percent"),
        (json!({"name": "a", "command": "true", "volumes": ["/nowhere-at-all:/x"]}), "volumes"),
        (json!({"name": "a", "command": "true", "env_vars": {"A=B": "c"}}), "env_vars"),
    ] {
        let refusal = lab.create(spec.clone()).refusal(400, "invalid_spec");
        assert_eq!(refusal["field"], field, "{spec}: {refusal}");
    }
    assert_eq!(lab.get("/api/containers").json(), json!([]), "nothing was created");
}

fn json_that_cannot_be_read_is_refused() {
    let lab = Lab::new();
    for body in ["{", "[]", "\"text\"", "{\"name\": \"a\"}", "{\"name\": \"a\", \"command\": 1}"] {
        lab.ask("POST", "/api/containers", &[], body).refusal(400, "invalid_spec");
    }
    // No body at all.
    lab.post("/api/containers").refusal(400, "invalid_spec");
    let unknown = json!({"name": "a", "command": "true", "mem_limit": 64});
    let refusal = lab.create(unknown).refusal(400, "invalid_spec");
    assert!(refusal["message"].as_str().unwrap().contains("mem_limit"), "{refusal}");
}

fn a_body_that_is_no_json_is_refused_by_its_type() {
    let lab = Lab::new();
    let body = json!({"name": "a", "command": "true"}).to_string();
    // The three types that a form can send to another site, and none at all.
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""] {
        lab.ask("POST", "/api/containers", &[("Content-Type", kind)], &body)
            .refusal(415, "unsupported_media_type");
    }
    let kind = [("Content-Type", "Application/JSON; charset=utf-8")];
    assert_eq!(lab.ask("POST", "/api/containers", &kind, &body).status, 201);
}

fn a_body_over_the_limit_is_refused() {
    let lab = Lab::new();
    let spec = |padding: usize| {
        format!("{{\"name\": \"a\", \"command\": \"true\"{}}}", " ".repeat(padding))
    };
    lab.ask("POST", "/api/containers", &[], &spec(9 << 20)).refusal(413, "body_too_large");
    // Told its length only, the server need not wait for the rest.
    let told = [("Content-Length", "1000000000")];
    lab.ask("POST", "/api/containers", &told, "{").refusal(413, "body_too_large");
    // Not told the length, it stops reading.
    let chunk = "x".repeat((8 << 20) + 1);
    let body = format!("{:x}\r\n{chunk}\r\n0\r\n\r\n", chunk.len());
    let server = lab.server.address;
    let mut chunked =
        request(server, "POST", "/api/containers", &[("Transfer-Encoding", "chunked")], b"");
    let headers = chunked.len() - 2;
    chunked.splice(headers..headers, *b"Content-Type: application/json\r\n");
    chunked.extend(body.bytes());
    send(server, &chunked).refusal(413, "body_too_large");
    // Just within the limit.
    assert_eq!(lab.ask("POST", "/api/containers", &[], &spec((8 << 20) - 100)).status, 201);
}

fn a_name_is_given_once() {
    let lab = Lab::new();
    let spec = json!({"name": "a", "command": "true"});
    assert_eq!(lab.create(spec.clone()).status, 201);
    lab.create(spec).refusal(409, "name_in_use");
}

fn what_does_not_exist_is_not_found() {
    let lab = Lab::new();
    for path in ["/nowhere", "/api", "/api/containers/", "/api/containers/a/b/c", "/app.js/x"] {
        lab.get(path).refusal(404, "not_found");
        lab.post(path).refusal(404, "not_found");
    }
    for what in ["", "/logs", "/plan", "/trace"] {
        lab.get(&format!("/api/containers/none{what}")).refusal(404, "not_found");
        lab.get(&format!("/api/containers/%2e%2e%2fetc{what}")).refusal(404, "not_found");
        lab.get(&format!("/api/containers/%ff%00{what}")).refusal(404, "not_found");
    }
    for what in ["start", "stop", "restart"] {
        lab.post(&format!("/api/containers/none/{what}")).refusal(404, "not_found");
    }
    lab.delete("/api/containers/none").refusal(404, "not_found");
    lab.delete("/api/containers/none?force=true").refusal(404, "not_found");
}

fn a_wrong_method_is_told_the_right_ones() {
    let lab = Lab::new();
    for (method, path, allow) in [
        ("PUT", "/api/containers", "GET, HEAD, POST"),
        ("PATCH", "/api/containers/a", "GET, HEAD, DELETE"),
        ("GET", "/api/containers/a/start", "POST"),
        ("POST", "/api/containers/a/logs", "GET, HEAD"),
        ("DELETE", "/", "GET, HEAD"),
        ("OPTIONS", "/healthz", "GET, HEAD"),
    ] {
        let answer = lab.ask(method, path, &[], "");
        answer.refusal(405, "method_not_allowed");
        assert_eq!(answer.header("allow"), Some(allow), "{method} {path}");
    }
}

fn a_wrong_query_is_refused_with_the_parameter() {
    let lab = Lab::new();
    lab.create(json!({"name": "a", "command": "true"}));
    for (method, request, parameter) in [
        ("GET", "/logs?tail=many", "tail"),
        ("GET", "/logs?tail=-1", "tail"),
        ("GET", "/logs?tail=1&tail=2", "tail"),
        ("GET", "/logs?since=yesterday", "since"),
        ("GET", "/logs?raw", "raw"),
        ("GET", "/logs?follow=true&raw=true", "follow"),
        ("GET", "/logs?stream=system", "stream"),
        ("GET", "/stats?window=-1", "window"),
        ("GET", "/stats?window=NaN", "window"),
        ("GET", "/stats?interval=1", "interval"),
        ("POST", "/kill?signal=SIGNAL", "signal"),
        ("GET", "/files", "path"),
        ("PUT", "/files/content?path=/x&mode=999", "mode"),
        ("GET", "?verbose=true", "verbose"),
        ("POST", "/stop?timeout=soon", "timeout"),
        ("POST", "/stop?timeout=18446744073709551615", "timeout"),
        ("POST", "/restart?timeout=-1", "timeout"),
        ("DELETE", "?force=yes", "force"),
    ] {
        let refusal = lab
            .ask(method, &format!("/api/containers/a{request}"), &[], "")
            .refusal(400, "invalid_query");
        assert_eq!(refusal["field"], parameter, "{request}");
    }
    assert_eq!(lab.get("/api/containers/a").status, 200, "nothing of it was done");
}

fn starting_twice_is_a_conflict() {
    let lab = Lab::new();
    lab.start("sleeper", "sleep 1000");
    let refusal = lab.post("/api/containers/sleeper/start").refusal(409, "wrong_state");
    assert!(refusal["message"].as_str().unwrap().contains("running"), "{refusal}");
}

fn a_start_that_fails_says_which_step() {
    let lab = Lab::new();
    lab.create(json!({"name": "a", "command": "no-such-program"}));
    let refusal = lab.post("/api/containers/a/start").refusal(422, "start_failed");
    let message = refusal["message"].as_str().unwrap();
    assert!(message.contains("exec") && message.contains("ENOENT"), "{message}");
    let info = lab.get("/api/containers/a").json();
    assert_eq!(info["status"], "error");
    assert!(info["reason"].as_str().unwrap().contains("no-such-program"), "{info}");
    assert!(lab.get("/api/containers/a/logs").text().contains("did not start"));
}
