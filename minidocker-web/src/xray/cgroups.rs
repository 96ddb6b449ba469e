//! The cgroups of a process, with what their files say now (`man 7 cgroups`).

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};

use super::mounts::unescape;
use crate::text::{self, NotUtf8};

#[derive(Debug, Serialize)]
pub(super) struct Cgroup {
    /// One controller, or several with commas between them; of version 2 all together.
    controller: String,
    version: u8,
    #[serde(serialize_with = "shown")]
    folder: PathBuf,
    files: Vec<ControlFile>,
    #[serde(skip_serializing_if = "NotUtf8::is_empty")]
    not_utf8: NotUtf8,
}

/// A path may be any bytes, and serde refuses what is no text.
fn shown<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&path.display())
}

#[derive(Debug, Serialize)]
struct ControlFile {
    name: String,
    value: String,
}

/// A file of control says little; one that is long is a table, of which the begin is enough.
const LONGEST: usize = 2000;

/// Files that tell about a container what a person may want to know, by their begin.
const TELLING: [&str; 22] = [
    "cgroup.controllers",
    "cgroup.events",
    "cgroup.freeze",
    "cgroup.procs",
    "cpu.cfs_",
    "cpu.max",
    "cpu.pressure",
    "cpu.shares",
    "cpu.stat",
    "cpu.weight",
    "cpuacct.usage",
    "freezer.state",
    "io.stat",
    "memory.current",
    "memory.events",
    "memory.failcnt",
    "memory.limit_in_bytes",
    "memory.max",
    "memory.memsw.",
    "memory.peak",
    "memory.usage_in_bytes",
    "pids.",
];

/// Not told again where only the usage per CPU or per type is listed.
const BORING: [&str; 5] = [
    "cpuacct.usage_",
    "memory.max_usage",
    "pids.events.local",
    "memory.events.local",
    "memory.memsw.max",
];

impl Cgroup {
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

/// The cgroups in which the process is not just where the host's own are: at the root there
/// is nothing of the container.
pub(super) fn of(pid: i32) -> Vec<Cgroup> {
    let places = fs::read(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    let mounts = fs::read("/proc/self/mountinfo").unwrap_or_default();
    places
        .split(|byte| *byte == b'\n')
        .filter_map(|line| {
            let (controller, path) = parse(line)?;
            let (folder, version) = folder(&mounts, controller, path)?;
            let files = files(&folder);
            let named = match version {
                2 => text::read(folder.join("cgroup.controllers"))
                    .map(|names| names.trim().replace(' ', ","))
                    .unwrap_or_default(),
                _ => controller.to_string(),
            };
            let mut not_utf8 = NotUtf8::default();
            if folder.to_str().is_none() {
                not_utf8.note("folder");
            }
            (path != b"/").then_some(Cgroup { controller: named, version, folder, files, not_utf8 })
        })
        .collect()
}

/// `4:memory:/path`; of version 2 `0::/path`.
fn parse(line: &[u8]) -> Option<(&str, &[u8])> {
    let mut parts = line.splitn(3, |byte| *byte == b':');
    parts.next()?;
    Some((std::str::from_utf8(parts.next()?).ok()?, parts.next()?))
}

/// Where that place is in the file tree.
fn folder(mounts: &[u8], controller: &str, path: &[u8]) -> Option<(PathBuf, u8)> {
    let mount = mounts.split(|byte| *byte == b'\n').find_map(|line| {
        let mut words = line.split(|byte| *byte == b' ').skip(3);
        let (root, target) = (unescape(words.next()?), unescape(words.next()?));
        let mut device = words.skip_while(|word| *word != b"-").skip(1);
        let version = match (device.next()?, controller) {
            (b"cgroup2", "") => 2,
            (b"cgroup", name) if !name.is_empty() => {
                let options = device.nth(1)?;
                // A hierarchy without a controller has a name instead.
                let has = |name: &str| options.split(|b| *b == b',').any(|o| o == name.as_bytes());
                name.split(',').all(has).then_some(1)?
            }
            _ => return None,
        };
        Some((root, PathBuf::from(std::ffi::OsString::from_vec(target)), version))
    });
    let (root, target, version) = mount?;
    // The mount may show only a part of the tree.
    let path = Path::new(OsStr::from_bytes(path));
    let below = path.strip_prefix(OsStr::from_bytes(&root)).unwrap_or(path);
    Some((target.join(below.strip_prefix("/").unwrap_or(below)), version))
}

fn files(folder: &Path) -> Vec<ControlFile> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| TELLING.iter().any(|begin| name.starts_with(begin)))
        .filter(|name| !BORING.iter().any(|begin| name.starts_with(begin)))
        .collect();
    names.sort();
    names
        .into_iter()
        .filter_map(|name| {
            // Some can only be written.
            let mut value = text::read(folder.join(&name))?.trim_end().to_string();
            if let Some((end, _)) = value.char_indices().nth(LONGEST) {
                value.truncate(end);
                value.push('…');
            }
            Some(ControlFile { name, value })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
30 25 0:26 / /sys/fs/cgroup/memory rw shared:9 - cgroup cgroup rw,memory
31 25 0:27 / /sys/fs/cgroup/cpu rw shared:9 - cgroup cgroup rw,cpu,cpuacct
32 25 0:28 /slice /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw";

    #[test]
    fn a_place_is_found_in_the_file_tree() {
        let found = |line: &str| {
            let (controller, path) = parse(line.as_bytes()).unwrap();
            folder(MOUNTS.as_bytes(), controller, path)
                .map(|(path, version)| (path.display().to_string(), version))
        };
        assert_eq!(found("4:memory:/a/b"), Some(("/sys/fs/cgroup/memory/a/b".into(), 1)));
        assert_eq!(found("5:cpu,cpuacct:/a"), Some(("/sys/fs/cgroup/cpu/a".into(), 1)));
        assert_eq!(found("0::/slice/a:b"), Some(("/sys/fs/cgroup/unified/a:b".into(), 2)));
        assert_eq!(found("6:pids:/a"), None, "not mounted");
    }
}
