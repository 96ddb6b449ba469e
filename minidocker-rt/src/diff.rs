//! What a container changed, compared with its image.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One change. Prints as `docker diff` does: `C /etc/hosts`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// What became of it.
    pub kind: ChangeKind,
    /// Its full path in the container. What is not UTF-8 in it is shown as U+FFFD.
    pub path: String,
}

/// What became of a file or folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    /// The image does not have it.
    Added,
    /// The image has another of this name; or, of a folder, something in it changed.
    Modified,
    /// The image has it, with all that is below, and the container removed it.
    Deleted,
}

impl ChangeKind {
    /// The letter by which `docker diff` shows it: A, C or D.
    pub fn letter(self) -> char {
        match self {
            ChangeKind::Added => 'A',
            ChangeKind::Modified => 'C',
            ChangeKind::Deleted => 'D',
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.letter(), self.path)
    }
}
