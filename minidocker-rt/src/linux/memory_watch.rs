//! Hears when the kernel kills a process of the container for lack of memory, and whether it
//! was the command.
//!
//! The kernel counts such kills, and does not say of whom. So the count alone is no reason for
//! a death: it may be of a child, an hour ago. But it counts just before it kills, and who was
//! killed is on its way out when the count has grown.

use std::fs::{self, File};
use std::io::{Read, Seek};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use nix::poll::PollFlags;
use nix::sys::eventfd::{EfdFlags, EventFd};

use super::process;

/// Version 1 announces that memory has run out, and kills then: the count follows a moment
/// after the announcement, with no other sign.
const RECOUNT_AFTER: Duration = Duration::from_millis(2);
const RECOUNTS: u32 = 250;

/// The kernel counts before it kills: the time between, generously.
const COUNTED_BEFORE_KILLED: Duration = Duration::from_millis(1);

/// A watch over one cgroup.
pub(crate) struct MemoryWatch {
    /// Open, to be read where their paths are out of reach: the count, and the host's /proc.
    counter: File,
    proc: File,
    notice: Notice,
    seen: u64,
    /// Whether the command was on its way out when the count had grown.
    hit: bool,
    /// When to count, if there is a reason to.
    look_at: Option<Instant>,
    /// How often to count again if nothing is found.
    recounts: u32,
}

enum Notice {
    /// Version 2: the kernel notifies readers of `memory.events`, the counter (POLLPRI).
    Events,
    /// Version 1: an eventfd registered for the file `memory.oom_control`.
    Registered(EventFd),
}

impl MemoryWatch {
    /// Watches the cgroup of version 2 or 1 at `dir`. None if the kernel does not let us;
    /// then the kills are counted at the end only.
    pub fn new(dir: &Path, v2: bool) -> Option<MemoryWatch> {
        let (mut counter, notice);
        if v2 {
            counter = File::open(dir.join("memory.events")).ok()?;
            let _ = read_again(&mut counter);
            notice = Notice::Events;
        } else {
            counter = File::open(dir.join("memory.oom_control")).ok()?;
            let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
            let event = EventFd::from_value_and_flags(0, flags).ok()?;
            let line = format!("{} {}", event.as_fd().as_raw_fd(), counter.as_raw_fd());
            fs::write(dir.join("cgroup.event_control"), line).ok()?;
            notice = Notice::Registered(event);
        }
        let proc = File::open("/proc").ok()?;
        Some(MemoryWatch { counter, proc, notice, seen: 0, hit: false, look_at: None, recounts: 0 })
    }

    /// What to wait for, and how.
    pub fn fd(&self) -> (BorrowedFd<'_>, PollFlags) {
        match &self.notice {
            Notice::Events => (self.counter.as_fd(), PollFlags::POLLPRI),
            Notice::Registered(event) => (event.as_fd(), PollFlags::POLLIN),
        }
    }

    /// When to ask for news, though nothing rings.
    pub fn deadline(&self) -> Option<Instant> {
        self.look_at
    }

    /// What there is to wait for is ready.
    pub fn notified(&mut self) {
        match &mut self.notice {
            Notice::Events => drop(read_again(&mut self.counter)),
            Notice::Registered(event) => {
                let _ = event.read();
                self.recounts = RECOUNTS;
            }
        }
        self.look_at = Some(Instant::now());
    }

    /// How many were killed so far, if more than told before. Costs nothing while there is no
    /// reason to count. `command` is a child that is not reaped yet, or its descendant.
    pub fn news(&mut self, command: i32) -> Option<u64> {
        if self.look_at.is_none_or(|time| time > Instant::now()) {
            return None;
        }
        let news = self.count();
        self.hit |= news.is_some() && self.is_hit(command);
        self.recounts = if news.is_some() { 0 } else { self.recounts.saturating_sub(1) };
        self.look_at = (self.recounts > 0).then(|| Instant::now() + RECOUNT_AFTER);
        news
    }

    /// As [`MemoryWatch::news`], whether there is a reason to count or not.
    pub fn count(&mut self) -> Option<u64> {
        let kills = read_kills(&mut self.counter);
        (kills > self.seen).then(|| {
            self.seen = kills;
            kills
        })
    }

    /// The command has been killed. Whether the kernel has done that for lack of memory; what
    /// it has counted since the last look, it has counted at the command's end.
    pub fn has_killed_it(&mut self) -> bool {
        self.hit |= self.count().is_some();
        self.hit
    }

    fn is_hit(&self, command: i32) -> bool {
        process::is_dying(self.proc.as_fd(), command) || {
            std::thread::sleep(COUNTED_BEFORE_KILLED);
            process::is_dying(self.proc.as_fd(), command)
        }
    }
}

/// The count in an open `memory.events` or `memory.oom_control`.
pub(crate) fn read_kills(file: &mut File) -> u64 {
    kills(&read_again(file))
}

/// The count in the text of `memory.events` or `memory.oom_control`.
fn kills(text: &str) -> u64 {
    let count = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
    count.and_then(|count| count.trim().parse().ok()).unwrap_or(0)
}

/// Reading is what arms the next notification.
fn read_again(file: &mut File) -> String {
    let mut text = String::new();
    let _ = file.rewind();
    let _ = file.read_to_string(&mut text);
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_count_is_found_among_whatever_the_kernel_tells(
            count: u64, before in "(low [0-9]{1,9}\n|under_oom 0\n){0,4}", after in "([a-z_]+ [0-9]+\n){0,3}",
        ) {
            prop_assert_eq!(kills(&format!("{before}oom_kill {count}\n{after}")), count);
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,40}|(oom_kill[ 0-9a-z\n-]{0,30}){0,3}") {
            let _ = kills(&text);
        }
    }
}
