//! The networks of this machine, which all programs and roots share: one registry for a network
//! namespace of the host, under a lock, made to agree with the kernel each time it is taken.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use nix::libc;
use nix::time::{ClockId, clock_gettime};

use super::links::{self, Link, Mac, Route};
use super::names;
use super::netlink::Netlink;
use super::registry::{Key, Registry, Segment};
use super::rules::Rules;
use crate::linux::process;
use crate::linux::sys::{Sys, SysError, SysResult};
use crate::lock;
use crate::spec::Subnet;
use crate::status::ProcessIdentity;

/// What is kept here is worth nothing after a reboot.
const STATE: &str = "/run/minidocker";

/// The smallest and the usual size of a packet.
const MTU: (u32, u32) = (1280, 1500);

/// The registry, locked, and what the kernel says at the same time.
#[derive(Debug)]
pub(crate) struct Machine {
    folder: PathBuf,
    /// None in a preview.
    #[expect(dead_code, reason = "held, not used")]
    lock: Option<File>,
    pub registry: Registry,
    pub links: Vec<Link>,
    pub route: Netlink,
}

/// The folder for the network namespace that this thread is in: what is up there is nobody
/// else's.
fn folder() -> std::io::Result<PathBuf> {
    let namespace = fs::metadata("/proc/thread-self/ns/net")?.ino();
    Ok(Path::new(STATE).join(format!("net-{namespace}")))
}

/// Milliseconds since the machine's boot.
pub(crate) fn uptime() -> u64 {
    clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(0, |now| {
        let millis = now.tv_sec() * 1000 + now.tv_nsec() / 1_000_000;
        u64::try_from(millis).unwrap_or(0)
    })
}

/// Whether a process is still the one that was meant.
pub(crate) fn is_alive(identity: &ProcessIdentity) -> bool {
    process::identify(identity.pid) == Some(*identity)
}

impl Machine {
    /// Locks the registry, waiting for others, and makes it agree with the kernel.
    pub fn lock(sys: &mut Sys, boot_id: &str) -> SysResult<Machine> {
        let folder = folder().map_err(|error| SysError {
            call: "stat(\"/proc/thread-self/ns/net\")".into(),
            errno: error.raw_os_error().unwrap_or(libc::EIO),
        })?;
        let text = format!("flock({:?}, LOCK_EX)", folder.join("lock"));
        let lock = sys.call(text, None, || locked(&folder).map(Some))?;
        Machine::open(sys, folder, lock, boot_id)
    }

    /// As [`Machine::lock`], if there ever was anything. None also where we may not look.
    pub fn lock_existing(sys: &mut Sys, boot_id: &str) -> Option<Machine> {
        let folder = folder().ok().filter(|folder| folder.join("registry.json").exists())?;
        let lock = locked(&folder).ok()?;
        Machine::open(sys, folder, Some(lock), boot_id).ok()
    }

    fn open(
        sys: &mut Sys,
        folder: PathBuf,
        lock: Option<File>,
        boot_id: &str,
    ) -> SysResult<Machine> {
        let path = folder.join("registry.json");
        let text = format!("read({path:?})");
        let bytes = sys.call(text, Vec::new(), || match fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            result => result,
        })?;
        // What cannot be read was written by nobody who is still alive: the kernel's interfaces
        // tell which addresses are taken all the same.
        let mut registry: Registry = serde_json::from_slice(&bytes).unwrap_or_default();
        if registry.boot_id != boot_id {
            registry = Registry { boot_id: boot_id.to_string(), ..Registry::default() };
        }
        let route = Netlink::route(sys)?;
        let links = links::all(sys, &route)?;
        registry.reconcile(&links, is_alive);
        Ok(Machine { folder, lock, registry, links, route })
    }

    /// Writes the registry: before a change of the kernel, so that who finds that half done knows of it.
    pub fn save(&self, sys: &mut Sys) -> SysResult<()> {
        let path = self.folder.join("registry.json");
        let text = format!("write({path:?})");
        sys.call(text, (), || {
            let spare = self.folder.join("registry.json.new");
            let bytes = serde_json::to_vec(&self.registry).map_err(std::io::Error::other)?;
            File::create(&spare)?.write_all(&bytes)?;
            fs::rename(&spare, &path)
        })
    }

    /// The interface called `name`.
    pub fn link(&self, name: &str) -> Option<&Link> {
        self.links.iter().find(|link| link.name == name)
    }

    /// Sees to it that the bridge of `key` is up. Returns its place in the registry and its
    /// index, or in words why that cannot be.
    pub fn ensure_bridge(
        &mut self,
        sys: &mut Sys,
        key: &Key,
        asked: Option<Subnet>,
    ) -> SysResult<Result<(usize, u32), String>> {
        let known = self.registry.segments.iter().position(|segment| segment.key == *key);
        if let Some(place) = known {
            let Segment { bridge, subnet, .. } = &self.registry.segments[place];
            if let Some(asked) = asked.filter(|asked| asked != subnet) {
                return Ok(Err(already_up(bridge, *subnet, asked)));
            }
            if let Some(link) = self.link(bridge) {
                return Ok(Ok((place, link.index)));
            }
        }
        let routes = links::routes(sys, &self.route)?;
        let (place, made) = match known {
            // Somebody has removed the bridge; its addresses are still the network's.
            Some(place) => (place, None),
            None => match self.new_segment(sys, key, asked, &routes)? {
                Ok((segment, made)) => {
                    self.registry.segments.push(segment);
                    (self.registry.segments.len() - 1, made)
                }
                Err(why) => return Ok(Err(why)),
            },
        };
        self.save(sys)?;
        match made {
            Some(index) => Ok(Ok((place, index))),
            None => self.make_bridge(sys, place).map(|index| Ok((place, index))),
        }
    }

    /// What a network that comes up is to be, and the index of its bridge if there is one.
    fn new_segment(
        &self,
        sys: &mut Sys,
        key: &Key,
        asked: Option<Subnet>,
        routes: &[Route],
    ) -> SysResult<Result<(Segment, Option<u32>), String>> {
        let bridge = self.registry.free_bridge(key, &self.links);
        let segment = |subnet: Subnet, mtu: u32| Segment {
            key: key.clone(),
            bridge: bridge.clone(),
            subnet,
            mtu,
            last: subnet.gateway(),
            idle_since: Some(uptime()),
            leases: Vec::new(),
        };
        if let Some(link) = self.link(&bridge) {
            if link.kind != "bridge" {
                return Ok(Err(format!("there is an interface {bridge} that is not ours")));
            }
            // Ours, of which there is no record any more. If containers are still on it, it is
            // taken over as it is.
            let in_use = self.links.iter().any(|port| port.master == link.index);
            let theirs = routes.iter().find(|route| route.through == link.index);
            let subnet = theirs.and_then(Route::subnet);
            if let (true, Some(subnet)) = (in_use, subnet) {
                return Ok(match asked.filter(|asked| *asked != subnet) {
                    Some(asked) => Err(already_up(&bridge, subnet, asked)),
                    None => Ok((segment(subnet, link.mtu), Some(link.index))),
                });
            }
            links::remove(sys, &self.route, &bridge)?;
        }
        let subnet = match asked {
            Some(asked) => match self.registry.claim(&asked, routes) {
                Some(claim) => return Ok(Err(format!("{asked} cannot be used: {claim}"))),
                None => asked,
            },
            None => match self.registry.free_subnet(key, routes) {
                Some(subnet) => subnet,
                None => {
                    let why = "this machine has routes to all addresses that we could use";
                    return Ok(Err(why.into()));
                }
            },
        };
        let outward = routes.iter().find(|route| route.to.is_none());
        let uplink =
            outward.and_then(|route| self.links.iter().find(|link| link.index == route.through));
        // What is too long for the way out would be lost, or cut in pieces.
        let mtu = uplink.map_or(MTU.1, |link| link.mtu.clamp(MTU.0, MTU.1));
        Ok(Ok((segment(subnet, mtu), None)))
    }

    fn make_bridge(&self, sys: &mut Sys, place: usize) -> SysResult<u32> {
        let Segment { bridge, subnet, mtu, .. } = &self.registry.segments[place];
        let gateway = subnet.gateway();
        links::make_bridge(sys, &self.route, bridge, Mac::of(gateway), *mtu)?;
        let index = links::index_of(sys, bridge)?;
        // A container could say over IPv6 that it is the way to the internet, and the host
        // would believe it (CVE-2020-13401). Where there is no IPv6 there is no such file.
        let silent = PathBuf::from(format!("/proc/sys/net/ipv6/conf/{bridge}/disable_ipv6"));
        match sys.write_file(&silent, "1") {
            Err(error) if error.errno != libc::ENOENT => return Err(error),
            _ => {}
        }
        links::add_address(sys, &self.route, (bridge, index), gateway, subnet)?;
        links::set_up(sys, &self.route, bridge)?;
        Ok(index)
    }

    /// Sees to it that containers get out, and nobody else in: the rules, and the forwarding.
    /// Returns why not, where this kernel cannot.
    pub fn ensure_way_out(&mut self, sys: &mut Sys) -> SysResult<Option<String>> {
        let netfilter = match Netlink::netfilter(sys) {
            Ok(netfilter) => netfilter,
            Err(error) if is_missing(error.errno) => return self.close(sys, &error),
            Err(error) => return Err(error),
        };
        let opened = self.to_open(sys)?;
        let there = match self.rules(&opened).are_there(sys, &netfilter) {
            Err(error) if is_missing(error.errno) => return self.close(sys, &error),
            result => result?,
        };
        if !there {
            self.registry.opened = opened.clone();
            self.save(sys)?;
            // The rules first: what they keep out must not come in meanwhile.
            match self.rules(&opened).replace(sys, &netfilter) {
                Err(error) if is_missing(error.errno) => return self.close(sys, &error),
                result => result?,
            }
        }
        let bridges = self.registry.segments.iter().map(|segment| &segment.bridge);
        for interface in bridges.chain(&opened) {
            forward(sys, interface, true)?;
        }
        Ok(None)
    }

    fn rules(&self, opened: &[String]) -> Rules {
        let segments = self.registry.segments.iter();
        Rules {
            bridges: segments.map(|segment| (segment.bridge.clone(), segment.subnet)).collect(),
            opened: opened.to_vec(),
        }
    }

    /// The interfaces that must forward for our sake. The kernel asks the one that a packet
    /// comes in by, so besides our bridges it is those that answers come in by.
    fn to_open(&self, sys: &mut Sys) -> SysResult<Vec<String>> {
        let all = sys.read_file(Path::new("/proc/sys/net/ipv4/ip_forward"))?;
        if all.trim() == "1" {
            return Ok(Vec::new());
        }
        let routes = links::routes(sys, &self.route)?;
        let ours = |name: &str| self.registry.segments.iter().any(|other| other.bridge == name);
        let mut names = Vec::new();
        for link in &self.links {
            let leads_out = routes.iter().any(|route| route.through == link.index);
            if leads_out && link.name != "lo" && !ours(&link.name) {
                let asked = self.registry.opened.contains(&link.name);
                if asked || !forwards(sys, &link.name)? {
                    names.push(link.name.clone());
                }
            }
        }
        Ok(names)
    }

    /// Without rules nothing may be forwarded: networks would not be apart, and addresses not
    /// hidden.
    fn close(&mut self, sys: &mut Sys, error: &SysError) -> SysResult<Option<String>> {
        for Segment { bridge, .. } in &self.registry.segments {
            forward(sys, bridge, false)?;
        }
        Ok(Some(format!(
            "no way out of this machine: its kernel has no nftables with masquerading ({} => {}); \
             containers of one network reach each other and the host",
            error.call,
            crate::error::Errno(error.errno)
        )))
    }

    /// Removes what nobody uses: interfaces and leases of the dead, bridges without leases that
    /// `may_go` has nothing against, and with the last of them all the rest.
    ///
    /// The interface of who left in order goes with its namespace, which the kernel is about to
    /// remove. To ask for it too would mean to wait for that, for tens of milliseconds: it is only
    /// done where its bridge is to go.
    pub fn sweep(&mut self, sys: &mut Sys, may_go: impl Fn(&Segment) -> bool) -> SysResult<()> {
        let mut changed = false;
        for segment in &mut self.registry.segments {
            let goes = segment.idle_since.is_some() && may_go(segment);
            let mut dead = segment.leases.clone();
            dead.retain(|lease| match lease.holders.is_empty() {
                true => goes,
                false => !lease.holders.iter().any(is_alive),
            });
            for lease in &dead {
                absent(links::remove(sys, &self.route, &lease.veth()))?;
            }
            changed |= !dead.is_empty();
            segment.leases.retain(|lease| !dead.contains(lease));
        }
        let can_go = |segment: &Segment| segment.leases.is_empty() && may_go(segment);
        let nothing_here = self.registry.segments.is_empty();
        if !changed && !nothing_here && !self.registry.segments.iter().any(can_go) {
            return Ok(());
        }
        let (idle, used): (Vec<Segment>, Vec<Segment>) =
            std::mem::take(&mut self.registry.segments).into_iter().partition(can_go);
        for segment in &idle {
            absent(links::remove(sys, &self.route, &segment.bridge))?;
        }
        self.registry.segments = used;
        if changed {
            self.tell_names(sys);
        }
        if self.registry.segments.is_empty() {
            return self.remove_all(sys);
        }
        self.save(sys)?;
        if !idle.is_empty() {
            self.ensure_way_out(sys)?;
        }
        Ok(())
    }

    /// Removes the rules, undoes the forwarding, and forgets everything.
    fn remove_all(&mut self, sys: &mut Sys) -> SysResult<()> {
        match Netlink::netfilter(sys).and_then(|netfilter| Rules::remove(sys, &netfilter)) {
            Err(error) if !is_missing(error.errno) => return Err(error),
            _ => {}
        }
        // Unless all interfaces forward by now, for somebody else's sake.
        let all = sys.read_file(Path::new("/proc/sys/net/ipv4/ip_forward"))?;
        if all.trim() != "1" {
            for interface in &self.registry.opened {
                forward(sys, interface, false)?;
            }
        }
        let folder = self.folder.clone();
        sys.call(format!("remove({folder:?})"), (), || {
            fs::remove_dir_all(&folder)?;
            // Other namespaces may have theirs here.
            let _ = fs::remove_dir(STATE);
            Ok::<_, std::io::Error>(())
        })
    }

    /// Writes the names of everybody into everybody's file.
    pub fn tell_names(&self, sys: &mut Sys) {
        for segment in &self.registry.segments {
            names::tell(sys, segment);
        }
    }
}

fn already_up(bridge: &str, subnet: Subnet, asked: Subnet) -> String {
    format!("{bridge} is up with the addresses {subnet}, and not {asked}")
}

/// Locks the folder, making it if needed. Whoever had it before may have removed it, and then
/// our lock is one of nothing. ETIMEDOUT if it is not to be had within [`lock::LONGEST_WAIT`].
fn locked(folder: &Path) -> std::io::Result<File> {
    loop {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let path = folder.join("lock");
        let lock = match File::options().create(true).truncate(false).write(true).open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            result => result?,
        };
        match lock::take(&lock, lock::Mode::Exclusive, lock::LONGEST_WAIT, &path) {
            Ok(true) => {}
            // Whoever has it stands still: stopped, or kept waiting itself.
            Ok(false) => return Err(std::io::Error::from_raw_os_error(libc::ETIMEDOUT)),
            Err(error) => return Err(std::io::Error::other(error)),
        }
        let same = fs::metadata(&path).is_ok_and(|found| {
            lock.metadata().is_ok_and(|held| found.ino() == held.ino() && found.dev() == held.dev())
        });
        if same {
            return Ok(lock);
        }
    }
}

/// What a kernel says to what it does not have.
fn is_missing(errno: i32) -> bool {
    [
        libc::EPROTONOSUPPORT,
        libc::EAFNOSUPPORT,
        libc::EOPNOTSUPP,
        libc::ENOENT,
        libc::EINVAL,
        libc::ENOPROTOOPT,
    ]
    .contains(&errno)
}

/// Takes "not there" for done.
fn absent(result: SysResult<()>) -> SysResult<()> {
    match result {
        Err(error) if error.errno == libc::ENODEV => Ok(()),
        result => result,
    }
}

fn switch(interface: &str) -> PathBuf {
    PathBuf::from(format!("/proc/sys/net/ipv4/conf/{interface}/forwarding"))
}

fn forwards(sys: &mut Sys, interface: &str) -> SysResult<bool> {
    match sys.read_file(&switch(interface)) {
        // It has gone since it was listed.
        Err(error) if error.errno == libc::ENOENT => Ok(true),
        result => result.map(|text| text.trim() == "1"),
    }
}

/// Lets packets that come in by an interface go on to others, or not.
fn forward(sys: &mut Sys, interface: &str, on: bool) -> SysResult<()> {
    if forwards(sys, interface)? == on {
        return Ok(());
    }
    match sys.write_file(&switch(interface), if on { "1" } else { "0" }) {
        Err(error) if error.errno == libc::ENOENT => Ok(()),
        result => result,
    }
}
