//! What an archive says of one file.

use std::fmt;

use super::refuse;
use crate::error::Result;

/// The longest path, and the longest name in it, that Linux takes.
const LONGEST_PATH: usize = 4096;
const LONGEST_NAME: usize = 255;

/// One file, folder or link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub path: EntryPath,
    pub kind: Kind,
    /// Permissions: the lower 12 bits of its mode.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub modified: Time,
    /// Extended attributes, by their full names.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

/// What it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    File {
        size: u64,
        /// Where there is data; between are holes, which read as zeros.
        data: Vec<Extent>,
    },
    /// Another name of a file earlier in the archive.
    HardLink(EntryPath),
    /// The text of a symlink, whatever it says.
    Symlink(Vec<u8>),
    Directory,
    CharacterDevice(u32, u32),
    BlockDevice(u32, u32),
    Fifo,
}

/// A part of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    pub offset: u64,
    pub length: u64,
}

/// A time since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Time {
    pub seconds: i64,
    pub nanoseconds: u32,
}

/// A path in an archive: names joined by single slashes, without `.` and `..`, not beginning
/// with a slash. The root itself is the empty path.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) struct EntryPath(Vec<u8>);

impl EntryPath {
    /// Checks and tidies a path as archives write it. One that begins with a slash means the
    /// archive's own root, as it does to tar: so kaniko writes hard links, and the root itself.
    ///
    /// # Errors
    /// `Error::BadArchive` if it could lead anywhere but below the root.
    pub fn parse(raw: &[u8]) -> Result<EntryPath> {
        let fail = |why: &str| {
            let shown: String = String::from_utf8_lossy(raw).chars().take(200).collect();
            Err(refuse(format!("the path {shown:?} in the archive"), why))
        };
        if raw.contains(&0) {
            return fail("it has a NUL byte");
        }
        let mut path = Vec::with_capacity(raw.len());
        for name in raw.split(|&byte| byte == b'/') {
            match name {
                b"" | b"." => continue,
                b".." => return fail("it has a \"..\", which could lead out of the root"),
                name if name.len() > LONGEST_NAME => return fail("a name in it is too long"),
                _ => {}
            }
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(name);
        }
        if path.len() >= LONGEST_PATH {
            return fail("it is too long");
        }
        Ok(EntryPath(path))
    }

    /// The path that these names make, each in the one before.
    pub fn of_names<'a>(names: impl Iterator<Item = &'a [u8]>) -> EntryPath {
        EntryPath(names.collect::<Vec<_>>().join(&b'/'))
    }

    /// The path that the walk through a folder tells.
    pub fn of_path(path: &[u8]) -> EntryPath {
        EntryPath(path.to_vec())
    }

    /// The path that a container's full path names, as text alone: no symlink is looked at.
    pub fn of_full_path(path: &[u8]) -> EntryPath {
        let mut names = Vec::new();
        for name in path.split(|&byte| byte == b'/') {
            match name {
                b"" | b"." => {}
                b".." => drop(names.pop()),
                name => names.push(name),
            }
        }
        EntryPath::of_names(names.into_iter())
    }

    /// The full path in a container.
    pub fn to_full_path(&self) -> Vec<u8> {
        [b"/", &self.0[..]].concat()
    }

    /// Whether no program could open it by its path.
    pub fn is_too_long(&self) -> bool {
        // Its slash at the beginning and the NUL at the end count.
        self.0.len() + 2 > LONGEST_PATH
    }

    /// The names that it is made of.
    pub fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.0.split(|&byte| byte == b'/').filter(|name| !name.is_empty())
    }

    /// The path of something in this folder.
    pub fn join(&self, name: &[u8]) -> EntryPath {
        let mut path = self.0.clone();
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(name);
        EntryPath(path)
    }

    /// The folder and the last name; None for the root.
    pub fn split(&self) -> Option<(EntryPath, &[u8])> {
        if self.is_root() {
            return None;
        }
        Some(match self.0.iter().rposition(|&byte| byte == b'/') {
            Some(slash) => (EntryPath(self.0[..slash].to_vec()), &self.0[slash + 1..]),
            None => (EntryPath::default(), &self.0[..]),
        })
    }

    /// Whether it is the root itself.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for EntryPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}", String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Debug for EntryPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_path_is_tidied() {
        for (raw, tidy) in [
            ("/", "/"),
            ("//a/b", "/a/b"),
            ("./", "/"),
            (".", "/"),
            ("./a/", "/a"),
            ("a//b/./c", "/a/b/c"),
        ] {
            assert_eq!(EntryPath::parse(raw.as_bytes()).unwrap().to_string(), tidy);
        }
    }

    #[test]
    fn a_path_that_leads_elsewhere_is_refused() {
        let long = format!("{}x", "x/".repeat(2500));
        for raw in ["/../x", "../x", "a/../../x", "a/..", "..", "a\0b", &long] {
            assert!(EntryPath::parse(raw.as_bytes()).is_err(), "{raw:?}");
        }
    }

    proptest! {
        /// Whatever is accepted stays below the root, and is its own tidy form.
        #[test]
        fn accepted_paths_stay_inside(raw: Vec<u8>) {
            if let Ok(path) = EntryPath::parse(&raw) {
                prop_assert!(!path.as_bytes().starts_with(b"/"));
                prop_assert!(path.is_root() || path.as_bytes().split(|&byte| byte == b'/')
                    .all(|name| !matches!(name, b"" | b"." | b"..")));
                prop_assert_eq!(EntryPath::parse(path.as_bytes()).unwrap(), path.clone());
                if let Some((folder, name)) = path.split() {
                    prop_assert_eq!(folder.join(name), path);
                }
            }
        }
    }
}
