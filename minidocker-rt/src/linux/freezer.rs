//! The freezer: stops every process of a cgroup where it is, and lets it go on.
//!
//! A frozen process is not signalled and cannot notice: the kernel holds it at its next way
//! back to user space. In version 2 every cgroup can be frozen, and `cgroup.events` tells
//! when all of its processes are
//! (<https://docs.kernel.org/admin-guide/cgroup-v2.html#core-interface-files>). In version 1
//! it is a controller of its own
//! (<https://docs.kernel.org/admin-guide/cgroup-v1/freezer-subsystem.html>). The state is
//! always the kernel's: whoever froze a container, everybody sees it.

use std::fs::{self, File};
use std::io::{Read, Seek};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::poll::PollFlags;

use super::{cgroup, process};
use crate::backend::FREEZE_PATIENCE as PATIENCE;
use crate::error::{Error, Result};

/// The freezer of a cgroup.
enum Freezer {
    /// Version 1: `freezer.state` of the cgroup.
    V1 { cgroup: PathBuf },
    /// Version 2: `cgroup.freeze` asks, `cgroup.events` answers.
    V2 { cgroup: PathBuf },
}

/// Freezes all processes of a container. Returns false if they did not all stop within
/// [`PATIENCE`]; then they go on.
///
/// # Errors
/// [`Error::Unsupported`] if none of the cgroups can be frozen; [`Error::Io`] if the kernel
/// refuses, or the cgroup is gone.
pub(crate) fn freeze(cgroups: &[PathBuf]) -> Result<bool> {
    let freezer = freezers(cgroups).next().ok_or_else(|| Error::Unsupported {
        feature: "pause".into(),
        backend: "linux",
        why: "the container's cgroups have no freezer: mount the freezer controller of version \
              1, or use version 2, and start the container again"
            .into(),
    })?;
    freezer.set(true)?;
    let frozen = freezer.wait_until(true);
    if !matches!(frozen, Ok(true)) {
        let _ = freezer.set(false);
    }
    frozen
}

/// Lets all processes of a container go on. Returns false if they are still frozen after
/// [`PATIENCE`], as when the cgroup above theirs is.
///
/// # Errors
/// [`Error::Io`] if the kernel refuses, or the cgroup is gone.
pub(crate) fn thaw(cgroups: &[PathBuf]) -> Result<bool> {
    for freezer in freezers(cgroups).filter(|freezer| !freezer.is_at_rest(false)) {
        freezer.set(false)?;
        match freezer.wait_until(false) {
            Ok(true) => {}
            // A signal may have waited for it: it went on, ended, and took its cgroup along.
            Err(_) if !freezer.cgroup().exists() => {}
            trouble => return trouble,
        }
    }
    Ok(true)
}

/// Whether a container is frozen. In version 2 it also is while it is asked to be: a signal
/// that comes wakes a frozen process for a moment, before it is held again.
pub(crate) fn is_frozen(cgroups: &[PathBuf]) -> bool {
    freezers(cgroups).any(|freezer| freezer.is_asked(true) || freezer.is_at_rest(true))
}

/// Kills what is frozen; does nothing to what is not. In version 1 a frozen process does not
/// even die: it must be thawed. Each is killed first, so that none runs another instruction
/// of its program in between.
pub(crate) fn kill_frozen(cgroups: &[PathBuf]) {
    for freezer in freezers(cgroups).filter(|freezer| !freezer.is_at_rest(false)) {
        cgroup::kill_listed(freezer.cgroup());
        // Where the last process took its cgroup along, there is nothing to thaw.
        let _ = freezer.set(false);
    }
}

fn freezers(cgroups: &[PathBuf]) -> impl Iterator<Item = Freezer> {
    cgroups.iter().filter_map(|cgroup| {
        if cgroup.join("freezer.state").exists() {
            Some(Freezer::V1 { cgroup: cgroup.clone() })
        } else if cgroup.join("cgroup.freeze").exists() {
            Some(Freezer::V2 { cgroup: cgroup.clone() })
        } else {
            None
        }
    })
}

impl Freezer {
    fn cgroup(&self) -> &Path {
        let (Freezer::V1 { cgroup } | Freezer::V2 { cgroup }) = self;
        cgroup
    }

    /// Asks for it.
    fn set(&self, frozen: bool) -> Result<()> {
        let (path, value) = match self {
            Freezer::V1 { cgroup } => {
                (cgroup.join("freezer.state"), if frozen { "FROZEN" } else { "THAWED" })
            }
            Freezer::V2 { cgroup } => {
                (cgroup.join("cgroup.freeze"), if frozen { "1" } else { "0" })
            }
        };
        fs::write(&path, value).map_err(|error| Error::io("write", &path, error))
    }

    /// Whether all processes are frozen, or none is and none is asked to be.
    fn is_at_rest(&self, frozen: bool) -> bool {
        match self {
            Freezer::V1 { cgroup } => fs::read_to_string(cgroup.join("freezer.state"))
                .is_ok_and(|state| says_v1(&state, frozen)),
            Freezer::V2 { cgroup } => {
                fs::read_to_string(cgroup.join("cgroup.events"))
                    .is_ok_and(|events| says_v2(&events, frozen))
                    && (frozen || self.is_asked(false))
            }
        }
    }

    /// Whether version 2 was told to freeze or to thaw. Version 1 does not tell.
    fn is_asked(&self, frozen: bool) -> bool {
        matches!(self, Freezer::V2 { cgroup } if fs::read_to_string(cgroup.join("cgroup.freeze"))
            .is_ok_and(|asked| asked.trim() == if frozen { "1" } else { "0" }))
    }

    /// Waits until what was asked for is so. Returns false if it is not within [`PATIENCE`].
    fn wait_until(&self, frozen: bool) -> Result<bool> {
        let deadline = Instant::now() + PATIENCE;
        match self {
            Freezer::V1 { .. } => self.insist(frozen, deadline),
            Freezer::V2 { cgroup } => {
                let path = cgroup.join("cgroup.events");
                let trouble = |error| Error::io("read", &path, error);
                let mut events = File::open(&path).map_err(trouble)?;
                loop {
                    let mut text = String::new();
                    events.rewind().map_err(trouble)?;
                    events.read_to_string(&mut text).map_err(trouble)?;
                    if says_v2(&text, frozen) {
                        return Ok(true);
                    }
                    // POLLPRI: the file has changed since it was last read.
                    let left = deadline.saturating_duration_since(Instant::now());
                    if !process::wait_for(events.as_fd(), PollFlags::POLLPRI, Some(left))? {
                        return Ok(false);
                    }
                }
            }
        }
    }

    /// Version 1 announces nothing, and the kernel's documentation asks for the request to be
    /// repeated while it reads FREEZING: so there are short sleeps here, up to the deadline.
    fn insist(&self, frozen: bool, deadline: Instant) -> Result<bool> {
        for pause in [100, 1000].into_iter().chain(std::iter::repeat(5000)) {
            self.set(frozen)?;
            if self.is_at_rest(frozen) {
                return Ok(true);
            }
            if Instant::now() >= deadline {
                break;
            }
            std::thread::sleep(Duration::from_micros(pause));
        }
        Ok(false)
    }
}

/// `freezer.state` reads THAWED, FREEZING or FROZEN.
fn says_v1(state: &str, frozen: bool) -> bool {
    state.trim() == if frozen { "FROZEN" } else { "THAWED" }
}

fn says_v2(events: &str, frozen: bool) -> bool {
    let wanted = if frozen { "frozen 1" } else { "frozen 0" };
    events.lines().any(|line| line == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_end_of_freezing_counts() {
        assert!(says_v1("FROZEN\n", true));
        assert!(says_v1("THAWED\n", false));
        assert!(!says_v1("FREEZING\n", true) && !says_v1("FREEZING\n", false));
        assert!(says_v2("populated 1\nfrozen 1\n", true));
        assert!(!says_v2("populated 1\nfrozen 0\n", true));
        assert!(!says_v2("populated 1\n", false), "a kernel before 5.2 has no freezer");
    }

    #[test]
    fn cgroups_without_a_freezer_are_told_as_such() {
        let cgroup = tempfile::tempdir().unwrap();
        let cgroups = [cgroup.path().to_owned()];
        assert!(matches!(freeze(&cgroups), Err(Error::Unsupported { .. })));
        assert!(thaw(&cgroups).unwrap(), "what cannot be frozen is not");
        assert!(!is_frozen(&cgroups));
    }
}
