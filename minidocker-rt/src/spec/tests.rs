use std::path::Path;

use super::*;

fn refused(spec: ContainerSpec) -> (&'static str, String) {
    match spec.problem.map(|problem| *problem) {
        Some(Error::InvalidSpec { field, why, hint, .. }) => {
            assert!(!hint.is_empty(), "a refusal says what to do");
            (field, why)
        }
        other => panic!("expected a refusal, got {other:?}"),
    }
}

fn refused_volume(text: &str) -> String {
    match text.parse::<Volume>() {
        Err(Error::InvalidSpec { field: "volumes", why, .. }) => why,
        other => panic!("{text}: expected a refusal, got {other:?}"),
    }
}

#[test]
fn bad_names_are_refused() {
    for name in ["", "-a", ".hidden", "a b", "a/b", "..", "ä", &"x".repeat(64)] {
        assert_eq!(refused(ContainerSpec::new(name, "true")).0, "name", "{name:?}");
    }
    for name in ["a", "my-web-server", "data_1.2", &"x".repeat(63)] {
        assert!(ContainerSpec::new(name, "true").problem.is_none(), "{name:?}");
    }
}

#[test]
fn commands_split_like_a_shell() {
    let words = |line: &str| Command::parse(line).unwrap().words().to_vec();
    assert_eq!(words("python -c \"print('Hello')\""), ["python", "-c", "print('Hello')"]);
    assert_eq!(
        words(r#"python -c "import os; print(f'Mode: {os.environ.get(\"MODE\")}')""#)[2],
        r#"import os; print(f'Mode: {os.environ.get("MODE")}')"#
    );
    for line in ["", "   ", "python -c \"print(", "'' x"] {
        assert_eq!(refused(ContainerSpec::new("a", line)).0, "command", "{line:?}");
    }
    assert!(Command::argv(["echo", "a\0b"]).is_err());
}

#[test]
fn linux_and_windows_volumes_parse() {
    let volume: Volume = "/srv/data:/app//data/".parse().unwrap();
    assert_eq!(volume.host(), Path::new("/srv/data"));
    assert_eq!(volume.container().as_str(), "/app/data");
    assert!(!volume.read_only());
    for text in ["C:\\MyData:/app/data:ro", "C:/MyData:/app/data:ro"] {
        let volume: Volume = text.parse().unwrap();
        assert_eq!(volume.host().to_str().unwrap(), &text[..9]);
        assert_eq!(volume.container().as_str(), "/app/data");
        assert!(volume.read_only());
        assert_eq!(volume.to_string(), text);
    }
}

#[test]
fn bad_volumes_are_refused_with_the_reason() {
    assert!(refused_volume("./data:/app").contains("relative"));
    assert!(refused_volume("data:/app").contains("relative"));
    assert!(refused_volume("/data").contains("colon"));
    assert!(refused_volume("C:\\Data").contains("colon"));
    assert!(refused_volume(":/app").contains("missing"));
    assert!(refused_volume("/data:app").contains("not absolute"));
    assert!(refused_volume("/data:/a/../../b").contains(".."));
    assert!(refused_volume("/data:/").contains("whole filesystem"));
    assert!(refused_volume("/data:/proc/x").contains("kernel"));
    assert!(refused_volume("/data:/app:wr").contains("ro nor rw"));
    for system in ["/", "/etc", "/usr/share", "/srv/../etc", "C:\\Windows", "c:/windows/x", "D:\\"]
    {
        assert!(refused_volume(&format!("{system}:/app")).contains("system"), "{system}");
        assert!(format!("{system}:/app:ro").parse::<Volume>().is_ok(), "{system}");
    }
}

#[test]
fn limits_must_be_possible() {
    assert_eq!(refused(ContainerSpec::new("a", "true").memory_mb(0)).0, "mem_limit_mb");
    assert_eq!(refused(ContainerSpec::new("a", "true").memory_mb(u64::MAX)).0, "mem_limit_mb");
    assert_eq!(refused(ContainerSpec::new("a", "true").cpu_percent(0)).0, "cpu_limit_percent");
    assert!(PidsLimit::at_most(0).is_err());
    assert!(Memory::megabytes(100).unwrap().check_against(50 << 20).is_err());
    assert!(CpuPercent::new(300).unwrap().check_against(2).is_err());
    assert!(CpuPercent::new(200).unwrap().check_against(2).is_ok());
    assert_eq!(CpuPercent::new(50).unwrap().quota_micros(), 50_000);
}

#[test]
fn the_first_of_several_problems_is_reported() {
    assert_eq!(refused(ContainerSpec::new("", "").memory_mb(0)).0, "name");
}

#[test]
fn json_is_read_written_and_refused_by_field() {
    let json = br#"{"name": "web", "command": "python -m http.server 8000", "mem_limit_mb": 100,
        "cpu_limit_percent": 50, "volumes": ["C:\\Data:/app/data"], "env_vars": {"PORT": "8000"}}"#;
    let spec = ContainerSpec::from_json(json).unwrap();
    assert_eq!(spec.command.words(), ["python", "-m", "http.server", "8000"]);
    let again = serde_json::to_value(&spec).unwrap();
    assert_eq!(again, serde_json::from_slice::<serde_json::Value>(json).unwrap());

    let field = |json: &str| match ContainerSpec::from_json(json.as_bytes()) {
        Err(Error::InvalidSpec { field, .. }) => field,
        other => panic!("{json}: expected a refusal, got {other:?}"),
    };
    assert_eq!(field("{}"), "body");
    assert_eq!(field(r#"{"name": "a", "command": "true", "memory": 5}"#), "body");
    assert_eq!(field(r#"{"name": "a", "command": "true", "mem_limit_mb": -5}"#), "mem_limit_mb");
    assert_eq!(field(r#"{"name": "a", "command": "true", "mem_limit_mb": 7.5}"#), "mem_limit_mb");
    assert_eq!(
        field(r#"{"name": "a", "command": "true", "cpu_limit_percent": 0}"#),
        "cpu_limit_percent"
    );
    assert_eq!(field(r#"{"name": "a", "command": []}"#), "command");
    assert_eq!(field(r#"{"name": "a", "command": "true", "env_vars": {"A B": "x"}}"#), "env_vars");
    assert_eq!(field(r#"{"name": "a", "command": "true", "user": "a:b:c"}"#), "user");
}

#[test]
fn env_vars_need_a_name_and_an_equals_sign() {
    for text in ["MODE", "=x", "A B=x"] {
        assert!(text.parse::<EnvVar>().is_err(), "{text}");
    }
    let var: EnvVar = "URL=a=b".parse().unwrap();
    assert_eq!((var.name(), var.value()), ("URL", "a=b"));
}

#[test]
fn a_later_variable_replaces_an_earlier_one() {
    let spec = ContainerSpec::new("a", "true").env("MODE", "x").env("MODE", "y");
    assert_eq!(spec.env_vars(), [EnvVar::new("MODE", "y").unwrap()]);
}

#[test]
fn a_health_check_and_its_times_are_checked() {
    let read = |check: &str| {
        let json = format!(r#"{{"name": "a", "command": "true", "health_check": {check}}}"#);
        ContainerSpec::from_json(json.as_bytes())
    };
    let spec =
        read(r#"{"command": "test -e /ok", "interval_seconds": 0.5, "retries": 1}"#).unwrap();
    let check = spec.health().unwrap();
    assert_eq!(check.interval, std::time::Duration::from_millis(500));
    assert_eq!((check.retries, check.timeout.as_secs()), (1, 30));
    for wrong in [
        r#"{"command": ""}"#,
        r#"{"command": "true", "interval_seconds": 0}"#,
        r#"{"command": "true", "timeout_seconds": -1}"#,
        r#"{"command": "true", "start_period_seconds": 1e99}"#,
        r#"{"command": "true", "retries": 0}"#,
    ] {
        match read(wrong) {
            Err(Error::InvalidSpec { field: "health_check", .. }) => {}
            other => panic!("{wrong}: {other:?}"),
        }
    }
    assert!(read(r#"{"command": "true", "interval": 3}"#).is_err(), "an unknown field");
}

#[test]
fn restart_policies_are_written_as_docker_writes_them() {
    for text in ["no", "always", "unless-stopped", "on-failure", "on-failure:5"] {
        assert_eq!(text.parse::<RestartPolicy>().unwrap().to_string(), text);
    }
    for text in ["", "on-failure:", "on-failure:0", "on-failure:-1", "always:3", "No"] {
        assert!(text.parse::<RestartPolicy>().is_err(), "{text}");
    }
}
