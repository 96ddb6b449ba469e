//! The names under which this server may be addressed.
//!
//! DNS rebinding needs a name that its attacker controls. A number needs no DNS, so the
//! address that a client connected to is always fine; of names only those that are ours.

use std::net::SocketAddr;

/// Names with the port, as browsers write them in the header `Host`.
#[derive(Debug)]
pub(crate) struct Hosts {
    allowed: Vec<String>,
    port: u16,
}

impl Hosts {
    /// For a server that listens there, and has been given these names too.
    pub fn of(address: SocketAddr, names: &[String]) -> Hosts {
        let port = address.port();
        let mut hosts = Hosts { allowed: Vec::new(), port };
        if address.ip().is_loopback() {
            hosts.add_literal(address);
            ["localhost", "127.0.0.1", "[::1]"].iter().for_each(|name| hosts.add(name));
        } else {
            hosts.add("localhost");
            // Under this name other machines of the network know this one.
            if let Ok(name) = nix::unistd::gethostname() {
                hosts.add(&name.to_string_lossy());
            }
        }
        names.iter().for_each(|name| hosts.add(name));
        hosts
    }

    /// A name to tell who used a wrong one.
    pub fn first(&self) -> &str {
        self.allowed.first().map_or("localhost", String::as_str)
    }

    /// Whether a client that connected to `local` may call us so.
    pub fn allow(&self, host: &str, local: Option<SocketAddr>) -> bool {
        self.allowed.iter().any(|allowed| allowed.eq_ignore_ascii_case(host))
            || local.is_some_and(|local| self.is_literal(host, local))
    }

    fn is_literal(&self, host: &str, local: SocketAddr) -> bool {
        let local = SocketAddr::new(local.ip().to_canonical(), local.port());
        host == local.to_string() || (local.port() == 80 && host == without_port(local))
    }

    fn add(&mut self, name: &str) {
        self.allowed.push(format!("{name}:{}", self.port));
        // The default port of http, which browsers leave out.
        if self.port == 80 {
            self.allowed.push(name.to_string());
        }
    }

    fn add_literal(&mut self, address: SocketAddr) {
        self.allowed.push(address.to_string());
    }
}

fn without_port(address: SocketAddr) -> String {
    let text = address.to_string();
    text.strip_suffix(&format!(":{}", address.port())).unwrap_or(&text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_with_the_port_are_ours() {
        let hosts = Hosts::of("127.0.0.1:5000".parse().unwrap(), &[]);
        for host in ["localhost:5000", "LOCALHOST:5000", "127.0.0.1:5000", "[::1]:5000"] {
            assert!(hosts.allow(host, None), "{host}");
        }
        for host in ["localhost", "localhost:5001", "evil.example:5000", "127.0.0.1.nip.io:5000"] {
            assert!(!hosts.allow(host, None), "{host}");
        }
        let hosts = Hosts::of("[::1]:80".parse().unwrap(), &[]);
        for host in ["localhost", "[::1]", "[::1]:80"] {
            assert!(hosts.allow(host, None), "{host}");
        }
    }

    #[test]
    fn elsewhere_the_address_that_was_connected_to_is_ours_too() {
        let names = ["lab.example".to_string()];
        let hosts = Hosts::of("0.0.0.0:5000".parse().unwrap(), &names);
        let local = |text: &str| Some(text.parse().unwrap());
        assert!(hosts.allow("192.0.2.7:5000", local("192.0.2.7:5000")));
        assert!(hosts.allow("192.0.2.7:5000", local("[::ffff:192.0.2.7]:5000")));
        assert!(hosts.allow("lab.example:5000", None));
        for host in ["192.0.2.8:5000", "evil.example:5000", "192.0.2.7", "192.0.2.7.nip.io:5000"] {
            assert!(!hosts.allow(host, local("192.0.2.7:5000")), "{host}");
        }
        let hosts = Hosts::of("0.0.0.0:80".parse().unwrap(), &[]);
        assert!(hosts.allow("192.0.2.7", local("192.0.2.7:80")));
    }
}
