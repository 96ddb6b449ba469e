//! What the fuzz targets in `fuzz/` call. Each function must return, whatever the bytes are.

use std::fs;

use crate::archive::ArchiveLimits;
use crate::config::ExportedConfig;
use crate::linux;
use crate::spec::ContainerSpec;

/// Little enough that a run does not spend its time on writing files.
const LIMITS: ArchiveLimits = ArchiveLimits { bytes: 1 << 20, entries: 1000 };

/// Imports the bytes as an image, beside a folder that must stay as it is.
pub fn archive(bytes: &[u8]) {
    let Ok(folder) = tempfile::tempdir() else { return };
    let root = folder.path().join("root");
    let canary = folder.path().join("canary");
    for folder in ["images", "layers"] {
        fs::create_dir_all(root.join(folder)).unwrap_or_default();
    }
    fs::write(&canary, "untouched").unwrap_or_default();
    let Ok(name) = "fuzz".parse() else { return };
    let imported = linux::import(&root, &name, &mut &*bytes, LIMITS);
    let in_folder = |name: &str| fs::read_dir(root.join(name)).into_iter().flatten().count();
    assert_eq!(fs::read_to_string(&canary).ok().as_deref(), Some("untouched"));
    assert_eq!(fs::read_dir(folder.path()).map_or(0, Iterator::count), 2);
    if let Err(error) = imported {
        assert_eq!(in_folder("layers"), 0, "left of a refused archive: {error}");
        assert!(in_folder("images") <= 1, "but for the lock: {error}");
    }
}

/// Reads the bytes as a specification and as an exported configuration. What is understood
/// must be understood again when written.
pub fn spec(bytes: &[u8]) {
    if let Ok(spec) = ContainerSpec::from_json(bytes) {
        let json = serde_json::to_vec(&spec).expect("a specification can be written");
        let again = ContainerSpec::from_json(&json).expect("and be read again");
        assert_eq!(serde_json::to_vec(&again).expect("and written"), json);
    }
    if let Ok(config) = ExportedConfig::from_json(bytes) {
        let json = serde_json::to_vec(&config).expect("a configuration can be written");
        ExportedConfig::from_json(json).expect("and be read again");
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// The seeds of the fuzzer, and whatever it has found before.
    fn replay(target: &str, run: fn(&[u8])) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
        let mut count = 0;
        for entry in fs::read_dir(folder).unwrap() {
            run(&fs::read(entry.unwrap().path()).unwrap());
            count += 1;
        }
        assert!(count > 5);
    }

    #[test]
    fn the_archives_of_the_corpus_are_read_or_refused() {
        replay("archive", archive);
    }

    #[test]
    fn the_specifications_of_the_corpus_are_read_or_refused() {
        replay("spec", spec);
    }
}
