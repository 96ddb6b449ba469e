//! Properties that hold for every text, not only for those somebody thought of.

use proptest::prelude::*;

use super::*;

proptest! {
    /// What a parser takes, it writes so that it is read back as the same.
    #[test]
    fn what_is_taken_is_written_and_read_back(text in "\\PC{0,80}|[a-z0-9:/._=-]{0,40}") {
        if let Ok(name) = text.parse::<ContainerName>() {
            prop_assert_eq!(name.to_string(), text.clone());
            prop_assert!(!text.contains(['/', '\0']) && !text.starts_with('.'));
        }
        if let Ok(name) = text.parse::<ImageName>() {
            prop_assert_eq!(name.to_string(), text.clone());
            prop_assert!(text.parse::<ContainerName>().is_ok(), "it is a folder's name too");
        }
        if let Ok(hostname) = text.parse::<Hostname>() {
            prop_assert_eq!(hostname.to_string(), text.clone());
        }
        if let Ok(var) = text.parse::<EnvVar>() {
            prop_assert_eq!(var.to_string(), text.clone());
        }
        if let Ok(volume) = text.parse::<Volume>() {
            prop_assert_eq!(volume.to_string().parse::<Volume>().unwrap(), volume);
        }
        if let Ok(port) = text.parse::<PortMapping>() {
            prop_assert_eq!(port.to_string().parse::<PortMapping>().unwrap(), port);
        }
        if let Ok(user) = text.parse::<User>() {
            prop_assert_eq!(user.to_string().parse::<User>().unwrap(), user);
        }
        if let Ok(policy) = text.parse::<RestartPolicy>() {
            prop_assert_eq!(policy.to_string().parse::<RestartPolicy>().unwrap(), policy);
        }
        if let Ok(command) = Command::parse(&text) {
            prop_assert_eq!(command.to_string(), text.clone());
            let exact = Command::argv(command.words().to_vec()).unwrap();
            let again = Command::parse(&exact.to_string()).unwrap();
            prop_assert_eq!(again.words(), command.words());
        }
    }

    /// What is published is one port for each of the range, and no port of the host is
    /// promised twice.
    #[test]
    fn no_port_of_the_host_is_published_twice(
        texts in prop::collection::vec(
            "(\\[::[12]?\\]:|127\\.0\\.0\\.[12]:|0\\.0\\.0\\.0:)?([1-9]:|[1-4]-[5-9]:)?([0-9]|[1-4]-[5-9])(/udp)?",
            1..6,
        ),
    ) {
        let none = ContainerSpec::new("a", "true");
        let spec = texts.iter().fold(none, |spec, text| spec.publish(text));
        let bound: Vec<_> = spec.ports().iter().filter(|port| port.host_port() != 0).collect();
        for (index, one) in bound.iter().enumerate() {
            for other in &bound[..index] {
                let one = (one.host_ip(), one.host_port(), one.protocol());
                prop_assert_ne!(one, (other.host_ip(), other.host_port(), other.protocol()));
            }
        }
        if spec.problem.is_none() {
            let json = serde_json::to_string(&spec).unwrap();
            let again = ContainerSpec::from_json(json.as_bytes()).unwrap();
            prop_assert_eq!(again.ports(), spec.ports());
        }
    }

    /// A container's path never leaves its root, however it is written.
    #[test]
    fn a_path_in_the_container_is_absolute_and_plain(text in "[/.a-z ]{0,30}|\\PC{0,30}") {
        if let Ok(path) = ContainerPath::parse("working_dir", &text) {
            prop_assert!(path.as_str().starts_with('/'));
            prop_assert!(path.as_str().split('/').all(|part| part != ".." && part != "."));
        }
    }

    /// A limit of a resource is as consistent as setrlimit(2) wants it, wherever it came from.
    #[test]
    fn a_soft_limit_is_never_above_the_hard_one(
        resource in prop::sample::select(vec!["as", "core", "nofile", "stack", "unheard-of"]),
        soft: u64,
        hard: u64,
        small in 0..3_u64,
        twice: bool,
    ) {
        let one = serde_json::json!({"resource": resource, "soft": soft, "hard": hard});
        let other = serde_json::json!({"resource": resource, "soft": small, "hard": 2});
        let json = serde_json::json!({"name": "a", "command": "a", "rlimits": if twice { vec![one, other] } else { vec![one] }});
        match ContainerSpec::from_json(json.to_string().as_bytes()) {
            Ok(spec) => {
                prop_assert!(soft <= hard && !twice);
                let [rlimit] = spec.rlimits[..] else { panic!("{:?}", spec.rlimits) };
                prop_assert_eq!((rlimit.soft, rlimit.hard), (soft, hard));
            }
            Err(Error::InvalidSpec { field, .. }) => {
                let bad = (soft > hard || twice) && field == "rlimits";
                prop_assert!(bad || resource == "unheard-of");
            }
            Err(other) => panic!("{other}"),
        }
    }

    /// Whatever times a program gives, what is written down can be read again.
    #[test]
    fn a_health_check_survives_whatever_times_it_is_given(
        [interval, timeout, start_period] in prop::array::uniform3((any::<u64>(), 0..1_000_000_000_u32)),
        retries: u32,
        restart: bool,
    ) {
        let time = |(seconds, nanoseconds)| std::time::Duration::new(seconds, nanoseconds);
        let check = HealthCheck::new("true")
            .unwrap()
            .interval(time(interval))
            .timeout(time(timeout))
            .start_period(time(start_period))
            .retries(retries)
            .restart_unhealthy(restart);
        let json = serde_json::to_string(&check).unwrap();
        let again: HealthCheck = serde_json::from_str(&json).unwrap();
        prop_assert_eq!(serde_json::to_string(&again).unwrap(), json);
        prop_assert!(again.retries >= 1 && again.restart_unhealthy == restart);
    }

    /// An id is a part of paths, so it is nothing but digits.
    #[test]
    fn an_id_is_64_digits(text in "[0-9a-f]{64}|[0-9a-fA-F/.]{60,66}|\\PC{0,20}") {
        let json = serde_json::to_string(&text).unwrap();
        let taken = text.len() == 64
            && text.bytes().all(|byte| b"0123456789abcdef".contains(&byte));
        match serde_json::from_str::<ContainerId>(&json) {
            Ok(id) => {
                prop_assert!(taken && text.starts_with(id.short()));
                prop_assert_eq!(serde_json::to_string(&id).unwrap(), json);
            }
            Err(_) => prop_assert!(!taken),
        }
    }

    /// Whatever is sent as JSON is taken or refused, and what is taken survives the way out
    /// and in.
    #[test]
    fn json_is_refused_or_survives(
        name in "[a-z]{1,5}|\\PC{0,8}",
        command in "[a-z ]{1,12}|\\PC{0,12}",
        [memory, cpu, pids] in prop::array::uniform3(any::<i64>()),
        fraction in prop::num::f64::ANY,
        restart in prop::sample::select(vec!["no", "always", "on-failure:3", "on-failure:0", "x"]),
        interval in prop::num::f64::ANY,
    ) {
        let cpu = if cpu % 2 == 0 { cpu.into() } else { serde_json::Value::from(fraction) };
        let json = serde_json::json!({
            "name": name, "command": command, "mem_limit_mb": memory.rotate_right(17),
            "cpu_limit_percent": cpu, "pids_limit": pids.rotate_right(33), "restart": restart,
            "timeout_seconds": fraction, "health_check": {"command": "true", "interval_seconds": interval},
        });
        if let Ok(spec) = ContainerSpec::from_json(json.to_string().as_bytes()) {
            let once = serde_json::to_string(&spec).unwrap();
            let again = ContainerSpec::from_json(once.as_bytes()).unwrap();
            prop_assert_eq!(serde_json::to_string(&again).unwrap(), once);
        }
    }
}
