//! A watched folder, on systems whose own means the crate `notify` knows.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher};

use super::Bell;
use crate::error::{Error, Result};

/// A folder that is watched: for files made, renamed, removed or written to, and for its
/// own end.
#[derive(Debug)]
pub(crate) struct Watch {
    folder: PathBuf,
    bell: Arc<Bell>,
    /// Watches as long as it lives.
    _watcher: RecommendedWatcher,
}

impl Watch {
    /// Begins to watch. What changes after this call is told.
    pub fn folder(path: &Path) -> Result<Watch> {
        let failed = |error: notify::Error| Error::Io {
            action: "watch",
            path: path.to_owned(),
            why: error.to_string(),
            errno: None,
        };
        let bell = Arc::new(Bell::default());
        let ringer = bell.clone();
        let mut watcher = notify::recommended_watcher(move |change: notify::Result<_>| {
            // What was only looked at has not changed: the readers, who look, would wake
            // themselves without end. An error says that something was lost: then all look.
            if !change.is_ok_and(|change: notify::Event| change.kind.is_access()) {
                ringer.ring();
            }
        })
        .map_err(failed)?;
        watcher.watch(path, RecursiveMode::NonRecursive).map_err(failed)?;
        Ok(Watch { folder: path.to_owned(), bell, _watcher: watcher })
    }

    /// The bell that rings at each change.
    pub fn bell(&self) -> Arc<Bell> {
        self.bell.clone()
    }

    /// Forgets the changes so far. To be called before looking at the folder. Returns
    /// whether there were any.
    pub fn clear(&self) -> bool {
        self.bell.clear()
    }

    /// Waits for a change, at most so long. Returns whether there is one.
    pub fn wait(&self, timeout: Option<Duration>) -> Result<bool> {
        Ok(self.bell.wait(timeout))
    }

    /// Whether the folder was removed or renamed: there will be no more changes.
    pub fn is_gone(&self) -> bool {
        !self.folder.exists()
    }
}
