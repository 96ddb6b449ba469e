//! Commands beside the container's first.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

use nix::fcntl::OFlag;
use nix::unistd::pipe2;

use super::Container;
use crate::error::{Error, Result};
use crate::events::EventKind;
use crate::exec::{self, Exec, ExecOutput, ExecProcess, Stdin, Terminal};
use crate::linux::exec::{ExecReply, ExecRequest};
use crate::linux::{channel, process};
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
        let request = ExecRequest {
            container: dir.path().to_owned(),
            words: exec.command.words().to_vec(),
            env: exec.env.iter().map(|v| (v.name().to_string(), v.value().to_string())).collect(),
            working_dir: exec.working_dir.as_ref().map(ToString::to_string),
            user: exec.user.map(|user| user.to_string()),
            tty: exec.tty,
        };
        let (ours, theirs) =
            if exec.tty.is_some() { ([None, None, None], vec![]) } else { streams(&exec)? };
        let descriptors: Vec<_> = theirs.iter().map(AsFd::as_fd).collect();
        let channel = self.runtime.spawner.exec(request, &descriptors)?;
        drop(theirs);

        let command = exec.command.to_string();
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        // With the channel's end, the helper kills what it has made so far.
        if !process::wait_readable(channel.as_fd(), left)? {
            return Ok(None);
        }
        let why = match channel::receive::<ExecReply>(channel.as_fd()) {
            Ok(Some(reply)) => match reply.message {
                ExecReply::Started { pid } => {
                    self.tell(EventKind::ExecStarted { command });
                    let mut process = ExecProcess::new(self.name.to_string(), pid, channel);
                    [process.stdin, process.stdout, process.stderr] = ours;
                    process.terminal = reply.descriptors.into_iter().next().map(Terminal::new);
                    return Ok(Some(process));
                }
                ExecReply::Failed(failure) => {
                    self.tell(EventKind::ExecFailed { command, failure: failure.clone() });
                    let name = self.name.to_string();
                    return Err(Error::ExecFailed { name, failure: failure.into() });
                }
                ExecReply::NotRunning => {
                    // Its supervisor may not have written down yet that it ended.
                    let status = match self.status()? {
                        Status::Running => Status::Stopped,
                        status => status,
                    };
                    return Err(self.wrong_state("execute a command in", status));
                }
                ExecReply::Ended { oom_killed: true, .. } => {
                    "it was killed before it began: the container is out of memory".into()
                }
                ExecReply::Ended { .. } => "it was killed before it began".into(),
            },
            // The helper shares the container's fate from when it has entered it.
            Ok(None) if self.status()? != Status::Running => {
                return Err(self.wrong_state("execute a command in", self.status()?));
            }
            Ok(None) => "the helper was killed".to_string(),
            Err(errno) => errno.to_string(),
        };
        Err(Error::HelperFailed { action: "executing a command in the container", why })
    }
}

/// Pipes for the three streams: our ends and the command's.
fn streams(exec: &Exec) -> Result<([Option<File>; 3], Vec<OwnedFd>)> {
    let pipe = || {
        pipe2(OFlag::O_CLOEXEC)
            .map_err(|errno| Error::System { call: "pipe2".into(), errno: errno as i32 })
    };
    let (stdin_inside, stdin) = pipe()?;
    let (stdout, stdout_inside) = pipe()?;
    let (stderr, stderr_inside) = pipe()?;
    // Closed at once, the pipe is as empty as /dev/null.
    let stdin = (exec.stdin != Stdin::Null).then_some(stdin);
    let ours = [stdin, Some(stdout), Some(stderr)].map(|end| end.map(File::from));
    Ok((ours, vec![stdin_inside, stdout_inside, stderr_inside]))
}
