//! Configurations that are exported and imported.

use minidocker_rt::{Container, ContainerSpec, Error, ExportedConfig, NetworkMode, RestartPolicy};

use crate::lab::{Lab, PATIENCE, sh};

crate::trials![
    an_export_has_the_fields_of_the_manual,
    what_was_exported_is_made_again_elsewhere,
    an_import_of_a_missing_volume_is_refused_and_makes_nothing,
    a_name_in_use_is_refused_and_another_can_be_given,
    what_the_manual_shows_is_imported,
];

fn json(container: &Container) -> String {
    serde_json::to_string(&container.export().unwrap()).unwrap()
}

fn an_export_has_the_fields_of_the_manual() {
    let lab = Lab::new();
    let volume = format!("{}:/app/data", lab.folder("data").display());
    let spec = ContainerSpec::new("my-web-server", "python -m http.server 8000")
        .memory_mb(100)
        .cpu_percent(50)
        .env("PORT", "8000")
        .network(NetworkMode::Bridge)
        .volume(&volume)
        .unwrap();
    let json = json(&lab.create(spec));
    let start = format!(
        "{{\"name\":\"my-web-server\",\"command\":\"python -m http.server 8000\",\
         \"mem_limit_mb\":100,\"cpu_limit_percent\":50,\"volumes\":[\"{volume}\"],\
         \"env_vars\":{{\"PORT\":\"8000\"}},\"exported_at\":\""
    );
    let time = json.strip_prefix(&start).unwrap_or_else(|| panic!("{json}"));
    let time = time.strip_suffix("\"}").unwrap_or_else(|| panic!("{json}"));
    let form: String = time.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    assert_eq!(form, "0000-00-00 00:00:00", "{time}");
}

fn what_was_exported_is_made_again_elsewhere() {
    let (here, there) = (Lab::new(), Lab::new());
    let spec = sh("a", "echo $GREETING from $(hostname)")
        .env("GREETING", "hello 'you' \"there\"")
        .hostname("lab")
        .restart(RestartPolicy::OnFailure { max: None });
    let container = there.runtime.import(json(&here.create(spec))).unwrap();
    assert_eq!(container.name().as_str(), "a");
    container.start().unwrap();
    container.wait_timeout(PATIENCE).unwrap();
    let output = container.logs().unwrap().read_to_string().unwrap();
    assert_eq!(output, "hello 'you' \"there\" from lab\n");
    let policy = container.inspect().unwrap().spec.restart_policy();
    assert_eq!(policy, RestartPolicy::OnFailure { max: None });
}

fn an_import_of_a_missing_volume_is_refused_and_makes_nothing() {
    let lab = Lab::new();
    let folder = lab.folder("data");
    let spec = sh("a", "true").volume(&format!("{}:/data", folder.display())).unwrap();
    let container = lab.create(spec);
    let json = json(&container);
    container.delete().unwrap();
    std::fs::remove_dir(folder).unwrap();
    match lab.runtime.import(&json) {
        Err(Error::InvalidSpec { field: "volumes", why, .. }) => {
            assert!(why.contains("does not exist"), "{why}");
        }
        other => panic!("{other:?}"),
    }
    assert!(lab.runtime.list().unwrap().is_empty());
    // It can still be looked at, and made without them.
    let config = ExportedConfig::from_json(&json).unwrap();
    lab.create(config.spec().clone().without_volumes());
}

fn a_name_in_use_is_refused_and_another_can_be_given() {
    let lab = Lab::new();
    let json = json(&lab.create(sh("a", "true")));
    assert!(matches!(lab.runtime.import(&json), Err(Error::NameInUse { .. })));
    assert_eq!(lab.runtime.import_as(&json, "b").unwrap().name().as_str(), "b");
    let refused = lab.runtime.import_as(&json, "b/c");
    assert!(matches!(refused, Err(Error::InvalidSpec { field: "name", .. })));
    assert_eq!(lab.runtime.list().unwrap().len(), 2);
}

fn what_the_manual_shows_is_imported() {
    let lab = Lab::new();
    let json = r#"{"name": "my-web-server", "command": "echo 8000", "mem_limit_mb": 100,
                   "cpu_limit_percent": 50, "volumes": [], "env_vars": {"PORT": "8000"},
                   "exported_at": "2026-01-06 12:00:00"}"#;
    let container = lab.runtime.import(json).unwrap();
    container.start().unwrap();
    container.wait_timeout(PATIENCE).unwrap();
    assert_eq!(container.logs().unwrap().read_to_string().unwrap(), "8000\n");
    let refused = lab.runtime.import(json.replace("\"PORT\"", "\"P O\"")).unwrap_err();
    assert!(refused.to_string().contains("env_vars"), "{refused}");
    let foreign = json.replace("[]", r#"["C:\\Data:/app/data"]"#);
    let refused = lab.runtime.import(foreign).unwrap_err();
    assert!(refused.to_string().contains("Windows path"), "{refused}");
    assert_eq!(lab.runtime.list().unwrap().len(), 1);
}
