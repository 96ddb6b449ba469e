//! A handle to one container, and the operations of its life.

mod archive;
mod attach;
mod config;
mod diff;
mod exec;
mod files;
mod upkeep;
pub use diff::DIFF_LIMIT;
pub use files::{Files, LIST_LIMIT};
mod pause;
mod stats;

pub use self::stats::StatsStream;

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::backend::Started;
use crate::error::{Error, Result};
use crate::events::EventKind;
use crate::health::HealthReport;
use crate::lock::{Holder, LONGEST_WAIT, Lock};
use crate::logs::Logs;
use crate::network::NetworkInfo;
use crate::plan::{Plan, Trace};
use crate::runtime::Inner;
use crate::spec::{ContainerId, ContainerName, ContainerSpec};
use crate::status::{ExitStatus, KernelFacts, Phase, Status, StatusRecord, reconcile};
use crate::store::{ContainerDir, LockedContainer, SpecFile};

/// How long `stop` waits between SIGTERM and SIGKILL: 10 seconds, as Docker does.
pub const STOP_GRACE: Duration = Duration::from_secs(10);

/// How long the kernel may take to end what was killed.
const KILL_PATIENCE: Duration = Duration::from_secs(30);

/// What the lock is held for while the files are exported.
pub(crate) const EXPORT: &str = "export the files";

/// What the lock is held for while the files are replaced by those of an archive.
pub(crate) const REPLACE: &str = "replace the files";

/// What the lock is held for while a file is written.
pub(crate) const WRITE: &str = "write a file into";

/// How long a supervisor may take to answer, or to end what it was asked to.
const ANSWER_PATIENCE: Duration = Duration::from_secs(10);

/// A container of a runtime. A handle: cheap to clone, usable from any thread, and
/// nothing happens to the container when it is dropped.
#[derive(Debug, Clone)]
pub struct Container {
    pub(crate) runtime: Arc<Inner>,
    name: ContainerName,
    id: ContainerId,
}

/// Everything that is known about a container.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ContainerInfo {
    /// Its identity: 64 hexadecimal digits.
    pub id: ContainerId,
    /// Its name.
    pub name: String,
    /// Its state.
    pub status: Status,
    /// Why the state is `error`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What was asked for.
    pub spec: ContainerSpec,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last started.
    pub started_at: Option<Timestamp>,
    /// When it last ended.
    pub finished_at: Option<Timestamp>,
    /// How its command ended, if it has.
    pub exit: Option<ExitStatus>,
    /// How often the kernel killed one of its processes for lack of memory.
    pub oom_kills: u64,
    /// The command's pid as the host sees it, while it runs.
    pub pid: Option<i32>,
    /// How often it was started.
    pub starts: u64,
    /// How often its restart policy has started it since an operator last did.
    pub restarts: u64,
    /// What its health check has found, if it has one and runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<HealthReport>,
    /// How it is connected: its mode, and while it runs its addresses and open ports.
    pub network: NetworkInfo,
    /// Limits that were asked for on best effort and are not enforced here.
    pub not_enforced: Vec<String>,
    /// Whether the kernel keeps it apart from this machine, but for the features that its
    /// specification turns off. False in a simulation, where nothing is.
    pub isolated: bool,
    /// The folder that holds what the container changed.
    pub rootfs: PathBuf,
}

impl Container {
    pub(crate) fn new(runtime: Arc<Inner>, name: ContainerName, id: ContainerId) -> Container {
        Container { runtime, name, id }
    }

    /// Its name.
    pub fn name(&self) -> &ContainerName {
        &self.name
    }

    /// Its identity.
    pub fn id(&self) -> &ContainerId {
        &self.id
    }

    /// Builds the container and executes its command. Returns when the command was
    /// executed; from then on it runs by itself, whatever becomes of this program.
    ///
    /// # Errors
    /// [`Error::StartFailed`] with the step of the plan, the call and the errno, after
    /// everything made for the start was removed; [`Error::WrongState`] if it runs;
    /// [`Error::HelperMissing`] if [`crate::init`] was not called.
    pub fn start(&self) -> Result<()> {
        let locked = self.lock("start")?;
        self.start_locked(&locked)
    }

    fn start_locked(&self, locked: &LockedContainer) -> Result<()> {
        let (record, status, _) = self.status_in(&locked.dir)?;
        if status.is_alive() {
            return Err(self.wrong_state("start", status));
        }
        self.clean_up(&locked.dir, record.as_ref())?;
        match self.runtime.backend.start(locked)? {
            Started::Running => Ok(()),
            Started::Failed(failure) => {
                Err(Error::StartFailed { name: self.name.to_string(), failure: failure.into() })
            }
            Started::Trouble(why) => {
                Err(Error::HelperFailed { action: "starting a container", why })
            }
        }
    }

    /// Asks the command to end (SIGTERM) and, if it has not within [`STOP_GRACE`],
    /// kills it. Its restart policy does not start it again. A container that does not run is
    /// left as it is.
    ///
    /// # Errors
    /// [`Error::Timeout`] if the kernel cannot end it, as with a process stuck in I/O.
    pub fn stop(&self) -> Result<()> {
        self.stop_within(STOP_GRACE)
    }

    /// As [`Container::stop`], with another grace period; zero kills at once. Of several stops
    /// at once, the earliest end counts.
    ///
    /// # Errors
    /// As [`Container::stop`].
    pub fn stop_within(&self, grace: Duration) -> Result<()> {
        let locked = self.lock_to_end("stop", grace)?;
        self.stop_locked(&locked, grace)
    }

    /// Locks it for an operation that ends its run. Who has the lock may be waiting for that end
    /// too, and for longer: so the supervisor is asked before the lock is waited for.
    fn lock_to_end(&self, operation: &'static str, grace: Duration) -> Result<LockedContainer> {
        let store = &self.runtime.store;
        let at_once = store.lock_within(Duration::ZERO, &self.name, &self.id, operation)?;
        if let Some(locked) = at_once {
            return Ok(locked);
        }
        self.ask_whoever_runs_it_to_stop(&self.dir()?, grace)?;
        let longest = grace.saturating_add(LONGEST_WAIT);
        let locked = store.lock_within(longest, &self.name, &self.id, operation)?;
        locked.ok_or_else(|| store.locked_by_another(&self.name, operation, longest))
    }

    /// Asks the supervisor of one that runs, or is being started, to end it.
    fn ask_whoever_runs_it_to_stop(&self, dir: &ContainerDir, grace: Duration) -> Result<()> {
        let (record, status, _) = self.status_in(dir)?;
        let starting = record.is_some_and(|record| record.phase == Phase::Starting);
        match status.is_alive() || starting {
            true => self.ask_to_stop(dir, grace).map(drop),
            false => Ok(()),
        }
    }

    fn stop_locked(&self, locked: &LockedContainer, grace: Duration) -> Result<()> {
        let (record, status, _) = self.status_in(&locked.dir)?;
        let Some(record) = record.filter(|_| status.is_alive()) else { return Ok(()) };
        // The supervisor does it, so that it is done even if this program is killed now.
        if !self.ask_to_stop(&locked.dir, grace)? {
            return Ok(());
        }
        if self.wait_for_supervisor(
            &locked.dir,
            &record,
            Some(grace.saturating_add(ANSWER_PATIENCE)),
        )? {
            return Ok(());
        }
        self.kill_and_wait(&locked.dir, &record)
    }

    fn ask_to_stop(&self, dir: &ContainerDir, grace: Duration) -> Result<bool> {
        match self.runtime.backend.ask_to_stop(dir, grace) {
            // One that does not answer is dealt with by who waits for it.
            Err(Error::HelperFailed { why, .. }) => {
                log::warn!("the supervisor of {}: {why}", self.name);
                Ok(true)
            }
            result => result,
        }
    }

    /// Sends a signal to the command, for example `libc::SIGHUP`. SIGKILL ends a paused
    /// container too; any other signal reaches it when it is resumed. SIGKILL and SIGTERM
    /// count as a stop by an operator: the restart policy does not start it again.
    ///
    /// # Errors
    /// [`Error::WrongState`] if it does not run; [`Error::InvalidSpec`] if the number is
    /// no signal.
    pub fn kill(&self, number: i32) -> Result<()> {
        self.runtime.backend.check_signal(number)?;
        let dir = self.dir()?;
        let (_, status, _) = self.status_in(&dir)?;
        if !matches!(status, Status::Running | Status::Paused) {
            return Err(self.wrong_state("kill", status));
        }
        match self.runtime.backend.signal(&dir, number)? {
            true => Ok(()),
            // It has ended in the meantime.
            false => Err(self.wrong_state("kill", self.status()?)),
        }
    }

    /// Waits until the command has ended and says how. Returns at once if it has. With a
    /// restart policy, an end that is followed by another run is none.
    ///
    /// # Errors
    /// [`Error::WrongState`] if it was never started; [`Error::HelperFailed`] if its
    /// supervisor was lost, so that nobody knows how it ended.
    pub fn wait(&self) -> Result<ExitStatus> {
        self.wait_until(None)
    }

    /// As [`Container::wait`], for at most `timeout`.
    ///
    /// # Errors
    /// As [`Container::wait`], and [`Error::Timeout`].
    pub fn wait_timeout(&self, timeout: Duration) -> Result<ExitStatus> {
        self.wait_until(Some(timeout))
    }

    fn wait_until(&self, timeout: Option<Duration>) -> Result<ExitStatus> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        loop {
            let dir = self.dir()?;
            let Some(record) = dir.status()? else {
                return Err(self.wrong_state("wait for", Status::Created));
            };
            match (record.phase, record.exit, record.failure.clone()) {
                (Phase::Exited, Some(exit), _) => return Ok(exit),
                (Phase::Failed, _, Some(failure)) => {
                    let name = self.name.to_string();
                    return Err(Error::StartFailed { name, failure: failure.into() });
                }
                _ => {}
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if !self.facts(&dir, Some(&record)).supervisor_alive {
                // It ended since its record was read (and may even have been started anew),
                // or it was killed and has written nothing.
                let again = dir.status()?;
                if again.as_ref().is_some_and(|again| {
                    (again.phase, again.supervisor) == (record.phase, record.supervisor)
                }) {
                    let (_, reason) = reconcile(again.as_ref(), self.facts(&dir, again.as_ref()));
                    let why = reason.unwrap_or_else(|| "its supervisor is gone".into());
                    return Err(Error::HelperFailed { action: "waiting for the container", why });
                }
            } else if !self.wait_for_supervisor(&dir, &record, left)? {
                let seconds = timeout.unwrap_or_default().as_secs();
                let name = self.name.to_string();
                return Err(Error::Timeout { name, operation: "the end", seconds, because: None });
            }
        }
    }

    /// Stops it if it runs, and starts it.
    ///
    /// # Errors
    /// Those of [`Container::stop`] and [`Container::start`].
    pub fn restart(&self) -> Result<()> {
        self.restart_within(STOP_GRACE)
    }

    /// As [`Container::restart`], with another grace period.
    ///
    /// # Errors
    /// As [`Container::restart`].
    pub fn restart_within(&self, grace: Duration) -> Result<()> {
        let locked = self.lock_to_end("restart", grace)?;
        self.stop_locked(&locked, grace)?;
        self.start_locked(&locked)
    }

    /// Removes the container, its rootfs and its log. Volumes stay on the host.
    ///
    /// # Errors
    /// [`Error::WrongState`] if it runs.
    pub fn delete(self) -> Result<()> {
        let locked = self.lock("delete")?;
        let (record, status, _) = self.status_in(&locked.dir)?;
        if status.is_alive() {
            return Err(self.wrong_state("delete", status));
        }
        self.clean_up(&locked.dir, record.as_ref())?;
        self.runtime.store.delete(locked)
    }

    /// Kills it if it runs, then removes it.
    ///
    /// # Errors
    /// [`Error::Timeout`] if the kernel cannot end it.
    pub fn delete_force(self) -> Result<()> {
        // Before the lock: a stop in its grace period holds that.
        self.ask_whoever_runs_it_to_stop(&self.dir()?, Duration::ZERO)?;
        let locked = match self.lock_beside_transfer()? {
            Some(locked) => locked,
            None => self.lock_to_end("delete", Duration::ZERO)?,
        };
        self.stop_locked(&locked, Duration::ZERO)?;
        let (record, ..) = self.status_in(&locked.dir)?;
        self.clean_up(&locked.dir, record.as_ref())?;
        self.runtime.store.delete(locked)
    }

    /// Waits for the lock for a moment. Who still exports, replaces or writes files then may take
    /// as long as its client likes. The container does not run meanwhile, and none of these harms
    /// what is being removed, so the lock is not needed to remove it.
    fn lock_beside_transfer(&self) -> Result<Option<LockedContainer>> {
        const MOMENT: Duration = Duration::from_secs(1);
        let store = &self.runtime.store;
        let locked = store.lock_within(MOMENT, &self.name, &self.id, "delete")?;
        if locked.is_some() {
            return Ok(locked);
        }
        let (dir, spec_file) = self.dir_and_spec()?;
        let path = dir.lock_path();
        match Holder::of(&path) {
            Some(holder) if [EXPORT, REPLACE, WRITE].contains(&holder.operation.as_str()) => {
                let lock = File::open(&path).map_err(|error| Error::io("open", &path, error))?;
                Ok(Some(LockedContainer { dir, spec_file, lock: Lock::of_another(lock) }))
            }
            _ => Ok(None),
        }
    }

    /// Its state now.
    ///
    /// # Errors
    /// [`Error::NotFound`] if it was deleted.
    pub fn status(&self) -> Result<Status> {
        self.status_in(&self.dir()?).map(|(_, status, _)| status)
    }

    /// Everything that is known about it.
    ///
    /// # Errors
    /// [`Error::NotFound`] if it was deleted.
    pub fn inspect(&self) -> Result<ContainerInfo> {
        let (dir, file) = self.dir_and_spec()?;
        let (record, status, reason) = self.status_in(&dir)?;
        let alive = status.is_alive();
        let record = record.as_ref();
        Ok(ContainerInfo {
            id: file.id,
            name: self.name.to_string(),
            status,
            reason,
            created_at: file.created_at,
            started_at: record.map(|record| record.started_at),
            finished_at: record.and_then(|record| record.finished_at),
            exit: record.and_then(|record| record.exit),
            oom_kills: record.map_or(0, |record| record.oom_kills),
            pid: record.and_then(|record| record.command).filter(|_| alive).map(|c| c.pid),
            starts: record.map_or(0, |record| record.starts),
            restarts: record.map_or(0, |record| record.restarts),
            health: record.and_then(|record| record.health.clone()).filter(|_| alive),
            network: NetworkInfo::of(&file.spec, record.filter(|_| alive)),
            not_enforced: record.map(|record| record.not_enforced.clone()).unwrap_or_default(),
            isolated: self.runtime.is_isolating(),
            rootfs: dir.rootfs(),
            spec: file.spec,
        })
    }

    /// What it printed, over all its runs.
    ///
    /// # Errors
    /// [`Error::NotFound`] if it was deleted.
    pub fn logs(&self) -> Result<Logs> {
        let (dir, file) = self.dir_and_spec()?;
        let started_at = self.status_in(&dir)?.0.map(|record| record.started_at);
        Ok(Logs::new(dir.log(), file.id, file.spec.command, started_at))
    }

    /// What starting it will do, step by step, without doing it.
    ///
    /// # Errors
    /// [`Error::NotFound`] if it was deleted.
    pub fn plan(&self) -> Result<Plan> {
        let (dir, file) = self.dir_and_spec()?;
        self.runtime.backend.plan(&file, &dir)
    }

    /// What its last start did, step by step, with times; None before the first.
    ///
    /// # Errors
    /// [`Error::NotFound`] if it was deleted.
    pub fn trace(&self) -> Result<Option<Trace>> {
        self.dir()?.trace()
    }

    /// Its folder, if it is still this container that is there.
    pub(crate) fn dir(&self) -> Result<ContainerDir> {
        self.dir_and_spec().map(|(dir, _)| dir)
    }

    pub(crate) fn dir_and_spec(&self) -> Result<(ContainerDir, SpecFile)> {
        let dir = self.runtime.store.dir(&self.name);
        let file = dir.spec_file()?.filter(|file| file.id == self.id);
        match file {
            Some(file) => Ok((dir, file)),
            None => Err(Error::NotFound { name: self.name.to_string() }),
        }
    }

    pub(crate) fn lock(&self, operation: &'static str) -> Result<LockedContainer> {
        self.runtime.store.lock(&self.name, &self.id, operation)
    }

    /// The record, what it means, and why if that is an error. A record that cannot be
    /// understood is an error of the container, not of the question.
    pub(crate) fn status_in(
        &self,
        dir: &ContainerDir,
    ) -> Result<(Option<StatusRecord>, Status, Option<String>)> {
        let record = match dir.status() {
            Err(error @ Error::Io { action: "understand", .. }) => {
                return Ok((None, Status::Error, Some(error.to_string())));
            }
            result => result?,
        };
        let (status, reason) = reconcile(record.as_ref(), self.facts(dir, record.as_ref()));
        Ok((record, status, reason))
    }

    fn facts(&self, dir: &ContainerDir, record: Option<&StatusRecord>) -> KernelFacts {
        match record {
            Some(record) => self.runtime.backend.facts(dir, record),
            // It was never started: there is nothing to ask about.
            None => KernelFacts {
                same_boot: true,
                supervisor_alive: false,
                frozen: false,
                left_behind: false,
            },
        }
    }

    /// Makes sure that nothing is left of an earlier start.
    pub(crate) fn clean_up(&self, dir: &ContainerDir, record: Option<&StatusRecord>) -> Result<()> {
        let backend = &self.runtime.backend;
        match record {
            // It was never started, or the record is damaged: whatever there may be is known
            // by its id.
            None => backend.clean_up_unrecorded(dir, &self.id),
            // Its processes, and what the kernel kept for them, ended with that boot.
            Some(record) if !backend.machine().is_boot(&record.boot_id) => Ok(()),
            // A supervisor that was killed could not remove them.
            Some(record) if record.phase.is_lasting() => {
                // Who comes later finds nothing to clean up, and so has nothing new to tell.
                if backend.clean_up(dir, record)? {
                    self.tell(EventKind::Lost);
                }
                Ok(())
            }
            // Having written its last word, a supervisor still has to end, which it may put off
            // until there is room for the rest.
            Some(record) => {
                if !self.wait_for_supervisor(dir, record, Some(Duration::ZERO))? {
                    self.ask_to_stop(dir, Duration::ZERO)?;
                    self.wait_for_supervisor(dir, record, Some(KILL_PATIENCE))?;
                }
                Ok(())
            }
        }
    }

    /// Waits for the supervisor's end, which is the container's. Returns whether it
    /// came in time.
    fn wait_for_supervisor(
        &self,
        dir: &ContainerDir,
        record: &StatusRecord,
        timeout: Option<Duration>,
    ) -> Result<bool> {
        self.runtime.backend.wait_for_end(dir, record.supervisor, timeout)
    }

    fn kill_and_wait(&self, dir: &ContainerDir, record: &StatusRecord) -> Result<()> {
        self.runtime.backend.kill(record)?;
        if self.wait_for_supervisor(dir, record, Some(KILL_PATIENCE))? {
            return Ok(());
        }
        Err(Error::Timeout {
            name: self.name.to_string(),
            operation: "the end after SIGKILL",
            seconds: KILL_PATIENCE.as_secs(),
            because: None,
        })
    }

    pub(crate) fn tell(&self, kind: EventKind) {
        self.runtime.store.journal().tell(self.name.as_str(), Some(&self.id), kind);
    }

    pub(crate) fn wrong_state(&self, operation: &'static str, status: Status) -> Error {
        Error::WrongState { name: self.name.to_string(), operation, status }
    }
}
