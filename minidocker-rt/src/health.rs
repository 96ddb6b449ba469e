//! What the probes of a health check have found.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::status::Health;

/// How many probes are remembered.
pub(crate) const REMEMBERED: usize = 5;

/// The health of a container with a health check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HealthReport {
    /// The verdict.
    pub status: Health,
    /// How many probes have failed since one last succeeded.
    pub failing_streak: u32,
    /// The last five probes, oldest first.
    pub probes: Vec<Probe>,
}

/// One probe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Probe {
    /// When it was started.
    pub started_at: Timestamp,
    /// When it had ended.
    pub finished_at: Timestamp,
    /// Its exit code; None if it was killed at its timeout or could not be executed.
    pub exit_code: Option<i32>,
    /// What it printed on both streams, at most 4 KiB, or why it could not be executed.
    pub output: String,
}

impl HealthReport {
    /// Before the first probe.
    pub(crate) fn starting() -> HealthReport {
        HealthReport { status: Health::Starting, failing_streak: 0, probes: Vec::new() }
    }

    /// Takes a probe into account. `lenient` says that failures do not count yet.
    pub(crate) fn learn(&mut self, probe: Probe, retries: u32, lenient: bool) {
        if probe.exit_code == Some(0) {
            self.status = Health::Healthy;
            self.failing_streak = 0;
        } else if !lenient || self.status != Health::Starting {
            self.failing_streak += 1;
            if self.failing_streak >= retries {
                self.status = Health::Unhealthy;
            }
        }
        if self.probes.len() == REMEMBERED {
            self.probes.remove(0);
        }
        self.probes.push(probe);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(codes: &[i32], retries: u32, lenient: bool) -> HealthReport {
        let mut report = HealthReport::starting();
        for &code in codes {
            let now = Timestamp::UNIX_EPOCH;
            let probe = Probe {
                started_at: now,
                finished_at: now,
                exit_code: Some(code),
                output: String::new(),
            };
            report.learn(probe, retries, lenient);
        }
        report
    }

    #[test]
    fn so_many_failures_in_a_row_are_unhealthy_and_one_success_is_healthy() {
        assert_eq!(after(&[], 3, false).status, Health::Starting);
        assert_eq!(after(&[1, 1], 3, false).status, Health::Starting);
        assert_eq!(after(&[1, 1, 1], 3, false).status, Health::Unhealthy);
        assert_eq!(after(&[0, 1, 1], 3, false).status, Health::Healthy);
        assert_eq!(after(&[1, 1, 1, 0], 3, false).status, Health::Healthy);
        assert_eq!(after(&[1, 0, 1, 1], 3, false).failing_streak, 2);
    }

    #[test]
    fn failures_in_the_start_period_do_not_count_but_a_success_ends_it() {
        assert_eq!(after(&[1, 1, 1, 1], 3, true).status, Health::Starting);
        assert_eq!(after(&[0, 1, 1, 1], 3, true).status, Health::Unhealthy);
    }

    #[test]
    fn the_last_five_probes_are_kept() {
        let report = after(&[1, 2, 3, 4, 5, 6, 7], 9, false);
        let codes: Vec<i32> = report.probes.iter().filter_map(|probe| probe.exit_code).collect();
        assert_eq!(codes, [3, 4, 5, 6, 7]);
    }
}
