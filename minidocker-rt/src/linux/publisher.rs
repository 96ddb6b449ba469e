//! The published ports of a container over all its runs: the supervisor's side of them.

use std::net::IpAddr;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;

use super::forwarder::Forwarder;
use super::listeners::Listener;
use crate::spec::PortMapping;
use crate::status::ProcessIdentity;

/// How long after its unexpected end a forwarder is started again. Who comes meanwhile waits
/// in the kernel's queue.
const PAUSE: Duration = Duration::from_millis(100);

/// The listening sockets, which stay, and the forwarder, which comes and goes with the runs.
#[derive(Debug, Default)]
pub(crate) struct Publisher {
    pub listeners: Vec<Listener>,
    /// The container's address, while there is a run.
    target: Option<IpAddr>,
    forwarder: Option<Forwarder>,
    /// When to start a forwarder in the place of one that was killed.
    start_at: Option<Instant>,
}

impl Publisher {
    /// The ports as they are open on the host.
    pub fn ports(&self) -> Vec<PortMapping> {
        self.listeners.iter().map(|listener| listener.port).collect()
    }

    /// A run has begun, and the container is at `target`.
    pub fn begin(&mut self, target: IpAddr) -> Result<(), Errno> {
        self.target = Some(target);
        self.forwarder = match self.listeners.as_slice() {
            [] => None,
            listeners => Some(Forwarder::start(listeners, target)?),
        };
        Ok(())
    }

    /// The run has ended.
    pub fn end(&mut self) {
        (self.target, self.start_at) = (None, None);
        if let Some(forwarder) = self.forwarder.take() {
            forwarder.end();
        }
    }

    /// Readable when the forwarder has ended, which it should not while there is a run.
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.forwarder.as_ref().map(Forwarder::fd)
    }

    /// The forwarder was killed.
    pub fn heard(&mut self) {
        self.forwarder = None;
        self.start_at = Some(Instant::now() + PAUSE);
    }

    /// When to [`Publisher::step`].
    pub fn deadline(&self) -> Option<Instant> {
        self.start_at
    }

    /// The forwarder, if there is one now.
    pub fn process(&self) -> Option<ProcessIdentity> {
        self.forwarder.as_ref().and_then(Forwarder::process)
    }

    /// Starts a forwarder if its time has come. Returns whether it has.
    pub fn step(&mut self) -> bool {
        let now = Instant::now();
        if let (Some(time), Some(target)) = (self.start_at, self.target)
            && time <= now
        {
            self.start_at = None;
            match self.begin(target) {
                Ok(()) => return true,
                Err(errno) => {
                    log::warn!("cannot start a forwarder: {errno}");
                    self.start_at = Some(now + PAUSE);
                }
            }
        }
        false
    }
}
