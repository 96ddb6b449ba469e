//! The log: what a container printed, as the supervisor wrote it down.
//!
//! Lines are those of the Kubernetes CRI log format: `TIME STREAM TAG TEXT`, with an
//! RFC 3339 time, the stream `stdout` or `stderr` (or `system` for our own remarks),
//! and the tag `F` for a full line or `P` for a part that the next entry of the same
//! stream continues. A part ends with a whole character, where the output is UTF-8. The file is
//! rotated by size; one older file, `log.1`, is kept, and how much was written before is not
//! forgotten.

mod cursor;
mod follow;
mod line;
mod tail;
mod writer;
mod written;

use std::io::Write;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use self::cursor::Cursor;
use self::line::Line;
use crate::error::{Error, Result};
use crate::spec::{Command, ContainerId};

pub use follow::Follow;
pub(crate) use writer::LogWriter;

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

    /// Only from the last `lines` lines on that the command wrote.
    pub fn tail(mut self, lines: usize) -> Logs {
        self.tail = Some(lines);
        self
    }

    /// Only what was written at `time` or later.
    pub fn since(mut self, time: Timestamp) -> Logs {
        self.since = Some(time);
        self
    }

    /// Only one stream. Our own remarks are one too: they are only in what [`Logs::render`]
    /// gives then.
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
    /// [`crate::Error::Io`] if the log cannot be read. A log that does not exist yet is empty.
    pub fn entries(&self) -> Result<Vec<LogEntry>> {
        let mut entries = Vec::new();
        self.for_each(|entry| {
            entries.push(entry);
            Ok::<(), Error>(())
        })?;
        Ok(entries)
    }

    /// Gives the chosen entries to `take`, oldest first, until it fails: one after the other, so
    /// that a large log need not be in memory.
    ///
    /// # Errors
    /// What `take` fails with; [`crate::Error::Io`] if the log cannot be read.
    pub fn for_each<E: From<Error>>(
        &self,
        mut take: impl FnMut(LogEntry) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        self.each(|line| match self.chooses(&line) {
            true => take(line.to_entry()),
            false => Ok(()),
        })
    }

    /// The size of the files that the log is in.
    ///
    /// # Errors
    /// [`crate::Error::Io`] if they cannot be read.
    pub fn size(&self) -> Result<u64> {
        cursor::size(&self.path)
    }

    /// How many bytes of the command's output (of the chosen stream) are not in the log any more,
    /// because it had its full size ([`ContainerSpec::log_max_mb`](crate::ContainerSpec)). What
    /// was not asked for, by [`Logs::tail`] or [`Logs::since`], does not count.
    ///
    /// # Errors
    /// [`crate::Error::Io`] if the log cannot be read.
    pub fn dropped_bytes(&self) -> Result<u64> {
        Ok(cursor::written_before(&self.path)?.of(self.stream))
    }

    /// What the command wrote, byte for byte, as far as the log has it: without the beginning
    /// if [`Logs::dropped_bytes`] is not 0.
    ///
    /// # Errors
    /// [`crate::Error::Io`] if the log cannot be read.
    pub fn read(&self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.write_to(&mut bytes)?;
        Ok(bytes)
    }

    /// Writes what [`Logs::read`] returns, piece by piece.
    ///
    /// # Errors
    /// [`crate::Error::Io`] if the log cannot be read, or `output` not be written.
    pub fn write_to(&self, output: &mut dyn Write) -> Result<()> {
        let mut text = Text::new(output, self.timestamps);
        self.each(|line| match line.stream != Stream::System && self.chooses(&line) {
            true => text.push(&line, line.text).map_err(|error| self.not_written(error)),
            false => Ok(()),
        })
    }

    fn not_written(&self, error: std::io::Error) -> Error {
        Error::io("pass on", &self.path, error)
    }

    /// As [`Logs::read`], as text; bytes that are not UTF-8 become U+FFFD.
    ///
    /// # Errors
    /// [`crate::Error::Io`] if the log cannot be read.
    pub fn read_to_string(&self) -> Result<String> {
        self.read().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The log as a person reads it: opened by `=== Container … started at … ===`
    /// and the command, closed by `=== Container exited with code N ===`. It says where the
    /// beginning is not in the log any more.
    ///
    /// # Errors
    /// [`crate::Error::Io`] if the log cannot be read.
    pub fn render(&self) -> Result<String> {
        let mut bytes = Vec::new();
        self.render_to(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Writes what [`Logs::render`] returns, piece by piece.
    ///
    /// # Errors
    /// [`crate::Error::Io`] if the log cannot be read, or `output` not be written.
    pub fn render_to(&self, output: &mut dyn Write) -> Result<()> {
        let dropped = self.dropped_bytes()?;
        let mut text = Text::new(output, self.timestamps);
        let mut opened = false;
        self.each(|line| {
            if line.stream != Stream::System && !self.chooses(&line) || !self.is_recent(&line) {
                return Ok(());
            }
            let opens = line.stream == Stream::System && line.text.starts_with(b"=== Container");
            let written = match std::mem::replace(&mut opened, true) {
                false if !opens => self.write_opening(text.output, dropped),
                _ => Ok(()),
            };
            // A remark starts a line of its own, even after output without a line's end.
            let written = written.and_then(|()| match line.stream {
                Stream::System => text.end_line(),
                _ => Ok(()),
            });
            written
                .and_then(|()| text.push(&line, String::from_utf8_lossy(line.text).as_bytes()))
                .map_err(|error| self.not_written(error))
        })
    }

    /// What the log began with, if it begins with something else now.
    fn write_opening(&self, output: &mut dyn Write, dropped: u64) -> std::io::Result<()> {
        let Some(time) = self.started_at else { return Ok(()) };
        let opening =
            writer::opening(&self.id, time.to_zoned_datetime(jiff::tz::TimeZone::system()));
        write!(output, "{opening}\nCommand: {}\n", self.command)?;
        match dropped {
            1.. if self.tail.is_none() && self.since.is_none() => writeln!(
                output,
                "=== {dropped} bytes of earlier output are not in the log any more: see \
                 log_max_mb ==="
            ),
            _ => Ok(()),
        }
    }

    fn each<E: From<Error>>(
        &self,
        mut take: impl FnMut(Line<'_>) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        let mut cursor = Cursor::open(&self.path, self.tail, self.stream)?.up_to_now()?;
        while let Some(line) = cursor.next()? {
            if let Some(line) = Line::parse(line) {
                take(line)?;
            }
        }
        Ok(())
    }

    fn chooses(&self, line: &Line<'_>) -> bool {
        self.stream.is_none_or(|stream| stream == line.stream) && self.is_recent(line)
    }

    fn is_recent(&self, line: &Line<'_>) -> bool {
        self.since.is_none_or(|since| line.time >= since)
    }
}

/// Lines put together again.
struct Text<'a> {
    output: &'a mut dyn Write,
    timestamps: bool,
    line_open: bool,
}

impl<'a> Text<'a> {
    fn new(output: &'a mut dyn Write, timestamps: bool) -> Text<'a> {
        Text { output, timestamps, line_open: false }
    }

    fn push(&mut self, line: &Line<'_>, text: &[u8]) -> std::io::Result<()> {
        if self.timestamps && !self.line_open {
            write!(self.output, "{:.9} ", line.time)?;
        }
        self.output.write_all(text)?;
        self.line_open = !line.full;
        if line.full { self.output.write_all(b"\n") } else { Ok(()) }
    }

    fn end_line(&mut self) -> std::io::Result<()> {
        match std::mem::take(&mut self.line_open) {
            true => self.output.write_all(b"\n"),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::io::Write;

    use jiff::ZonedDateTime;

    use super::*;
    use crate::status::ExitStatus;

    /// What a log is rotated at unless its specification says.
    const ROTATE_AT: u64 = 16 << 20;

    fn log(rotate_at: u64, write: impl FnOnce(&mut LogWriter)) -> (tempfile::TempDir, Logs) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let command = Command::parse("echo hi").unwrap();
        let id = ContainerId::random().unwrap();
        let mut writer = LogWriter::open(&path, rotate_at).unwrap();
        writer.started(&id, &command, ZonedDateTime::now()).unwrap();
        write(&mut writer);
        let exit = ExitStatus { code: 0, signal: None, oom_killed: false, timed_out: false };
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
        let kept = logs.read().unwrap().len() as u64;
        let dropped = logs.dropped_bytes().unwrap();
        let written: usize = (0..100).map(|number| format!("line {number}\n").len()).sum();
        assert_eq!(kept + dropped, written as u64);
        assert!(text.contains(&format!("=== {dropped} bytes of earlier output")), "{text}");
        assert_eq!(logs.clone().stream(Stream::Stdout).dropped_bytes().unwrap(), dropped);
        assert_eq!(logs.stream(Stream::Stderr).dropped_bytes().unwrap(), 0);
    }

    #[test]
    fn every_byte_is_kept_or_counted_whoever_wrote_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let logs = Logs::new(
            path.clone(),
            ContainerId::random().unwrap(),
            Command::parse("echo hi").unwrap(),
            None,
        );
        let mut written = [0; 2];
        // Each run has a writer of its own, which did not see what the others wrote.
        for run in 0..40_usize {
            let mut writer = LogWriter::open(&path, 2000).unwrap();
            for number in 0..=run {
                for (stream, sum) in [Stream::Stdout, Stream::Stderr].into_iter().zip(&mut written)
                {
                    let text = format!("é{}{}", "x".repeat(number * 7), ["", "\n"][number % 2]);
                    writer.output(stream, text.as_bytes()).unwrap();
                    *sum += text.len() as u64;
                }
            }
            let kept = |stream| {
                let logs = logs.clone().stream(stream);
                logs.read().unwrap().len() as u64 + logs.dropped_bytes().unwrap()
            };
            assert_eq!([kept(Stream::Stdout), kept(Stream::Stderr)], written, "run {run}");
        }
        assert!(logs.dropped_bytes().unwrap() > 10_000);
    }

    #[test]
    fn no_character_is_cut_whatever_the_writes() {
        let text = "price: € 5\n方方方ü𝄞\n".repeat(20);
        for size in 1..8 {
            let (_dir, logs) = log(ROTATE_AT, |writer| {
                for (number, piece) in text.as_bytes().chunks(size).enumerate() {
                    writer.output(Stream::Stdout, piece).unwrap();
                    // The other stream has characters of its own.
                    let other = "ü".as_bytes()[number % 2];
                    writer.output(Stream::Stderr, &[other]).unwrap();
                }
            });
            assert_eq!(logs.clone().stream(Stream::Stdout).read_to_string().unwrap(), text);
            for entry in logs.entries().unwrap() {
                assert!(str::from_utf8(&entry.text).is_ok() || entry.stream == Stream::Stderr);
            }
        }
    }

    #[test]
    fn what_only_looks_like_a_character_is_not_lost() {
        for bytes in [
            &b"caf\xe9"[..],
            b"\xf0\x9f",
            b"\xf0\x9f\n",
            b"\xff\xc3",
            b"\x80\x80\x80\x80",
            b"\xc3\xc3\xc3",
        ] {
            let (_dir, logs) = log(ROTATE_AT, |writer| {
                for byte in bytes {
                    writer.output(Stream::Stdout, &[*byte]).unwrap();
                }
            });
            assert_eq!(logs.read().unwrap(), bytes);
            let (_dir, logs) =
                log(ROTATE_AT, |writer| writer.output(Stream::Stdout, bytes).unwrap());
            assert_eq!(logs.read().unwrap(), bytes);
        }
    }

    #[test]
    fn one_stream_is_one_stream() {
        let (_dir, logs) = log(ROTATE_AT, |writer| {
            writer.output(Stream::Stdout, b"out\n").unwrap();
            writer.output(Stream::Stderr, b"err\n").unwrap();
        });
        for stream in [Stream::Stdout, Stream::Stderr, Stream::System] {
            let entries = logs.clone().stream(stream).entries().unwrap();
            assert!(!entries.is_empty() && entries.iter().all(|entry| entry.stream == stream));
        }
        let text = logs.stream(Stream::Stderr).render().unwrap();
        assert!(text.starts_with("=== Container") && text.contains("err\n"), "{text}");
        assert!(!text.contains("out\n"), "{text}");
    }

    #[test]
    fn what_a_killed_writer_tore_takes_no_other_line_with_it() {
        let (dir, logs) = log(ROTATE_AT, |writer| writer.output(Stream::Stdout, b"one\n").unwrap());
        let path = dir.path().join("log");
        let mut file = File::options().append(true).open(&path).unwrap();
        file.write_all(b"2026-11-23T23:51:14.123456789Z stdout F to").unwrap();
        let mut writer = LogWriter::open(&path, ROTATE_AT).unwrap();
        writer.output(Stream::Stdout, b"two\n").unwrap();
        writer.output(Stream::Stdout, b"three\n").unwrap();
        assert_eq!(logs.read_to_string().unwrap(), "one\nto\ntwo\nthree\n");
        assert!(!fs::read_to_string(&path).unwrap().contains("\n\n"));
    }

    #[test]
    fn a_rotation_that_found_no_room_is_made_up_for() {
        let (dir, logs) = log(1000, |_| {});
        let path = dir.path().join("log");
        let mut writer = LogWriter::open(&path, 1000).unwrap();
        // As it is when there was no room for a new file after the rename.
        fs::rename(&path, path.with_extension("1")).unwrap();
        let long = "x".repeat(900);
        writer.output(Stream::Stdout, long.as_bytes()).unwrap();
        assert!(path.exists());
        let text = logs.render().unwrap();
        assert!(text.contains("exited with code 0"), "what was written before is still there");
        assert!(text.ends_with(&long), "{text}");
    }
}
