//! What a container changed in its folder, compared with what that held before.
//!
//! As in a real container the folders that were met are a list, gone through once: no program can
//! nest them so deep that this takes a stack without end. What is not looked into is said: beyond
//! a number of files, where nobody may read, and where a path is too long for this system.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::paths::name_bytes;
use super::rootfs::{Baseline, State};
use crate::diff::{Change, ChangeKind, Diff, Wanted};
use crate::error::{Error, Result};

/// The changes, sorted by path, as far as they are wanted.
pub(super) fn changes(rootfs: &Path, baseline: &Baseline, wanted: Wanted<'_>) -> Result<Diff> {
    let mut walk = walk(rootfs, baseline, wanted)?;
    walk.find_deleted();
    Ok(walk.told(wanted))
}

/// Looks at the files, as far as they are wanted.
fn walk<'a>(rootfs: &'a Path, baseline: &'a Baseline, wanted: Wanted<'_>) -> Result<Walk<'a>> {
    // A folder's own names may be far from the root: to mark them, more is looked at.
    let most = if wanted.folder.is_some() { MOST } else { wanted.changes.min(MOST) };
    let mut walk = Walk {
        rootfs,
        baseline,
        nodes: vec![Node::root()],
        known: HashMap::new(),
        most: most + baseline.len(),
        complete: true,
    };
    let mut next = 0;
    while next < walk.nodes.len() && walk.nodes.len() <= walk.most {
        walk.look_into(next)?;
        next += 1;
    }
    walk.complete &= next == walk.nodes.len();
    Ok(walk)
}

/// The most files that are looked at.
const MOST: usize = 1_000_000;

struct Walk<'a> {
    rootfs: &'a Path,
    baseline: &'a Baseline,
    /// The folders that were met, each before what is in it, and the other files that changed.
    nodes: Vec<Node>,
    /// The numbers of those folders that were there before.
    known: HashMap<String, usize>,
    /// The most nodes.
    most: usize,
    /// Whether all was looked at so far.
    complete: bool,
}

struct Node {
    parent: usize,
    name: OsString,
    kind: ChangeKind,
    changed: bool,
    folder: bool,
}

impl Node {
    fn root() -> Node {
        let (parent, name, kind) = (0, OsString::new(), ChangeKind::Modified);
        Node { parent, name, kind, changed: false, folder: true }
    }
}

impl Walk<'_> {
    /// Compares what is in a folder with what was.
    fn look_into(&mut self, parent: usize) -> Result<()> {
        if !self.nodes[parent].folder {
            return Ok(());
        }
        let folder = self.path(parent);
        let entries = match fs::read_dir(self.rootfs.join(&folder)) {
            Ok(entries) => entries,
            Err(error) if parent == 0 => return Err(Error::io("compare", self.rootfs, error)),
            Err(error) => {
                self.complete &= is_gone(&error);
                return Ok(());
            }
        };
        for entry in entries {
            // One folder may hold more than there is memory for.
            if self.nodes.len() > self.most {
                self.complete = false;
                return Ok(());
            }
            let (entry, data) = match entry.and_then(|entry| Ok((entry.metadata()?, entry))) {
                Ok((data, entry)) => (entry, data),
                Err(error) => {
                    self.complete &= is_gone(&error);
                    continue;
                }
            };
            let key = key(&folder.join(entry.file_name()));
            let now = State::of(&data);
            let (kind, changed) = match self.baseline.get(&key) {
                None => (ChangeKind::Added, true),
                Some(was) => (ChangeKind::Modified, *was != now),
            };
            if now.directory && kind == ChangeKind::Modified {
                self.known.insert(key, self.nodes.len());
            }
            if changed || now.directory {
                let (name, folder) = (entry.file_name(), now.directory);
                self.nodes.push(Node { parent, name, kind, changed, folder });
            }
        }
        Ok(())
    }

    /// What was there, in a folder that still is, and is gone.
    fn find_deleted(&mut self) {
        for path in self.baseline.keys() {
            let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
            let Some(&parent) = self.known.get(folder).or((folder.is_empty()).then_some(&0)) else {
                continue;
            };
            if fs::symlink_metadata(self.rootfs.join(path)).is_err_and(|error| is_gone(&error)) {
                let (name, kind) = (OsString::from(name), ChangeKind::Deleted);
                self.nodes.push(Node { parent, name, kind, changed: true, folder: false });
            }
        }
    }

    fn told(mut self, wanted: Wanted<'_>) -> Diff {
        for number in (1..self.nodes.len()).rev() {
            let Node { parent, changed, .. } = self.nodes[number];
            self.nodes[parent].changed |= changed;
        }
        let mut diff = Diff { changes: Vec::new(), truncated: !self.complete };
        let folder = wanted.folder.map(names);
        let mut bytes = wanted.bytes;
        for (number, node) in self.nodes.iter().enumerate().skip(1).filter(|(_, n)| n.changed) {
            let path = full(&self.path(number));
            let is_in = |folder: &Vec<&[u8]>| {
                names(&path)[..] == [&folder[..], &[&name_bytes(&node.name)[..]]].concat()
            };
            if !folder.as_ref().is_none_or(is_in) {
                continue;
            }
            if diff.changes.len() == wanted.changes || path.len() > bytes {
                diff.truncated = true;
                break;
            }
            bytes -= path.len();
            diff.changes.push(Change::new(node.kind, &path));
        }
        diff.changes.sort_by(|one, other| one.raw_path().cmp(other.raw_path()));
        diff
    }

    /// The path in the folder.
    fn path(&self, mut number: usize) -> PathBuf {
        let mut names = Vec::new();
        while number != 0 {
            names.push(&self.nodes[number].name);
            number = self.nodes[number].parent;
        }
        names.into_iter().rev().collect()
    }
}

/// Whether a file is not there, or not any more. Another error hides what there is.
fn is_gone(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// The names of a container's path.
fn names(path: &[u8]) -> Vec<&[u8]> {
    path.split(|&byte| byte == b'/').filter(|name| !matches!(*name, b"" | b".")).collect()
}

/// The container's path.
fn full(path: &Path) -> Vec<u8> {
    path.iter().fold(Vec::new(), |mut full, name| {
        full.push(b'/');
        full.extend(name_bytes(name));
        full
    })
}

/// As the baseline has it.
fn key(path: &Path) -> String {
    String::from_utf8_lossy(full(path).get(1..).unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::super::rootfs::{baseline, furnish, make_place};
    use super::*;
    use crate::spec::ContainerSpec;
    use crate::store::ContainerDir;

    fn furnished() -> (tempfile::TempDir, ContainerDir) {
        let folder = tempfile::tempdir().unwrap();
        let dir = ContainerDir::at(folder.path().to_owned());
        for part in [dir.rootfs(), dir.work()] {
            fs::create_dir(part).unwrap();
        }
        furnish(&dir, &ContainerSpec::new("a", "true")).unwrap();
        make_place(&dir, "/app/data").unwrap();
        (folder, dir)
    }

    fn told(dir: &ContainerDir) -> Vec<String> {
        let known = baseline(dir).unwrap().unwrap();
        let found = changes(&dir.rootfs(), &known, EVERYTHING).unwrap();
        assert!(!found.truncated);
        found.changes.iter().map(ToString::to_string).collect()
    }

    const EVERYTHING: Wanted<'_> = Wanted { folder: None, changes: 1000, bytes: 1 << 20 };

    #[test]
    fn what_a_start_made_is_no_change() {
        let (_folder, dir) = furnished();
        assert!(told(&dir).is_empty());
        assert!(make_place(&dir, "/app/data").unwrap().is_empty(), "it is there already");
    }

    #[test]
    fn files_are_added_modified_and_deleted() {
        let (_folder, dir) = furnished();
        let root = dir.rootfs();
        fs::create_dir(root.join("tmp/new")).unwrap();
        fs::write(root.join("tmp/new/file"), "x").unwrap();
        fs::write(root.join("etc/hostname"), "another one").unwrap();
        fs::remove_dir_all(root.join("usr")).unwrap();
        fs::write(root.join("app/data/hidden"), "x").unwrap();
        let expected = [
            "C /app",
            "C /app/data",
            "A /app/data/hidden",
            "C /etc",
            "C /etc/hostname",
            "C /tmp",
            "A /tmp/new",
            "A /tmp/new/file",
            "D /usr",
        ];
        assert_eq!(told(&dir), expected);
    }

    #[test]
    fn of_a_folder_its_names_alone_are_told_and_of_too_many_those_near_the_root() {
        let (_folder, dir) = furnished();
        let root = dir.rootfs();
        fs::create_dir_all(root.join("srv/one/two")).unwrap();
        fs::write(root.join("srv/one/two/x"), "x").unwrap();
        fs::write(root.join("z"), "x").unwrap();
        let known = baseline(&dir).unwrap().unwrap();
        let told = |wanted| {
            let found = changes(&root, &known, wanted).unwrap();
            (found.changes.iter().map(ToString::to_string).collect::<Vec<_>>(), found.truncated)
        };
        let folder = |path: &'static [u8]| Wanted { folder: Some(path), ..EVERYTHING };
        assert_eq!(told(folder(b"/srv/")), (vec!["A /srv/one".to_string()], false));
        assert_eq!(told(folder(b"/")), (vec!["C /srv".to_string(), "A /z".into()], false));
        let few = Wanted { changes: 2, ..EVERYTHING };
        assert_eq!(told(few), (vec!["C /srv".to_string(), "A /z".into()], true));
    }

    #[test]
    fn one_folder_of_many_files_is_looked_at_no_further_than_is_told() {
        let (_folder, dir) = furnished();
        for number in 0..500 {
            fs::write(dir.rootfs().join(format!("tmp/{number}")), "").unwrap();
        }
        let known = baseline(&dir).unwrap().unwrap();
        let root = dir.rootfs();
        let few = walk(&root, &known, Wanted { changes: 10, ..EVERYTHING }).unwrap();
        assert!(few.nodes.len() <= 11 + known.len(), "{}", few.nodes.len());
        assert!(!few.complete);
        assert_eq!(told(&dir).len(), 501);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_cannot_be_read_is_said_to_be_missing() {
        let (_folder, dir) = furnished();
        // The path in the container is one that a program could open; that on the host is too long.
        let (deep, other) = (dir.rootfs().join("deep"), dir.rootfs().join("other"));
        let names = |count| vec!["d".repeat(200); count].join("/");
        fs::create_dir_all(deep.join(names(10))).unwrap();
        fs::create_dir_all(other.join(names(9)).join("e".repeat(64))).unwrap();
        fs::rename(&other, deep.join(names(11))).unwrap();
        let known = baseline(&dir).unwrap().unwrap();
        let found = changes(&dir.rootfs(), &known, EVERYTHING).unwrap();
        assert!(found.truncated && found.changes.len() > 10, "{}", found.changes.len());
        crate::store::remove_folder(&deep).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn folders_of_any_depth_are_compared_measured_and_removed() {
        use crate::store::remove_folder;

        let (_folder, dir) = furnished();
        // Deeper than a path can name: two halves, the one moved into the other.
        let (deep, other) = (dir.rootfs().join("deep"), dir.rootfs().join("other"));
        for top in [&deep, &other] {
            fs::create_dir_all(top.join(vec!["d"; 1500].join("/"))).unwrap();
        }
        fs::rename(&other, deep.join(vec!["d"; 1500].join("/")).join("d")).unwrap();
        let work = || {
            let known = baseline(&dir).unwrap().unwrap();
            let found = changes(&dir.rootfs(), &known, EVERYTHING).unwrap();
            assert!(found.truncated && found.changes.len() == 1000);
            remove_folder(&deep).unwrap();
        };
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().stack_size(128 << 10);
            thread.spawn_scoped(scope, work).unwrap().join().unwrap();
        });
        assert!(!deep.exists());
    }
}
