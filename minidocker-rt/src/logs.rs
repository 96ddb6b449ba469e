//! The log: what a container printed, as the supervisor wrote it down.
//!
//! Lines are those of the Kubernetes CRI log format: `TIME STREAM TAG TEXT`, with an
//! RFC 3339 time, the stream `stdout` or `stderr` (or `system` for our own remarks),
//! and the tag `F` for a full line or `P` for a part that the next entry of the same
//! stream continues. The file is rotated by size; one older file, `log.1`, is kept.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use jiff::{Timestamp, ZonedDateTime};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::spec::{Command, ContainerId};
use crate::status::ExitStatus;

/// A log file is rotated when it would grow beyond this: 16 MiB.
pub(crate) const ROTATE_AT: u64 = 16 << 20;

/// Where a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    /// The command's standard output.
    Stdout,
    /// The command's standard error.
    Stderr,
    /// The runtime's own remarks: start, end, out of memory.
    System,
}

impl Stream {
    fn tag(self) -> &'static str {
        match self {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
            Stream::System => "system",
        }
    }
}

/// One entry of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// When the supervisor read it.
    pub time: Timestamp,
    /// Where it came from.
    pub stream: Stream,
    /// Whether the line ends here; if not, the stream's next entry goes on with it.
    pub full: bool,
    /// The bytes as the command wrote them, without the line's end.
    pub text: Vec<u8>,
}

/// Appends to a log. Only the supervisor has one.
pub(crate) struct LogWriter {
    path: PathBuf,
    file: File,
    size: u64,
    rotate_at: u64,
    /// Reused for every chunk, so that a busy container allocates nothing.
    buffer: Vec<u8>,
}

impl LogWriter {
    /// Opens the log for appending.
    pub fn open(path: &Path, rotate_at: u64) -> Result<LogWriter> {
        let file = open_for_append(path)?;
        let size = file.metadata().map_err(|error| Error::io("read", path, error))?.len();
        Ok(LogWriter { path: path.to_owned(), file, size, rotate_at, buffer: Vec::new() })
    }

    /// Appends what was read from a stream, cut at its line ends. Nothing is held
    /// back: a line without its end is written as a part at once.
    pub fn output(&mut self, stream: Stream, bytes: &[u8]) -> Result<()> {
        use std::fmt::Write as _;
        let mut head = String::with_capacity(48);
        let _ = write!(head, "{:.9} {} ", Timestamp::now(), stream.tag());
        self.buffer.clear();
        for line in bytes.split_inclusive(|&byte| byte == b'\n') {
            let (tag, text) = match line.strip_suffix(b"\n") {
                Some(text) => (b"F ", text),
                None => (b"P ", line),
            };
            self.buffer.extend_from_slice(head.as_bytes());
            self.buffer.extend_from_slice(tag);
            self.buffer.extend_from_slice(text);
            self.buffer.push(b'\n');
        }
        let length = self.buffer.len() as u64;
        if self.size > 0 && self.size + length > self.rotate_at {
            let older = self.path.with_extension("1");
            fs::rename(&self.path, &older)
                .map_err(|error| Error::io("rotate", &self.path, error))?;
            self.file = open_for_append(&self.path)?;
            self.size = 0;
        }
        self.file.write_all(&self.buffer).map_err(|error| Error::io("write", &self.path, error))?;
        self.size += length;
        Ok(())
    }

    fn remark(&mut self, text: &str) -> Result<()> {
        self.output(Stream::System, format!("{text}\n").as_bytes())
    }

    /// The two lines that open a run.
    pub fn started(
        &mut self,
        id: &ContainerId,
        command: &Command,
        time: ZonedDateTime,
    ) -> Result<()> {
        let header = opening(id, time);
        self.remark(&format!("{header}\nCommand: {command}"))
    }

    /// The lines that close a run.
    pub fn exited(&mut self, exit: ExitStatus, oom_kills: u64, limit: &str) -> Result<()> {
        if oom_kills > 0 {
            let times = if oom_kills == 1 { "once".into() } else { format!("{oom_kills} times") };
            self.remark(&format!(
                "=== Out of memory: the kernel killed a process {times} at the limit of {limit} ==="
            ))?;
        }
        self.remark(&format!("=== Container exited with code {} ===", exit.code))
    }

    /// The line that says why a run never began.
    pub fn failed(&mut self, reason: &str) -> Result<()> {
        self.remark(&format!("=== Container did not start: {reason} ==="))
    }
}

fn opening(id: &ContainerId, time: ZonedDateTime) -> String {
    format!("=== Container {} started at {} ===", id.short(), time.strftime("%Y-%m-%d %H:%M:%S"))
}

fn open_for_append(path: &Path) -> Result<File> {
    File::options()
        .append(true)
        .create(true)
        .open(path)
        .map_err(|error| Error::io("open", path, error))
}

/// Reads a container's log. Made by `Container::logs`; choose with the chained
/// methods, then read.
#[derive(Debug, Clone)]
pub struct Logs {
    path: PathBuf,
    /// For the opening line, should rotation have dropped it.
    id: ContainerId,
    command: Command,
    started_at: Option<Timestamp>,
    tail: Option<usize>,
    since: Option<Timestamp>,
    stream: Option<Stream>,
    timestamps: bool,
}

impl Logs {
    pub(crate) fn new(
        path: PathBuf,
        id: ContainerId,
        command: Command,
        started_at: Option<Timestamp>,
    ) -> Logs {
        let (tail, since, stream, timestamps) = (None, None, None, false);
        Logs { path, id, command, started_at, tail, since, stream, timestamps }
    }

    /// Only the last `lines` lines the command wrote.
    pub fn tail(mut self, lines: usize) -> Logs {
        self.tail = Some(lines);
        self
    }

    /// Only what was written at `time` or later.
    pub fn since(mut self, time: Timestamp) -> Logs {
        self.since = Some(time);
        self
    }

    /// Only one stream.
    pub fn stream(mut self, stream: Stream) -> Logs {
        self.stream = Some(stream);
        self
    }

    /// Puts the RFC 3339 time before each line.
    pub fn timestamps(mut self, show: bool) -> Logs {
        self.timestamps = show;
        self
    }

    /// The chosen entries, oldest first.
    ///
    /// # Errors
    /// [`Error::Io`] if the log cannot be read. A log that does not exist yet is empty.
    pub fn entries(&self) -> Result<Vec<LogEntry>> {
        let mut entries = Vec::new();
        for path in [self.path.with_extension("1"), self.path.clone()] {
            match fs::read(&path) {
                Ok(bytes) => entries.extend(bytes.split(|&byte| byte == b'\n').filter_map(parse)),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(Error::io("read", &path, error)),
            }
        }
        entries.retain(|entry| {
            let kept =
                entry.stream == Stream::System || self.stream.is_none_or(|s| s == entry.stream);
            kept && self.since.is_none_or(|since| entry.time >= since)
        });
        if let Some(lines) = self.tail {
            keep_last_lines(&mut entries, lines);
        }
        Ok(entries)
    }

    /// What the command wrote, exactly, as bytes.
    ///
    /// # Errors
    /// [`Error::Io`] if the log cannot be read.
    pub fn read(&self) -> Result<Vec<u8>> {
        let mut entries = self.entries()?;
        entries.retain(|entry| entry.stream != Stream::System);
        Ok(self.join(&entries))
    }

    /// What the command wrote, as text; bytes that are not UTF-8 become U+FFFD.
    ///
    /// # Errors
    /// [`Error::Io`] if the log cannot be read.
    pub fn read_to_string(&self) -> Result<String> {
        self.read().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The log as a person reads it: opened by `=== Container … started at … ===`
    /// and the command, closed by `=== Container exited with code N ===`.
    ///
    /// # Errors
    /// [`Error::Io`] if the log cannot be read.
    pub fn render(&self) -> Result<String> {
        let entries = self.entries()?;
        let mut text = String::new();
        let opened = entries.first().is_none_or(|entry| {
            entry.stream == Stream::System && entry.text.starts_with(b"=== Container")
        });
        if let (false, Some(time)) = (opened, self.started_at) {
            let time = time.to_zoned_datetime(jiff::tz::TimeZone::system());
            text = format!("{}\nCommand: {}\n", opening(&self.id, time), self.command);
        }
        // A remark starts a line of its own, even after output without a line's end.
        let mut joined = Vec::new();
        for entry in &entries {
            if entry.stream == Stream::System && joined.last().is_some_and(|&byte| byte != b'\n') {
                joined.push(b'\n');
            }
            joined.extend(self.join(std::slice::from_ref(entry)));
        }
        text.push_str(&String::from_utf8_lossy(&joined));
        Ok(text)
    }

    fn join(&self, entries: &[LogEntry]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut line_open = false;
        for entry in entries {
            if self.timestamps && !line_open {
                bytes.extend(format!("{:.9} ", entry.time).bytes());
            }
            bytes.extend_from_slice(&entry.text);
            if entry.full {
                bytes.push(b'\n');
            }
            line_open = !entry.full;
        }
        bytes
    }
}

/// One line of the file; None for a torn last line (a supervisor killed in mid-write).
fn parse(line: &[u8]) -> Option<LogEntry> {
    let mut parts = line.splitn(4, |&byte| byte == b' ');
    let mut word = || parts.next().and_then(|part| std::str::from_utf8(part).ok());
    let time = word()?.parse().ok()?;
    let stream = match word()? {
        "stdout" => Stream::Stdout,
        "stderr" => Stream::Stderr,
        "system" => Stream::System,
        _ => return None,
    };
    let full = match word()? {
        "F" => true,
        "P" => false,
        _ => return None,
    };
    Some(LogEntry { time, stream, full, text: parts.next()?.to_vec() })
}

/// Drops all but the last `lines` lines of the command; our remarks stay.
fn keep_last_lines(entries: &mut Vec<LogEntry>, lines: usize) {
    let is_output = |entry: &LogEntry| entry.stream != Stream::System;
    // An unfinished last line counts as a line, so it takes one of the places.
    let unfinished =
        entries.iter().rev().find(|entry| is_output(entry)).is_some_and(|entry| !entry.full);
    let mut left = lines.saturating_add(usize::from(lines > 0 && !unfinished));
    let mut first = entries.len();
    for (index, entry) in entries.iter().enumerate().rev() {
        if is_output(entry) {
            if entry.full {
                left = left.saturating_sub(1);
            }
            if left == 0 {
                break;
            }
            first = index;
        }
    }
    let mut index = 0;
    entries.retain(|entry| {
        index += 1;
        !is_output(entry) || index > first
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(rotate_at: u64, write: impl FnOnce(&mut LogWriter)) -> (tempfile::TempDir, Logs) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let command = Command::parse("echo hi").unwrap();
        let id = ContainerId::random().unwrap();
        let mut writer = LogWriter::open(&path, rotate_at).unwrap();
        writer.started(&id, &command, ZonedDateTime::now()).unwrap();
        write(&mut writer);
        let exit = ExitStatus { code: 0, signal: None, oom_killed: false };
        writer.exited(exit, 0, "").unwrap();
        (dir, Logs::new(path, id, command, Some(Timestamp::now())))
    }

    #[test]
    fn what_was_written_is_read_back_byte_for_byte() {
        let pieces: [&[u8]; 5] =
            [b"one\ntw", b"o\n\nthree\xff\r", b"\n", b"end", b" without newline"];
        let (_dir, logs) = log(ROTATE_AT, |writer| {
            for piece in pieces {
                writer.output(Stream::Stdout, piece).unwrap();
            }
        });
        assert_eq!(logs.read().unwrap(), pieces.concat());
    }

    #[test]
    fn the_rendered_form_has_the_manuals_shape() {
        let (_dir, logs) =
            log(ROTATE_AT, |writer| writer.output(Stream::Stdout, b"Hello").unwrap());
        let text = logs.render().unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 4, "{text}");
        assert!(lines[0].starts_with(&format!("=== Container {} started at 20", logs.id.short())));
        assert!(lines[0].ends_with(" ==="));
        assert_eq!(
            lines[1..],
            ["Command: echo hi", "Hello", "=== Container exited with code 0 ==="]
        );
    }

    #[test]
    fn tail_since_streams_and_timestamps_choose() {
        let (_dir, logs) = log(ROTATE_AT, |writer| {
            writer.output(Stream::Stdout, b"1\n2\n3\n").unwrap();
            writer.output(Stream::Stderr, b"oops\n").unwrap();
            writer.output(Stream::Stdout, b"4\npart").unwrap();
        });
        let read = |logs: Logs| logs.read_to_string().unwrap();
        assert_eq!(read(logs.clone().tail(2)), "4\npart");
        assert_eq!(read(logs.clone().tail(0)), "");
        for all in [99, usize::MAX] {
            assert_eq!(read(logs.clone().tail(all)), "1\n2\n3\noops\n4\npart");
        }
        assert_eq!(read(logs.clone().stream(Stream::Stderr)), "oops\n");
        let entries = logs.entries().unwrap();
        let oops = entries.iter().find(|entry| entry.stream == Stream::Stderr).unwrap();
        assert_eq!(read(logs.clone().since(oops.time)), "oops\n4\npart");
        assert!(read(logs.clone().timestamps(true)).lines().all(|line| line.starts_with("20")));
    }

    #[test]
    fn rotation_keeps_two_files_and_the_opening_line() {
        let (dir, logs) = log(1000, |writer| {
            for number in 0..100 {
                writer.output(Stream::Stdout, format!("line {number}\n").as_bytes()).unwrap();
            }
        });
        let sizes: Vec<u64> = fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().metadata().unwrap().len())
            .collect();
        assert_eq!(sizes.len(), 2);
        assert!(sizes.iter().all(|&size| size <= 1000), "{sizes:?}");
        let text = logs.render().unwrap();
        assert!(text.starts_with("=== Container"), "{text}");
        assert!(text.contains("line 99\n"));
        assert!(!text.contains("line 0\n"));
    }
}
