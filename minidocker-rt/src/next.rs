//! What a source that goes on has to give at this moment.

use std::time::{Duration, Instant};

use crate::error::Result;

/// The answer of a source that is asked without waiting: of [`crate::Events`] and
/// [`crate::Follow`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next<T> {
    /// The next item. There may be more: ask again.
    Item(T),
    /// Nothing new so far. The source's descriptor, where it has one, becomes readable when it
    /// is worth asking again.
    NothingYet,
    /// There will be no more.
    End,
}

/// A source that can be waited for.
pub(crate) trait Source {
    /// What it gives.
    type Item;

    /// What it has now.
    fn try_next(&mut self) -> Result<Next<Self::Item>>;

    /// Waits until it is worth asking again, at most so long. Returns whether it is.
    fn wait(&mut self, timeout: Option<Duration>) -> Result<bool>;
}

/// Asks a source until it has something, or ends, or the time is over.
pub(crate) fn wait_for_next<S: Source>(
    source: &mut S,
    timeout: Option<Duration>,
) -> Result<Next<S::Item>> {
    // A time that cannot be told is as good as no limit.
    let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    loop {
        match source.try_next()? {
            Next::NothingYet => {}
            next => return Ok(next),
        }
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        if !source.wait(left)? {
            return Ok(Next::NothingYet);
        }
    }
}
