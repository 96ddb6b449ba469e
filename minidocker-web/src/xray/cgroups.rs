//! The cgroups of a process, with what their files say now (`man 7 cgroups`).

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

#[derive(Debug, Serialize)]
pub(super) struct Cgroup {
    /// One controller, or several with commas between them; of version 2 all together.
    controller: String,
    version: u8,
    folder: PathBuf,
    files: Vec<ControlFile>,
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
    let places = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    places
        .lines()
        .filter_map(|line| {
            let (controller, path) = parse(line)?;
            let (folder, version) = folder(&mounts, controller, path)?;
            let files = files(&folder);
            let named = match version {
                2 => fs::read_to_string(folder.join("cgroup.controllers"))
                    .map(|names| names.trim().replace(' ', ","))
                    .unwrap_or_default(),
                _ => controller.to_string(),
            };
            (path != "/").then_some(Cgroup { controller: named, version, folder, files })
        })
        .collect()
}

/// `4:memory:/path`; of version 2 `0::/path`.
fn parse(line: &str) -> Option<(&str, &str)> {
    let mut parts = line.splitn(3, ':');
    parts.next()?;
    Some((parts.next()?, parts.next()?))
}

/// Where that place is in the file tree.
fn folder(mounts: &str, controller: &str, path: &str) -> Option<(PathBuf, u8)> {
    let mount = mounts.lines().find_map(|line| {
        let (place, device) = line.split_once(" - ")?;
        let mut device = device.split(' ');
        let version = match (device.next()?, controller) {
            ("cgroup2", "") => 2,
            ("cgroup", name) if !name.is_empty() => {
                let options = device.nth(1)?;
                // A hierarchy without a controller has a name instead.
                name.split(',')
                    .all(|name| options.split(',').any(|option| option == name))
                    .then_some(1)?
            }
            _ => return None,
        };
        let mut place = place.split(' ').skip(3);
        Some((place.next()?, place.next()?, version))
    });
    let (root, target, version) = mount?;
    // The mount may show only a part of the tree.
    let below = path.strip_prefix(root.trim_end_matches('/')).unwrap_or(path);
    Some((Path::new(target).join(below.trim_start_matches('/')), version))
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
            let mut value = fs::read_to_string(folder.join(&name)).ok()?.trim_end().to_string();
            if let Some((end, _)) = value.char_indices().nth(LONGEST) {
                value.truncate(end);
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
            let (controller, path) = parse(line).unwrap();
            folder(MOUNTS, controller, path)
                .map(|(path, version)| (path.display().to_string(), version))
        };
        assert_eq!(found("4:memory:/a/b"), Some(("/sys/fs/cgroup/memory/a/b".into(), 1)));
        assert_eq!(found("5:cpu,cpuacct:/a"), Some(("/sys/fs/cgroup/cpu/a".into(), 1)));
        assert_eq!(found("0::/slice/a:b"), Some(("/sys/fs/cgroup/unified/a:b".into(), 2)));
        assert_eq!(found("6:pids:/a"), None, "not mounted");
    }
}
