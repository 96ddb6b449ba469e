//! What a container changed, compared with its image.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::names;

/// One change. Prints as `docker diff` does: `C /etc/hosts`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// What became of it.
    pub kind: ChangeKind,
    /// Its full path in the container. What is not UTF-8 in it is shown as U+FFFD.
    pub path: String,
    /// The fields whose bytes are not UTF-8: there is U+FFFD in their place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_utf8: Vec<String>,
    /// The bytes of its path, if these are not UTF-8; in JSON percent-encoded, as a URL takes them.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::names::percent")]
    pub path_bytes: Option<Vec<u8>>,
}

impl Change {
    pub(crate) fn new(kind: ChangeKind, path: &[u8]) -> Change {
        let (path, path_bytes) = names::shown(path);
        let not_utf8 = path_bytes.iter().map(|_| "path".to_string()).collect();
        Change { kind, path, not_utf8, path_bytes }
    }

    /// Its full path in the container, whatever its bytes are.
    pub fn raw_path(&self) -> &[u8] {
        self.path_bytes.as_deref().unwrap_or(self.path.as_bytes())
    }
}

/// What a container changed, as far as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Diff {
    /// The changes, sorted by path.
    pub changes: Vec<Change>,
    /// Whether there are more than these.
    pub truncated: bool,
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    /// The folder whose names are told of, and not what is below them. None for everything.
    pub folder: Option<&'a [u8]>,
    /// The most changes.
    pub changes: usize,
    /// The most bytes of their paths.
    pub bytes: usize,
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
