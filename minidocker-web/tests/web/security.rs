//! What a web page from elsewhere could make a browser send, and what a browser could
//! make of our answers.

use serde_json::json;

use crate::http::send;
use crate::lab::Lab;

crate::trials![
    a_request_under_a_foreign_name_is_refused,
    the_names_of_this_machine_are_answered,
    a_change_that_another_site_asks_for_is_refused,
    a_change_that_our_own_page_asks_for_is_made,
    every_answer_tells_the_browser_what_it_may_do,
    html_in_a_log_is_served_as_text,
];

fn a_request_under_a_foreign_name_is_refused() {
    let lab = Lab::new();
    let port = lab.server.address.port();
    for host in [
        format!("evil.example:{port}"),
        "evil.example".to_string(),
        "localhost".to_string(),
        format!("localhost:{}", port.wrapping_add(1)),
        format!("127.0.0.1.nip.io:{port}"),
        format!("localhost:{port}@evil.example"),
        format!("localhost:{port}, evil.example"),
        String::new(),
    ] {
        for path in ["/", "/api/containers", "/healthz", "/nowhere"] {
            lab.ask("GET", path, &[("Host", &host)], "").refusal(403, "host_refused");
        }
        lab.ask("POST", "/api/containers/a/start", &[("Host", &host)], "")
            .refusal(403, "host_refused");
    }
    let nameless = b"GET /api/containers HTTP/1.0\r\n\r\n";
    send(lab.server.address, nameless).refusal(403, "host_refused");
}

fn the_names_of_this_machine_are_answered() {
    let lab = Lab::new();
    let port = lab.server.address.port();
    for host in ["localhost", "127.0.0.1", "[::1]", "LocalHost"] {
        let host = format!("{host}:{port}");
        assert_eq!(lab.ask("GET", "/api/containers", &[("Host", &host)], "").status, 200, "{host}");
    }
}

fn a_change_that_another_site_asks_for_is_refused() {
    let lab = Lab::new();
    lab.start("victim", "sleep 1000");
    let body = json!({"name": "a", "command": "true"}).to_string();
    let ours = format!("http://{}", lab.server.address);
    let https = format!("https://{}", lab.server.address);
    let other_name = format!("http://localhost:{}", lab.server.address.port());
    for header in [
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-site"),
        ("Sec-Fetch-Site", "same-origin, cross-site"),
        ("Origin", "https://evil.example"),
        ("Origin", "http://localhost"),
        ("Origin", "http://127.0.0.1:1"),
        ("Origin", "null"),
        ("Origin", ""),
        ("Origin", &https),
        // Another origin than the one that the request went to.
        ("Origin", &other_name),
    ] {
        let code = "cross_site_refused";
        lab.ask("POST", "/api/containers", &[header], &body).refusal(403, code);
        lab.ask("POST", "/api/containers/victim/stop", &[header], "").refusal(403, code);
        lab.ask("DELETE", "/api/containers/victim?force=true", &[header], "").refusal(403, code);
    }
    // One header that is ours does not outweigh the other.
    let mixed = [("Origin", ours.as_str()), ("Sec-Fetch-Site", "cross-site")];
    lab.ask("POST", "/api/containers", &mixed, &body).refusal(403, "cross_site_refused");
    let list = lab.get("/api/containers").json();
    assert_eq!((list.as_array().unwrap().len(), &list[0]["status"]), (1, &json!("running")));
}

fn a_change_that_our_own_page_asks_for_is_made() {
    let lab = Lab::new();
    let body = json!({"name": "a", "command": "true"}).to_string();
    let origin = format!("http://{}", lab.server.address);
    let headers = [("Origin", origin.as_str()), ("Sec-Fetch-Site", "same-origin")];
    assert_eq!(lab.ask("POST", "/api/containers", &headers, &body).status, 201);
    let typed = [("Sec-Fetch-Site", "none")];
    assert_eq!(lab.ask("DELETE", "/api/containers/a", &typed, "").status, 204);
}

fn every_answer_tells_the_browser_what_it_may_do() {
    let lab = Lab::new();
    let foreign = lab.ask("GET", "/", &[("Host", "evil.example")], "");
    for answer in [
        lab.get("/"),
        lab.get("/app.js"),
        lab.get("/api/containers"),
        lab.get("/nowhere"),
        lab.ask("PUT", "/", &[], ""),
        foreign,
    ] {
        let policy = answer.header("content-security-policy").unwrap();
        assert!(
            policy.starts_with(
                "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; \
                 img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; \
                 form-action 'none'; connect-src 'self'"
            ) && !policy.contains("unsafe"),
            "{policy}"
        );
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("access-control-allow-origin"), None);
    }
}

fn html_in_a_log_is_served_as_text() {
    let lab = Lab::new();
    lab.start("html", "echo '<script>alert(1)</script>'");
    lab.until_stopped("html");
    for query in ["", "?raw=true"] {
        let logs = lab.get(&format!("/api/containers/html/logs{query}"));
        assert!(logs.text().contains("<script>alert(1)</script>"));
        assert_eq!(logs.header("content-type"), Some("text/plain; charset=utf-8"));
        assert_eq!(logs.header("x-content-type-options"), Some("nosniff"));
    }
}
