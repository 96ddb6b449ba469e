//! The network of a container: from the cable to the names.
//!
//! A bridge is a switch made of software, of which there is one per network of this machine
//! ([`machine`] knows them all). Each container is plugged in with a veth pair, a cable: one end
//! is a port of the bridge, the other is `eth0` in the container's network namespace. The
//! supervisor does what is the host's, in the host's namespace; init gives its own end an
//! address and a way out. [`links`] and [`rules`] are what `ip` and `nft` do, [`netlink`] is how
//! the kernel is told.

mod janitor;
mod links;
mod machine;
mod names;
mod netlink;
mod probe;
mod registry;
mod rules;

use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use nix::libc;
use nix::sched::CloneFlags;

pub(crate) use self::janitor::{leave, sweep};
pub(crate) use self::probe::refusal;
pub(crate) use self::registry::Key;

use self::links::{Mac, Veth};
use self::machine::Machine;
use self::netlink::Netlink;
use self::registry::Lease;
use super::context::StepError;
use super::host::Host;
use super::process;
use super::rootfs::EtcFile;
use super::sys::{Sys, SysError};
use crate::network::{NetworkEndpoint, NetworkInfo};
use crate::networks::{self, NetworkMember, NetworkUp};
use crate::spec::{ContainerSpec, NetworkMode, NetworkName, Subnet};
use crate::status::{Phase, StatusRecord};
use crate::store::{ContainerDir, SpecFile};

/// The addresses that the common bridge has, if nothing stands in the way.
pub(crate) const DEFAULT_SUBNET: Subnet = registry::COMMON[0];

/// The addresses that a network was promised, if it was.
pub(crate) fn subnet_of(root: &Path, name: &NetworkName) -> Option<Subnet> {
    networks::load(root, name).ok()?.subnet
}

/// The network of a container that is being built.
#[derive(Debug, Default)]
pub(crate) struct Network {
    /// Locked from the step that takes an address to the one that tells the names.
    machine: Option<Machine>,
    attachment: Option<Attachment>,
    /// The process whose network namespace is shared.
    shared: Option<OwnedFd>,
    caveats: Vec<String>,
}

/// A place on a bridge.
#[derive(Debug)]
struct Attachment {
    /// The network's name as users know it.
    network: String,
    /// The bridge's place in the registry, as long as that is locked.
    place: usize,
    bridge: String,
    /// The bridge's index.
    master: u32,
    subnet: Subnet,
    mtu: u32,
    address: Ipv4Addr,
    veth: String,
}

impl Network {
    /// Takes a place on the bridge, making the bridge if it is the first.
    pub fn take_place(
        &mut self,
        sys: &mut Sys,
        file: &SpecFile,
        dir: &ContainerDir,
        host: &Host,
    ) -> Result<(), StepError> {
        let spec = &file.spec;
        let (key, asked, network) = match spec.network_mode() {
            NetworkMode::Named(name) => {
                let found = networks::load(host.root(), &name);
                let found = found.map_err(|error| said("read the network", error.to_string()))?;
                (Key::Named(found.id), found.subnet, name.to_string())
            }
            _ => (Key::Bridge, host.subnet, "bridge".to_string()),
        };
        let mut machine = Machine::lock(sys, &host.machine.boot_id)?;
        let (place, master) =
            machine.ensure_bridge(sys, &key, asked)?.map_err(|why| said("make the bridge", why))?;
        let links = &machine.links;
        let segment = &mut machine.registry.segments[place];
        let holders: Vec<_> = process::identify_self().into_iter().collect();
        // It is started again: it keeps its address, on a new cable.
        let lease = match segment.renew(&file.id, &holders, machine::is_alive) {
            Some(lease) => lease,
            None => {
                let wanted = last_address(dir, &network);
                let address = segment.free_address(wanted, links).ok_or_else(|| {
                    said(
                        "take an address",
                        format!("all addresses of {} are taken", segment.subnet),
                    )
                })?;
                let hosts = spec.isolation.rootfs.then(|| names::folder(dir.path()).join("hosts"));
                let lease = Lease {
                    address,
                    container: file.id.clone(),
                    root: host.root().to_owned(),
                    names: names::names_of(spec),
                    extra_hosts: spec.extra_hosts.clone(),
                    hosts,
                    runs: 0,
                    holders,
                };
                segment.last = address;
                segment.idle_since = None;
                segment.leases.push(lease.clone());
                lease
            }
        };
        self.attachment = Some(Attachment {
            network,
            place,
            bridge: segment.bridge.clone(),
            master,
            subnet: segment.subnet,
            mtu: segment.mtu,
            address: lease.address,
            veth: lease.veth(),
        });
        machine.save(sys)?;
        self.machine = Some(machine);
        Ok(())
    }

    /// Lets the network out through the host's address.
    pub fn open_way_out(&mut self, sys: &mut Sys) -> Result<(), StepError> {
        let machine = self.machine.as_mut().ok_or_else(no_place)?;
        self.caveats.extend(machine.ensure_way_out(sys)?);
        Ok(())
    }

    /// Writes the container's files of names, and tells the others its own.
    pub fn tell_names(
        &mut self,
        sys: &mut Sys,
        spec: &ContainerSpec,
        dir: &ContainerDir,
    ) -> Result<(), StepError> {
        // Afterwards the registry is others'.
        let machine = self.machine.take();
        if spec.isolation.rootfs {
            self.write_files(sys, spec, dir, machine.as_ref())?;
        }
        if let (Some(machine), Some(place)) = (machine, &self.attachment) {
            let others = machine.registry.segments[place.place].leases.len().saturating_sub(1);
            sys.call(format!("write(<the hosts files of {others} others>)"), (), || {
                machine.tell_names(&mut Sys::real(None));
                Ok::<_, i32>(())
            })?;
        }
        Ok(())
    }

    fn write_files(
        &mut self,
        sys: &mut Sys,
        spec: &ContainerSpec,
        dir: &ContainerDir,
        machine: Option<&Machine>,
    ) -> Result<(), StepError> {
        let folder = names::folder(dir.path());
        let text = format!("mkdir({folder:?}, 0755)");
        sys.call(text, (), || std::fs::create_dir_all(&folder))?;
        let hostname = spec.hostname.as_ref().map_or(spec.name.as_str(), |name| name.as_str());
        names::write_file(sys, &folder, "hostname", &format!("{hostname}\n"))?;
        if matches!(spec.network_mode(), NetworkMode::Container(_)) {
            return Ok(());
        }
        let (text, caveat) = names::resolv_conf(spec);
        self.caveats.extend(caveat);
        names::write_file(sys, &folder, "resolv.conf", &text)?;
        match (machine, &self.attachment) {
            (Some(machine), Some(Attachment { place, address, .. })) => {
                let segment = &machine.registry.segments[*place];
                for lease in segment.leases.iter().filter(|lease| lease.address == *address) {
                    names::write_hosts(sys, &folder, segment, lease)?;
                }
            }
            _ => names::write_file(sys, &folder, "hosts", &names::hosts_alone(spec))?,
        }
        Ok(())
    }

    /// Plugs the container in: a cable between the bridge and the namespace of `process`.
    pub fn plug_in(&mut self, sys: &mut Sys, process: i32) -> Result<(), StepError> {
        let place = self.attachment.as_ref().ok_or_else(no_place)?;
        // It is our child and not reaped yet, so the number is its own.
        let namespace = sys.open_namespace(Some(process), "net")?;
        let route = Netlink::route(sys)?;
        let veth = Veth {
            name: &place.veth,
            bridge: &place.bridge,
            master: place.master,
            mac: Mac::of(place.address),
            mtu: place.mtu,
        };
        links::make_veth(sys, &route, &veth, &namespace)?;
        Ok(())
    }

    /// In the container: gives `eth0` its address and sets it up.
    pub fn add_address(&self, sys: &mut Sys) -> Result<(), StepError> {
        let place = self.attachment.as_ref().ok_or_else(no_place)?;
        let route = Netlink::route(sys)?;
        let index = links::index_of(sys, "eth0")?;
        links::add_address(sys, &route, ("eth0", index), place.address, &place.subnet)?;
        links::set_up(sys, &route, "eth0")?;
        Ok(())
    }

    /// In the container: the way to everybody else is the host.
    pub fn add_route(&self, sys: &mut Sys) -> Result<(), StepError> {
        let place = self.attachment.as_ref().ok_or_else(no_place)?;
        let route = Netlink::route(sys)?;
        links::add_default_route(sys, &route, place.subnet.gateway())?;
        Ok(())
    }

    /// Finds the process whose network namespace is to be shared, and holds on to it.
    pub fn find_shared(
        &mut self,
        sys: &mut Sys,
        spec: &ContainerSpec,
        dir: &ContainerDir,
        host: &Host,
    ) -> Result<(), StepError> {
        let NetworkMode::Container(other) = spec.network_mode() else { return Err(no_place()) };
        let theirs = dir.sibling(&other);
        let not_running = || {
            let hint = format!("Start {other} first: it is its network that is shared.");
            StepError::said("join the network", format!("container {other} does not run"), &hint)
        };
        let text = format!("pidfd_open(<{other}>, 0)");
        let found = sys.call(text, None, || {
            let record = theirs.status().ok().flatten();
            let running = |record: &StatusRecord| record.phase == Phase::Running;
            let init = record.filter(running).and_then(|record| record.init);
            // A pidfd, and checked after it was taken: no later process of that number.
            init.and_then(process::open).map(Some).ok_or(libc::ESRCH)
        });
        match found {
            Ok(found) => self.shared = found,
            Err(error) if error.errno == libc::ESRCH => return Err(not_running()),
            Err(error) => return Err(error.into()),
        }
        if !sys.is_preview() {
            // As long as this container runs, the other's address is not given away.
            let id =
                theirs.spec_file().ok().flatten().map(|file| file.id).ok_or_else(not_running)?;
            let mut quiet = Sys::real(None);
            if let Some(mut machine) = Machine::lock_existing(&mut quiet, &host.machine.boot_id) {
                let segments = machine.registry.segments.iter_mut();
                let leases = segments.filter_map(|segment| segment.lease_of(&id));
                leases.for_each(|lease| lease.holders.extend(process::identify_self()));
                machine.save(sys)?;
            }
        }
        Ok(())
    }

    /// In the container: enters the network namespace that is shared.
    pub fn join_shared(&mut self, sys: &mut Sys) -> Result<(), StepError> {
        match (self.shared.take(), sys.is_preview()) {
            (None, false) => Err(no_place()),
            (process, _) => {
                let text = "setns(<pidfd>, CLONE_NEWNET)".to_string();
                sys.call(text, (), || match &process {
                    Some(process) => nix::sched::setns(process, CloneFlags::CLONE_NEWNET),
                    None => Ok(()),
                })?;
                Ok(())
            }
        }
    }

    /// The files that are shown in the container's /etc: its own, or with a network also the
    /// files that belong to it are shared.
    pub fn files(spec: &ContainerSpec, dir: &ContainerDir) -> [EtcFile; 3] {
        names::FILES.map(|name| {
            let theirs = match spec.network_mode() {
                NetworkMode::Container(other) if name != "hostname" => Some(dir.sibling(&other)),
                _ => None,
            };
            let path = names::folder(theirs.as_ref().unwrap_or(dir).path()).join(name);
            EtcFile { name, path, shared: theirs.is_some() }
        })
    }

    /// The descriptors that init needs.
    pub fn descriptors(&self) -> Option<i32> {
        self.shared.as_ref().map(AsRawFd::as_raw_fd)
    }

    /// What users are told.
    pub fn info(&self, spec: &ContainerSpec) -> NetworkInfo {
        let endpoint = self.attachment.as_ref().map(|place| NetworkEndpoint {
            name: place.network.clone(),
            ip_address: place.address.into(),
            gateway: place.subnet.gateway().into(),
            mac: Mac::of(place.address).to_string(),
        });
        NetworkInfo {
            networks: endpoint.into_iter().collect(),
            caveats: self.caveats.clone(),
            ..NetworkInfo::at_rest(spec)
        }
    }
}

/// The address it had when it last ran on that network.
fn last_address(dir: &ContainerDir, network: &str) -> Option<Ipv4Addr> {
    let info = dir.status().ok().flatten()?.network?;
    let endpoint = info.networks.into_iter().find(|endpoint| endpoint.name == network)?;
    match endpoint.ip_address {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    }
}

/// What is up of a network, as the containers of `root` see it.
pub(crate) fn up(key: &Key, root: &Path, boot_id: &str) -> Option<NetworkUp> {
    let machine = Machine::lock_existing(&mut Sys::real(None), boot_id)?;
    let segment = machine.registry.segment(key)?;
    machine.link(&segment.bridge)?;
    let here = segment.leases.iter().filter(|lease| lease.root == root);
    let member = |lease: &Lease| NetworkMember {
        names: lease.names.clone(),
        id: lease.container.clone(),
        ip_address: lease.address,
    };
    Some(NetworkUp {
        subnet: segment.subnet,
        bridge: segment.bridge.clone(),
        containers: here.filter(|lease| !lease.holders.is_empty()).map(member).collect(),
    })
}

fn said(attempt: &str, why: String) -> StepError {
    let hint = "Stop the containers that use it, remove what stands in the way, or choose another \
                subnet or network.";
    StepError::said(attempt, why, hint)
}

/// A step that comes before the one it needs.
fn no_place() -> StepError {
    StepError::from(SysError { call: "the bridge step".into(), errno: libc::EINVAL })
}
