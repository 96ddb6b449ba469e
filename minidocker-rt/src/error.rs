//! The one error type of the library.
//!
//! Every variant says what was attempted, which value or path was at fault, and
//! what the reader can do. [`Error::code`] is a closed set of words that the REST
//! API and Python map to status codes and exception classes.

use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::status::Status;

/// The result of every fallible operation of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// What can go wrong. The message (`Display`) is one sentence; [`Error::hint`] is
/// what to do about it.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A value of the specification was refused. Nothing was created.
    #[error("{field}: {value:?} is refused: {why}")]
    InvalidSpec {
        /// The field as JSON spells it, e.g. `volumes`.
        field: &'static str,
        /// The value as it was given.
        value: String,
        /// Why it cannot be used.
        why: String,
        /// What to write instead.
        hint: String,
    },
    /// A container of that name exists already in this root.
    #[error("name: a container named {name:?} exists already")]
    NameInUse {
        /// The name asked for.
        name: String,
    },
    /// No container of that name (or it was deleted since the handle was made).
    #[error("there is no container named {name:?}")]
    NotFound {
        /// The name asked for.
        name: String,
    },
    /// No image of that name.
    #[error("there is no image named {name:?}")]
    NoSuchImage {
        /// The name asked for.
        name: String,
    },
    /// An image that containers still need.
    #[error("image {name:?} is in use by {}", containers.join(", "))]
    ImageInUse {
        /// Which image.
        name: String,
        /// The containers made from it.
        containers: Vec<String>,
    },
    /// No network of that name.
    #[error("there is no network named {name:?}")]
    NoSuchNetwork {
        /// The name asked for.
        name: String,
    },
    /// A network of that name exists already in this root.
    #[error("a network named {name:?} exists already")]
    NetworkExists {
        /// The name asked for.
        name: String,
    },
    /// A network that containers were made for.
    #[error("network {name:?} is in use by {}", containers.join(", "))]
    NetworkInUse {
        /// Which network.
        name: String,
        /// The containers made for it.
        containers: Vec<String>,
    },
    /// No template of that name.
    #[error("there is no template named {name:?}")]
    NoSuchTemplate {
        /// The name asked for.
        name: String,
    },
    /// An archive or an exported configuration that cannot be taken. Nothing is left of it.
    #[error("{what} is refused: {why}")]
    BadArchive {
        /// Which part of it, e.g. the path of a tar entry.
        what: String,
        /// Why it cannot be taken.
        why: String,
    },
    /// A path inside a container that cannot be used as asked.
    #[error("cannot {action} {path:?} in container {name:?}: {why}")]
    File {
        /// Which container.
        name: String,
        /// What was attempted, e.g. `read`.
        action: &'static str,
        /// The path inside the container.
        path: String,
        /// The system's reason.
        why: String,
        /// The errno, where there is one.
        errno: Option<i32>,
    },
    /// The operation makes no sense in the state that the container is in.
    #[error("cannot {operation} container {name:?}: it is {status}")]
    WrongState {
        /// Which container.
        name: String,
        /// The operation that was asked for, e.g. `start`.
        operation: &'static str,
        /// The state it is in.
        status: Status,
    },
    /// The container could not be started; everything made for it was removed.
    #[error("container {name:?} did not start: {failure}")]
    StartFailed {
        /// Which container.
        name: String,
        /// The step of the plan that failed.
        failure: Box<StepFailure>,
    },
    /// A command could not be executed in a running container, which goes on.
    #[error("cannot execute a command in container {name:?}: {failure}")]
    ExecFailed {
        /// Which container.
        name: String,
        /// The step that failed.
        failure: Box<StepFailure>,
    },
    /// This backend or this machine cannot do what was asked.
    #[error("{feature} is not supported here: {why}")]
    Unsupported {
        /// The feature asked for.
        feature: String,
        /// Which backend refused: `linux` or `simulation`.
        backend: &'static str,
        /// The reason, and what would help.
        why: String,
    },
    /// Real containers were wanted (nobody asked for the simulation), and this machine, or the
    /// rights of this program, do not give them.
    #[error("there are no real containers here: {why}")]
    CannotIsolate {
        /// What is missing.
        why: String,
        /// How to get it.
        hint: String,
    },
    /// [`crate::init`] was not called, so the program cannot be its own helper.
    #[error("the program cannot start its helper process: {why}")]
    HelperMissing {
        /// What exactly is missing.
        why: String,
    },
    /// The helper process (spawner or supervisor) died or answered nonsense.
    #[error("the helper process failed while {action}: {why}")]
    HelperFailed {
        /// What it was asked to do.
        action: &'static str,
        /// What was observed.
        why: String,
    },
    /// The operation did not finish within the time allowed.
    #[error(
        "{operation} of container {name:?} did not finish within {seconds} s{}",
        because.as_ref().map(|why| format!(": {why}")).unwrap_or_default()
    )]
    Timeout {
        /// Which container.
        name: String,
        /// What was waited for.
        operation: &'static str,
        /// The time allowed, in seconds.
        seconds: u64,
        /// What it waited for, if that is not the container: who holds its lock, and what for.
        because: Option<String>,
    },
    /// The program that asked did not want to wait any longer; see [`crate::interruptible`].
    #[error("the wait was interrupted")]
    Interrupted,
    /// A file of the store could not be read, written or understood.
    #[error("cannot {action} {}: {why}", path.display())]
    Io {
        /// What was attempted, e.g. `write`.
        action: &'static str,
        /// On which path.
        path: PathBuf,
        /// The system's reason.
        why: String,
        /// The errno, where there is one.
        errno: Option<i32>,
    },
    /// A system call outside the construction of a container failed.
    #[error("{call} failed: {}", Errno(*errno))]
    System {
        /// The call as strace would print it.
        call: String,
        /// The errno.
        errno: i32,
    },
}

impl Error {
    /// A stable word for the kind of error: what REST puts into `error.code`.
    pub fn code(&self) -> &'static str {
        match self {
            Error::InvalidSpec { .. } => "invalid_spec",
            Error::NameInUse { .. } => "name_in_use",
            Error::NotFound { .. } => "not_found",
            Error::NoSuchImage { .. } => "no_such_image",
            Error::ImageInUse { .. } => "image_in_use",
            Error::NoSuchNetwork { .. } => "no_such_network",
            Error::NetworkExists { .. } => "network_exists",
            Error::NetworkInUse { .. } => "network_in_use",
            Error::NoSuchTemplate { .. } => "no_such_template",
            Error::BadArchive { .. } => "bad_archive",
            Error::File { .. } => "file",
            Error::WrongState { .. } => "wrong_state",
            Error::StartFailed { .. } => "start_failed",
            Error::ExecFailed { .. } => "exec_failed",
            Error::Unsupported { .. } => "unsupported",
            Error::CannotIsolate { .. } => "cannot_isolate",
            Error::HelperMissing { .. } => "helper_missing",
            Error::HelperFailed { .. } => "helper_failed",
            Error::Timeout { .. } => "timeout",
            Error::Interrupted => "interrupted",
            Error::Io { .. } => "io",
            Error::System { .. } => "system",
        }
    }

    /// What the user can do about it, in a sentence or two.
    pub fn hint(&self) -> String {
        match self {
            Error::InvalidSpec { hint, .. } => hint.clone(),
            Error::NameInUse { name } => {
                format!("Choose another name, or delete {name:?} first: containers are immutable.")
            }
            Error::NotFound { .. } => "List the containers to see their names.".into(),
            Error::NoSuchImage { .. } => {
                "List the images to see their names; the image \"host\" is always there.".into()
            }
            Error::ImageInUse { .. } | Error::NetworkInUse { .. } => {
                "Delete those containers first.".into()
            }
            Error::NoSuchNetwork { .. } => {
                "List the networks to see their names, or make it first.".into()
            }
            Error::NetworkExists { .. } => "Choose another name, or delete that one first.".into(),
            Error::NoSuchTemplate { .. } => "List the templates to see their names.".into(),
            Error::BadArchive { .. } => {
                "Make it anew with `docker save`, `docker export`, `tar`, or our own export.".into()
            }
            Error::File { errno, .. } => match errno
                .map(|errno| (kind_of(errno), errno_hint(errno)))
            {
                Some((ErrorKind::ReadOnlyFilesystem, _)) => {
                    "Choose a path that is the container's own, or change the file on the host: \
                     volumes with :ro, the host's programs and what every start makes anew are \
                     read-only."
                }
                Some((ErrorKind::PermissionDenied, _)) => {
                    "Run as root (sudo). If you are root: choose another path, nothing of the kernel's is \
                     to be had from outside the container."
                }
                Some((_, hint)) if hint != LOOK_UP => hint,
                _ => "Choose another path.",
            }
            .into(),
            Error::WrongState { status, .. } => match status {
                Status::Running => "Stop it first, or delete it with force.".into(),
                Status::Paused => "Resume it first.".into(),
                Status::Restarting => "Stop it first, or wait for its next start.".into(),
                Status::Created => "Start it first.".into(),
                Status::Stopped | Status::Error => "Start it again first.".into(),
            },
            Error::StartFailed { failure, .. } | Error::ExecFailed { failure, .. } => {
                failure.hint.clone()
            }
            Error::Unsupported { why, .. } => why.clone(),
            Error::CannotIsolate { hint, .. } => format!(
                "{hint} Or choose the backend simulation, which isolates nothing, or any, which takes \
                 it where there is no other."
            ),
            Error::HelperMissing { .. } => {
                "Make `minidocker_rt::init();` the first line of main, or name a helper program \
                 with Runtime::builder().helper(path). For tests see \"Where there is no main\" in \
                 the documentation of the crate."
                    .into()
            }
            Error::HelperFailed { .. } => {
                "Try again; a new helper is started when needed. If it persists, look at the \
                 kernel log for an out-of-memory kill."
                    .into()
            }
            Error::Timeout { because: Some(_), .. } => {
                "Try again when that is done, or end that program.".into()
            }
            Error::Timeout { .. } => "Allow more time, or kill the container.".into(),
            Error::Interrupted => "What was asked for may go on; ask again to see.".into(),
            Error::Io { errno, path, .. } => io_hint(*errno, path),
            Error::System { errno, .. } => errno_hint(*errno).into(),
        }
    }

    pub(crate) fn io(action: &'static str, path: &Path, source: std::io::Error) -> Error {
        Error::Io {
            action,
            path: path.to_owned(),
            why: plain_reason(&source),
            errno: source.raw_os_error(),
        }
    }

    pub(crate) fn damaged(path: &Path, why: impl fmt::Display) -> Error {
        Error::Io { action: "understand", path: path.to_owned(), why: why.to_string(), errno: None }
    }
}

/// Why there can be no containers here, and what would help.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub why: String,
    pub hint: String,
}

/// The step of a plan that failed, with everything needed to mend it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepFailure {
    /// The step's id in the plan, e.g. `pivot-root`.
    pub step: String,
    /// The call that failed as strace would print it, e.g. `pivot_root(".", ".")`.
    pub call: String,
    /// What happened in words, where an errno alone would not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The errno, where the kernel gave one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errno: Option<i32>,
    /// What the user can do.
    pub hint: String,
}

impl fmt::Display for StepFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "step {}: ", self.step)?;
        match (&self.message, self.errno) {
            (Some(message), _) if self.call.is_empty() => write!(f, "{message}")?,
            (Some(message), _) => write!(f, "{message} ({})", self.call)?,
            (None, _) => write!(f, "{}", self.call)?,
        }
        if let Some(errno) = self.errno {
            write!(f, " => {}", Errno(errno))?;
        }
        Ok(())
    }
}

/// An errno that prints as `ENOENT (No such file or directory)`.
pub(crate) struct Errno(pub i32);

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = plain_reason(&std::io::Error::from_raw_os_error(self.0));
        match errno_name(self.0) {
            Some(name) => write!(f, "{name} ({reason})"),
            None => write!(f, "errno {} ({reason})", self.0),
        }
    }
}

/// The symbolic name of an errno, where the platform knows one.
#[cfg(linux_backend)]
pub(crate) fn errno_name(errno: i32) -> Option<String> {
    let name = format!("{:?}", nix::errno::Errno::from_raw(errno));
    (name != "UnknownErrno").then_some(name)
}

#[cfg(not(linux_backend))]
pub(crate) fn errno_name(_errno: i32) -> Option<String> {
    None
}

/// The reason without Rust's "(os error N)" tail.
pub(crate) fn plain_reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(end) => text[..end].to_string(),
        None => text,
    }
}

fn io_hint(errno: Option<i32>, path: &Path) -> String {
    match errno {
        Some(errno) => errno_hint(errno).to_string(),
        None if path.ends_with("spec.json") => format!(
            "Nothing is known of this container any more; remove the folder {}.",
            path.parent().unwrap_or(path).display()
        ),
        None => format!("Look at {}; deleting the container removes it.", path.display()),
    }
}

/// For an errno that nobody knows a remedy for.
const LOOK_UP: &str =
    "Look the errno up in `man 3 errno`; the call's own manual page says what it means.";

fn kind_of(errno: i32) -> ErrorKind {
    std::io::Error::from_raw_os_error(errno).kind()
}

/// What usually helps against an errno, when no step knows better.
pub(crate) fn errno_hint(errno: i32) -> &'static str {
    match kind_of(errno) {
        ErrorKind::PermissionDenied => "Run as root (sudo), or choose a path you own.",
        ErrorKind::NotFound => "Check that the path exists.",
        ErrorKind::StorageFull => "Free some disk space.",
        ErrorKind::OutOfMemory => "Free some memory.",
        ErrorKind::ReadOnlyFilesystem => "Choose a root on a writable filesystem.",
        _ => LOOK_UP,
    }
}
