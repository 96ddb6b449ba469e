//! Following the journal: waiting for what comes.

#[cfg(linux_backend)]
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use super::Event;
use super::journal::Journal;
use super::reader::Reader;
use crate::error::Result;
use crate::next::{Next, Source, wait_for_next};
use crate::watch::Watch;

/// The events of a root as they happen, whichever program makes them. Made by
/// [`crate::Runtime::events`].
///
/// As an iterator it waits for each event, and ends when the root folder is removed.
/// For programs that wait for many things at once there is [`Events::try_next`], and on Linux
/// a descriptor (`AsFd`) that is readable when it is worth calling; it may be registered
/// edge-triggered if `try_next` is called until [`Next::NothingYet`].
///
/// A reader may be as slow as it likes: it reads from the journal's files. Only if it is so
/// far behind that a file it needs was rotated away, it gets an
/// [`EventKind::Missed`](super::EventKind::Missed), and goes on with the oldest event there is.
#[derive(Debug)]
pub struct Events {
    reader: Reader,
    watch: Watch,
}

impl Events {
    /// From now on.
    pub(crate) fn from_now(journal: Journal) -> Result<Events> {
        Events::new(journal, Reader::from_end)
    }

    /// After the event `id`.
    pub(crate) fn since(journal: Journal, id: u64) -> Result<Events> {
        Events::new(journal, |journal| Ok(Reader::after(journal, id)))
    }

    fn new(journal: Journal, reader: impl FnOnce(Journal) -> Result<Reader>) -> Result<Events> {
        let root = journal.path().parent().unwrap_or(journal.path());
        let watch = Watch::folder(root)?;
        Ok(Events { reader: reader(journal)?, watch })
    }

    /// The next event, without waiting.
    ///
    /// # Errors
    /// [`crate::Error::Io`] if the journal cannot be read.
    pub fn try_next(&mut self) -> Result<Next<Event>> {
        if !self.reader.has_buffered() {
            // Before the files are looked at, so that a later change sets it again.
            self.watch.clear();
        }
        let gone = self.watch.is_gone();
        Ok(match self.reader.next()? {
            Some(event) => Next::Item(event),
            None if gone => Next::End,
            None => Next::NothingYet,
        })
    }

    /// The next event, waiting for at most `timeout`; then [`Next::NothingYet`].
    ///
    /// # Errors
    /// As [`Events::try_next`].
    pub fn next_timeout(&mut self, timeout: Duration) -> Result<Next<Event>> {
        wait_for_next(self, Some(timeout))
    }
}

impl Source for Events {
    type Item = Event;

    fn try_next(&mut self) -> Result<Next<Event>> {
        Events::try_next(self)
    }

    fn wait(&mut self, timeout: Option<Duration>) -> Result<bool> {
        self.watch.wait(timeout)
    }
}

impl Iterator for Events {
    type Item = Result<Event>;

    fn next(&mut self) -> Option<Result<Event>> {
        match wait_for_next(self, None) {
            Ok(Next::Item(event)) => Some(Ok(event)),
            Ok(_) => None,
            Err(error) => Some(Err(error)),
        }
    }
}

#[cfg(linux_backend)]
impl AsFd for Events {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.watch.as_fd()
    }
}
