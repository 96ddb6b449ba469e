//! Locks between programs (flock(2)), which nobody waits for without end.
//!
//! They are files below the root folder, which no other user can open. Who holds one for an
//! operation on a container writes into it what for, so that who waits in vain can be told.

use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::ops::Deref;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::interrupt;

/// How long a lock is waited for. The operations that hold one have deadlines of their own.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Who else may have the lock meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Others of this mode.
    Shared,
    /// Nobody.
    Exclusive,
}

impl Mode {
    fn attempt(self, lock: &File) -> std::result::Result<(), TryLockError> {
        match self {
            Mode::Shared => lock.try_lock_shared(),
            Mode::Exclusive => lock.try_lock(),
        }
    }
}

/// Takes a lock, after waiting for it at most `longest`. Returns whether it was to be had.
///
/// flock(2) takes no deadline, and nothing tells that a lock is let go of but getting it. So it
/// is asked for again and again: soon at first, because most are held for a moment, and never
/// later than an eighth of the time waited so far.
pub(crate) fn take(lock: &File, mode: Mode, longest: Duration, path: &Path) -> Result<bool> {
    const SHORTEST_PAUSE: Duration = Duration::from_micros(50);
    const LONGEST_PAUSE: Duration = Duration::from_millis(20);
    let began = Instant::now();
    loop {
        match mode.attempt(lock) {
            Ok(()) => return Ok(true),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Interrupted => {}
            Err(TryLockError::Error(error)) => return Err(Error::io("lock", path, error)),
        }
        interrupt::check()?;
        let waited = began.elapsed();
        if waited >= longest {
            return Ok(false);
        }
        let pause = (waited / 8).clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
        std::thread::sleep(pause.min(longest - waited));
    }
}

/// As [`take`], where nobody holds it for longer than it takes to write a few files.
pub(crate) fn take_soon(lock: &File, mode: Mode, path: &Path) -> Result<()> {
    match take(lock, mode, LONGEST_WAIT, path)? {
        true => Ok(()),
        false => Err(Error::Io {
            action: "lock",
            path: path.to_owned(),
            why: format!("another program has held it for {} s", LONGEST_WAIT.as_secs()),
            errno: None,
        }),
    }
}

/// The lock of an operation. What it is held for stands in it, and is erased before it is let go
/// of: who gets it next is not to be taken for one that does the same.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
    held: bool,
}

impl Lock {
    /// One that was taken.
    pub fn held(file: File) -> Lock {
        Lock { file, held: true }
    }

    /// One that another program holds, for an operation that is not in the way.
    pub fn of_another(file: File) -> Lock {
        Lock { file, held: false }
    }

    /// Whether it was taken.
    pub fn is_held(&self) -> bool {
        self.held
    }
}

impl Deref for Lock {
    type Target = File;

    fn deref(&self) -> &File {
        &self.file
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if self.held {
            write_note(&self.file, "");
        }
    }
}

/// What a lock is held for, as its holder wrote it down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Holder {
    pid: u32,
    pub operation: String,
}

/// The length of what is written: always the same, so that one call replaces all of it.
const NOTE: usize = 48;

/// Writes down what a lock is held for.
pub(crate) fn note(lock: &File, operation: &str) {
    write_note(lock, &format!("{} {operation}", std::process::id()));
}

/// Replaces what was written down. Where that cannot be done nothing is left: what is only missing
/// misleads nobody.
fn write_note(lock: &File, text: &str) {
    let mut line = [b' '; NOTE];
    let length = text.len().min(NOTE - 1);
    line[..length].copy_from_slice(&text.as_bytes()[..length]);
    line[NOTE - 1] = b'\n';
    #[cfg(unix)]
    let written = std::os::unix::fs::FileExt::write_all_at(lock, &line, 0);
    #[cfg(windows)]
    let written = std::os::windows::fs::FileExt::seek_write(lock, &line, 0);
    if written.is_err() {
        let _ = lock.set_len(0);
    }
}

impl Holder {
    /// Who holds the lock at `path`, if that can be told.
    pub fn of(path: &Path) -> Option<Holder> {
        let text = std::fs::read_to_string(path).ok()?;
        let (pid, operation) = text.trim_end().split_once(' ')?;
        Some(Holder { pid: pid.parse().ok()?, operation: operation.to_string() })
    }
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Holder { pid, operation } = self;
        let name = std::fs::read(format!("/proc/{pid}/comm")).unwrap_or_default();
        let name = String::from_utf8_lossy(&name);
        match name.trim_end() {
            "" => write!(f, "process {pid} holds it to {operation}"),
            name => write!(f, "process {pid} ({name}) holds it to {operation}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_waits_for_a_lock_without_end_and_the_holder_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let open = || File::options().write(true).create(true).truncate(false).open(&path).unwrap();
        let (first, second) = (open(), open());
        assert!(take(&first, Mode::Exclusive, Duration::ZERO, &path).unwrap());
        note(&first, "export its files");
        for mode in [Mode::Shared, Mode::Exclusive] {
            let began = Instant::now();
            let wait = Duration::from_millis(50);
            assert!(!take(&second, mode, wait, &path).unwrap());
            assert!(began.elapsed() >= wait);
        }
        if cfg!(unix) {
            let holder = Holder::of(&path).unwrap();
            assert_eq!(holder.operation, "export its files");
            assert!(holder.to_string().starts_with(&format!("process {} ", std::process::id())));
            note(&first, "start it");
            assert_eq!(Holder::of(&path).unwrap().operation, "start it");
            drop(Lock::of_another(first.try_clone().unwrap()));
            assert!(Holder::of(&path).is_some());
            drop(Lock::held(first.try_clone().unwrap()));
            assert_eq!(Holder::of(&path), None, "it is let go of");
        }
        let waiter = std::thread::spawn(move || {
            take(&second, Mode::Exclusive, Duration::from_secs(60), &path).unwrap()
        });
        drop(first);
        assert!(waiter.join().unwrap());
    }
}
