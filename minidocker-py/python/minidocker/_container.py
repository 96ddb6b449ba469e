"""Containers, their logs and their files."""

from __future__ import annotations

import builtins
import errno
import io
import json
import os
import signal as signals
import time
from datetime import datetime
from types import TracebackType
from typing import (
    Any,
    Dict,
    Iterator,
    List,
    Literal,
    Mapping,
    NamedTuple,
    Tuple,
)

from . import _minidocker
from ._archive import Archive, ArchiveTarget, open_archive, open_content, open_target
from ._errors import ContainerNotFound, FileError, TimeoutError
from ._exec import (
    KILLED,
    OUTPUT_LIMIT,
    Attached,
    ExecProcess,
    Kept,
    as_told,
    check_result,
    signal_number,
)
from ._input import Input, source_of
from ._plan import Plan, Step, Trace
from ._poll import Deadline, seconds
from ._records import (
    ArchiveSummary,
    Change,
    ContainerInfo,
    ContainerUsage,
    ExitStatus,
    FileInfo,
    LogEntry,
)
from ._result import ExecResult
from ._spec import (
    Command,
    checked_count,
    checked_env,
    checked_limit,
    checked_user,
    path_inside,
    words,
)
from ._stats import Stats
from ._typing import BytesLike, Readable, StrPath
from ._wire import decode, log_entry
from ._words import Health, Status, Stream

#: An archive of a stranger may hold so many bytes and files, unless asked otherwise.
ARCHIVE_LIMITS = (32 << 30, 1_000_000)


class Asked(NamedTuple):
    """A command to be executed in a container, as the extension takes it."""

    command: str | List[str]
    env: List[Tuple[str, str]]
    working_dir: str | None
    user: str | None


def checked_exec(
    command: Command,
    env: Mapping[str, str] | None,
    working_dir: StrPath | None,
    user: int | str | None,
) -> Asked:
    """Refuses what means nothing, before anything runs."""
    return Asked(
        words(command),
        list(checked_env(env or {}).items()),
        None if working_dir is None else path_inside("working_dir", working_dir),
        checked_user(user),
    )


def archive_limits(max_bytes: int, max_entries: int) -> Tuple[int, int]:
    """How much an archive may hold."""
    return checked_limit(max_bytes, "max_bytes"), checked_limit(max_entries, "max_entries")


def checked_size(size: Any) -> Tuple[int, int]:
    """The rows and columns of a terminal."""
    rows, columns = size
    return checked_count("tty", rows, 0xFFFF), checked_count("tty", columns, 0xFFFF)


class _LogChoice(NamedTuple):
    """Which part of a log; the extension reads the attributes."""

    tail: int | None
    since: int | None
    stream: str | None
    timestamps: bool


class Logs:
    """What a container printed, over all its runs. Made by :meth:`Container.logs`.

    Iterating gives the lines of its output, without their ends; one of more than 16 MiB comes in
    pieces. ``print(logs)`` prints all of it.

    >>> import minidocker as md
    >>> with md.Runtime() as rt, rt.create(None, "sh -c 'echo one; echo two >&2'") as container:
    ...     exit = container.start().wait()
    ...     logs = container.logs()
    ...     print(list(logs), repr(logs.stdout), repr(logs.stderr))
    ['one', 'two'] 'one\\n' 'two\\n'
    """

    def __init__(self, inner: _minidocker.Container, choice: _LogChoice, follow: bool) -> None:
        self._inner = inner
        self._choice = choice
        self._follow = follow

    def read(self) -> bytes:
        """What the command wrote, byte for byte, as far as the log has it (``dropped_bytes``)."""
        return self._inner.log_bytes(self._choice)

    def __str__(self) -> str:
        return self.read().decode(errors="replace")

    @property
    def text(self) -> str:
        """What the command wrote; what is not UTF-8 is U+FFFD."""
        return str(self)

    @property
    def stdout(self) -> str:
        """What it wrote to its standard output; empty if nothing."""
        return self._inner.log_bytes(self._choice._replace(stream="stdout")).decode(
            errors="replace"
        )

    @property
    def stderr(self) -> str:
        """What it wrote to its standard error; empty if nothing."""
        return self._inner.log_bytes(self._choice._replace(stream="stderr")).decode(
            errors="replace"
        )

    @property
    def dropped_bytes(self) -> int:
        """How many bytes of what it wrote are not in the log any more: see ``log_max_mb``."""
        return self._inner.log_dropped_bytes(self._choice)

    def render(self) -> str:
        """The log as a person reads it, with the remarks of start and end."""
        return self._inner.log_rendered(self._choice)

    def __iter__(self) -> Iterator[str]:
        if not self._follow:
            yield from self._inner.log_lines(self._choice)
            return
        following = self._inner.follow(self._choice)
        while True:
            batch = following.lines()
            if batch is None:
                return
            yield from batch

    def entries(self) -> Iterator[LogEntry]:
        """The entries with their times and streams, the runtime's own remarks included."""
        if not self._follow:
            yield from map(log_entry, self._inner.log_entries(self._choice))
            return
        following = self._inner.follow(self._choice)
        while True:
            batch = following.entries()
            if batch is None:
                return
            yield from map(log_entry, batch)

    def __repr__(self) -> str:
        how = ", followed" if self._follow else ""
        return f"<Logs of {self._inner.name!r}{how}>"


def _raw(path: StrPath | bytes) -> bytes:
    """The bytes of a path, as Python's own functions take it."""
    if isinstance(path, bytes):
        return path
    return path_inside("path", path).encode("utf-8", "surrogateescape")


class Files:
    """The files of a container, running or not. Made by :attr:`Container.files`.

    Paths are full paths of the container: text, or any bytes. Symlinks are followed as the
    container would follow them, so none leads out of it. Every method raises :class:`FileError`
    with ``path`` and ``errno`` if the path cannot be used as asked.

    >>> import minidocker as md
    >>> with md.Runtime() as rt, rt.create(None, "cat /greeting") as container:
    ...     container.files.write("/greeting", "Hello")
    ...     exit = container.start().wait()
    ...     print(container.logs())
    Hello
    """

    def __init__(self, inner: _minidocker.Container) -> None:
        self._inner = inner

    def list(
        self,
        path: StrPath | bytes = "/",
        *,
        limit: int | None = None,
        after: str | bytes | None = None,
    ) -> List[FileInfo]:
        """What is in a folder, sorted by name.

        With ``limit``, at most so many, beginning behind the name ``after``: a page of fewer is the
        last. Without, a folder of more than 100,000 names is refused.
        """
        if limit is not None:
            checked_limit(limit, "limit")
        begin = after.encode("utf-8", "surrogateescape") if isinstance(after, str) else after
        return [decode(FileInfo, raw) for raw in self._inner.files_list(_raw(path), limit, begin)]

    def stat(self, path: StrPath | bytes) -> FileInfo:
        """What is known about one file. Of a symlink: about itself, with its target."""
        return decode(FileInfo, self._inner.files_stat(_raw(path)))

    def exists(self, path: StrPath | bytes) -> bool:
        """Whether there is anything of this name."""
        try:
            self.stat(path)
        except FileError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR):
                return False
            raise
        return True

    def read(self, path: StrPath | bytes, limit: int = OUTPUT_LIMIT) -> bytes:
        """The whole content of a file of at most ``limit`` bytes; a longer one is refused."""
        most = checked_limit(limit, "limit")
        return self._inner.files_read(_raw(path), most)

    def read_text(self, path: StrPath | bytes, limit: int = OUTPUT_LIMIT) -> str:
        """As :meth:`read`, as text; what is not UTF-8 is U+FFFD."""
        return self.read(path, limit).decode(errors="replace")

    def open(self, path: StrPath | bytes) -> io.BufferedReader:
        """Opens a file to be read piece by piece."""
        return builtins.open(self._inner.files_open(_raw(path)), "rb")

    def write(
        self,
        path: StrPath | bytes,
        content: str | BytesLike | Readable[bytes],
        *,
        mode: int | None = None,
        make_parents: bool = False,
    ) -> None:
        """Creates a file, or replaces its content at once: a reader sees the old or the new.

        ``content`` is text, bytes, or a file that is open for reading bytes; ``mode`` are the
        permission bits (those of the file that is replaced, or ``0o644``, unless given).
        """
        if mode is not None:
            checked_count("mode", mode, 0o7777)
        with open_content(content) as whole:
            self._inner.files_write(_raw(path), whole, mode, make_parents)

    def make_directory(self, path: StrPath | bytes) -> None:
        """Makes a folder, and those above it that are missing."""
        self._inner.files_make_directory(_raw(path))

    def remove(self, path: StrPath | bytes) -> None:
        """Removes a file, a symlink, or a folder with all that is in it."""
        self._inner.files_remove(_raw(path))

    def __repr__(self) -> str:
        return f"<Files of {self._inner.name!r}>"


class Container:
    """A container of a runtime: a handle. Nothing happens to the container when it goes.

    As a context manager it is different: leaving the block stops and removes the container, unless
    :meth:`detach` was called.

    Every method raises :class:`ContainerNotFound` if the container was deleted.
    """

    def __init__(self, inner: _minidocker.Container) -> None:
        self._inner = inner
        self._detached = False

    @property
    def name(self) -> str:
        """Its name."""
        return self._inner.name

    @property
    def id(self) -> str:
        """Its identity: 64 hexadecimal digits. Names may be used again, ids never are."""
        return self._inner.id

    @property
    def status(self) -> Status:
        """Its state now."""
        return Status(self._inner.status())

    @property
    def files(self) -> Files:
        """Its files: what it sees at ``/``, volumes included while it runs."""
        return Files(self._inner)

    def start(self) -> Container:
        """Builds the container and executes its command. Returns when that was executed.

        From then on it runs by itself, whatever becomes of this program. Returns the container,
        so that calls can be chained.

        Raises :class:`StartFailed` with the step of the plan, the call and the errno, after
        everything made for the start was removed; :class:`WrongState` if it runs.

        >>> import minidocker as md
        >>> with md.Runtime() as rt, rt.create(None, "true") as container:
        ...     print(container.start().wait())
        exit code 0
        """
        self._inner.start()
        return self

    def stop(self, timeout: float | None = None) -> None:
        """Asks the command to end (SIGTERM) and, after ``timeout`` seconds (10), kills it.

        0 kills at once. Its restart policy does not start it again. One that does not run is left
        as it is.
        """
        self._inner.stop(timeout)

    def restart(self, timeout: float | None = None) -> None:
        """Stops it if it runs (as :meth:`stop`), and starts it.

        Raises what :meth:`start` does.
        """
        self._inner.restart(timeout)

    def kill(self, signal: int | str = signals.SIGKILL) -> None:
        """Sends a signal to the command, by number or name (``"SIGHUP"``, ``"HUP"``,
        ``"SIGRTMIN+3"``).

        Raises :class:`WrongState` if it does not run.
        """
        self._inner.kill(signal_number(signal))

    def pause(self) -> None:
        """Freezes all its processes where they are (``man 7 cgroups``, the freezer).

        Raises :class:`WrongState` if it does not run, or is paused already.
        """
        self._inner.pause()

    def resume(self) -> None:
        """Lets a paused container go on exactly where it was.

        Raises :class:`WrongState` if it is not paused.
        """
        self._inner.resume()

    def delete(self, force: bool = False) -> None:
        """Removes the container, its files and its log. Volumes stay on the host.

        Raises :class:`WrongState` if it runs, unless ``force`` is true: then it is killed first.
        """
        self._inner.delete(force)

    def wait(self, timeout: float | None = None) -> ExitStatus:
        """Waits until the command has ended and says how; at once if it has.

        With a restart policy, an end that is followed by another run is none.

        Raises :class:`TimeoutError` after ``timeout`` seconds; :class:`WrongState` if it was never
        started; :class:`StartFailed` if it could not be.
        """
        return decode(ExitStatus, self._inner.wait(timeout))

    def wait_healthy(self, timeout: float | None = None) -> None:
        """Waits until its health check calls it healthy.

        Raises :class:`TimeoutError` after ``timeout`` seconds, and :class:`ValueError` if it has
        ended or has no health check.
        """
        deadline = Deadline(timeout)
        # Before the first look, so that a change after it is told.
        events = self._inner.events()
        while not self._is_healthy():
            if deadline.left() == 0:
                raise self._not_healthy(timeout)
            events.batch(deadline.left())

    def _is_healthy(self) -> bool:
        info = self.inspect()
        if info.health is None:
            raise ValueError(f"container {self.name!r} is {info.status}, without a health")
        return info.health.status == Health.HEALTHY

    def _not_healthy(self, timeout: float | None) -> TimeoutError:
        return TimeoutError(
            f"container {self.name!r} was not healthy within {timeout} s",
            "Look at the output of its probes: inspect().health.probes.",
        )

    def inspect(self) -> ContainerInfo:
        """Everything that is known about it.

        >>> import minidocker as md
        >>> with md.Runtime() as rt, rt.create(None, "true", memory_mb=64) as container:
        ...     info = container.inspect()
        >>> info.status, info.spec.memory_mb, info.exit
        (<Status.CREATED: 'created'>, 64, None)
        """
        return decode(ContainerInfo, self._inner.inspect())

    def logs(
        self,
        *,
        follow: bool = False,
        tail: int | None = None,
        since: datetime | None = None,
        stream: Literal["stdout", "stderr"] | Stream | None = None,
        timestamps: bool = False,
    ) -> Logs:
        """What it printed.

        ``follow`` goes on with each new line until the container has ended; ``tail`` begins with
        the last so many lines; ``since`` with what was written at that time (aware, or local);
        ``stream`` is ``"stdout"`` or ``"stderr"`` to have one only; ``timestamps`` puts the time
        before each line of the whole text.
        """
        if tail is not None:
            checked_limit(tail, "tail")
        if since is not None and not isinstance(since, datetime):
            raise TypeError(f"since: {since!r} is refused: give a datetime")
        word = None if stream is None else Stream(stream).value
        micros = None if since is None else int(since.timestamp() * 1_000_000)
        return Logs(self._inner, _LogChoice(tail, micros, word, timestamps), follow)

    def exec(
        self,
        command: Command,
        *,
        env: Mapping[str, str] | None = None,
        working_dir: StrPath | None = None,
        user: int | str | None = None,
        input: Input | None = None,
        timeout: float | None = None,
        check: bool = False,
        output_limit: int = OUTPUT_LIMIT,
    ) -> ExecResult:
        """Executes a command in the running container, to its end.

        It joins all namespaces and the cgroup of the container, and has the rights of its first
        command. ``input`` is what it reads: text, bytes, or what they can be read from while it
        runs, as for :func:`run`. After ``timeout`` seconds it is killed, and ``timed_out`` says so.
        ``check`` raises :class:`CommandFailed` or :class:`TimeoutError` (with the ``result``)
        unless it ends with exit code 0. Of each stream ``output_limit`` bytes are kept.

        Raises :class:`ExecFailed` with the step that failed, for example because there is no such
        program; :class:`WrongState` if the container does not run; :class:`Unsupported` in a
        simulation.
        """
        source = source_of(input)
        seconds(timeout)
        checked_limit(output_limit)
        asked = checked_exec(command, env, working_dir, user)
        begun, deadline = time.monotonic(), Deadline(timeout)
        if source is None or source.is_whole:
            whole = None if source is None else source.whole
            raw = self._inner.exec(*asked, whole, timeout, output_limit)
        elif process := self._exec_within(asked, True, deadline):
            with process:
                raw = process._captured(source, deadline, output_limit)
        else:
            raw = as_told(KILLED, Kept(output_limit), timed_out=True)
        result = ExecResult._of(raw, time.monotonic() - begun)
        if check:
            what = f"the command {command!r} in container {self.name!r}"
            check_result(what, command, result)
        return result

    def exec_start(
        self,
        command: Command,
        *,
        env: Mapping[str, str] | None = None,
        working_dir: StrPath | None = None,
        user: int | str | None = None,
        stdin: bool = False,
        tty: bool | Tuple[int, int] = False,
    ) -> ExecProcess:
        """Executes a command in the running container and returns as soon as it runs.

        Its streams can be read as they come. With ``tty`` (or the size ``(rows, columns)``) it
        has a terminal instead.

        Raises what :meth:`exec` does.
        """
        size = ((24, 80) if tty else None) if isinstance(tty, bool) else checked_size(tty)
        return self._exec_start(checked_exec(command, env, working_dir, user), stdin, size)

    def _exec_start(self, asked: Asked, stdin: bool, size: Tuple[int, int] | None) -> ExecProcess:
        inner = self._inner.exec_start(*asked, stdin, size, None)
        assert inner is not None, "without a time there is none to be over"
        return ExecProcess(inner)

    def _exec_within(self, asked: Asked, stdin: bool, deadline: Deadline) -> ExecProcess | None:
        """None if something kept the command from its beginning until the deadline."""
        inner = self._inner.exec_start(*asked, stdin, None, deadline.left())
        return None if inner is None else ExecProcess(inner)

    def attach(self) -> Attached:
        """Connects to the running command: its output from now on, and its input.

        Raises :class:`WrongState` if it does not run; :class:`Unsupported` in a simulation.
        """
        return Attached(self._inner.attach())

    def stats(self, over: float | None = None) -> Stats:
        """What it uses now; ``over`` so many seconds, with the CPU percentage in that time.

        A container that does not run uses nothing, which is no error.
        """
        return decode(Stats, self._inner.stats(over))

    def stats_stream(self, interval: float = 1.0) -> Iterator[Stats]:
        """Samples every ``interval`` seconds, the first at once, until the container ends.

        Each has the CPU percentage since the one before.
        """
        for raw in self._inner.stats_stream(interval):
            yield decode(Stats, raw)

    def plan(self) -> Plan:
        """What starting it will do, step by step, without doing it."""
        return Plan(decode(Step, raw) for raw in self._inner.plan())

    def trace(self) -> Trace | None:
        """What its last start did, step by step, with times; None before the first.

        >>> import minidocker as md
        >>> with md.Runtime() as rt, rt.create(None, "true") as container:
        ...     trace = container.start().trace()
        >>> trace.steps[-1].id
        'exec'
        """
        raw = self._inner.trace()
        return None if raw is None else decode(Trace, raw)

    def diff(self, limit: int | None = None) -> List[Change]:
        """What it changed, compared with its image, sorted by path.

        With ``limit``, at most so many, those nearest to the root. Without, more than 100,000
        changes are refused.

        >>> import minidocker as md
        >>> with md.Runtime() as rt, rt.create(None, "touch /new") as container:
        ...     exit = container.start().wait()
        ...     print(*container.diff())
        A /new
        """
        return [decode(Change, raw) for raw in self._inner.diff(limit)]

    def disk_usage(self) -> ContainerUsage:
        """What it takes on disk, in bytes."""
        return decode(ContainerUsage, self._inner.disk_usage())

    def export(self) -> Dict[str, Any]:
        """Its configuration, to keep or to give away, in the JSON form of Mini Docker's manual.

        :meth:`Runtime.import_` makes a container from it. No data of the container is in it.
        """
        exported: Dict[str, Any] = json.loads(self._inner.export_config())
        return exported

    def export_rootfs(
        self, archive: ArchiveTarget, *, only_changes: bool = False
    ) -> ArchiveSummary:
        """Writes its files into a tar archive: a path, or a file that is open for writing.

        ``only_changes`` writes what it changed of its image, as a layer of an OCI image.

        Raises :class:`FileError` with the path that could not be read.
        """
        with open_target(archive) as file:
            return decode(ArchiveSummary, self._inner.export_rootfs(file, only_changes))

    def import_rootfs(
        self,
        archive: Archive,
        *,
        max_bytes: int = ARCHIVE_LIMITS[0],
        max_entries: int = ARCHIVE_LIMITS[1],
    ) -> ArchiveSummary:
        """Puts the content of a tar archive in the place of what the container changed.

        The container must not run. The archive may come from a stranger: it is refused
        (:class:`BadArchive`) if it reaches out of the container or holds more than the limits.
        """
        limits = archive_limits(max_bytes, max_entries)
        with open_archive(archive) as file:
            return decode(ArchiveSummary, self._inner.import_rootfs(file, limits))

    def detach(self) -> Container:
        """Keeps the container when its ``with`` block is left. Returns the container."""
        self._detached = True
        return self

    def __enter__(self) -> Container:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._detached:
            return
        try:
            if error is None:
                # Not if something went wrong: nobody waits for it then.
                self.stop(1)
            self.delete(force=True)
        except ContainerNotFound:
            pass

    # So that it can be sent to another process: by its root and its id.
    def __reduce__(self) -> Tuple[Any, ...]:
        root, backend = self._inner.place
        return _again, (os.fspath(root), backend, self.name, self.id, self._detached)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Container) and self.id == other.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        try:
            return f"<Container {self.name!r} {self.id[:12]}: {self.status}>"
        except ContainerNotFound:
            return f"<Container {self.name!r} {self.id[:12]}: deleted>"

    def _repr_html_(self) -> str:
        from . import _html

        return _html.container(self)


def _again(root: str, backend: str, name: str, id: str, detached: bool) -> Container:
    from ._runtime import found_again

    return found_again(root, backend, name, id, detached)
