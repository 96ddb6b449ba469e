//! Finding the last lines of a log from its end, without reading the rest.

use std::fs::File;
use std::io::{Read, Result, Seek, SeekFrom};
use std::ops::Range;

use memchr::memrchr;

use super::Stream;
use super::line::kind;

/// How much is read at once.
const BLOCK: u64 = 32 << 10;

/// Where the last `lines` lines of the command begin (or those of one of its streams): in
/// which of the files, the oldest first, and at which offset. An unfinished last line
/// counts as a line.
pub(super) fn begin(files: &[File], lines: usize, stream: Option<Stream>) -> Result<(usize, u64)> {
    let mut begin = None;
    let mut found = 0;
    for (index, file) in files.iter().enumerate().rev() {
        let mut backwards = Backwards::open(file)?;
        let end = backwards.offset();
        let begin = begin.get_or_insert((index, end));
        while lines > 0 && backwards.step()? {
            let Some((from, full)) = kind(backwards.line()) else { continue };
            if from == Stream::System || stream.is_some_and(|stream| stream != from) {
                continue;
            }
            // Backwards, a line begins with its last part: with a full entry, or with the
            // last entry of all.
            if full || found == 0 {
                if found == lines {
                    return Ok(*begin);
                }
                found += 1;
            }
            *begin = (index, backwards.offset());
        }
        if lines == 0 {
            return Ok(*begin);
        }
    }
    Ok((0, 0))
}

/// Reads the whole lines of a file from the last to the first.
struct Backwards<'a> {
    file: &'a File,
    /// Where the buffer begins in the file.
    start: u64,
    buffer: Vec<u8>,
    /// The end of the lines in the buffer that were not read yet.
    end: usize,
    /// Where the current line is in the buffer.
    line: Range<usize>,
}

impl Backwards<'_> {
    fn open(file: &File) -> Result<Backwards<'_>> {
        let start = file.metadata()?.len();
        let mut lines = Backwards { file, start, buffer: Vec::new(), end: 0, line: 0..0 };
        // What follows the last line end is torn, or being written at this moment.
        loop {
            if let Some(last) = memrchr(b'\n', &lines.buffer) {
                lines.end = last + 1;
                return Ok(lines);
            }
            lines.end = lines.buffer.len();
            if !lines.fill()? {
                lines.end = 0;
                return Ok(lines);
            }
        }
    }

    /// Where in the file the lines end that were not read yet.
    fn offset(&self) -> u64 {
        self.start + self.end as u64
    }

    /// Goes to the line before. Returns whether there is one.
    fn step(&mut self) -> Result<bool> {
        loop {
            let before_its_end = self.end.saturating_sub(1);
            let begin = match memrchr(b'\n', &self.buffer[..before_its_end]) {
                Some(end_of_another) => end_of_another + 1,
                None if self.fill()? => continue,
                None if self.end == 0 => return Ok(false),
                None => 0,
            };
            self.line = begin..self.end - 1;
            self.end = begin;
            return Ok(true);
        }
    }

    fn line(&self) -> &[u8] {
        &self.buffer[self.line.clone()]
    }

    /// Reads the block before. Returns whether there was one.
    fn fill(&mut self) -> Result<bool> {
        let length = self.start.min(BLOCK);
        if length == 0 {
            return Ok(false);
        }
        self.start -= length;
        let mut buffer = vec![0; length as usize];
        let mut file = self.file;
        file.seek(SeekFrom::Start(self.start))?;
        file.read_exact(&mut buffer)?;
        buffer.extend_from_slice(&self.buffer[..self.end]);
        self.end += length as usize;
        self.buffer = buffer;
        Ok(true)
    }
}
