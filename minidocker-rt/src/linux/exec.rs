//! Exec: another command in a running container.
//!
//! It is the last part of the plan once more: a helper enters the namespaces that are there
//! already, forks into the cgroup, and the fork performs the command's own steps (limits,
//! capabilities, user, filter), so that the new command has exactly the rights of the first.
//! The helper stays behind as its parent, to tell how it ended.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::CloneFlags;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{ForkResult, Pid, pipe2, setsid};
use serde::{Deserialize, Serialize};

use super::cgroup::{Cgroup, Controller};
use super::channel;
use super::context::{Context, Flow, Streams};
use super::host::Host;
use super::init::{self, bind_to};
use super::memory_watch::MemoryWatch;
use super::process;
use super::raw::{close_all_except, default_signals, reap_raw, set_process_name};
use super::steps::{self, Step};
use super::terminal;
use crate::error::{Error, Result, StepFailure, errno_hint};
use crate::plan::Actor;
use crate::spec::{Command, ContainerPath, ContainerSpec, EnvVar, TerminalSize};
use crate::status::Phase;
use crate::store::{ContainerDir, SpecFile};

/// Execute this in that container. With it go a channel for the [`ExecReply`]s and, unless
/// it has a terminal, the three standard streams.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ExecRequest {
    pub container: PathBuf,
    pub words: Vec<String>,
    pub env: Vec<(String, String)>,
    pub working_dir: Option<String>,
    pub user: Option<String>,
    pub tty: Option<TerminalSize>,
    /// Its time, which begins now.
    pub timeout: Option<Duration>,
}

/// How long a command may take to its execve. What the container does to keep it from that (a
/// signal that stops it, a freeze) or the machine (a network disk that hangs) is over by then.
pub(crate) const LONGEST_BEGINNING: Duration = Duration::from_secs(30);

/// How long a killed command may take to be gone before the helper goes without it. It is frozen
/// then, or in the middle of a slow call: it dies when it goes on, and not one instruction of its
/// own comes before.
const LONGEST_END: Duration = Duration::from_secs(1);

/// The helper to whoever asked.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum ExecReply {
    /// The command was executed. Our end of its terminal goes along, if it has one.
    Started { pid: i32 },
    /// A step failed.
    Failed(StepFailure),
    /// The container does not run (any more).
    NotRunning,
    /// It did not come to its execve in time, and was killed.
    NotBegun,
    /// How it ended, perhaps before it was executed.
    Ended {
        /// As waitpid(2) says it.
        status: i32,
        /// Whether the kernel killed it for lack of memory.
        oom_killed: bool,
        /// Whether it was killed because its time was over.
        timed_out: bool,
    },
}

/// Whoever asked to the helper.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum ExecOrder {
    /// Pass a signal to the command.
    Signal(i32),
    /// Kill it and its whole process group.
    Kill,
    /// Nobody will listen from now on; let it run.
    Detach,
}

/// Forks a helper from a process with a single thread. Returns its pid and the channel.
pub(crate) fn fork_helper(
    request: &ExecRequest,
    streams: Streams,
    host: &Host,
) -> Result<(i32, OwnedFd)> {
    let system =
        |call: &str, errno: Errno| Error::System { call: call.into(), errno: errno as i32 };
    let (ours, theirs) = channel::pair().map_err(|errno| system("socketpair", errno))?;
    // SAFETY: the caller has one thread, so its child may run any code.
    match unsafe { nix::unistd::fork() } {
        Ok(ForkResult::Child) => run(request, theirs, streams, host),
        Ok(ForkResult::Parent { child }) => Ok((child.as_raw(), ours)),
        Err(errno) => Err(system("fork", errno)),
    }
}

/// The helper's main function, in a fork of the spawner or of a supervisor.
pub(crate) fn run(request: &ExecRequest, channel: OwnedFd, streams: Streams, host: &Host) -> ! {
    let _ = setsid();
    set_process_name(c"md-exec");
    let keep = streams.each().map(AsRawFd::as_raw_fd).chain([channel.as_raw_fd()]);
    close_all_except(&keep.collect::<Vec<_>>());
    // SAFETY: the default disposition installs no handler. The spawner ignores SIGCHLD, which
    // would keep us from learning how the command ended.
    let _ =
        unsafe { nix::sys::signal::signal(Signal::SIGCHLD, nix::sys::signal::SigHandler::SigDfl) };
    let answer = |reply: &ExecReply| {
        let _ = channel::send(channel.as_fd(), reply, &[]);
    };
    answer(&execute(request, &channel, streams, host).unwrap_or_else(ExecReply::Failed));
    // Not through destructors, which belong to the process this is a fork of.
    init::exit(0)
}

/// Enters the container, forks the command and looks after it. Returns the last reply.
fn execute(
    request: &ExecRequest,
    channel: &OwnedFd,
    streams: Streams,
    host: &Host,
) -> std::result::Result<ExecReply, StepFailure> {
    let began = Instant::now();
    let over_at = request.timeout.and_then(|timeout| began.checked_add(timeout));
    let begun_by = began + LONGEST_BEGINNING;
    let dir = ContainerDir::at(request.container.clone());
    let trouble = |error: Error| failure("exec", error.to_string(), None);
    let (Some(file), Some(record)) =
        (dir.spec_file().map_err(trouble)?, dir.status().map_err(trouble)?)
    else {
        return Ok(ExecReply::NotRunning);
    };
    // The command and not init is in the cgroup namespace, and in all the others too.
    let Some(target) = record.command.filter(|_| record.phase == Phase::Running) else {
        return Ok(ExecReply::NotRunning);
    };
    let Some(target_fd) = process::open(target) else { return Ok(ExecReply::NotRunning) };
    let file = request.applied_to(file).map_err(trouble)?;

    let made = |call: &'static str| move |errno: Errno| failure("exec", call, Some(errno as i32));
    let (report, report_inside) = pipe2(OFlag::O_CLOEXEC).map_err(made("pipe2"))?;
    let (terminals, terminals_inside) = channel::pair().map_err(made("socketpair"))?;
    let myself = process::pidfd_of(std::process::id().cast_signed())
        .map_err(|errno| failure("exec", "pidfd_open", Some(errno)))?;

    // Both are read here: in the container's mount namespace their paths are others.
    let image = host.image(&file.spec.image).map_err(trouble)?;
    let cgroup = Cgroup::of(&host.cgroups, file.id.as_str());
    let mut memory =
        cgroup.find(Controller::Memory).and_then(|(dir, v2)| MemoryWatch::new(dir, v2));
    // Who was killed before this is none of its business.
    memory.as_mut().map(MemoryWatch::count);
    let steps = steps::exec_plan(&file, &dir, host, &image);
    let mut context = Context::new(&file, &dir, host, &image, streams);
    let outer =
        |context: &mut Context<'_>| -> std::result::Result<Option<i32>, super::sys::SysError> {
            context.open_doors()?;
            // Not the cgroup namespace yet: where those delegate (cgroup2 mounted with
            // `nsdelegate`, as systemd does), a process that is in one cannot fork into a
            // cgroup from outside of it: clone3 says ENOENT. The fork enters it.
            let flags = steps::all_namespaces(&file.spec) - CloneFlags::CLONE_NEWCGROUP;
            if !flags.is_empty() {
                context.sys.setns(&target_fd, flags)?;
            }
            // Entered first and looked at then: its namespaces were those of a live container.
            if process::has_ended(&target_fd) {
                return Ok(None);
            }
            context.fork_command().map(Some)
        };
    let command = match outer(&mut context) {
        Ok(Some(0)) => {
            drop((report, terminals));
            let inside = Inside {
                report: report_inside,
                terminals: terminals_inside,
                myself,
                target: &target_fd,
            };
            init::exit(inside.become_command(&mut context, &file, &steps, request))
        }
        Ok(Some(pid)) => pid,
        Ok(None) => return Ok(ExecReply::NotRunning),
        // It ended while we entered; a pid namespace without its init says "no memory".
        Err(error) if error.errno == libc::ESRCH || is_ending(&target_fd) => {
            return Ok(ExecReply::NotRunning);
        }
        Err(error) => return Err(failure("enter", error.call, Some(error.errno))),
    };
    drop((report_inside, terminals_inside, myself));
    context.close_streams();

    // It is our child and not reaped yet, so the number is still its own.
    let pidfd =
        process::pidfd_of(command).map_err(|errno| failure("exec", "pidfd_open", Some(errno)))?;
    let mut child =
        Child { pid: command, pidfd, channel: Some(channel.as_fd()), memory, killed: false };
    let deadline = over_at.map_or(begun_by, |over_at| over_at.min(begun_by));
    let Some(text) = child.hear_report(&report, deadline) else {
        let status = child.kill_and_reap();
        return Ok(match over_at {
            Some(over_at) if over_at <= begun_by => child.ended(status, true),
            _ => ExecReply::NotBegun,
        });
    };
    match text.split_first() {
        Some((&ABOUT_TO_EXEC, [])) => {}
        // It was killed before it came so far.
        None => {
            let status = child.kill_and_reap();
            return Ok(match is_ending(&target_fd) {
                true => ExecReply::NotRunning,
                false => child.ended(status, false),
            });
        }
        _ => {
            child.kill_and_reap();
            return Err(serde_json::from_slice(&text)
                .unwrap_or_else(|_| failure("exec", "the command's report cannot be read", None)));
        }
    }
    let terminal = match request.tty {
        Some(_) => channel::receive::<()>(terminals.as_fd()).ok().flatten(),
        None => None,
    };
    let terminal = terminal.and_then(|received| received.descriptors.into_iter().next());
    let descriptors: Vec<_> = terminal.iter().map(AsFd::as_fd).collect();
    let started = ExecReply::Started { pid: command };
    let _ = channel::send(channel.as_fd(), &started, &descriptors);
    drop(terminal);
    let in_time = child.obey_until(None, over_at);
    let status = child.kill_and_reap();
    Ok(child.ended(status, !in_time))
}

/// Whether a step failed because all processes of the container are being killed, the first
/// command perhaps a moment after this one.
fn is_ending(target: &OwnedFd) -> bool {
    let moment = Some(Duration::from_millis(100));
    matches!(process::wait_readable(target.as_fd(), moment), Ok(true))
}

/// The last word of a command that has done all its steps. It is a space, so that a
/// failure's JSON may follow, should the exec itself fail.
const ABOUT_TO_EXEC: u8 = b' ';

/// What the forked command reports through.
struct Inside<'a> {
    report: OwnedFd,
    terminals: OwnedFd,
    myself: OwnedFd,
    /// The container's command, whose cgroup namespace is still to be entered.
    target: &'a OwnedFd,
}

impl Inside<'_> {
    /// In the fork: the command's own steps, then the exec. Returns only if they failed.
    fn become_command(
        self,
        context: &mut Context<'_>,
        file: &SpecFile,
        steps: &[Step],
        request: &ExecRequest,
    ) -> i32 {
        set_process_name(c"md-command");
        context.reporting =
            [&self.report, &self.terminals, &self.myself].map(AsRawFd::as_raw_fd).to_vec();
        let _ = setsid();
        if !bind_to(&self.myself) {
            return 1;
        }
        if file.spec.isolation.cgroup
            && let Err(error) = context.sys.setns(self.target, CloneFlags::CLONE_NEWCGROUP)
        {
            return self.tell(&failure("enter", error.call, Some(error.errno)));
        }
        let failure = match context.run_steps(steps, Actor::Command) {
            Ok(Flow::Exec(executable)) => {
                // A change of user cleared it.
                if !bind_to(&self.myself) || !self.hand_over_terminal(context, request.tty) {
                    return 1;
                }
                default_signals();
                let _ = nix::unistd::write(&self.report, &[ABOUT_TO_EXEC]);
                let Err(error) =
                    context.sys.execve(&executable.path, &executable.args, &executable.env);
                let step: &Step = &steps[steps.len() - 1];
                context.failure(step, error)
            }
            Ok(_) => return 1,
            Err(failure) => failure,
        };
        self.tell(&failure)
    }

    /// Tells what failed. Returns the exit code for that.
    fn tell(&self, failure: &StepFailure) -> i32 {
        let bytes = serde_json::to_vec(failure).unwrap_or_default();
        let _ = nix::unistd::write(&self.report, &bytes);
        127
    }

    fn hand_over_terminal(&self, context: &Context<'_>, size: Option<TerminalSize>) -> bool {
        let (Some(pty), Some(size)) = (&context.terminal, size) else { return true };
        // Before the exec, so that the program never sees another size.
        terminal::set_size(pty.master.as_fd(), size).is_ok()
            && channel::send(self.terminals.as_fd(), &(), &[pty.master.as_fd()]).is_ok()
    }
}

/// The command, as the helper sees it.
struct Child<'a> {
    /// Not reaped yet, so the number is still its own.
    pid: i32,
    pidfd: OwnedFd,
    /// Where the orders come from, as long as anybody listens.
    channel: Option<BorrowedFd<'a>>,
    /// Tells of kills for lack of memory, in the whole container.
    memory: Option<MemoryWatch>,
    /// Whether it was killed at somebody's order.
    killed: bool,
}

impl Child<'_> {
    /// Does what is ordered until something can be read from `event` or its other end is
    /// closed; without an event, until the command has ended. Returns false if the deadline comes
    /// first. One that was killed has little time left.
    fn obey_until(&mut self, event: Option<BorrowedFd<'_>>, deadline: Option<Instant>) -> bool {
        let mut killed_by = None;
        loop {
            if self.killed {
                killed_by.get_or_insert_with(|| Instant::now() + LONGEST_END);
            }
            let left = [deadline, killed_by].into_iter().flatten().min().map(|deadline| {
                let left = deadline.saturating_duration_since(Instant::now());
                // poll(2) counts whole milliseconds: rounded up, never a busy loop.
                left.as_micros().div_ceil(1000)
            });
            let timeout = left.map_or(PollTimeout::NONE, |left| {
                PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
            });
            let watch = |fd| PollFd::new(fd, PollFlags::POLLIN);
            let mut fds = vec![watch(event.unwrap_or(self.pidfd.as_fd()))];
            fds.extend(self.memory.as_ref().map(|memory| {
                let (fd, flags) = memory.fd();
                PollFd::new(fd, flags)
            }));
            fds.extend(self.channel.map(watch));
            let of_memory = self.memory.as_ref().and_then(MemoryWatch::deadline);
            let timeout = of_memory.map_or(timeout, |time| {
                let left =
                    time.saturating_duration_since(Instant::now()).as_micros().div_ceil(1000);
                let recount = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
                if timeout.is_none() { recount } else { timeout.min(recount) }
            });
            if !matches!(poll(&mut fds, timeout), Ok(_) | Err(Errno::EINTR)) {
                return true;
            }
            let mut ready = fds.iter().map(|fd| fd.any().unwrap_or(false));
            let has_ended = ready.next().unwrap_or(false);
            let of_memory = self.memory.is_some() && ready.next().unwrap_or(false);
            let ordered = ready.next().unwrap_or(false);
            if let Some(memory) = &mut self.memory {
                if of_memory {
                    memory.notified();
                }
                memory.news(self.pid);
            }
            match self.channel {
                _ if has_ended => return true,
                Some(channel) if ordered => self.obey(channel),
                _ if left == Some(0) => return self.killed,
                _ => {}
            }
        }
    }

    /// What the command reports, to the end: the exec closes the last copy. None if the deadline
    /// comes first.
    fn hear_report(&mut self, report: &OwnedFd, deadline: Instant) -> Option<Vec<u8>> {
        let mut text = Vec::new();
        let mut chunk = [0; 4096];
        while self.obey_until(Some(report.as_fd()), Some(deadline)) {
            // Killed, it may be unable to close its copy.
            if self.killed && !process::has_ended(&self.pidfd) {
                return Some(Vec::new());
            }
            match nix::unistd::read(report, &mut chunk) {
                Ok(0) => return Some(text),
                Ok(count) => text.extend_from_slice(&chunk[..count]),
                Err(Errno::EINTR) => {}
                Err(_) => return Some(Vec::new()),
            }
        }
        None
    }

    /// Sees to its end, if that has not come, and says how it was; as a death by SIGKILL if it
    /// still cannot die.
    fn kill_and_reap(&mut self) -> i32 {
        if !process::has_ended(&self.pidfd) {
            self.kill_group();
            self.channel = None;
            if !self.obey_until(None, Some(Instant::now() + LONGEST_END))
                || !process::has_ended(&self.pidfd)
            {
                return libc::SIGKILL;
            }
        }
        reap_raw(self.pid)
    }

    fn obey(&mut self, channel: BorrowedFd<'_>) {
        match channel::receive::<ExecOrder>(channel) {
            Ok(Some(order)) => match order.message {
                ExecOrder::Signal(number) => drop(process::signal(&self.pidfd, number)),
                ExecOrder::Kill => {
                    self.killed = true;
                    self.kill_group();
                }
                ExecOrder::Detach => self.channel = None,
            },
            // Who asked for it is gone.
            _ => {
                self.channel = None;
                self.killed = true;
                self.kill_group();
            }
        }
    }

    /// The last reply, from a wait status.
    fn ended(&mut self, status: i32, timed_out: bool) -> ExecReply {
        let killed = libc::WIFSIGNALED(status) && libc::WTERMSIG(status) == libc::SIGKILL;
        let timed_out = killed && timed_out;
        let out_of_memory = self.memory.as_mut().is_some_and(MemoryWatch::has_killed_it);
        let oom_killed = killed && !timed_out && !self.killed && out_of_memory;
        ExecReply::Ended { status, oom_killed, timed_out }
    }

    /// The command leads a session, and so a process group, soon after the fork.
    fn kill_group(&self) {
        let _ = kill(Pid::from_raw(-self.pid), Signal::SIGKILL);
        let _ = process::signal(&self.pidfd, libc::SIGKILL);
    }
}

impl ExecRequest {
    /// The container's specification, as if it had been made for this command.
    fn applied_to(&self, mut file: SpecFile) -> Result<SpecFile> {
        let spec: &mut ContainerSpec = &mut file.spec;
        spec.command = Command::argv(self.words.clone())?;
        for (name, value) in &self.env {
            let var = EnvVar::new(name, value)?;
            spec.env.retain(|other| other.name() != var.name());
            spec.env.push(var);
        }
        if let Some(path) = &self.working_dir {
            spec.working_dir = Some(ContainerPath::parse("working_dir", path)?);
        }
        if let Some(user) = &self.user {
            spec.user = Some(user.parse()?);
        }
        spec.tty = self.tty.is_some();
        // It is no PID 1, and is born in its version 2 cgroup.
        spec.init = true;
        file.fault = None;
        Ok(file)
    }
}

fn failure(step: &str, call: impl Into<String>, errno: Option<i32>) -> StepFailure {
    StepFailure {
        step: step.into(),
        call: call.into(),
        message: None,
        errno,
        hint: errno.map_or("Look at the container's state.", errno_hint).into(),
    }
}
