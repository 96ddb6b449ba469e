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

    /// A container's path never leaves its root, however it is written.
    #[test]
    fn a_path_in_the_container_is_absolute_and_plain(text in "[/.a-z ]{0,30}|\\PC{0,30}") {
        if let Ok(path) = ContainerPath::parse("working_dir", &text) {
            prop_assert!(path.as_str().starts_with('/'));
            prop_assert!(path.as_str().split('/').all(|part| part != ".." && part != "."));
        }
    }

    /// Whatever is sent as JSON is taken or refused, and what is taken survives the way out
    /// and in.
    #[test]
    fn json_is_refused_or_survives(
        name in "[a-z]{1,5}|\\PC{0,8}",
        command in "[a-z ]{1,12}|\\PC{0,12}",
        memory in any::<i64>(),
        restart in prop::sample::select(vec!["no", "always", "on-failure:3", "on-failure:0", "x"]),
        interval in prop::num::f64::ANY,
    ) {
        let json = serde_json::json!({
            "name": name, "command": command, "mem_limit_mb": memory, "restart": restart,
            "health_check": {"command": "true", "interval_seconds": interval},
        });
        if let Ok(spec) = ContainerSpec::from_json(json.to_string().as_bytes()) {
            let once = serde_json::to_string(&spec).unwrap();
            let again = ContainerSpec::from_json(once.as_bytes()).unwrap();
            prop_assert_eq!(serde_json::to_string(&again).unwrap(), once);
        }
    }
}
