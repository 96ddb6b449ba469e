//! Which backend a runtime has, and why.

use std::fmt;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::backend::Backend;
use crate::error::{Error, Refusal, Result};
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
    /// Whatever there is: that of the root's containers; else Linux where this machine makes
    /// containers, and the simulation where not. For programs that show their users which it
    /// is, as the dashboard does. No runtime's own kind.
    Any,
}

impl BackendKind {
    /// The word for it: `linux`, `simulation` or `any`.
    pub fn as_str(self) -> &'static str {
        match self {
            BackendKind::Linux => "linux",
            BackendKind::Simulation => "simulation",
            BackendKind::Any => "any",
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
            "any" => Ok(BackendKind::Any),
            _ => Err(refuse(
                "backend",
                text,
                "there is no such backend",
                "Write linux, simulation (which isolates nothing), or any for whatever there is.",
            )),
        }
    }
}

/// The backend of a runtime. Told by [`crate::Runtime::backend`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackendInfo {
    /// Which it is: Linux or the simulation.
    pub kind: BackendKind,
    /// Why it is that one, in a sentence for people.
    pub reason: String,
}

/// Chooses the backend of the store: the one asked for, Linux if nobody asked. Whoever gets a
/// runtime of Linux has one that can make containers.
pub(super) fn choose(
    store: &Store,
    asked: Option<BackendKind>,
    helper: Option<PathBuf>,
    bridge_subnet: Option<Subnet>,
) -> Result<(BackendInfo, Box<dyn Backend>)> {
    let root = store.root();
    let bound = bound(store)?;
    let (kind, reason) = match (asked.unwrap_or(BackendKind::Linux), bound) {
        (BackendKind::Any, Some(kind)) => {
            (kind, "the containers of this root belong to it".to_string())
        }
        (BackendKind::Any, None) => match refusal(root) {
            None => (BackendKind::Linux, "this kernel can make containers".to_string()),
            Some(Refusal { why, .. }) => (BackendKind::Simulation, why),
        },
        (kind, Some(other)) if kind != other => {
            return Err(refuse(
                "backend",
                kind,
                format!("the containers of {} belong to the backend {other}", root.display()),
                format!(
                    "Choose the backend {other}, or any; or another root folder; or delete those \
                     containers first."
                ),
            ));
        }
        (kind, _) if asked.is_some() => (kind, "it was asked for".to_string()),
        (kind, _) => (kind, "this kernel can make containers".to_string()),
    };
    if kind == BackendKind::Linux
        && let Some(Refusal { why, hint }) = refusal(root)
    {
        return Err(Error::CannotIsolate { why, hint });
    }
    let backend: Box<dyn Backend> = match kind {
        BackendKind::Linux => linux(root, helper, bridge_subnet)?,
        BackendKind::Simulation | BackendKind::Any => {
            Box::new(SimulationBackend::new(root, helper)?)
        }
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
fn refusal(root: &Path) -> Option<Refusal> {
    crate::linux::refusal(root)
}

#[cfg(not(linux_backend))]
fn refusal(_root: &Path) -> Option<Refusal> {
    Some(match cfg!(target_os = "linux") {
        true => Refusal {
            why: "this program was built without the Linux backend".into(),
            hint: "Build it without --cfg minidocker_simulation_only.".into(),
        },
        false => Refusal {
            why: format!("{} has no Linux kernel to make containers with", std::env::consts::OS),
            hint: "Run it on Linux, as root; a virtual machine will do.".into(),
        },
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
    let Refusal { why, hint } =
        refusal(root).unwrap_or(Refusal { why: String::new(), hint: String::new() });
    Err(Error::CannotIsolate { why, hint })
}
