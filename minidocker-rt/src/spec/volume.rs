//! Volumes: a folder of the host, shown inside the container.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::refuse;
use crate::error::{Error, Result};

/// A folder (or file) of the host and where it appears in the container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    host: String,
    container: ContainerPath,
    read_only: bool,
}

/// What a volume's path led to when its container was created. Each start opens exactly this, and
/// follows no symlink on the way: what a container can write to (another volume of it, say) must
/// not decide what it is shown next time (CVE-2017-1002101).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pinned {
    /// The canonical path.
    pub path: String,
    /// Whether it is a folder.
    pub folder: bool,
}

const HINT: &str = "Write HOST:CONTAINER or HOST:CONTAINER:ro with full paths, for example \
                    /srv/data:/app/data or C:\\MyData:/app/data.";

/// Folders where a container that may write could break the host.
const SYSTEM_TREES: &[&str] = &[
    "/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/proc", "/sbin",
    "/sys", "/usr",
];
/// Folders of which only the top is refused: their subfolders are ordinary data.
const SYSTEM_TOPS: &[&str] = &["/", "/home", "/opt", "/root", "/run", "/srv", "/tmp", "/var"];

impl Volume {
    /// The path on the host.
    pub fn host(&self) -> &Path {
        Path::new(&self.host)
    }

    /// The path in the container.
    pub fn container(&self) -> &ContainerPath {
        &self.container
    }

    /// Whether the container may only read.
    pub fn read_only(&self) -> bool {
        self.read_only
    }

    /// Checks what only this machine can tell: the folder exists, and is not a
    /// system folder reached by a symlink or another spelling. Returns what it is.
    pub(crate) fn check_host(&self) -> Result<Pinned> {
        if cfg!(not(windows)) && is_windows_path(&self.host) {
            return Err(refuse(
                "volumes",
                self,
                "it is a Windows path, and this machine is not Windows",
                "Use a path of this machine, for example /srv/data:/app/data.",
            ));
        }
        let real = self.host().canonicalize().map_err(|error| {
            let why = match error.kind() {
                std::io::ErrorKind::NotFound => "the folder does not exist on this machine".into(),
                _ => format!("the folder cannot be used: {error}"),
            };
            refuse("volumes", self, why, "Create the folder before the container.")
        })?;
        let Some(path) = real.to_str() else {
            let why = "it leads to a folder whose name is not UTF-8";
            return Err(refuse("volumes", self, why, "Give the folder another name."));
        };
        if !self.read_only {
            refuse_system_folder(path, &self.to_string())?;
        }
        Ok(Pinned { path: path.into(), folder: real.is_dir() })
    }

    /// For the containers of versions that did not pin: the path as it was given.
    #[cfg(linux_backend)]
    pub(crate) fn unpinned(&self) -> Pinned {
        Pinned { path: self.host.clone(), folder: self.host().is_dir() }
    }
}

impl FromStr for Volume {
    type Err = Error;

    fn from_str(text: &str) -> Result<Volume> {
        let bad = |why: &str| refuse("volumes", text, why, HINT);
        // The colon of a drive letter separates nothing.
        let drive = if is_windows_path(text) { 2 } else { 0 };
        let mut parts = text[drive..].split(':');
        let host = format!("{}{}", &text[..drive], parts.next().unwrap_or_default());
        let container =
            parts.next().ok_or_else(|| bad("the colon between the paths is missing"))?;
        let read_only = match parts.next() {
            None | Some("rw") => false,
            Some("ro") => true,
            Some(_) => return Err(bad("the part after the second colon is neither ro nor rw")),
        };
        if parts.next().is_some() {
            return Err(bad("it has too many colons"));
        }
        if host.is_empty() {
            return Err(bad("the path on the host is missing"));
        }
        if !host.starts_with('/') && drive == 0 {
            return Err(bad("the path on the host is relative"));
        }
        if host.contains('\0') {
            return Err(bad("the path on the host has a NUL byte"));
        }
        let container = ContainerPath::parse("volumes", container)?;
        if container == ContainerPath::root() {
            return Err(bad("it would replace the container's whole filesystem"));
        }
        for (top, what) in [
            ("/proc", "shows its processes"),
            ("/sys", "shows its view of the machine"),
            ("/dev", "has its own devices, terminals and shared memory"),
        ] {
            if Path::new(container.as_str()).starts_with(top) {
                return Err(bad(&format!(
                    "{top} in the container belongs to the kernel: it {what}, and a volume there \
                     would hide or replace that"
                )));
            }
        }
        if !read_only {
            refuse_system_folder(&host, text)?;
        }
        Ok(Volume { host, container, read_only })
    }
}

impl fmt::Display for Volume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}{}", self.host, self.container, if self.read_only { ":ro" } else { "" })
    }
}

pub(crate) fn is_windows_path(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= 3
        && bytes[0].is_ascii_alphabetic()
        && bytes[1] == b':'
        && matches!(bytes[2], b'\\' | b'/')
}

fn refuse_system_folder(host: &str, volume: &str) -> Result<()> {
    // The spelling that canonicalize gives on Windows.
    let host = host.strip_prefix(r"\\?\").unwrap_or(host);
    let is_system = if is_windows_path(host) {
        let path = host[2..].replace('\\', "/").to_lowercase();
        let top = path.split('/').find(|part| !part.is_empty()).unwrap_or_default();
        ["", "windows", "program files", "program files (x86)", "programdata"].contains(&top)
    } else {
        let path = normal(host);
        SYSTEM_TOPS.iter().any(|top| path == Path::new(top))
            || SYSTEM_TREES.iter().any(|tree| path.starts_with(tree))
    };
    if is_system {
        return Err(refuse(
            "volumes",
            volume,
            "it is a system folder, and the container could write to it",
            "Use a folder of your own, or add :ro to let the container only read.",
        ));
    }
    Ok(())
}

/// Removes `.`, `..` and doubled slashes from an absolute path, by text alone.
fn normal(path: &str) -> PathBuf {
    let mut normal = PathBuf::from("/");
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                normal.pop();
            }
            part => normal.push(part),
        }
    }
    normal
}

/// An absolute path inside a container, without `.`, `..` or doubled slashes.
/// Always with forward slashes: the inside is Linux even when the host is Windows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerPath(String);

impl ContainerPath {
    /// Parses the path that `field` was given.
    pub(crate) fn parse(field: &'static str, text: &str) -> Result<ContainerPath> {
        const HINT: &str = "Write a full path of the container, for example /app/data.";
        if !text.starts_with('/') {
            return Err(refuse(field, text, "the path in the container is not absolute", HINT));
        }
        if text.contains('\0') || text.len() > 4000 {
            return Err(refuse(field, text.replace('\0', "\\0"), "it is not a path", HINT));
        }
        if text.split('/').any(|part| part == "..") {
            return Err(refuse(field, text, "the path in the container has '..'", HINT));
        }
        let parts: Vec<&str> =
            text.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
        Ok(ContainerPath(format!("/{}", parts.join("/"))))
    }

    pub(crate) fn root() -> ContainerPath {
        ContainerPath("/".into())
    }

    /// The path as text, beginning with `/`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ContainerPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
