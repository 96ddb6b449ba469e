//! Which containers a list is asked for.

use std::str::FromStr;

use minidocker_rt::{ContainerInfo, Health, Status};

/// What must be true of a container; everything, if nothing was asked.
#[derive(Debug, Default)]
pub(crate) struct Filter {
    /// One of these states.
    pub statuses: Option<Statuses>,
    /// This in its name.
    pub name: Option<String>,
    /// This image.
    pub image: Option<String>,
    /// All of these words.
    pub search: Option<Search>,
}

/// States with commas between them, as `?status=` takes them.
#[derive(Debug)]
pub(crate) struct Statuses(Vec<Status>);

impl FromStr for Statuses {
    type Err = serde_json::Error;

    fn from_str(text: &str) -> Result<Statuses, serde_json::Error> {
        let status = |word: &str| serde_json::from_value(word.trim().into());
        text.split(',').map(status).collect::<Result<_, _>>().map(Statuses)
    }
}

/// Words, each of which must be found: anywhere, or where the word says.
#[derive(Debug)]
pub(crate) struct Search(Vec<Word>);

#[derive(Debug)]
enum Word {
    Anywhere(String),
    Status(String),
    Health(String),
    Name(String),
    Image(String),
    Env(String),
    Volume(String),
}

impl FromStr for Search {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Search, Self::Err> {
        let word = |word: &str| {
            let (place, rest) = word.split_once(':').unwrap_or(("", word));
            match place {
                "status" => Word::Status(rest.to_lowercase()),
                "health" => Word::Health(rest.to_lowercase()),
                "name" => Word::Name(rest.to_lowercase()),
                "image" => Word::Image(rest.to_lowercase()),
                // Variables and paths tell upper from lower case.
                "env" => Word::Env(rest.to_string()),
                "volume" => Word::Volume(rest.to_string()),
                _ => Word::Anywhere(word.to_lowercase()),
            }
        };
        Ok(Search(text.split_whitespace().map(word).collect()))
    }
}

impl Filter {
    pub fn chooses(&self, info: &ContainerInfo) -> bool {
        let name = info.name.to_lowercase();
        self.statuses.as_ref().is_none_or(|statuses| statuses.0.contains(&info.status))
            && self.name.as_ref().is_none_or(|part| name.contains(&part.to_lowercase()))
            && self.image.as_ref().is_none_or(|image| info.spec.image_name().to_string() == *image)
            && self.search.as_ref().is_none_or(|search| search.0.iter().all(|w| w.is_in(info)))
    }

    /// Of one whose files cannot be read, only the name is known.
    pub fn chooses_damaged(&self, name: &str) -> bool {
        let name = name.to_lowercase();
        self.statuses.as_ref().is_none_or(|statuses| statuses.0.contains(&Status::Error))
            && self.name.as_ref().is_none_or(|part| name.contains(&part.to_lowercase()))
            && self.image.is_none()
            && self.search.as_ref().is_none_or(|search| {
                search.0.iter().all(|word| match word {
                    Word::Anywhere(text) | Word::Name(text) => name.contains(text),
                    Word::Status(text) => Status::Error.to_string().contains(text),
                    Word::Health(_) | Word::Image(_) | Word::Env(_) | Word::Volume(_) => false,
                })
            })
    }
}

impl Word {
    fn is_in(&self, info: &ContainerInfo) -> bool {
        let spec = &info.spec;
        let holds = |text: &str, part: &str| text.to_lowercase().contains(part);
        match self {
            Word::Anywhere(part) => {
                holds(&info.name, part)
                    || info.id.as_str().starts_with(part)
                    || holds(&spec.command().to_string(), part)
                    || holds(&spec.image_name().to_string(), part)
                    || health_word(info) == Some(part)
                    || (part == "oom" && is_out_of_memory(info))
            }
            Word::Status(part) => info.status.to_string().contains(part),
            Word::Health(word) => health_word(info) == Some(word),
            Word::Name(part) => holds(&info.name, part),
            Word::Image(part) => holds(&spec.image_name().to_string(), part),
            Word::Env(wanted) => spec.env_vars().iter().any(|var| match wanted.split_once('=') {
                Some((name, value)) => var.name() == name && var.value() == value,
                None => var.name() == wanted,
            }),
            Word::Volume(part) => spec.volumes().iter().any(|v| v.to_string().contains(part)),
        }
    }
}

/// The verdict of the health check of a container that is alive.
fn health_word(info: &ContainerInfo) -> Option<&'static str> {
    let health = info.health.as_ref().filter(|_| info.status.is_alive())?;
    Some(match health.status {
        Health::Starting => "starting",
        Health::Healthy => "healthy",
        Health::Unhealthy => "unhealthy",
    })
}

/// Whether the last run ended at the memory limit.
fn is_out_of_memory(info: &ContainerInfo) -> bool {
    !info.status.is_alive() && info.exit.is_some_and(|exit| exit.oom_killed)
}
