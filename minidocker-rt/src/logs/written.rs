//! How much the command has written in all, and so what rotation has taken away.
//!
//! Each file of the log but the first begins with a line that says how much was written before
//! it. In the oldest file that is kept, this is what is not in the log any more.

use std::fs::File;
use std::io::Result;

use jiff::Timestamp;

use super::Stream;
use super::line::{self, kind};
use crate::lines::Lines;

/// Bytes of output, by stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Written {
    pub stdout: u64,
    pub stderr: u64,
}

impl Written {
    /// The line that opens a file. No stream is called so, and readers skip what they do not know.
    pub fn head(self) -> String {
        format!("{:.9} before F {} {}\n", Timestamp::now(), self.stdout, self.stderr)
    }

    pub fn add(&mut self, stream: Stream, bytes: u64) {
        match stream {
            Stream::Stdout => self.stdout += bytes,
            Stream::Stderr => self.stderr += bytes,
            Stream::System => {}
        }
    }

    /// Of one stream, or of both.
    pub fn of(self, stream: Option<Stream>) -> u64 {
        match stream {
            Some(Stream::Stdout) => self.stdout,
            Some(Stream::Stderr) => self.stderr,
            Some(Stream::System) => 0,
            None => self.stdout + self.stderr,
        }
    }

    /// Before this file.
    pub fn before(file: &File) -> Result<Written> {
        let mut lines = Lines::at(file.try_clone()?, 0)?;
        // The first line, unless a full disk tore the first try.
        for _ in 0..2 {
            if let Some(written) = lines.next()?.and_then(Written::parse) {
                return Ok(written);
            }
        }
        Ok(Written::default())
    }

    /// Up to an offset of this file.
    pub fn up_to(file: &File, end: u64) -> Result<Written> {
        let mut written = Written::before(file)?;
        let mut lines = Lines::at(file.try_clone()?, 0)?.not_beyond(end);
        while let Some(line) = lines.next()? {
            written.add_line(line);
        }
        Ok(written)
    }

    /// Adds what is in a line of the file, without its end.
    pub fn add_line(&mut self, line: &[u8]) {
        if let Some((stream, full)) = kind(line) {
            let text = line::text(line).map_or(0, <[u8]>::len);
            self.add(stream, text as u64 + u64::from(full));
        }
    }

    fn parse(line: &[u8]) -> Option<Written> {
        let mut words = str::from_utf8(line).ok()?.split(' ').skip(1);
        if (words.next()?, words.next()?) != ("before", "F") {
            return None;
        }
        Some(Written { stdout: words.next()?.parse().ok()?, stderr: words.next()?.parse().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_that_opens_a_file_is_no_line_of_a_stream() {
        let written = Written { stdout: 5, stderr: u64::MAX };
        let head = written.head();
        assert_eq!(Written::parse(head.trim_end().as_bytes()), Some(written));
        assert_eq!(kind(head.trim_end().as_bytes()), None);
        for other in
            ["", "x", "2026-11-23T23:51:14.1Z stdout F 1 2", "x before F 1", "x before F 1 y"]
        {
            assert_eq!(Written::parse(other.as_bytes()), None, "{other}");
        }
    }
}
