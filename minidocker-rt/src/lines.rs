//! Whole lines from a file that grows while it is read.

use std::fs::{self, File, Metadata};
use std::io::{ErrorKind, Read, Result, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;

use memchr::memchr;

/// How much is read at once.
const CHUNK: usize = 32 << 10;

/// Reads a file line by line. A line that has no end yet is left for later. Holds a chunk
/// and the longest line in memory, however long the file is.
#[derive(Debug)]
pub(crate) struct Lines {
    file: File,
    identity: Option<(u64, u64)>,
    /// How much of the file was read, given out or not.
    read: u64,
    buffer: Vec<u8>,
    /// What was read and not given out: `buffer[given..filled]`.
    given: usize,
    filled: usize,
    /// There is no line end in `buffer[given..searched]`.
    searched: usize,
    /// Where the current line is in the buffer.
    line: Range<usize>,
    /// Nothing is read beyond.
    limit: u64,
}

impl Lines {
    /// From `offset` on, which must be the begin of a line.
    pub fn at(mut file: File, offset: u64) -> Result<Lines> {
        let identity = identity(&file.metadata()?);
        file.seek(SeekFrom::Start(offset))?;
        Ok(Lines {
            file,
            identity,
            read: offset,
            buffer: Vec::new(),
            given: 0,
            filled: 0,
            searched: 0,
            line: 0..0,
            limit: u64::MAX,
        })
    }

    /// Not beyond what the file holds now, however fast it grows.
    pub fn up_to_now(mut self) -> Result<Lines> {
        self.limit = self.file.metadata()?.len();
        Ok(self)
    }

    /// Nothing from `offset` on.
    pub fn not_beyond(mut self, offset: u64) -> Lines {
        self.limit = offset;
        self
    }

    /// From the first line on that begins at `offset` or later.
    pub fn from_next_begin(file: File, offset: u64) -> Result<Lines> {
        if offset == 0 {
            return Lines::at(file, 0);
        }
        // The rest of the line before: nothing but its end, if `offset` is a begin.
        let mut lines = Lines::at(file, offset - 1)?;
        lines.next()?;
        Ok(lines)
    }

    /// The next line without its end, if there is a whole one already.
    pub fn next(&mut self) -> Result<Option<&[u8]>> {
        Ok(if self.step()? { Some(self.line()) } else { None })
    }

    /// Goes to the next line. Returns whether there is a whole one already.
    pub fn step(&mut self) -> Result<bool> {
        loop {
            if let Some(length) = memchr(b'\n', &self.buffer[self.searched..self.filled]) {
                let end = self.searched + length;
                self.line = self.given..end;
                self.given = end + 1;
                self.searched = self.given;
                return Ok(true);
            }
            self.searched = self.filled;
            if !self.fill()? {
                return Ok(false);
            }
        }
    }

    /// The line that [`Lines::step`] went to, without its end.
    pub fn line(&self) -> &[u8] {
        &self.buffer[self.line.clone()]
    }

    /// Whether a whole line can be given without reading.
    pub fn has_buffered(&self) -> bool {
        memchr(b'\n', &self.buffer[self.searched..self.filled]).is_some()
    }

    /// Where the line begins that [`Lines::next`] will give.
    pub fn position(&self) -> u64 {
        self.read - (self.filled - self.given) as u64
    }

    /// How far the file was read.
    pub fn read_so_far(&self) -> u64 {
        self.read
    }

    /// Whether this file is (still) the one at `path`.
    pub fn is_at(&self, path: &Path) -> bool {
        fs::metadata(path).is_ok_and(|found| identity(&found) == self.identity)
    }

    /// Whether both are the same file.
    pub fn is_same_file(&self, other: &Lines) -> bool {
        self.identity == other.identity
    }

    /// Reads on. Returns whether there was any more.
    pub fn fill(&mut self) -> Result<bool> {
        self.buffer.copy_within(self.given..self.filled, 0);
        self.filled -= self.given;
        self.searched -= self.given;
        self.given = 0;
        self.line = 0..0;
        if self.buffer.len() < self.filled + CHUNK {
            self.buffer.resize(self.filled + CHUNK, 0);
        }
        let left = usize::try_from(self.limit.saturating_sub(self.read)).unwrap_or(usize::MAX);
        let end = self.buffer.len().min(self.filled.saturating_add(left));
        let length = loop {
            match self.file.read(&mut self.buffer[self.filled..end]) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                result => break result?,
            }
        };
        self.filled += length;
        self.read += length as u64;
        Ok(length > 0)
    }
}

/// Whether this open file is (still) the one at `path`.
pub(crate) fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::metadata(path)) {
        (Ok(open), Ok(found)) => identity(&open) == identity(&found),
        _ => false,
    }
}

/// What tells a file from another that has taken its name. It cannot be reused while the
/// file is open. None where the platform has no such thing.
fn identity(file: &Metadata) -> Option<(u64, u64)> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        Some((file.dev(), file.ino()))
    }
    #[cfg(not(unix))]
    {
        let _ = file;
        None
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn lines_come_whole_and_in_order_however_they_are_written(
            texts in prop::collection::vec("[a-z]{0,40}", 0..60),
            cuts in prop::collection::vec(1_usize..50, 1..20),
            start in 0_usize..200,
        ) {
            let content: Vec<u8> =
                texts.iter().flat_map(|text| format!("{text}\n").into_bytes()).collect();
            let mut file = tempfile::NamedTempFile::new().unwrap();
            let mut lines = Lines::at(File::open(file.path()).unwrap(), 0).unwrap();
            let mut found = Vec::new();
            let mut rest = &content[..];
            for cut in cuts.iter().cycle() {
                let (now, later) = rest.split_at((*cut).min(rest.len()));
                file.write_all(now).unwrap();
                while let Some(line) = lines.next().unwrap() {
                    found.push(String::from_utf8(line.to_vec()).unwrap());
                }
                rest = later;
                if rest.is_empty() {
                    break;
                }
            }
            prop_assert_eq!(&found, &texts);
            prop_assert_eq!(lines.position(), content.len() as u64);

            // From anywhere in the middle: the first line that begins there or later.
            let start = start.min(content.len());
            let mut lines =
                Lines::from_next_begin(File::open(file.path()).unwrap(), start as u64).unwrap();
            let mut begin = 0;
            let expected = texts.iter().find(|text| {
                let here = begin;
                begin += text.len() + 1;
                here >= start
            });
            let first = lines.next().unwrap().map(|line| String::from_utf8(line.to_vec()).unwrap());
            prop_assert_eq!(first.as_ref(), expected);
        }
    }
}
