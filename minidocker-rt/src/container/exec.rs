//! Commands beside the container's first.

use std::time::Instant;

use super::Container;
#[cfg_attr(not(doc), allow(unused_imports))]
use crate::error::Error;
use crate::error::Result;
use crate::exec::{self, Exec, ExecBeginning, ExecOutput, ExecProcess};
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
        match self.exec_begin(exec.clone())?.wait_until(deadline)? {
            Some(mut process) => exec::capture(&mut process, &exec, deadline),
            None => Ok(ExecOutput::timed_out_before_it_began()),
        }
    }

    /// Executes a command in the running container and returns as soon as it runs, to read
    /// and write its streams or its terminal. Its output limit and its input in bytes do not
    /// count here; at the end of its time ([`Exec::timeout`]) it is killed.
    ///
    /// # Errors
    /// As [`Container::exec`]; also [`Error::Timeout`] if the command was not executed within 30 s,
    /// or within its own time: something may keep it from that, such as a folder that hangs or a
    /// process of the container that stops it.
    pub fn exec_start(&self, exec: impl Into<Exec>) -> Result<ExecProcess> {
        self.exec_begin(exec)?.wait()
    }

    /// As [`Container::exec_start`], returning before the command runs: its descriptor tells when
    /// it does, so that no thread need wait. Dropping what is returned kills the command.
    ///
    /// # Errors
    /// [`Error::WrongState`] if the container does not run or is paused; [`Error::InvalidSpec`]
    /// for a value that cannot be used. The rest is told by [`ExecBeginning::wait`].
    pub fn exec_begin(&self, exec: impl Into<Exec>) -> Result<ExecBeginning> {
        let mut exec = exec.into();
        if let Some(problem) = exec.problem.take() {
            return Err(*problem);
        }
        let dir = self.dir()?;
        let (_, status, _) = self.status_in(&dir)?;
        if status != Status::Running {
            return Err(self.wrong_state(exec::OPERATION, status));
        }
        let asked = self.runtime.backend.exec(&dir, &exec)?;
        let command = exec.command.to_string();
        Ok(ExecBeginning::new(self.clone(), command, exec.timeout, asked))
    }
}
