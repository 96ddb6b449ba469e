//! The supervisor: one per container, from its start to its end.
//!
//! It performs the outer steps of the plan, follows the inner ones, then is one poll
//! loop: it pumps output into the log, passes signals on, and when the command has
//! ended writes down how. It is the only writer of `status.json`, `trace.json` and the
//! log. It outlives the program that asked for the start.

use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::PathBuf;

use jiff::Timestamp;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigHandler, SigSet, Signal, signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{Pid, pipe2, setsid};
use rustix::process::PidfdFlags;

use super::channel::{self, Reply, Report};
use super::context::{Context, Flow};
use super::host::Host;
use super::raw::{close_all_except, release_memory, set_process_name};
use super::steps::{self, Step};
use super::{cgroup, init, process};
use crate::error::{Error, Result, StepFailure};
use crate::logs::{LogWriter, ROTATE_AT, Stream};
use crate::plan::{Outcome, Trace, TracedStep};
use crate::spec::{ContainerId, Memory};
use crate::status::{ExitStatus, Phase, ProcessIdentity, StatusRecord};
use crate::store::{ContainerDir, SpecFile};

/// How much of the output is read at once.
const CHUNK: usize = 32 << 10;

/// A pipe holds 64 KiB, and at most this much if the container enlarges it
/// (`man 7 pipe`, pipe-max-size).
const LARGEST_PIPE: usize = 1 << 20;

/// The supervisor's main function, in a fork of the spawner.
pub(crate) fn run(container: PathBuf, reply: OwnedFd, lock: OwnedFd, host: &Host) -> ! {
    // A session of its own: no terminal's Ctrl-C and no hang-up reaches it.
    let _ = setsid();
    set_process_name(c"md-supervisor");
    close_all_except(&[reply.as_raw_fd(), lock.as_raw_fd()]);
    // SAFETY: the default disposition installs no handler. The spawner ignored these.
    unsafe {
        let _ = signal(Signal::SIGCHLD, SigHandler::SigDfl);
        let _ = signal(Signal::SIGINT, SigHandler::SigDfl);
    }
    // If the asker is gone, nobody waits for the answer.
    let answer = |message: &Reply| {
        let _ = channel::send(reply.as_fd(), message, &[]);
    };
    let dir = ContainerDir::at(container);
    let code = match Supervisor::start(dir, host) {
        Ok(Start::Running(supervisor)) => {
            // The start is over: its lock is let go, and the asker told.
            drop(lock);
            answer(&Reply::Started);
            drop(reply);
            match supervisor.follow() {
                Ok(()) => 0,
                Err(_) => 1,
            }
        }
        Ok(Start::Failed(failure)) => {
            drop(lock);
            answer(&Reply::Failed(failure));
            1
        }
        Err(error) => {
            drop(lock);
            answer(&Reply::Trouble(error.to_string()));
            1
        }
    };
    std::process::exit(code)
}

enum Start {
    Running(Box<Supervisor>),
    Failed(StepFailure),
}

/// A container that runs.
struct Supervisor {
    dir: ContainerDir,
    record: StatusRecord,
    log: LogWriter,
    memory: Option<Memory>,
    cgroup: cgroup::Cgroup,
    init: i32,
    init_pidfd: OwnedFd,
    /// Where the signals sent to it are passed on to.
    command_pidfd: Option<OwnedFd>,
    stdout: Option<OwnedFd>,
    stderr: Option<OwnedFd>,
    /// Through which init tells how the command ended.
    exit_report: OwnedFd,
    signals: SignalFd,
}

impl Supervisor {
    /// Builds the container.
    fn start(dir: ContainerDir, host: &Host) -> Result<Start> {
        let file = dir.spec_file()?.ok_or_else(|| Error::NotFound {
            name: dir.path().file_name().unwrap_or_default().to_string_lossy().into_owned(),
        })?;
        // A damaged record is no reason not to write a new one.
        let earlier = dir.status().ok().flatten().map_or(0, |record| record.starts);
        let started_at = Timestamp::now();
        let system =
            |call: &str, errno: Errno| Error::System { call: call.into(), errno: errno as i32 };
        let myself = process::identify_self()
            .ok_or_else(|| Error::HelperFailed { action: "starting", why: "no /proc".into() })?;

        let (stdout, stdout_inside) =
            pipe2(OFlag::O_CLOEXEC).map_err(|errno| system("pipe2", errno))?;
        let (stderr, stderr_inside) =
            pipe2(OFlag::O_CLOEXEC).map_err(|errno| system("pipe2", errno))?;
        let mut context = Context::new(&file, &dir, host, (stdout_inside, stderr_inside));
        let mut record = StatusRecord {
            phase: Phase::Starting,
            boot_id: host.boot_id.clone(),
            supervisor: myself,
            init: None,
            command: None,
            started_at,
            finished_at: None,
            exit: None,
            failure: None,
            oom_kills: 0,
            not_enforced: Vec::new(),
            starts: earlier + 1,
            cgroups: context.cgroup.paths(),
        };
        // From here on, whoever finds this supervisor dead knows what to clean up.
        dir.write_status(&record)?;
        let mut log = LogWriter::open(&dir.log(), ROTATE_AT)?;
        let local_time = started_at.to_zoned_datetime(host.time_zone.clone());
        log.started(&file.id, &file.spec.command, local_time)?;

        let signals = passed_on();
        signals.thread_block().map_err(|errno| system("sigprocmask", errno))?;
        let signals =
            SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
                .map_err(|errno| system("signalfd", errno))?;

        let steps = steps::plan(&file, &dir, host);
        let built = construct(&mut context, &steps, &file);
        context.close_output();
        record.not_enforced = std::mem::take(&mut context.not_enforced);
        let failure = match &built.result {
            Ok(_) => None,
            Err(failure) => Some(failure.clone()),
        };
        if let Err(error) =
            dir.write_trace(&trace(&file, started_at, &steps, &context, built.traced, failure))
        {
            log::warn!("{error}");
        }
        let cgroup = context.cgroup.clone();
        drop(context);

        match built.result {
            Ok(running) => {
                record.phase = Phase::Running;
                record.init = process::identify(running.init);
                record.command = running.command.and_then(process::identify);
                // What nobody would know of must not run.
                if let Err(error) = dir.write_status(&record) {
                    reap_after_kill(running.init, &running.init_pidfd);
                    clean_up(&record.cgroups);
                    return Err(error);
                }
                Ok(Start::Running(Box::new(Supervisor {
                    command_pidfd: record.command.and_then(process::open),
                    dir,
                    record,
                    log,
                    memory: file.spec.memory,
                    cgroup,
                    init: running.init,
                    init_pidfd: running.init_pidfd,
                    stdout: Some(stdout),
                    stderr: Some(stderr),
                    exit_report: running.exit_report,
                    signals,
                })))
            }
            Err(failure) => {
                clean_up(&record.cgroups);
                if let Err(error) = log.failed(&failure.to_string()) {
                    log::warn!("{error}");
                }
                record.phase = Phase::Failed;
                record.finished_at = Some(Timestamp::now());
                record.failure = Some(failure.clone());
                dir.write_status(&record)?;
                Ok(Start::Failed(failure))
            }
        }
    }

    /// Follows the container to its end.
    fn follow(mut self) -> Result<()> {
        for pipe in [&self.stdout, &self.stderr].into_iter().flatten() {
            let _ = fcntl(pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK));
        }
        release_memory();
        let mut chunk = vec![0; CHUNK];
        let mut ended = false;
        while !ended {
            let (output, signalled);
            {
                let watch = |fd| PollFd::new(fd, PollFlags::POLLIN);
                let mut fds = vec![watch(self.init_pidfd.as_fd()), watch(self.signals.as_fd())];
                let pipes = [&self.stdout, &self.stderr].into_iter().flatten();
                fds.extend(pipes.map(|pipe| watch(pipe.as_fd())));
                match poll(&mut fds, PollTimeout::NONE) {
                    Ok(_) | Err(Errno::EINTR) => {}
                    Err(errno) => {
                        return Err(Error::System { call: "poll".into(), errno: errno as i32 });
                    }
                }
                let ready = |fd: &PollFd<'_>| fd.any().unwrap_or(false);
                ended = ready(&fds[0]);
                signalled = ready(&fds[1]);
                output = fds[2..].iter().any(ready);
            }
            if signalled {
                self.pass_signals_on();
            }
            if output {
                self.pump(&mut chunk)?;
            }
        }
        // What is left in the pipes is read, and no more than they can hold: a process outside
        // the container may have the other end, and write for as long as it likes.
        for _ in 0..=LARGEST_PIPE / CHUNK {
            if !self.pump(&mut chunk)? {
                break;
            }
        }
        self.finish()
    }

    /// Reads a chunk of each stream into the log. Returns whether there was any.
    fn pump(&mut self, chunk: &mut [u8]) -> Result<bool> {
        let mut any = false;
        for (pipe, stream) in
            [(&mut self.stdout, Stream::Stdout), (&mut self.stderr, Stream::Stderr)]
        {
            let Some(open) = pipe else { continue };
            match nix::unistd::read(open.as_fd(), chunk) {
                Ok(0) => *pipe = None,
                Ok(length) => {
                    any = true;
                    // A full disk must not stop the container: output is lost, not it.
                    if let Err(error) = self.log.output(stream, &chunk[..length]) {
                        log::warn!("{error}");
                    }
                }
                Err(Errno::EAGAIN | Errno::EINTR) => {}
                Err(_) => *pipe = None,
            }
        }
        Ok(any)
    }

    fn pass_signals_on(&mut self) {
        while let Ok(Some(info)) = self.signals.read_signal() {
            let number = info.ssi_signo.try_into().unwrap_or(libc::SIGTERM);
            let target = self.command_pidfd.as_ref().unwrap_or(&self.init_pidfd);
            let _ = process::signal(target, number);
        }
    }

    /// The container has ended: writes down how, and removes what is left of it.
    fn finish(mut self) -> Result<()> {
        let status = reap(self.init);
        let oom_kills = self.cgroup.oom_kills();
        // Init tells how the command ended; if it could not, how init itself did.
        let mut raw = [0; 4];
        let mut report = std::fs::File::from(self.exit_report);
        let (code, signal) = match report.read(&mut raw) {
            Ok(4) => decode(i32::from_ne_bytes(raw)),
            _ => status,
        };
        let oom_killed = oom_kills > 0 && signal == Some(libc::SIGKILL);
        let exit = ExitStatus { code, signal, oom_killed };
        clean_up(&self.record.cgroups);
        let limit = self.memory.map_or("the machine".to_string(), |memory| memory.to_string());
        // A full disk may cost the log its last line, but not the state its truth.
        if let Err(error) = self.log.exited(exit, oom_kills, &limit) {
            log::warn!("{error}");
        }
        self.record.phase = Phase::Exited;
        self.record.finished_at = Some(Timestamp::now());
        self.record.exit = Some(exit);
        self.record.oom_kills = oom_kills;
        self.dir.write_status(&self.record)
    }
}

/// What the construction made.
struct Running {
    init: i32,
    init_pidfd: OwnedFd,
    command: Option<i32>,
    exit_report: OwnedFd,
}

struct Built {
    result: std::result::Result<Running, StepFailure>,
    /// The steps that init and the command performed.
    traced: Vec<TracedStep>,
}

/// Performs the outer steps, and follows the inner ones to the exec.
fn construct(context: &mut Context<'_>, steps: &[Step], file: &SpecFile) -> Built {
    let trouble = |call: &str, errno: i32| StepFailure {
        step: "clone".into(),
        call: call.into(),
        message: None,
        errno: Some(errno),
        hint: crate::error::errno_hint(errno).into(),
    };
    let mut traced = Vec::new();
    let result = (|| {
        let made = |call: &'static str| move |errno: Errno| trouble(call, errno as i32);
        let (reports, reports_inside) = channel::pair().map_err(made("socketpair"))?;
        channel::want_sender(&reports).map_err(made("setsockopt"))?;
        let (exit_report, exit_inside) = pipe2(OFlag::O_CLOEXEC).map_err(made("pipe2"))?;
        let myself = rustix::process::pidfd_open(rustix::process::getpid(), PidfdFlags::empty())
            .map_err(|errno| trouble("pidfd_open", errno.raw_os_error()))?;

        let init = match context.run_steps(steps, crate::plan::Actor::Supervisor)? {
            Flow::Forked(0) => init::run(init::Inside {
                context,
                steps,
                with_init: file.spec.init,
                reports: reports_inside,
                exit_report: exit_inside,
                supervisor: myself,
            }),
            Flow::Forked(pid) => pid,
            _ => return Err(trouble("clone3", libc::EINVAL)),
        };
        drop((reports_inside, exit_inside, myself));
        let pidfd = rustix::process::Pid::from_raw(init)
            .ok_or(rustix::io::Errno::SRCH)
            .and_then(|pid| rustix::process::pidfd_open(pid, PidfdFlags::empty()))
            .map_err(|errno| trouble("pidfd_open", errno.raw_os_error()))?;

        let followed = follow_reports(&reports, &mut traced);
        // The exec was the end of the reports: its time is known only now.
        if let (Ok(_), Some(exec)) = (&followed, traced.last_mut()) {
            exec.micros = ((context.elapsed_micros() - exec.start_micros) * 10.0).round() / 10.0;
        }
        match followed {
            Ok(Some(command)) => {
                Ok(Running { init, init_pidfd: pidfd, command: Some(command), exit_report })
            }
            Ok(None) => {
                let (code, signal) = reap_after_kill(init, &pidfd);
                let how = signal.map_or(format!("code {code}"), |n| format!("signal {n}"));
                let step = next_step(steps, context, &traced);
                Err(StepFailure {
                    step,
                    call: "init".into(),
                    message: Some(format!("init ended with {how} before the command ran")),
                    errno: None,
                    hint: "Something killed it; start the container again.".into(),
                })
            }
            Err(failure) => {
                reap_after_kill(init, &pidfd);
                Err(failure)
            }
        }
    })();
    Built { result, traced }
}

/// Collects the reports until their end: the exec closes the last copy. Returns the
/// command's pid as this process sees it, or None if there was no exec.
fn follow_reports(
    reports: &OwnedFd,
    traced: &mut Vec<TracedStep>,
) -> std::result::Result<Option<i32>, StepFailure> {
    let mut command = None;
    let mut failure = None;
    // An unreadable message ends it like a closed channel.
    while let Ok(Some(received)) = channel::receive::<Report>(reports.as_fd()) {
        match received.message {
            Report::Steps(steps) => {
                // A failed exec is reported once more than it was announced.
                traced.retain(|earlier| steps.iter().all(|step| step.id != earlier.id));
                traced.extend(steps);
            }
            Report::AboutToExec => command = received.sender,
            Report::Failed(found) => failure = Some(found),
        }
    }
    match failure {
        Some(failure) => Err(failure),
        None => Ok(command),
    }
}

fn next_step(steps: &[Step], context: &Context<'_>, traced: &[TracedStep]) -> String {
    let done = context.traced.len() + traced.len();
    steps.get(done).or(steps.last()).map_or_else(String::new, |step| step.id.clone())
}

/// The trace: what each process recorded, and what was never reached.
fn trace(
    file: &SpecFile,
    started_at: Timestamp,
    steps: &[Step],
    context: &Context<'_>,
    inner: Vec<TracedStep>,
    failure: Option<StepFailure>,
) -> Trace {
    let micros = context.elapsed_micros();
    let done: Vec<TracedStep> = context.traced.iter().cloned().chain(inner).collect();
    let steps = steps
        .iter()
        .map(|step| {
            done.iter().find(|traced| traced.id == step.id).cloned().unwrap_or_else(|| TracedStep {
                id: step.id.clone(),
                actor: step.actor,
                title: step.title.clone(),
                outcome: Outcome::NotReached,
                start_micros: micros,
                micros: 0.0,
                calls: Vec::new(),
            })
        })
        .collect();
    Trace { id: file.id.clone(), started_at, micros, steps, failure }
}

/// The signals that mean something to a container when sent to its supervisor.
fn passed_on() -> SigSet {
    [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT].into_iter().collect()
}

fn clean_up(cgroups: &[PathBuf]) {
    cgroup::kill_all(cgroups);
    for (path, errno) in cgroup::remove(cgroups) {
        log::warn!("cannot remove {}: {}", path.display(), crate::error::Errno(errno));
    }
}

fn reap_after_kill(init: i32, pidfd: &OwnedFd) -> (i32, Option<i32>) {
    let _ = process::signal(pidfd, libc::SIGKILL);
    reap(init)
}

/// Waits for init and says how it ended.
fn reap(init: i32) -> (i32, Option<i32>) {
    loop {
        match waitpid(Pid::from_raw(init), None) {
            Ok(WaitStatus::Exited(_, code)) => return (code, None),
            Ok(WaitStatus::Signaled(_, signal, _)) => {
                return (128 + signal as i32, Some(signal as i32));
            }
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => return (-1, None),
        }
    }
}

/// A wait status as waitpid(2) gives it to C: exit code, or 128+N and signal N.
fn decode(raw: i32) -> (i32, Option<i32>) {
    if libc::WIFSIGNALED(raw) {
        let signal = libc::WTERMSIG(raw);
        (128 + signal, Some(signal))
    } else {
        (libc::WEXITSTATUS(raw), None)
    }
}

/// Kills what a lost supervisor left, and removes its cgroups. Called by the next
/// operation on the container, under its lock.
pub(crate) fn clean_up_after(record: &StatusRecord) -> Result<()> {
    for left in [record.init, record.command].into_iter().flatten() {
        kill_and_wait(left)?;
    }
    remove_cgroups(&record.cgroups)
}

/// As [`clean_up_after`], knowing nothing but the container's id.
pub(crate) fn clean_up_unrecorded(id: &ContainerId, host: &Host) -> Result<()> {
    remove_cgroups(&cgroup::Cgroup::of(&host.cgroups, id.as_str()).paths())
}

fn remove_cgroups(paths: &[PathBuf]) -> Result<()> {
    cgroup::kill_all(paths);
    match cgroup::remove(paths).into_iter().next() {
        None => Ok(()),
        Some((path, errno)) => Err(Error::Io {
            action: "remove the cgroup",
            path,
            why: crate::error::Errno(errno).to_string(),
            errno: Some(errno),
        }),
    }
}

fn kill_and_wait(identity: ProcessIdentity) -> Result<()> {
    if let Some(pidfd) = process::open(identity) {
        process::signal(&pidfd, libc::SIGKILL)?;
        process::wait_readable(pidfd.as_fd(), Some(std::time::Duration::from_secs(10)))?;
    }
    Ok(())
}
