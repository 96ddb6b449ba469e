"""What is waited for: ends, logs, events and stats."""

from __future__ import annotations

import dataclasses
import time
from asyncio import sleep
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Literal

from .._container import Logs
from .._records import Event, ExitStatus, LogEntry
from .._stats import Stats
from .._wire import decode, log_entry
from .._words import Stream
from ._either import AnyContainer, AnyRuntime, blocking_container, blocking_runtime
from ._ready import items, within
from ._threads import ENDING, READING, in_thread


async def wait(container: AnyContainer, timeout: float | None = None) -> ExitStatus:
    """As :meth:`minidocker.Container.wait`."""
    blocking = blocking_container(container)

    async def ended() -> None:
        # The log ends when the container does; what is in it does not matter here.
        chosen = blocking.logs(tail=0)._choice
        following = await in_thread(READING, blocking._inner.follow, chosen)
        async for _ in items(following, following.entries):
            pass

    await within(f"container {blocking.name!r} did not end", timeout, ended)
    return await in_thread(ENDING, blocking.wait)


def logs(
    container: AnyContainer,
    *,
    follow: bool = True,
    tail: int | None = None,
    since: datetime | None = None,
    stream: Literal["stdout", "stderr"] | Stream | None = None,
) -> AsyncIterator[str]:
    """The lines of a container's output, as :meth:`minidocker.Container.logs` gives them."""
    blocking = blocking_container(container)
    return lines_of(blocking.logs(follow=follow, tail=tail, since=since, stream=stream))


def log_entries(
    container: AnyContainer,
    *,
    follow: bool = True,
    tail: int | None = None,
    since: datetime | None = None,
    stream: Literal["stdout", "stderr"] | Stream | None = None,
) -> AsyncIterator[LogEntry]:
    """The entries of a container's log with times and streams, followed to its end."""
    blocking = blocking_container(container)
    return entries_of(blocking.logs(follow=follow, tail=tail, since=since, stream=stream))


async def lines_of(logs: Logs) -> AsyncIterator[str]:
    """The lines of the output."""
    if not logs._follow:
        for line in await in_thread(READING, logs._inner.log_lines, logs._choice):
            yield line
        return
    following = await in_thread(READING, logs._inner.follow, logs._choice)
    async for line in items(following, following.lines):
        yield line


async def entries_of(logs: Logs) -> AsyncIterator[LogEntry]:
    """The entries."""
    if not logs._follow:
        for parts in await in_thread(READING, logs._inner.log_entries, logs._choice):
            yield log_entry(parts)
        return
    following = await in_thread(READING, logs._inner.follow, logs._choice)
    async for parts in items(following, following.entries):
        yield log_entry(parts)


async def events(
    runtime: AnyRuntime | None = None, since: int | None = None
) -> AsyncIterator[Event]:
    """What happens on a root, as :meth:`minidocker.Runtime.events` gives it."""
    inner = blocking_runtime(runtime)._inner.events(since)
    async for raw in items(inner, inner.batch):
        yield decode(Event, raw)


async def stats(container: AnyContainer, interval: float = 1.0) -> AsyncIterator[Stats]:
    """Samples every ``interval`` seconds, the first at once, until the container has ended."""
    blocking = blocking_container(container)
    last: Stats | None = None
    due = time.monotonic()
    while True:
        sample = await in_thread(READING, blocking.stats)
        if last is not None:
            sample = with_percent(sample, last)
        yield sample
        if not sample.status.is_alive:
            return
        last = sample
        # The grid stays where it was, however slow the reader is.
        due = max(due + interval, time.monotonic())
        await sleep(due - time.monotonic())


def with_percent(sample: Stats, earlier: Stats) -> Stats:
    """A sample with the CPU percentage since another."""
    cpu = dataclasses.replace(sample.cpu, percent=sample.cpu_percent_since(earlier))
    return dataclasses.replace(sample, cpu=cpu)
