//! The steps that connect a container, in the plan's order.

use super::{Action, Step, step};
use crate::linux::host::Host;
use crate::linux::network::{self, DEFAULT_SUBNET};
use crate::plan::Actor;
use crate::spec::{ContainerSpec, NetworkMode, Subnet};
use crate::store::ContainerDir;

/// The addresses that a plan is written with. Which ones are free is known when it is carried
/// out.
fn subnet(spec: &ContainerSpec, host: &Host) -> Subnet {
    match spec.network_mode() {
        NetworkMode::Named(name) => network::subnet_of(host.root(), &name),
        _ => host.subnet,
    }
    .unwrap_or(DEFAULT_SUBNET)
}

/// What the host has to have before the container's namespaces are made.
pub(super) fn before_clone(
    steps: &mut Vec<Step>,
    spec: &ContainerSpec,
    dir: &ContainerDir,
    host: &Host,
) {
    let mut outside = |id: &str, shell: String, action| {
        steps.push(step(id, Actor::Supervisor, spec, shell, action));
    };
    let mode = spec.network_mode();
    if let NetworkMode::Container(other) = &mode {
        outside("find-network", format!("pidof # the init of {other}"), Action::FindShared);
    }
    if mode.is_bridged() {
        let subnet = subnet(spec, host);
        let (gateway, prefix) = (subnet.gateway(), subnet.prefix());
        let bridge = "minidocker0";
        outside(
            "bridge",
            format!(
                "ip link add {bridge} type bridge && ip addr add {gateway}/{prefix} dev {bridge} \
                 && ip link set {bridge} up"
            ),
            Action::TakePlace,
        );
        outside(
            "masquerade",
            format!(
                "nft add rule ip minidocker postrouting ip saddr {subnet} oifname != {bridge} \
                 masquerade && sysctl net.ipv4.conf.{bridge}.forwarding=1"
            ),
            Action::OpenWayOut,
        );
    }
    if mode.is_bridged() || spec.isolation.rootfs {
        let hosts = dir.path().join("etc/hosts");
        let line = match mode.is_bridged() {
            true => format!("ADDRESS {}", spec.name),
            false => format!("127.0.0.1 {}", spec.name),
        };
        outside("names", format!("echo '{line}' >> {}", hosts.display()), Action::TellNames);
    }
}

/// What takes the container's network namespace.
pub(super) fn after_clone(steps: &mut Vec<Step>, spec: &ContainerSpec) {
    match spec.network_mode() {
        mode if mode.is_bridged() => steps.push(step(
            "veth",
            Actor::Supervisor,
            spec,
            "ip link add veth0 master minidocker0 up type veth peer name eth0 netns CONTAINER"
                .into(),
            Action::PlugIn,
        )),
        NetworkMode::Container(_) => steps.push(step(
            "join-network",
            Actor::Init,
            spec,
            "nsenter --net --target PID sh".into(),
            Action::JoinShared,
        )),
        _ => {}
    }
}

/// What is done within that namespace.
pub(super) fn inside(steps: &mut Vec<Step>, spec: &ContainerSpec, host: &Host) {
    let mode = spec.network_mode();
    let mut init = |id: &str, shell: String, action| {
        steps.push(step(id, Actor::Init, spec, shell, action));
    };
    // What is shared is up already.
    if mode == NetworkMode::None || mode.is_bridged() {
        init("loopback", "ip link set lo up".into(), Action::LoopbackUp);
    }
    if mode.is_bridged() {
        let subnet = subnet(spec, host);
        let prefix = subnet.prefix();
        let address = format!("ip addr add ADDRESS/{prefix} dev eth0 && ip link set eth0 up");
        init("address", address, Action::AddAddress);
        let route = format!("ip route add default via {}", subnet.gateway());
        init("default-route", route, Action::AddRoute);
    }
}
