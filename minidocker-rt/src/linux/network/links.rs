//! Interfaces, addresses and routes: what `ip` does.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use netlink_bindings::rt_addr::{Ifaddrmsg, OpNewaddrDo};
use netlink_bindings::rt_link::{
    Ifinfomsg, OpDellinkDo, OpGetlinkDump, OpNewlinkDo, PushLinkAttrs,
};
use netlink_bindings::rt_route::{OpGetrouteDump, OpNewrouteDo, Rtmsg};
use netlink_bindings::traits::NetlinkRequest;
use netlink_bindings::utils::{Pusher, finalize_nested_header, push_nested_header};
use nix::libc;

use super::netlink::{Netlink, Request};
use crate::linux::sys::{Handle, Sys, SysResult};
use crate::spec::Subnet;

/// A hardware address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mac([u8; 6]);

impl Mac {
    /// Made of the IPv4 address, as Docker does: whoever has the one has the other. 02 says
    /// that no manufacturer gave it.
    pub fn of(address: Ipv4Addr) -> Mac {
        let [a, b, c, d] = address.octets();
        Mac([0x02, 0x42, a, b, c, d])
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// An interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link {
    pub index: u32,
    pub name: String,
    pub mtu: u32,
    /// What made it, e.g. `bridge` or `veth`; empty for hardware.
    pub kind: String,
    /// The index of the bridge that it is a port of, or 0.
    pub master: u32,
}

/// A way to a block of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Route {
    /// None for the default route, the way to all that has no other.
    pub to: Option<(Ipv4Addr, u8)>,
    /// The index of the interface that it leads through.
    pub through: u32,
}

/// All interfaces of the socket's namespace.
pub(crate) fn all(sys: &mut Sys, route: &Netlink) -> SysResult<Vec<Link>> {
    // The counters are most of what there is to tell (RTEXT_FILTER_SKIP_STATS).
    const SKIP_STATS: u32 = 1 << 3;
    let request = Request::one(libc::RTM_GETLINK, libc::NLM_F_DUMP, |body| {
        OpGetlinkDump::encode_request(body, &Ifinfomsg::new()).push_ext_mask(SKIP_STATS);
    });
    let answer = route.ask(sys, "RTM_GETLINK {all}", &request)?;
    let link = |body: &Vec<u8>| {
        let (header, attributes) = OpGetlinkDump::decode_reply(body);
        let kind = attributes.get_linkinfo().and_then(|info| info.get_kind());
        Some(Link {
            index: u32::try_from(header.ifi_index).ok()?,
            name: attributes.get_ifname().ok()?.to_string_lossy().into_owned(),
            mtu: attributes.get_mtu().unwrap_or(0),
            master: attributes.get_master().unwrap_or(0),
            kind: kind.map_or_else(|_| String::new(), |kind| kind.to_string_lossy().into_owned()),
        })
    };
    Ok(answer.iter().filter_map(link).collect())
}

/// All IPv4 routes to others: what this machine reaches already.
pub(crate) fn routes(sys: &mut Sys, route: &Netlink) -> SysResult<Vec<Route>> {
    let header = Rtmsg { rtm_family: libc::AF_INET as u8, ..Rtmsg::new() };
    let request = Request::one(libc::RTM_GETROUTE, libc::NLM_F_DUMP, |body| {
        OpGetrouteDump::encode_request(body, &header);
    });
    let answer = route.ask(sys, "RTM_GETROUTE {AF_INET, all}", &request)?;
    let route = |body: &Vec<u8>| {
        let (header, attributes) = OpGetrouteDump::decode_reply(body);
        if header.rtm_type != libc::RTN_UNICAST {
            return None;
        }
        let to = match attributes.get_dst() {
            Ok(IpAddr::V4(to)) => Some((to, header.rtm_dst_len)),
            Ok(IpAddr::V6(_)) => return None,
            Err(_) => None,
        };
        Some(Route { to, through: attributes.get_oif().unwrap_or(0) })
    };
    Ok(answer.iter().filter_map(route).collect())
}

impl Route {
    /// The block that it leads to, if it could be one of ours.
    pub fn subnet(&self) -> Option<Subnet> {
        let (to, prefix) = self.to?;
        format!("{to}/{prefix}").parse().ok()
    }

    /// Whether it leads to an address of `subnet`. What leads to half of the world or more, the
    /// default route or the halves that some VPNs make of it, is no claim to anything.
    pub fn claims(&self, subnet: &Subnet) -> bool {
        match self.to {
            Some((to, prefix @ 8..)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
                let common = mask & subnet.mask();
                to.to_bits() & common == subnet.network().to_bits() & common
            }
            _ => false,
        }
    }
}

/// Makes a bridge, which is down.
pub(crate) fn make_bridge(
    sys: &mut Sys,
    route: &Netlink,
    name: &str,
    mac: Mac,
    mtu: u32,
) -> SysResult<()> {
    let request = Request::one(libc::RTM_NEWLINK, libc::NLM_F_CREATE | libc::NLM_F_EXCL, |body| {
        OpNewlinkDo::encode_request(body, &Ifinfomsg::new())
            .push_ifname_bytes(name.as_bytes())
            .push_address(&mac.0)
            .push_mtu(mtu)
            .nested_linkinfo()
            .push_kind(c"bridge");
    });
    let text = format!("RTM_NEWLINK {{name={name:?}, kind=bridge, address={mac}, mtu={mtu}}}");
    route.ask(sys, &text, &request).map(drop)
}

/// A veth pair: what goes into one end comes out of the other.
pub(crate) struct Veth<'a> {
    /// The host's end, a port of the bridge.
    pub name: &'a str,
    pub bridge: &'a str,
    /// The bridge's index.
    pub master: u32,
    /// The hardware address of the container's end.
    pub mac: Mac,
    pub mtu: u32,
}

/// Makes a veth pair: the host's end plugged into the bridge and up, the container's end in its
/// network namespace as `eth0`, still down. One message does it all or nothing.
pub(crate) fn make_veth(
    sys: &mut Sys,
    route: &Netlink,
    veth: &Veth<'_>,
    namespace: &Handle,
) -> SysResult<()> {
    /// VETH_INFO_PEER, which is no part of the kernel's published specification of rt-link.
    const PEER: u16 = 1;
    /// IFLA_INFO_DATA.
    const DATA: u16 = 2;
    let namespace = namespace.raw().map_or(0, i32::cast_unsigned);
    let up = Ifinfomsg {
        ifi_flags: libc::IFF_UP.cast_unsigned(),
        ifi_change: libc::IFF_UP.cast_unsigned(),
        ..Ifinfomsg::new()
    };
    let request = Request::one(libc::RTM_NEWLINK, libc::NLM_F_CREATE | libc::NLM_F_EXCL, |body| {
        let mut info = OpNewlinkDo::encode_request(body, &up)
            .push_ifname_bytes(veth.name.as_bytes())
            .push_mtu(veth.mtu)
            .push_master(veth.master)
            .nested_linkinfo()
            .push_kind(c"veth");
        let inner = info.as_vec_mut();
        let data = push_nested_header(inner, DATA);
        let peer = push_nested_header(inner, PEER);
        inner.extend(Ifinfomsg::new().as_slice());
        PushLinkAttrs::new(&mut *inner)
            .push_ifname(c"eth0")
            .push_address(&veth.mac.0)
            .push_mtu(veth.mtu)
            .push_net_ns_fd(namespace);
        finalize_nested_header(inner, peer);
        finalize_nested_header(inner, data);
    });
    let text = format!(
        "RTM_NEWLINK {{name={:?}, kind=veth, master={:?}, mtu={}, IFF_UP, peer={{name=\"eth0\", \
         address={}, netns=<container>}}}}",
        veth.name, veth.bridge, veth.mtu, veth.mac
    );
    route.ask(sys, &text, &request).map(drop)
}

/// Sets an interface up.
pub(crate) fn set_up(sys: &mut Sys, route: &Netlink, name: &str) -> SysResult<()> {
    let up = Ifinfomsg {
        ifi_flags: libc::IFF_UP.cast_unsigned(),
        ifi_change: libc::IFF_UP.cast_unsigned(),
        ..Ifinfomsg::new()
    };
    let request = Request::one(libc::RTM_NEWLINK, 0, |body| {
        OpNewlinkDo::encode_request(body, &up).push_ifname_bytes(name.as_bytes());
    });
    route.ask(sys, &format!("RTM_NEWLINK {{name={name:?}, IFF_UP}}"), &request).map(drop)
}

/// Removes an interface; a veth takes its other end along.
pub(crate) fn remove(sys: &mut Sys, route: &Netlink, name: &str) -> SysResult<()> {
    let request = Request::one(libc::RTM_DELLINK, 0, |body| {
        OpDellinkDo::encode_request(body, &Ifinfomsg::new()).push_ifname_bytes(name.as_bytes());
    });
    route.ask(sys, &format!("RTM_DELLINK {{name={name:?}}}"), &request).map(drop)
}

/// Gives an interface an address of `subnet`, and with it a route to the others there.
pub(crate) fn add_address(
    sys: &mut Sys,
    route: &Netlink,
    (name, index): (&str, u32),
    address: Ipv4Addr,
    subnet: &Subnet,
) -> SysResult<()> {
    let header = Ifaddrmsg {
        ifa_family: libc::AF_INET as u8,
        ifa_prefixlen: subnet.prefix(),
        ifa_index: index,
        ..Ifaddrmsg::new()
    };
    let request = Request::one(libc::RTM_NEWADDR, libc::NLM_F_CREATE | libc::NLM_F_EXCL, |body| {
        OpNewaddrDo::encode_request(body, &header)
            .push_local(address.into())
            .push_address(address.into())
            .push_broadcast(subnet.broadcast());
    });
    let text = format!("RTM_NEWADDR {{dev={name:?}, local={address}/{}}}", subnet.prefix());
    route.ask(sys, &text, &request).map(drop)
}

/// Makes `gateway` the way to all addresses that have no other.
pub(crate) fn add_default_route(
    sys: &mut Sys,
    route: &Netlink,
    gateway: Ipv4Addr,
) -> SysResult<()> {
    let header = Rtmsg {
        rtm_family: libc::AF_INET as u8,
        rtm_table: libc::RT_TABLE_MAIN,
        rtm_protocol: libc::RTPROT_BOOT,
        rtm_scope: libc::RT_SCOPE_UNIVERSE,
        rtm_type: libc::RTN_UNICAST,
        ..Rtmsg::new()
    };
    let request = Request::one(libc::RTM_NEWROUTE, libc::NLM_F_CREATE | libc::NLM_F_EXCL, |body| {
        OpNewrouteDo::encode_request(body, &header).push_gateway(gateway.into());
    });
    route.ask(sys, &format!("RTM_NEWROUTE {{default, gateway={gateway}}}"), &request).map(drop)
}

/// The index of an interface of this process's network namespace.
pub(crate) fn index_of(sys: &mut Sys, name: &str) -> SysResult<u32> {
    sys.call(format!("ioctl(SIOCGIFINDEX, {{{name:?}}})"), 0, || {
        nix::net::if_::if_nametoindex(name)
    })
}
