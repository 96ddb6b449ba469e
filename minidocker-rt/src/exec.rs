//! Another command in a running container: what is asked for, and what came out.
//!
//! ```no_run
//! # fn main() -> minidocker_rt::Result<()> {
//! # let container = minidocker_rt::Runtime::open_default()?.get("web")?;
//! use minidocker_rt::Exec;
//!
//! println!("{}", container.exec("ls -la /app")?.stdout_text());
//! let output = container.exec(
//!     Exec::new("wc -l").stdin("one\ntwo\n").timeout(std::time::Duration::from_secs(5)),
//! )?;
//! assert!(output.exit.success() && !output.timed_out);
//! # Ok(()) }
//! ```

#[cfg(not(linux_backend))]
mod absent;
#[cfg(linux_backend)]
mod beginning;
#[cfg(linux_backend)]
mod capture;
#[cfg(linux_backend)]
mod process;

#[cfg(not(linux_backend))]
pub(crate) use absent::{Asked, OPERATION, capture};
#[cfg(not(linux_backend))]
pub use absent::{ExecBeginning, ExecProcess, Terminal};
#[cfg(linux_backend)]
pub use beginning::ExecBeginning;
#[cfg(linux_backend)]
pub(crate) use beginning::{Asked, OPERATION};
#[cfg(linux_backend)]
pub(crate) use capture::capture;
#[cfg(linux_backend)]
pub use process::{ExecProcess, Terminal};

use std::time::Duration;

use crate::error::{Error, Result};
use crate::spec::{Command, CommandText, ContainerPath, EnvVar, TerminalSize, User};
use crate::status::ExitStatus;
use crate::utf8;

/// The most output that is captured of each stream unless asked otherwise: 64 MiB.
pub const OUTPUT_LIMIT: usize = 64 << 20;

/// A command to be executed in a running container, with the container's environment,
/// limits, capabilities and system call filter. Built with chained calls; the first value
/// that cannot be used is reported by the operation that executes it.
#[derive(Debug, Clone)]
pub struct Exec {
    pub(crate) command: Command,
    pub(crate) env: Vec<EnvVar>,
    pub(crate) working_dir: Option<ContainerPath>,
    pub(crate) user: Option<User>,
    pub(crate) stdin: Stdin,
    pub(crate) tty: Option<TerminalSize>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) output_limit: usize,
    pub(crate) problem: Option<Box<Error>>,
}

/// What a command reads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Stdin {
    /// The end of file, at once.
    #[default]
    Null,
    /// These bytes, then the end of file.
    Bytes(Vec<u8>),
    /// What is written to [`ExecProcess::stdin`].
    Piped,
}

/// What a command that was executed to its end has left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecOutput {
    /// What it wrote to its standard output; with a terminal, all that it wrote.
    pub stdout: Vec<u8>,
    /// What it wrote to its standard error.
    pub stderr: Vec<u8>,
    /// How it ended. Out of memory is said of one that the kernel killed for that: SIGKILL, by
    /// nobody else, while the container's count of such kills rose.
    pub exit: ExitStatus,
    /// Whether it was killed because its time was over. What it wrote until then is here.
    pub timed_out: bool,
    /// Whether it wrote more than the limit. The rest was read and thrown away.
    pub truncated: bool,
}

/// How a command ends whose time is over: by SIGKILL.
pub(crate) const KILLED: ExitStatus =
    ExitStatus { code: 128 + 9, signal: Some(9), oom_killed: false, timed_out: true };

impl ExecOutput {
    /// Of a command that was killed before it was executed.
    pub(crate) fn timed_out_before_it_began() -> ExecOutput {
        let (stdout, stderr) = (Vec::new(), Vec::new());
        ExecOutput { stdout, stderr, exit: KILLED, timed_out: true, truncated: false }
    }

    /// The standard output as text; bytes that are not UTF-8 become U+FFFD.
    pub fn stdout_text(&self) -> String {
        self.text(&self.stdout)
    }

    /// The standard error as text; bytes that are not UTF-8 become U+FFFD.
    pub fn stderr_text(&self) -> String {
        self.text(&self.stderr)
    }

    fn text(&self, bytes: &[u8]) -> String {
        match self.truncated {
            true => utf8::cut_off(bytes),
            false => String::from_utf8_lossy(bytes).into_owned(),
        }
    }
}

impl Exec {
    /// Executes `command` as the container's own user, in its working directory, without
    /// input.
    pub fn new(command: impl Into<CommandText>) -> Exec {
        let (command, problem) = match command.into().0 {
            Ok(command) => (command, None),
            Err(error) => (Command::placeholder(), Some(Box::new(error))),
        };
        Exec {
            command,
            env: Vec::new(),
            working_dir: None,
            user: None,
            stdin: Stdin::Null,
            tty: None,
            timeout: None,
            output_limit: OUTPUT_LIMIT,
            problem,
        }
    }

    /// Adds an environment variable to those of the container.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        let var = self.keep(EnvVar::new(name, value));
        self.env.extend(var);
        self
    }

    /// The directory it starts in (the container's unless set).
    pub fn working_dir(mut self, path: &str) -> Self {
        self.working_dir = self.keep(ContainerPath::parse("working_dir", path));
        self
    }

    /// The user it runs as (the container's unless set).
    pub fn user(mut self, user: User) -> Self {
        self.user = Some(user);
        self
    }

    /// What it reads: these bytes, then the end of file.
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = Stdin::Bytes(bytes.into());
        self
    }

    /// It reads what is written to [`ExecProcess::stdin`].
    pub fn stdin_piped(mut self) -> Self {
        self.stdin = Stdin::Piped;
        self
    }

    /// Gives it a terminal of this size, set before it begins. Its streams are then one,
    /// [`ExecProcess::terminal`].
    pub fn tty(mut self, size: TerminalSize) -> Self {
        self.tty = Some(size);
        self
    }

    /// Kills it, with its process group, when it has not ended after this time, counted from when
    /// it was asked for. Kept by a helper process, so that it holds when this program is killed.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// The most bytes that are captured of each stream ([`OUTPUT_LIMIT`] unless set).
    pub fn output_limit(mut self, bytes: usize) -> Self {
        self.output_limit = bytes;
        self
    }

    fn keep<T>(&mut self, parsed: Result<T>) -> Option<T> {
        parsed.map_err(|error| self.problem.get_or_insert(Box::new(error)).clone()).ok()
    }
}

impl<T: Into<CommandText>> From<T> for Exec {
    fn from(command: T) -> Exec {
        Exec::new(command)
    }
}
