"""Waiting for descriptors, by the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
from collections.abc import AsyncIterator, Iterable
from typing import Callable, Protocol, TypeVar

from .._errors import TimeoutError
from .._input import Feed, Handover, Source
from ._threads import READING, in_thread

T = TypeVar("T")


async def any_ready(wanted: Iterable[tuple[int, int]]) -> set[int]:
    """Waits until one of these descriptors has what is waited for there (``select.POLLIN`` or
    ``POLLOUT``). Which have it, or an error, or their end."""
    loop = asyncio.get_running_loop()
    found: set[int] = set()
    woken = loop.create_future()

    def wake(fd: int) -> None:
        found.add(fd)
        if not woken.done():
            woken.set_result(None)

    with contextlib.ExitStack() as watched:
        for fd, events in wanted:
            # The loop would forget another watcher of the same descriptor: ours is our own.
            own = os.dup(fd)
            watched.callback(os.close, own)
            if events == select.POLLIN:
                loop.add_reader(own, wake, fd)
                watched.callback(loop.remove_reader, own)
            else:
                loop.add_writer(own, wake, fd)
                watched.callback(loop.remove_writer, own)
        await woken
    return found


async def within(what: str, timeout: float | None, waiting: Callable[[], object]) -> None:
    """Waits at most so many seconds. Raises our own :class:`TimeoutError`."""
    try:
        await asyncio.wait_for(waiting(), timeout)  # type: ignore[arg-type]
    except asyncio.TimeoutError:
        raise TimeoutError(f"{what} within {timeout} s", "Allow more time, or kill it.") from None


class Stream(Protocol):
    """What has a descriptor that is readable when it is worth asking."""

    def fileno(self) -> int: ...


async def items(source: Stream, ask: Callable[[float | None], list[T] | None]) -> AsyncIterator[T]:
    """Each item of a stream, to its end. It is read by other threads, so that the loop turns
    however much there is to read."""
    while True:
        batch = await in_thread(READING, ask, 0)
        if batch is None:
            return
        for item in batch:
            yield item
        if not batch:
            await any_ready([(source.fileno(), select.POLLIN)])


@contextlib.asynccontextmanager
async def feeding(feed: Feed | None, source: Source | None) -> AsyncIterator[None]:
    """Reads what only an event loop can read, as long as the block lasts."""
    pump = None
    if feed is not None and source is not None and source.pieces_later is not None:
        assert feed.handover is not None
        pump = asyncio.ensure_future(_pump(feed.handover, source.pieces_later()))
    try:
        yield
    finally:
        if feed is not None:
            feed.stop()
        if pump is not None:
            pump.cancel()
            await asyncio.gather(pump, return_exceptions=True)


async def _pump(handover: Handover, pieces: AsyncIterator[bytes]) -> None:
    taken = asyncio.Event()
    handover.on_taken = taken.set
    try:
        async for piece in pieces:
            # Empty ones say nothing, and would be taken for the end.
            if piece and not handover.put(piece):
                return
            if piece:
                await taken.wait()
                taken.clear()
        handover.put(None)
    except Exception as error:
        handover.put(error)
