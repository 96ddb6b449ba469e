//! Which network a container is on, and what it calls the machines there.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{ContainerName, ContainerSpec, Hostname, refuse};
use crate::error::{Error, Result};

/// Which network a container is on, written as Docker writes it.
///
/// | text | meaning |
/// |---|---|
/// | `bridge` | the machine's common bridge, with an address of its own; the default |
/// | `none` | nothing but its own loopback interface |
/// | `host` | the host's network itself, without any isolation |
/// | `container:NAME` | that of another container, which must run |
/// | any other name | a network made with [`crate::Runtime::create_network`] |
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum NetworkMode {
    /// The common bridge of this machine: an address of its own, and the way out through the
    /// host's.
    Bridge,
    /// A network namespace with a loopback interface, and no way out.
    None,
    /// No network namespace: the interfaces, addresses and ports are the host's.
    Host,
    /// The network namespace of another container of the same root.
    Container(ContainerName),
    /// A network of the same root, on a bridge of its own.
    Named(NetworkName),
}

impl NetworkMode {
    /// Whether the container gets an interface on a bridge.
    pub fn is_bridged(&self) -> bool {
        matches!(self, NetworkMode::Bridge | NetworkMode::Named(_))
    }
}

impl fmt::Display for NetworkMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NetworkMode::Bridge => f.write_str("bridge"),
            NetworkMode::None => f.write_str("none"),
            NetworkMode::Host => f.write_str("host"),
            NetworkMode::Container(name) => write!(f, "container:{name}"),
            NetworkMode::Named(name) => name.fmt(f),
        }
    }
}

impl FromStr for NetworkMode {
    type Err = Error;

    fn from_str(text: &str) -> Result<NetworkMode> {
        Ok(match text {
            "bridge" => NetworkMode::Bridge,
            "none" => NetworkMode::None,
            "host" => NetworkMode::Host,
            _ => match text.strip_prefix("container:") {
                Some(name) => NetworkMode::Container(name.parse().map_err(|_| {
                    let why = "what follows container: is not a container's name";
                    refuse("network", text, why, "Write container:NAME, for example container:db.")
                })?),
                None => NetworkMode::Named(text.parse()?),
            },
        })
    }
}

impl TryFrom<String> for NetworkMode {
    type Error = Error;

    fn try_from(text: String) -> Result<NetworkMode> {
        text.parse()
    }
}

impl From<NetworkMode> for String {
    fn from(mode: NetworkMode) -> String {
        mode.to_string()
    }
}

/// The name of a network that was made: as a container's, but none of the words that mean
/// something else.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct NetworkName(String);

impl NetworkName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for NetworkName {
    type Err = Error;

    fn from_str(text: &str) -> Result<NetworkName> {
        const HINT: &str = "Use bridge, none, host, container:NAME, or the name of a network: 1 to \
                            63 letters, digits, '-', '_' or '.', starting with a letter or digit.";
        if ["bridge", "none", "host", "container", "default"].contains(&text) {
            return Err(refuse("network", text, "the word has a meaning of its own", HINT));
        }
        match text.parse::<ContainerName>() {
            Ok(_) => Ok(NetworkName(text.to_string())),
            Err(_) => Err(refuse("network", text, "it is not a network's name", HINT)),
        }
    }
}

impl TryFrom<String> for NetworkName {
    type Error = Error;

    fn try_from(text: String) -> Result<NetworkName> {
        text.parse()
    }
}

impl From<NetworkName> for String {
    fn from(name: NetworkName) -> String {
        name.0
    }
}

impl fmt::Display for NetworkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A line of the container's /etc/hosts: `NAME:ADDRESS`, as in `--add-host db:10.0.0.7`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct ExtraHost {
    name: Hostname,
    /// None: the host's end of the container's network.
    address: Option<IpAddr>,
}

/// What Docker calls the host's address on the container's network, which is known only when the
/// container has its place there.
const HOST_GATEWAY: &str = "host-gateway";

impl ExtraHost {
    /// The name that is looked up.
    pub fn name(&self) -> &Hostname {
        &self.name
    }

    /// The address that is found. None for `host-gateway`: the host's own on the network of the
    /// container, which is known once it runs.
    pub fn address(&self) -> Option<IpAddr> {
        self.address
    }
}

impl FromStr for ExtraHost {
    type Err = Error;

    fn from_str(text: &str) -> Result<ExtraHost> {
        const HINT: &str = "Write NAME:ADDRESS, for example db:10.0.0.7 or db:[fd00::7], or \
                            NAME:host-gateway for the host itself.";
        let bad = |why| refuse("extra_hosts", text, why, HINT);
        // From the left: a name has no colon, an address of IPv6 has.
        let (name, address) = text.split_once(':').ok_or_else(|| bad("it has no colon"))?;
        let name = name.parse().map_err(|_| bad("what precedes the colon is not a host's name"))?;
        if address == HOST_GATEWAY {
            return Ok(ExtraHost { name, address: None });
        }
        let bare = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let address = bare.unwrap_or(address).parse();
        let address = address.map_err(|_| bad("what follows the colon is not an address"))?;
        Ok(ExtraHost { name, address: Some(address) })
    }
}

impl fmt::Display for ExtraHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            Some(address) => write!(f, "{}:{address}", self.name),
            None => write!(f, "{}:{HOST_GATEWAY}", self.name),
        }
    }
}

impl TryFrom<String> for ExtraHost {
    type Error = Error;

    fn try_from(text: String) -> Result<ExtraHost> {
        text.parse()
    }
}

impl From<ExtraHost> for String {
    fn from(host: ExtraHost) -> String {
        host.to_string()
    }
}

impl ContainerSpec {
    /// Chooses its network ([`NetworkMode::Bridge`] unless set, and unless the runtime has
    /// another default).
    pub fn network(mut self, mode: NetworkMode) -> Self {
        self.network = Some(mode);
        self
    }

    /// Gives it one more name, by which the containers of its network find it.
    pub fn alias(mut self, name: &str) -> Self {
        let alias = name.parse::<Hostname>().map_err(|_| {
            let hint = "Use 1 to 63 letters, digits, '-', '_' and '.', for example db.";
            refuse("aliases", name, "it is not a host's name", hint)
        });
        if let Some(alias) = self.keep(alias)
            && !self.aliases.contains(&alias)
        {
            self.aliases.push(alias);
        }
        self
    }

    /// Names a server that it asks for names, instead of those that the host asks.
    pub fn dns(mut self, server: &str) -> Self {
        let server = server.parse::<IpAddr>().map_err(|_| {
            refuse("dns", server, "it is not an address", "Give an address, for example 9.9.9.9.")
        });
        if let Some(server) = self.keep(server)
            && !self.dns.contains(&server)
        {
            self.dns.push(server);
        }
        self
    }

    /// Adds a line to its /etc/hosts: `NAME:ADDRESS`, or `NAME:host-gateway` for the host itself.
    pub fn extra_host(mut self, line: &str) -> Self {
        if let Some(host) = self.keep(line.parse()) {
            self.extra_hosts.push(host);
        }
        self
    }

    /// The network it is on: the one asked for, or else the bridge. Without network isolation
    /// (see [`crate::Isolation::network`]) it is the host's.
    pub fn network_mode(&self) -> NetworkMode {
        match &self.network {
            Some(mode) => mode.clone(),
            None if self.isolation.network => NetworkMode::Bridge,
            None => NetworkMode::Host,
        }
    }

    /// Whether its network namespace is its own, and not the host's or another container's.
    pub(crate) fn has_own_network(&self) -> bool {
        let shared = matches!(self.network_mode(), NetworkMode::Container(_));
        self.isolation.network && !shared
    }

    /// Settles its network, with `default` for where nothing was asked for: from here on the
    /// mode is written down, and the isolation agrees with it.
    ///
    /// # Errors
    /// [`Error::InvalidSpec`] for what contradicts itself.
    pub(crate) fn settle_network(&mut self, default: &NetworkMode) -> Result<()> {
        let mode = match (&self.network, self.isolation.network) {
            (Some(mode), isolated) => {
                if !isolated && *mode != NetworkMode::Host {
                    return Err(refuse(
                        "network",
                        mode,
                        "network isolation is switched off, which is the mode host",
                        "Leave network isolation on, or choose the network host.",
                    ));
                }
                mode.clone()
            }
            (None, true) => default.clone(),
            (None, false) => NetworkMode::Host,
        };
        self.check_against(&mode)?;
        self.isolation.network = mode != NetworkMode::Host;
        self.network = Some(mode);
        Ok(())
    }

    /// Refuses what makes no sense on a network.
    fn check_against(&self, mode: &NetworkMode) -> Result<()> {
        let useless = |field, value: String, why: &str, hint: &str| {
            Err(refuse(field, value, format!("on the network {mode} {why}"), hint))
        };
        let list = |values: Vec<String>| values.join(", ");
        let aliases = || list(self.aliases.iter().map(ToString::to_string).collect());
        let dns = || list(self.dns.iter().map(ToString::to_string).collect());
        let hosts = || list(self.extra_hosts.iter().map(ToString::to_string).collect());
        if !self.aliases.is_empty() && !mode.is_bridged() {
            let hint = "Remove the aliases, or choose bridge or a network that was made.";
            return useless("aliases", aliases(), "nobody looks a container up by name", hint);
        }
        if !self.ports.is_empty() && !mode.is_bridged() {
            let ports = list(self.ports.iter().map(ToString::to_string).collect());
            let (why, hint) = match mode {
                NetworkMode::Host => (
                    "the ports are the host's own",
                    "Remove the ports: a program in the container listens at the host's.",
                ),
                NetworkMode::Container(_) => (
                    "the ports are the other container's",
                    "Publish the ports of the other container.",
                ),
                _ => ("nobody reaches the container", "Remove the ports, or choose bridge."),
            };
            return useless("ports", ports, why, hint);
        }
        let no_files = match mode {
            NetworkMode::Container(_) => Some("the files of the other container are shared"),
            _ if !self.isolation.rootfs => {
                Some("without a root filesystem of its own it reads the host's files")
            }
            _ => None,
        };
        if let Some(why) = no_files {
            if !self.dns.is_empty() {
                return useless("dns", dns(), why, "Remove the name servers.");
            }
            if !self.extra_hosts.is_empty() {
                return useless("extra_hosts", hosts(), why, "Remove the extra hosts.");
            }
        }
        if *mode == NetworkMode::None
            && let Some(host) = self.extra_hosts.iter().find(|host| host.address().is_none())
        {
            let hint = "Remove it, or choose another network.";
            return useless("extra_hosts", host.to_string(), "the host cannot be reached", hint);
        }
        if *mode == NetworkMode::None && !self.dns.is_empty() {
            let hint = "Remove the name servers, or choose another network.";
            return useless("dns", dns(), "no name server can be reached", hint);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Isolation;

    fn settled(spec: ContainerSpec) -> std::result::Result<ContainerSpec, &'static str> {
        let mut spec = spec;
        match spec.settle_network(&NetworkMode::Bridge) {
            Ok(()) => Ok(spec),
            Err(Error::InvalidSpec { field, hint, .. }) => {
                assert!(!hint.is_empty());
                Err(field)
            }
            Err(other) => panic!("{other}"),
        }
    }

    fn spec() -> ContainerSpec {
        ContainerSpec::new("a", "true")
    }

    fn shared() -> Isolation {
        Isolation { network: false, ..Isolation::default() }
    }

    #[test]
    fn modes_are_written_as_docker_writes_them() {
        for text in ["bridge", "none", "host", "container:db", "backend", "net_1.2"] {
            assert_eq!(text.parse::<NetworkMode>().unwrap().to_string(), text);
        }
        for text in ["", "container:", "container:a/b", "container", "default", "a b", "-x", "../x"]
        {
            assert!(text.parse::<NetworkMode>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_mode_and_the_isolation_are_one_thing() {
        let mode = |spec| settled(spec).map(|spec| (spec.network_mode(), spec.isolation.network));
        assert_eq!(mode(spec()), Ok((NetworkMode::Bridge, true)));
        assert_eq!(mode(spec().isolation(shared())), Ok((NetworkMode::Host, false)));
        assert_eq!(mode(spec().network(NetworkMode::Host)), Ok((NetworkMode::Host, false)));
        let both = spec().network(NetworkMode::Host).isolation(shared());
        assert_eq!(mode(both), Ok((NetworkMode::Host, false)));
        for contradiction in [NetworkMode::Bridge, NetworkMode::None] {
            assert_eq!(mode(spec().network(contradiction).isolation(shared())), Err("network"));
        }
        // What is settled stays so.
        let again = settled(settled(spec().network(NetworkMode::Host)).unwrap()).unwrap();
        assert_eq!(again.network_mode(), NetworkMode::Host);
    }

    #[test]
    fn what_makes_no_sense_on_a_network_is_refused() {
        let shares = || NetworkMode::Container("db".parse().unwrap());
        for mode in [NetworkMode::None, NetworkMode::Host, shares()] {
            assert_eq!(settled(spec().network(mode).alias("db")).unwrap_err(), "aliases");
        }
        assert_eq!(settled(spec().network(shares()).dns("9.9.9.9")).unwrap_err(), "dns");
        let extra = spec().network(shares()).extra_host("a:10.0.0.1");
        assert_eq!(settled(extra).unwrap_err(), "extra_hosts");
        let no_rootfs = Isolation { rootfs: false, ..Isolation::default() };
        assert_eq!(settled(spec().isolation(no_rootfs).dns("9.9.9.9")).unwrap_err(), "dns");
        let none = spec().network(NetworkMode::None);
        assert_eq!(settled(none.clone().dns("9.9.9.9")).unwrap_err(), "dns");
        assert!(settled(none.clone().extra_host("a:10.0.0.1")).is_ok());
        assert_eq!(settled(none.extra_host("h:host-gateway")).unwrap_err(), "extra_hosts");
        let gateway: ExtraHost = "host.docker.internal:host-gateway".parse().unwrap();
        assert_eq!(gateway.to_string(), "host.docker.internal:host-gateway");
        assert!(settled(spec().alias("db").dns("::1").extra_host("a:[fd00::7]")).is_ok());
    }

    #[test]
    fn bad_words_are_refused_by_field() {
        for (spec, field) in [
            (spec().alias("a b"), "aliases"),
            (spec().dns("example.org"), "dns"),
            (spec().extra_host("db"), "extra_hosts"),
            (spec().extra_host("db:here"), "extra_hosts"),
            (spec().extra_host("d b:10.0.0.1"), "extra_hosts"),
        ] {
            match spec.problem.as_deref() {
                Some(Error::InvalidSpec { field: found, .. }) => assert_eq!(*found, field),
                other => panic!("{field}: {other:?}"),
            }
        }
    }

    #[test]
    fn json_says_the_network_in_words() {
        let json = r#"{"name":"a","command":"true","volumes":[],"env_vars":{},"network":"backend","aliases":["db"],"dns":["9.9.9.9"],"extra_hosts":["x:10.0.0.1"]}"#;
        let spec = ContainerSpec::from_json(json.as_bytes()).unwrap();
        assert_eq!(spec.network_mode(), NetworkMode::Named("backend".parse().unwrap()));
        assert_eq!(serde_json::to_string(&spec).unwrap(), json);
    }
}
