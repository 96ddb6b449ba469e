//! A reader of the journal: event after event, from a place on, across rotation.

use super::journal::{Journal, parse};
use super::{Event, EventKind};
use crate::error::{Error, Result};
use crate::lines::Lines;

use jiff::Timestamp;

/// Reads the journal from a place on. Holds a chunk of it in memory, however far behind the
/// writers it is.
#[derive(Debug)]
pub(super) struct Reader {
    journal: Journal,
    /// The file that is read, and where it begins in the journal. None before the first
    /// read, and between two files.
    part: Option<(Lines, u64)>,
    /// How far the journal was read, while there is no file.
    position: u64,
}

impl Reader {
    /// From now on.
    pub fn from_end(journal: Journal) -> Result<Reader> {
        let position = journal.end()?;
        Ok(Reader { journal, part: None, position })
    }

    /// What came after the event `id`; 0 is before the first.
    pub fn after(journal: Journal, id: u64) -> Reader {
        // The place of the line's second byte: the next begin of a line is the next event's.
        Reader { journal, part: None, position: id }
    }

    /// The next event, if there is one already.
    pub fn next(&mut self) -> Result<Option<Event>> {
        loop {
            let Some((lines, base)) = &mut self.part else {
                match self.open()? {
                    Opened::Nothing => return Ok(None),
                    Opened::Part => continue,
                    Opened::Gap(missed) => return Ok(Some(missed)),
                }
            };
            let path = self.journal.path();
            let failed = |error| Error::io("read", path, error);
            while let Some(line) = lines.next().map_err(failed)? {
                if let Some(event) = parse(line) {
                    return Ok(Some(event));
                }
            }
            if lines.is_at(path) {
                return Ok(None);
            }
            // It was rotated, so it is complete; but it may have grown since it was read. (Or
            // it was removed, with its root: kept open, it would delay the news of that.)
            if let Some(line) = lines.next().map_err(failed)? {
                match parse(line) {
                    Some(event) => return Ok(Some(event)),
                    None => continue,
                }
            }
            self.position = *base + lines.read_so_far();
            self.part = None;
        }
    }

    /// Whether an event can be had without reading.
    pub fn has_buffered(&self) -> bool {
        self.part.as_ref().is_some_and(|(lines, _)| lines.has_buffered())
    }

    fn open(&mut self) -> Result<Opened> {
        let Some(mut part) = self.journal.part_with(self.position)? else {
            return Ok(Opened::Nothing);
        };
        // A place beyond the end is one in another journal, which this one has replaced.
        let replaced = self.position > part.end();
        if replaced && let Some(oldest) = self.journal.part_with(0)? {
            part = oldest;
        }
        let missed = replaced || self.position < part.base;
        let offset = if missed { 0 } else { self.position - part.base };
        let lines = Lines::from_next_begin(part.file, offset)
            .map_err(|error| Error::io("read", self.journal.path(), error))?;
        self.part = Some((lines, part.base));
        Ok(if missed { Opened::Gap(missed_before(part.base)) } else { Opened::Part })
    }
}

enum Opened {
    Nothing,
    Part,
    Gap(Event),
}

/// The notice of a gap. Its id is just before that of the first event after the gap, so
/// that one may also resume from it.
fn missed_before(base: u64) -> Event {
    Event {
        id: base,
        time: Timestamp::now(),
        name: String::new(),
        container: None,
        kind: EventKind::Missed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(reader: &mut Reader) -> Vec<(u64, String, EventKind)> {
        std::iter::from_fn(|| reader.next().unwrap())
            .map(|event| (event.id, event.name, event.kind))
            .collect()
    }

    #[test]
    fn a_reader_follows_across_rotation_and_is_told_what_it_missed() {
        let root = tempfile::tempdir().unwrap();
        let journal = Journal::rotated_at(root.path(), 400);
        let tell = |name: &str| journal.tell(name, None, EventKind::Created);

        tell("first");
        let mut keeps_up = Reader::after(journal.clone(), 0);
        let mut falls_behind = Reader::after(journal.clone(), 0);
        let mut seen = told(&mut keeps_up);
        assert_eq!(told(&mut falls_behind), seen);
        let names: Vec<_> = (0..30).map(|n| format!("then-{n}")).collect();
        for name in &names {
            tell(name);
            seen.extend(told(&mut keeps_up));
        }

        // One that reads each time sees all, in order, with ids that grow.
        let expected: Vec<&str> =
            std::iter::once("first").chain(names.iter().map(String::as_str)).collect();
        assert_eq!(seen.iter().map(|(_, name, _)| name.as_str()).collect::<Vec<_>>(), expected);
        assert!(seen.is_sorted_by(|(one, ..), (other, ..)| one < other), "{seen:?}");

        // One that did not is told so, at the place of the gap, and then of what is left.
        let late = told(&mut falls_behind);
        let gap = late.iter().position(|(.., kind)| *kind == EventKind::Missed).unwrap();
        let after = &late[gap + 1..];
        assert!(!after.is_empty() && seen.ends_with(after), "{late:?}");
        assert!(!after.iter().any(|(.., kind)| *kind == EventKind::Missed), "{late:?}");
        assert!(late[gap].0 < after[0].0);

        // From the id of any event that is still there, one goes on with the next.
        let resumed = told(&mut Reader::after(journal.clone(), after[0].0));
        assert_eq!(resumed, after[1..]);
    }
}
