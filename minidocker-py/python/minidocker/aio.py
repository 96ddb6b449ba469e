"""minidocker for ``asyncio``: functions that wait without a thread for each wait.

Everything takes the ordinary :class:`minidocker.Runtime` and :class:`minidocker.Container`. Ends,
logs, events and the output of commands are waited for on descriptors, by the event loop itself;
what takes milliseconds (starting, deleting) is done in a few threads.

>>> import asyncio
>>> import minidocker as md
>>> async def main():
...     results = await asyncio.gather(*(md.aio.run(f"echo {n}") for n in range(3)))
...     return [result.stdout.strip() for result in results]
>>> asyncio.run(main())
['0', '1', '2']
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import os
import secrets
import threading
import time
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import (
    TYPE_CHECKING,
    Any,
    Callable,
    Protocol,
    TypeVar,
)

from ._container import Container
from ._errors import TimeoutError
from ._exec import OUTPUT_LIMIT, ExecProcess, ExecResult, Result, check_result
from ._records import Event, ExitStatus, LogEntry
from ._run import RunResult, default_runtime
from ._runtime import Runtime
from ._spec import Command
from ._stats import Stats
from ._wire import decode, log_entry
from ._words import Stream

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ._spec import Options

T = TypeVar("T")
R = TypeVar("R", bound=Result)

__all__ = ["call", "events", "exec", "log_entries", "logs", "run", "stats", "wait"]

#: Starts and deletions are the kernel's work: more threads would only wait for each other.
_THREADS = 8


class _Pool:
    """The threads, made when they are first needed; a fork makes its own."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.threads: ThreadPoolExecutor | None = None

    def get(self) -> ThreadPoolExecutor:
        with self.lock:
            if self.threads is None:
                self.threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="minidocker-aio")
            return self.threads


_pool = _Pool()
os.register_at_fork(after_in_child=_pool.__init__)  # type: ignore[misc]


async def call(function: Callable[..., T], *arguments: Any, **keywords: Any) -> T:
    """Calls a blocking function, such as a container's method, in a thread.

    If the task is cancelled, what was begun is finished first: nothing goes on behind one's back.

    >>> import asyncio
    >>> import minidocker as md
    >>> asyncio.run(md.aio.call(md.run, "true")).ok
    True
    """
    loop = asyncio.get_running_loop()
    bound = functools.partial(function, *arguments, **keywords)
    future = loop.run_in_executor(_pool.get(), bound)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        await asyncio.wait([future])
        raise


async def run(
    command: Command | None = None,
    *,
    runtime: Runtime | None = None,
    name: str | None = None,
    timeout: float | None = None,
    check: bool = False,
    output_limit: int = OUTPUT_LIMIT,
    **options: Unpack[Options],
) -> RunResult:
    """As :func:`minidocker.run`. If the task is cancelled, the container is removed."""
    runtime = runtime or default_runtime()
    made = name or f"run-{secrets.token_hex(6)}"
    # Writes a few small files, and must not be cut off between being made and being known.
    container = runtime.create(made, command, **options)
    try:
        await call(container.start)
        result = await _collected(container, timeout, output_limit)
    finally:
        await call(container.delete, force=True)
    if check:
        check_result(f"the command {command!r}", result)
    return result


async def _collected(container: Container, timeout: float | None, output_limit: int) -> RunResult:
    begun = time.monotonic()
    kept: dict[str, bytearray] = {"stdout": bytearray(), "stderr": bytearray()}
    truncated = False
    following = container._inner.follow(container.logs()._choice)

    async def gather() -> None:
        nonlocal truncated
        async for _, stream, text, full in _batches(following, following.entries):
            into = kept.get(stream)
            if into is not None:
                line = text + b"\n" if full else text
                room = output_limit - len(into)
                truncated = truncated or len(line) > room
                into += line[:room]

    timed_out = False
    try:
        await asyncio.wait_for(gather(), timeout)
    except asyncio.TimeoutError:
        timed_out = True
        await call(container.stop, 0)
        await gather()
    exit = container.wait()
    return RunResult(
        exit.exit_code,
        exit.signal,
        exit.oom_killed,
        time.monotonic() - begun,
        bytes(kept["stdout"]),
        bytes(kept["stderr"]),
        timed_out,
        truncated or following.missed,
    )


async def wait(container: Container, timeout: float | None = None) -> ExitStatus:
    """As :meth:`minidocker.Container.wait`."""

    async def ended() -> None:
        # The log ends when the container does; what is in it does not matter here.
        following = container._inner.follow(container.logs(tail=0)._choice)
        async for _ in _batches(following, following.entries):
            pass

    try:
        await asyncio.wait_for(ended(), timeout)
    except asyncio.TimeoutError:
        message = f"container {container.name!r} did not end within {timeout} s"
        raise TimeoutError(message, "Allow more time, or kill it.") from None
    return await call(container.wait)


async def logs(
    container: Container,
    *,
    follow: bool = True,
    tail: int | None = None,
    since: datetime | None = None,
    stream: str | None = None,
) -> AsyncIterator[str]:
    """The lines of a container's output, as :meth:`minidocker.Container.logs` gives them."""
    chosen = container.logs(follow=follow, tail=tail, since=since, stream=stream)
    if not follow:
        lines: list[str] = await call(lambda: [*chosen])
        for line in lines:
            yield line
        return
    following = container._inner.follow(chosen._choice)
    async for line in _batches(following, following.lines):
        yield line


async def log_entries(
    container: Container, *, tail: int | None = None, since: datetime | None = None
) -> AsyncIterator[LogEntry]:
    """The entries of a container's log with times and streams, followed to its end."""
    chosen = container.logs(tail=tail, since=since)
    following = container._inner.follow(chosen._choice)
    async for parts in _batches(following, following.entries):
        yield log_entry(parts)


async def events(runtime: Runtime | None = None, since: int | None = None) -> AsyncIterator[Event]:
    """What happens on a root, as :meth:`minidocker.Runtime.events` gives it."""
    inner = (runtime or default_runtime())._inner.events(since)
    async for raw in _batches(inner, inner.batch):
        yield decode(Event, raw)


async def stats(container: Container, interval: float = 1.0) -> AsyncIterator[Stats]:
    """Samples every ``interval`` seconds, the first at once, until the container has ended."""
    last: Stats | None = None
    due = time.monotonic()
    while True:
        sample = await call(container.stats)
        if last is not None:
            cpu = dataclasses.replace(sample.cpu, percent=sample.cpu_percent_since(last))
            sample = dataclasses.replace(sample, cpu=cpu)
        yield sample
        if not sample.status.is_alive:
            return
        last = sample
        # The grid stays where it was, however slow the reader is.
        due = max(due + interval, time.monotonic())
        await asyncio.sleep(due - time.monotonic())


async def exec(
    container: Container,
    command: Command,
    *,
    env: Mapping[str, str] | None = None,
    working_dir: str | None = None,
    user: int | str | None = None,
    timeout: float | None = None,
    check: bool = False,
    output_limit: int = OUTPUT_LIMIT,
) -> ExecResult:
    """As :meth:`minidocker.Container.exec`. If the task is cancelled, the command is killed."""
    begun = time.monotonic()
    process = await call(container.exec_start, command, env=env, working_dir=working_dir, user=user)
    with process:
        output = _ProcessOutput(process, output_limit)
        timed_out = False
        try:
            await asyncio.wait_for(output.gather(), timeout)
        except asyncio.TimeoutError:
            timed_out = True
            process.kill()
            await output.gather()
        exit = await call(process.wait)
    result = ExecResult(
        exit.exit_code,
        exit.signal,
        exit.oom_killed,
        time.monotonic() - begun,
        bytes(output.kept[Stream.STDOUT]),
        bytes(output.kept[Stream.STDERR]),
        timed_out,
        output.truncated,
    )
    if check:
        check_result(f"the command {command!r} in container {container.name!r}", result)
    return result


class _ProcessOutput:
    """What a command writes, until it has ended."""

    def __init__(self, process: ExecProcess, limit: int) -> None:
        assert process.stdout is not None
        assert process.stderr is not None
        self.process = process
        self.limit = limit
        self.sources = {
            process.stdout.fileno(): Stream.STDOUT,
            process.stderr.fileno(): Stream.STDERR,
        }
        self.kept = {Stream.STDOUT: bytearray(), Stream.STDERR: bytearray()}
        self.truncated = False
        for fd in self.sources:
            os.set_blocking(fd, False)

    async def gather(self) -> None:
        """Reads until the command has ended; what it left behind is not waited for."""
        while self.process.exit is None:
            await _any_readable([*self.sources, self.process.fileno()])
            self._read()
        while self._read():
            pass

    def _read(self) -> bool:
        some = False
        for fd, stream in list(self.sources.items()):
            try:
                chunk = os.read(fd, 1 << 16)
            except BlockingIOError:
                continue
            if not chunk:
                del self.sources[fd]
                continue
            some = True
            into = self.kept[stream]
            room = self.limit - len(into)
            self.truncated = self.truncated or len(chunk) > room
            into += chunk[:room]
        return some


class _Source(Protocol):
    """What has a descriptor that is readable when it is worth asking."""

    def fileno(self) -> int: ...


async def _batches(
    source: _Source, ask: Callable[[float | None], list[T] | None]
) -> AsyncIterator[T]:
    """Each item of a stream, to its end."""
    while True:
        batch = ask(0)
        if batch is None:
            return
        for item in batch:
            yield item
        if batch:
            # Let others have their turn, however much there is to read.
            await asyncio.sleep(0)
        else:
            await _any_readable([source.fileno()])


async def _any_readable(fds: list[int]) -> None:
    loop = asyncio.get_running_loop()
    ready = loop.create_future()

    def wake() -> None:
        if not ready.done():
            ready.set_result(None)

    with contextlib.ExitStack() as readers:
        for fd in fds:
            # The loop would forget another reader of the same descriptor: ours is our own.
            own = os.dup(fd)
            readers.callback(os.close, own)
            loop.add_reader(own, wake)
            readers.callback(loop.remove_reader, own)
        await ready
