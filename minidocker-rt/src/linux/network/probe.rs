//! Whether this process can make bridges here: tried out, in a network namespace that goes at
//! once.

use std::net::Ipv4Addr;

use nix::sched::CloneFlags;

use super::links::{self, Mac, Veth};
use super::netlink::Netlink;
use crate::linux::sys::{Sys, SysResult};

/// Why containers cannot be on a bridge here; None if they can. Takes a millisecond, and loads
/// the kernel's modules if they are not yet.
pub(crate) fn refusal() -> Option<String> {
    // The namespace is the thread's, and ends with it.
    let tried = std::thread::Builder::new().name("network probe".into()).spawn(try_out);
    match tried.map(std::thread::JoinHandle::join) {
        Ok(Ok(Ok(()))) => None,
        Ok(Ok(Err(error))) => {
            Some(format!("{} => {}", error.call, crate::error::Errno(error.errno)))
        }
        Ok(Err(_)) => Some("the trial of a bridge ended early".into()),
        Err(error) => Some(format!("no thread can be started: {error}")),
    }
}

fn try_out() -> SysResult<()> {
    let mut sys = Sys::real(None);
    sys.unshare(CloneFlags::CLONE_NEWNET)?;
    let route = Netlink::route(&mut sys)?;
    let address = Ipv4Addr::new(10, 88, 0, 1);
    links::make_bridge(&mut sys, &route, "probe", Mac::of(address), 1500)?;
    let namespace = sys.open_namespace(None, "net")?;
    let veth = Veth {
        name: "probe-port",
        bridge: "probe",
        master: links::index_of(&mut sys, "probe")?,
        mac: Mac::of(address),
        mtu: 1500,
    };
    links::make_veth(&mut sys, &route, &veth, &namespace)
}
