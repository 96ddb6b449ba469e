//! Blocks of addresses.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::refuse;
use crate::error::{Error, Result};

/// A block of IPv4 addresses for the containers of one network, such as `10.88.0.0/16`: the
/// first 16 bits are the same for all, the others are each container's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Subnet {
    first: Ipv4Addr,
    prefix: u8,
}

impl Subnet {
    /// A block that is known to be one.
    #[cfg_attr(not(linux_backend), allow(dead_code))]
    pub(crate) const fn constant(first: [u8; 4], prefix: u8) -> Subnet {
        let [a, b, c, d] = first;
        Subnet { first: Ipv4Addr::new(a, b, c, d), prefix }
    }

    /// Its first address, which names the block and belongs to nobody.
    pub fn network(&self) -> Ipv4Addr {
        self.first
    }

    /// How many bits are the same for all its addresses.
    pub fn prefix(&self) -> u8 {
        self.prefix
    }

    /// The host's own address on the network: the one after the first.
    pub fn gateway(&self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.first.to_bits() + 1)
    }

    /// The last address, which means everybody.
    pub fn broadcast(&self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.first.to_bits() | !self.mask())
    }

    /// Whether an address is of the block.
    pub fn contains(&self, address: Ipv4Addr) -> bool {
        address.to_bits() & self.mask() == self.first.to_bits()
    }

    /// Whether two blocks have an address in common.
    pub fn overlaps(&self, other: &Subnet) -> bool {
        self.contains(other.first) || other.contains(self.first)
    }

    /// The mask: a one for each bit that is the same for all.
    pub(crate) fn mask(&self) -> u32 {
        u32::MAX << (32 - self.prefix)
    }
}

impl FromStr for Subnet {
    type Err = Error;

    fn from_str(text: &str) -> Result<Subnet> {
        const HINT: &str = "Give a private block, its first address and its prefix from 8 to 29, \
                            for example 10.88.0.0/16.";
        let bad = |why: &str| refuse("subnet", text, why, HINT);
        let (first, prefix) = text.split_once('/').ok_or_else(|| bad("it has no prefix"))?;
        let first: Ipv4Addr = first.parse().map_err(|_| bad("it has no IPv4 address"))?;
        let prefix = match prefix.parse::<u8>() {
            // u8 would take a sign in front.
            Ok(prefix @ 8..=29) if !text.contains('+') => prefix,
            _ => return Err(bad("the prefix is not a number from 8 to 29")),
        };
        let subnet = Subnet { first, prefix };
        if !subnet.contains(first) {
            return Err(bad("its address is not the first of the block"));
        }
        // What is not private belongs to somebody, whom the containers could not reach then.
        let private = [([10, 0, 0, 0], 8), ([172, 16, 0, 0], 12), ([192, 168, 0, 0], 16)]
            .into_iter()
            .chain([([100, 64, 0, 0], 10), ([198, 18, 0, 0], 15)])
            .map(|(first, prefix)| Subnet::constant(first, prefix));
        let is_private = |block: Subnet| block.contains(first) && block.prefix <= prefix;
        match private.into_iter().any(is_private) {
            true => Ok(subnet),
            false => Err(bad("it is not a block for private networks (RFC 1918)")),
        }
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.prefix)
    }
}

impl TryFrom<String> for Subnet {
    type Error = Error;

    fn try_from(text: String) -> Result<Subnet> {
        text.parse()
    }
}

impl From<Subnet> for String {
    fn from(subnet: Subnet) -> String {
        subnet.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_knows_its_addresses() {
        let subnet: Subnet = "10.88.4.0/22".parse().unwrap();
        assert_eq!(subnet.gateway(), Ipv4Addr::new(10, 88, 4, 1));
        assert_eq!(subnet.broadcast(), Ipv4Addr::new(10, 88, 7, 255));
        assert!(subnet.contains(Ipv4Addr::new(10, 88, 7, 1)));
        assert!(!subnet.contains(Ipv4Addr::new(10, 88, 8, 0)));
        let overlaps = |other: &str| subnet.overlaps(&other.parse().unwrap());
        assert!(overlaps("10.0.0.0/8") && overlaps("10.88.6.0/24") && overlaps("10.88.4.0/22"));
        assert!(!overlaps("10.88.8.0/22") && !overlaps("192.168.0.0/16"));
        assert_eq!(subnet.to_string(), "10.88.4.0/22");
    }

    #[test]
    fn what_is_no_private_block_is_refused() {
        for text in [
            "10.88.0.0",
            "10.88.0.0/",
            "10.88.0.0/33",
            "10.88.0.0/30",
            "10.0.0.0/7",
            "10.88.0.1/16",
            "8.8.8.0/24",
            "127.0.0.0/8",
            "172.0.0.0/8",
            "fd00::/16",
            "10.88.0.0/+16",
        ] {
            assert!(text.parse::<Subnet>().is_err(), "{text}");
        }
        for text in ["10.0.0.0/8", "172.31.0.0/16", "192.168.240.0/29", "100.64.0.0/10"] {
            assert_eq!(text.parse::<Subnet>().unwrap().to_string(), text);
        }
    }
}
