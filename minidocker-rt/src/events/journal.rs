//! The journal: a file of one JSON line per event, appended to by every program on a root.
//!
//! An event's id is its place: how many bytes were written to the journal, since there is
//! one, before its line (plus one, so that 0 is before the first). So ids increase across
//! all writers, and a reader finds an event by its id without searching. A full file is
//! renamed to `events.1`, in place of an older one, and the ids go on.

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::{Event, EventKind};
use crate::error::{Error, Result};
use crate::lines::Lines;
use crate::lock;
use crate::private;
use crate::spec::ContainerId;

/// The journal is rotated when it would grow beyond this: 4 MiB, some 20,000 events.
const ROTATE_AT: u64 = 4 << 20;

/// The journal of a root.
#[derive(Debug, Clone)]
pub(crate) struct Journal {
    path: PathBuf,
    rotate_at: u64,
}

/// One of the journal's two files, and its place in the whole.
pub(super) struct Part {
    pub file: File,
    /// How many bytes were written to the journal before this file.
    pub base: u64,
    pub length: u64,
}

impl Part {
    /// Where it ends in the journal.
    pub fn end(&self) -> u64 {
        self.base + self.length
    }
}

impl Journal {
    /// The journal of the root folder `root`.
    pub fn of(root: &Path) -> Journal {
        Journal { path: root.join("events"), rotate_at: ROTATE_AT }
    }

    #[cfg(test)]
    pub fn rotated_at(root: &Path, rotate_at: u64) -> Journal {
        Journal { path: root.join("events"), rotate_at }
    }

    /// The file that is being written to.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn older(&self) -> PathBuf {
        self.path.with_extension("1")
    }

    /// Appends an event. What happened has happened: a full disk does not undo it, so a
    /// failure is logged and not returned.
    pub fn tell(&self, name: &str, container: Option<&ContainerId>, kind: EventKind) {
        if let Err(error) = self.append(name, container, kind, Timestamp::now()) {
            log::warn!("{error}");
        }
    }

    /// Appends what happened at `time`.
    pub fn append(
        &self,
        name: &str,
        container: Option<&ContainerId>,
        kind: EventKind,
        time: Timestamp,
    ) -> Result<()> {
        let lock = self.lock_file()?;
        lock::take_soon(&lock, lock::Mode::Exclusive, &self.path)?;
        let mut part = self.current()?;
        let mut bytes = Vec::new();
        // A line without its end is what a power cut left: closed, it can do no more harm.
        if part.length > 0 && last_byte(&part.file) != Some(b'\n') {
            bytes.push(b'\n');
        }
        let event = Event {
            id: part.end() + bytes.len() as u64 + 1,
            time,
            name: name.to_string(),
            container: container.cloned(),
            kind,
        };
        serde_json::to_writer(&mut bytes, &event)
            .map_err(|error| Error::damaged(&self.path, error))?;
        bytes.push(b'\n');
        if part.length > 0 && part.length + bytes.len() as u64 > self.rotate_at {
            fs::rename(&self.path, self.older())
                .map_err(|error| Error::io("rotate", &self.path, error))?;
            part.file = self.open_for_append()?;
        }
        part.file.write_all(&bytes).map_err(|error| Error::io("write", &self.path, error))
    }

    /// The file that holds `position`, or the oldest there is if that was rotated away.
    /// None if there is no file yet.
    pub(super) fn part_with(&self, position: u64) -> Result<Option<Part>> {
        self.read_parts(|current, older| match older {
            Some(older) if position < current.base => older,
            _ => current,
        })
    }

    /// Where the journal ends now.
    pub(super) fn end(&self) -> Result<u64> {
        Ok(self.read_parts(|current, _| current.end())?.unwrap_or(0))
    }

    /// Looks at both files while no writer can rotate them.
    fn read_parts<T>(&self, look: impl FnOnce(Part, Option<Part>) -> T) -> Result<Option<T>> {
        if !self.path.exists() && !self.older().exists() {
            return Ok(None);
        }
        let lock = self.lock_file()?;
        lock::take_soon(&lock, lock::Mode::Shared, &self.path)?;
        Ok(Some(look(self.current()?, self.part(&self.older(), None)?)))
    }

    /// The file that is written to, made if needed. Only under the lock.
    fn current(&self) -> Result<Part> {
        let file = self.open_for_append()?;
        let length = length(&file).map_err(|error| Error::io("read", &self.path, error))?;
        let base = match base(&file).map_err(|error| Error::io("read", &self.path, error))? {
            Some(base) => base,
            // Nothing in it tells where it begins: where the older one ends.
            None => self.part(&self.older(), Some(0))?.map_or(0, |older| older.end()),
        };
        Ok(Part { file, base, length })
    }

    fn part(&self, path: &Path, otherwise: Option<u64>) -> Result<Option<Part>> {
        let failed = |error| Error::io("read", path, error);
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let length = length(&file).map_err(failed)?;
        let base = base(&file).map_err(failed)?.or(otherwise);
        Ok(base.map(|base| Part { file, base, length }))
    }

    fn open_for_append(&self) -> Result<File> {
        private::file()
            .read(true)
            .append(true)
            .create(true)
            .open(&self.path)
            .map_err(|error| Error::io("open", &self.path, error))
    }

    /// The lock has a file of its own, because the journal's is renamed by rotation.
    fn lock_file(&self) -> Result<File> {
        private::lock_file(&self.path.with_extension("lock"))
    }
}

/// One line of the journal; None for what a power cut left of one.
pub(super) fn parse(line: &[u8]) -> Option<Event> {
    serde_json::from_slice(line).ok()
}

/// Where a file begins in the journal, as its first undamaged line tells.
fn base(file: &File) -> std::io::Result<Option<u64>> {
    let mut lines = Lines::at(file.try_clone()?, 0)?;
    loop {
        let begin = lines.position();
        match lines.next()? {
            Some(line) => {
                if let Some(base) = parse(line).and_then(|event| event.id.checked_sub(begin + 1)) {
                    return Ok(Some(base));
                }
            }
            None => return Ok(None),
        }
    }
}

fn length(file: &File) -> std::io::Result<u64> {
    file.metadata().map(|data| data.len())
}

fn last_byte(mut file: &File) -> Option<u8> {
    let mut byte = [0];
    file.seek(SeekFrom::End(-1)).and_then(|_| file.read_exact(&mut byte)).ok()?;
    Some(byte[0])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::status::{ExitStatus, Health};

    fn kind() -> impl Strategy<Value = EventKind> {
        let exit = (any::<i32>(), any::<Option<i32>>(), any::<bool>(), any::<bool>());
        prop_oneof![
            Just(EventKind::Created),
            any::<String>().prop_map(|command| EventKind::ExecStarted { command }),
            any::<u64>().prop_map(|kills| EventKind::OutOfMemory { kills }),
            any::<u64>().prop_map(|restarts| EventKind::Restarted { restarts }),
            Just(EventKind::HealthChanged { health: Health::Unhealthy }),
            exit.prop_map(|(code, signal, oom_killed, timed_out)| EventKind::Exited {
                exit: ExitStatus { code, signal, oom_killed, timed_out }
            }),
        ]
    }

    proptest! {
        /// Whatever a name or a command holds, an event is one line, and is read as it was told.
        #[test]
        fn what_is_told_is_read(
            told in prop::collection::vec((any::<String>(), any::<bool>(), kind()), 1..10),
        ) {
            let root = tempfile::tempdir().unwrap();
            let journal = Journal::of(root.path());
            let id = ContainerId::random().unwrap();
            for (name, with_id, kind) in &told {
                journal.tell(name, with_id.then_some(&id), kind.clone());
            }
            let text = fs::read(journal.path()).unwrap();
            let events: Vec<Event> = text
                .split(|&byte| byte == b'\n')
                .filter_map(parse)
                .collect();
            prop_assert_eq!(events.len(), told.len());
            for (event, (name, with_id, kind)) in events.iter().zip(&told) {
                prop_assert_eq!((&event.name, &event.kind), (name, kind));
                prop_assert_eq!(event.container.as_ref(), with_id.then_some(&id));
            }
        }

        #[test]
        fn a_torn_line_is_no_event_and_never_a_panic(bytes: Vec<u8>, cut in 0..60_usize) {
            let _ = parse(&bytes);
            let line = br#"{"id":1,"time":"2026-11-23T23:51:14Z","name":"a","event":"created"}"#;
            prop_assert!(parse(line).is_some());
            prop_assert!(parse(&line[..cut]).is_none());
        }
    }
}
