//! The network of a container as users see it.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::spec::{ContainerSpec, NetworkMode, PortMapping};
use crate::status::StatusRecord;

/// How a container is connected. One that does not run has no addresses and no open ports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkInfo {
    /// What was asked for.
    pub mode: NetworkMode,
    /// The networks that it has an interface on.
    pub networks: Vec<NetworkEndpoint>,
    /// The published ports as they are open on the host: one that was left to the kernel
    /// (port 0) is told here.
    pub ports: Vec<PortMapping>,
    /// What does not work here as one would expect, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub caveats: Vec<String>,
}

/// A container's interface on a network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkEndpoint {
    /// The network: `bridge`, or the name it was made with.
    pub name: String,
    /// The container's address.
    pub ip_address: IpAddr,
    /// The host's address on the same network, and the way to all others.
    pub gateway: IpAddr,
    /// The interface's hardware address.
    pub mac: String,
}

impl NetworkInfo {
    /// That of a container whose supervisor lives, if there is a record of it.
    pub(crate) fn of(spec: &ContainerSpec, record: Option<&StatusRecord>) -> NetworkInfo {
        let recorded = record.and_then(|record| record.network.clone());
        recorded.unwrap_or_else(|| NetworkInfo::at_rest(spec))
    }

    /// That of a container that does not run.
    pub(crate) fn at_rest(spec: &ContainerSpec) -> NetworkInfo {
        NetworkInfo {
            mode: spec.network_mode(),
            networks: Vec::new(),
            ports: Vec::new(),
            caveats: Vec::new(),
        }
    }
}
