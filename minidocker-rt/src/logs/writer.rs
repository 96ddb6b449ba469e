//! Appending to a log.

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::{Timestamp, ZonedDateTime};
use memchr::memchr_iter;

use super::Stream;
use super::written::Written;
use crate::error::{Error, Result};
use crate::private;
use crate::spec::{Command, ContainerId, Memory, RestartPolicy};
use crate::status::ExitStatus;
use crate::utf8::unfinished;

/// How much is written with one call, or a line more. The lines of `yes` are of one letter,
/// and each has a head of 48: a chunk of them would fill a megabyte of memory.
const AT_ONCE: usize = 128 << 10;

/// Appends to a log. Only the supervisor has one.
pub(crate) struct LogWriter {
    path: PathBuf,
    file: File,
    size: u64,
    /// Whether the last line has no end: a writer was killed, or the disk was full.
    torn: bool,
    rotate_at: u64,
    /// What the command has written so far, but for what `uncounted` tells of.
    written: Written,
    /// So much of the file was there already. It is counted when it must be, at the rotation:
    /// that is no work for a start.
    uncounted: u64,
    /// Whether the file still needs the line that says what was written before it.
    head_due: bool,
    /// The first bytes of a character whose others did not come yet: of stdout and of stderr.
    begun: [Vec<u8>; 2],
    /// How much of what is in the buffer the command wrote.
    pending: u64,
    /// How many lines there was no room for since the last one that is in the log.
    lost: u64,
    /// Reused for every chunk, so that a busy container allocates nothing.
    buffer: Vec<u8>,
}

impl LogWriter {
    /// Opens the log for appending.
    pub fn open(path: &Path, rotate_at: u64) -> Result<LogWriter> {
        let failed = |error| Error::io("read", path, error);
        let file = open_for_append(path)?;
        let size = file.metadata().map_err(failed)?.len();
        let torn = size > 0 && !ends_a_line(&file).map_err(failed)?;
        let mut written = Written::default();
        // A file that is lost to a full disk must not take along what was counted before it.
        if size == 0
            && let Ok(older) = File::open(path.with_extension("1"))
        {
            let end = older.metadata().map_err(failed)?.len();
            written = Written::up_to(&older, end).map_err(failed)?;
        }
        Ok(LogWriter {
            path: path.to_owned(),
            file,
            size,
            torn,
            rotate_at,
            head_due: written != Written::default(),
            written,
            uncounted: size,
            begun: [Vec::new(), Vec::new()],
            pending: 0,
            lost: 0,
            buffer: Vec::new(),
        })
    }

    /// Appends what was read from a stream, cut at its line ends. A line without its end is
    /// written as a part at once; only the beginning of a character waits for its rest, which
    /// comes with the next read.
    pub fn output(&mut self, stream: Stream, bytes: &[u8]) -> Result<()> {
        if stream == Stream::System {
            self.end_characters()?;
        }
        let begun = self.begun(stream).map(std::mem::take).unwrap_or_default();
        self.lines(stream, begun, bytes, true)
    }

    /// Writes down what waits for the rest of a character: it will not come any more, or a
    /// remark comes first.
    fn end_characters(&mut self) -> Result<()> {
        for stream in [Stream::Stdout, Stream::Stderr] {
            let begun = self.begun(stream).map(std::mem::take).unwrap_or_default();
            if !begun.is_empty() {
                self.lines(stream, begun, b"", false)?;
            }
        }
        Ok(())
    }

    fn begun(&mut self, stream: Stream) -> Option<&mut Vec<u8>> {
        match stream {
            Stream::Stdout => Some(&mut self.begun[0]),
            Stream::Stderr => Some(&mut self.begun[1]),
            Stream::System => None,
        }
    }

    /// Appends `begun` and then `bytes`. With `more` the beginning of a character may wait.
    fn lines(
        &mut self,
        stream: Stream,
        mut begun: Vec<u8>,
        bytes: &[u8],
        more: bool,
    ) -> Result<()> {
        let head = format!("{:.9} {} ", Timestamp::now(), stream.tag());
        let (full, part) = (format!("{head}F "), format!("{head}P "));
        self.buffer.clear();
        self.pending = 0;
        let mut begin = 0;
        for end in memchr_iter(b'\n', bytes) {
            self.buffer.extend_from_slice(full.as_bytes());
            self.pending += (begun.len() + end + 1 - begin) as u64;
            self.buffer.append(&mut begun);
            self.buffer.extend_from_slice(&bytes[begin..=end]);
            begin = end + 1;
            if self.buffer.len() >= AT_ONCE
                && let Err(error) = self.append(stream)
            {
                // There is no room for the rest of it either.
                self.lost += memchr_iter(b'\n', &bytes[begin..]).count() as u64;
                return Err(error);
            }
        }
        let rest = &bytes[begin..];
        let joined;
        let rest = match begun.is_empty() {
            true => rest,
            false => {
                joined = [&begun, rest].concat();
                &joined
            }
        };
        let keep = if more && stream != Stream::System { unfinished(rest) } else { 0 };
        let (whole, unfinished) = rest.split_at(rest.len() - keep);
        if !whole.is_empty() {
            self.pending += whole.len() as u64;
            self.buffer.extend_from_slice(part.as_bytes());
            self.buffer.extend_from_slice(whole);
            self.buffer.push(b'\n');
        }
        if let Some(begun) = self.begun(stream) {
            *begun = unfinished.to_vec();
        }
        self.append(stream)
    }

    /// Whether lines were lost of which the log does not tell yet.
    pub fn has_lost(&self) -> bool {
        self.lost > 0
    }

    /// Tells in the log, if there is room again, how many lines there was none for.
    pub fn tell_what_was_lost(&mut self) {
        if self.lost == 0 {
            return;
        }
        let lines =
            if self.lost == 1 { "1 line is".into() } else { format!("{} lines are", self.lost) };
        let line = format!(
            "{:.9} {} F === {lines} missing here: the disk had no room ===\n",
            Timestamp::now(),
            Stream::System.tag()
        );
        let (buffer, pending) =
            (std::mem::take(&mut self.buffer), std::mem::take(&mut self.pending));
        self.buffer.extend_from_slice(line.as_bytes());
        if self.write(Stream::System).is_ok() {
            self.lost = 0;
        }
        (self.buffer, self.pending) = (buffer, pending);
    }

    /// Appends the lines in the buffer. What there is no room for is counted.
    fn append(&mut self, stream: Stream) -> Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        self.tell_what_was_lost();
        let result = match self.lost {
            0 => self.write(stream),
            // Behind a gap that the log does not tell of, nothing would be true.
            _ => Err(Error::Io {
                action: "write",
                path: self.path.clone(),
                why: "there is still no room for what came before".into(),
                errno: None,
            }),
        };
        if result.is_err() {
            self.lost += memchr_iter(b'\n', &self.buffer).count() as u64;
            self.pending = 0;
            self.buffer.clear();
        }
        result
    }

    /// Writes the buffer, into the next file if this one has no room for it. On an error what
    /// was not written stays in the buffer.
    fn write(&mut self, stream: Stream) -> Result<()> {
        if self.size > 0 && self.size + self.buffer.len() as u64 > self.rotate_at {
            self.rotate()?;
        }
        // Closed, a torn line takes no other one with it.
        let mut before = Vec::from_iter(self.torn.then_some(b'\n'));
        if self.head_due {
            before.extend_from_slice(self.written.head().as_bytes());
        }
        let begin = before.len();
        self.buffer.splice(..0, before);
        let (done, result) = write_what_fits(&mut self.file, &self.buffer);
        self.size += done as u64;
        self.torn = self.buffer[..done].last().map_or(self.torn, |&last| last != b'\n');
        self.head_due &= done < begin;
        if let Err(error) = result {
            // It is not taken back: who follows the log may have read it already.
            let there = self.buffer.get(begin..done).unwrap_or_default();
            there.split(|&byte| byte == b'\n').for_each(|line| self.written.add_line(line));
            self.buffer.drain(..done.max(begin));
            return Err(Error::io("write", &self.path, error));
        }
        self.written.add(stream, std::mem::take(&mut self.pending));
        self.buffer.clear();
        Ok(())
    }

    fn rotate(&mut self) -> Result<()> {
        if self.uncounted > 0 {
            let before = Written::up_to(&self.file, self.uncounted)
                .map_err(|error| Error::io("read", &self.path, error))?;
            self.written.stdout += before.stdout;
            self.written.stderr += before.stderr;
            self.uncounted = 0;
        }
        // It is not there if it was renamed already, and then there was no room for a new one.
        if self.path.exists() {
            let older = self.path.with_extension("1");
            // Not left to rename(2): where that replaces a file, ext4 first writes the new one
            // to the disk, and the container's output waits.
            let _ = fs::remove_file(&older);
            fs::rename(&self.path, older)
                .map_err(|error| Error::io("rotate", &self.path, error))?;
        }
        self.file = open_for_append(&self.path)?;
        self.size = 0;
        self.head_due = true;
        self.torn = false;
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

    /// The lines that say which paths of the command were rewritten, and what could not be.
    pub fn simulated<'a>(
        &mut self,
        paths: impl Iterator<Item = (&'a str, &'a str)>,
        caveat: Option<&str>,
    ) -> Result<()> {
        let paths = paths.map(|(inside, host)| format!("Path: {inside} is here {host}"));
        let caveat = caveat.map(|caveat| format!("Note: {caveat}"));
        let lines: Vec<String> = paths.chain(caveat).collect();
        self.remark(&lines.join("\n"))
    }

    /// The line that says that it was killed for what it used, by no kernel.
    pub fn over_memory(&mut self, used: u64, limit: Memory) -> Result<()> {
        let used = used >> 20;
        self.remark(&format!(
            "=== Out of memory: it used {used} MB, and was killed at the limit of {limit} ==="
        ))
    }

    /// The line that says that it was killed at the end of its time.
    pub fn timed_out(&mut self, timeout: Duration) -> Result<()> {
        let seconds = timeout.as_secs_f64();
        self.remark(&format!("=== Out of time: killed after {seconds} s, its time limit ==="))
    }

    /// The line that says that another run will follow.
    pub fn restarting(&mut self, policy: RestartPolicy, pause: Duration) -> Result<()> {
        let seconds = pause.as_secs_f64();
        self.remark(&format!("=== Restart policy {policy}: starting again in {seconds} s ==="))
    }

    /// The line that says why a run is being ended.
    pub fn unhealthy(&mut self) -> Result<()> {
        self.remark("=== Unhealthy: the command is ended, and its restart policy decides ===")
    }

    /// The line that says why a run never began.
    pub fn failed(&mut self, reason: &str) -> Result<()> {
        self.remark(&format!("=== Container did not start: {reason} ==="))
    }
}

pub(super) fn opening(id: &ContainerId, time: ZonedDateTime) -> String {
    format!("=== Container {} started at {} ===", id.short(), time.strftime("%Y-%m-%d %H:%M:%S"))
}

/// Writes as much as there is room for. Returns how much that is, and what ended it.
fn write_what_fits(file: &mut impl Write, bytes: &[u8]) -> (usize, std::io::Result<()>) {
    let mut done = 0;
    while done < bytes.len() {
        match file.write(&bytes[done..]) {
            Ok(0) => return (done, Err(ErrorKind::WriteZero.into())),
            Ok(more) => done += more,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return (done, Err(error)),
        }
    }
    (done, Ok(()))
}

fn ends_a_line(mut file: &File) -> std::io::Result<bool> {
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

fn open_for_append(path: &Path) -> Result<File> {
    private::file()
        .read(true)
        .append(true)
        .create(true)
        .open(path)
        .map_err(|error| Error::io("open", path, error))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    /// A device that has never any room.
    fn full() -> File {
        File::options().write(true).open("/dev/full").unwrap()
    }

    #[test]
    fn all_lines_of_a_read_that_there_is_no_room_for_are_counted() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut writer = LogWriter::open(&path, 1 << 30).unwrap();
        writer.output(Stream::Stdout, b"first\n").unwrap();
        let there = std::mem::replace(&mut writer.file, full());
        // With its heads this is written in many pieces.
        let lines = b"1\n".repeat(30_000);
        assert!(writer.output(Stream::Stdout, &lines).is_err());
        assert_eq!(writer.lost, 30_000);
        assert!(writer.output(Stream::Stdout, &lines).is_err());
        assert_eq!(writer.lost, 60_000);
        writer.file = there;
        writer.output(Stream::Stdout, b"last\n").unwrap();
        let log = std::fs::read_to_string(&path).unwrap();
        assert!(log.contains(" 60000 lines are missing here"), "{log}");
        assert_eq!(log.lines().count(), 3, "{log}");
    }

    #[test]
    fn lines_that_a_full_disk_took_before_it_was_full_are_not_lost() {
        let mut room = [0; 10];
        let (done, result) = write_what_fits(&mut &mut room[..], b"one\ntwo\nthree\n");
        assert_eq!((done, result.unwrap_err().kind()), (10, ErrorKind::WriteZero));
        let (done, result) = write_what_fits(&mut &mut room[..], b"one\n");
        assert_eq!(done, 4);
        result.unwrap();
    }
}
