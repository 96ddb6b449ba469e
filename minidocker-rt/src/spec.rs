//! What is asked for: a [`ContainerSpec`] and the types it is made of.
//!
//! Text is parsed once, here, into types that cannot hold a wrong value; the rest
//! of the library never looks at a string again. Two checks need the machine
//! (memory and CPU against what there is, folders that must exist) and are made
//! by `create`, before anything is written.

mod change;
mod command;
mod env;
mod health_check;
mod image;
mod image_name;
mod isolation;
mod json;
mod limits;
mod log_size;
mod name;
mod network;
mod port;
mod restart;
mod rlimit;
mod subnet;
mod terminal;
mod timeout;
mod user;
mod volume;

pub use command::Command;
pub use env::EnvVar;
pub use health_check::HealthCheck;
pub(crate) use image::no_command;
pub use image_name::ImageName;
pub use isolation::Isolation;
pub use limits::{CpuPercent, Memory, PidsLimit};
pub use log_size::LogSize;
pub use name::{ContainerId, ContainerName, Hostname};
pub use network::{ExtraHost, NetworkMode, NetworkName};
pub use port::{PortMapping, Protocol};
pub use restart::RestartPolicy;
pub use rlimit::{Resource, Rlimit};
pub use subnet::Subnet;
pub use terminal::TerminalSize;
pub use user::User;
pub(crate) use user::{Group, NameOrId};
pub use volume::{ContainerPath, Volume};
pub(crate) use volume::{Pinned, is_windows_path};

use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use self::json::SpecJson;
use crate::error::{Error, Result};
use crate::signal::Signal;

/// Everything a container is made from. Immutable once created.
///
/// Built with chained calls; the first value that cannot be used is remembered
/// and reported by `Runtime::create`, before anything is made:
///
/// ```
/// use minidocker_rt::ContainerSpec;
///
/// let spec = ContainerSpec::new("hello", "python -c \"print('Hello')\"")
///     .memory_mb(64)
///     .cpu_percent(50)
///     .env("MODE", "production")
///     .volume("/tmp:/app/data:ro")?;
/// # Ok::<(), minidocker_rt::Error>(())
/// ```
///
/// The JSON form is that of the REST API:
/// `{"name", "command", "mem_limit_mb", "cpu_limit_percent", "volumes", "env_vars"}`,
/// all but the name optional, and the command too if an image is named that has one.
///
/// What an image says about how to run it (user, directory, entrypoint and command, stop
/// signal, health check) holds unless the specification says otherwise. `create` fills it in,
/// so that a container's specification tells all of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(into = "SpecJson", try_from = "SpecJson")]
pub struct ContainerSpec {
    pub(crate) name: ContainerName,
    /// Without words for that of the image, until the container is created.
    pub(crate) command: Command,
    /// What comes before the command, in the place of the image's own entrypoint. None for
    /// that, until the container is created: its command is complete.
    pub(crate) entrypoint: Option<Vec<String>>,
    pub(crate) image: ImageName,
    pub(crate) memory: Option<Memory>,
    pub(crate) cpu: Option<CpuPercent>,
    pub(crate) pids: PidsLimit,
    pub(crate) volumes: Vec<Volume>,
    pub(crate) env: Vec<EnvVar>,
    pub(crate) ports: Vec<PortMapping>,
    /// None for the runtime's default, until the container is created.
    pub(crate) network: Option<NetworkMode>,
    pub(crate) aliases: Vec<Hostname>,
    pub(crate) dns: Vec<IpAddr>,
    pub(crate) extra_hosts: Vec<ExtraHost>,
    pub(crate) hostname: Option<Hostname>,
    /// None for the image's, until the container is created; and then for `/`.
    pub(crate) working_dir: Option<ContainerPath>,
    /// None for the image's, until the container is created; and then for root.
    pub(crate) user: Option<User>,
    pub(crate) rlimits: Vec<Rlimit>,
    pub(crate) isolation: Isolation,
    pub(crate) init: bool,
    pub(crate) best_effort_limits: bool,
    pub(crate) restart: RestartPolicy,
    pub(crate) timeout: Option<Duration>,
    /// None for the image's, until the container is created; and then for SIGTERM.
    pub(crate) stop_signal: Option<Signal>,
    /// None for the image's, until the container is created.
    pub(crate) health_check: Option<HealthCheck>,
    /// Whether the image's is not wanted either.
    pub(crate) no_health_check: bool,
    pub(crate) stdin_open: bool,
    pub(crate) tty: bool,
    pub(crate) log_size: LogSize,
    pub(crate) fault: Option<Fault>,
    /// The first value that could not be parsed; `create` returns it.
    pub(crate) problem: Option<Box<Error>>,
}

impl ContainerSpec {
    /// A container called `name` that runs `command`, with every isolation on, no
    /// memory or CPU limit, and at most 512 processes.
    ///
    /// A command given as text is split into words as a shell would
    /// (`Command::parse`); use [`Command::argv`] for exact words.
    pub fn new(name: &str, command: impl Into<CommandText>) -> ContainerSpec {
        let mut problem = None;
        let name = name.parse().unwrap_or_else(|error| {
            problem = Some(Box::new(error));
            ContainerName::placeholder()
        });
        let command = command.into().0.unwrap_or_else(|error| {
            problem.get_or_insert(Box::new(error));
            Command::placeholder()
        });
        ContainerSpec {
            name,
            command,
            entrypoint: None,
            image: ImageName::host(),
            memory: None,
            cpu: None,
            pids: PidsLimit::default(),
            volumes: Vec::new(),
            env: Vec::new(),
            ports: Vec::new(),
            network: None,
            aliases: Vec::new(),
            dns: Vec::new(),
            extra_hosts: Vec::new(),
            hostname: None,
            working_dir: None,
            user: None,
            rlimits: Vec::new(),
            isolation: Isolation::default(),
            init: true,
            best_effort_limits: false,
            restart: RestartPolicy::No,
            timeout: None,
            stop_signal: None,
            health_check: None,
            no_health_check: false,
            stdin_open: false,
            tty: false,
            log_size: LogSize::default(),
            fault: None,
            problem,
        }
    }

    /// A container called `name` that runs the command of an image.
    ///
    /// ```
    /// use minidocker_rt::ContainerSpec;
    ///
    /// let as_it_is = ContainerSpec::of_image("web", "nginx");
    /// let with_other_arguments = ContainerSpec::new("test", "nginx -t").image("nginx");
    /// ```
    pub fn of_image(name: &str, image: &str) -> ContainerSpec {
        ContainerSpec::new(name, Command::of_image()).image(image)
    }

    /// Reads the JSON form. Unlike serde's own error, the one returned here names
    /// the field at fault and what to write instead.
    pub fn from_json(json: &[u8]) -> Result<ContainerSpec> {
        let raw: SpecJson = serde_json::from_slice(json).map_err(|error| Error::InvalidSpec {
            field: "body",
            value: String::from_utf8_lossy(&json[..json.len().min(200)]).into_owned(),
            why: error.to_string(),
            hint: "Send a JSON object with at least \"name\" and \"command\", or \"image\".".into(),
        })?;
        raw.try_into()
    }

    /// Limits memory, swap included, to `megabytes` of 1024*1024 bytes.
    pub fn memory_mb(mut self, megabytes: u64) -> Self {
        self.memory = self.keep(Memory::megabytes(megabytes));
        self
    }

    /// Limits memory, swap included.
    pub fn memory(mut self, limit: Memory) -> Self {
        self.memory = Some(limit);
        self
    }

    /// Limits CPU time, in percent of one core: 50 is half a core, 200 is two.
    pub fn cpu_percent(mut self, percent: u32) -> Self {
        self.cpu = self.keep(CpuPercent::new(percent.into()));
        self
    }

    /// Limits the number of processes and threads (512 unless set).
    pub fn pids_limit(mut self, limit: PidsLimit) -> Self {
        self.pids = limit;
        self
    }

    /// Adds an environment variable; a later one of the same name replaces it.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        if let Some(var) = self.keep(EnvVar::new(name, value)) {
            self.env.retain(|other| other.name() != var.name());
            self.env.push(var);
        }
        self
    }

    /// Shows a folder of the host inside the container: `/host:/inside[:ro]`, or on
    /// Windows `C:\Data:/inside`.
    pub fn volume(mut self, volume: &str) -> Result<Self> {
        self.volumes.push(volume.parse()?);
        Ok(self)
    }

    /// Publishes a port of the container: `8080:80`, `127.0.0.1:8080:80/tcp`, `53:53/udp`,
    /// `80` for a free port of the host, or a range (`8000-8010:8000-8010`). See
    /// [`PortMapping`].
    pub fn publish(mut self, port: &str) -> Self {
        let published = port::publish(&mut self.ports, port);
        self.keep(published);
        self
    }

    /// The name the container sees as its host's (its own name unless set).
    pub fn hostname(mut self, hostname: &str) -> Self {
        self.hostname = self.keep(hostname.parse());
        self
    }

    /// The directory the command starts in (the image's unless set, or `/`; made if missing).
    pub fn working_dir(mut self, path: &str) -> Self {
        if let Some(path) = self.keep(ContainerPath::parse("working_dir", path)) {
            self.working_dir = Some(path);
        }
        self
    }

    /// The user and group the command runs as (the image's unless set, or the container's
    /// root).
    pub fn user(mut self, user: User) -> Self {
        self.user = Some(user);
        self
    }

    /// What is executed, with the command as its arguments, in the place of the image's
    /// entrypoint. Without words, the command is the whole.
    pub fn entrypoint<W: Into<String>>(mut self, words: impl IntoIterator<Item = W>) -> Self {
        self.entrypoint = Some(words.into_iter().map(Into::into).collect());
        self
    }

    /// Sets one resource limit (`man 2 setrlimit`).
    pub fn rlimit(mut self, rlimit: Rlimit) -> Self {
        let Rlimit { resource, soft, hard } = rlimit;
        if let Some(rlimit) = self.keep(Rlimit::new(resource, soft, hard)) {
            self.rlimits.retain(|other| other.resource != resource);
            self.rlimits.push(rlimit);
        }
        self
    }

    /// Chooses which isolation features are on, to see what each one does.
    pub fn isolation(mut self, isolation: Isolation) -> Self {
        self.isolation = isolation;
        self
    }

    /// Whether PID 1 is a small init of ours that reaps zombies and forwards
    /// signals (the default), or the command itself.
    pub fn init(mut self, init: bool) -> Self {
        self.init = init;
        self
    }

    /// Lets the container start although a limit cannot be enforced on this
    /// machine; the status then lists it as not enforced. Off unless asked for.
    pub fn best_effort_limits(mut self, allow: bool) -> Self {
        self.best_effort_limits = allow;
        self
    }

    /// The image whose files the container sees below its own changes (`host` unless set).
    pub fn image(mut self, name: &str) -> Self {
        if let Some(name) = self.keep(name.parse()) {
            self.image = name;
        }
        self
    }

    /// What becomes of it when its command ends (nothing unless set).
    pub fn restart(mut self, policy: RestartPolicy) -> Self {
        self.restart = policy;
        self
    }

    /// What asks the command to end when the container is stopped (the image's unless set, or
    /// SIGTERM).
    pub fn stop_signal(mut self, signal: Signal) -> Self {
        self.stop_signal = Some(signal);
        self
    }

    /// Probes its health with a command (the image's unless set, if it has one).
    pub fn health_check(mut self, check: HealthCheck) -> Self {
        (self.health_check, self.no_health_check) = (Some(check), false);
        self
    }

    /// Does not probe its health, even if the image says how.
    pub fn no_health_check(mut self) -> Self {
        (self.health_check, self.no_health_check) = (None, true);
        self
    }

    /// Keeps the command's standard input open for whoever attaches. Without it the command
    /// reads the end of file at once.
    pub fn stdin_open(mut self, open: bool) -> Self {
        self.stdin_open = open;
        self
    }

    /// Gives the command a terminal (`man 7 pty`) instead of pipes: both its streams then
    /// arrive as one, as on a screen.
    pub fn tty(mut self, tty: bool) -> Self {
        self.tty = tty;
        self
    }

    /// Limits its log to `megabytes` of 1024*1024 bytes, 1 to 1024 (32 unless set). What is
    /// older is dropped, and counted: see [`Logs::dropped_bytes`](crate::Logs::dropped_bytes).
    pub fn log_max_mb(mut self, megabytes: u64) -> Self {
        if let Some(size) = self.keep(LogSize::megabytes(megabytes)) {
            self.log_size = size;
        }
        self
    }

    /// Makes the first system call of one step fail with `errno`, as
    /// `strace --inject` would: to see (and test) that a start which fails at that
    /// step leaves nothing behind.
    #[doc(hidden)]
    pub fn inject_fault(mut self, step: &str, errno: i32) -> Self {
        self.fault = Some(Fault { step: step.to_string(), errno });
        self
    }

    /// The container's name.
    pub fn container_name(&self) -> &ContainerName {
        &self.name
    }

    /// The command it runs, with the entrypoint of its image. It has no words if that of the
    /// image was asked for and the container is not created yet.
    pub fn command(&self) -> &Command {
        &self.command
    }

    /// The volumes with their positions, in the order they are mounted: one below another comes
    /// after it, whatever the order they were given in, so that none is hidden.
    pub(crate) fn volumes_by_depth(&self) -> Vec<(usize, &Volume)> {
        let mut volumes: Vec<(usize, &Volume)> = self.volumes.iter().enumerate().collect();
        volumes.sort_by_key(|(_, volume)| volume.container().as_str().matches('/').count());
        volumes
    }

    /// Whether a volume takes the place of the whole /etc.
    pub(crate) fn has_etc_volume(&self) -> bool {
        self.volumes.iter().any(|volume| volume.container().as_str() == "/etc")
    }

    /// The volumes it sees.
    pub fn volumes(&self) -> &[Volume] {
        &self.volumes
    }

    /// The ports it publishes; a host port of 0 is chosen when it starts.
    pub fn ports(&self) -> &[PortMapping] {
        &self.ports
    }

    /// Its environment variables, in the order they were given.
    pub fn env_vars(&self) -> &[EnvVar] {
        &self.env
    }

    /// Its memory limit, if any.
    pub fn memory_limit(&self) -> Option<Memory> {
        self.memory
    }

    /// Its CPU limit, if any.
    pub fn cpu_limit(&self) -> Option<CpuPercent> {
        self.cpu
    }

    /// The image it is made from.
    pub fn image_name(&self) -> &ImageName {
        &self.image
    }

    /// What becomes of it when its command ends.
    pub fn restart_policy(&self) -> RestartPolicy {
        self.restart
    }

    /// How its health is probed, if it is.
    pub fn health(&self) -> Option<&HealthCheck> {
        self.health_check.as_ref()
    }

    /// Keeps the first problem for `create` to report.
    fn keep<T>(&mut self, parsed: Result<T>) -> Option<T> {
        parsed.map_err(|error| self.problem.get_or_insert(Box::new(error)).clone()).ok()
    }
}

/// A command as [`ContainerSpec::new`] takes it: text to split, or exact words.
pub struct CommandText(pub(crate) Result<Command>);

impl From<&str> for CommandText {
    fn from(line: &str) -> Self {
        CommandText(Command::parse(line))
    }
}

impl From<String> for CommandText {
    fn from(line: String) -> Self {
        CommandText(Command::parse(&line))
    }
}

impl From<Command> for CommandText {
    fn from(command: Command) -> Self {
        CommandText(Ok(command))
    }
}

impl From<Result<Command>> for CommandText {
    fn from(command: Result<Command>) -> Self {
        CommandText(command)
    }
}

/// See [`ContainerSpec::inject_fault`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Fault {
    pub step: String,
    pub errno: i32,
}

/// A refusal, as every parser here words it.
pub(crate) fn refuse(
    field: &'static str,
    value: impl ToString,
    why: impl Into<String>,
    hint: impl Into<String>,
) -> Error {
    Error::InvalidSpec { field, value: value.to_string(), why: why.into(), hint: hint.into() }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
