//! What a supervisor writes down about its container's life, whatever backend it belongs to:
//! the record, the log's remarks and the events, and what the restart policy makes of an end.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::error::{Error, Result, StepFailure};
use crate::events::{EventKind, Journal};
use crate::health::{HealthReport, Probe};
use crate::logs::LogWriter;
use crate::restart::{Backoff, failed, wants_another};
use crate::spec::HealthCheck;
use crate::status::{ExitStatus, Health, Phase, ProcessIdentity, StatusRecord};
use crate::store::{ContainerDir, SpecFile};

/// The life of one container, from its start by an operator to its end. Of all processes only
/// its supervisor has one, and so there is one writer per file.
pub(crate) struct Life {
    pub dir: ContainerDir,
    pub file: SpecFile,
    pub log: LogWriter,
    pub record: StatusRecord,
    journal: Journal,
    backoff: Backoff,
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
        dir.write_status(&record)?;
        let log = LogWriter::open(&dir.log(), file.spec.log_size.rotate_at())?;
        let journal = dir.journal();
        Ok(Life { dir, file, log, record, journal, backoff: Backoff::default() })
    }

    /// Tells all who listen.
    pub fn tell(&self, kind: EventKind) {
        self.journal.tell(self.file.spec.name.as_str(), Some(&self.file.id), kind);
    }

    /// Writes the record, when a failure must not stop the supervisor.
    pub fn save(&self) {
        if let Err(error) = self.dir.write_status(&self.record) {
            log::warn!("{error}");
        }
    }

    /// A run is about to be built. Returns when.
    pub fn open_run(&mut self, time_zone: &TimeZone) -> Result<Timestamp> {
        let started_at = Timestamp::now();
        let local_time = started_at.to_zoned_datetime(time_zone.clone());
        self.log.started(&self.file.id, &self.file.spec.command, local_time)?;
        Ok(started_at)
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
    /// caller kills it.
    pub fn running(&mut self) -> Result<()> {
        self.record.phase = Phase::Running;
        self.record.exit = None;
        self.record.finished_at = None;
        self.dir.write_status(&self.record)?;
        self.tell(match self.record.restarts {
            0 => EventKind::Started,
            restarts => EventKind::Restarted { restarts },
        });
        Ok(())
    }

    /// A step has failed.
    pub fn failed(&mut self, failure: StepFailure) -> Result<()> {
        if let Err(error) = self.log.failed(&failure.to_string()) {
            log::warn!("{error}");
        }
        self.record.phase = Phase::Failed;
        self.record.finished_at = Some(Timestamp::now());
        self.record.failure = Some(failure.clone());
        self.dir.write_status(&self.record)?;
        self.tell(EventKind::StartFailed { failure });
        Ok(())
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
    ) -> Result<Option<Duration>> {
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
        self.dir.write_status(&self.record)?;
        self.tell(EventKind::Exited { exit });
        Ok(pause)
    }

    /// It was stopped between two runs.
    pub fn over(mut self) -> Result<()> {
        self.record.phase = Phase::Exited;
        self.dir.write_status(&self.record)?;
        self.tell(EventKind::RestartCancelled);
        Ok(())
    }
}
