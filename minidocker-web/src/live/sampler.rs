//! What all living containers use, measured together.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use actix_web::web::Bytes;
use jiff::Timestamp;
use minidocker_rt::{Runtime, Stats};
use serde_json::json;

use super::FRESH;
use crate::sse;
use crate::view::Usage;

/// The time between two samples.
pub(super) const INTERVAL: Duration = Duration::from_secs(1);

/// A percentage over a longer time than this would be no news.
const FORGET: Duration = Duration::from_secs(10);

/// What each living container used at one moment, by name.
#[derive(Debug, Default)]
pub(crate) struct Sample {
    taken: Option<Instant>,
    stats: HashMap<String, Stats>,
}

impl Sample {
    pub fn stats(&self, name: &str) -> Option<&Stats> {
        self.stats.get(name)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &Stats)> {
        self.stats.iter().map(|(name, stats)| (name.as_str(), stats))
    }

    pub fn usage(&self, name: &str) -> Option<Usage> {
        Usage::of(self.stats(name)?)
    }

    pub(super) fn is_fresh(&self) -> bool {
        self.is_younger_than(FRESH)
    }

    pub(super) fn is_younger_than(&self, age: Duration) -> bool {
        self.taken.is_some_and(|taken| taken.elapsed() < age)
    }

    pub(super) fn to_message(&self) -> Bytes {
        let usage: BTreeMap<&str, Usage> =
            self.iter().filter_map(|(name, stats)| Some((name, Usage::of(stats)?))).collect();
        let data = json!({"time": Timestamp::now(), "usage": usage});
        sse::message(Some("usage"), None, &data)
    }
}

/// Remembers the last sample: the use of CPU time is told by two.
#[derive(Debug, Default)]
pub(super) struct Sampler {
    last: Sample,
}

impl Sampler {
    /// Measures the containers of these names.
    pub fn take(&mut self, runtime: &Runtime, names: &[String]) -> Sample {
        let last = std::mem::take(&mut self.last);
        let last = if last.is_younger_than(FORGET) { last } else { Sample::default() };
        let mut sample = Sample { taken: Some(Instant::now()), stats: HashMap::new() };
        for name in names {
            // One that was deleted meanwhile uses nothing.
            let Ok(mut stats) = runtime.get(name).and_then(|container| container.stats()) else {
                continue;
            };
            stats.cpu.percent =
                last.stats.get(name).and_then(|earlier| stats.cpu_percent_since(earlier));
            sample.stats.insert(name.clone(), stats);
        }
        self.last = Sample { taken: sample.taken, stats: sample.stats.clone() };
        sample
    }
}
