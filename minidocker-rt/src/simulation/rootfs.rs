//! The container's private folder, shaped like a root filesystem.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

use super::paths::PathMap;
use crate::error::{Error, Result};
use crate::spec::{ContainerSpec, Hostname, Volume};
use crate::store::{ContainerDir, read_json, write_json};

/// The folders that it begins with. There is no /proc, /sys and /dev: those are the host's.
pub(super) const SKELETON: &[&str] = &[
    "bin",
    "etc",
    "home",
    "lib",
    "mnt",
    "opt",
    "root",
    "sbin",
    "srv",
    "tmp",
    "usr",
    "usr/bin",
    "usr/lib",
    "usr/local",
    "usr/sbin",
    "usr/share",
    "var",
    "var/cache",
    "var/lib",
    "var/log",
    "var/tmp",
];

/// What the folder held before the container changed it: the path of each file and folder,
/// relative to the root and with slashes, and what tells whether it changed.
pub(super) type Baseline = BTreeMap<String, State>;

/// What is compared to tell whether a file has changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    pub directory: bool,
    pub mode: u32,
    /// Length and time of the last change in nanoseconds since 1970. Not of folders: what is
    /// in them tells.
    pub content: Option<(u64, u128)>,
}

impl State {
    /// Of what is known about a file.
    pub fn of(data: &Metadata) -> State {
        let modified = data.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        State {
            directory: data.is_dir(),
            mode: mode_of(data),
            content: (!data.is_dir())
                .then(|| (data.len(), modified.map_or(0, |time| time.as_nanos()))),
        }
    }
}

/// The permission bits; where there are none, what comes nearest.
pub(super) fn mode_of(data: &Metadata) -> u32 {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        data.permissions().mode() & 0o7777
    }
    #[cfg(not(unix))]
    {
        let write = if data.permissions().readonly() { 0 } else { 0o200 };
        if data.is_dir() { 0o555 | write } else { 0o444 | write }
    }
}

fn baseline_path(dir: &ContainerDir) -> PathBuf {
    dir.work().join("baseline.json")
}

/// What the folder held at first; None if it was never furnished.
pub(super) fn baseline(dir: &ContainerDir) -> Result<Option<Baseline>> {
    read_json(&baseline_path(dir))
}

/// Puts the skeleton there, if that was not done yet. Returns what was made.
pub(super) fn furnish(dir: &ContainerDir, spec: &ContainerSpec) -> Result<Vec<PathBuf>> {
    if baseline_path(dir).exists() {
        return Ok(Vec::new());
    }
    let root = dir.rootfs();
    let mut made = Vec::new();
    let mut known = Baseline::new();
    for folder in SKELETON {
        make_folder(&root, folder, &mut known, &mut made)?;
    }
    let hostname = match &spec.hostname {
        Some(hostname) => hostname.clone(),
        None => Hostname::from(&spec.name),
    };
    let files = [
        ("etc/hostname", format!("{hostname}\n")),
        ("etc/hosts", format!("127.0.0.1\tlocalhost {hostname}\n::1\tlocalhost\n")),
        ("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n".to_string()),
        ("etc/group", "root:x:0:\n".to_string()),
    ];
    for (name, content) in files {
        let path = at(&root, name);
        fs::write(&path, content).map_err(|error| Error::io("write", &path, error))?;
        remember(&path, name, &mut known)?;
        made.push(path);
    }
    write_json(&baseline_path(dir), &known)?;
    Ok(made)
}

/// Makes a folder of the container that a start needs: a place of a volume, or the working
/// directory. As far as it is new it belongs to the start, and is no change by the container.
/// Returns what was made.
pub(super) fn make_place(dir: &ContainerDir, inside: &str) -> Result<Vec<PathBuf>> {
    let mut known = baseline(dir)?.unwrap_or_default();
    let mut made = Vec::new();
    let mut so_far = String::new();
    for part in inside.split('/').filter(|part| !part.is_empty()) {
        so_far = if so_far.is_empty() { part.to_string() } else { format!("{so_far}/{part}") };
        make_folder(&dir.rootfs(), &so_far, &mut known, &mut made)?;
    }
    if !made.is_empty() {
        write_json(&baseline_path(dir), &known)?;
    }
    Ok(made)
}

/// Makes the place of a volume a link to it, so that a path which the program puts together
/// itself (`os.path.join("/app", name)`) leads there too: `/app` is found in the program's text,
/// and the link does the rest. Where there can be no link, the place is an empty folder. Returns
/// what was made.
pub(super) fn link_volume(
    dir: &ContainerDir,
    spec: &ContainerSpec,
    volume: &Volume,
) -> Result<Vec<PathBuf>> {
    let inside = volume.container().as_str();
    let lies_in_another = spec.volumes.iter().any(|other| {
        other.container() != volume.container()
            && Path::new(inside).starts_with(other.container().as_str())
    });
    // A link there would be one in the other volume's folder, which is the user's.
    if lies_in_another {
        return Ok(Vec::new());
    }
    let (parent, name) =
        inside.trim_matches('/').rsplit_once('/').unwrap_or(("", inside.trim_matches('/')));
    let mut made = make_place(dir, parent)?;
    let place = at(&at(&dir.rootfs(), parent), name);
    let failed = |error| Error::io("create", &place, error);
    match fs::symlink_metadata(&place) {
        Ok(_) if fs::read_link(&place).is_ok_and(|target| target == volume.host()) => {
            return Ok(made);
        }
        // What the container has put there stays; an empty folder of an earlier start goes.
        Ok(found) if found.is_dir() => {
            if fs::remove_dir(&place).is_err() {
                return Ok(made);
            }
        }
        // Windows removes a link to a folder as a folder.
        Ok(found) if found.is_symlink() => fs::remove_file(&place)
            .or_else(|error| fs::remove_dir(&place).map_err(|_| error))
            .map_err(failed)?,
        Ok(_) => return Ok(made),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    match link(volume.host(), &place) {
        Ok(()) => {
            let mut known = baseline(dir)?.unwrap_or_default();
            let name =
                if parent.is_empty() { name.to_string() } else { format!("{parent}/{name}") };
            remember(&place, &name, &mut known)?;
            write_json(&baseline_path(dir), &known)?;
            made.push(place);
        }
        Err(error) if volume.host().is_dir() => {
            log::debug!("no link at {}: {error}", place.display());
            made.extend(make_place(dir, inside)?);
        }
        Err(error) => log::debug!("no link at {}: {error}", place.display()),
    }
    Ok(made)
}

#[cfg(unix)]
fn link(target: &Path, place: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(target, place)
}

/// Anybody may make a junction; symlinks take a right that users do not have.
#[cfg(windows)]
fn link(target: &Path, place: &Path) -> std::io::Result<()> {
    if target.is_dir() {
        junction::create(target, place)
    } else {
        std::os::windows::fs::symlink_file(target, place)
    }
}

fn make_folder(
    root: &Path,
    name: &str,
    known: &mut Baseline,
    made: &mut Vec<PathBuf>,
) -> Result<()> {
    let path = at(root, name);
    match fs::create_dir(&path) {
        Ok(()) => {
            remember(&path, name, known)?;
            made.push(path);
            Ok(())
        }
        Err(_) if path.is_dir() => Ok(()),
        Err(error) => Err(Error::io("create", &path, error)),
    }
}

fn remember(path: &Path, name: &str, known: &mut Baseline) -> Result<()> {
    let data = fs::symlink_metadata(path).map_err(|error| Error::io("read", path, error))?;
    known.insert(name.to_string(), State::of(&data));
    Ok(())
}

fn at(root: &Path, name: &str) -> PathBuf {
    root.join(name.split('/').collect::<PathBuf>())
}

/// The map of a container's paths as its command sees them.
pub(super) fn paths(dir: &ContainerDir, spec: &ContainerSpec) -> PathMap {
    PathMap::new(&dir.rootfs(), &spec.volumes)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn what_the_container_put_at_the_place_of_a_volume_stays() {
        let folder = tempfile::tempdir().unwrap();
        let dir = ContainerDir::at(folder.path().join("container"));
        let host = folder.path().join("host");
        for part in [&dir.rootfs(), &dir.work(), &host] {
            fs::create_dir_all(part).unwrap();
        }
        let spec = ContainerSpec::new("a", "true");
        let spec = spec.volume(&format!("{}:/app/data", host.display())).unwrap();
        furnish(&dir, &spec).unwrap();
        fs::create_dir(dir.rootfs().join("app")).unwrap();
        let place = dir.rootfs().join("app/data");
        let link = || link_volume(&dir, &spec, &spec.volumes[0]).map(drop);
        fs::write(&place, "precious").unwrap();
        link().unwrap();
        assert_eq!(fs::read_to_string(&place).unwrap(), "precious");
        fs::remove_file(&place).unwrap();
        // A link to another folder of the host, and an empty folder, give way.
        std::os::unix::fs::symlink("/", &place).unwrap();
        link().unwrap();
        assert_eq!(fs::read_link(&place).unwrap(), host);
        fs::remove_file(&place).unwrap();
        fs::create_dir(&place).unwrap();
        link().unwrap();
        assert_eq!(fs::read_link(&place).unwrap(), host);
    }
}
