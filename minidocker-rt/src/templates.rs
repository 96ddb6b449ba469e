//! Templates: specifications to make containers from, again and again.

mod builtin;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::spec::{ContainerSpec, refuse};

pub(crate) use builtin::{builtin, is_builtin};

/// A template's name. The rules are those of a container's name; it is also a file's.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct TemplateName(String);

impl TemplateName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TemplateName {
    type Err = Error;

    fn from_str(text: &str) -> Result<TemplateName> {
        match text.parse::<crate::spec::ContainerName>() {
            Ok(_) => Ok(TemplateName(text.to_string())),
            Err(Error::InvalidSpec { value, why, hint, .. }) => {
                Err(refuse("template", value, why.replace("container", "template"), hint))
            }
            Err(error) => Err(error),
        }
    }
}

impl fmt::Display for TemplateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for TemplateName {
    type Error = Error;

    fn try_from(text: String) -> Result<TemplateName> {
        text.parse()
    }
}

impl From<TemplateName> for String {
    fn from(name: TemplateName) -> String {
        name.0
    }
}

/// A specification under a name of its own, to make containers from.
///
/// ```no_run
/// # fn main() -> minidocker_rt::Result<()> {
/// # let runtime = minidocker_rt::Runtime::open("/tmp/lab")?;
/// let server = runtime.template("python-web-server")?;
/// let container = runtime.create(server.spec("my-server").memory_mb(200))?;
///
/// let spec = container.inspect()?.spec;
/// runtime.save_template(&minidocker_rt::Template::new("big-server", spec)?)?;
/// # Ok(())
/// # }
/// ```
///
/// The JSON form is `{"name", "title", "description", "builtin", "spec"}`, where `spec` is
/// that of a [`ContainerSpec`] without its name; all but name and spec are optional.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(into = "TemplateJson", try_from = "TemplateJson")]
pub struct Template {
    name: TemplateName,
    title: String,
    description: String,
    builtin: bool,
    spec: ContainerSpec,
}

impl Template {
    /// A template called `name`, titled by its name, without a description.
    ///
    /// # Errors
    /// [`Error::InvalidSpec`] if the name cannot be one, or a value of the specification was
    /// refused.
    pub fn new(name: &str, spec: ContainerSpec) -> Result<Template> {
        let name: TemplateName = name.parse()?;
        let mut spec = spec.named(name.as_str());
        if let Some(problem) = spec.problem.take() {
            return Err(*problem);
        }
        // How to break a start belongs to one experiment.
        spec.fault = None;
        let title = name.to_string();
        Ok(Template { name, title, description: String::new(), builtin: false, spec })
    }

    /// Reads the JSON form.
    ///
    /// # Errors
    /// [`Error::InvalidSpec`] naming the field at fault.
    pub fn from_json(json: &[u8]) -> Result<Template> {
        serde_json::from_slice::<TemplateJson>(json)
            .map_err(|error| {
                refuse(
                    "body",
                    String::from_utf8_lossy(&json[..json.len().min(200)]),
                    error.to_string(),
                    "Send a JSON object with at least \"name\" and \"spec\".",
                )
            })?
            .try_into()
    }

    /// Gives it a title for people.
    pub fn title(mut self, title: &str) -> Self {
        self.title = title.to_string();
        self
    }

    /// Says what it is for.
    pub fn description(mut self, description: &str) -> Self {
        self.description = description.to_string();
        self
    }

    /// Its name.
    pub fn name(&self) -> &TemplateName {
        &self.name
    }

    /// Its title for people.
    pub fn title_text(&self) -> &str {
        &self.title
    }

    /// What it is for.
    pub fn description_text(&self) -> &str {
        &self.description
    }

    /// Whether it comes with this library, and so cannot be changed or deleted.
    pub fn is_builtin(&self) -> bool {
        self.builtin
    }

    /// The specification of a container called `container`, which can be changed before the
    /// container is created.
    pub fn spec(&self, container: &str) -> ContainerSpec {
        self.spec.clone().named(container)
    }
}

/// The JSON form, before its specification is parsed.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TemplateJson {
    name: TemplateName,
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    description: String,
    #[serde(default)]
    builtin: bool,
    spec: serde_json::Map<String, serde_json::Value>,
}

impl TryFrom<TemplateJson> for Template {
    type Error = Error;

    fn try_from(mut json: TemplateJson) -> Result<Template> {
        json.spec.insert("name".into(), json.name.as_str().into());
        let spec =
            ContainerSpec::from_json(serde_json::Value::from(json.spec).to_string().as_bytes())?;
        let template = Template::new(json.name.as_str(), spec)?.description(&json.description);
        // Only `builtin` makes built-in ones.
        Ok(match json.title {
            Some(title) => template.title(&title),
            None => template,
        })
    }
}

impl From<Template> for TemplateJson {
    fn from(template: Template) -> TemplateJson {
        let spec = match serde_json::to_value(&template.spec) {
            Ok(serde_json::Value::Object(mut spec)) => {
                spec.remove("name");
                spec
            }
            _ => serde_json::Map::new(),
        };
        TemplateJson {
            name: template.name,
            title: Some(template.title),
            description: template.description,
            builtin: template.builtin,
            spec,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_name_that_is_taken_is_a_plain_file_name(text in any::<String>()) {
            if let Ok(name) = text.parse::<TemplateName>() {
                prop_assert_eq!(name.as_str(), &text);
                prop_assert!(text.len() <= 63 && !text.starts_with('.'));
                prop_assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b)));
            }
        }

        #[test]
        fn every_proper_name_is_taken(text in "[a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}") {
            prop_assert!(text.parse::<TemplateName>().is_ok());
        }

        #[test]
        fn what_is_written_is_read_back(
            name in "[a-z][a-z0-9.-]{0,20}",
            title in any::<String>(),
            description in any::<String>(),
            words in prop::collection::vec("[^\0]+", 1..4),
            memory in prop::option::of(6u64..100_000),
        ) {
            prop_assume!(!words[0].trim().is_empty());
            let mut spec = ContainerSpec::new("other", crate::spec::Command::argv(words.clone()));
            if let Some(memory) = memory {
                spec = spec.memory_mb(memory);
            }
            let template = Template::new(&name, spec).unwrap();
            let template = template.title(&title).description(&description);
            let json = serde_json::to_string(&template).unwrap();
            let read = Template::from_json(json.as_bytes()).unwrap();
            prop_assert_eq!(read.title_text(), &title);
            prop_assert_eq!(read.description_text(), &description);
            let spec = read.spec("c");
            prop_assert_eq!(spec.command().words(), &words[..]);
            prop_assert_eq!(spec.memory_limit().map(|limit| limit.as_megabytes()), memory);
            prop_assert_eq!(serde_json::to_string(&read).unwrap(), json);
        }

        #[test]
        fn nonsense_is_refused_and_never_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            prop_assert!(Template::from_json(&bytes).is_err());
        }
    }

    #[test]
    fn a_refusal_names_the_field() {
        let field = |json: &str| match Template::from_json(json.as_bytes()) {
            Err(Error::InvalidSpec { field, why, .. }) => (field, why),
            other => panic!("{json}: {other:?}"),
        };
        assert_eq!(
            field(r#"{"name":"a","spec":{"command":"x","mem_limit_mb":0}}"#).0,
            "mem_limit_mb"
        );
        assert!(field(r#"{"name":"a","spec":{"command":"x","color":1}}"#).1.contains("color"));
        assert!(field(r#"{"name":"a/b","spec":{"command":"x"}}"#).1.contains("template"));
        assert!(field(r#"{"name":"a"}"#).1.contains("spec"));
        let refused = Template::new("a", ContainerSpec::new("b", "'"));
        assert!(matches!(refused, Err(Error::InvalidSpec { field: "command", .. })));
    }

    #[test]
    fn nothing_read_passes_for_built_in() {
        let json = br#"{"name":"a","builtin":true,"spec":{"command":"x"}}"#;
        assert!(!Template::from_json(json).unwrap().is_builtin());
    }
}
