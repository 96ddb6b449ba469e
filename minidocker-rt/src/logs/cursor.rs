//! A place in the log: reads on from there through both files, across rotation.

use std::collections::VecDeque;
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::Stream;
use super::tail;
use super::written::Written;
use crate::error::{Error, Result};
use crate::lines::Lines;

/// Reads a log line by line. Holds a chunk in memory, however long the log is.
#[derive(Debug)]
pub(super) struct Cursor {
    path: PathBuf,
    /// The files still to be read, the oldest first. Only the last one grows.
    files: VecDeque<Lines>,
}

/// What there is beyond the last file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Beyond {
    /// Nothing yet: it is the log that is being written to.
    Nothing,
    /// More to read.
    More,
    /// More to read, but perhaps not what comes next: the log was rotated more than once
    /// since the last look.
    MoreAfterAGap,
}

impl Cursor {
    /// From the last `lines` lines of `stream` on, or from the begin.
    pub fn open(path: &Path, lines: Option<usize>, stream: Option<Stream>) -> Result<Cursor> {
        let failed = |error| Error::io("read", path, error);
        let files = open_both(path)?;
        let (first, offset) = match lines {
            Some(lines) => tail::begin(&files, lines, stream).map_err(failed)?,
            None => (0, 0),
        };
        let files = files
            .into_iter()
            .enumerate()
            .skip(first)
            .map(|(index, file)| Lines::at(file, if index == first { offset } else { 0 }))
            .collect::<std::io::Result<_>>()
            .map_err(failed)?;
        Ok(Cursor { path: path.to_owned(), files })
    }

    /// Not beyond what the log holds now, however fast it grows.
    pub fn up_to_now(mut self) -> Result<Cursor> {
        if let Some(last) = self.files.pop_back() {
            let last = last.up_to_now().map_err(|error| Error::io("read", &self.path, error))?;
            self.files.push_back(last);
        }
        Ok(self)
    }

    /// The next line, if there is a whole one already.
    pub fn next(&mut self) -> Result<Option<&[u8]>> {
        let failed = |error| Error::io("read", &self.path, error);
        loop {
            let Some(file) = self.files.front_mut() else { return Ok(None) };
            if file.step().map_err(failed)? {
                break;
            }
            if self.files.len() == 1 {
                return Ok(None);
            }
            self.files.pop_front();
        }
        Ok(self.files.front().map(Lines::line))
    }

    /// Whether a line can be had without reading.
    pub fn has_buffered(&self) -> bool {
        self.files.front().is_some_and(Lines::has_buffered)
    }

    /// Looks for more once [`Cursor::next`] has nothing: for a file that took the log's place.
    pub fn look_beyond(&mut self) -> Result<Beyond> {
        let failed = |error| Error::io("read", &self.path, error);
        let Some(last) = self.files.back_mut() else {
            self.files = open_from_begin(&self.path)?;
            let found = !self.files.is_empty();
            return Ok(if found { Beyond::More } else { Beyond::Nothing });
        };
        if last.is_at(&self.path) {
            return Ok(Beyond::Nothing);
        }
        // Renamed, so it will not grow any more. But it may have since it was last read.
        if last.fill().map_err(failed)? {
            return Ok(Beyond::More);
        }
        let newer = open_from_begin(&self.path)?;
        // Its successor is the one after it, if it is still kept.
        let place = newer.iter().position(|file| file.is_same_file(last));
        let successors = newer.into_iter().skip(place.map_or(0, |place| place + 1));
        self.files.extend(successors);
        if self.files.len() > 1 {
            self.files.pop_front();
            Ok(if place.is_some() { Beyond::More } else { Beyond::MoreAfterAGap })
        } else {
            // The new file was not made yet.
            Ok(Beyond::Nothing)
        }
    }
}

/// The size of both files.
pub(super) fn size(path: &Path) -> Result<u64> {
    let length = |file: File| Ok(file.metadata()?.len());
    let lengths = open_both(path)?.into_iter().map(length).sum::<std::io::Result<u64>>();
    lengths.map_err(|error| Error::io("read", path, error))
}

/// What was written before the oldest line that is kept.
pub(super) fn written_before(path: &Path) -> Result<Written> {
    match open_both(path)?.first() {
        Some(oldest) => Written::before(oldest).map_err(|error| Error::io("read", path, error)),
        None => Ok(Written::default()),
    }
}

fn open_from_begin(path: &Path) -> Result<VecDeque<Lines>> {
    open_both(path)?
        .into_iter()
        .map(|file| Lines::at(file, 0))
        .collect::<std::io::Result<_>>()
        .map_err(|error| Error::io("read", path, error))
}

/// The older file and the current one, as far as they exist, with nothing between them.
fn open_both(path: &Path) -> Result<Vec<File>> {
    let older = path.with_extension("1");
    loop {
        let last = open(path)?;
        let before = open(&older)?;
        // If the log was rotated between the two calls, one file may be here twice, or
        // one may have slipped through.
        let unchanged = match &last {
            Some(last) => crate::lines::is_at(last, path),
            None => !path.exists(),
        };
        if unchanged {
            return Ok(before.into_iter().chain(last).collect());
        }
    }
}

fn open(path: &Path) -> Result<Option<File>> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("read", path, error)),
    }
}
