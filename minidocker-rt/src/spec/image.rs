//! What an image says about how to run it, taken into a specification.

use super::{Command, ContainerPath, ContainerSpec, User, refuse};
use crate::error::{Error, Result};
use crate::images::ImageConfig;
use crate::signal::Signal;

impl ContainerSpec {
    /// Fills in what the image says, where the specification says nothing. Of its command it
    /// takes what Docker takes: a given command replaces the image's and leaves its entrypoint;
    /// a given entrypoint replaces both.
    ///
    /// # Errors
    /// `Error::InvalidSpec` if nobody says what to run, or the image says what cannot be.
    pub(crate) fn settle_image(&mut self, config: &ImageConfig) -> Result<()> {
        let (entrypoint, arguments) = match self.entrypoint.take() {
            Some(given) => (given, &[][..]),
            None => (config.entrypoint().to_vec(), &config.command[..]),
        };
        let of_image = self.command.is_of_image();
        if !entrypoint.is_empty() || of_image {
            let arguments = if of_image { arguments } else { self.command.words() };
            let words: Vec<String> = entrypoint.into_iter().chain(arguments.to_vec()).collect();
            if words.is_empty() {
                return Err(no_command(self.image.as_str()));
            }
            self.command = Command::argv(words)?;
        }
        // The command is complete: who makes another container from this specification must
        // not get the image's entrypoint before it once more.
        self.entrypoint = (!config.entrypoint().is_empty()).then(Vec::new);
        if let (None, Some(path)) = (&self.working_dir, &config.working_dir) {
            self.working_dir = Some(ContainerPath::parse("working_dir", path)?);
        }
        if let (None, Some(user)) = (&self.user, &config.user) {
            self.user = Some(User::of_image(user)?);
        }
        if let (None, Some(signal)) = (self.stop_signal, &config.stop_signal) {
            self.stop_signal = Some(parse_stop_signal(signal)?);
        }
        if self.health_check.is_none() && !self.no_health_check {
            self.health_check = config.health_check.clone();
        }
        Ok(())
    }

    /// What asks the command to end.
    pub(crate) fn stops_with(&self) -> Signal {
        self.stop_signal.unwrap_or(Signal::TERM)
    }

    /// The directory the command starts in.
    pub(crate) fn directory(&self) -> ContainerPath {
        self.working_dir.clone().unwrap_or_else(ContainerPath::root)
    }

    /// Whether the user has to be looked up in the container's own /etc/passwd. What root is,
    /// everybody knows; only an imported image may put his home elsewhere, or him into groups.
    pub(crate) fn looks_up_user(&self) -> bool {
        !self.image.is_host() || *self.runs_as() != User::ROOT
    }

    /// The user the command runs as.
    pub(crate) fn runs_as(&self) -> &User {
        self.user.as_ref().unwrap_or(&User::ROOT)
    }
}

/// A signal by name or number, in the field that it stands in.
pub(crate) fn parse_stop_signal(text: &str) -> Result<Signal> {
    text.parse().map_err(|error| match error {
        Error::InvalidSpec { value, why, hint, .. } => refuse("stop_signal", value, why, hint),
        error => error,
    })
}

/// The refusal of an image that does not say what to run, when nobody else does.
pub(crate) fn no_command(image: &str) -> crate::Error {
    refuse(
        "command",
        "",
        format!("the image {image:?} does not say what to run"),
        "Give a command.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::HealthCheck;

    fn config() -> ImageConfig {
        ImageConfig {
            entrypoint: vec!["/entry".into(), "-x".into()],
            command: vec!["serve".into()],
            working_dir: Some("/srv".into()),
            user: Some("web".into()),
            stop_signal: Some("SIGQUIT".into()),
            health_check: Some(HealthCheck::new("probe").unwrap()),
            ..ImageConfig::default()
        }
    }

    fn settled(mut spec: ContainerSpec, config: &ImageConfig) -> ContainerSpec {
        spec.settle_image(config).unwrap();
        spec
    }

    #[test]
    fn what_the_image_says_holds() {
        let spec = settled(ContainerSpec::of_image("a", "web"), &config());
        assert_eq!(spec.command().words(), ["/entry", "-x", "serve"]);
        assert_eq!((spec.directory().as_str(), spec.runs_as()), ("/srv", &"web".parse().unwrap()));
        assert_eq!(spec.stops_with().to_string(), "SIGQUIT");
        assert_eq!(spec.health().unwrap().command().words(), ["probe"]);
    }

    #[test]
    fn what_the_specification_says_comes_first() {
        let spec = ContainerSpec::new("a", "test it").image("web").working_dir("/");
        let spec = settled(spec.user(User::ROOT).no_health_check(), &config());
        assert_eq!(spec.command().words(), ["/entry", "-x", "test", "it"]);
        assert_eq!((spec.directory().as_str(), spec.runs_as()), ("/", &User::ROOT));
        assert!(spec.health().is_none());
        let other = ContainerSpec::of_image("a", "web").entrypoint(["sh"]);
        assert_eq!(settled(other, &config()).command().words(), ["sh"]);
        let whole = ContainerSpec::new("a", "ls '/my files'").entrypoint(Vec::<String>::new());
        assert_eq!(settled(whole, &config()).command().line(), Some("ls '/my files'"));
    }

    #[test]
    fn settled_once_is_settled_for_ever() {
        for spec in [
            ContainerSpec::of_image("a", "web"),
            ContainerSpec::new("a", "test").image("web").no_health_check(),
            ContainerSpec::of_image("a", "web").entrypoint(["sh", "-c", "true"]),
        ] {
            let once = serde_json::to_string(&settled(spec, &config())).unwrap();
            let again = ContainerSpec::from_json(once.as_bytes()).unwrap();
            assert_eq!(serde_json::to_string(&settled(again, &config())).unwrap(), once);
        }
    }

    #[test]
    fn somebody_must_say_what_to_run() {
        let nothing = ImageConfig { entrypoint: vec![String::new()], ..ImageConfig::default() };
        for mut spec in [
            ContainerSpec::of_image("a", "web"),
            ContainerSpec::of_image("a", "web").entrypoint(Vec::<String>::new()),
        ] {
            let refused = spec.settle_image(&nothing);
            assert!(matches!(refused, Err(Error::InvalidSpec { field: "command", .. })));
        }
        let spec = settled(ContainerSpec::new("a", "sh").image("web"), &nothing);
        assert_eq!((spec.command().words(), &spec.entrypoint), (&["sh".to_string()][..], &None));
        for json in [r#"{"name": "a"}"#, r#"{"name": "a", "command": null}"#] {
            let refused = ContainerSpec::from_json(json.as_bytes());
            assert!(matches!(refused, Err(Error::InvalidSpec { field: "command", .. })), "{json}");
        }
    }
}
