//! Who has which address: the networks of this machine that are up, and their leases.
//!
//! Kept in a file that all programs share (see [`super::machine`]); what is here only thinks.
//! The kernel has the last word: an address is taken as long as there is an interface that was
//! made for it, whatever the file says.

use std::collections::HashSet;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::links::{Link, Route};
use crate::spec::{ContainerId, ExtraHost, Subnet};
use crate::status::ProcessIdentity;

/// Our bridges are called this and a number; the common one's is 0.
pub(crate) const PREFIX: &str = "minidocker";

/// Where the common bridge's containers live, unless the host reaches others there.
pub(super) const COMMON: [Subnet; 9] = [
    Subnet::constant([10, 88, 0, 0], 16),
    Subnet::constant([10, 98, 0, 0], 16),
    Subnet::constant([10, 188, 0, 0], 16),
    Subnet::constant([172, 29, 0, 0], 16),
    Subnet::constant([172, 30, 0, 0], 16),
    Subnet::constant([172, 31, 0, 0], 16),
    Subnet::constant([192, 168, 208, 0], 20),
    Subnet::constant([192, 168, 224, 0], 20),
    Subnet::constant([100, 88, 0, 0], 16),
];

/// Which network a bridge is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Key {
    /// The common one.
    Bridge,
    /// One that was made, by its id: two roots may have networks of the same name.
    Named(String),
}

/// All networks that are up in one network namespace.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Registry {
    /// Pids mean nothing in another boot.
    pub boot_id: String,
    pub segments: Vec<Segment>,
    /// Interfaces that forward only because we have asked for it.
    pub opened: Vec<String>,
    /// The process that will remove what nobody uses.
    pub janitor: Option<ProcessIdentity>,
}

/// A bridge and those on it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Segment {
    pub key: Key,
    pub bridge: String,
    pub subnet: Subnet,
    pub mtu: u32,
    /// The address that was given last: the next one given comes after it, so that an address
    /// rests a while before somebody else has it.
    pub last: Ipv4Addr,
    /// Since when nobody is on it, in milliseconds from the machine's boot.
    pub idle_since: Option<u64>,
    pub leases: Vec<Lease>,
}

/// An address, and who has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Lease {
    pub address: Ipv4Addr,
    pub container: ContainerId,
    /// The root of its store: names are known within a root.
    pub root: PathBuf,
    /// Its names, its own first.
    pub names: Vec<String>,
    pub extra_hosts: Vec<ExtraHost>,
    /// Its file of names, which follows who comes and goes.
    pub hosts: Option<PathBuf>,
    /// How often an interface was made for it: each has its own name.
    pub runs: u32,
    /// The supervisors of the containers that use it: its own, and those that share its network.
    pub holders: Vec<ProcessIdentity>,
}

impl Lease {
    /// The host's end of its veth pair. It says the address, so that the kernel alone can tell
    /// which ones are taken.
    pub fn veth(&self) -> String {
        format!("md{:08x}-{}", self.address.to_bits(), self.runs % 10_000)
    }
}

/// The address that an interface of ours was made for.
fn address_of(veth: &str) -> Option<Ipv4Addr> {
    let (digits, run) = veth.strip_prefix("md")?.split_once('-')?;
    run.parse::<u32>().ok()?;
    (digits.len() == 8).then(|| u32::from_str_radix(digits, 16).ok().map(Ipv4Addr::from_bits))?
}

impl Registry {
    /// The network that is up for `key`.
    pub fn segment(&self, key: &Key) -> Option<&Segment> {
        self.segments.iter().find(|segment| segment.key == *key)
    }

    /// Forgets the leases that nobody holds, no process and no interface either, and the
    /// networks that are then neither used nor there: as of a namespace of the same number that
    /// is long gone.
    pub fn reconcile(&mut self, links: &[Link], alive: impl Fn(&ProcessIdentity) -> bool) {
        let names: HashSet<&str> = links.iter().map(|link| link.name.as_str()).collect();
        for segment in &mut self.segments {
            segment.leases.retain(|lease| {
                names.contains(lease.veth().as_str()) || lease.holders.iter().any(&alive)
            });
        }
        self.segments.retain(|segment| {
            !segment.leases.is_empty() || names.contains(segment.bridge.as_str())
        });
    }

    /// A name for a new bridge.
    pub fn free_bridge(&self, key: &Key, links: &[Link]) -> String {
        let taken = |name: &String| {
            links.iter().any(|link| link.name == *name)
                || self.segments.iter().any(|segment| segment.bridge == *name)
        };
        match key {
            Key::Bridge => format!("{PREFIX}0"),
            Key::Named(_) => {
                let mut names = (1..).map(|number: u32| format!("{PREFIX}{number}"));
                names.find(|name| !taken(name)).unwrap_or_default()
            }
        }
    }

    /// A block of addresses that leads nowhere yet, for a network that was promised none.
    pub fn free_subnet(&self, key: &Key, routes: &[Route]) -> Option<Subnet> {
        let named = (0..=255u8)
            .map(|number| Subnet::constant([10, 89, number, 0], 24))
            .chain((0..=255u8).map(|number| Subnet::constant([172, 28, number, 0], 24)));
        let mut candidates: Box<dyn Iterator<Item = Subnet>> = match key {
            Key::Bridge => Box::new(COMMON.into_iter()),
            Key::Named(_) => Box::new(named),
        };
        candidates.find(|subnet| self.claim(subnet, routes).is_none())
    }

    /// Who has addresses of `subnet` already, in words.
    pub fn claim(&self, subnet: &Subnet, routes: &[Route]) -> Option<String> {
        if let Some(other) = self.segments.iter().find(|other| other.subnet.overlaps(subnet)) {
            return Some(format!("{} has the addresses {}", other.bridge, other.subnet));
        }
        let route = routes.iter().find(|route| route.claims(subnet))?;
        let (to, prefix) = route.to?;
        Some(format!("this machine has a route to {to}/{prefix}"))
    }
}

impl Segment {
    /// Finds a free address, `wanted` if that is one. Kernel and file must both agree that it is
    /// free.
    pub fn free_address(&self, wanted: Option<Ipv4Addr>, links: &[Link]) -> Option<Ipv4Addr> {
        let interfaces = links.iter().filter_map(|link| address_of(&link.name));
        let leased = self.leases.iter().map(|lease| lease.address);
        let taken: HashSet<Ipv4Addr> =
            interfaces.chain(leased).chain([self.subnet.gateway()]).collect();
        let free = |address: &Ipv4Addr| {
            self.subnet.contains(*address)
                && *address != self.subnet.network()
                && *address != self.subnet.broadcast()
                && !taken.contains(address)
        };
        let (first, end) = (self.subnet.network().to_bits(), self.subnet.broadcast().to_bits());
        let after = self.last.to_bits() + 1;
        let addresses = (after..end).chain(first + 1..after.min(end)).map(Ipv4Addr::from_bits);
        wanted.into_iter().chain(addresses).find(free)
    }

    /// The lease of a container that is known by its names.
    pub fn lease_of(&mut self, container: &ContainerId) -> Option<&mut Lease> {
        let current = |lease: &&mut Lease| lease.container == *container && !lease.names.is_empty();
        self.leases.iter_mut().find(current)
    }

    /// The lease of a container that is started again, now held by `holders`. None if it has
    /// none, or if others still use the network that it had: theirs it remains, without its
    /// names, and the container needs a new one.
    pub fn renew(
        &mut self,
        container: &ContainerId,
        holders: &[ProcessIdentity],
        alive: impl Fn(&ProcessIdentity) -> bool,
    ) -> Option<Lease> {
        let lease = self.lease_of(container)?;
        let others: Vec<ProcessIdentity> = lease
            .holders
            .iter()
            .copied()
            .filter(|holder| !holders.contains(holder) && alive(holder))
            .collect();
        if !others.is_empty() {
            (lease.holders, lease.hosts) = (others, None);
            lease.names.clear();
            return None;
        }
        lease.runs += 1;
        lease.holders = holders.to_vec();
        Some(lease.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(name: &str) -> Link {
        Link { index: 1, name: name.into(), mtu: 1500, kind: String::new(), master: 0 }
    }

    fn segment(subnet: &str) -> Segment {
        let subnet: Subnet = subnet.parse().unwrap();
        Segment {
            key: Key::Bridge,
            bridge: "minidocker0".into(),
            subnet,
            mtu: 1500,
            last: subnet.gateway(),
            idle_since: None,
            leases: Vec::new(),
        }
    }

    fn lease(address: Ipv4Addr, pid: i32) -> Lease {
        Lease {
            address,
            container: ContainerId::random().unwrap(),
            root: "/r".into(),
            names: vec!["a".into()],
            extra_hosts: Vec::new(),
            hosts: None,
            runs: 3,
            holders: vec![ProcessIdentity { pid, start_time: 1 }],
        }
    }

    #[test]
    fn every_address_is_given_once_and_then_no_more() {
        let mut segment = segment("10.88.0.0/29");
        let mut given = Vec::new();
        while let Some(address) = segment.free_address(None, &[]) {
            segment.leases.push(lease(address, 1));
            segment.last = address;
            given.push(address);
        }
        let expected: Vec<_> = (2..=6).map(|last| Ipv4Addr::new(10, 88, 0, last)).collect();
        assert_eq!(given, expected, "not the network, the gateway and the broadcast");
    }

    #[test]
    fn an_address_rests_before_it_is_given_again_unless_it_is_wanted() {
        let mut segment = segment("10.88.0.0/29");
        segment.last = Ipv4Addr::new(10, 88, 0, 5);
        let next = |segment: &Segment, wanted| segment.free_address(wanted, &[]).unwrap();
        assert_eq!(next(&segment, None), Ipv4Addr::new(10, 88, 0, 6));
        segment.last = Ipv4Addr::new(10, 88, 0, 6);
        assert_eq!(next(&segment, None), Ipv4Addr::new(10, 88, 0, 2));
        let wanted = Ipv4Addr::new(10, 88, 0, 4);
        assert_eq!(next(&segment, Some(wanted)), wanted);
        segment.leases.push(lease(wanted, 1));
        assert_eq!(next(&segment, Some(wanted)), Ipv4Addr::new(10, 88, 0, 2));
        let foreign = Some(Ipv4Addr::new(10, 99, 0, 4));
        assert_eq!(next(&segment, foreign), Ipv4Addr::new(10, 88, 0, 2));
        let gateway = Some(Ipv4Addr::new(10, 88, 0, 1));
        assert_eq!(next(&segment, gateway), Ipv4Addr::new(10, 88, 0, 2));
    }

    #[test]
    fn an_interface_keeps_its_address_taken_whatever_the_file_says() {
        let segment = segment("10.88.0.0/29");
        let veth = lease(Ipv4Addr::new(10, 88, 0, 2), 1).veth();
        assert_eq!(veth, "md0a580002-3");
        let links = [link(&veth), link("eth0"), link("md0-1"), link("mdxxxxxxxx-1")];
        assert_eq!(segment.free_address(None, &links), Some(Ipv4Addr::new(10, 88, 0, 3)));
    }

    #[test]
    fn a_lease_ends_with_its_last_holder_and_its_interface() {
        let mut registry = Registry::default();
        let mut segment = segment("10.88.0.0/24");
        for (last, pid) in [(2, 10), (3, 11), (4, 12)] {
            segment.leases.push(lease(Ipv4Addr::new(10, 88, 0, last), pid));
        }
        let dying = segment.leases[1].veth();
        registry.segments.push(segment);
        registry.reconcile(&[link(&dying)], |holder| holder.pid == 10);
        let left: Vec<u8> =
            registry.segments[0].leases.iter().map(|lease| lease.address.octets()[3]).collect();
        assert_eq!(left, [2, 3]);
        registry.reconcile(&[link("minidocker0")], |_| false);
        assert!(registry.segments[0].leases.is_empty(), "the bridge is still to be removed");
        registry.reconcile(&[], |_| false);
        assert!(registry.segments.is_empty());
    }

    #[test]
    fn who_is_started_again_keeps_the_address_unless_others_share_it() {
        let mut segment = segment("10.88.0.0/24");
        segment.leases.push(lease(Ipv4Addr::new(10, 88, 0, 2), 10));
        let id = segment.leases[0].container.clone();
        let process = |pid| ProcessIdentity { pid, start_time: 1 };
        let before = segment.leases[0].veth();
        let again = segment.renew(&id, &[process(11)], |_| false).unwrap();
        assert_eq!((again.address.octets()[3], &again.holders[..]), (2, &[process(11)][..]));
        assert_ne!(again.veth(), before, "the old cable may still be there");
        segment.leases[0].holders.push(process(20));
        assert!(segment.renew(&id, &[process(11)], |holder| holder.pid == 20).is_none());
        let left = &segment.leases[0];
        assert_eq!((left.names.len(), &left.holders[..]), (0, &[process(20)][..]));
        assert!(segment.lease_of(&id).is_none());
    }

    #[test]
    fn a_block_that_leads_somewhere_is_left_alone() {
        let route = |to: [u8; 4], prefix| Route { to: Some((to.into(), prefix)), through: 2 };
        let default = Route { to: None, through: 2 };
        let registry = Registry::default();
        let common = |routes: &[Route]| registry.free_subnet(&Key::Bridge, routes);
        let text = |subnet: Option<Subnet>| subnet.unwrap().to_string();
        assert_eq!(text(common(&[default])), "10.88.0.0/16");
        assert_eq!(text(common(&[route([10, 88, 3, 0], 24)])), "10.98.0.0/16");
        assert_eq!(text(common(&[route([10, 0, 0, 0], 8)])), "172.29.0.0/16");
        // A VPN that takes everything, by two halves.
        let vpn = [route([0, 0, 0, 0], 1), route([128, 0, 0, 0], 1)];
        assert_eq!(text(common(&vpn)), "10.88.0.0/16");
        let all = [route([10, 0, 0, 0], 8), route([172, 16, 0, 0], 12)];
        let all = [&all[..], &[route([192, 168, 0, 0], 16), route([100, 64, 0, 0], 10)]].concat();
        assert!(common(&all).is_none());

        let mut registry = Registry::default();
        let key = Key::Named("x".into());
        let first = registry.free_subnet(&key, &[]).unwrap();
        registry.segments.push(Segment { key: key.clone(), ..segment(&first.to_string()) });
        assert_eq!(text(registry.free_subnet(&key, &[])), "10.89.1.0/24");
        assert!(registry.claim(&first, &[]).unwrap().contains("minidocker0"));
    }
}
