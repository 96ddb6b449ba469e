//! The steps that connect a container, in the plan's order.

use super::{Action, Step, by_hand, step};
use crate::linux::host::Host;
use crate::linux::network::{self, DEFAULT_SUBNET};
use crate::plan::Actor;
use crate::spec::{ContainerSpec, NetworkMode, Subnet};
use crate::store::ContainerDir;

/// The addresses that a plan is written with, if the container is on a bridge. Which ones are free
/// is known when it is carried out.
pub(super) fn subnet(spec: &ContainerSpec, host: &Host) -> Option<Subnet> {
    let chosen = match spec.network_mode() {
        NetworkMode::Named(name) => network::subnet_of(host.root(), &name),
        mode if mode.is_bridged() => host.subnet,
        _ => return None,
    };
    Some(chosen.unwrap_or(DEFAULT_SUBNET))
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
        outside("find-network", by_hand::find_network(other, dir), Action::FindShared);
    }
    let subnet = subnet(spec, host);
    if let Some(subnet) = subnet {
        outside("bridge", by_hand::bridge(subnet), Action::TakePlace);
        outside("masquerade", by_hand::masquerade(subnet), Action::OpenWayOut);
    }
    if mode.is_bridged() || spec.isolation.rootfs {
        outside("names", by_hand::names(spec, dir, subnet), Action::TellNames);
    }
}

/// What takes the container's network namespace.
pub(super) fn after_clone(steps: &mut Vec<Step>, spec: &ContainerSpec) {
    match spec.network_mode() {
        mode if mode.is_bridged() => {
            steps.push(step("veth", Actor::Supervisor, spec, by_hand::veth(), Action::PlugIn))
        }
        NetworkMode::Container(_) => steps.push(step(
            "join-network",
            Actor::Init,
            spec,
            by_hand::join_network(),
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
    if let Some(subnet) = subnet(spec, host) {
        init("address", by_hand::add_address(subnet), Action::AddAddress);
        let route = format!("ip route add default via {}", subnet.gateway());
        init("default-route", route, Action::AddRoute);
    }
}
