//! Networks and published ports, as a client sees them.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};

use crate::lab::{Lab, Server};

crate::trials![
    networks_are_made_listed_and_deleted,
    what_cannot_be_a_network_is_refused,
    a_published_port_is_told_and_reached,
    what_cannot_be_published_is_refused_with_its_field,
    a_taken_port_is_a_failed_start_that_says_whose_it_is,
    the_x_ray_shows_both_ends_of_the_cable_and_the_rules,
    the_doctor_looks_at_the_network,
    a_simulation_has_ports_and_no_networks,
];

fn new_network(lab: &Lab, body: &Value) -> crate::http::Response {
    lab.ask("POST", "/api/networks", &[], &body.to_string())
}

/// Asks for a page until somebody serves it.
fn page(port: u64) -> String {
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    loop {
        let asked = (|| {
            let mut stream = TcpStream::connect(("127.0.0.1", u16::try_from(port).unwrap()))?;
            stream.set_read_timeout(Some(Duration::from_secs(20)))?;
            stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
            let mut page = String::new();
            stream.read_to_string(&mut page).map(|_| page)
        })();
        match asked {
            Ok(page) if !page.is_empty() => return page,
            other => assert!(std::time::Instant::now() < deadline, "{other:?}"),
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn networks_are_made_listed_and_deleted() {
    let lab = Lab::new();
    let first = lab.get("/api/networks").json();
    assert_eq!(first[0]["name"], "bridge");
    assert_eq!(first.as_array().unwrap().len(), 1);

    let made = new_network(&lab, &json!({"name": "backend"}));
    assert_eq!((made.status, made.header("location")), (201, Some("/api/networks/backend")));
    assert_eq!(made.json()["containers"], json!([]));
    assert!(made.json()["created_at"].is_string());
    new_network(&lab, &json!({"name": "backend"})).refusal(409, "network_exists");

    lab.create(json!({"name": "db", "command": "sleep 1000", "network": "backend"}));
    let started = lab.post("/api/containers/db/start");
    assert_eq!(started.status, 200, "{started:?}");
    let (network, endpoint) = (lab.get("/api/networks/backend").json(), started.json());
    let endpoint = &endpoint["network"]["networks"][0];
    assert_eq!(endpoint["name"], "backend");
    assert_eq!(network["containers"][0]["names"][0], "db");
    assert_eq!(network["containers"][0]["ip_address"], endpoint["ip_address"]);
    assert_eq!(network["gateway"], endpoint["gateway"]);
    let names: Vec<Value> = lab.get("/api/networks").json().as_array().unwrap().clone();
    assert!(names.iter().any(|one| one["bridge"] == network["bridge"] && one["name"] == "backend"));

    let refusal = lab.delete("/api/networks/backend");
    assert!(refusal.refusal(409, "network_in_use")["message"].as_str().unwrap().contains("db"));
    lab.delete("/api/containers/db?force=true");
    assert_eq!(lab.delete("/api/networks/backend").status, 204);
    lab.get("/api/networks/backend").refusal(404, "no_such_network");
    lab.delete("/api/networks/backend").refusal(404, "no_such_network");
}

fn what_cannot_be_a_network_is_refused() {
    let lab = Lab::new();
    for name in ["", "a b", "../x", "host", "bridge", "container:a"] {
        let refusal = new_network(&lab, &json!({"name": name})).refusal(400, "invalid_spec");
        assert_eq!(refusal["field"], "network", "{name:?}");
    }
    let refusal = new_network(&lab, &json!({"name": "a", "subnet": "10.99.0.0"}));
    assert_eq!(refusal.refusal(400, "invalid_spec")["field"], "subnet");
    new_network(&lab, &json!({"name": "a", "driver": "bridge"})).refusal(400, "bad_request");
    new_network(&lab, &json!({"subnet": "10.99.0.0/24"})).refusal(400, "bad_request");
    lab.delete("/api/networks/bridge").refusal(400, "invalid_spec");
    assert_eq!(lab.get("/api/networks").json().as_array().unwrap().len(), 1);
    let refusal = lab.create(json!({"name": "a", "command": "true", "network": "nowhere"}));
    refusal.refusal(404, "no_such_network");
}

fn a_published_port_is_told_and_reached() {
    let lab = Lab::new();
    let spec = json!({"name": "web", "command": "python3 -m http.server 8000",
        "ports": ["0:8000"], "extra_hosts": ["db:10.0.0.7"]});
    let made = lab.create(spec).json();
    assert_eq!(made["network"], json!({"mode": "bridge", "networks": [], "ports": []}));
    assert_eq!(made["spec"]["ports"], json!(["127.0.0.1:0:8000"]));
    let network = lab.post("/api/containers/web/start").json()["network"].clone();
    let port = network["ports"][0]["host_port"].as_u64().unwrap();
    assert_eq!(
        network["ports"],
        json!([{"host_ip": "127.0.0.1", "host_port": port, "container_port": 8000, "protocol": "tcp"}])
    );
    assert!(page(port).contains("Directory listing for /"));
    assert_eq!(lab.get("/api/containers/web").json()["network"], network);
    assert_eq!(lab.get("/api/containers").json()[0]["network"], network);
    let stats = lab.get("/api/containers/web/stats?window=0").json();
    assert_eq!(stats["network_info"], network);
    assert!(stats["network"]["rx_packets"].as_u64().unwrap() > 0, "{stats}");
    let names =
        lab.ask("POST", "/api/containers/web/exec", &[], r#"{"command": "cat /etc/hosts"}"#);
    assert!(names.json()["stdout"].as_str().unwrap().contains("10.0.0.7\tdb"), "{names:?}");
    lab.post("/api/containers/web/stop?timeout=0");
    let ended = lab.get("/api/containers/web").json()["network"].clone();
    assert_eq!(ended, json!({"mode": "bridge", "networks": [], "ports": []}));
}

fn what_cannot_be_published_is_refused_with_its_field() {
    let lab = Lab::new();
    for (change, field) in [
        (json!({"ports": ["80:0"]}), "ports"),
        (json!({"ports": ["8080:80", "0.0.0.0:8080:81"]}), "ports"),
        (json!({"ports": ["8080:80"], "network": "none"}), "ports"),
        (json!({"ports": ["8080:80"], "network": "host"}), "ports"),
        (json!({"network": "a b"}), "network"),
        (json!({"dns": ["dns.example"]}), "dns"),
        (json!({"extra_hosts": ["db"]}), "extra_hosts"),
        (json!({"aliases": ["a/b"]}), "aliases"),
    ] {
        let mut spec = json!({"name": "a", "command": "true"});
        spec.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let refusal = lab.create(spec).refusal(400, "invalid_spec");
        assert_eq!(refusal["field"], field, "{change}");
    }
    let all = json!({"ports": ["x"], "dns": ["y"]});
    let told = lab.ask("POST", "/api/containers/validate", &[], &all.to_string()).json();
    let fields: Vec<&str> = told["problems"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|one| one["field"].as_str())
        .collect();
    assert!(fields.contains(&"ports") && fields.contains(&"dns"), "{told}");
}

fn a_taken_port_is_a_failed_start_that_says_whose_it_is() {
    let lab = Lab::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    lab.create(json!({"name": "a", "command": "true", "ports": [format!("{port}:80")]}));
    let refusal = lab.post("/api/containers/a/start").refusal(422, "start_failed");
    let message = refusal["message"].as_str().unwrap();
    let owner = format!("port {port}/tcp of 127.0.0.1 is taken by process {} ", std::process::id());
    assert!(message.contains(&owner), "{message}");
    assert!(refusal["hint"].as_str().unwrap().contains("another port"), "{refusal}");
}

fn the_x_ray_shows_both_ends_of_the_cable_and_the_rules() {
    let lab = Lab::new();
    lab.create(json!({"name": "a", "command": "python3 -m http.server 8000"}));
    let info = lab.post("/api/containers/a/start").json();
    let endpoint = &info["network"]["networks"][0];
    let network = lab.get("/api/containers/a/xray").json()["network"].clone();
    assert_eq!(network["own"], true);
    let interfaces = network["interfaces"].as_array().unwrap();
    let eth0 = interfaces.iter().find(|one| one["name"] == "eth0").unwrap();
    assert_eq!((&eth0["mac"], &eth0["addresses"][0]), (&endpoint["mac"], &endpoint["ip_address"]));
    // What the host's kernel says of the other end.
    let peer = eth0["peer"]["name"].as_str().unwrap();
    let host = |file: &str| {
        let path = format!("/sys/class/net/{peer}/{file}");
        std::fs::read_to_string(path).unwrap().trim().to_string()
    };
    assert_eq!(host("ifindex"), eth0["peer"]["index"].to_string());
    assert_eq!(host("iflink"), eth0["index"].to_string());
    let bridge = network["bridge"]["name"].as_str().unwrap();
    assert!(std::path::Path::new(&format!("/sys/class/net/{bridge}/brif/{peer}")).exists());
    assert!(network["bridge"]["ports"].as_array().unwrap().contains(&json!(peer)));
    assert_eq!(
        network["routes"][0],
        json!({"to": "default", "via": endpoint["gateway"], "interface": "eth0"})
    );
    let rules = network["rules"].as_array().unwrap();
    let masquerade = rules.iter().find(|one| one["chain"] == "postrouting").unwrap();
    let rule = masquerade["rule"].as_str().unwrap();
    assert!(rule.starts_with("ip saddr ") && rule.ends_with("masquerade"), "{rule}");
    assert!(rule.contains(&format!("oifname != \"{bridge}\"")) || rules.len() > 5, "{rules:?}");
    let closed = json!({"chain": "forward", "rule": "oifname \"minidocker*\" drop"});
    assert!(rules.contains(&closed), "nobody comes in: {rules:?}");

    lab.create(json!({"name": "b", "command": "sleep 1000", "network": "host"}));
    lab.post("/api/containers/b/start");
    let shared = lab.get("/api/containers/b/xray").json()["network"].clone();
    assert_eq!((&shared["own"], &shared["interfaces"]), (&json!(false), &json!([])));
}

fn the_doctor_looks_at_the_network() {
    let lab = Lab::new();
    let system = lab.get("/api/system").json();
    let ids: Vec<&str> = system["doctor"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["id"].as_str().unwrap())
        .collect();
    for id in ["bridge", "packet-filter", "forwarding"] {
        assert!(ids.contains(&id), "{ids:?}");
    }
}

fn a_simulation_has_ports_and_no_networks() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start_with_variables(dir.path(), &[("MINIDOCKER_BACKEND", "simulation")]);
    let ask = |method: &str, path: &str, body: &str| {
        let request = crate::http::request(server.address, method, path, &[], body.as_bytes());
        crate::http::send(server.address, &request)
    };
    ask("GET", "/api/networks", "").refusal(501, "unsupported");
    ask("POST", "/api/networks", r#"{"name": "a"}"#).refusal(501, "unsupported");
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let spec = json!({"name": "web", "command": format!("python3 -m http.server {free}"),
        "ports": [format!("0:{free}")]});
    ask("POST", "/api/containers", &spec.to_string());
    let network = ask("POST", "/api/containers/web/start", "").json()["network"].clone();
    assert!(page(network["ports"][0]["host_port"].as_u64().unwrap()).contains("Directory"));
    assert!(network["caveats"][0].as_str().unwrap().contains("simulated"), "{network}");
    let ids = ask("GET", "/api/system", "").json()["doctor"].to_string();
    assert!(!ids.contains("packet-filter"));
    assert_eq!(ask("DELETE", "/api/containers/web?force=true", "").status, 204);
}
