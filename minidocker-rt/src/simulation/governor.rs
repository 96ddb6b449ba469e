//! Holds a container to its limits from outside, as no kernel does it here.
//!
//! Nothing announces that a process of another user program grows or computes, so this is the
//! one place that looks again and again. Between two looks a container can go beyond a limit:
//! what is enforced is what is seen.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::process;
use super::tree::{Tree, Usage};
use crate::backend::FREEZE_PATIENCE;
use crate::spec::{ContainerId, CpuPercent, Memory};

/// How often the container is looked at, if it has a limit.
const INTERVAL: Duration = Duration::from_millis(100);

/// How much of its CPU share a container that rested may save up.
const SAVED_MILLIS: f64 = 100.0;

/// Watches over the processes of one run.
pub(super) struct Governor {
    tree: Tree,
    memory: Option<Memory>,
    cpu: Option<CpuShare>,
    peak_bytes: u64,
    /// An operator has stopped it.
    paused: bool,
    /// What it used when it was killed for that.
    over_memory: Option<u64>,
    /// Whether all is over: then nothing is stopped or continued any more.
    over: bool,
}

/// The CPU limit: an account into which time is paid at the limit's rate, and from which what
/// was used is taken. In debt, the container stands still.
struct CpuShare {
    percent: f64,
    balance_millis: f64,
    used_millis: u64,
    at: Instant,
    /// Since when it stands still.
    throttled: Option<Instant>,
    felt: Throttling,
}

/// How much of the CPU limit was felt.
#[derive(Debug, Clone, Copy, Default, serde::Serialize, serde::Deserialize)]
pub(super) struct Throttling {
    pub periods: u64,
    pub throttled_periods: u64,
    pub throttled_micros: u64,
}

/// What a container uses, as its supervisor tells it.
#[derive(Debug, Clone, Copy, serde::Serialize, serde::Deserialize)]
pub(super) struct Report {
    pub usage: Usage,
    pub peak_bytes: u64,
    pub throttling: Throttling,
}

/// A governor that a thread and the supervisor share.
pub(super) type Shared = Arc<Mutex<Governor>>;

/// Locks it.
pub(super) fn lock(governor: &Shared) -> MutexGuard<'_, Governor> {
    governor.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Governor {
    /// For the processes that this supervisor has just started with `command`.
    pub fn new(
        id: &ContainerId,
        command: u32,
        memory: Option<Memory>,
        cpu: Option<CpuPercent>,
    ) -> Governor {
        let cpu = cpu.map(|percent| CpuShare {
            percent: f64::from(percent.percent()),
            balance_millis: SAVED_MILLIS,
            used_millis: 0,
            at: Instant::now(),
            throttled: None,
            felt: Throttling::default(),
        });
        let tree = Tree::new(Some(id), std::process::id(), command);
        Governor { tree, memory, cpu, peak_bytes: 0, paused: false, over_memory: None, over: false }
    }

    /// What it uses now.
    pub fn report(&mut self) -> Report {
        let usage = self.look();
        let throttling = self.cpu.as_ref().map(|cpu| cpu.felt).unwrap_or_default();
        Report { usage, peak_bytes: self.peak_bytes, throttling }
    }

    fn look(&mut self) -> Usage {
        let usage = self.tree.look();
        self.peak_bytes = self.peak_bytes.max(usage.memory_bytes);
        usage
    }

    /// Stops all processes, or lets them go on. Returns whether all are in the end.
    pub fn set_paused(&mut self, paused: bool) -> bool {
        self.paused = paused;
        if !paused {
            self.go_on();
            return true;
        }
        let deadline = Instant::now() + FREEZE_PATIENCE;
        loop {
            // Until it is stopped a process may start others: look until there is no new one.
            self.stand_still();
            self.look();
            if self.tree.are_stopped() {
                return true;
            }
            if Instant::now() >= deadline {
                self.set_paused(false);
                return false;
            }
            // The system stops each at its next return from the kernel, and tells nobody.
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Kills all processes, those too that were started meanwhile.
    pub fn kill(&mut self) {
        // A process can have started one between the look and its end, but not for ever: the
        // number of rounds is for a fork bomb, which no unprivileged program can win against.
        for _ in 0..100 {
            self.look();
            let pids = self.tree.pids();
            if pids.is_empty() {
                return;
            }
            pids.into_iter().for_each(process::kill);
        }
    }

    /// The run is over: its pids may soon be others'. Returns what it used, if it was killed
    /// for that.
    pub fn end(&mut self) -> Option<u64> {
        self.over = true;
        self.over_memory
    }

    fn stand_still(&mut self) {
        self.look();
        self.tree.pids().into_iter().for_each(process::suspend);
    }

    fn go_on(&mut self) {
        self.look();
        self.tree.pids().into_iter().for_each(process::resume);
        if let Some(cpu) = &mut self.cpu {
            cpu.released();
        }
    }

    /// One look at the limits. Returns after how long to look again, or None if the container
    /// had to be killed.
    fn enforce(&mut self) -> Option<Duration> {
        let usage = self.look();
        if let Some(limit) = self.memory
            && usage.memory_bytes > limit.as_bytes()
        {
            self.over_memory = Some(usage.memory_bytes);
            self.kill();
            return None;
        }
        let Some(cpu) = self.cpu.as_mut().filter(|_| !self.paused) else {
            return Some(INTERVAL);
        };
        let debt = cpu.settle(usage.cpu_millis, Instant::now());
        match (debt, cpu.throttled) {
            (Some(wait), Some(_)) => Some(wait),
            (Some(wait), None) => {
                cpu.throttled = Some(Instant::now());
                cpu.felt.throttled_periods += 1;
                self.tree.pids().into_iter().for_each(process::suspend);
                Some(wait)
            }
            (None, Some(_)) => {
                self.go_on();
                Some(INTERVAL)
            }
            (None, None) => Some(INTERVAL),
        }
    }
}

impl CpuShare {
    /// Takes what was used, and pays what time has brought. Returns how long it takes until a
    /// debt is paid.
    fn settle(&mut self, used_millis: u64, now: Instant) -> Option<Duration> {
        let rate = self.percent / 100.0;
        let earned = now.duration_since(self.at).as_secs_f64() * 1000.0 * rate;
        let used = used_millis.saturating_sub(self.used_millis) as f64;
        self.balance_millis =
            (self.balance_millis + earned - used).min(SAVED_MILLIS * rate.max(1.0));
        (self.at, self.used_millis) = (now, used_millis);
        self.felt.periods += 1;
        // Looking again later than this would make the container stutter.
        const LONGEST: Duration = Duration::from_secs(1);
        (self.balance_millis < 0.0)
            .then(|| Duration::from_secs_f64(-self.balance_millis / 1000.0 / rate).min(LONGEST))
    }

    /// It stands still no more.
    fn released(&mut self) {
        if let Some(since) = self.throttled.take() {
            let micros = u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX);
            self.felt.throttled_micros = self.felt.throttled_micros.saturating_add(micros);
        }
    }
}

/// The thread of a container with limits: enforces them until `end` is closed.
pub(super) fn enforce(governor: &Shared, end: &Receiver<()>) {
    let mut wait = INTERVAL;
    // A closed channel answers at once.
    while let Err(RecvTimeoutError::Timeout) = end.recv_timeout(wait) {
        let mut governor = lock(governor);
        if governor.over {
            return;
        }
        match governor.enforce() {
            Some(next) => wait = next,
            None => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(percent: f64) -> CpuShare {
        CpuShare {
            percent,
            balance_millis: 0.0,
            used_millis: 0,
            at: Instant::now(),
            throttled: None,
            felt: Throttling::default(),
        }
    }

    #[test]
    fn who_uses_more_than_his_share_waits_until_it_is_paid() {
        let mut cpu = share(50.0);
        let begin = cpu.at;
        let after = |millis| begin + Duration::from_millis(millis);
        assert_eq!(cpu.settle(50, after(100)), None, "half of the time is half a core");
        // Another 100 ms of computing in 100 ms: 50 too many, which take 100 ms to earn.
        assert_eq!(cpu.settle(150, after(200)), Some(Duration::from_millis(100)));
        assert_eq!(cpu.settle(150, after(301)), None);
    }

    #[test]
    fn who_rests_does_not_save_up_for_ever() {
        let mut cpu = share(50.0);
        let begin = cpu.at;
        assert_eq!(cpu.settle(0, begin + Duration::from_secs(3600)), None);
        assert_eq!(cpu.balance_millis, SAVED_MILLIS);
    }
}
