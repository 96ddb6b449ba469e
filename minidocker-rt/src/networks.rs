//! The networks that were made: what is written down of them.
//!
//! A network is a file of its root. Its bridge is made when the first container that is on it
//! starts, and goes with the last; what is up is the backend's business.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::lock::{self, Mode};
use crate::private;
use crate::spec::{ContainerId, NetworkName, Subnet};
use crate::store::{read_json, write_json};

/// What a network may be asked to be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NetworkOptions {
    /// The addresses of its containers. Without them they are chosen each time the network
    /// comes up, such that they are in nobody's way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subnet: Option<Subnet>,
}

/// A network, and who is on it now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// Its name; the common bridge's is `bridge`.
    pub name: String,
    /// When it was made; None for the common bridge, which is always there.
    pub created_at: Option<Timestamp>,
    /// The addresses of its containers: those that were asked for, or while it is up those
    /// that were chosen.
    pub subnet: Option<Subnet>,
    /// Its bridge, an interface of the host, while it is up.
    pub bridge: Option<String>,
    /// The host's address on it, while it is up.
    pub gateway: Option<Ipv4Addr>,
    /// The containers that are on it now. Of the common bridge, those of this root.
    pub containers: Vec<NetworkMember>,
}

/// A container on a network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkMember {
    /// The names that it is found by, its own first.
    pub names: Vec<String>,
    /// Its identity.
    pub id: ContainerId,
    /// Its address.
    pub ip_address: Ipv4Addr,
}

/// A network that is up.
#[cfg_attr(not(linux_backend), allow(dead_code))]
#[derive(Debug)]
pub(crate) struct NetworkUp {
    pub subnet: Subnet,
    pub bridge: String,
    pub containers: Vec<NetworkMember>,
}

/// `networks/NAME.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct NetworkFile {
    /// Another network of the same name is another network.
    pub id: String,
    pub created_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subnet: Option<Subnet>,
}

fn folder(root: &Path) -> PathBuf {
    root.join("networks")
}

fn path(root: &Path, name: &NetworkName) -> PathBuf {
    folder(root).join(format!("{name}.json"))
}

/// A network that was made.
///
/// # Errors
/// [`Error::NoSuchNetwork`]; [`Error::Io`] if its file is damaged.
pub(crate) fn load(root: &Path, name: &NetworkName) -> Result<NetworkFile> {
    read_json(&path(root, name))?.ok_or_else(|| Error::NoSuchNetwork { name: name.to_string() })
}

/// The names of all networks that were made, sorted.
pub(crate) fn names(root: &Path) -> Result<Vec<NetworkName>> {
    let folder = folder(root);
    let mut names: Vec<NetworkName> = Vec::new();
    for entry in fs::read_dir(&folder).map_err(|error| Error::io("list", &folder, error))? {
        let name = entry.map_err(|error| Error::io("list", &folder, error))?.file_name();
        names.extend(name.to_str().and_then(|name| name.strip_suffix(".json")?.parse().ok()));
    }
    names.sort();
    Ok(names)
}

/// The lock of all networks, held until it is dropped: for a change, or shared by those who
/// make a container that counts on a network.
#[derive(Debug)]
pub(crate) struct NetworksLock(#[expect(dead_code, reason = "held, not used")] File);

/// Keeps all networks where they are.
pub(crate) fn keep(root: &Path) -> Result<NetworksLock> {
    lock(root, Mode::Shared)
}

/// For a change.
pub(crate) fn change(root: &Path) -> Result<NetworksLock> {
    lock(root, Mode::Exclusive)
}

fn lock(root: &Path, mode: Mode) -> Result<NetworksLock> {
    let path = folder(root).join(".lock");
    let file = private::lock_file(&path)?;
    lock::take_soon(&file, mode, &path)?;
    Ok(NetworksLock(file))
}

/// Writes a network down.
pub(crate) fn save(
    root: &Path,
    name: &NetworkName,
    file: &NetworkFile,
    _lock: &NetworksLock,
) -> Result<()> {
    write_json(&path(root, name), file)
}

/// Forgets a network. One that is not there is fine.
pub(crate) fn remove(root: &Path, name: &NetworkName, _lock: &NetworksLock) -> Result<()> {
    let path = path(root, name);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::io("delete", &path, error)),
        _ => Ok(()),
    }
}
