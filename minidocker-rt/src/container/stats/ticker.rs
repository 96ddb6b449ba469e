//! Equal intervals for as long as a container lives.

use std::time::{Duration, Instant};

use crate::backend::Backend;
use crate::error::Result;
use crate::status::ProcessIdentity;
use crate::store::ContainerDir;

/// Waits for the supervisor's end until the next tick is due, so that the container's end is
/// noticed at once and not at the next tick.
#[derive(Debug)]
pub(super) struct Ticker {
    interval: Duration,
    /// When the next tick is due; None if no clock can tell.
    due: Option<Instant>,
    supervisor: Option<ProcessIdentity>,
}

impl Ticker {
    /// Ticks every `interval`, which is not zero, for no container yet.
    pub fn new(interval: Duration) -> Ticker {
        Ticker { interval, due: Instant::now().checked_add(interval), supervisor: None }
    }

    /// Ticks, from now on, as long as this supervisor lives.
    pub fn follow(&mut self, supervisor: ProcessIdentity) {
        self.supervisor = Some(supervisor);
    }

    /// Waits for the next tick. Returns false, without waiting for it, once the container
    /// has ended. Ticks that nobody waited for are one.
    pub fn tick(&mut self, backend: &dyn Backend, dir: &ContainerDir) -> Result<bool> {
        let Some(supervisor) = self.supervisor else { return Ok(false) };
        let left = self.due.map(|due| due.saturating_duration_since(Instant::now()));
        if backend.wait_for_end(dir, supervisor, left)? {
            return Ok(false);
        }
        // The grid stays where it was, however late somebody comes.
        while let Some(due) = self.due.filter(|due| *due <= Instant::now()) {
            let late = Instant::now().duration_since(due).as_nanos() / self.interval.as_nanos();
            let steps = u32::try_from(late).unwrap_or(u32::MAX).saturating_add(1);
            self.due = self.interval.checked_mul(steps).and_then(|time| due.checked_add(time));
        }
        Ok(true)
    }
}
