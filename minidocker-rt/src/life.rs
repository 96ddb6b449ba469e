//! What a supervisor writes down about its container's life, whatever backend it belongs to:
//! the record, the log's remarks and the events, and what the restart policy makes of an end.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::error::{Error, Result, StepFailure};
use crate::events::{EventKind, Journal};
use crate::health::{HealthReport, Probe};
use crate::logs::LogWriter;
use crate::reserve::Reserve;
use crate::restart::{Backoff, failed, wants_another};
use crate::spec::HealthCheck;
use crate::status::{ExitStatus, Health, Phase, ProcessIdentity, StatusRecord};
use crate::store::{ContainerDir, SpecFile};

/// After how long to try again what could not be written.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// So many events are kept until there is room for them; the oldest go first.
const UNTOLD: usize = 64;

/// The life of one container, from its start by an operator to its end. Of all processes only
/// its supervisor has one, and so there is one writer per file.
pub(crate) struct Life {
    pub dir: ContainerDir,
    pub file: SpecFile,
    pub log: LogWriter,
    pub record: StatusRecord,
    journal: Journal,
    backoff: Backoff,
    /// Whether the record on the disk is an older one.
    unsaved: bool,
    /// What has happened and is in no journal yet.
    untold: VecDeque<(Timestamp, EventKind)>,
    /// Room for the next record, should the disk be full by then.
    reserve: Option<Reserve>,
    try_again_at: Option<Instant>,
}

/// How a run ended.
pub(crate) struct End {
    pub exit: ExitStatus,
    /// How often a process of it was killed for lack of memory.
    pub oom_kills: u64,
    /// Whether it was ended because it was unhealthy.
    pub unhealthy: bool,
    /// For how long it ran.
    pub length: Duration,
}

impl Life {
    /// Begins: from here on, whoever finds this supervisor dead knows what to clean up.
    pub fn begin(
        dir: ContainerDir,
        boot_id: &str,
        supervisor: ProcessIdentity,
        own: impl FnOnce(&SpecFile, &mut StatusRecord),
    ) -> Result<Life> {
        let file = dir.spec_file()?.ok_or_else(|| Error::NotFound {
            name: dir.path().file_name().unwrap_or_default().to_string_lossy().into_owned(),
        })?;
        // A damaged record is no reason not to write a new one.
        let previous = dir.status().ok().flatten();
        let starts = previous.as_ref().map_or(0, |record| record.starts);
        let mut record = StatusRecord {
            phase: Phase::Starting,
            boot_id: boot_id.to_string(),
            supervisor,
            init: None,
            command: None,
            forwarder: None,
            started_at: Timestamp::now(),
            finished_at: None,
            exit: None,
            failure: None,
            oom_kills: 0,
            not_enforced: Vec::new(),
            starts,
            restarts: 0,
            stopped: false,
            paused: false,
            health: None,
            // The address that it had is wanted again.
            network: previous.and_then(|record| record.network),
            cgroups: Vec::new(),
        };
        own(&file, &mut record);
        let log = LogWriter::open(&dir.log(), file.spec.log_size.rotate_at())?;
        let journal = dir.journal();
        // Last, and what fails before leaves the record of an earlier life.
        dir.write_status(&record)?;
        Ok(Life {
            dir,
            file,
            log,
            record,
            journal,
            backoff: Backoff::default(),
            unsaved: false,
            untold: VecDeque::new(),
            reserve: None,
            try_again_at: None,
        })
    }

    /// Tells all who listen; on a full disk, when there is room again.
    pub fn tell(&mut self, kind: EventKind) {
        if self.untold.len() == UNTOLD {
            self.untold.pop_front();
        }
        self.untold.push_back((Timestamp::now(), kind));
        self.tell_what_is_untold();
    }

    fn tell_what_is_untold(&mut self) {
        let name = self.file.spec.name.as_str();
        while let Some((time, kind)) = self.untold.front() {
            if let Err(error) = self.journal.append(name, Some(&self.file.id), kind.clone(), *time)
            {
                log::warn!("{error}");
                return self.try_again();
            }
            self.untold.pop_front();
        }
    }

    /// Writes the record. What cannot be written now is kept and tried again ([`Life::deadline`]):
    /// nothing that happened to the disk happened to the container.
    pub fn save(&mut self) {
        if let Err(error) = self.write() {
            log::warn!("{error}");
        }
    }

    fn write(&mut self) -> Result<()> {
        let mut result = self.dir.write_status(&self.record);
        if result.is_err()
            && let Some(reserve) = self.reserve.take()
        {
            result = self.dir.write_status_in(reserve, &self.record);
            // The room of the one that was replaced.
            self.keep_room();
        }
        self.unsaved = result.is_err();
        if self.unsaved {
            self.try_again();
        }
        result
    }

    /// Keeps room for the next record. Of no haste: the container runs, or has ended.
    pub fn keep_room(&mut self) {
        self.reserve = self.reserve.take().or_else(|| self.dir.reserve());
    }

    fn try_again(&mut self) {
        self.try_again_at = Some(Instant::now() + TRY_AGAIN);
    }

    /// When to call [`Life::catch_up`].
    pub fn deadline(&mut self) -> Option<Instant> {
        let behind = self.unsaved || !self.untold.is_empty() || self.log.has_lost();
        let next = Instant::now() + TRY_AGAIN;
        self.try_again_at = behind.then(|| self.try_again_at.unwrap_or(next));
        self.try_again_at
    }

    /// Writes down what there was no room for, if it is time to try.
    pub fn catch_up(&mut self) {
        if self.deadline().is_none_or(|time| time > Instant::now()) {
            return;
        }
        self.try_again();
        // By now there may be another container of this name, or another supervisor.
        let own = self.is_its_own();
        if self.unsaved && own {
            self.save();
        }
        self.tell_what_is_untold();
        // The log, when it is rotated, is found by its name too.
        if own {
            self.log.tell_what_was_lost();
        }
    }

    /// Whether its last word is still to be written, and there is a container to write it for.
    pub fn is_unsaved(&self) -> bool {
        self.unsaved && self.is_its_own()
    }

    /// Whether anything is still to be written down.
    pub fn is_behind(&mut self) -> bool {
        self.deadline().is_some() && self.is_its_own()
    }

    /// Whether the folder is still this container's, and the record in it of this supervisor.
    fn is_its_own(&self) -> bool {
        match self.dir.status() {
            Ok(Some(record)) => record.supervisor == self.record.supervisor,
            Ok(None) => false,
            Err(_) => self.dir.path().exists(),
        }
    }

    /// A run is about to be built. Returns when.
    pub fn open_run(&mut self, time_zone: &TimeZone) -> Timestamp {
        let started_at = Timestamp::now();
        let local_time = started_at.to_zoned_datetime(time_zone.clone());
        if let Err(error) = self.log.started(&self.file.id, &self.file.spec.command, local_time) {
            log::warn!("{error}");
        }
        started_at
    }

    /// A run was built, or its building has failed.
    pub fn built(&mut self, started_at: Timestamp, not_enforced: Vec<String>) {
        self.record.started_at = started_at;
        self.record.starts += 1;
        self.record.not_enforced = not_enforced;
        self.record.oom_kills = 0;
        self.record.health = self.file.spec.health_check.as_ref().map(|_| HealthReport::starting());
    }

    /// Its command was executed. What nobody would know of must not run: on an error the
    /// caller kills it. Of one that its restart policy has started, everybody knows already.
    pub fn running(&mut self) -> Result<()> {
        self.record.phase = Phase::Running;
        self.record.exit = None;
        self.record.finished_at = None;
        match (self.write(), self.record.restarts) {
            (Err(error), 0) => return Err(error),
            (Err(error), _) => log::warn!("{error}"),
            (Ok(()), _) => {}
        }
        self.tell(match self.record.restarts {
            0 => EventKind::Started,
            restarts => EventKind::Restarted { restarts },
        });
        Ok(())
    }

    /// A step has failed.
    pub fn failed(&mut self, failure: StepFailure) {
        if let Err(error) = self.log.failed(&failure.to_string()) {
            log::warn!("{error}");
        }
        self.record.phase = Phase::Failed;
        self.record.finished_at = Some(Timestamp::now());
        self.record.failure = Some(failure.clone());
        self.save();
        self.tell(EventKind::StartFailed { failure });
    }

    /// The supervisor cannot go on; what it built is gone.
    pub fn gave_up(&mut self, error: &Error) {
        self.failed(StepFailure {
            step: "supervise".into(),
            call: String::new(),
            message: Some(error.to_string()),
            errno: None,
            hint: error.hint(),
        });
    }

    /// A step of another run has failed. Returns how long to wait before it is tried again, if
    /// it failed for want of room or for the disk's sake: that passes, and a restart policy
    /// outlives it.
    pub fn postponed(&mut self, failure: &StepFailure) -> Option<Duration> {
        let passes = failure.errno.is_some_and(is_of_the_disk) && !self.record.stopped;
        if self.record.restarts == 0 || !passes {
            return None;
        }
        if let Err(error) = self.log.failed(&failure.to_string()) {
            log::warn!("{error}");
        }
        self.record.restarts -= 1;
        self.record.phase = Phase::Waiting;
        self.save();
        Some(self.backoff.again())
    }

    /// Takes a probe into account. Returns whether the command is to be ended for it.
    pub fn learn(&mut self, probe: Probe, check: &HealthCheck, lenient: bool) -> bool {
        let report = self.record.health.get_or_insert_with(HealthReport::starting);
        let before = report.status;
        report.learn(probe, check.retries, lenient);
        let health = report.status;
        self.save();
        if health == before {
            return false;
        }
        self.tell(EventKind::HealthChanged { health });
        let end = health == Health::Unhealthy && check.restart_unhealthy;
        if end && let Err(error) = self.log.unhealthy() {
            log::warn!("{error}");
        }
        end
    }

    /// Written down at once: should this process be killed now, the container is still one
    /// that was stopped, and not one to be revived.
    pub fn stopped_by_an_operator(&mut self) {
        if !self.record.stopped {
            self.record.stopped = true;
            self.save();
        }
    }

    /// A run has ended. Returns how long to wait for the next, if there is to be one.
    pub fn ended(
        &mut self,
        end: End,
        remark: impl FnOnce(&mut LogWriter) -> Result<()>,
    ) -> Option<Duration> {
        let End { exit, oom_kills, unhealthy, length } = end;
        // A full disk may cost the log its last line, but not the state its truth.
        let over = self.file.spec.timeout.filter(|_| exit.timed_out);
        let told = over.map_or(Ok(()), |timeout| self.log.timed_out(timeout));
        if let Err(error) = told.and_then(|()| remark(&mut self.log)) {
            log::warn!("{error}");
        }
        self.backoff.ran(length);
        let policy = self.file.spec.restart;
        let another = !self.record.stopped
            && wants_another(policy, failed(exit, unhealthy), self.backoff.in_a_row());
        let pause = another.then(|| self.backoff.next());
        if let Some(pause) = pause
            && let Err(error) = self.log.restarting(policy, pause)
        {
            log::warn!("{error}");
        }
        self.record.phase = if another { Phase::Waiting } else { Phase::Exited };
        self.record.init = None;
        self.record.command = None;
        self.record.forwarder = None;
        self.record.paused = false;
        self.record.finished_at = Some(Timestamp::now());
        self.record.exit = Some(exit);
        self.record.oom_kills = oom_kills;
        self.save();
        self.tell(EventKind::Exited { exit });
        pause
    }

    /// It was stopped between two runs.
    pub fn over(&mut self) {
        self.record.phase = Phase::Exited;
        self.save();
        self.tell(EventKind::RestartCancelled);
    }
}

/// Whether an errno tells of a disk that is full, broken or read-only: of the machine, and not
/// of the container.
fn is_of_the_disk(errno: i32) -> bool {
    use std::io::ErrorKind::{QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    const EIO: i32 = 5;
    let kind = std::io::Error::from_raw_os_error(errno).kind();
    // On Windows the number is that of a refused access.
    (cfg!(unix) && errno == EIO) || matches!(kind, StorageFull | QuotaExceeded | ReadOnlyFilesystem)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::ContainerSpec;
    use crate::store::Store;

    #[test]
    fn what_was_not_written_in_time_is_not_written_into_another_container() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        let file = store.create(ContainerSpec::new("a", "true"), Vec::new()).unwrap();
        let supervisor = |pid| ProcessIdentity { pid, start_time: 1 };
        let dir = store.dir(&file.spec.name);
        let mut life = Life::begin(dir.clone(), "boot", supervisor(10), |_, _| {}).unwrap();
        // As if there had been no room on the disk.
        let behind = |life: &mut Life| {
            (life.unsaved, life.try_again_at) = (true, Some(Instant::now()));
        };
        life.record.phase = Phase::Exited;
        behind(&mut life);
        life.catch_up();
        assert_eq!(dir.status().unwrap().unwrap().phase, Phase::Exited);
        let locked = store.lock(&file.spec.name, &file.id, "delete").unwrap();
        store.delete(locked).unwrap();
        store.create(ContainerSpec::new("a", "true"), Vec::new()).unwrap();
        behind(&mut life);
        life.catch_up();
        assert!(dir.status().unwrap().is_none(), "the new one was never started");
        Life::begin(dir.clone(), "boot", supervisor(11), |_, _| {}).unwrap();
        behind(&mut life);
        life.catch_up();
        let record = dir.status().unwrap().unwrap();
        assert_eq!((record.phase, record.supervisor), (Phase::Starting, supervisor(11)));
    }
}
