//! Files of a container, as its owner sees them from outside.

use std::io;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::plain_reason;

/// What is known about one file without opening it (`man 2 stat`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileInfo {
    /// Its name in its folder; `/` for the root. What is not UTF-8 in it is shown as U+FFFD.
    pub name: String,
    /// The bytes of its name, if these are not UTF-8; in JSON percent-encoded, as a URL takes them.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::names::percent")]
    pub name_bytes: Option<Vec<u8>>,
    /// What it is.
    pub kind: FileKind,
    /// Its length in bytes.
    pub size: u64,
    /// Its permission bits, set-user-ID and the like included: `0o644`.
    pub mode: u32,
    /// Its owner, as the host counts users.
    pub uid: u32,
    /// Its group, as the host counts groups.
    pub gid: u32,
    /// When its content last changed.
    pub modified: Timestamp,
    /// Where it leads, if it is a symlink.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The fields whose bytes are not UTF-8: there is U+FFFD in their place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_utf8: Vec<String>,
    /// What is mounted there, if anything is: then it is no file of the container's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mount: Option<FileMount>,
}

impl FileInfo {
    /// Its name in its folder, whatever its bytes are.
    pub fn raw_name(&self) -> &[u8] {
        self.name_bytes.as_deref().unwrap_or(self.name.as_bytes())
    }
}

/// What is mounted on a file or folder. Of a container that does not run: what a start will mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileMount {
    /// A volume.
    Volume,
    /// Programs of this machine, which the image `host` shows, read-only.
    Host,
    /// What every start makes anew: the kernel's own files, or names and addresses in /etc.
    System,
}

/// What a file is (`man 7 inode`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    /// Bytes.
    File,
    /// A folder.
    Directory,
    /// A name for another path.
    Symlink,
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
    /// A character device.
    CharacterDevice,
    /// A block device.
    BlockDevice,
}

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WriteOptions {
    /// The permission bits it gets. None keeps those of the file that is replaced, and gives
    /// a new one `0o644`.
    pub mode: Option<u32>,
    /// Whether missing folders above it are made.
    pub make_parents: bool,
}

/// Why a file could not be used.
#[derive(Debug)]
pub(crate) struct Trouble {
    pub why: String,
    pub errno: Option<i32>,
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Trouble {
        Trouble { errno: error.raw_os_error(), why: plain_reason(&error) }
    }
}

/// A page of a folder: at most `limit` files. `names` gives the next names behind one, sorted and
/// at most so many; `look` what is known of a name, or None if it is gone since. A page that is
/// not full is the last, and so those are made up for that are gone.
pub(crate) fn page<N: Clone, F>(
    limit: usize,
    mut names: impl FnMut(Option<&N>, usize) -> Result<Vec<N>, Trouble>,
    mut look: impl FnMut(&N) -> Result<Option<F>, Trouble>,
) -> Result<Vec<F>, Trouble> {
    let mut found = Vec::new();
    let mut last = None;
    loop {
        let wanted = limit - found.len();
        let picked = names(last.as_ref(), wanted)?;
        for name in &picked {
            found.extend(look(name)?);
        }
        if found.len() == limit || picked.len() < wanted {
            return Ok(found);
        }
        last = picked.last().cloned();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_page_of_a_folder_is_not_full_whatever_vanishes() {
        let all: Vec<u32> = (0..10).collect();
        let read = |limit: usize, gone: &[u32]| {
            let names = |last: Option<&u32>, most: usize| {
                let behind = all.iter().filter(|name| last.is_none_or(|last| *name > last));
                Ok(behind.take(most).copied().collect())
            };
            page(limit, names, |name| Ok((!gone.contains(name)).then_some(*name))).unwrap()
        };
        assert_eq!(read(4, &[]), [0, 1, 2, 3]);
        assert_eq!(read(4, &[0, 2, 3, 4]), [1, 5, 6, 7]);
        assert_eq!(read(4, &[1, 2, 3, 4, 5, 6, 7]), [0, 8, 9]);
        assert!(read(4, &all).is_empty());
        assert_eq!(read(10, &[]), all[..]);
        assert_eq!(read(11, &[9]), all[..9]);
        assert!(read(0, &[]).is_empty());
    }
}
