//! The supervisor: one per container, from its start to its end.
//!
//! It builds the container, then is one poll loop: it pumps output into the log, serves
//! those who attach, probes the health, passes signals on, and when the command has ended
//! writes down how, and starts it again if its restart policy says so. It is the only writer
//! of `status.json`, `trace.json` and the log. It outlives the program that asked for the
//! start.

use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigHandler, Signal, signal};
use nix::unistd::{pipe2, setsid};

use super::attachments::Attachments;
use super::building::Building;
use super::channel;
use super::construct::{self, Running, construct};
use super::context::{Context, Streams};
use super::control::{self, Answer, MOST_CALLERS, Request};
use super::host::Host;
use super::memory_watch::MemoryWatch;
use super::output::Output;
use super::prober::Prober;
use super::publisher::Publisher;
use super::raw::{
    close_all_except, next_signal, reap_raw, release_memory, set_process_name, signalfd_without,
};
use super::{cgroup, freezer, network, process, steps};
use crate::backend::Started as Began;
use crate::container::STOP_GRACE;
use crate::error::{Error, Result, StepFailure};
use crate::events::EventKind;
use crate::life::{End, Life};
use crate::logs::Stream;
use crate::network::NetworkInfo;
use crate::restart::Backoff;
use crate::spec::{ContainerId, NetworkMode};
use crate::status::{ExitStatus, ProcessIdentity, StatusRecord};
use crate::store::ContainerDir;

/// How long a child may take to be gone after SIGKILL. One that a disk keeps is left behind then.
const LONGEST_END: Duration = Duration::from_secs(10);

/// The supervisor's main function, in a fork of the spawner.
pub(crate) fn run(container: PathBuf, reply: OwnedFd, lock: OwnedFd, host: &Host) -> ! {
    // A session of its own: no terminal's Ctrl-C and no hang-up reaches it.
    let _ = setsid();
    set_process_name(c"md-supervisor");
    close_all_except(&[reply.as_raw_fd(), lock.as_raw_fd()]);
    // SAFETY: the disposition installs no handler. The spawner ignored it.
    unsafe {
        let _ = signal(Signal::SIGCHLD, SigHandler::SigDfl);
    }
    // If the asker is gone, nobody waits for the answer.
    let answer = |message: &Began| {
        let _ = channel::send(reply.as_fd(), message, &[]);
    };
    let leave = |connected: bool| {
        if connected {
            network::leave(&host.machine.boot_id);
        }
    };
    let mut supervisor = match Supervisor::new(ContainerDir::at(container), host) {
        Ok(supervisor) => supervisor,
        Err(error) => {
            leave(true);
            drop(lock);
            answer(&Began::Trouble(error.to_string()));
            std::process::exit(1)
        }
    };
    let begun = supervisor.start();
    let connected = supervisor.is_connected();
    let code = match begun {
        Ok(Started::Running(run)) => {
            // The start is over: its lock is let go, and the asker told.
            drop(lock);
            answer(&Began::Running);
            drop(reply);
            supervisor.life.keep_room();
            let result = supervisor.live(*run);
            leave(connected);
            match result {
                Ok(()) => 0,
                Err(error) => {
                    log::error!("{error}");
                    clean_up(&supervisor.life.record.cgroups);
                    supervisor.life.gave_up(&error);
                    1
                }
            }
        }
        Ok(Started::Failed(failure)) => {
            leave(connected);
            drop(lock);
            answer(&Began::Failed(failure));
            1
        }
        // Only what its restart policy starts is.
        Ok(Started::Postponed(_)) => 1,
        Err(error) => {
            leave(true);
            supervisor.life.gave_up(&error);
            drop(lock);
            answer(&Began::Trouble(error.to_string()));
            1
        }
    };
    supervisor.linger();
    std::process::exit(code)
}

/// What it is for the whole of its life.
struct Supervisor<'h> {
    host: &'h Host,
    life: Life,
    signals: OwnedFd,
    /// Where programs knock.
    door: OwnedFd,
    /// Those who came in and have not said yet what they want.
    callers: Vec<OwnedFd>,
    /// The published ports, which stay open between two runs.
    publisher: Publisher,
}

enum Started {
    Running(Box<Run>),
    Failed(StepFailure),
    /// A start by the restart policy, which is to be tried again after this time.
    Postponed(Duration),
}

/// One run of the command, from its exec to its end.
struct Run {
    began: Instant,
    init: i32,
    init_pidfd: OwnedFd,
    /// Where signals go.
    command_pidfd: Option<OwnedFd>,
    /// Through which init tells how the command ended.
    exit_report: OwnedFd,
    output: Output,
    attachments: Attachments,
    memory: Option<MemoryWatch>,
    prober: Option<Prober>,
    cgroup: cgroup::Cgroup,
    /// The end of the grace period of a stop.
    kill_at: Option<Instant>,
    /// When its time is over; None once it was killed for that.
    time_is_over_at: Option<Instant>,
    /// Whether it was killed because its time was over.
    timed_out: bool,
    /// Whether it was killed at somebody's request.
    killed: bool,
    /// Whether it is being ended because it was unhealthy.
    unhealthy: bool,
}

/// What the poll loop hears from. The numbers count within their kind.
#[derive(Clone, Copy)]
enum Source {
    End,
    Signals,
    Door,
    Caller(usize),
    Client(usize),
    Input,
    Output,
    Memory,
    Prober,
    Forwarder,
}

impl<'h> Supervisor<'h> {
    fn new(dir: ContainerDir, host: &'h Host) -> Result<Supervisor<'h>> {
        let myself = process::identify_self().ok_or_else(|| Error::HelperFailed {
            action: "starting",
            why: "there is no /proc".into(),
        })?;
        let door = control::open(&dir)?;
        // A child's end is told by its pidfd, a closed pipe by write(2); whatever else arrives
        // is meant for the container.
        let signals = signalfd_without(&[libc::SIGCHLD, libc::SIGPIPE])
            .map_err(|errno| system("signalfd", Errno::from_raw(errno)))?;
        // Last: what fails before leaves the container as it was.
        let life = Life::begin(dir, &host.machine.boot_id, myself, |file, record| {
            record.cgroups = cgroup::Cgroup::of(&host.cgroups, file.id.as_str()).paths();
        })?;
        Ok(Supervisor {
            host,
            door,
            signals,
            life,
            callers: Vec::new(),
            publisher: Publisher::default(),
        })
    }

    /// Whether it has a share in a network that others use too.
    fn is_connected(&self) -> bool {
        !matches!(self.life.file.spec.network_mode(), NetworkMode::None | NetworkMode::Host)
    }

    /// Builds the container, the first time or again.
    fn start(&mut self) -> Result<Started> {
        let started_at = self.life.open_run(&self.host.machine.time_zone);
        let Life { dir, file, .. } = &self.life;
        let spec = &file.spec;

        let mut pipes = Pipes::default();
        let streams = if spec.tty { Streams::default() } else { pipes.make(spec.stdin_open)? };
        let image = self.host.image(&spec.image)?;
        let mut context = Context::new(file, dir, self.host, &image, streams);
        context.listeners = std::mem::take(&mut self.publisher.listeners);
        let steps = steps::plan(file, dir, self.host, &image);
        let mut building = Building::new(&self.door, &mut self.callers);
        let built = construct(&mut context, &steps, file, &mut building);
        let stop_at = building.stop_at;
        context.close_streams();
        self.publisher.listeners = std::mem::take(&mut context.listeners);
        let not_enforced = std::mem::take(&mut context.not_enforced);
        let connection = context.network.info(spec);
        let failure = built.result.as_ref().err().cloned();
        let trace = construct::trace(file, started_at, &steps, &context, built.traced, failure);
        if let Err(error) = dir.write_trace(&trace) {
            log::warn!("{error}");
        }
        let cgroup = context.cgroup.clone();
        drop(context);

        if stop_at.is_some() {
            self.life.stopped_by_an_operator();
        }
        self.life.built(started_at, not_enforced);
        self.life.record.network = Some(connection);
        match built.result {
            Ok(running) => {
                let mut run = self.watch(running, pipes, cgroup);
                if let Err(error) = self.publish().and_then(|()| self.life.running()) {
                    reap_after_kill(run.init, &run.init_pidfd);
                    clean_up(&self.life.record.cgroups);
                    return Err(error);
                }
                if let Some(stop_at) = stop_at {
                    let grace = stop_at.saturating_duration_since(Instant::now());
                    run.stop(grace, &self.life);
                }
                release_memory();
                Ok(Started::Running(Box::new(run)))
            }
            Err(failure) => {
                clean_up(&self.life.record.cgroups);
                match self.life.postponed(&failure) {
                    Some(pause) => Ok(Started::Postponed(pause)),
                    None => {
                        self.life.failed(failure.clone());
                        Ok(Started::Failed(failure))
                    }
                }
            }
        }
    }

    /// Has the published ports forwarded to the container.
    fn publish(&mut self) -> Result<()> {
        let Life { record, file, .. } = &mut self.life;
        let network = record.network.get_or_insert_with(|| NetworkInfo::at_rest(&file.spec));
        network.ports = self.publisher.ports();
        match network.networks.first() {
            Some(endpoint) => {
                let begun = self.publisher.begin(endpoint.ip_address);
                begun.map_err(|errno| system("fork of the forwarder", errno))?;
                record.forwarder = self.publisher.process();
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Gathers what a run is followed by.
    fn watch(&mut self, running: Running, pipes: Pipes, cgroup: cgroup::Cgroup) -> Run {
        let Life { dir, file, record, .. } = &mut self.life;
        record.init = process::identify(running.init);
        record.command = process::identify(running.command);
        let (spec, began) = (&file.spec, Instant::now());
        let (sources, input) = match running.terminal {
            Some(terminal) => {
                let input = terminal.try_clone().ok();
                (vec![(Stream::Stdout, terminal)], input)
            }
            None => (pipes.output, pipes.input),
        };
        Run {
            began,
            init: running.init,
            init_pidfd: running.init_pidfd,
            command_pidfd: record.command.and_then(process::open),
            exit_report: running.exit_report,
            output: Output::new(sources),
            attachments: Attachments::new(input, spec.stdin_open, spec.tty),
            memory: cgroup
                .find(cgroup::Controller::Memory)
                .and_then(|(dir, v2)| MemoryWatch::new(dir, v2)),
            prober: spec.health_check.clone().map(|check| Prober::new(check, dir.path())),
            cgroup,
            kill_at: None,
            time_is_over_at: spec.timeout.map(|timeout| began + timeout),
            timed_out: false,
            killed: false,
            unhealthy: false,
        }
    }

    /// Follows the container through all its runs.
    fn live(&mut self, mut run: Run) -> Result<()> {
        loop {
            self.follow(&mut run)?;
            let Some(pause) = self.finish(run) else { return Ok(()) };
            run = match self.begin_again(pause)? {
                Some(run) => run,
                None => return Ok(()),
            };
        }
    }

    /// Starts the next run after a pause. None if there is to be none.
    fn begin_again(&mut self, mut pause: Duration) -> Result<Option<Run>> {
        loop {
            // The lock keeps others from working on the rootfs while it is mounted.
            let Some(_lock) = self.wait(pause)? else {
                self.life.over();
                return Ok(None);
            };
            self.life.record.restarts += 1;
            match self.start()? {
                Started::Running(run) => return Ok(Some(*run)),
                Started::Failed(_) => return Ok(None),
                Started::Postponed(again) => pause = again,
            }
        }
    }

    /// All is over, and perhaps there was no room on the disk to say so: stays until there is,
    /// and as long as there is a container. Who wants to start or delete it sends this process
    /// away, unless nobody but it knows how the container ended.
    fn linger(mut self) {
        while self.life.is_behind() {
            let deadline = self.life.deadline();
            let heard = self.hear(None, deadline).unwrap_or_default();
            for source in heard.into_iter().rev() {
                match source {
                    Source::Caller(index) => {
                        let caller = self.callers.remove(index);
                        let _ = channel::receive::<Request>(caller.as_fd());
                        let _ = channel::send(caller.as_fd(), &Answer::NotRunning, &[]);
                        if !self.life.is_unsaved() {
                            return;
                        }
                    }
                    other => self.serve(other, None),
                }
            }
            self.life.catch_up();
        }
    }

    /// Follows one run to its end.
    fn follow(&mut self, run: &mut Run) -> Result<()> {
        loop {
            let deadlines = [
                run.kill_at,
                run.time_is_over_at,
                run.memory.as_ref().and_then(MemoryWatch::deadline),
                run.prober.as_ref().and_then(Prober::deadline),
                self.publisher.deadline(),
                self.life.deadline(),
            ];
            let heard = self.hear(Some(run), deadlines.into_iter().flatten().min())?;
            let mut output = false;
            let mut ended = false;
            // Backwards, so that removing one does not renumber those to come.
            for source in heard.into_iter().rev() {
                match source {
                    Source::End => ended = true,
                    Source::Output => output = true,
                    Source::Client(index) => run.attachments.listen(index),
                    Source::Input => run.attachments.write(),
                    // Stepped below, also when only its time has come.
                    Source::Prober => {}
                    Source::Forwarder => self.publisher.heard(),
                    Source::Memory => {
                        if let Some(memory) = &mut run.memory {
                            memory.notified();
                        }
                    }
                    other => self.serve(other, Some(run)),
                }
            }
            if output {
                let Run { output, attachments, .. } = run;
                output
                    .pump(&mut self.life.log, &mut |stream, bytes| attachments.show(stream, bytes));
            }
            let command = self.life.record.command.map_or(run.init, |command| command.pid);
            if let Some(kills) = run.memory.as_mut().and_then(|memory| memory.news(command)) {
                self.life.record.oom_kills = kills;
                self.life.save();
                self.life.tell(EventKind::OutOfMemory { kills });
            }
            self.life.catch_up();
            self.probe(run);
            if self.publisher.step() {
                self.life.record.forwarder = self.publisher.process();
                self.life.save();
            }
            if run.kill_at.is_some_and(|time| time <= Instant::now()) {
                run.kill(&self.life.record.cgroups);
            }
            if run.time_is_over_at.is_some_and(|time| time <= Instant::now()) {
                (run.time_is_over_at, run.timed_out) = (None, true);
                run.kill(&self.life.record.cgroups);
            }
            if ended {
                let Run { output, attachments, .. } = run;
                output.drain(&mut self.life.log, &mut |stream, bytes| {
                    attachments.show(stream, bytes)
                });
                attachments.end();
                return Ok(());
            }
        }
    }

    /// Lets the prober do its work, and writes down what it has found.
    fn probe(&mut self, run: &mut Run) {
        let Some(prober) = &mut run.prober else { return };
        let cgroups = &self.life.record.cgroups;
        let Some(probe) = prober.step(self.host, || freezer::is_frozen(cgroups)) else { return };
        // A probe that was killed with its container says nothing about its health.
        if probe.exit_code != Some(0) && run.is_ending() {
            return;
        }
        let Some(prober) = &run.prober else { return };
        if self.life.learn(probe, prober.check(), prober.is_lenient()) {
            run.unhealthy = true;
            run.stop(STOP_GRACE, &self.life);
        }
    }

    /// Waits until something happens, or until the deadline.
    fn hear(&self, run: Option<&Run>, deadline: Option<Instant>) -> Result<Vec<Source>> {
        let readable = |fd| PollFd::new(fd, PollFlags::POLLIN);
        let mut watched = vec![
            (Source::Signals, readable(self.signals.as_fd())),
            (Source::Door, readable(self.door.as_fd())),
        ];
        let callers = self.callers.iter().enumerate();
        watched.extend(callers.map(|(index, fd)| (Source::Caller(index), readable(fd.as_fd()))));
        if let Some(run) = run {
            watched.push((Source::End, readable(run.init_pidfd.as_fd())));
            watched.extend(run.output.fds().map(|fd| (Source::Output, readable(fd))));
            let clients = run.attachments.listened().enumerate();
            watched.extend(clients.map(|(index, fd)| (Source::Client(index), readable(fd))));
            let input = run.attachments.written();
            watched.extend(input.map(|fd| (Source::Input, PollFd::new(fd, PollFlags::POLLOUT))));
            let memory = run.memory.as_ref().map(MemoryWatch::fd);
            watched.extend(memory.map(|(fd, flags)| (Source::Memory, PollFd::new(fd, flags))));
            let probe = run.prober.iter().flat_map(Prober::fds);
            watched.extend(probe.map(|fd| (Source::Prober, readable(fd))));
            let forwarder = self.publisher.fd();
            watched.extend(forwarder.map(|fd| (Source::Forwarder, readable(fd))));
        }
        let (sources, mut fds): (Vec<Source>, Vec<PollFd<'_>>) = watched.into_iter().unzip();
        let timeout = deadline.map_or(PollTimeout::NONE, |deadline| {
            let left = deadline.saturating_duration_since(Instant::now());
            // poll(2) counts whole milliseconds: rounded up, never a busy loop.
            PollTimeout::try_from(left.as_micros().div_ceil(1000)).unwrap_or(PollTimeout::MAX)
        });
        match poll(&mut fds, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(system("poll", errno)),
        }
        let ready = fds.iter().map(|fd| fd.any().unwrap_or(false));
        Ok(sources.into_iter().zip(ready).filter_map(|(source, is)| is.then_some(source)).collect())
    }

    /// Serves what may come with and without a run.
    fn serve(&mut self, source: Source, run: Option<&mut Run>) {
        match source {
            Source::Signals => {
                while let Some(number) = next_signal(&self.signals) {
                    if let Some(run) = &run {
                        run.signal(number);
                    }
                }
            }
            Source::Door => {
                if let Some(caller) = control::admit(&self.door)
                    && self.callers.len() < MOST_CALLERS
                {
                    self.callers.push(caller);
                }
            }
            Source::Caller(index) => {
                let caller = self.callers.remove(index);
                if let Ok(Some(request)) = channel::receive::<Request>(caller.as_fd()) {
                    self.answer(caller, request.message, run);
                }
            }
            _ => {}
        }
    }

    fn answer(&mut self, caller: OwnedFd, request: Request, run: Option<&mut Run>) {
        let answer = match (request, run) {
            (Request::Stop { grace_millis }, run) => {
                self.life.stopped_by_an_operator();
                if let Some(run) = run {
                    run.stop(Duration::from_millis(grace_millis), &self.life);
                }
                Answer::Done
            }
            (Request::Signal(number), Some(run)) => {
                // Who kills it does not want it back.
                let stops = self.life.file.spec.stops_with().number();
                if matches!(number, libc::SIGKILL | libc::SIGTERM) || number == stops {
                    self.life.stopped_by_an_operator();
                }
                run.signal(number);
                if number == libc::SIGKILL {
                    run.killed = true;
                    freezer::kill_frozen(&self.life.record.cgroups);
                }
                Answer::Done
            }
            (Request::Attach, Some(run)) => {
                let spec = &self.life.file.spec;
                let (stdin, tty) = (spec.stdin_open, spec.tty);
                let answer = Answer::Attached { stdin, tty };
                if channel::send(caller.as_fd(), &answer, &[]).is_ok() {
                    run.attachments.add(caller);
                }
                return;
            }
            (Request::Signal(_) | Request::Attach, None) => Answer::NotRunning,
        };
        // If the caller is gone, nobody waits for the answer.
        let _ = channel::send(caller.as_fd(), &answer, &[]);
    }

    /// A run has ended: writes down how, and removes what is left of it. Returns how long to
    /// wait for the next run, if there is to be one.
    fn finish(&mut self, mut run: Run) -> Option<Duration> {
        drop(run.prober.take());
        let status = reap(run.init);
        let oom_kills = run.cgroup.oom_kills();
        let told = self.life.record.oom_kills;
        // Before the count at the end: what is new in it has happened just now.
        let out_of_memory = match &mut run.memory {
            Some(memory) => memory.has_killed_it(),
            None => oom_kills > 0,
        };
        if oom_kills > told {
            self.life.tell(EventKind::OutOfMemory { kills: oom_kills });
        }
        // Init tells how the command ended; if it could not, how init itself did.
        let mut raw = [0; 4];
        let mut report = std::fs::File::from(run.exit_report);
        let (code, signal) = match report.read(&mut raw) {
            Ok(4) => decode(i32::from_ne_bytes(raw)),
            _ => status,
        };
        // At its last moment it may still have ended by itself.
        let killed = signal == Some(libc::SIGKILL);
        let timed_out = killed && run.timed_out;
        let oom_killed = killed && !timed_out && !run.killed && out_of_memory;
        let exit = ExitStatus { code, signal, oom_killed, timed_out };
        clean_up(&self.life.record.cgroups);
        self.publisher.end();
        let memory = self.life.file.spec.memory;
        let limit = memory.map_or("the machine".to_string(), |memory| memory.to_string());
        let (length, unhealthy) = (run.began.elapsed(), run.unhealthy);
        let end = End { exit, oom_kills, unhealthy, length };
        self.life.ended(end, |log| log.exited(exit, oom_kills, &limit))
    }

    /// Waits before the next run. Returns the container's lock, or None if an operator does
    /// not want the run any more.
    fn wait(&mut self, pause: Duration) -> Result<Option<std::fs::File>> {
        let mut deadline = Instant::now() + pause;
        loop {
            if self.life.record.stopped {
                return Ok(None);
            }
            if deadline <= Instant::now() {
                match self.life.dir.try_lock("restart") {
                    Ok(Some(lock)) => return Ok(Some(lock)),
                    Ok(None) => {}
                    // Somebody has removed the folder.
                    Err(error) if !self.life.dir.path().exists() => return Err(error),
                    Err(error) => log::warn!("{error}"),
                }
                // Somebody works on it, perhaps to stop it, and will knock then. A lock
                // announces nothing, so this is one more short wait.
                deadline = Instant::now() + Backoff::SHORTEST;
            }
            let next = self.life.deadline().map_or(deadline, |time| time.min(deadline));
            for source in self.hear(None, Some(next))?.into_iter().rev() {
                self.serve(source, None);
            }
            self.life.catch_up();
        }
    }
}

impl Run {
    /// Whether its end has begun. Init begins to exit before the kernel kills the other
    /// processes of its namespace.
    fn is_ending(&self) -> bool {
        self.kill_at.is_some() || self.killed || process::is_exiting(self.init)
    }

    /// Passes a signal to the command.
    fn signal(&self, number: i32) {
        let target = self.command_pidfd.as_ref().unwrap_or(&self.init_pidfd);
        let _ = process::signal(target, number);
    }

    /// Asks the command to end, and sees to it that it does after the grace period. What is
    /// frozen could do neither, so it is thawed.
    fn stop(&mut self, grace: Duration, life: &Life) {
        let cgroups = &life.record.cgroups;
        if grace.is_zero() {
            return self.kill(cgroups);
        }
        self.signal(life.file.spec.stops_with().number());
        let _ = freezer::thaw(cgroups);
        let kill_at = Instant::now() + grace;
        self.kill_at = Some(self.kill_at.map_or(kill_at, |earlier| earlier.min(kill_at)));
    }

    /// Killing init kills its whole PID namespace; without one, the cgroup is emptied at the
    /// end.
    fn kill(&mut self, cgroups: &[PathBuf]) {
        self.kill_at = None;
        self.killed = true;
        let _ = process::signal(&self.init_pidfd, libc::SIGKILL);
        freezer::kill_frozen(cgroups);
    }
}

/// The pipes that are the command's standard streams: the supervisor's ends.
#[derive(Default)]
struct Pipes {
    input: Option<OwnedFd>,
    output: Vec<(Stream, OwnedFd)>,
}

impl Pipes {
    /// Makes them; returns the command's ends.
    fn make(&mut self, with_input: bool) -> Result<Streams> {
        let pipe = || pipe2(OFlag::O_CLOEXEC).map_err(|errno| system("pipe2", errno));
        let (stdout, stdout_inside) = pipe()?;
        let (stderr, stderr_inside) = pipe()?;
        self.output = vec![(Stream::Stdout, stdout), (Stream::Stderr, stderr)];
        let mut streams =
            Streams { stdin: None, stdout: Some(stdout_inside), stderr: Some(stderr_inside) };
        if with_input {
            let (stdin_inside, stdin) = pipe()?;
            (streams.stdin, self.input) = (Some(stdin_inside), Some(stdin));
        }
        Ok(streams)
    }
}

fn system(call: &str, errno: Errno) -> Error {
    Error::System { call: call.into(), errno: errno as i32 }
}

fn clean_up(cgroups: &[PathBuf]) {
    cgroup::kill_all(cgroups);
    for (path, errno) in cgroup::remove(cgroups) {
        log::warn!("cannot remove {}: {}", path.display(), crate::error::Errno(errno));
    }
}

pub(crate) fn reap_after_kill(init: i32, pidfd: &OwnedFd) -> (i32, Option<i32>) {
    let _ = process::signal(pidfd, libc::SIGKILL);
    match process::wait_readable(pidfd.as_fd(), Some(LONGEST_END)) {
        Ok(true) => reap(init),
        _ => (128 + libc::SIGKILL, Some(libc::SIGKILL)),
    }
}

/// Waits for a child and says how it ended.
fn reap(child: i32) -> (i32, Option<i32>) {
    decode(reap_raw(child))
}

/// A wait status as waitpid(2) gives it to C: exit code, or 128+N and signal N.
pub(crate) fn decode(raw: i32) -> (i32, Option<i32>) {
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
    freezer::kill_frozen(&record.cgroups);
    for left in [record.init, record.command, record.forwarder].into_iter().flatten() {
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
