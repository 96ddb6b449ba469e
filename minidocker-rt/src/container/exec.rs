//! Commands beside the container's first.

use std::time::Instant;

use super::Container;
use crate::backend::ExecBegun;
use crate::error::{Error, Result};
use crate::events::EventKind;
use crate::exec::{self, Exec, ExecOutput, ExecProcess};
use crate::status::Status;

impl Container {
    /// Executes a command in the running container, to its end, and returns what it wrote.
    /// It joins all namespaces and the cgroup of the container, and has the rights of its
    /// first command.
    ///
    /// ```no_run
    /// # let container = minidocker_rt::Runtime::open_default()?.get("web")?;
    /// println!("{}", container.exec("ls -la /app")?.stdout_text());
    /// # Ok::<(), minidocker_rt::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongState`] if the container does not run or is paused;
    /// [`Error::ExecFailed`] with the step that failed, for example because there is no such
    /// program; [`Error::InvalidSpec`] for a value that cannot be used. That its time is over
    /// ([`Exec::timeout`]) is told in the output, with what was written until then.
    pub fn exec(&self, exec: impl Into<Exec>) -> Result<ExecOutput> {
        let exec = exec.into();
        let deadline = exec.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        match self.exec_by(exec.clone(), deadline)? {
            Some(mut process) => exec::capture(&mut process, &exec, deadline),
            None => Ok(ExecOutput::timed_out_before_it_began()),
        }
    }

    /// Executes a command in the running container and returns as soon as it runs, to read
    /// and write its streams or its terminal. Its timeout, its output limit and its input in bytes
    /// do not count here.
    ///
    /// # Errors
    /// As [`Container::exec`].
    pub fn exec_start(&self, exec: impl Into<Exec>) -> Result<ExecProcess> {
        let begun = self.exec_by(exec.into(), None)?;
        Ok(begun.expect("without a deadline, none can be missed"))
    }

    /// None if the command has not begun by then. That is no matter of milliseconds when the
    /// container is frozen at this moment.
    fn exec_by(&self, mut exec: Exec, deadline: Option<Instant>) -> Result<Option<ExecProcess>> {
        if let Some(problem) = exec.problem.take() {
            return Err(*problem);
        }
        let dir = self.dir()?;
        let (_, status, _) = self.status_in(&dir)?;
        if status != Status::Running {
            return Err(self.wrong_state("execute a command in", status));
        }
        let begun = self.runtime.backend.exec(&dir, &exec, deadline)?;
        let command = exec.command.to_string();
        let why = match begun {
            ExecBegun::Running(process) => {
                self.tell(EventKind::ExecStarted { command });
                return Ok(Some(process));
            }
            ExecBegun::Failed(failure) => {
                self.tell(EventKind::ExecFailed { command, failure: failure.clone() });
                let name = self.name.to_string();
                return Err(Error::ExecFailed { name, failure: failure.into() });
            }
            ExecBegun::NotRunning => {
                // Its supervisor may not have written down yet that it ended.
                let status = match self.status()? {
                    Status::Running => Status::Stopped,
                    status => status,
                };
                return Err(self.wrong_state("execute a command in", status));
            }
            ExecBegun::TimedOut => return Ok(None),
            // The helper shares the container's fate from when it has entered it.
            ExecBegun::Vanished => match self.status()? {
                Status::Running => "the helper was killed".to_string(),
                status => return Err(self.wrong_state("execute a command in", status)),
            },
            ExecBegun::Killed(why) => why,
        };
        Err(Error::HelperFailed { action: "executing a command in the container", why })
    }
}
