//! The supervisor: one per container, from its start to its end.
//!
//! It does what the Linux backend's does, without a kernel's help: it starts the command, is
//! then one loop over a channel of [`News`], and writes down what happened through the same
//! [`Life`]. Threads that only block tell it of output, ends and callers.

use std::fs::File;
use std::net::TcpStream;
use std::process::{Child, ChildStdin};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::backend::machine;
use super::command::{Prepared, prepare};
use super::control::{self, Answer, Door, Request};
use super::governor::{self, Governor};
use super::plan::{not_enforced, plan};
use super::prober::Prober;
use super::recorder::Recorder;
use super::{output, ports, process};
use crate::backend::{Machine, Started};
use crate::container::STOP_GRACE;
use crate::error::{Error, Result, StepFailure};
use crate::events::EventKind;
use crate::health::Probe;
use crate::life::{End, Life};
use crate::logs::Stream;
use crate::network::NetworkInfo;
use crate::restart::Backoff;
use crate::status::ExitStatus;
use crate::store::ContainerDir;

/// How much news may wait: output beyond that waits in the command's pipes.
const WAITING_NEWS: usize = 64;

/// What is to be known of the network.
const NETWORK: &str = "a simulated container has no network of its own: what it opens is open on \
                       this machine, and it reaches what this machine does";

/// How long the rest of the output may take after the command's end. Only a process that has
/// left the container can hold it up.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What the supervisor hears.
pub(super) enum News {
    /// From one run of the command.
    OfRun(u64, RunNews),
    /// Somebody wants something.
    Called(Request, TcpStream),
}

/// What is heard from a run.
pub(super) enum RunNews {
    Output(Stream, Vec<u8>),
    OutputEnded,
    Probed(Probe),
    /// The command has ended, and waits to be asked how.
    Ended,
}

/// The supervisor's main function, in a process of its own.
pub(super) fn run(dir: ContainerDir) -> ! {
    process::become_independent();
    // If the asker is gone, nobody waits for the answer.
    let answer = |started: &Started| {
        use std::io::Write;
        if let Ok(mut line) = serde_json::to_vec(started) {
            line.push(b'\n');
            let mut stdout = std::io::stdout();
            let _ = stdout.write_all(&line).and_then(|()| stdout.flush());
        }
    };
    let mut supervisor = match Supervisor::new(dir) {
        Ok(supervisor) => supervisor,
        Err(error) => {
            answer(&Started::Trouble(error.to_string()));
            std::process::exit(1)
        }
    };
    let code = match supervisor.start() {
        Ok(Begun::Running(run)) => {
            answer(&Started::Running);
            supervisor.life.keep_room();
            match supervisor.live(*run) {
                Ok(()) => 0,
                Err(error) => {
                    log::error!("{error}");
                    supervisor.life.gave_up(&error);
                    1
                }
            }
        }
        Ok(Begun::Failed(failure)) => {
            answer(&Started::Failed(failure));
            1
        }
        // Only what its restart policy starts is.
        Ok(Begun::Postponed(_)) => 1,
        Err(error) => {
            supervisor.life.gave_up(&error);
            answer(&Started::Trouble(error.to_string()));
            1
        }
    };
    supervisor.linger();
    std::process::exit(code)
}

/// What it is for the whole of its life.
struct Supervisor {
    /// The published ports, which stay open between two runs. Closed before the lock is let
    /// go of (fields are dropped in order): whoever starts it next needs them.
    ports: ports::Open,
    machine: Machine,
    life: Life,
    /// Locked as long as this process lives.
    _lock: File,
    news: Receiver<News>,
    teller: SyncSender<News>,
    /// Those who wait for the end; it comes with this process's.
    watchers: Vec<TcpStream>,
    runs: u64,
}

/// How a start went.
enum Begun {
    Running(Box<Run>),
    Failed(StepFailure),
    /// A start by the restart policy, which is to be tried again after this time.
    Postponed(Duration),
}

/// One run of the command.
struct Run {
    number: u64,
    began: Instant,
    child: Child,
    /// Held open if that was asked for; nobody writes to it.
    _stdin: Option<ChildStdin>,
    governor: governor::Shared,
    /// Closed at the end, which ends the governor's thread.
    _governed: Sender<()>,
    prober: Option<Prober>,
    /// How many of its streams are open.
    streams: u32,
    kill_at: Option<Instant>,
    /// When its time is over; None once it was killed for that.
    time_is_over_at: Option<Instant>,
    /// Whether it was killed because its time was over.
    timed_out: bool,
    /// Whether it was killed.
    killed: bool,
    unhealthy: bool,
}

impl Supervisor {
    fn new(dir: ContainerDir) -> Result<Supervisor> {
        let machine = machine();
        let lock = control::begin_life(&dir)?;
        let myself = process::identify(std::process::id()).ok_or_else(|| Error::HelperFailed {
            action: "starting",
            why: "this process cannot find itself among the others".into(),
        })?;
        let door = Door::open(&dir, myself)?;
        let life = Life::begin(dir, &machine.boot_id, myself, |_, _| {})?;
        let (teller, news) = sync_channel(WAITING_NEWS);
        let tell = teller.clone();
        std::thread::spawn(move || {
            door.serve(move |request, caller| {
                let _ = tell.send(News::Called(request, caller));
            });
        });
        Ok(Supervisor {
            ports: ports::Open::default(),
            machine,
            life,
            _lock: lock,
            news,
            teller,
            watchers: Vec::new(),
            runs: 0,
        })
    }

    /// Does what stands for the plan's steps, the first time or again.
    fn start(&mut self) -> Result<Begun> {
        let started_at = self.life.open_run(&self.machine.time_zone);
        let spec = &self.life.file.spec;
        let mut recorder = Recorder::new(plan(spec), self.life.file.fault.clone());
        let built = recorder.perform_all(&self.life, &mut self.ports);
        let not_enforced = not_enforced(spec);
        let failure = built.as_ref().err().cloned();
        let trace = recorder.trace(&self.life, started_at, failure);
        if let Err(error) = self.life.dir.write_trace(&trace) {
            log::warn!("{error}");
        }
        self.life.built(started_at, not_enforced);
        self.life.record.network = Some(NetworkInfo {
            ports: self.ports.ports.clone(),
            caveats: vec![NETWORK.into()],
            ..NetworkInfo::at_rest(&self.life.file.spec)
        });
        match built {
            Ok((child, prepared)) => {
                self.watch(child, &prepared).map(|run| Begun::Running(Box::new(run)))
            }
            Err(failure) => match self.life.postponed(&failure) {
                Some(pause) => Ok(Begun::Postponed(pause)),
                None => {
                    self.life.failed(failure.clone());
                    Ok(Begun::Failed(failure))
                }
            },
        }
    }

    /// Gathers what a run is followed by.
    fn watch(&mut self, mut child: Child, prepared: &Prepared) -> Result<Run> {
        self.runs += 1;
        let number = self.runs;
        let spec = &self.life.file.spec;
        self.life.record.command = process::identify(child.id());
        let governor = Governor::new(&self.life.file.id, child.id(), spec.memory, spec.cpu);
        let governor = Arc::new(Mutex::new(governor));
        let (governed, end) = channel();
        let prober = spec.health_check.clone().map(|check| {
            let command = prepare(&self.life.dir, &self.life.file, check.command.words());
            Prober::new(check, command)
        });
        let limited = spec.memory.is_some() || spec.cpu.is_some();
        let begun = self.follow_threads(number, &mut child, limited.then_some((&governor, end)));
        let began = Instant::now();
        let time_is_over_at = spec.timeout.map(|timeout| began + timeout);
        let mut run = Run {
            number,
            began,
            _stdin: child.stdin.take(),
            child,
            governor,
            _governed: governed,
            prober,
            streams: 2,
            kill_at: None,
            time_is_over_at,
            timed_out: false,
            killed: false,
            unhealthy: false,
        };
        if (!prepared.mappings.is_empty() || prepared.caveat.is_some())
            && let Err(error) = self.life.log.simulated(
                prepared.mappings.iter().map(|m| (m.inside.as_str(), m.host.as_str())),
                prepared.caveat,
            )
        {
            log::warn!("{error}");
        }
        let known = begun.map_err(|error| Error::io("follow", self.life.dir.path(), error));
        if let Err(error) = known.and_then(|()| self.life.running()) {
            governor::lock(&run.governor).kill();
            let _ = process::wait(&mut run.child);
            return Err(error);
        }
        Ok(run)
    }

    /// Starts the threads that tell of a run.
    fn follow_threads(
        &self,
        number: u64,
        child: &mut Child,
        limited: Option<(&governor::Shared, Receiver<()>)>,
    ) -> std::io::Result<()> {
        let thread = || std::thread::Builder::new().stack_size(256 << 10);
        output::pump(number, child.stdout.take(), child.stderr.take(), &self.teller)?;
        let wait = process::wait_for_end(child);
        let tell = self.teller.clone();
        thread().spawn(move || {
            wait();
            let _ = tell.send(News::OfRun(number, RunNews::Ended));
        })?;
        if let Some((governor, end)) = limited {
            let governor = governor.clone();
            thread().spawn(move || governor::enforce(&governor, &end))?;
        }
        Ok(())
    }

    /// Follows the container through all its runs.
    fn live(&mut self, mut run: Run) -> Result<()> {
        loop {
            self.follow(&mut run);
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
            // The lock keeps others from working on the rootfs meanwhile.
            let Some(_lock) = self.wait(pause)? else {
                self.life.over();
                return Ok(None);
            };
            self.life.record.restarts += 1;
            match self.start()? {
                Begun::Running(run) => return Ok(Some(*run)),
                Begun::Failed(_) => return Ok(None),
                Begun::Postponed(again) => pause = again,
            }
        }
    }

    /// All is over, and perhaps there was no room on the disk to say so: stays until there is,
    /// and as long as there is a container. Who wants to start or delete it sends this process
    /// away, unless nobody but it knows how the container ended.
    fn linger(mut self) {
        while self.life.is_behind() {
            let deadline = self.life.deadline();
            match self.hear(deadline) {
                Some(News::Called(Request::Watch, caller)) => self.watchers.push(caller),
                Some(News::Called(_, caller)) => {
                    control::answer(&caller, &Answer::NotRunning);
                    if !self.life.is_unsaved() {
                        return;
                    }
                }
                Some(News::OfRun(..)) | None => {}
            }
            self.life.catch_up();
        }
    }

    /// Follows one run to its end.
    fn follow(&mut self, run: &mut Run) {
        loop {
            let deadlines = [
                run.kill_at,
                run.time_is_over_at,
                run.prober.as_ref().and_then(Prober::deadline),
                self.life.deadline(),
            ];
            match self.hear(deadlines.into_iter().flatten().min()) {
                Some(News::Called(request, caller)) => self.serve(request, caller, Some(run)),
                Some(News::OfRun(number, news)) if number == run.number => match news {
                    RunNews::Ended => return,
                    news => self.learn(news, run),
                },
                // The last words of an earlier run come too late.
                Some(News::OfRun(..)) | None => {}
            }
            self.life.catch_up();
            let paused = self.life.record.paused;
            if let Some(prober) = &mut run.prober {
                prober.step(run.number, paused, &self.teller);
            }
            if run.kill_at.is_some_and(|time| time <= Instant::now()) {
                run.kill();
            }
            if run.time_is_over_at.is_some_and(|time| time <= Instant::now()) {
                (run.time_is_over_at, run.timed_out) = (None, true);
                run.kill();
            }
        }
    }

    fn learn(&mut self, news: RunNews, run: &mut Run) {
        match news {
            RunNews::Output(stream, bytes) => {
                // A full disk must not stop the container: output is lost, not it.
                if let Err(error) = self.life.log.output(stream, &bytes) {
                    log::warn!("{error}");
                }
            }
            RunNews::OutputEnded => run.streams -= 1,
            RunNews::Probed(probe) => {
                let Some(prober) = &mut run.prober else { return };
                prober.ended();
                let lenient = prober.is_lenient();
                // A probe that was killed with its container says nothing about its health.
                if probe.exit_code != Some(0) && (run.killed || run.kill_at.is_some()) {
                    return;
                }
                if self.life.learn(probe, prober.check(), lenient) {
                    run.unhealthy = true;
                    self.stop(run, STOP_GRACE);
                }
            }
            RunNews::Ended => {}
        }
    }

    /// Waits for news, at most until the deadline.
    fn hear(&self, deadline: Option<Instant>) -> Option<News> {
        match deadline {
            None => self.news.recv().ok(),
            Some(deadline) => {
                self.news.recv_timeout(deadline.saturating_duration_since(Instant::now())).ok()
            }
        }
    }

    /// Serves a caller, with or without a run.
    fn serve(&mut self, request: Request, caller: TcpStream, run: Option<&mut Run>) {
        let answer = match (request, run) {
            (Request::Watch, _) => {
                self.watchers.retain(is_connected);
                return self.watchers.push(caller);
            }
            (Request::Stop { grace_millis }, run) => {
                self.life.stopped_by_an_operator();
                if let Some(run) = run {
                    self.stop(run, Duration::from_millis(grace_millis));
                }
                Answer::Done
            }
            (Request::Signal(number), Some(run)) => {
                // Who kills it does not want it back.
                let stops = self.life.file.spec.stops_with().number();
                if matches!(number, process::SIGKILL | process::SIGTERM) || number == stops {
                    self.life.stopped_by_an_operator();
                }
                match number {
                    process::SIGKILL => run.kill(),
                    number => process::signal(run.child.id(), number),
                }
                Answer::Done
            }
            (Request::Freeze(frozen), Some(run)) => self.freeze(run, frozen),
            (Request::Stats, Some(run)) => Answer::Stats(governor::lock(&run.governor).report()),
            (_, None) => Answer::NotRunning,
        };
        control::answer(&caller, &answer);
    }

    fn freeze(&mut self, run: &Run, frozen: bool) -> Answer {
        let done = governor::lock(&run.governor).set_paused(frozen);
        if !done {
            return Answer::NotDone;
        }
        self.life.record.paused = frozen;
        self.life.save();
        Answer::Done
    }

    /// Asks the command to end, and sees to it that it does after the grace period. What stands
    /// still could do neither, so it goes on.
    fn stop(&mut self, run: &mut Run, grace: Duration) {
        if grace.is_zero() {
            return run.kill();
        }
        process::signal(run.child.id(), self.life.file.spec.stops_with().number());
        if self.life.record.paused {
            self.freeze(run, false);
        }
        let kill_at = Instant::now() + grace;
        run.kill_at = Some(run.kill_at.map_or(kill_at, |earlier| earlier.min(kill_at)));
    }

    /// A run has ended: writes down how, and ends what is left of it. Returns how long to wait
    /// for the next run, if there is to be one.
    fn finish(&mut self, mut run: Run) -> Option<Duration> {
        drop(run.prober.take());
        // Its pid is its own until it is asked how it ended.
        let mut governor = governor::lock(&run.governor);
        governor.kill();
        let over_memory = governor.end();
        drop(governor);
        let status = process::wait(&mut run.child);
        self.drain(&mut run);
        let (code, signal) = status.map_or((-1, None), process::status_of);
        // Where there are signals they tell whether it was that, or its own end a moment before.
        let killed = signal == Some(process::SIGKILL) || !cfg!(unix);
        let oom_killed = over_memory.is_some() && killed && !run.killed;
        if over_memory.is_some() {
            self.life.tell(EventKind::OutOfMemory { kills: 1 });
        }
        // At its last moment it may still have ended by itself; only where there are no signals
        // a failure then looks like the kill.
        let timed_out = run.timed_out && !oom_killed && killed && code != 0;
        let exit = ExitStatus { code, signal, oom_killed, timed_out };
        let memory = self.life.file.spec.memory;
        let (length, unhealthy) = (run.began.elapsed(), run.unhealthy);
        let end = End { exit, oom_kills: u64::from(over_memory.is_some()), unhealthy, length };
        let over = over_memory.zip(memory);
        self.life.ended(end, |log| {
            if let Some((used, limit)) = over {
                log.over_memory(used, limit)?;
            }
            log.exited(exit, 0, "")
        })
    }

    /// After the command's end: what is left in the pipes.
    fn drain(&mut self, run: &mut Run) {
        let deadline = Instant::now() + LAST_WORDS;
        while run.streams > 0 {
            match self.hear(Some(deadline)) {
                Some(News::Called(request, caller)) => self.serve(request, caller, None),
                Some(News::OfRun(number, RunNews::Probed(_))) if number == run.number => {}
                Some(News::OfRun(number, news)) if number == run.number => self.learn(news, run),
                Some(News::OfRun(..)) => {}
                None => return,
            }
        }
    }

    /// Waits before the next run. Returns the container's lock, or None if an operator does
    /// not want the run any more.
    fn wait(&mut self, pause: Duration) -> Result<Option<File>> {
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
                // Somebody works on it, perhaps to stop it, and will call then. A lock
                // announces nothing, so this is one more short wait.
                deadline = Instant::now() + Backoff::SHORTEST;
            }
            let next = self.life.deadline().map_or(deadline, |time| time.min(deadline));
            if let Some(News::Called(request, caller)) = self.hear(Some(next)) {
                self.serve(request, caller, None);
            }
            self.life.catch_up();
        }
    }
}

impl Run {
    fn kill(&mut self) {
        self.kill_at = None;
        self.killed = true;
        governor::lock(&self.governor).kill();
    }
}

/// Whether a watcher is still there: it says nothing, so there is nothing to read.
fn is_connected(caller: &TcpStream) -> bool {
    let _ = caller.set_nonblocking(true);
    !matches!(caller.peek(&mut [0]), Ok(0))
}
