//! After a reboot, a power cut, or the loss of a supervisor: what was alive is cleaned up,
//! and started again where its restart policy says so.

use crate::container::Container;
use crate::error::Result;
use crate::restart::should_revive;
use crate::runtime::Runtime;
use crate::status::Status;

/// A container that was lost with its supervisor.
#[derive(Debug)]
pub struct Recovered {
    /// The container.
    pub container: Container,
    /// What had happened to it.
    pub reason: String,
    /// Whether everything that was left of it could be removed.
    pub cleaned: Result<()>,
}

/// A container that its restart policy wanted back.
#[derive(Debug)]
pub struct Revived {
    /// The container.
    pub container: Container,
    /// Whether it runs now.
    pub started: Result<()>,
}

impl Runtime {
    /// Finds the containers that were lost (the machine was restarted while they ran, or
    /// their supervisor was killed) and removes what is left of them: processes and cgroups.
    /// Their files stay, and they can be started again. Nothing is started. Layers that belong
    /// to no image, because an import was cut off at its end, go too.
    ///
    /// # Errors
    /// [`crate::Error::Io`] if the store cannot be read.
    pub fn recover(&self) -> Result<Vec<Recovered>> {
        let mut recovered = Vec::new();
        for container in self.list()? {
            if let Ok(Some((reason, cleaned))) = container.recover() {
                recovered.push(Recovered { container, reason, cleaned });
            }
        }
        self.remove_unused_layers()?;
        Ok(recovered)
    }

    /// Starts the containers that were lost, or were there before the machine was restarted,
    /// if their restart policy says so. A container that was lost is started under every policy
    /// but `no`, unless an operator was stopping it. After a restart of the machine `always`
    /// starts everything, and `unless-stopped` all but what an operator had stopped, also
    /// what had ended or could not be started then. There is no daemon: a program that is
    /// started with the machine, such as the web server, calls this.
    ///
    /// # Errors
    /// [`crate::Error::Io`] if the store cannot be read.
    pub fn revive(&self) -> Result<Vec<Revived>> {
        let mut revived = Vec::new();
        for container in self.list()? {
            if let Ok(true) = container.wants_revival() {
                let started = container.start();
                revived.push(Revived { container, started });
            }
        }
        Ok(revived)
    }
}

impl Container {
    /// None if it was not lost.
    fn recover(&self) -> Result<Option<(String, Result<()>)>> {
        let locked = self.lock("recover")?;
        match self.status_in(&locked.dir)? {
            (Some(record), Status::Error, Some(reason)) if record.phase.is_lasting() => {
                Ok(Some((reason, self.clean_up(&locked.dir, Some(&record)))))
            }
            _ => Ok(None),
        }
    }

    fn wants_revival(&self) -> Result<bool> {
        let (dir, file) = self.dir_and_spec()?;
        let (Some(record), status, _) = self.status_in(&dir)? else { return Ok(false) };
        let same_boot = self.runtime.backend.machine().is_boot(&record.boot_id);
        Ok(!status.is_alive() && should_revive(file.spec.restart, &record, same_boot))
    }
}
