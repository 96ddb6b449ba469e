//! Why there is no figure.

use std::fmt;

/// The result of whatever the benches do.
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong. `main` returns it, so it prints (even in its `Debug` form) as a
/// sentence for the person at the terminal.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The runtime under measurement refused something.
    #[error("{0}")]
    Runtime(#[from] minidocker_rt::Error),
    /// A file or a process of the bench itself.
    #[error("cannot {action}: {why}")]
    Io {
        /// What was attempted.
        action: String,
        /// The system's reason.
        why: std::io::Error,
    },
    /// Something that must be installed, or a right that is needed.
    #[error("{0}")]
    Missing(String),
    /// A container ended otherwise than it should have.
    #[error("{0}")]
    Unexpected(String),
    /// Ctrl-C: everything made so far is removed on the way out.
    #[error("interrupted")]
    Interrupted,
}

impl Error {
    /// For `map_err`: what was attempted when the system refused.
    pub fn io(action: impl Into<String>) -> impl FnOnce(std::io::Error) -> Error {
        let action = action.into();
        move |why| Error::Io { action, why }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
