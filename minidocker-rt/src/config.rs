//! Exported configurations: what a container was made from, to make it again elsewhere.

use std::collections::BTreeMap;

use jiff::civil::DateTime;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::spec::ContainerSpec;

/// The version of the form that is written and read here.
const VERSION: u64 = 1;

/// How `exported_at` is written.
const TIME: &str = "%Y-%m-%d %H:%M:%S";

/// The configuration of a container, as Mini Docker exports it:
///
/// ```json
/// {
///   "name": "my-web-server",
///   "command": "python -m http.server 8000",
///   "mem_limit_mb": 100,
///   "cpu_limit_percent": 50,
///   "volumes": ["/srv/data:/app/data"],
///   "env_vars": {"PORT": "8000"},
///   "exported_at": "2026-01-06 12:00:00"
/// }
/// ```
///
/// These fields are always written, a missing limit as `null`. Whatever else a
/// [`ContainerSpec`] says follows under the names of its JSON form, only where it is not the
/// default, so that an ordinary container's export is readable by the Python program. When
/// read, all but the name may be missing or `null`, and the command too where an image is named
/// that has one.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(into = "ConfigJson", try_from = "Map<String, Value>")]
pub struct ExportedConfig {
    spec: ContainerSpec,
    exported_at: Option<String>,
}

impl ExportedConfig {
    /// The configuration of a specification, exported at a time told in the local zone.
    pub(crate) fn new(spec: ContainerSpec, at: DateTime) -> ExportedConfig {
        ExportedConfig { spec, exported_at: Some(at.strftime(TIME).to_string()) }
    }

    /// Reads an exported configuration.
    ///
    /// # Errors
    /// [`Error::BadArchive`] if it is no configuration, of another version, or has a field
    /// that is unknown or of the wrong form; [`Error::InvalidSpec`] if a value is refused.
    /// Both name the field.
    pub fn from_json(json: impl AsRef<[u8]>) -> Result<ExportedConfig> {
        object(json.as_ref())?.try_into()
    }

    /// As [`ExportedConfig::from_json`], with `name` in the place of the one in it.
    ///
    /// # Errors
    /// As [`ExportedConfig::from_json`].
    pub fn from_json_as(json: impl AsRef<[u8]>, name: &str) -> Result<ExportedConfig> {
        let mut fields = object(json.as_ref())?;
        fields.insert("name".into(), name.into());
        fields.try_into()
    }

    /// What was exported. The folders of its volumes need not exist on this machine.
    pub fn spec(&self) -> &ContainerSpec {
        &self.spec
    }

    /// When it was exported, as written there: by the manual `2026-01-06 12:00:00`, in the
    /// local time of whoever exported it.
    pub fn exported_at(&self) -> Option<&str> {
        self.exported_at.as_deref()
    }
}

/// The JSON form as it is written, in the manual's order.
#[derive(Debug, Serialize)]
struct ConfigJson {
    name: String,
    command: String,
    mem_limit_mb: Option<u64>,
    cpu_limit_percent: Option<u32>,
    volumes: Vec<String>,
    env_vars: BTreeMap<String, String>,
    exported_at: Option<String>,
    /// The fields that the manual does not know.
    #[serde(flatten)]
    own: Map<String, Value>,
}

const MANUAL: [&str; 6] =
    ["name", "command", "mem_limit_mb", "cpu_limit_percent", "volumes", "env_vars"];

impl From<ExportedConfig> for ConfigJson {
    fn from(config: ExportedConfig) -> ConfigJson {
        let ExportedConfig { spec, exported_at } = config;
        let mut own = match serde_json::to_value(&spec) {
            Ok(Value::Object(fields)) => fields,
            _ => Map::new(),
        };
        own.retain(|field, _| !MANUAL.contains(&field.as_str()));
        ConfigJson {
            name: spec.name.to_string(),
            command: spec.command.to_string(),
            mem_limit_mb: spec.memory.map(|limit| limit.as_megabytes()),
            cpu_limit_percent: spec.cpu.map(|limit| limit.percent()),
            volumes: spec.volumes.iter().map(ToString::to_string).collect(),
            env_vars: spec
                .env
                .iter()
                .map(|var| (var.name().to_string(), var.value().to_string()))
                .collect(),
            exported_at,
            own,
        }
    }
}

impl TryFrom<Map<String, Value>> for ExportedConfig {
    type Error = Error;

    fn try_from(mut fields: Map<String, Value>) -> Result<ExportedConfig> {
        // Where this library leaves a field out, the Python program writes null.
        fields.retain(|_, value| !value.is_null());
        match fields.remove("format_version") {
            None => {}
            Some(version) if version.as_u64() == Some(VERSION) => {}
            Some(version) => {
                let why = format!("it is {version}, and only version {VERSION} is understood");
                return Err(bad_field("format_version", why));
            }
        }
        let exported_at = match fields.remove("exported_at") {
            None => None,
            Some(Value::String(time)) => Some(time),
            Some(_) => return Err(bad_field("exported_at", "it is not text")),
        };
        if !fields.contains_key("name") {
            return Err(bad_field("name", "it is missing"));
        }
        if !["command", "image", "entrypoint"].iter().any(|field| fields.contains_key(*field)) {
            return Err(bad_field("command", "it is missing, and no image is named that has one"));
        }
        // A field at a time, to say which one is at fault: the whole would only tell where.
        for (field, value) in &fields {
            let mut alone = Map::new();
            alone.insert("name".into(), "a".into());
            alone.insert("command".into(), "a".into());
            alone.insert(field.clone(), value.clone());
            read(alone, field)?;
        }
        Ok(ExportedConfig { spec: read(fields, "whole")?, exported_at })
    }
}

/// Reads a specification; what is wrong in its form is told of `field`.
fn read(fields: Map<String, Value>, field: &str) -> Result<ContainerSpec> {
    ContainerSpec::from_json(Value::Object(fields).to_string().as_bytes()).map_err(|error| {
        match error {
            Error::InvalidSpec { field: "body", why, .. } => {
                // The position is that in our own copy.
                let why = why.split(" at line ").next().unwrap_or_default();
                bad_field(field, why)
            }
            other => other,
        }
    })
}

fn object(json: &[u8]) -> Result<Map<String, Value>> {
    serde_json::from_slice(json).map_err(|error| Error::BadArchive {
        what: "the configuration".into(),
        why: format!("it is not a JSON object: {error}"),
    })
}

fn bad_field(field: &str, why: impl Into<String>) -> Error {
    let what = format!("the field {field:?} of the configuration");
    Error::BadArchive { what, why: why.into() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::spec::{Command, RestartPolicy};

    const EXAMPLE: &str = r#"{
  "name": "my-web-server",
  "command": "python -m http.server 8000",
  "mem_limit_mb": 100,
  "cpu_limit_percent": 50,
  "volumes": [
    "C:\\Data:/app/data"
  ],
  "env_vars": {
    "PORT": "8000"
  },
  "exported_at": "2026-01-06 12:00:00"
}"#;

    fn refused(json: &str) -> String {
        match ExportedConfig::from_json(json) {
            Err(error @ (Error::BadArchive { .. } | Error::InvalidSpec { .. })) => {
                assert!(!error.hint().is_empty());
                error.to_string()
            }
            other => panic!("{json}: {other:?}"),
        }
    }

    #[test]
    fn the_manuals_example_is_read_and_written_as_it_is() {
        let config = ExportedConfig::from_json(EXAMPLE).unwrap();
        assert_eq!(config.spec().container_name().as_str(), "my-web-server");
        assert_eq!(config.exported_at(), Some("2026-01-06 12:00:00"));
        assert_eq!(serde_json::to_string_pretty(&config).unwrap(), EXAMPLE);
        let at = jiff::civil::date(2026, 1, 6).at(12, 0, 0, 999_999_999);
        let again = ExportedConfig::new(config.spec().clone(), at);
        assert_eq!(serde_json::to_string_pretty(&again).unwrap(), EXAMPLE);
    }

    #[test]
    fn what_is_missing_or_null_is_as_if_not_asked_for() {
        let nulls = r#"{"name": "a", "command": "true", "mem_limit_mb": null, "volumes": null,
                        "cpu_limit_percent": null, "env_vars": null, "exported_at": null,
                        "image": null, "format_version": null}"#;
        for json in [r#"{"name": "a", "command": "true"}"#, nulls] {
            let config = ExportedConfig::from_json(json).unwrap();
            assert!(config.spec().memory_limit().is_none() && config.spec().volumes().is_empty());
        }
        let config = ExportedConfig::from_json_as(r#"{"command": "true"}"#, "b").unwrap();
        assert_eq!(config.spec().container_name().as_str(), "b");
    }

    #[test]
    fn a_missing_limit_is_written_as_null_and_our_own_fields_only_if_needed() {
        let at = jiff::civil::date(2026, 1, 6).at(12, 0, 0, 0);
        let spec = ContainerSpec::new("a", Command::argv(["echo", "two words"]));
        let plain = serde_json::to_value(ExportedConfig::new(spec.clone(), at)).unwrap();
        assert!(plain["mem_limit_mb"].is_null() && plain["cpu_limit_percent"].is_null());
        assert_eq!(plain["command"], "echo 'two words'");
        assert_eq!(plain.as_object().unwrap().len(), MANUAL.len() + 1, "{plain}");
        let spec = spec.restart(RestartPolicy::Always).image("debian").tty(true);
        let own = serde_json::to_value(ExportedConfig::new(spec, at)).unwrap();
        assert_eq!((&own["restart"], &own["image"]), (&"always".into(), &"debian".into()));
        let read: ExportedConfig = serde_json::from_value(own.clone()).unwrap();
        assert_eq!(serde_json::to_value(read).unwrap(), own);
    }

    #[test]
    fn a_refusal_names_the_field() {
        let with =
            |field: &str| refused(&format!(r#"{{"name": "a", "command": "true", {field}}}"#));
        for (json, field) in [
            (r#""colour": 1"#, "colour"),
            (r#""mem_limit_mb": "much""#, "mem_limit_mb"),
            (r#""mem_limit_mb": -1"#, "mem_limit_mb"),
            (r#""cpu_limit_percent": 0"#, "cpu_limit_percent"),
            (r#""volumes": {}"#, "volumes"),
            (r#""volumes": ["./data:/data"]"#, "volumes"),
            (r#""env_vars": {"PORT": 8000}"#, "env_vars"),
            (r#""env_vars": {"A B": "x"}"#, "env_vars"),
            (r#""restart": "sometimes""#, "restart"),
            (r#""health_check": {"command": "x", "often": 1}"#, "health_check"),
            (r#""exported_at": 12"#, "exported_at"),
            (r#""format_version": 2"#, "format_version"),
        ] {
            let message = with(json);
            assert!(message.contains(field), "{message}");
            assert!(!message.contains(" line "), "{message}");
        }
        assert!(refused(r#"{"name": "a"}"#).contains("command"));
        assert!(refused(r#"{"command": "a"}"#).contains("name"));
        assert!(refused(r#"{"name": "a/b", "command": "a"}"#).contains("name"));
        assert!(refused("[]").contains("JSON object"));
    }

    proptest! {
        #[test]
        fn what_is_exported_is_imported_again(
            name in "[a-zA-Z0-9][a-zA-Z0-9_.-]{0,20}",
            words in prop::collection::vec("[^\0]*", 1..4),
            memory in prop::option::of(6u64..1 << 40),
            cpu in prop::option::of(1u32..6_553_600),
            env in prop::collection::btree_map("[^=\0\\s\\p{Cc}]+", "[^\0]*", 0..4),
            init in any::<bool>(),
        ) {
            prop_assume!(!words[0].trim().is_empty());
            let mut spec = ContainerSpec::new(&name, Command::argv(words.clone())).init(init);
            for (name, value) in &env {
                spec = spec.env(name, value);
            }
            if let Some(memory) = memory {
                spec = spec.memory_mb(memory);
            }
            if let Some(cpu) = cpu {
                spec = spec.cpu_percent(cpu);
            }
            prop_assert!(spec.problem.is_none(), "{:?}", spec.problem);
            let at = jiff::civil::date(2026, 1, 6).at(12, 0, 0, 0);
            let json = serde_json::to_string(&ExportedConfig::new(spec, at)).unwrap();
            let read = ExportedConfig::from_json(&json).unwrap();
            prop_assert_eq!(read.spec().command().words(), &words[..]);
            prop_assert_eq!(serde_json::to_string(&read).unwrap(), json);
        }

        #[test]
        fn nonsense_is_refused_and_never_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            prop_assert!(ExportedConfig::from_json(&bytes).is_err());
        }

        #[test]
        fn any_value_in_any_field_is_taken_or_refused_by_name(
            field in prop::sample::select(vec![
                "mem_limit_mb", "cpu_limit_percent", "volumes", "env_vars", "image", "pids_limit",
                "hostname", "working_dir", "user", "rlimits", "isolation", "init", "restart",
                "timeout_seconds", "health_check", "tty", "log_max_mb", "format_version", "exported_at", "unheard_of",
            ]),
            value in prop::sample::select(vec![
                "null", "true", "-1", "1.5", "1e30", "\"\"", "\"x\"", "[]", "[1]", "[\"/a\"]",
                "{}", "{\"a\": null}", "{\"a\": []}", "[[[[]]]]",
            ]),
        ) {
            let json = format!(r#"{{"name": "a", "command": "true", "{field}": {value}}}"#);
            if let Err(error) = ExportedConfig::from_json(json) {
                prop_assert!(error.to_string().contains(field), "{}", error);
            }
        }
    }
}
