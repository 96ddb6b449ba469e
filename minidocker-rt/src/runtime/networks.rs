//! The networks of a root: the common bridge, and those that were made.

use jiff::Timestamp;

use super::Runtime;
use crate::error::{Error, Result};
use crate::networks::{self, Network, NetworkFile, NetworkOptions, NetworkUp, NetworksLock};
use crate::spec::{ContainerId, ContainerSpec, NetworkMode, NetworkName, refuse};

impl Runtime {
    /// Makes a network. Its containers find each other by name; those of other networks they
    /// do not reach. Its bridge is there while containers are on it.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use minidocker_rt::{ContainerSpec, NetworkMode, NetworkOptions};
    /// # let runtime = minidocker_rt::Runtime::open_default()?;
    /// runtime.create_network("backend", NetworkOptions::default())?;
    /// let on = || "backend".parse::<NetworkMode>();
    /// runtime.create(ContainerSpec::new("db", "python -m http.server").network(on()?))?.start()?;
    /// let client = ContainerSpec::new("client", "getent hosts db").network(on()?);
    /// runtime.create(client)?.start()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidSpec`] if the name cannot be one; [`Error::NetworkExists`];
    /// [`Error::Unsupported`] in a simulation.
    pub fn create_network(&self, name: &str, options: NetworkOptions) -> Result<Network> {
        let name: NetworkName = name.parse()?;
        self.inner.backend.check_networks()?;
        let lock = networks::change(self.root())?;
        match networks::load(self.root(), &name) {
            Err(Error::NoSuchNetwork { .. }) => {}
            Ok(_) => return Err(Error::NetworkExists { name: name.to_string() }),
            Err(error) => return Err(error),
        }
        if let Some(subnet) = options.subnet {
            for other in networks::names(self.root())? {
                let taken = networks::load(self.root(), &other)?.subnet;
                if let Some(taken) = taken.filter(|taken| taken.overlaps(&subnet)) {
                    let why = format!("the network {other} has the addresses {taken}");
                    let hint = "Choose another subnet, or leave it out to have one chosen.";
                    return Err(refuse("subnet", subnet, why, hint));
                }
            }
        }
        let id = ContainerId::random()?.short().to_string();
        let file = NetworkFile { id, created_at: Timestamp::now(), subnet: options.subnet };
        networks::save(self.root(), &name, &file, &lock)?;
        self.described(&name, file)
    }

    /// All networks: the common `bridge`, then those that were made, by name. One whose file is
    /// damaged does not hide the others: it is left out, and [`Runtime::network`] by its name
    /// says why.
    ///
    /// # Errors
    /// [`Error::Io`] if the store cannot be read; [`Error::Unsupported`] in a simulation.
    pub fn networks(&self) -> Result<Vec<Network>> {
        let mut all = vec![self.common()?];
        for name in networks::names(self.root())? {
            match self.network(name.as_str()) {
                Ok(network) => all.push(network),
                // Deleted by another program since the folder was listed.
                Err(Error::NoSuchNetwork { .. }) => {}
                Err(error) => log::warn!("network {name} is left out: {error}"),
            }
        }
        Ok(all)
    }

    /// The network called `name`, or with `bridge` the common one.
    ///
    /// # Errors
    /// [`Error::NoSuchNetwork`], also for a text that could not be a name; [`Error::Io`] if its
    /// file is damaged; [`Error::Unsupported`] in a simulation.
    pub fn network(&self, name: &str) -> Result<Network> {
        if name == "bridge" {
            return self.common();
        }
        let name = network_name(name)?;
        self.inner.backend.check_networks()?;
        self.described(&name, networks::load(self.root(), &name)?)
    }

    /// Deletes a network that no container was made for, also one whose file is damaged.
    ///
    /// # Errors
    /// [`Error::NoSuchNetwork`]; [`Error::NetworkInUse`] with the containers;
    /// [`Error::InvalidSpec`] for the common `bridge`, which is always there.
    pub fn delete_network(&self, name: &str) -> Result<()> {
        if name == "bridge" {
            let why = "it is the common one, the default of every container";
            return Err(refuse("network", name, why, "Delete networks that were made only."));
        }
        let name = network_name(name)?;
        self.inner.backend.check_networks()?;
        let lock = networks::change(self.root())?;
        if let Err(error @ Error::NoSuchNetwork { .. }) = networks::load(self.root(), &name) {
            return Err(error);
        }
        let containers = self.containers_of_network(&name)?;
        if !containers.is_empty() {
            return Err(Error::NetworkInUse { name: name.to_string(), containers });
        }
        networks::remove(self.root(), &name, &lock)
    }

    /// The names of the containers that were made for a network, sorted.
    fn containers_of_network(&self, name: &NetworkName) -> Result<Vec<String>> {
        let mode = NetworkMode::Named(name.clone());
        let mut using = Vec::new();
        for container in self.names()? {
            match self.inner.store.dir(&container).spec_file() {
                Ok(Some(file)) if file.spec.network_mode() == mode => {
                    using.push(container.to_string());
                }
                // Nobody knows where a damaged one belongs; it can only be deleted.
                Ok(_) | Err(_) => {}
            }
        }
        Ok(using)
    }

    /// Makes sure that what a container in the making counts on is there, and that its network
    /// stays.
    pub(super) fn keep_network(&self, spec: &ContainerSpec) -> Result<Option<NetworksLock>> {
        match spec.network_mode() {
            NetworkMode::Named(name) => {
                let lock = networks::keep(self.root())?;
                networks::load(self.root(), &name)?;
                Ok(Some(lock))
            }
            mode @ NetworkMode::Container(_) => {
                let NetworkMode::Container(other) = &mode else { return Ok(None) };
                let why = match *other == spec.name {
                    true => "a container cannot share its own network",
                    false if self.inner.store.dir(other).path().exists() => return Ok(None),
                    false => "there is no container of that name",
                };
                Err(refuse("network", mode, why, "Name a container of this root."))
            }
            _ => Ok(None),
        }
    }

    fn common(&self) -> Result<Network> {
        let up = self.inner.backend.network_up(None)?;
        Ok(network("bridge".into(), None, up))
    }

    fn described(&self, name: &NetworkName, file: NetworkFile) -> Result<Network> {
        let up = self.inner.backend.network_up(Some(&file.id))?;
        Ok(network(name.to_string(), Some(file), up))
    }
}

fn network(name: String, file: Option<NetworkFile>, up: Option<NetworkUp>) -> Network {
    let asked = file.as_ref().and_then(|file| file.subnet);
    Network {
        name,
        created_at: file.map(|file| file.created_at),
        subnet: up.as_ref().map(|up| up.subnet).or(asked),
        bridge: up.as_ref().map(|up| up.bridge.clone()),
        gateway: up.as_ref().map(|up| up.subnet.gateway()),
        containers: up.map(|up| up.containers).unwrap_or_default(),
    }
}

fn network_name(name: &str) -> Result<NetworkName> {
    name.parse().map_err(|_| Error::NoSuchNetwork { name: name.to_string() })
}
