//! What the network of containers needs of this machine.

use std::fs;

use minidocker_rt::{BackendKind, ContainerSpec, NetworkMode, Runtime};
use nix::unistd::{AccessFlags, access};

use super::doctor::{Check, Verdict, check};
use crate::packet_filter::{self, Chain};

/// What was found. Only asked for where containers have networks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Network {
    /// Why no container can be on a bridge, if none can.
    no_bridge: Option<String>,
    /// The chains of the packet filter, or why it cannot be asked.
    filter: Result<Vec<Chain>, String>,
    forwarding: Forwarding,
}

/// Whether packets go from one interface to another (`man 7 ip`, ip_forward).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Forwarding {
    On,
    /// For each interface by itself, as containers need it.
    Possible,
    ReadOnly,
}

const IP_FORWARD: &str = "/proc/sys/net/ipv4/ip_forward";

impl Network {
    pub fn gather(runtime: &Runtime) -> Option<Network> {
        if runtime.backend().kind != BackendKind::Linux {
            return None;
        }
        let spec = ContainerSpec::new("bridge-check", "true").network(NetworkMode::Bridge);
        // A name that is in use is none of the bridge's business.
        let refused = runtime.check(&spec).err();
        let refused = refused.filter(|error| error.code() != "name_in_use");
        let on = fs::read_to_string(IP_FORWARD).is_ok_and(|text| text.trim() == "1");
        Some(Network {
            no_bridge: refused.map(|error| error.to_string()),
            filter: packet_filter::chains().map_err(|error| error.to_string()),
            forwarding: match access(IP_FORWARD, AccessFlags::W_OK) {
                _ if on => Forwarding::On,
                Ok(()) => Forwarding::Possible,
                Err(_) => Forwarding::ReadOnly,
            },
        })
    }

    pub fn checks(&self) -> Vec<Check> {
        vec![self.bridge(), self.filter(), self.forwarding()]
    }

    fn bridge(&self) -> Check {
        let verdict = match &self.no_bridge {
            None => Ok("Containers can have addresses of their own on a bridge.".into()),
            Some(why) => Err((
                Verdict::Problem,
                format!("No container can be on a bridge: {why}. The networks none and host work."),
                Some("sudo modprobe -a bridge veth"),
            )),
        };
        check("bridge", "Network (bridge)", verdict)
    }

    fn filter(&self) -> Check {
        let verdict = match self.filter.as_deref() {
            Err(why) => Err((
                Verdict::Warning,
                format!(
                    "The packet filter nftables cannot be used ({why}): containers reach each \
                     other and this machine, and nothing beyond."
                ),
                Some("sudo modprobe -a nf_tables nft_chain_nat nft_masq nft_ct"),
            )),
            Ok(chains) => match chains.iter().find(|chain| chain.forwards && chain.drops) {
                None => Ok("nftables lets containers out, and nobody in.".into()),
                // Also a packet that our own table accepts goes through the others.
                Some(Chain { table, name, .. }) => {
                    let docker = chains.iter().any(|chain| chain.name == "DOCKER-USER");
                    let (whose, command) = match docker {
                        true => (
                            "Docker has set it so",
                            "sudo iptables -I DOCKER-USER -i 'minidocker+' -j ACCEPT && \
                             sudo iptables -I DOCKER-USER -o 'minidocker+' -m conntrack \
                             --ctstate ESTABLISHED,RELATED -j ACCEPT",
                        ),
                        false => (
                            "a firewall has set it so",
                            "sudo iptables -I FORWARD -i 'minidocker+' -j ACCEPT && \
                             sudo iptables -I FORWARD -o 'minidocker+' -m conntrack \
                             --ctstate ESTABLISHED,RELATED -j ACCEPT",
                        ),
                    };
                    Err((
                        Verdict::Warning,
                        format!(
                            "The chain {name} of the table {table} drops what is passed on \
                             ({whose}): containers reach nothing beyond this machine. Published \
                             ports work."
                        ),
                        Some(command),
                    ))
                }
            },
        };
        check("packet-filter", "Outgoing traffic (NAT)", verdict)
    }

    fn forwarding(&self) -> Check {
        let verdict = match self.forwarding {
            Forwarding::On => Ok("This machine passes packets on between its interfaces.".into()),
            Forwarding::Possible => {
                Ok("Passing packets on is switched on for containers alone, while they run.".into())
            }
            Forwarding::ReadOnly => Err((
                Verdict::Warning,
                "This machine does not pass packets on, and that cannot be changed from here: \
                 containers reach nothing beyond it."
                    .into(),
                Some("sudo sysctl net.ipv4.ip_forward=1"),
            )),
        };
        check("forwarding", "IP forwarding", verdict)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(name: &str, forwards: bool, drops: bool) -> Chain {
        Chain { table: "filter".into(), name: name.into(), forwards, drops }
    }

    fn healthy() -> Network {
        let filter = vec![chain("INPUT", false, true), chain("FORWARD", true, false)];
        Network { no_bridge: None, filter: Ok(filter), forwarding: Forwarding::Possible }
    }

    fn verdict(network: &Network, id: &str) -> (Verdict, String) {
        let check = network.checks().into_iter().find(|check| check.id == id).unwrap();
        assert_eq!(check.status == Verdict::Ok, check.command.is_none(), "{check:?}");
        (check.status, format!("{} {}", check.detail, check.command.unwrap_or_default()))
    }

    #[test]
    fn a_healthy_machine_needs_nothing() {
        for check in healthy().checks() {
            assert_eq!(check.status, Verdict::Ok, "{check:?}");
        }
    }

    #[test]
    fn dockers_firewall_is_noticed_with_the_command_that_mends_it() {
        let mut network = healthy();
        network.filter = Ok(vec![chain("FORWARD", true, true), chain("DOCKER-USER", false, false)]);
        let (status, text) = verdict(&network, "packet-filter");
        assert_eq!(status, Verdict::Warning);
        assert!(text.contains("Docker has set it so") && text.contains("-I DOCKER-USER"), "{text}");
        network.filter = Ok(vec![chain("FORWARD", true, true)]);
        let (_, text) = verdict(&network, "packet-filter");
        assert!(text.contains("a firewall has set it so") && text.contains("-I FORWARD"), "{text}");
    }

    #[test]
    fn what_is_missing_is_told() {
        let mut network = healthy();
        network.filter = Err("Protocol not supported".into());
        assert!(verdict(&network, "packet-filter").1.contains("modprobe"));
        network.forwarding = Forwarding::ReadOnly;
        assert!(verdict(&network, "forwarding").1.contains("ip_forward=1"));
        network.no_bridge = Some("Operation not supported".into());
        assert_eq!(verdict(&network, "bridge").0, Verdict::Problem);
    }
}
