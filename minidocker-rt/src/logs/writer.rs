//! Appending to a log.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
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
        // Closed, a torn line takes no other one with it.
        self.buffer.extend(self.torn.then_some(b'\n'));
        let mut begin = 0;
        for end in memchr_iter(b'\n', bytes) {
            self.buffer.extend_from_slice(full.as_bytes());
            self.pending += (begun.len() + end + 1 - begin) as u64;
            self.buffer.append(&mut begun);
            self.buffer.extend_from_slice(&bytes[begin..=end]);
            begin = end + 1;
            if self.buffer.len() >= AT_ONCE {
                self.append(stream)?;
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
        self.buffer.extend(self.torn.then_some(b'\n'));
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
        let was_torn = self.torn;
        self.tell_what_was_lost();
        if was_torn && !self.torn {
            // The end of the torn line is written.
            self.buffer.remove(0);
        }
        let lines = memchr_iter(b'\n', &self.buffer).count() as u64;
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
            self.lost += lines;
            self.pending = 0;
            self.buffer.clear();
        }
        result
    }

    /// Writes the buffer, into the next file if this one has no room for it.
    fn write(&mut self, stream: Stream) -> Result<()> {
        if self.size > 0 && self.size + self.buffer.len() as u64 > self.rotate_at {
            self.rotate()?;
        }
        if self.head_due {
            // After the end of a torn line, if there is one to be closed.
            let at = usize::from(self.torn);
            self.buffer.splice(at..at, self.written.head().into_bytes());
        }
        self.torn = true;
        self.file.write_all(&self.buffer).map_err(|error| Error::io("write", &self.path, error))?;
        self.torn = false;
        self.head_due = false;
        self.size += self.buffer.len() as u64;
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
        // There is no torn line here that would have to be closed.
        if std::mem::take(&mut self.torn) {
            self.buffer.remove(0);
        }
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
