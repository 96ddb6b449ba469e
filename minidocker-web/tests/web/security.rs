//! What a web page from elsewhere could make a browser send, and what a browser could
//! make of our answers.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::http::{request, send};
use crate::lab::{Lab, Server};

crate::trials![
    a_request_under_a_foreign_name_is_refused,
    the_names_of_this_machine_are_answered,
    a_change_that_another_site_asks_for_is_refused,
    a_change_that_our_own_page_asks_for_is_made,
    every_answer_tells_the_browser_what_it_may_do,
    html_in_a_log_is_served_as_text,
    another_user_of_this_machine_needs_the_token,
    a_connection_that_nobody_holds_does_not_pass_for_root,
    the_caller_of_sudo_enters_without_ceremony,
    a_wrong_token_is_refused_wherever_it_is_wrong,
    the_link_becomes_a_cookie_that_no_script_reads,
    a_socket_that_another_site_opens_is_refused,
    another_site_may_link_to_us_but_not_embed_us,
    elsewhere_the_address_and_the_allowed_names_are_answered_and_no_others,
    a_client_that_sends_slowly_or_reads_nothing_delays_nobody,
    names_that_are_too_long_or_odd_are_refused,
];

/// Somebody without any rights.
const NOBODY: u32 = 65_534;

/// Sends a request as another user, through a shell that has the rights of that user alone.
fn ask_as(uid: u32, server: SocketAddr, request: &[u8]) -> String {
    let script =
        format!("exec 3<>/dev/tcp/{}/{} && cat >&3 && cat <&3", server.ip(), server.port());
    let mut shell = Command::new("bash")
        .args(["-c", &script])
        .uid(uid)
        .gid(uid)
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    shell.stdin.take().unwrap().write_all(request).unwrap();
    let output = shell.wait_with_output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The status, and the code of the error if it is one.
fn verdict(answer: &str) -> (u16, String) {
    let status = answer.split(' ').nth(1).unwrap_or_default().parse().unwrap_or(0);
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    (status, body["error"]["code"].as_str().unwrap_or_default().to_string())
}

fn another_user_of_this_machine_needs_the_token() {
    let lab = Lab::new();
    let server = lab.server.address;
    let ask = |method: &str, path: &str, headers: &[(&str, &str)]| {
        verdict(&ask_as(NOBODY, server, &request(server, method, path, headers, b"")))
    };
    for (method, path) in [
        ("GET", "/"),
        ("GET", "/api/containers"),
        ("GET", "/api/events"),
        ("GET", "/metrics"),
        ("GET", "/api/openapi.json"),
        ("POST", "/api/prune"),
        ("DELETE", "/api/containers/a"),
        ("GET", "/nowhere"),
    ] {
        assert_eq!(ask(method, path, &[]), (401, "token_required".into()), "{method} {path}");
    }
    // That it is well is no secret.
    assert_eq!(ask("GET", "/healthz", &[]).0, 200);
    let bearer = format!("Bearer {}", lab.server.token);
    assert_eq!(ask("GET", "/api/containers", &[("Authorization", &bearer)]).0, 200);
    let session = ask_as(
        NOBODY,
        server,
        &request(server, "GET", "/api/session", &[("Authorization", &bearer)], b""),
    );
    assert!(session.contains("\"by\":\"token\""), "{session}");
    assert_eq!(lab.get("/api/session").json(), json!({"uid": 0, "by": "user"}));
}

fn a_connection_that_nobody_holds_does_not_pass_for_root() {
    let lab = Lab::new();
    lab.create(json!({"name": "victim", "command": "true"}));
    let server = lab.server.address;
    // The kernel lists a socket whose process is gone as root's. So: send, and go away before
    // the server has looked. Many times, since it is a race.
    let script = format!(
        "for n in $(seq 100); do exec 3<>/dev/tcp/{}/{}; \
         printf 'DELETE /api/containers/victim HTTP/1.1\\r\\nHost: {server}\\r\\n\\r\\n' >&3; \
         exec 3>&-; done",
        server.ip(),
        server.port()
    );
    let status = Command::new("bash")
        .args(["-c", &script])
        .uid(NOBODY)
        .gid(NOBODY)
        .current_dir("/")
        .status()
        .unwrap();
    assert!(status.success());
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(lab.get("/api/containers/victim").status, 200, "it was deleted");
}

fn the_caller_of_sudo_enters_without_ceremony() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start_by_sudo_of(&dir.path().join("root"), NOBODY);
    let ask = |uid: u32| {
        let request = request(server.address, "GET", "/api/session", &[], b"");
        verdict(&ask_as(uid, server.address, &request)).0
    };
    assert_eq!((ask(NOBODY), ask(NOBODY - 1)), (200, 401));
}

fn a_wrong_token_is_refused_wherever_it_is_wrong() {
    let lab = Lab::new();
    let (server, token) = (lab.server.address, &lab.server.token);
    assert_eq!(token.len(), 64);
    let last = if token.ends_with('0') { "1" } else { "0" };
    let almost = format!("{}{last}", &token[..63]);
    for wrong in ["", "x", &token[..63], &almost, &format!("{token}0"), &token.to_uppercase()] {
        if wrong == token {
            continue;
        }
        let bearer = format!("Bearer {wrong}");
        let cookie = format!("minidocker-{}={wrong}", server.port());
        for header in [("Authorization", bearer.as_str()), ("Cookie", cookie.as_str())] {
            let request = request(server, "GET", "/api/containers", &[header], b"");
            let (status, code) = verdict(&ask_as(NOBODY, server, &request));
            assert_eq!((status, code.as_str()), (403, "token_refused"), "{header:?}");
        }
        lab.get(&format!("/login?token={wrong}")).refusal(403, "token_refused");
    }
    lab.get("/login").refusal(400, "invalid_query");
}

fn the_link_becomes_a_cookie_that_no_script_reads() {
    let lab = Lab::new();
    let server = lab.server.address;
    let link = format!("/login?token={}", lab.server.token);
    assert!(lab.server.greeting.contains(&format!("http://{server}{link}")));
    let answer = ask_as(NOBODY, server, &request(server, "GET", &link, &[], b""));
    assert!(answer.starts_with("HTTP/1.1 303 "), "{answer}");
    assert!(answer.contains("\r\nlocation: /\r\n"), "{answer}");
    let cookie = answer.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
    for attribute in ["; HttpOnly", "; SameSite=Strict", "; Path=/"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    let cookie = cookie.split(';').next().unwrap();
    let with = |value: &str| {
        let request = request(server, "GET", "/api/containers", &[("Cookie", value)], b"");
        verdict(&ask_as(NOBODY, server, &request)).0
    };
    assert_eq!(with(cookie), 200);
    assert_eq!(with(&format!("other=1; {cookie}")), 200);
    // That of a server on another port is none of ours.
    assert_eq!(with(&cookie.replace(&format!("-{}", server.port()), "-1")), 401);
}

fn a_socket_that_another_site_opens_is_refused() {
    let lab = Lab::new();
    lab.start("victim", "sleep 1000");
    let ours = format!("http://{}", lab.server.address);
    for path in ["/api/containers/victim/exec/ws", "/api/containers/victim/attach/ws"] {
        let open = |more: &[(&str, &str)]| {
            let mut headers = vec![
                ("Connection", "Upgrade"),
                ("Upgrade", "websocket"),
                ("Sec-WebSocket-Version", "13"),
                ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ];
            headers.extend(more);
            let mut stream = TcpStream::connect(lab.server.address).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
            let bytes = request(lab.server.address, "GET", path, &headers, b"");
            stream.write_all(&bytes).unwrap();
            let mut begin = [0; 12];
            stream.read_exact(&mut begin).unwrap();
            String::from_utf8(begin.to_vec()).unwrap()
        };
        for header in [
            ("Origin", "https://evil.example"),
            ("Origin", "null"),
            ("Sec-Fetch-Site", "cross-site"),
            ("Sec-Fetch-Site", "same-site"),
        ] {
            assert_eq!(open(&[header]), "HTTP/1.1 403", "{header:?}");
        }
        assert_eq!(open(&[("Origin", &ours)]), "HTTP/1.1 101");
        lab.get(path).refusal(400, "bad_request");
    }
}

fn another_site_may_link_to_us_but_not_embed_us() {
    let lab = Lab::new();
    let ask = |path: &str, site: &str, mode: &str| {
        let headers = [("Sec-Fetch-Site", site), ("Sec-Fetch-Mode", mode)];
        // A stream would go on for ever; one that is refused does not begin.
        lab.ask(if path == "/" { "GET" } else { "HEAD" }, path, &headers, "").status
    };
    for path in ["/", "/api/containers", "/api/live", "/api/events"] {
        for mode in ["no-cors", "cors", "websocket"] {
            assert_eq!(ask(path, "cross-site", mode), 403, "{path} {mode}");
        }
    }
    assert_eq!(ask("/", "cross-site", "navigate"), 200);
    assert_eq!(ask("/api/containers", "same-origin", "cors"), 200);
    assert_eq!(ask("/api/containers", "none", "navigate"), 200);
}

fn elsewhere_the_address_and_the_allowed_names_are_answered_and_no_others() {
    let dir = tempfile::tempdir().unwrap();
    let options = ["--host", "0.0.0.0", "--allow-host", "lab.example"];
    let server = Server::start_with(&dir.path().join("root"), &options);
    assert!(server.greeting.contains("Other machines can reach it"), "{}", server.greeting);
    assert!(server.greeting.contains("nothing is encrypted"), "{}", server.greeting);
    // The greeting names the address that other machines use.
    let port = server.address.port();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    for (host, status) in [
        (format!("127.0.0.1:{port}"), 200),
        (format!("lab.example:{port}"), 200),
        (format!("localhost:{port}"), 200),
        (format!("evil.example:{port}"), 403),
        (format!("192.0.2.1:{port}"), 403),
        ("lab.example".to_string(), 403),
    ] {
        let request = request(address, "GET", "/api/containers", &[("Host", &host)], b"");
        assert_eq!(send(address, &request).status, status, "{host}");
    }
}

fn a_client_that_sends_slowly_or_reads_nothing_delays_nobody() {
    let lab = Lab::new();
    let server = lab.server.address;
    let begun: Vec<TcpStream> = (0..50)
        .map(|number| {
            let mut stream = TcpStream::connect(server).unwrap();
            // Some stop in the middle of the headers, some in the body, and some ask for more
            // and more without reading any of it.
            let request = match number % 3 {
                0 => b"GET /api/containers HTTP/1.1\r\nHost: x".to_vec(),
                1 => format!(
                    "POST /api/containers HTTP/1.1\r\nHost: {server}\r\nContent-Type: \
                     application/json\r\nContent-Length: 1000\r\n\r\n{{"
                )
                .into_bytes(),
                _ => format!("GET /api/openapi.json HTTP/1.1\r\nHost: {server}\r\n\r\n")
                    .repeat(50)
                    .into_bytes(),
            };
            stream.write_all(&request).unwrap();
            stream
        })
        .collect();
    for _ in 0..10 {
        let begin = std::time::Instant::now();
        assert_eq!(lab.get("/api/containers").status, 200);
        assert!(begin.elapsed() < Duration::from_secs(10));
    }
    drop(begun);
}

fn names_that_are_too_long_or_odd_are_refused() {
    let lab = Lab::new();
    let long = "a".repeat(64);
    for name in [long.as_str(), "a/b", "..", "a b", "\u{1b}[31m", "<b>", "a\n", "é", ""] {
        let refusal = lab.create(json!({"name": name, "command": "true"}));
        assert_eq!(refusal.refusal(400, "invalid_spec")["field"], "name", "{name:?}");
    }
    lab.get(&format!("/api/containers/{}", "a".repeat(4000))).refusal(404, "not_found");
}

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
        lab.get("/api/docs.css"),
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
