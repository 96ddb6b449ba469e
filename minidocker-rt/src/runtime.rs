//! The entry: a [`Runtime`] on a root folder, from which containers are made.

mod choice;
mod config;
mod events;
mod images;
mod networks;
mod revive;
mod templates;
mod upkeep;

pub use choice::{BackendInfo, BackendKind};
pub use revive::{Recovered, Revived};
mod stats;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::backend::Backend;
use crate::capabilities::{self, Capability};
use crate::container::Container;
use crate::error::{Error, Result};
use crate::events::EventKind;
use crate::images::store::ImagesLock;
use crate::spec::{ContainerName, ContainerSpec, NetworkMode, Pinned, Subnet, Volume};
use crate::store::Store;

/// All containers under one root folder. Cheap to clone, usable from any thread; any
/// number of programs may open the same root at the same time.
#[derive(Debug, Clone)]
pub struct Runtime {
    inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub store: Store,
    pub backend: Box<dyn Backend>,
    /// The network of containers whose specification names none.
    pub default_network: NetworkMode,
    chosen: BackendInfo,
}

impl Inner {
    /// Whether its containers are kept apart from this machine.
    pub fn is_isolating(&self) -> bool {
        self.chosen.kind == BackendKind::Linux
    }
}

/// Chooses how a [`Runtime`] is opened. Made by [`Runtime::builder`].
#[derive(Debug, Clone, Default)]
pub struct RuntimeBuilder {
    helper: Option<PathBuf>,
    backend: Option<BackendKind>,
    default_network: Option<NetworkMode>,
    bridge_subnet: Option<Subnet>,
}

impl RuntimeBuilder {
    /// Names the program that serves as helper process, for programs that cannot call
    /// [`crate::init`] themselves. It must call `init` in the first line of its main;
    /// `minidocker-web` does.
    pub fn helper(mut self, program: impl Into<PathBuf>) -> Self {
        self.helper = Some(program.into());
        self
    }

    /// Chooses the backend: [`BackendKind::Linux`] unless chosen, so that nobody who trusts in
    /// isolation gets the simulation. Who wants that says so, or takes [`BackendKind::Any`] and
    /// looks at [`Runtime::backend`].
    pub fn backend(mut self, kind: BackendKind) -> Self {
        self.backend = Some(kind);
        self
    }

    /// Chooses the network of containers whose specification names none:
    /// [`NetworkMode::Bridge`] unless chosen.
    pub fn default_network(mut self, mode: NetworkMode) -> Self {
        self.default_network = Some(mode);
        self
    }

    /// Chooses the addresses of the common bridge's containers. Unless they are chosen, they
    /// are 10.88.0.0/16, or others where the host has routes to those. All programs of a machine
    /// share that bridge: while it is up with other addresses, a start fails and says so.
    pub fn bridge_subnet(mut self, subnet: Subnet) -> Self {
        self.bridge_subnet = Some(subnet);
        self
    }

    /// Opens the user's own root; see [`Runtime::open_default`].
    ///
    /// # Errors
    /// As [`RuntimeBuilder::open`].
    pub fn open_default(mut self) -> Result<Runtime> {
        if let (None, Some(kind)) = (self.backend, variable("MINIDOCKER_BACKEND")) {
            self.backend = Some(kind.to_string_lossy().parse()?);
        }
        self.open(default_root())
    }

    /// Opens the runtime; see [`Runtime::open`].
    ///
    /// # Errors
    /// As [`Runtime::open`].
    pub fn open(self, root: impl AsRef<Path>) -> Result<Runtime> {
        let store = Store::open(root.as_ref())?;
        let (chosen, backend) =
            choice::choose(&store, self.backend, self.helper, self.bridge_subnet)?;
        let default_network = self.default_network.unwrap_or(NetworkMode::Bridge);
        Ok(Runtime { inner: Arc::new(Inner { store, backend, default_network, chosen }) })
    }
}

impl Runtime {
    /// Opens the root folder for real containers, making it if needed. Nothing is started yet.
    ///
    /// Whether this machine and the rights of this program can isolate anything is found out
    /// here, not at the first start: it takes Linux 5.12 or newer, root's rights
    /// (CAP_SYS_ADMIN), overlays, and a root folder on an ordinary filesystem. On macOS and
    /// Windows, and wherever else that is missing, ask for the simulation by
    /// [`RuntimeBuilder::backend`], or for [`BackendKind::Any`].
    ///
    /// # Errors
    /// [`Error::CannotIsolate`] with what is missing and how to get it; [`Error::Io`] if the
    /// folder cannot be made or read; [`Error::InvalidSpec`] if its path cannot be used for an
    /// overlay, or its containers belong to another backend.
    pub fn open(root: impl AsRef<Path>) -> Result<Runtime> {
        Runtime::builder().open(root)
    }

    /// Opens the user's own root: `$MINIDOCKER_ROOT` if set; else
    /// `/var/lib/minidocker` for root and `$XDG_DATA_HOME/minidocker` (or
    /// `~/.local/share/minidocker`) for others, on Windows `%LOCALAPPDATA%\minidocker`. The only place where this library
    /// looks at the environment for its own settings; `$MINIDOCKER_BACKEND` (`linux`,
    /// `simulation` or `any`) chooses the backend.
    ///
    /// # Errors
    /// As [`RuntimeBuilder::open`].
    pub fn open_default() -> Result<Runtime> {
        Runtime::builder().open_default()
    }

    /// Chooses more than the root.
    pub fn builder() -> RuntimeBuilder {
        RuntimeBuilder::default()
    }

    /// Its backend, and why it is that one.
    pub fn backend(&self) -> &BackendInfo {
        &self.inner.chosen
    }

    /// What its backend can do.
    pub fn capabilities(&self) -> Vec<Capability> {
        capabilities::of(self.inner.chosen.kind)
    }

    /// The root folder.
    pub fn root(&self) -> &Path {
        self.inner.store.root()
    }

    /// Makes a container. Everything is checked first; a refusal leaves nothing behind.
    ///
    /// # Errors
    /// [`Error::InvalidSpec`] naming the field, the value and what to write instead;
    /// [`Error::NameInUse`]; [`Error::NoSuchImage`]; [`Error::Io`] if the store cannot be
    /// written.
    pub fn create(&self, spec: ContainerSpec) -> Result<Container> {
        let (spec, pinned, _image) = self.checked(spec)?;
        let _network = self.keep_network(&spec)?;
        let file = self.inner.store.create(spec, pinned)?;
        let name = file.spec.name.as_str();
        self.inner.store.journal().tell(name, Some(&file.id), EventKind::Created);
        Ok(Container::new(self.inner.clone(), file.spec.name, file.id))
    }

    /// Says what [`Runtime::create`] would refuse, without making anything: for a form that is
    /// being filled in.
    ///
    /// # Errors
    /// Those of [`Runtime::create`].
    pub fn check(&self, spec: &ContainerSpec) -> Result<()> {
        self.checked(spec.clone()).map(drop)
    }

    /// The specification with nothing left open, if it can be used; what its volumes are; and
    /// what keeps its image from becoming another one meanwhile.
    fn checked(
        &self,
        mut spec: ContainerSpec,
    ) -> Result<(ContainerSpec, Vec<Pinned>, Option<ImagesLock>)> {
        if let Some(problem) = spec.problem {
            return Err(*problem);
        }
        spec.settle_network(&self.inner.default_network)?;
        // First: where images cannot be used at all, none need be looked for.
        self.inner.backend.check(&spec)?;
        let kept = self.keep_image(&spec.image)?;
        spec.settle_image(&self.image(spec.image.as_str())?.config)?;
        let pinned = self.check_against_machine(&spec)?;
        self.keep_network(&spec)?;
        match self.inner.store.dir(&spec.name).path().exists() {
            true => Err(Error::NameInUse { name: spec.name.to_string() }),
            false => Ok((spec, pinned, kept)),
        }
    }

    /// The container called `name`.
    ///
    /// # Errors
    /// [`Error::NotFound`], also for a text that could not be a name.
    pub fn get(&self, name: &str) -> Result<Container> {
        let not_found = || Error::NotFound { name: name.to_string() };
        let name: ContainerName = name.parse().map_err(|_| not_found())?;
        let file = self.inner.store.dir(&name).spec_file()?.ok_or_else(not_found)?;
        Ok(Container::new(self.inner.clone(), name, file.id))
    }

    /// The names of all containers, sorted, also of those whose files are damaged.
    ///
    /// # Errors
    /// [`Error::Io`] if the store cannot be read.
    pub fn names(&self) -> Result<Vec<ContainerName>> {
        self.inner.store.names()
    }

    /// All containers, sorted by name. One whose `spec.json` is damaged does not hide the
    /// others: it is left out, and [`Runtime::get`] by its name says why.
    ///
    /// # Errors
    /// [`Error::Io`] if the store cannot be read.
    pub fn list(&self) -> Result<Vec<Container>> {
        let mut containers = Vec::new();
        for name in self.names()? {
            match self.get(name.as_str()) {
                Ok(container) => containers.push(container),
                // Deleted by another program since the folder was listed.
                Err(Error::NotFound { .. }) => {}
                Err(error) => log::warn!("container {name} is left out: {error}"),
            }
        }
        Ok(containers)
    }

    /// Checks what only this machine can tell. Returns what the volumes are.
    fn check_against_machine(&self, spec: &ContainerSpec) -> Result<Vec<Pinned>> {
        let machine = self.inner.backend.machine();
        if let Some(memory) = spec.memory {
            memory.check_against(machine.memory_bytes)?;
        }
        if let Some(cpu) = spec.cpu {
            cpu.check_against(machine.cores)?;
        }
        if let (Some(volume), false) = (spec.volumes.first(), spec.isolation.rootfs) {
            return Err(crate::spec::refuse(
                "volumes",
                volume,
                "without its own rootfs the container sees the host's folders as they are",
                "Remove the volumes, or leave rootfs isolation on.",
            ));
        }
        for (index, volume) in spec.volumes.iter().enumerate() {
            if spec.volumes[..index].iter().any(|other| other.container() == volume.container()) {
                return Err(crate::spec::refuse(
                    "volumes",
                    volume,
                    "another volume appears at the same path, and one would hide the other",
                    "Give each volume a path of its own in the container.",
                ));
            }
        }
        spec.volumes.iter().map(Volume::check_host).collect()
    }
}

fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

fn default_root() -> PathBuf {
    if let Some(root) = variable("MINIDOCKER_ROOT") {
        return root.into();
    }
    #[cfg(unix)]
    if rustix::process::geteuid().is_root() {
        return "/var/lib/minidocker".into();
    }
    #[cfg(windows)]
    if let Some(data) = variable("LOCALAPPDATA") {
        return PathBuf::from(data).join("minidocker");
    }
    let data = variable("XDG_DATA_HOME")
        .map(PathBuf::from)
        .or_else(|| variable("HOME").map(|home| PathBuf::from(home).join(".local/share")));
    data.unwrap_or_else(std::env::temp_dir).join("minidocker")
}
