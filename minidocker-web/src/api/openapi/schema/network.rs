//! Networks: how a container is connected, and what it is connected to.

use serde::Serialize;
use utoipa::ToSchema;

/// How a container is connected. One that does not run has no addresses and no open ports.
#[derive(Serialize, ToSchema)]
pub(super) struct Network {
    /// bridge, none, host, container:NAME, or the name of a network.
    mode: String,
    networks: Vec<Endpoint>,
    ports: Vec<PublishedPort>,
    /// What does not work here as one would expect, and why.
    #[schema(nullable = false)]
    caveats: Option<Vec<String>>,
}

/// An interface on a network.
#[derive(Serialize, ToSchema)]
struct Endpoint {
    name: String,
    ip_address: String,
    gateway: String,
    mac: String,
}

/// A port of the host, and the container's behind it.
#[derive(Serialize, ToSchema)]
struct PublishedPort {
    host_ip: String,
    #[schema(minimum = 1, maximum = 65535)]
    host_port: u32,
    #[schema(minimum = 1, maximum = 65535)]
    container_port: u32,
    protocol: PortProtocol,
}

#[derive(Serialize, ToSchema)]
#[schema(rename_all = "lowercase")]
enum PortProtocol {
    Tcp,
    Udp,
}

/// A network, and who is on it now.
#[derive(ToSchema)]
pub(in crate::api::openapi) struct NetworkOfContainers {
    /// The common bridge's is bridge.
    name: String,
    #[schema(required, format = DateTime)]
    created_at: Option<String>,
    /// The addresses of its containers: asked for, or chosen while it is up.
    #[schema(required)]
    subnet: Option<String>,
    /// An interface of the host, while it is up.
    #[schema(required)]
    bridge: Option<String>,
    #[schema(required)]
    gateway: Option<String>,
    containers: Vec<NetworkMember>,
}

#[derive(ToSchema)]
struct NetworkMember {
    /// The names that it is found by, its own first.
    names: Vec<String>,
    #[schema(min_length = 64, max_length = 64)]
    id: String,
    ip_address: String,
}

#[derive(ToSchema)]
pub(in crate::api::openapi) struct NewNetwork {
    #[schema(pattern = "^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}$")]
    name: String,
    /// Chosen if it is left out.
    subnet: Option<String>,
}

/// What can be seen of a container's network in the kernel.
#[derive(ToSchema)]
pub(super) struct XrayNetwork {
    own: bool,
    interfaces: Vec<XrayInterface>,
    routes: Vec<XrayRoute>,
    listening: Vec<XrayListener>,
    #[schema(required)]
    bridge: Option<XrayBridge>,
    /// What the host does with the packets of bridges, in nft's words; null where it cannot be
    /// asked.
    #[schema(required)]
    rules: Option<Vec<XrayRule>>,
}

#[derive(ToSchema)]
struct XrayRule {
    chain: String,
    rule: String,
}

#[derive(ToSchema)]
struct XrayInterface {
    name: String,
    #[schema(required)]
    index: Option<u32>,
    #[schema(required)]
    mac: Option<String>,
    #[schema(required)]
    mtu: Option<u32>,
    #[schema(required)]
    state: Option<String>,
    addresses: Vec<String>,
    rx_bytes: u64,
    rx_packets: u64,
    tx_bytes: u64,
    tx_packets: u64,
    /// The other end of the cable, on the host.
    #[schema(required)]
    peer: Option<XrayPeer>,
}

#[derive(ToSchema)]
struct XrayPeer {
    name: String,
    index: u32,
    #[schema(required)]
    bridge: Option<String>,
}

#[derive(ToSchema)]
struct XrayRoute {
    /// default, or a block of addresses.
    to: String,
    #[schema(required)]
    via: Option<String>,
    interface: String,
}

#[derive(ToSchema)]
struct XrayListener {
    protocol: PortProtocol,
    address: String,
    #[schema(maximum = 65535)]
    port: u32,
}

#[derive(ToSchema)]
struct XrayBridge {
    name: String,
    #[schema(required)]
    mac: Option<String>,
    ports: Vec<String>,
}
