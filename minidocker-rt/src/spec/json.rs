//! The JSON form of a specification: as it is sent, written down and exported.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Deserializer, Serialize};

use super::health_check::HealthCheckJson;
use super::image::parse_stop_signal;
use super::{
    Command, ContainerName, ContainerPath, ContainerSpec, CpuPercent, EnvVar, ExtraHost, Hostname,
    Isolation, LogSize, Memory, NetworkMode, PidsLimit, PortMapping, RestartPolicy, Rlimit, Volume,
    port, refuse, timeout,
};
use crate::error::{Error, Result};

/// The JSON form of a specification, before its values are parsed.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SpecJson {
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    command: Option<CommandJson>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    entrypoint: Option<CommandJson>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    image: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mem_limit_mb: Option<serde_json::Number>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cpu_limit_percent: Option<serde_json::Number>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pids_limit: Option<serde_json::Number>,
    #[serde(default)]
    volumes: Vec<String>,
    #[serde(default)]
    env_vars: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    ports: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    network: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    aliases: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    dns: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    extra_hosts: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hostname: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    working_dir: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    rlimits: Vec<Rlimit>,
    #[serde(default, skip_serializing_if = "Isolation::is_default")]
    isolation: Isolation,
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    init: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    best_effort_limits: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    restart: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    timeout_seconds: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stop_signal: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    health_check: Option<HealthChoice>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    stdin_open: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    tty: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    log_max_mb: Option<serde_json::Number>,
}

/// A command line, or its exact words.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum CommandJson {
    Line(String),
    Words(Vec<String>),
}

impl CommandJson {
    pub fn of(command: &Command) -> CommandJson {
        match command.line() {
            Some(line) => CommandJson::Line(line.to_string()),
            None => CommandJson::Words(command.words().to_vec()),
        }
    }

    pub fn parse(self) -> Result<Command> {
        match self {
            CommandJson::Line(line) => Command::parse(&line),
            CommandJson::Words(words) => Command::argv(words),
        }
    }

    /// As an entrypoint, which may have no words.
    fn parse_entrypoint(self) -> Result<Vec<String>> {
        let nothing = match &self {
            CommandJson::Line(line) => line.trim().is_empty(),
            CommandJson::Words(words) => words.is_empty(),
        };
        if nothing {
            return Ok(Vec::new());
        }
        match self.parse() {
            Ok(command) => Ok(command.words().to_vec()),
            Err(Error::InvalidSpec { value, why, hint, .. }) => {
                Err(refuse("entrypoint", value, why, hint))
            }
            Err(error) => Err(error),
        }
    }
}

/// A health check, or "none": not even that of the image.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum HealthChoice {
    No(&'static str),
    Check(HealthCheckJson),
}

/// The word for no health check.
const NONE: &str = "none";

impl<'de> Deserialize<'de> for HealthChoice {
    /// Not untagged: its errors would not say which field of a check is wrong.
    fn deserialize<D: Deserializer<'de>>(input: D) -> std::result::Result<HealthChoice, D::Error> {
        match serde_json::Value::deserialize(input)? {
            serde_json::Value::String(text) if text == NONE => Ok(HealthChoice::No(NONE)),
            other => HealthCheckJson::deserialize(other)
                .map(HealthChoice::Check)
                .map_err(serde::de::Error::custom),
        }
    }
}

fn yes() -> bool {
    true
}

fn is_yes(value: &bool) -> bool {
    *value
}

impl TryFrom<SpecJson> for ContainerSpec {
    type Error = Error;

    fn try_from(json: SpecJson) -> Result<ContainerSpec> {
        let name: ContainerName = json.name.parse()?;
        let of_image = json.image.is_some() || json.entrypoint.is_some();
        let command = match json.command {
            Some(command) => command.parse()?,
            None if of_image => Command::of_image(),
            None => {
                return Err(refuse(
                    "command",
                    "",
                    "it is missing, and no image is named that has one",
                    "Give a command, or the name of an image that says what to run.",
                ));
            }
        };
        let mut spec = ContainerSpec::new(name.as_str(), command);
        spec.entrypoint = json.entrypoint.map(CommandJson::parse_entrypoint).transpose()?;
        if let Some(image) = json.image {
            spec.image = image.parse()?;
        }
        spec.memory = json.mem_limit_mb.map(Memory::from_json).transpose()?;
        spec.cpu = json.cpu_limit_percent.map(CpuPercent::from_json).transpose()?;
        if let Some(pids) = json.pids_limit {
            spec.pids = PidsLimit::from_json(pids)?;
        }
        spec.volumes = json.volumes.iter().map(|text| text.parse()).collect::<Result<_>>()?;
        for (name, value) in &json.env_vars {
            spec.env.push(EnvVar::new(name, value)?);
        }
        for text in &json.ports {
            port::publish(&mut spec.ports, text)?;
        }
        spec.network = json.network.map(|text| text.parse()).transpose()?;
        spec = json.aliases.iter().fold(spec, |spec, name| spec.alias(name));
        spec = json.dns.iter().fold(spec, |spec, server| spec.dns(server));
        spec = json.extra_hosts.iter().fold(spec, |spec, line| spec.extra_host(line));
        if let Some(problem) = spec.problem.take() {
            return Err(*problem);
        }
        spec.hostname = json.hostname.map(|text| text.parse()).transpose()?;
        let working_dir = json.working_dir.map(|path| ContainerPath::parse("working_dir", &path));
        spec.working_dir = working_dir.transpose()?;
        spec.user = json.user.map(|user| user.parse()).transpose()?;
        for (index, Rlimit { resource, soft, hard }) in json.rlimits.iter().copied().enumerate() {
            let rlimit = Rlimit::new(resource, soft, hard)?;
            if json.rlimits[..index].iter().any(|other| other.resource == resource) {
                let why = "the same resource is limited twice, and one would be for nothing";
                let name = format!("{resource:?}").to_lowercase();
                return Err(super::refuse("rlimits", name, why, "Give each resource one limit."));
            }
            spec = spec.rlimit(rlimit);
        }
        spec.isolation = json.isolation;
        spec.init = json.init;
        spec.best_effort_limits = json.best_effort_limits;
        spec.restart = json.restart.map_or(Ok(RestartPolicy::No), |text| text.parse())?;
        spec.timeout = json.timeout_seconds.map(timeout::from_seconds).transpose()?;
        let stop_signal = json.stop_signal.map(|text| parse_stop_signal(&text));
        spec.stop_signal = stop_signal.transpose()?;
        match json.health_check {
            None => {}
            Some(HealthChoice::No(_)) => spec.no_health_check = true,
            Some(HealthChoice::Check(check)) => spec.health_check = Some(check.try_into()?),
        }
        spec.stdin_open = json.stdin_open;
        spec.tty = json.tty;
        if let Some(megabytes) = json.log_max_mb {
            spec.log_size = LogSize::from_json(megabytes)?;
        }
        Ok(spec)
    }
}

impl From<ContainerSpec> for SpecJson {
    fn from(spec: ContainerSpec) -> SpecJson {
        SpecJson {
            name: spec.name.to_string(),
            command: (!spec.command.is_of_image()).then(|| CommandJson::of(&spec.command)),
            entrypoint: spec.entrypoint.map(CommandJson::Words),
            image: (!spec.image.is_host()).then(|| spec.image.to_string()),
            mem_limit_mb: spec.memory.map(|memory| memory.as_megabytes().into()),
            cpu_limit_percent: spec.cpu.map(|cpu| cpu.percent().into()),
            pids_limit: (spec.pids != PidsLimit::default()).then(|| spec.pids.to_json()),
            volumes: spec.volumes.iter().map(Volume::to_string).collect(),
            env_vars: spec
                .env
                .iter()
                .map(|var| (var.name().to_string(), var.value().to_string()))
                .collect(),
            ports: spec.ports.iter().map(PortMapping::to_string).collect(),
            network: spec
                .network
                .filter(|mode| *mode != NetworkMode::Bridge)
                .map(|mode| mode.to_string()),
            aliases: spec.aliases.iter().map(Hostname::to_string).collect(),
            dns: spec.dns.iter().map(IpAddr::to_string).collect(),
            extra_hosts: spec.extra_hosts.iter().map(ExtraHost::to_string).collect(),
            hostname: spec.hostname.map(|hostname| hostname.to_string()),
            working_dir: spec.working_dir.map(|path| path.to_string()),
            user: spec.user.map(|user| user.to_string()),
            rlimits: spec.rlimits,
            isolation: spec.isolation,
            init: spec.init,
            best_effort_limits: spec.best_effort_limits,
            restart: (spec.restart != RestartPolicy::No).then(|| spec.restart.to_string()),
            timeout_seconds: spec.timeout.map(|timeout| timeout.as_secs_f64()),
            stop_signal: spec.stop_signal.map(|signal| signal.to_string()),
            health_check: match spec.health_check {
                Some(check) => Some(HealthChoice::Check(check.into())),
                None => spec.no_health_check.then_some(HealthChoice::No(NONE)),
            },
            stdin_open: spec.stdin_open,
            tty: spec.tty,
            log_max_mb: (spec.log_size != LogSize::default())
                .then(|| spec.log_size.as_megabytes().into()),
        }
    }
}
