//! What a container changed in its folder, compared with what that held before.

use std::fs;
use std::path::Path;

use super::rootfs::{Baseline, State};
use crate::diff::{Change, ChangeKind};
use crate::error::{Error, Result};

/// The changes, sorted by path.
pub(super) fn changes(rootfs: &Path, baseline: &Baseline) -> Result<Vec<Change>> {
    let mut changes = Vec::new();
    compare(rootfs, "", baseline, &mut changes)?;
    changes.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(changes)
}

/// Compares a folder with what it was. Returns whether anything in it changed.
fn compare(
    folder: &Path,
    name: &str,
    baseline: &Baseline,
    changes: &mut Vec<Change>,
) -> Result<bool> {
    let before = changes.len();
    let tell = |kind, name: &str| Change { kind, path: format!("/{name}") };
    let mut seen = Vec::new();
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        // It was removed while we looked.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(Error::io("compare", folder, error)),
    };
    for entry in entries {
        let Ok(entry) = entry else { continue };
        let Ok(data) = entry.metadata() else { continue };
        let file = entry.file_name().to_string_lossy().into_owned();
        let child = if name.is_empty() { file.clone() } else { format!("{name}/{file}") };
        let now = State::of(&data);
        let was = baseline.get(&child);
        let below = match now.directory {
            true => compare(&entry.path(), &child, baseline, changes)?,
            false => false,
        };
        match was {
            None => changes.push(tell(ChangeKind::Added, &child)),
            Some(was) if below || *was != now => changes.push(tell(ChangeKind::Modified, &child)),
            Some(_) => {}
        }
        seen.push(child);
    }
    for gone in baseline.keys().filter(|path| parent(path) == name && !seen.contains(path)) {
        changes.push(tell(ChangeKind::Deleted, gone));
    }
    Ok(changes.len() > before)
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
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
        changes(&dir.rootfs(), &known).unwrap().iter().map(ToString::to_string).collect()
    }

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
}
