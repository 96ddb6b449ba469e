//! The rest of the API: each feature once, as a client sees it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::lab::Lab;

crate::trials![
    a_command_is_executed_and_its_output_returned,
    a_command_whose_client_goes_away_is_killed,
    the_list_is_filtered_by_state_name_image_and_words,
    signals_pause_resume_and_no_new_name,
    several_are_worked_on_with_a_result_for_each,
    what_is_exported_is_imported_again,
    a_form_is_told_everything_that_is_wrong_at_once,
    templates_are_made_changed_and_deleted,
    files_are_listed_written_read_and_removed,
    files_made_to_hurt_do_the_server_no_harm,
    files_go_out_and_in_as_an_archive,
    an_image_is_made_of_an_archive_and_kept_while_it_is_used,
    the_x_ray_shows_what_the_kernel_says,
    the_x_ray_of_a_container_that_deceives_is_short_and_shows_nothing_of_the_host,
    an_experiment_shows_the_difference_and_leaves_nothing,
    the_system_is_told_and_examined,
    disk_use_is_told_and_pruned,
    metrics_are_text_for_prometheus,
    the_description_of_the_api_knows_every_route,
];

fn exec(lab: &Lab, body: Value) -> crate::http::Response {
    lab.ask("POST", "/api/containers/a/exec", &[], &body.to_string())
}

fn a_command_is_executed_and_its_output_returned() {
    let lab = Lab::new();
    lab.start("a", "sleep 1000");
    let output = exec(
        &lab,
        json!({"command": "sh -c 'echo $A; pwd; id -u; cat; echo e >&2; exit 5'",
        "env": {"A": "b"}, "working_dir": "/tmp", "user": "1000", "stdin": "typed"}),
    );
    let expected = json!({"stdout": "b\n/tmp\n1000\ntyped", "stderr": "e\n", "exit_code": 5,
        "signal": null, "oom_killed": false, "timed_out": false, "truncated": false});
    assert_eq!(output.json(), expected);
    let late =
        exec(&lab, json!({"command": ["sh", "-c", "echo begun; sleep 1000"], "timeout": 0.5}));
    let late = late.json();
    assert_eq!((&late["timed_out"], &late["stdout"]), (&json!(true), &json!("begun\n")));
    // More than is kept, and more than a pipe holds.
    let much = exec(&lab, json!({"command": "head -c 5000000 /dev/zero"})).json();
    assert_eq!(
        (much["stdout"].as_str().unwrap().len(), &much["truncated"]),
        (4 << 20, &json!(true))
    );
    exec(&lab, json!({"command": "no-such-program"})).refusal(422, "exec_failed");
    exec(&lab, json!({"command": "true", "user": "a:b:c"})).refusal(400, "invalid_spec");
    exec(&lab, json!({"command": "'"})).refusal(400, "invalid_spec");
    exec(&lab, json!({"command": "true", "timeout": 0})).refusal(400, "bad_request");
    exec(&lab, json!({"command": "true", "shell": true})).refusal(400, "bad_request");
    lab.post("/api/containers/a/pause");
    exec(&lab, json!({"command": "true"})).refusal(409, "wrong_state");
}

fn a_command_whose_client_goes_away_is_killed() {
    let lab = Lab::new();
    lab.start("a", "exec sleep 1000");
    let body = json!({"command": "sleep 1001", "timeout": 3600}).to_string();
    let path = "/api/containers/a/exec";
    let request = crate::http::request(
        lab.server.address,
        "POST",
        path,
        &[
            ("Content-Type", "application/json"),
            ("Content-Length", &body.len().to_string()),
            ("Connection", "close"),
        ],
        body.as_bytes(),
    );
    let mut client = std::net::TcpStream::connect(lab.server.address).unwrap();
    std::io::Write::write_all(&mut client, &request).unwrap();
    let pids = || lab.get("/api/containers/a/stats?window=0").json()["pids"]["current"].clone();
    let until = |count: u64| {
        let deadline = Instant::now() + Duration::from_secs(60);
        while pids() != count {
            assert!(Instant::now() < deadline, "never {count}: {}", pids());
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    until(2);
    drop(client);
    until(1);
}

fn the_list_is_filtered_by_state_name_image_and_words() {
    let lab = Lab::new();
    lab.create(
        json!({"name": "web-1", "command": "python -m http.server", "env_vars": {"MODE": "dev"}}),
    );
    lab.create(json!({"name": "web-2", "command": "true", "volumes": ["/usr/share:/data:ro"]}));
    lab.start("db", "sleep 1000");
    let names = |query: &str| -> Vec<String> {
        let list = lab.get(&format!("/api/containers?{query}")).json();
        let name = |info: &Value| info["name"].as_str().unwrap().to_string();
        list.as_array().unwrap().iter().map(name).collect()
    };
    assert_eq!(names("status=running"), ["db"]);
    assert_eq!(names("status=running,created").len(), 3);
    assert_eq!(names("name=WEB"), ["web-1", "web-2"]);
    assert_eq!(names("image=host").len(), 3);
    assert!(names("image=other").is_empty());
    assert_eq!(names("search=python"), ["web-1"]);
    assert_eq!(names("search=env:MODE=dev"), ["web-1"]);
    assert!(names("search=env:MODE=prod").is_empty());
    assert_eq!(names("search=volume:/usr/share%20name:web"), ["web-2"]);
    assert_eq!(names("search=web%20status:created"), ["web-1", "web-2"]);
    assert!(names("search=health:unhealthy").is_empty());
    lab.create(json!({"name": "ill", "command": "sleep 1000",
                      "health_check": {"command": "false", "interval_seconds": 1, "retries": 1}}));
    lab.post("/api/containers/ill/start");
    let deadline = Instant::now() + Duration::from_secs(20);
    while names("search=unhealthy") != ["ill"] {
        assert!(Instant::now() < deadline, "never unhealthy");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(names("search=health:unhealthy%20status:running"), ["ill"]);
    assert!(names("search=oom").is_empty());
    let id = lab.get("/api/containers/db").json()["short_id"].as_str().unwrap().to_string();
    assert_eq!(names(&format!("search={id}")), ["db"]);
    lab.get("/api/containers?status=asleep").refusal(400, "invalid_query");
}

fn signals_pause_resume_and_no_new_name() {
    let lab = Lab::new();
    lab.start("a", "trap 'echo hup' HUP; while :; do sleep 0.1; done");
    assert_eq!(lab.post("/api/containers/a/pause").json()["status"], "paused");
    lab.post("/api/containers/a/pause").refusal(409, "wrong_state");
    assert_eq!(lab.post("/api/containers/a/resume").json()["status"], "running");
    for signal in ["SIGHUP", "hup", "1"] {
        assert_eq!(lab.post(&format!("/api/containers/a/kill?signal={signal}")).status, 200);
    }
    while !lab.get("/api/containers/a/logs?raw=true").text().contains("hup\n") {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(lab.post("/api/containers/a/kill").status, 200);
    assert_eq!(lab.until_stopped("a")["exit"]["signal"], 9);
    lab.post("/api/containers/a/kill").refusal(409, "wrong_state");
    let refusal = lab.post("/api/containers/a/rename").refusal(409, "immutable");
    assert!(refusal["hint"].as_str().unwrap().contains("import?name="), "{refusal}");
    lab.post("/api/containers/none/rename").refusal(404, "not_found");
}

fn several_are_worked_on_with_a_result_for_each() {
    let lab = Lab::new();
    let names: Vec<String> = (0..12).map(|number| format!("c{number}")).collect();
    for name in &names {
        lab.create(json!({"name": name, "command": ["sleep", "1000"]}));
    }
    let bulk = |body: Value| lab.ask("POST", "/api/containers/bulk", &[], &body.to_string());
    let mut all = names.clone();
    all.push("none".into());
    let started = bulk(json!({"action": "start", "names": all})).json();
    let results = started["results"].as_array().unwrap();
    assert!(results[..12].iter().all(|r| r["ok"] == true && r["status"] == "running"), "{started}");
    assert_eq!(
        (&results[12]["ok"], &results[12]["error"]["code"]),
        (&json!(false), &json!("not_found"))
    );
    let deleted = bulk(json!({"action": "delete", "names": names})).json();
    assert!(
        deleted["results"].as_array().unwrap().iter().all(|r| r["error"]["code"] == "wrong_state")
    );
    let deleted = bulk(json!({"action": "delete", "names": names, "force": true})).json();
    assert!(deleted["results"].as_array().unwrap().iter().all(|r| r["ok"] == true));
    assert_eq!(lab.get("/api/containers").json(), json!([]));
    for wrong in [
        json!({"action": "start", "names": []}),
        json!({"action": "fly", "names": ["a"]}),
        json!({"action": "kill", "names": ["a"], "signal": "NONE"}),
        json!({"action": "stop", "names": ["a"], "timeout": 4000}),
        json!({"action": "stop", "names": vec!["a"; 10_001]}),
    ] {
        bulk(wrong).refusal(400, "bad_request");
    }
    // Names that are also words of the API are names like any other.
    for name in ["bulk", "import", "validate"] {
        assert_eq!(lab.create(json!({"name": name, "command": "true"})).status, 201);
        assert_eq!(lab.get(&format!("/api/containers/{name}")).json()["name"], name);
        assert_eq!(lab.delete(&format!("/api/containers/{name}")).status, 204);
    }
}

fn what_is_exported_is_imported_again() {
    let lab = Lab::new();
    let spec = json!({"name": "a", "command": "echo hi", "mem_limit_mb": 64, "env_vars": {"A": "b"},
        "volumes": []});
    lab.create(spec.clone());
    let export = lab.get("/api/containers/a/export");
    assert!(export.header("content-disposition").unwrap().contains("filename=\"a.json\""));
    let config = export.json();
    assert!(config["exported_at"].is_string() && config["cpu_limit_percent"].is_null());
    let import = |query: &str, body: &str| {
        lab.ask("POST", &format!("/api/containers/import{query}"), &[], body)
    };
    import("", export.text()).refusal(409, "name_in_use");
    let copy = import("?name=b", export.text());
    assert_eq!((copy.status, copy.header("location")), (201, Some("/api/containers/b")));
    let mut expected = spec;
    expected["name"] = json!("b");
    assert_eq!(copy.json()["spec"], expected);
    import("", "[]").refusal(400, "bad_archive");
    import("", "{\"name\": \"c\"}").refusal(400, "bad_archive");
}

fn a_form_is_told_everything_that_is_wrong_at_once() {
    let lab = Lab::new();
    let validate =
        |spec: Value| lab.ask("POST", "/api/containers/validate", &[], &spec.to_string()).json();
    let told = validate(json!({"name": "a b", "mem_limit_mb": 0, "volumes": ["data:/x"]}));
    let fields: Vec<&Value> =
        told["problems"].as_array().unwrap().iter().map(|problem| &problem["field"]).collect();
    assert_eq!(fields, ["command", "mem_limit_mb", "name", "volumes"]);
    let expected = json!({"valid": true, "problems": []});
    assert_eq!(validate(json!({"name": "a", "command": "true"})), expected);
    assert_eq!(lab.get("/api/containers").json(), json!([]));
    // And what only this machine, and the containers that are there, can tell.
    lab.ask("POST", "/api/containers", &[], r#"{"name": "taken", "command": "true"}"#);
    let told = validate(json!({"name": "taken", "command": "true", "image": "missing",
                               "volumes": ["/no/such/folder:/x"], "mem_limit_mb": 999_999_999}));
    let at_fault: Vec<&str> = told["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|problem| problem["field"].as_str().unwrap())
        .collect();
    assert_eq!(at_fault, ["image", "mem_limit_mb", "name", "volumes"], "{told}");
}

fn templates_are_made_changed_and_deleted() {
    let lab = Lab::new();
    let builtin = lab.get("/api/templates").json();
    assert_eq!(builtin.as_array().unwrap().len(), 3);
    let template = json!({"name": "mine", "title": "Mine", "description": "x",
        "spec": {"command": "echo one", "mem_limit_mb": 32}});
    let ask =
        |method: &str, path: &str, body: &Value| lab.ask(method, path, &[], &body.to_string());
    let saved = ask("POST", "/api/templates", &template);
    assert_eq!((saved.status, saved.header("location")), (201, Some("/api/templates/mine")));
    ask("POST", "/api/templates", &template).refusal(400, "invalid_spec");
    let mut changed = template.clone();
    changed["spec"]["command"] = json!("echo two");
    assert_eq!(ask("PUT", "/api/templates/mine", &changed).status, 200);
    ask("PUT", "/api/templates/other", &changed).refusal(400, "bad_request");
    assert_eq!(lab.get("/api/templates/mine").json()["spec"]["command"], "echo two");
    assert_eq!(lab.delete("/api/templates/mine").status, 204);
    lab.get("/api/templates/mine").refusal(404, "no_such_template");
    lab.delete("/api/templates/python-web-server").refusal(400, "invalid_spec");
    let bad = json!({"name": "bad", "spec": {"command": "x", "mem_limit_mb": 0}});
    assert_eq!(
        ask("POST", "/api/templates", &bad).refusal(400, "invalid_spec")["field"],
        "mem_limit_mb"
    );
}

const BYTES: [(&str, &str); 1] = [("Content-Type", "application/octet-stream")];

fn put(lab: &Lab, path: &str, headers: &[(&str, &str)], body: &[u8]) -> crate::http::Response {
    let length = body.len().to_string();
    let mut all = vec![("Content-Length", length.as_str())];
    all.extend(headers);
    let method = if path.contains("/images") { "POST" } else { "PUT" };
    let server = lab.server.address;
    crate::http::send(server, &crate::http::request(server, method, path, &all, body))
}

fn files_are_listed_written_read_and_removed() {
    let lab = Lab::new();
    lab.start("a", "echo hi > /srv/made; rm /etc/group; exec sleep 1000");
    let at = |path: &str| format!("/api/containers/a/files{path}");
    let bytes: Vec<u8> = (0..=255).cycle().take(200_000).collect();
    let path = at("/content?path=/srv/deep/file&parents=true&mode=640");
    assert_eq!(put(&lab, &path, &BYTES, &bytes).status, 204);
    let back = lab.get(&at("/content?path=/srv/deep/file"));
    assert_eq!(back.header("content-type"), Some("application/octet-stream"));
    assert!(back.header("content-disposition").unwrap().contains("file"));
    let file = lab.get(&at("?path=/srv/deep/file")).json()["file"].clone();
    assert_eq!((&file["size"], &file["mode"]), (&json!(200_000), &json!(0o640)));
    assert_eq!(lab.ask("PUT", &at("/folder?path=/srv/empty"), &[], "").status, 204);
    let folder = lab.get(&at("?path=/srv")).json();
    let names: Vec<&Value> =
        folder["entries"].as_array().unwrap().iter().map(|entry| &entry["name"]).collect();
    assert_eq!(names, ["deep", "empty", "made"]);
    assert!(folder["entries"].as_array().unwrap().iter().all(|entry| entry["change"] == "added"));
    let etc = lab.get(&at("?path=/etc")).json();
    assert!(etc["deleted"].as_array().unwrap().contains(&json!("group")), "{}", etc["deleted"]);
    let diff = lab.get("/api/containers/a/diff").json();
    assert!(diff.as_array().unwrap().contains(&json!({"kind": "deleted", "path": "/etc/group"})));
    assert_eq!(lab.delete(&at("?path=/srv/deep")).status, 204);
    lab.get(&at("?path=/srv/deep")).refusal(400, "file");
    lab.get(&at("?path=relative")).refusal(400, "file");
    // A body of another type, and one that is too large.
    put(&lab, &at("/content?path=/srv/x"), &[("Content-Type", "text/plain")], b"x")
        .refusal(415, "unsupported_media_type");
    put(&lab, &at("/content?path=/srv/x"), &BYTES, &vec![0; (16 << 20) + 1])
        .refusal(413, "body_too_large");
}

fn files_made_to_hurt_do_the_server_no_harm() {
    use rustix::fs::{FileType, Mode, OFlags};
    use std::os::unix::ffi::OsStrExt;
    let lab = Lab::new();
    lab.create(json!({"name": "a", "command": "sleep 1000"}));
    let rootfs = lab.root().join("containers/a/rootfs");
    let directory = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::open(&rootfs, directory, Mode::empty()).unwrap();
    let make = |parent: &std::os::fd::OwnedFd, name: &str| {
        rustix::fs::mkdirat(parent, name, Mode::from(0o755)).unwrap();
        rustix::fs::openat(parent, name, directory, Mode::empty()).unwrap()
    };
    let mut deep = make(&root, "deep");
    (0..3000).for_each(|_| deep = make(&deep, "d"));
    let wide = make(&root, "wide");
    for number in 0..10_100 {
        let (kind, mode) = (FileType::Fifo, Mode::from(0o644));
        rustix::fs::mknodat(&wide, format!("{number:08}"), kind, mode, 0).unwrap();
    }
    std::fs::create_dir(rootfs.join("odd")).unwrap();
    let odd = rootfs.join("odd").join(std::ffi::OsStr::from_bytes(b"caf\xe9\n"));
    std::fs::write(odd, "x").unwrap();
    std::os::unix::fs::symlink("/proc/1/environ", rootfs.join("answer")).unwrap();
    let at = |rest: &str| format!("/api/containers/a{rest}");
    for running in [false, true] {
        if running {
            assert_eq!(lab.post(&at("/start")).status, 200);
            lab.get(&at("/files/content?path=/answer")).refusal(400, "file");
            lab.get(&at("/files?path=/proc")).refusal(400, "file");
        }
        let place = lab.get(&at("/files?path=/wide")).json();
        assert_eq!(place["truncated"], true);
        assert_eq!(place["entries"].as_array().unwrap().len(), 10_000);
        let rest = lab.get(&at("/files?path=/wide&after=00009999&limit=1000")).json();
        assert_eq!(
            (&rest["truncated"], &rest["entries"][0]["name"]),
            (&json!(false), &json!("00010000"))
        );
        assert_eq!(rest["entries"].as_array().unwrap().len(), 100);
        let marks = lab.get(&at("/files?path=/")).json();
        let mark = |name: &str| {
            let entries = marks["entries"].as_array().unwrap().iter();
            entries.clone().find(|entry| entry["name"] == name).unwrap()["change"].clone()
        };
        assert_eq!(
            (mark("deep"), mark("wide"), mark("usr")),
            (json!("added"), json!("added"), json!(null))
        );
        lab.get(&at("/files/content?path=/wide/00000000")).refusal(400, "file");
        let listed = lab.get(&at("/files?path=/odd")).json()["entries"][0].clone();
        assert_eq!(listed["name_bytes"], "caf%E9%0A");
        let content = lab.get(&at("/files/content?path=/odd/caf%E9%0A"));
        assert_eq!((content.status, without_chunks(&content.body)), (200, b"x".to_vec()));
        let cut = lab.get(&at("/diff?limit=100"));
        assert_eq!(cut.header("minidocker-truncated"), Some("true"));
        assert_eq!(cut.json().as_array().unwrap().len(), 100);
        let whole = lab.get(&at("/diff")).json();
        let odd =
            whole.as_array().unwrap().iter().find(|change| change["path_bytes"] != json!(null));
        assert_eq!(odd.unwrap()["path_bytes"], "/odd/caf%E9%0A");
        for content in ["merged", "changes"] {
            let archive = lab.get(&at(&format!("/archive?content={content}")));
            assert_eq!(archive.status, 200);
            assert!(without_chunks(&archive.body).len().is_multiple_of(512));
        }
        assert_eq!(lab.get("/api/disk").status, 200);
        assert_eq!(lab.get(&at("/xray")).status, 200);
    }
    assert_eq!(lab.delete(&at("/files?path=/odd/caf%E9%0A")).status, 204);
    assert_eq!(lab.delete(&at("/files?path=/deep")).status, 204);
    assert_eq!(lab.delete(&at("?force=true")).status, 204);
    assert_eq!(lab.get("/api/containers").status, 200);
}

const TAR: [(&str, &str); 1] = [("Content-Type", "application/x-tar")];

pub fn without_chunks(mut body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    loop {
        let end = body.windows(2).position(|two| two == b"\r\n").unwrap();
        let size = usize::from_str_radix(std::str::from_utf8(&body[..end]).unwrap(), 16).unwrap();
        if size == 0 {
            return whole;
        }
        whole.extend(&body[end + 2..end + 2 + size]);
        body = &body[end + 2 + size + 2..];
    }
}

fn files_go_out_and_in_as_an_archive() {
    let lab = Lab::new();
    lab.start("a", "echo kept > /srv/kept; head -c 300000 /dev/zero > /srv/large");
    lab.until_stopped("a");
    let archive = lab.get("/api/containers/a/archive?content=changes");
    assert_eq!(archive.header("content-type"), Some("application/x-tar"));
    let archive = without_chunks(&archive.body);
    assert!(archive.len() > 300_000 && archive.len().is_multiple_of(512));
    lab.create(json!({"name": "b", "command": "cat /srv/kept"}));
    let path = "/api/containers/b/archive";
    let taken = put(&lab, path, &TAR, &archive).json();
    assert!(taken["bytes"].as_u64().unwrap() >= 300_005, "{taken}");
    lab.post("/api/containers/b/start");
    lab.until_stopped("b");
    assert_eq!(lab.get("/api/containers/b/logs?raw=true").text(), "kept\n");
    put(&lab, path, &TAR, &[1; 2048]).refusal(400, "bad_archive");
    put(&lab, path, &[("Content-Type", "application/json")], b"{}")
        .refusal(415, "unsupported_media_type");
    lab.get("/api/containers/none/archive").refusal(404, "not_found");
    lab.get("/api/containers/b/archive?content=all").refusal(400, "invalid_query");
    // One that breaks off leaves everything as it was.
    let half = put(&lab, path, &TAR, &archive[..archive.len() / 2]);
    half.refusal(400, "bad_archive");
    assert_eq!(lab.get("/api/containers/b/logs?raw=true").text(), "kept\n");
}

fn an_image_is_made_of_an_archive_and_kept_while_it_is_used() {
    let lab = Lab::new();
    lab.start("a", "mkdir -p /bin; echo content > /marker");
    lab.until_stopped("a");
    let archive = without_chunks(&lab.get("/api/containers/a/archive?content=merged").body);
    let made = put(&lab, "/api/images?name=copy", &TAR, &archive);
    assert_eq!((made.status, made.header("location")), (201, Some("/api/images/copy")));
    let names: Vec<Value> = lab
        .get("/api/images")
        .json()
        .as_array()
        .unwrap()
        .iter()
        .map(|i| i["name"].clone())
        .collect();
    assert_eq!(names, ["host", "copy"]);
    lab.create(json!({"name": "b", "command": "true", "image": "copy"}));
    lab.delete("/api/images/copy").refusal(409, "image_in_use");
    lab.delete("/api/containers/b");
    assert_eq!(lab.delete("/api/images/copy").status, 204);
    lab.get("/api/images/copy").refusal(404, "no_such_image");
    lab.delete("/api/images/host").refusal(400, "invalid_spec");
    put(&lab, "/api/images?name=bad", &TAR, b"nonsense").refusal(400, "bad_archive");
    let refusal = lab.create(json!({"name": "c", "command": "true", "image": "none"}));
    refusal.refusal(404, "no_such_image");
}

fn the_x_ray_shows_what_the_kernel_says() {
    let lab = Lab::new();
    lab.create(json!({"name": "a", "command": ["sleep", "1000"], "mem_limit_mb": 64}));
    let before = lab.get("/api/containers/a/xray").json();
    assert_eq!(before["running"], false);
    assert!(before["why"].as_str().unwrap().contains("created"), "{before}");
    let info = lab.post("/api/containers/a/start").json();
    let xray = lab.get("/api/containers/a/xray").json();
    let pid = info["pid"].as_i64().unwrap();
    assert_eq!(xray["pid"], pid);
    for namespace in xray["namespaces"].as_array().unwrap() {
        let kind = namespace["kind"].as_str().unwrap();
        let link = std::fs::read_link(format!("/proc/{pid}/ns/{kind}")).unwrap();
        let expected = format!("{kind}:[{}]", namespace["container"]);
        assert_eq!(link.to_str(), Some(expected.as_str()));
        let own = ["pid", "mnt", "uts", "ipc", "net", "cgroup"].contains(&kind);
        assert_eq!(namespace["own"], own, "{kind}");
        let shows = namespace["shows"].as_str().unwrap();
        assert_eq!(shows.starts_with("Its own"), own, "{kind}: {shows}");
    }
    let processes = xray["processes"].as_array().unwrap();
    let sleep = processes.iter().find(|process| process["host_pid"] == pid).unwrap();
    assert_eq!((&sleep["command"], &sleep["container_pid"]), (&json!("sleep 1000"), &json!(2)));
    assert!(processes.iter().any(|process| process["container_pid"] == 1), "{processes:?}");
    let mounts = xray["mounts"].as_array().unwrap();
    assert_eq!((&mounts[0]["target"], &mounts[0]["filesystem"]), (&json!("/"), &json!("overlay")));
    let kept = xray["capabilities"]["kept"].as_array().unwrap();
    let dropped = xray["capabilities"]["dropped"].as_array().unwrap();
    assert!(kept.contains(&json!("CAP_CHOWN")) && dropped.contains(&json!("CAP_SYS_ADMIN")));
    assert_eq!(
        (&xray["seccomp"]["mode"], &xray["seccomp"]["no_new_privs"]),
        (&json!(2), &json!(true))
    );
    let limit = (64 << 20).to_string();
    let values = xray["cgroups"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|cgroup| cgroup["files"].as_array().unwrap());
    assert!(values.clone().any(|file| file["value"] == limit.as_str()), "{}", xray["cgroups"]);
    assert_eq!(xray["hostname"]["container"], "a");
    assert_eq!(xray["uid_map"][0]["inside"], 0);
}

/// How long a command line is, and what stands at /sys, is up to the container.
fn the_x_ray_of_a_container_that_deceives_is_short_and_shows_nothing_of_the_host() {
    let lab = Lab::new();
    let secret = lab.root().join("secret");
    std::fs::write(&secret, "of the host").unwrap();
    let script = r#"
import os, subprocess, sys, time
for number in range(100):
    subprocess.Popen(["sleep", "1000"] + ["0" * 60_000] * 3)
for name in os.listdir("/sys/class/net"):
    folder = f"/tmp/root/sys/class/net/{name}"
    os.makedirs(folder)
    os.symlink(sys.argv[1], f"{folder}/address")
os.chroot("/tmp/root")
print("re" + "ady", flush=True)
time.sleep(1000)
"#;
    let command = json!(["python3", "-c", script, secret]);
    lab.create(json!({"name": "a", "command": command}));
    lab.post("/api/containers/a/start");
    while !lab.get("/api/containers/a/logs").text().contains("ready") {
        std::thread::sleep(Duration::from_millis(20));
    }
    let answer = lab.get("/api/containers/a/xray");
    assert!(!answer.text().contains("of the host"), "{}", answer.text());
    let processes = answer.json()["processes"].as_array().unwrap().clone();
    let commands = || processes.iter().map(|process| process["command"].as_str().unwrap());
    assert!(commands().count() > 100);
    assert!(commands().filter(|command| command.starts_with("sleep 1000 000")).count() > 20);
    for command in commands().filter(|command| command.starts_with("sleep")) {
        assert!(command.len() <= (64 << 10) + '…'.len_utf8() && command.ends_with('…'));
    }
    assert!(answer.text().len() < 5 << 20, "{}", answer.text().len());
}

fn an_experiment_shows_the_difference_and_leaves_nothing() {
    let lab = Lab::new();
    let list = lab.get("/api/experiments").json();
    for experiment in list.as_array().unwrap() {
        let body = json!({"feature": experiment["feature"]});
        let result = lab.ask("POST", "/api/experiments", &[], &body.to_string()).json();
        let (with, without) = (&result["with"], &result["without"]);
        for run in [with, without] {
            assert!(run["error"].is_null() && run["timed_out"] == false, "{result}");
        }
        assert_ne!(with["output"], without["output"], "{result}");
        // A learner sees something fail, not a number that differs.
        if ["capabilities", "no_new_privs", "seccomp"].map(Value::from).contains(&result["feature"])
        {
            assert_ne!(with["exit_code"], 0, "{result}");
            assert_eq!(without["exit_code"], 0, "{result}");
            assert!(
                with["output"].as_str().unwrap().contains("not permitted")
                    || with["output"].as_str().unwrap().contains("denied"),
                "{result}"
            );
        }
    }
    assert_eq!(lab.get("/api/containers").json(), json!([]));
    let run = |body: Value| lab.ask("POST", "/api/experiments", &[], &body.to_string());
    let broken = run(json!({"feature": "uts", "command": "no-such-program"})).json();
    assert_eq!(broken["with"]["error"]["code"], "start_failed");
    run(json!({"feature": "gravity"})).refusal(400, "bad_request");
    run(json!({"feature": "uts", "command": "'"})).refusal(400, "invalid_spec");
    assert_eq!(lab.get("/api/containers").json(), json!([]));
}

fn the_system_is_told_and_examined() {
    let lab = Lab::new();
    lab.start("a", "sleep 1000");
    let system = lab.get("/api/system").json();
    assert_eq!(system["backend"]["kind"], "linux");
    assert_eq!(system["kernel"]["name"], "Linux");
    assert!(system["cores"].as_u64().unwrap() > 0 && system["memory_bytes"].as_u64().unwrap() > 0);
    assert_eq!(
        (&system["containers"]["running"], &system["containers"]["stopped"]),
        (&json!(1), &json!(0))
    );
    assert_eq!(system["root"], lab.root().to_str().unwrap());
    let doctor = system["doctor"].as_array().unwrap();
    let root = doctor.iter().find(|check| check["id"] == "root").unwrap();
    assert_eq!(root["status"], "ok");
    assert!(system["enforced"].as_array().unwrap().iter().all(|limit| limit["enforced"] == true));
}

fn disk_use_is_told_and_pruned() {
    let lab = Lab::new();
    lab.create(json!({"name": "old", "command": "true"}));
    lab.start("alive", "sleep 1000");
    let disk = lab.get("/api/disk").json();
    assert_eq!(disk["containers"].as_array().unwrap().len(), 2);
    assert!(disk["reclaimable_bytes"].as_u64().unwrap() > 0);
    let pruned = lab.post("/api/prune").json();
    assert_eq!(pruned["containers"], json!(["old"]));
    assert_eq!(lab.get("/api/containers").json().as_array().unwrap().len(), 1);
}

fn metrics_are_text_for_prometheus() {
    let lab = Lab::new();
    lab.start("a", "sleep 1000");
    let metrics = lab.get("/metrics");
    assert_eq!(metrics.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let text = metrics.text();
    assert!(text.contains("minidocker_containers{status=\"running\"} 1\n"), "{text}");
    assert!(text.contains("minidocker_container_memory_bytes{name=\"a\"} "), "{text}");
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').unwrap();
        assert!(name.starts_with("minidocker_") && value.parse::<f64>().is_ok(), "{line}");
    }
}

fn the_description_of_the_api_knows_every_route() {
    let lab = Lab::new();
    let document = lab.get("/api/openapi.json").json();
    assert_eq!(document["openapi"], "3.1.0");
    for (path, item) in document["paths"].as_object().unwrap() {
        let mut methods: Vec<String> =
            item.as_object().unwrap().keys().map(|method| method.to_uppercase()).collect();
        methods.sort();
        // What no route takes: the refusal lists what it does take.
        let real = path.replace("{name}", "a");
        let refusal = lab.ask("PATCH", &real, &[], "");
        let allow = refusal.header("allow").unwrap_or_else(|| panic!("{path} is no route"));
        let mut allowed: Vec<&str> = allow.split(", ").filter(|method| *method != "HEAD").collect();
        allowed.sort_unstable();
        // These three paths are names of containers too.
        if !["import", "bulk", "validate"].iter().any(|word| path.ends_with(word)) {
            assert_eq!(methods, allowed, "{path}");
        }
    }
    let page = lab.get("/api/docs");
    assert!(
        page.text().contains("/api/containers/{name}/exec") && !page.text().contains("<script")
    );
    assert_eq!(lab.get("/api/docs.css").status, 200);
}
