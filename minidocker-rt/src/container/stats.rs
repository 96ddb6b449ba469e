//! What a container uses, now and over time.

mod ticker;

use std::time::Duration;

use self::ticker::Ticker;
use super::Container;
use crate::error::{Error, Result};
use crate::stats::Stats;
use crate::store::{ContainerDir, SpecFile};

impl Container {
    /// What it uses now: memory, CPU time, processes, disk and network. Reads a dozen small
    /// files; nothing is started and nothing waits. The CPU percentage is None, because it
    /// needs two samples: see [`Container::stats_over`], or
    /// [`Stats::cpu_percent_since`] for samples of your own.
    ///
    /// A container that does not run uses nothing, which is no error.
    ///
    /// # Errors
    /// [`Error::NotFound`] if it was deleted.
    pub fn stats(&self) -> Result<Stats> {
        let (dir, file) = self.dir_and_spec()?;
        self.stats_in(&dir, &file)
    }

    pub(crate) fn stats_in(&self, dir: &ContainerDir, file: &SpecFile) -> Result<Stats> {
        let (record, status, _) = self.status_in(dir)?;
        Ok(self.runtime.backend.stats(dir, file, record.as_ref(), status))
    }

    /// As [`Container::stats`] at the end of `window`, with the CPU percentage over it. If
    /// the container ends earlier, this returns then.
    ///
    /// # Errors
    /// [`Error::InvalidSpec`] if the window is zero; those of [`Container::stats`].
    pub fn stats_over(&self, window: Duration) -> Result<Stats> {
        let mut stream = self.stats_stream(window)?;
        stream.next().transpose()?;
        match stream.next() {
            Some(stats) => stats,
            None => self.stats(),
        }
    }

    /// Samples every `interval`, the first at once, each with the CPU percentage since
    /// the one before. Ends as soon as the container does or is deleted; one that does not
    /// run gives a single sample. A restart, by its policy or by [`Container::restart`], is
    /// no end. A slow reader gets fewer samples, never old ones.
    ///
    /// # Errors
    /// [`Error::InvalidSpec`] if the interval is zero; [`Error::NotFound`] if it was deleted.
    pub fn stats_stream(&self, interval: Duration) -> Result<StatsStream> {
        if interval.is_zero() {
            return Err(Error::InvalidSpec {
                field: "interval",
                value: format!("{interval:?}"),
                why: "between two samples some time must pass".into(),
                hint: "Use one second, as `docker stats` does.".into(),
            });
        }
        let (record, status, _) = self.status_in(&self.dir()?)?;
        let mut ticker = Ticker::new(interval);
        if let Some(record) = record.filter(|_| status.is_alive()) {
            ticker.follow(record.supervisor);
        }
        Ok(StatsStream { container: self.clone(), ticker, last: None, ended: false })
    }
}

/// The stats of a container at equal intervals, to its end. Made by
/// [`Container::stats_stream`].
#[derive(Debug)]
pub struct StatsStream {
    container: Container,
    ticker: Ticker,
    last: Option<Stats>,
    ended: bool,
}

impl StatsStream {
    fn sample(&mut self) -> Result<Option<Stats>> {
        if self.ended {
            return Ok(None);
        }
        while self.last.is_some() && !self.tick()? {
            if !self.was_restarted()? {
                return Ok(None);
            }
        }
        let mut stats = match self.container.stats() {
            // Deleted with force since the tick, which is an end like any other.
            Err(Error::NotFound { .. }) if self.last.is_some() => return Ok(None),
            result => result?,
        };
        stats.cpu.percent = self.last.as_ref().and_then(|last| stats.cpu_percent_since(last));
        self.last = Some(stats.clone());
        Ok(Some(stats))
    }

    fn tick(&mut self) -> Result<bool> {
        let runtime = &self.container.runtime;
        self.ticker.tick(&*runtime.backend, &runtime.store.dir(&self.container.name))
    }

    /// Whether the container, whose supervisor has ended, has another. An operator's restart
    /// holds the lock from the stop to the start, so with the lock there is no in between.
    fn was_restarted(&mut self) -> Result<bool> {
        let locked = match self.container.lock("look at") {
            Err(Error::NotFound { .. }) => return Ok(false),
            result => result?,
        };
        let (record, status, _) = self.container.status_in(&locked.dir)?;
        let Some(record) = record.filter(|_| status.is_alive()) else { return Ok(false) };
        self.ticker.follow(record.supervisor);
        Ok(true)
    }
}

impl Iterator for StatsStream {
    type Item = Result<Stats>;

    /// Waits for the next sample.
    fn next(&mut self) -> Option<Result<Stats>> {
        let sample = self.sample().transpose();
        // Whoever goes on after an error must not turn in circles.
        self.ended = !matches!(sample, Some(Ok(_)));
        sample
    }
}
