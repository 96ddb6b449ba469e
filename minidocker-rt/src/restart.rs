//! When a container whose command has ended is started again, and after how long.

use std::time::Duration;

use crate::spec::RestartPolicy;
use crate::status::{ExitStatus, StatusRecord};

/// A run this long counts as success: the next wait is the shortest again.
const SETTLED: Duration = Duration::from_secs(10);

/// The waits between the runs of a container: 100 ms, then twice as long each time up to a
/// minute, as Docker does.
#[derive(Debug, Clone, Default)]
pub(crate) struct Backoff {
    last: Option<Duration>,
    in_a_row: u32,
}

impl Backoff {
    /// The first wait.
    pub const SHORTEST: Duration = Duration::from_millis(100);
    /// No wait is longer.
    pub const LONGEST: Duration = Duration::from_secs(60);

    /// A run of this length is over; after a long one all begins anew.
    pub fn ran(&mut self, length: Duration) {
        if length >= SETTLED {
            *self = Backoff::default();
        }
    }

    /// The wait before the next run.
    pub fn next(&mut self) -> Duration {
        self.in_a_row = self.in_a_row.saturating_add(1);
        let next = self.last.map_or(Backoff::SHORTEST, |last| last * 2).min(Backoff::LONGEST);
        *self.last.insert(next)
    }

    /// The wait before a run that could not even begin is tried again. It counts as none.
    pub fn again(&self) -> Duration {
        self.last.map_or(Backoff::SHORTEST, |last| last.max(Backoff::SHORTEST))
    }

    /// How many waits there were since a long run.
    pub fn in_a_row(&self) -> u32 {
        self.in_a_row
    }
}

/// Whether the policy wants another run. `in_a_row` counts the restarts so far; `failed`
/// is whether the run ended badly.
pub(crate) fn wants_another(policy: RestartPolicy, failed: bool, in_a_row: u32) -> bool {
    match policy {
        RestartPolicy::No => false,
        RestartPolicy::OnFailure { max } => failed && max.is_none_or(|max| in_a_row < max.get()),
        RestartPolicy::Always | RestartPolicy::UnlessStopped => true,
    }
}

/// Whether a container without a supervisor should be started by [`crate::Runtime::revive`]:
/// its machine was restarted, or its supervisor was killed.
pub(crate) fn should_revive(policy: RestartPolicy, record: &StatusRecord, same_boot: bool) -> bool {
    let lost = record.phase.is_lasting();
    match policy {
        RestartPolicy::No => false,
        // What was alive when it was lost has failed.
        RestartPolicy::OnFailure { .. } => lost && !record.stopped,
        // These begin anew with the machine, whatever became of them before.
        RestartPolicy::Always => !same_boot || lost && !record.stopped,
        RestartPolicy::UnlessStopped => (!same_boot || lost) && !record.stopped,
    }
}

/// Whether a run ended badly, as `on-failure` counts.
pub(crate) fn failed(exit: ExitStatus, unhealthy: bool) -> bool {
    !exit.success() || unhealthy
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::status::Phase;
    use crate::status::tests::record;

    proptest! {
        #[test]
        fn no_wait_is_longer_than_a_minute_nor_shorter_than_the_one_before(
            lengths in prop::collection::vec(0..20_u64, 1..200),
        ) {
            let mut backoff = Backoff::default();
            let mut before = Duration::ZERO;
            for length in lengths.into_iter().map(Duration::from_secs) {
                backoff.ran(length);
                let wait = backoff.next();
                prop_assert!((Backoff::SHORTEST..=Backoff::LONGEST).contains(&wait));
                if length >= SETTLED {
                    prop_assert_eq!((wait, backoff.in_a_row()), (Backoff::SHORTEST, 1));
                } else {
                    prop_assert!(wait >= before);
                }
                before = wait;
            }
        }

        /// What an operator ended stays ended on a machine that goes on, and nothing is revived
        /// that has no policy.
        #[test]
        fn a_revival_does_nothing_that_nobody_wanted(
            policy in 0..4_usize, phase in 0..5_usize, stopped: bool, same_boot: bool,
        ) {
            use Phase::{Exited, Failed, Running, Starting, Waiting};
            use RestartPolicy::{Always, No, OnFailure, UnlessStopped};
            let policy = [No, OnFailure { max: None }, Always, UnlessStopped][policy];
            let phase = [Starting, Running, Waiting, Exited, Failed][phase];
            let record = StatusRecord { stopped, ..record(phase) };
            let revive = |policy| should_revive(policy, &record, same_boot);
            if policy == No || stopped && (same_boot || policy != Always) {
                prop_assert!(!revive(policy));
            }
            if !stopped && policy != No && phase.is_lasting() {
                prop_assert!(revive(policy), "it was lost");
            }
            if same_boot && !phase.is_lasting() {
                prop_assert!(!revive(policy), "it has ended");
            }
            prop_assert!(revive(Always) || !revive(UnlessStopped), "always is never less");
        }
    }

    #[test]
    fn the_wait_doubles_to_a_minute_and_begins_anew_after_a_long_run() {
        let mut backoff = Backoff::default();
        let short = Duration::from_millis(5);
        let mut after = |length| {
            backoff.ran(length);
            (backoff.next(), backoff.in_a_row())
        };
        let waits: Vec<u128> = (0..12).map(|_| after(short).0.as_millis()).collect();
        assert_eq!(waits[..4], [100, 200, 400, 800]);
        assert_eq!(waits[11], 60_000);
        assert_eq!(after(short).1, 13);
        assert_eq!(after(Duration::from_secs(10)), (Backoff::SHORTEST, 1));
    }

    #[test]
    fn each_policy_decides_by_how_the_run_ended() {
        let limited: RestartPolicy = "on-failure:2".parse().unwrap();
        for (policy, failed, in_a_row, wanted) in [
            (RestartPolicy::No, true, 0, false),
            (RestartPolicy::Always, false, 99, true),
            (RestartPolicy::UnlessStopped, true, 0, true),
            ("on-failure".parse().unwrap(), false, 0, false),
            ("on-failure".parse().unwrap(), true, 99, true),
            (limited, true, 1, true),
            (limited, true, 2, false),
        ] {
            assert_eq!(wants_another(policy, failed, in_a_row), wanted, "{policy} {failed}");
        }
    }
}
