//! `_minidocker.Container`.

use std::fs::File;
use std::os::fd::IntoRawFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use minidocker_rt::{
    ArchiveContent, ArchiveLimits, Command, Error, Exec, ExecOutput, LIST_LIMIT, Logs, STOP_GRACE,
    Signal, Stream, TerminalSize, WriteOptions,
};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use crate::archive::{FileReader, FileWriter};
use crate::blocking::{blocking, maybe_seconds, seconds};
use crate::collect::{self, Collection, Collector};
use crate::error::to_python;
use crate::per_process::PerProcess;
use crate::process::{Attached, ExecProcess};
use crate::runtime::Shared;
use crate::streams::{Events, Follow, Lines, StatsStream};
use crate::wire::record;

/// The number of a signal that is given by name, or as text.
#[pyfunction]
pub(crate) fn signal_number(py: Python<'_>, text: &str) -> PyResult<i32> {
    text.parse::<Signal>().map(Signal::number).map_err(|error| to_python(py, &error))
}

/// A handle to one container.
#[pyclass(frozen, module = "minidocker._minidocker")]
pub(crate) struct Container {
    shared: Arc<Shared>,
    name: String,
    id: String,
    container: PerProcess<minidocker_rt::Container>,
}

/// A command line, or its exact words.
#[derive(FromPyObject)]
pub(crate) enum Words {
    Line(String),
    Argv(Vec<String>),
}

impl Words {
    fn command(self) -> minidocker_rt::Result<Command> {
        match self {
            Words::Line(line) => Command::parse(&line),
            Words::Argv(words) => Command::argv(words),
        }
    }
}

impl Container {
    pub fn new(shared: Arc<Shared>, container: minidocker_rt::Container) -> Container {
        let (name, id) = (container.name().to_string(), container.id().to_string());
        Container { shared, name, id, container: PerProcess::new(container) }
    }

    fn get(&self, py: Python<'_>) -> PyResult<minidocker_rt::Container> {
        if let Ok(Some(container)) = self.container.get(py, || Err(Error::Interrupted)) {
            return Ok(container);
        }
        // In a fork: the same container, by way of this process's own runtime.
        let runtime = self.shared.get(py)?;
        let again = || {
            let found = runtime.get(&self.name)?;
            match found.id().as_str() == self.id {
                true => Ok(found),
                false => Err(Error::NotFound { name: self.name.clone() }),
            }
        };
        let found = self.container.get(py, again).map_err(|error| to_python(py, &error))?;
        found.ok_or_else(|| PyValueError::new_err("the container's handle is closed"))
    }

    fn chosen_logs(
        &self,
        py: Python<'_>,
        choice: LogChoice,
    ) -> PyResult<minidocker_rt::Result<Logs>> {
        let container = self.get(py)?;
        let since = choice
            .since
            .map(Timestamp::from_microsecond)
            .transpose()
            .map_err(|error| PyValueError::new_err(format!("since: {error}")))?;
        Ok(container.logs().map(|logs| {
            let mut logs = logs.timestamps(choice.timestamps);
            if let Some(tail) = choice.tail {
                logs = logs.tail(tail);
            }
            if let Some(since) = since {
                logs = logs.since(since);
            }
            match choice.stream.as_deref() {
                Some("stdout") => logs.stream(Stream::Stdout),
                Some("stderr") => logs.stream(Stream::Stderr),
                _ => logs,
            }
        }))
    }
}

/// Which part of a log.
#[derive(FromPyObject)]
pub(crate) struct LogChoice {
    tail: Option<usize>,
    /// Microseconds since 1970.
    since: Option<i64>,
    stream: Option<String>,
    timestamps: bool,
}

#[pymethods]
impl Container {
    /// Its name.
    #[getter]
    fn name(&self) -> &str {
        &self.name
    }

    /// Its identity: 64 hexadecimal digits.
    #[getter]
    fn id(&self) -> &str {
        &self.id
    }

    /// Builds it and executes its command.
    fn start(&self, py: Python<'_>) -> PyResult<()> {
        let container = self.get(py)?;
        blocking(py, || container.start())
    }

    /// SIGTERM, and SIGKILL after a grace period.
    #[pyo3(signature = (grace=None))]
    fn stop(&self, py: Python<'_>, grace: Option<f64>) -> PyResult<()> {
        let container = self.get(py)?;
        let grace = maybe_seconds(grace)?.unwrap_or(STOP_GRACE);
        blocking(py, || container.stop_within(grace))
    }

    /// Stops it if it runs, and starts it.
    #[pyo3(signature = (grace=None))]
    fn restart(&self, py: Python<'_>, grace: Option<f64>) -> PyResult<()> {
        let container = self.get(py)?;
        let grace = maybe_seconds(grace)?.unwrap_or(STOP_GRACE);
        blocking(py, || container.restart_within(grace))
    }

    /// Sends a signal.
    fn kill(&self, py: Python<'_>, signal: i32) -> PyResult<()> {
        let container = self.get(py)?;
        blocking(py, || container.kill(signal))
    }

    /// Freezes it.
    fn pause(&self, py: Python<'_>) -> PyResult<()> {
        let container = self.get(py)?;
        blocking(py, || container.pause())
    }

    /// Lets it go on.
    fn resume(&self, py: Python<'_>) -> PyResult<()> {
        let container = self.get(py)?;
        blocking(py, || container.resume())
    }

    /// Removes it.
    #[pyo3(signature = (force=false))]
    fn delete(&self, py: Python<'_>, force: bool) -> PyResult<()> {
        let container = self.get(py)?;
        blocking(py, || match force {
            true => container.delete_force(),
            false => container.delete(),
        })
    }

    /// Waits for the end.
    #[pyo3(signature = (timeout=None))]
    fn wait<'py>(&self, py: Python<'py>, timeout: Option<f64>) -> PyResult<Bound<'py, PyAny>> {
        let container = self.get(py)?;
        let timeout = maybe_seconds(timeout)?;
        let exit = blocking(py, || match timeout {
            Some(timeout) => container.wait_timeout(timeout),
            None => container.wait(),
        })?;
        record(py, &exit)
    }

    /// Waits for the end and gathers the output. If the time is over before, it is killed.
    fn collect<'py>(
        &self,
        py: Python<'py>,
        timeout: Option<f64>,
        limit: usize,
    ) -> PyResult<Bound<'py, PyDict>> {
        let container = self.get(py)?;
        let deadline =
            maybe_seconds(timeout)?.and_then(|timeout| Instant::now().checked_add(timeout));
        output(py, &blocking(py, || collect::to_the_end(container, deadline, limit))?)
    }

    /// Gathers the output in turns, for an event loop.
    fn collector(&self, py: Python<'_>, limit: usize) -> PyResult<Collector> {
        let container = self.get(py)?;
        Ok(Collector::new(blocking(py, || Collection::of(container, limit))?))
    }

    /// The root folder and the backend of its runtime: what finds it again in another process.
    #[getter]
    fn place(&self) -> (PathBuf, &'static str) {
        self.shared.place()
    }

    /// Its state.
    fn status(&self, py: Python<'_>) -> PyResult<String> {
        let container = self.get(py)?;
        blocking(py, || container.status()).map(|status| status.to_string())
    }

    /// Everything that is known about it.
    fn inspect<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let container = self.get(py)?;
        record(py, &blocking(py, || container.inspect())?)
    }

    /// Its configuration, as JSON text.
    fn export_config(&self, py: Python<'_>) -> PyResult<String> {
        let container = self.get(py)?;
        let config = blocking(py, || container.export())?;
        serde_json::to_string_pretty(&config)
            .map_err(|error| PyValueError::new_err(error.to_string()))
    }

    /// What a start will do.
    fn plan<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let container = self.get(py)?;
        record(py, &blocking(py, || container.plan())?.steps)
    }

    /// What the last start did.
    fn trace<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let container = self.get(py)?;
        record(py, &blocking(py, || container.trace())?)
    }

    /// What it uses; over a time if the CPU percentage is wanted.
    #[pyo3(signature = (over=None))]
    fn stats<'py>(&self, py: Python<'py>, over: Option<f64>) -> PyResult<Bound<'py, PyAny>> {
        let container = self.get(py)?;
        let over = over.map(seconds).transpose()?;
        let stats = blocking(py, || match over {
            Some(window) => container.stats_over(window),
            None => container.stats(),
        })?;
        record(py, &stats)
    }

    /// Samples at equal intervals, to its end.
    fn stats_stream(&self, py: Python<'_>, interval: f64) -> PyResult<StatsStream> {
        let container = self.get(py)?;
        let interval = seconds(interval)?;
        Ok(StatsStream::new(blocking(py, || container.stats_stream(interval))?))
    }

    /// What it changed of its image.
    #[pyo3(signature = (limit = None))]
    fn diff<'py>(&self, py: Python<'py>, limit: Option<usize>) -> PyResult<Bound<'py, PyAny>> {
        let container = self.get(py)?;
        let diff = || match limit {
            None => container.diff(),
            Some(limit) => Ok(container.diff_within(limit)?.changes),
        };
        record(py, &blocking(py, diff)?)
    }

    /// What it takes on disk.
    fn disk_usage<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let container = self.get(py)?;
        record(py, &blocking(py, || container.disk_usage())?)
    }

    /// What the command wrote.
    fn log_bytes<'py>(&self, py: Python<'py>, choice: LogChoice) -> PyResult<Bound<'py, PyBytes>> {
        let logs = self.chosen_logs(py, choice)?;
        let bytes = blocking(py, || logs?.read())?;
        Ok(PyBytes::new(py, &bytes))
    }

    /// How many bytes of what it wrote are not in the log any more.
    fn log_dropped_bytes(&self, py: Python<'_>, choice: LogChoice) -> PyResult<u64> {
        let logs = self.chosen_logs(py, choice)?;
        blocking(py, || logs?.dropped_bytes())
    }

    /// The lines that the command wrote, each of one stream.
    fn log_lines(&self, py: Python<'_>, choice: LogChoice) -> PyResult<Vec<String>> {
        let logs = self.chosen_logs(py, choice)?;
        blocking(py, || {
            let mut lines = Lines::default();
            let mut whole: Vec<String> =
                logs?.entries()?.into_iter().filter_map(|entry| lines.add(entry)).collect();
            whole.extend(lines.rest());
            Ok(whole)
        })
    }

    /// The log as a person reads it.
    fn log_rendered(&self, py: Python<'_>, choice: LogChoice) -> PyResult<String> {
        let logs = self.chosen_logs(py, choice)?;
        blocking(py, || logs?.render())
    }

    /// The log's entries so far: (microseconds since 1970, stream, bytes, whether the line ends).
    fn log_entries(&self, py: Python<'_>, choice: LogChoice) -> PyResult<Vec<EntryParts>> {
        let logs = self.chosen_logs(py, choice)?;
        let entries = blocking(py, || logs?.entries())?;
        Ok(entries.into_iter().map(entry_parts).collect())
    }

    /// The log, and what is added to it, to the container's end.
    fn follow(&self, py: Python<'_>, choice: LogChoice) -> PyResult<Follow> {
        let logs = self.chosen_logs(py, choice)?;
        Ok(Follow::new(blocking(py, || logs?.follow())?))
    }

    /// Executes a command in it, to its end.
    #[allow(clippy::too_many_arguments, reason = "they are keywords in Python")]
    #[pyo3(signature = (command, env, working_dir, user, stdin, timeout, output_limit))]
    fn exec<'py>(
        &self,
        py: Python<'py>,
        command: Words,
        env: Vec<(String, String)>,
        working_dir: Option<&str>,
        user: Option<&str>,
        stdin: Option<Vec<u8>>,
        timeout: Option<f64>,
        output_limit: usize,
    ) -> PyResult<Bound<'py, PyDict>> {
        let container = self.get(py)?;
        let timeout = maybe_seconds(timeout)?;
        let result = blocking(py, || {
            let mut exec = exec(command, &env, working_dir, user)?.output_limit(output_limit);
            if let Some(stdin) = stdin {
                exec = exec.stdin(stdin);
            }
            if let Some(timeout) = timeout {
                exec = exec.timeout(timeout);
            }
            container.exec(exec)
        })?;
        output(py, &result)
    }

    /// Executes a command in it, and returns as soon as it runs. None if its time was over first;
    /// after it the command is killed.
    #[pyo3(signature = (command, env, working_dir, user, stdin, tty, timeout))]
    #[allow(clippy::too_many_arguments, reason = "they are keywords in Python")]
    fn exec_start(
        &self,
        py: Python<'_>,
        command: Words,
        env: Vec<(String, String)>,
        working_dir: Option<&str>,
        user: Option<&str>,
        stdin: bool,
        tty: Option<(u16, u16)>,
        timeout: Option<f64>,
    ) -> PyResult<Option<ExecProcess>> {
        let container = self.get(py)?;
        let timeout = maybe_seconds(timeout)?;
        let process = blocking(py, || {
            let mut exec = exec(command, &env, working_dir, user)?;
            if stdin {
                exec = exec.stdin_piped();
            }
            if let Some((rows, columns)) = tty {
                exec = exec.tty(TerminalSize { rows, columns });
            }
            if let Some(timeout) = timeout {
                exec = exec.timeout(timeout);
            }
            match container.exec_start(exec) {
                Err(Error::Timeout { operation: "a command", .. }) => Ok(None),
                process => process.map(Some),
            }
        })?;
        Ok(process.map(ExecProcess::new))
    }

    /// Connects to its command.
    fn attach(&self, py: Python<'_>) -> PyResult<Attached> {
        let container = self.get(py)?;
        Ok(Attached::new(blocking(py, || container.attach())?))
    }

    /// What is in a folder of it.
    #[pyo3(signature = (path, limit, after))]
    fn files_list<'py>(
        &self,
        py: Python<'py>,
        path: &[u8],
        limit: Option<usize>,
        after: Option<&[u8]>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let container = self.get(py)?;
        let files = container.files();
        let list = || match (limit, after) {
            (None, None) => files.list(path),
            _ => files.list_page(path, after, limit.unwrap_or(LIST_LIMIT)),
        };
        record(py, &blocking(py, list)?)
    }

    /// What is known about a file of it.
    fn files_stat<'py>(&self, py: Python<'py>, path: &[u8]) -> PyResult<Bound<'py, PyAny>> {
        let container = self.get(py)?;
        record(py, &blocking(py, || container.files().stat(path))?)
    }

    /// The content of a file of it.
    fn files_read<'py>(
        &self,
        py: Python<'py>,
        path: &[u8],
        limit: u64,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let container = self.get(py)?;
        let content = blocking(py, || container.files().read(path, limit))?;
        Ok(PyBytes::new(py, &content))
    }

    /// A file of it, open for reading: a descriptor that is the caller's.
    fn files_open(&self, py: Python<'_>, path: &[u8]) -> PyResult<i32> {
        let container = self.get(py)?;
        blocking(py, || container.files().open(path)).map(File::into_raw_fd)
    }

    /// Writes a file of it.
    #[pyo3(signature = (path, content, mode, make_parents))]
    fn files_write(
        &self,
        py: Python<'_>,
        path: &[u8],
        content: FileReader,
        mode: Option<u32>,
        make_parents: bool,
    ) -> PyResult<()> {
        let container = self.get(py)?;
        let mut content = content;
        let options = WriteOptions { mode, make_parents };
        let written = blocking(py, || container.files().write_from(path, &mut content, options));
        content.raise()?;
        written
    }

    /// Makes a folder in it.
    fn files_make_directory(&self, py: Python<'_>, path: &[u8]) -> PyResult<()> {
        let container = self.get(py)?;
        blocking(py, || container.files().make_directory(path))
    }

    /// Removes a file or folder of it.
    fn files_remove(&self, py: Python<'_>, path: &[u8]) -> PyResult<()> {
        let container = self.get(py)?;
        blocking(py, || container.files().remove(path))
    }

    /// Writes its files into a tar archive.
    fn export_rootfs<'py>(
        &self,
        py: Python<'py>,
        archive: FileWriter,
        only_changes: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let container = self.get(py)?;
        let mut archive = archive;
        let content = match only_changes {
            true => ArchiveContent::Changes,
            false => ArchiveContent::Merged,
        };
        let written = blocking(py, || {
            let summary = container.export_rootfs(content, &mut archive)?;
            archive.finish()?;
            Ok(summary)
        });
        archive.raise()?;
        record(py, &written?)
    }

    /// Puts the content of a tar archive in the place of what it changed.
    fn import_rootfs<'py>(
        &self,
        py: Python<'py>,
        archive: FileReader,
        limits: (u64, u64),
    ) -> PyResult<Bound<'py, PyAny>> {
        let container = self.get(py)?;
        let mut archive = archive;
        let limits = ArchiveLimits { bytes: limits.0, entries: limits.1 };
        let read = blocking(py, || container.import_rootfs_within(&mut archive, limits));
        archive.raise()?;
        record(py, &read?)
    }

    /// The events of its root from now on.
    fn events(&self, py: Python<'_>) -> PyResult<Events> {
        let runtime = self.shared.get(py)?;
        Ok(Events::new(blocking(py, || runtime.events())?))
    }
}

/// An entry of the log: microseconds since 1970, the stream, the text, whether the line ends.
pub(crate) type EntryParts = (i64, &'static str, std::borrow::Cow<'static, [u8]>, bool);

pub(crate) fn entry_parts(entry: minidocker_rt::LogEntry) -> EntryParts {
    let stream = match entry.stream {
        Stream::Stdout => "stdout",
        Stream::Stderr => "stderr",
        Stream::System => "system",
    };
    (entry.time.as_microsecond(), stream, entry.text.into(), entry.full)
}

fn exec(
    command: Words,
    env: &[(String, String)],
    working_dir: Option<&str>,
    user: Option<&str>,
) -> minidocker_rt::Result<Exec> {
    let mut exec = Exec::new(command.command());
    for (name, value) in env {
        exec = exec.env(name, value);
    }
    if let Some(path) = working_dir {
        exec = exec.working_dir(path);
    }
    if let Some(user) = user {
        exec = exec.user(user.parse()?);
    }
    Ok(exec)
}

/// What a command wrote, and how it ended.
pub(crate) fn output<'py>(py: Python<'py>, output: &ExecOutput) -> PyResult<Bound<'py, PyDict>> {
    let result = PyDict::new(py);
    result.set_item("stdout", PyBytes::new(py, &output.stdout))?;
    result.set_item("stderr", PyBytes::new(py, &output.stderr))?;
    result.set_item("exit", record(py, &output.exit)?)?;
    result.set_item("timed_out", output.timed_out)?;
    result.set_item("truncated", output.truncated)?;
    Ok(result)
}
