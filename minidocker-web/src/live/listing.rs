//! All containers as they were last read, and the signs that one must be read again.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use actix_web::web::Bytes;
use minidocker_rt::{ContainerInfo, Error, Events, Next, Runtime, Status};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use serde_json::json;
use tokio::sync::broadcast;

use super::sampler::Sample;
use super::store_watch::{Changed, StoreWatch};
use crate::error::ApiError;
use crate::sse;
use crate::view::{View, attach_usage};

pub(crate) use filter::Filter;

mod filter;

/// How many containers there are in each state.
pub(crate) type Counts = BTreeMap<String, u64>;

/// The containers of a root.
#[derive(Debug)]
pub(super) struct Listing {
    runtime: Runtime,
    entries: BTreeMap<String, Entry>,
    /// None before the first look, and where the kernel allows no watch: then everything is
    /// read each time.
    signs: Option<(StoreWatch, Events)>,
    /// Those of which something else than a sign has told that they changed.
    stale: BTreeSet<String>,
}

/// A container as it was last read.
#[derive(Debug)]
struct Entry {
    /// None if its files cannot be read.
    info: Option<ContainerInfo>,
    /// What the list says of it, without its usage.
    json: String,
    /// Its command's process, as a pidfd.
    process: Option<OwnedFd>,
}

impl Listing {
    pub fn new(runtime: Runtime) -> Listing {
        Listing { runtime, entries: BTreeMap::new(), signs: None, stale: BTreeSet::new() }
    }

    /// Reads what has changed, and tells of it.
    pub fn refresh(&mut self, messages: &broadcast::Sender<Bytes>) -> Result<(), ApiError> {
        let (mut changed, mut removed) = (Vec::new(), Vec::new());
        for name in self.look_for_signs()? {
            if let Some((watch, _)) = &mut self.signs {
                // Before it is read, so that a later change is told. One that is gone cannot
                // be watched, which does not matter.
                let _ = watch.add(&name);
            }
            let before = self.entries.remove(&name);
            match Entry::read(&self.runtime, &name) {
                Some(entry) => {
                    if before.is_none_or(|before| before.json != entry.json) {
                        changed.push(attach_usage(&entry.json, "null"));
                    }
                    self.entries.insert(name, entry);
                }
                None if before.is_some() => removed.push(name),
                None => {}
            }
        }
        if messages.receiver_count() > 0 {
            if !changed.is_empty() {
                let text = format!("event: changed\ndata: [{}]\n\n", changed.join(","));
                let _ = messages.send(text.into());
            }
            if !removed.is_empty() {
                let _ = messages.send(sse::message(Some("removed"), None, &removed));
            }
        }
        Ok(())
    }

    /// The names of those to be read again.
    fn look_for_signs(&mut self) -> Result<BTreeSet<String>, ApiError> {
        let mut stale = std::mem::take(&mut self.stale);
        let mut all = false;
        match &mut self.signs {
            None => {
                all = true;
                let watch = StoreWatch::new(self.runtime.root().join("containers"));
                match (watch, self.runtime.events()) {
                    (Ok(watch), Ok(events)) => self.signs = Some((watch, events)),
                    (watch, events) => log::warn!(
                        "reading all containers each time, since changes are not told: {:?} {:?}",
                        watch.err(),
                        events.err()
                    ),
                }
            }
            Some((watch, events)) => {
                match watch.changed() {
                    Changed::Names(names) => stale.extend(names),
                    Changed::All => all = true,
                }
                while let Next::Item(event) = events.try_next()? {
                    // The notice of missed events has no name.
                    all |= event.name.is_empty();
                    stale.insert(event.name);
                }
            }
        }
        if all {
            stale.extend(self.entries.keys().cloned());
            stale.extend(self.runtime.names()?.iter().map(ToString::to_string));
        } else {
            stale.extend(self.ended());
        }
        // Containers in the making, and on their way out, have names that begin so.
        stale.retain(|name| !name.is_empty() && !name.starts_with('.'));
        Ok(stale)
    }

    /// Those whose command has ended since they were read. Its supervisor may not have
    /// written it down yet, or may have been killed too.
    fn ended(&self) -> Vec<String> {
        let alive = || self.entries.iter().filter(|(_, entry)| entry.is_alive());
        let mut ended: Vec<String> = alive()
            .filter(|(_, entry)| entry.process.is_none())
            .map(|(name, _)| name.clone())
            .collect();
        let watched: Vec<(&String, &OwnedFd)> =
            alive().filter_map(|(name, entry)| Some((name, entry.process.as_ref()?))).collect();
        let mut fds: Vec<PollFd<'_>> =
            watched.iter().map(|(_, fd)| PollFd::new(fd.as_fd(), PollFlags::POLLIN)).collect();
        let found = poll(&mut fds, PollTimeout::ZERO);
        for ((name, _), fd) in watched.iter().zip(&fds) {
            if found.is_err() || fd.any().unwrap_or(true) {
                ended.push((*name).clone());
            }
        }
        ended
    }

    /// The names of the living.
    pub fn alive(&self) -> Vec<String> {
        let alive = self.entries.iter().filter(|(_, entry)| entry.is_alive());
        alive.map(|(name, _)| name.clone()).collect()
    }

    /// Learns from a sample what nobody told: a cgroup that was frozen by hand, say.
    pub fn compare(&mut self, sample: &Sample) {
        for (name, stats) in sample.iter() {
            let known = self.entries.get(name).and_then(|entry| entry.info.as_ref());
            if known.is_none_or(|info| info.status != stats.status) {
                self.stale.insert(name.to_string());
            }
        }
    }

    pub fn count(&self) -> Counts {
        let mut counts: Counts = ALL.iter().map(|status| (status.to_string(), 0)).collect();
        for entry in self.entries.values() {
            *counts.entry(entry.status().to_string()).or_default() += 1;
        }
        counts
    }

    /// The chosen containers, as a JSON list.
    pub fn to_json(&self, filter: &Filter, sample: &Sample) -> String {
        let chosen = self.entries.iter().filter(|(name, entry)| match &entry.info {
            Some(info) => filter.chooses(info),
            None => filter.chooses_damaged(name),
        });
        let texts: Vec<String> = chosen
            .map(|(name, entry)| {
                let usage = sample.usage(name).filter(|_| entry.is_alive());
                let usage = serde_json::to_string(&usage).unwrap_or_else(|_| "null".into());
                attach_usage(&entry.json, &usage)
            })
            .collect();
        format!("[{}]", texts.join(","))
    }

    /// What to wait for between two refreshes.
    pub fn signs(&self) -> Signs {
        let copy = |fd: std::os::fd::BorrowedFd<'_>| fd.try_clone_to_owned().ok();
        let fds = self.signs.iter().flat_map(|(watch, events)| [watch.as_fd(), events.as_fd()]);
        Signs(fds.filter_map(copy).collect())
    }
}

const ALL: [Status; 6] = [
    Status::Created,
    Status::Running,
    Status::Paused,
    Status::Restarting,
    Status::Stopped,
    Status::Error,
];

impl Entry {
    /// None if there is no such container.
    fn read(runtime: &Runtime, name: &str) -> Option<Entry> {
        match runtime.get(name).and_then(|container| container.inspect()) {
            Ok(info) => Some(Entry {
                json: serde_json::to_string(&View::of(&info)).unwrap_or_default(),
                process: info.pid.and_then(Pid::from_raw).and_then(|pid| {
                    // Without one (it has just ended, or too many files are open), the
                    // container is read each time.
                    pidfd_open(pid, PidfdFlags::empty()).ok()
                }),
                info: Some(info),
            }),
            Err(Error::NotFound { .. }) => None,
            Err(error) => {
                let reason = error.to_string();
                let json = json!({"name": name, "status": Status::Error, "reason": reason});
                Some(Entry { info: None, json: json.to_string(), process: None })
            }
        }
    }

    fn status(&self) -> Status {
        self.info.as_ref().map_or(Status::Error, |info| info.status)
    }

    fn is_alive(&self) -> bool {
        self.status().is_alive()
    }
}

/// Descriptors that are readable when it is worth to refresh.
pub(super) struct Signs(Vec<OwnedFd>);

impl Signs {
    /// Waits for a sign, at most so long.
    pub fn wait(&self, most: Duration) {
        let mut fds: Vec<PollFd<'_>> =
            self.0.iter().map(|fd| PollFd::new(fd.as_fd(), PollFlags::POLLIN)).collect();
        let timeout = PollTimeout::try_from(most.as_millis()).unwrap_or(PollTimeout::MAX);
        if poll(&mut fds, timeout).is_ok_and(|count| count > 0) {
            // One change seldom comes alone.
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
