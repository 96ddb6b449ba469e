//! Which backend a runtime has, and why.

use std::fmt;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::backend::Backend;
use crate::error::{Error, Result};
use crate::simulation::SimulationBackend;
use crate::spec::{Subnet, refuse};
use crate::store::Store;

/// A way of making containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BackendKind {
    /// Real containers, from the Linux kernel's namespaces, cgroups and overlays.
    Linux,
    /// Imitated ones, on any system: ordinary processes without isolation.
    Simulation,
}

impl BackendKind {
    /// The word for it: `linux` or `simulation`.
    pub fn as_str(self) -> &'static str {
        match self {
            BackendKind::Linux => "linux",
            BackendKind::Simulation => "simulation",
        }
    }
}

impl fmt::Display for BackendKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for BackendKind {
    type Err = Error;

    fn from_str(text: &str) -> Result<BackendKind> {
        match text {
            "linux" => Ok(BackendKind::Linux),
            "simulation" => Ok(BackendKind::Simulation),
            _ => Err(refuse(
                "backend",
                text,
                "there is no such backend",
                "Write linux or simulation, or nothing to have the best there is.",
            )),
        }
    }
}

/// The backend of a runtime. Told by [`crate::Runtime::backend`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackendInfo {
    /// Which it is.
    pub kind: BackendKind,
    /// Why it is that one, in a sentence for people.
    pub reason: String,
}

/// Chooses the backend of the store: the one asked for; else that of the containers that are
/// there; else Linux where the kernel lets us, and the simulation where not.
pub(super) fn choose(
    store: &Store,
    asked: Option<BackendKind>,
    helper: Option<PathBuf>,
    bridge_subnet: Option<Subnet>,
) -> Result<(BackendInfo, Box<dyn Backend>)> {
    let root = store.root();
    let bound = bound(store)?;
    let (kind, reason) = match (asked, bound) {
        (Some(kind), Some(other)) if kind != other => {
            return Err(refuse(
                "backend",
                kind,
                format!("the containers of {} belong to the backend {other}", root.display()),
                "Choose another root folder, or delete those containers first.",
            ));
        }
        (Some(kind), _) => (kind, "it was asked for".to_string()),
        (None, Some(kind)) => (kind, "the containers of this root belong to it".to_string()),
        (None, None) => match refusal(root) {
            None => (BackendKind::Linux, "this kernel can make containers".to_string()),
            Some(why) => (BackendKind::Simulation, why),
        },
    };
    let backend: Box<dyn Backend> = match kind {
        BackendKind::Linux => linux(root, helper, bridge_subnet)?,
        BackendKind::Simulation => Box::new(SimulationBackend::new(root, helper)?),
    };
    remember(root, kind)?;
    Ok((BackendInfo { kind, reason }, backend))
}

fn mark(root: &Path) -> PathBuf {
    root.join("backend")
}

/// Writes down to which backend the containers of a root will belong. Other programs may be
/// reading: they see the old word or the new.
fn remember(root: &Path, kind: BackendKind) -> Result<()> {
    let path = mark(root);
    if fs::read_to_string(&path).is_ok_and(|text| text.trim() == kind.as_str()) {
        return Ok(());
    }
    let written = || {
        let mut spare = tempfile::NamedTempFile::new_in(root)?;
        writeln!(spare, "{kind}")?;
        spare.persist(&path).map_err(|error| error.error)
    };
    written().map(drop).map_err(|error| Error::io("write", &path, error))
}

/// The backend that the containers of a root belong to, if there are any: their records mean
/// nothing to another. Roots from before there was a choice are Linux's.
fn bound(store: &Store) -> Result<Option<BackendKind>> {
    if store.names()?.is_empty() {
        return Ok(None);
    }
    let path = mark(store.root());
    match fs::read_to_string(&path) {
        Ok(text) => text.trim().parse().map(Some).map_err(|error| Error::damaged(&path, error)),
        Err(_) => Ok(Some(BackendKind::Linux)),
    }
}

#[cfg(linux_backend)]
fn refusal(root: &Path) -> Option<String> {
    crate::linux::refusal(root)
}

#[cfg(not(linux_backend))]
fn refusal(_root: &Path) -> Option<String> {
    Some(match cfg!(target_os = "linux") {
        true => "this program was built without the Linux backend".into(),
        false => format!("{} has no Linux kernel to make containers with", std::env::consts::OS),
    })
}

#[cfg(linux_backend)]
fn linux(
    root: &Path,
    helper: Option<PathBuf>,
    bridge_subnet: Option<Subnet>,
) -> Result<Box<dyn Backend>> {
    Ok(Box::new(crate::linux::LinuxBackend::new(root, helper, bridge_subnet)?))
}

#[cfg(not(linux_backend))]
fn linux(
    root: &Path,
    _helper: Option<PathBuf>,
    _subnet: Option<Subnet>,
) -> Result<Box<dyn Backend>> {
    Err(Error::Unsupported {
        feature: "the Linux backend".into(),
        backend: "simulation",
        why: refusal(root).unwrap_or_default(),
    })
}
