"""Runtimes, containers and their files, whose methods are awaited.

Each method is the one of the same name of the ordinary class, called in a thread; a test compares
the two. What can be waited for by the event loop itself is.
"""

from __future__ import annotations

from asyncio import sleep
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, BinaryIO, Dict, List, Literal, Tuple

from .. import _container, _runtime
from .._archive import Archive, ArchiveTarget
from .._container import ARCHIVE_LIMITS, checked_exec, checked_size
from .._errors import TimeoutError
from .._exec import OUTPUT_LIMIT
from .._exec import Attached as BlockingAttached
from .._exec import ExecProcess as BlockingProcess
from .._input import AsyncInput
from .._plan import Plan, Trace
from .._poll import Deadline
from .._records import (
    ArchiveSummary,
    BackendInfo,
    Capability,
    Change,
    ContainerInfo,
    ContainerUsage,
    DiskUsage,
    ExitStatus,
    FileInfo,
    Image,
    LogEntry,
    Network,
    Pruned,
    Recovered,
    Revived,
    Spec,
    Template,
)
from .._result import ExecResult
from .._spec import Command, Options, spec_json
from .._stats import ContainerStats, Stats
from .._typing import BytesLike, Readable, StrPath, Unpack
from .._words import Backend, BackendName, Status, Stream
from . import _commands, _streams
from ._connections import Attached, Events, ExecProcess
from ._threads import ENDING, READING, STARTING, STOPPING, call, in_thread


class Files:
    """The files of a container: :class:`minidocker.Files`, awaited."""

    def __init__(self, blocking: _container.Files) -> None:
        self._files = blocking

    async def list(
        self,
        path: StrPath | bytes = "/",
        *,
        limit: int | None = None,
        after: str | bytes | None = None,
    ) -> List[FileInfo]:
        """As :meth:`minidocker.Files.list`."""
        return await call(self._files.list, path, limit=limit, after=after)

    async def stat(self, path: StrPath | bytes) -> FileInfo:
        """As :meth:`minidocker.Files.stat`."""
        return await call(self._files.stat, path)

    async def exists(self, path: StrPath | bytes) -> bool:
        """As :meth:`minidocker.Files.exists`."""
        return await call(self._files.exists, path)

    async def read(self, path: StrPath | bytes, limit: int = OUTPUT_LIMIT) -> bytes:
        """As :meth:`minidocker.Files.read`."""
        return await call(self._files.read, path, limit)

    async def read_text(self, path: StrPath | bytes, limit: int = OUTPUT_LIMIT) -> str:
        """As :meth:`minidocker.Files.read_text`."""
        return await call(self._files.read_text, path, limit)

    async def open(self, path: StrPath | bytes) -> BinaryIO:
        """As :meth:`minidocker.Files.open`: an ordinary file, whose reads are not awaited."""
        return await call(self._files.open, path)

    async def write(
        self,
        path: StrPath | bytes,
        content: str | BytesLike | Readable[bytes],
        *,
        mode: int | None = None,
        make_parents: bool = False,
    ) -> None:
        """As :meth:`minidocker.Files.write`."""
        await call(self._files.write, path, content, mode=mode, make_parents=make_parents)

    async def make_directory(self, path: StrPath | bytes) -> None:
        """As :meth:`minidocker.Files.make_directory`."""
        await call(self._files.make_directory, path)

    async def remove(self, path: StrPath | bytes) -> None:
        """As :meth:`minidocker.Files.remove`."""
        await call(self._files.remove, path)

    def __repr__(self) -> str:
        return repr(self._files)


class Logs:
    """What a container printed: :class:`minidocker.Logs`, awaited.

    ``async for`` gives the lines of its output, without their ends.
    """

    def __init__(self, blocking: _container.Logs) -> None:
        self._logs = blocking

    async def read(self) -> bytes:
        """As :meth:`minidocker.Logs.read`."""
        return await in_thread(READING, self._logs.read)

    async def text(self) -> str:
        """As :attr:`minidocker.Logs.text`."""
        return await in_thread(READING, str, self._logs)

    async def stdout(self) -> str:
        """As :attr:`minidocker.Logs.stdout`."""
        return await in_thread(READING, lambda: self._logs.stdout)

    async def stderr(self) -> str:
        """As :attr:`minidocker.Logs.stderr`."""
        return await in_thread(READING, lambda: self._logs.stderr)

    async def dropped_bytes(self) -> int:
        """As :attr:`minidocker.Logs.dropped_bytes`."""
        return await in_thread(READING, lambda: self._logs.dropped_bytes)

    async def render(self) -> str:
        """As :meth:`minidocker.Logs.render`."""
        return await in_thread(READING, self._logs.render)

    def __aiter__(self) -> AsyncIterator[str]:
        return _streams.lines_of(self._logs)

    def entries(self) -> AsyncIterator[LogEntry]:
        """As :meth:`minidocker.Logs.entries`."""
        return _streams.entries_of(self._logs)

    def __repr__(self) -> str:
        return repr(self._logs)


class Container:
    """A container: :class:`minidocker.Container`, awaited. ``blocking`` is the ordinary handle.

    Leaving an ``async with`` block stops and removes it, unless :meth:`detach` was called.
    """

    def __init__(self, blocking: _container.Container) -> None:
        #: The ordinary handle.
        self.blocking: _container.Container = blocking

    @property
    def name(self) -> str:
        """Its name."""
        return self.blocking.name

    @property
    def id(self) -> str:
        """Its identity: 64 hexadecimal digits."""
        return self.blocking.id

    async def status(self) -> Status:
        """Its state now."""
        return await in_thread(READING, lambda: self.blocking.status)

    @property
    def files(self) -> Files:
        """Its files."""
        return Files(self.blocking.files)

    async def start(self) -> Container:
        """As :meth:`minidocker.Container.start`."""
        await in_thread(STARTING, self.blocking.start)
        return self

    async def stop(self, timeout: float | None = None) -> None:
        """As :meth:`minidocker.Container.stop`."""
        await in_thread(STOPPING, self.blocking.stop, timeout)

    async def restart(self, timeout: float | None = None) -> None:
        """As :meth:`minidocker.Container.restart`."""
        await in_thread(STOPPING, self.blocking.restart, timeout)

    async def kill(self, signal: int | str = 9) -> None:
        """As :meth:`minidocker.Container.kill`."""
        await in_thread(ENDING, self.blocking.kill, signal)

    async def pause(self) -> None:
        """As :meth:`minidocker.Container.pause`."""
        await in_thread(ENDING, self.blocking.pause)

    async def resume(self) -> None:
        """As :meth:`minidocker.Container.resume`."""
        await in_thread(ENDING, self.blocking.resume)

    async def delete(self, force: bool = False) -> None:
        """As :meth:`minidocker.Container.delete`. If the task is cancelled, it is done first."""
        await in_thread(ENDING, self.blocking.delete, force, certain=True)

    async def wait(self, timeout: float | None = None) -> ExitStatus:
        """As :meth:`minidocker.Container.wait`."""
        return await _streams.wait(self, timeout)

    async def wait_healthy(self, timeout: float | None = None) -> None:
        """As :meth:`minidocker.Container.wait_healthy`."""
        deadline = Deadline(timeout)
        # Before the first look, so that a change after it is told.
        events = Events(_runtime.Events(self.blocking._inner.events()))
        while not await in_thread(READING, self.blocking._is_healthy):
            # However many events there are: a time that is over is over.
            if deadline.left() == 0:
                raise self.blocking._not_healthy(timeout)
            try:
                await events.next(deadline.left())
            except TimeoutError:
                raise self.blocking._not_healthy(timeout) from None

    async def inspect(self) -> ContainerInfo:
        """As :meth:`minidocker.Container.inspect`."""
        return await in_thread(READING, self.blocking.inspect)

    def logs(
        self,
        *,
        follow: bool = False,
        tail: int | None = None,
        since: datetime | None = None,
        stream: Literal["stdout", "stderr"] | Stream | None = None,
        timestamps: bool = False,
    ) -> Logs:
        """As :meth:`minidocker.Container.logs`; what is in it is awaited."""
        chosen = self.blocking.logs(
            follow=follow, tail=tail, since=since, stream=stream, timestamps=timestamps
        )
        return Logs(chosen)

    async def exec(
        self,
        command: Command,
        *,
        env: Mapping[str, str] | None = None,
        working_dir: StrPath | None = None,
        user: int | str | None = None,
        input: AsyncInput | None = None,
        timeout: float | None = None,
        check: bool = False,
        output_limit: int = OUTPUT_LIMIT,
    ) -> ExecResult:
        """As :meth:`minidocker.Container.exec`. If the task is cancelled, the command is killed."""
        return await _commands.exec(
            self,
            command,
            env=env,
            working_dir=working_dir,
            user=user,
            input=input,
            timeout=timeout,
            check=check,
            output_limit=output_limit,
        )

    async def exec_start(
        self,
        command: Command,
        *,
        env: Mapping[str, str] | None = None,
        working_dir: StrPath | None = None,
        user: int | str | None = None,
        stdin: bool = False,
        tty: bool | Tuple[int, int] = False,
    ) -> ExecProcess:
        """As :meth:`minidocker.Container.exec_start`."""
        asked = checked_exec(command, env, working_dir, user)
        size = ((24, 80) if tty else None) if isinstance(tty, bool) else checked_size(tty)
        start = self.blocking._exec_start
        close = BlockingProcess.close
        return ExecProcess(await in_thread(STARTING, start, asked, stdin, size, undo=close))

    async def attach(self) -> Attached:
        """As :meth:`minidocker.Container.attach`."""
        close = BlockingAttached.close
        return Attached(await in_thread(STARTING, self.blocking.attach, undo=close))

    async def stats(self, over: float | None = None) -> Stats:
        """As :meth:`minidocker.Container.stats`."""
        first = await in_thread(READING, self.blocking.stats)
        if over is None:
            return first
        await sleep(over)
        return _streams.with_percent(await in_thread(READING, self.blocking.stats), first)

    def stats_stream(self, interval: float = 1.0) -> AsyncIterator[Stats]:
        """As :meth:`minidocker.Container.stats_stream`."""
        return _streams.stats(self, interval)

    async def plan(self) -> Plan:
        """As :meth:`minidocker.Container.plan`."""
        return await call(self.blocking.plan)

    async def trace(self) -> Trace | None:
        """As :meth:`minidocker.Container.trace`."""
        return await call(self.blocking.trace)

    async def diff(self, limit: int | None = None) -> List[Change]:
        """As :meth:`minidocker.Container.diff`."""
        return await call(self.blocking.diff, limit)

    async def disk_usage(self) -> ContainerUsage:
        """As :meth:`minidocker.Container.disk_usage`."""
        return await call(self.blocking.disk_usage)

    async def export(self) -> Dict[str, Any]:
        """As :meth:`minidocker.Container.export`."""
        return await call(self.blocking.export)

    async def export_rootfs(
        self, archive: ArchiveTarget, *, only_changes: bool = False
    ) -> ArchiveSummary:
        """As :meth:`minidocker.Container.export_rootfs`."""
        return await call(self.blocking.export_rootfs, archive, only_changes=only_changes)

    async def import_rootfs(
        self,
        archive: Archive,
        *,
        max_bytes: int = ARCHIVE_LIMITS[0],
        max_entries: int = ARCHIVE_LIMITS[1],
    ) -> ArchiveSummary:
        """As :meth:`minidocker.Container.import_rootfs`."""
        return await call(
            self.blocking.import_rootfs, archive, max_bytes=max_bytes, max_entries=max_entries
        )

    def detach(self) -> Container:
        """Keeps the container when its block is left. Returns the container."""
        self.blocking.detach()
        return self

    async def __aenter__(self) -> Container:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # Only if nothing went wrong is the command given time to end.
        pool = STOPPING if error is None else ENDING
        await in_thread(pool, self.blocking.__exit__, kind, error, traceback, certain=True)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Container) and self.blocking == other.blocking

    def __hash__(self) -> int:
        return hash(self.blocking)

    def __repr__(self) -> str:
        return repr(self.blocking)


class Runtime:
    """All containers under one root folder: :class:`minidocker.Runtime`, awaited.

    ``blocking`` is the ordinary runtime. It takes what that takes; opening is done at once.

    >>> import asyncio
    >>> import minidocker as md
    >>> async def main():
    ...     async with md.aio.Runtime() as rt, await rt.create(None, "echo hi") as container:
    ...         await container.start()
    ...         await container.wait()
    ...         return await container.logs().text()
    >>> asyncio.run(main())
    'hi\\n'
    """

    def __init__(
        self,
        root: StrPath | None = None,
        *,
        backend: Backend | BackendName | None = None,
    ) -> None:
        #: The ordinary runtime.
        self.blocking: _runtime.Runtime = _runtime.Runtime(root, backend=backend)

    @classmethod
    def of(cls, runtime: _runtime.Runtime) -> Runtime:
        """The awaited face of a runtime that is open already."""
        made = cls.__new__(cls)
        made.blocking = runtime
        return made

    @property
    def root(self) -> str:
        """The root folder."""
        return self.blocking.root

    @property
    def backend(self) -> BackendInfo:
        """Its backend, and why it is that one."""
        return self.blocking.backend

    async def capabilities(self) -> List[Capability]:
        """As :meth:`minidocker.Runtime.capabilities`."""
        return await call(self.blocking.capabilities)

    async def close(self) -> None:
        """As :meth:`minidocker.Runtime.close`."""
        await in_thread(ENDING, self.blocking.close, certain=True)

    async def _made(self, spec: Dict[str, Any], by_size: bool) -> Container:
        make = self.blocking._created
        return Container(
            await in_thread(STARTING, make, spec, by_size, undo=lambda made: made.delete())
        )

    async def create(
        self, name: str | None, command: Command | None = None, **options: Unpack[Options]
    ) -> Container:
        """As :meth:`minidocker.Runtime.create`. If the task is cancelled, nothing is made."""
        spec = spec_json(_runtime.made_up_name() if name is None else name, command, **options)
        return await self._made(spec, "memory" in options)

    async def create_from(
        self, spec: Spec | Template, name: str, **changes: Unpack[Options]
    ) -> Container:
        """As :meth:`minidocker.Runtime.create_from`."""
        changed = _runtime.changed(spec, spec_json(name, **changes))
        return await self._made(changed, "memory" in changes)

    async def create_from_image(
        self,
        image: str,
        name: str,
        /,
        arguments: Sequence[str] | None = None,
        **changes: Unpack[Options],
    ) -> Container:
        """As :meth:`minidocker.Runtime.create_from_image`."""
        given = spec_json(name, **changes)
        spec = await call(self.blocking._image_spec, image, name, arguments)
        return await self._made(_runtime.changed(spec, given), "memory" in changes)

    async def import_(
        self, config: str | bytes | Mapping[str, Any], name: str | None = None
    ) -> Container:
        """As :meth:`minidocker.Runtime.import_`."""
        make = self.blocking.import_
        return Container(
            await in_thread(STARTING, make, config, name, undo=lambda made: made.delete())
        )

    async def check(
        self, name: str, command: Command | None = None, **options: Unpack[Options]
    ) -> None:
        """As :meth:`minidocker.Runtime.check`."""
        spec = spec_json(name, command, **options)
        await call(self.blocking._check, spec, "memory" in options)

    async def get(self, name: str) -> Container:
        """As :meth:`minidocker.Runtime.get`."""
        return Container(await in_thread(READING, self.blocking.get, name))

    async def list(self) -> List[Container]:
        """As :meth:`minidocker.Runtime.list`."""
        return [Container(each) for each in await in_thread(READING, self.blocking.list)]

    async def stats(self) -> List[ContainerStats]:
        """As :meth:`minidocker.Runtime.stats`."""
        return await call(self.blocking.stats)

    def events(self, since: int | None = None) -> Events:
        """As :meth:`minidocker.Runtime.events`; each event is awaited."""
        return Events(self.blocking.events(since))

    async def disk_usage(self) -> DiskUsage:
        """As :meth:`minidocker.Runtime.disk_usage`."""
        return await call(self.blocking.disk_usage)

    async def prune(self) -> Pruned:
        """As :meth:`minidocker.Runtime.prune`."""
        return await call(self.blocking.prune)

    async def recover(self) -> List[Recovered]:
        """As :meth:`minidocker.Runtime.recover`."""
        return await call(self.blocking.recover)

    async def revive(self) -> List[Revived]:
        """As :meth:`minidocker.Runtime.revive`."""
        return await call(self.blocking.revive)

    async def templates(self) -> List[Template]:
        """As :meth:`minidocker.Runtime.templates`."""
        return await call(self.blocking.templates)

    async def template(self, name: str) -> Template:
        """As :meth:`minidocker.Runtime.template`."""
        return await call(self.blocking.template, name)

    async def save_template(
        self,
        name: str,
        spec: Spec,
        *,
        title: str | None = None,
        description: str = "",
        replace: bool = False,
    ) -> Template:
        """As :meth:`minidocker.Runtime.save_template`."""
        return await call(
            self.blocking.save_template,
            name,
            spec,
            title=title,
            description=description,
            replace=replace,
        )

    async def delete_template(self, name: str) -> None:
        """As :meth:`minidocker.Runtime.delete_template`."""
        await call(self.blocking.delete_template, name)

    async def networks(self) -> List[Network]:
        """As :meth:`minidocker.Runtime.networks`."""
        return await call(self.blocking.networks)

    async def network(self, name: str) -> Network:
        """As :meth:`minidocker.Runtime.network`."""
        return await call(self.blocking.network, name)

    async def create_network(self, name: str, *, subnet: str | None = None) -> Network:
        """As :meth:`minidocker.Runtime.create_network`."""
        return await call(self.blocking.create_network, name, subnet=subnet)

    async def delete_network(self, name: str) -> None:
        """As :meth:`minidocker.Runtime.delete_network`."""
        await call(self.blocking.delete_network, name)

    async def images(self) -> List[Image]:
        """As :meth:`minidocker.Runtime.images`."""
        return await call(self.blocking.images)

    async def image(self, name: str) -> Image:
        """As :meth:`minidocker.Runtime.image`."""
        return await call(self.blocking.image, name)

    async def import_image(
        self,
        name: str,
        archive: Archive,
        *,
        max_bytes: int = ARCHIVE_LIMITS[0],
        max_entries: int = ARCHIVE_LIMITS[1],
    ) -> Image:
        """As :meth:`minidocker.Runtime.import_image`."""
        return await call(
            self.blocking.import_image,
            name,
            archive,
            max_bytes=max_bytes,
            max_entries=max_entries,
        )

    async def delete_image(self, name: str) -> None:
        """As :meth:`minidocker.Runtime.delete_image`."""
        await call(self.blocking.delete_image, name)

    async def containers_of_image(self, name: str) -> List[str]:
        """As :meth:`minidocker.Runtime.containers_of_image`."""
        return await call(self.blocking.containers_of_image, name)

    async def __aiter__(self) -> AsyncIterator[Container]:
        for container in await self.list():
            yield container

    async def __aenter__(self) -> Runtime:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return repr(self.blocking)
