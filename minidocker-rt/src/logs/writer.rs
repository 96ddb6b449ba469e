//! Appending to a log.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::{Timestamp, ZonedDateTime};

use super::Stream;
use crate::error::{Error, Result};
use crate::spec::{Command, ContainerId, Memory, RestartPolicy};
use crate::status::ExitStatus;

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

    /// The lines that say which paths of the command were rewritten.
    pub fn simulated<'a>(&mut self, paths: impl Iterator<Item = (&'a str, &'a str)>) -> Result<()> {
        let lines: Vec<String> =
            paths.map(|(inside, host)| format!("Path: {inside} is here {host}")).collect();
        self.remark(&lines.join("\n"))
    }

    /// The line that says that it was killed for what it used, by no kernel.
    pub fn over_memory(&mut self, used: u64, limit: Memory) -> Result<()> {
        let used = used >> 20;
        self.remark(&format!(
            "=== Out of memory: it used {used} MB, and was killed at the limit of {limit} ==="
        ))
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

fn open_for_append(path: &Path) -> Result<File> {
    File::options()
        .append(true)
        .create(true)
        .open(path)
        .map_err(|error| Error::io("open", path, error))
}
