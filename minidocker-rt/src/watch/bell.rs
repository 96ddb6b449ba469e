//! A bell that several can ring and one waits for.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Once rung it goes on ringing until it is cleared.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    rings: Mutex<bool>,
    rung: Condvar,
}

impl Bell {
    /// Rings it.
    pub fn ring(&self) {
        *self.lock() = true;
        self.rung.notify_all();
    }

    /// Silences it. Returns whether it rang.
    pub fn clear(&self) -> bool {
        std::mem::take(&mut *self.lock())
    }

    /// Waits until it rings, at most so long. Returns whether it does.
    pub fn wait(&self, timeout: Option<Duration>) -> bool {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut rings = self.lock();
        while !*rings {
            rings = match deadline {
                None => self.rung.wait(rings).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return false;
                    }
                    let waited = self.rung.wait_timeout(rings, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, bool> {
        self.rings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn it_rings_until_it_is_cleared_and_wakes_who_waits() {
        let bell = Arc::new(Bell::default());
        assert!(!bell.wait(Some(Duration::from_millis(1))));
        let ringer = bell.clone();
        let thread = std::thread::spawn(move || ringer.ring());
        assert!(bell.wait(None) && bell.wait(None));
        thread.join().unwrap();
        assert!(bell.clear() && !bell.clear());
    }
}
