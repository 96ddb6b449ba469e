"""The threads of :mod:`minidocker.aio`, for what has no descriptor to wait on.

Each kind of work has its own, so that none waits behind another: a timeout must be kept although
every thread that starts containers is busy, and whatever users call must not hold up our own.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, TypeVar

T = TypeVar("T")


class Pool:
    """Threads that are made when they are first needed; a fork makes its own."""

    def __init__(self, name: str, most: int) -> None:
        self._name = f"minidocker-{name}"
        self._most = most
        self._reset()
        os.register_at_fork(after_in_child=self._reset)

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._threads: ThreadPoolExecutor | None = None

    def get(self) -> ThreadPoolExecutor:
        """The threads."""
        with self._lock:
            if self._threads is None:
                self._threads = ThreadPoolExecutor(self._most, thread_name_prefix=self._name)
            return self._threads


#: Making and starting is the kernel's work: more threads would only wait for each other.
STARTING = Pool("start", 4)
#: Killing and deleting.
ENDING = Pool("end", 4)
#: Stopping, which may take all the time that the command was given to end: nothing that is quick
#: waits behind it.
STOPPING = Pool("stop", 16)
#: Reading what is there already, in short turns.
READING = Pool("read", 4)
#: Whatever users call, which may take long.
CALLING = Pool("call", 8)


async def in_thread(
    pool: Pool,
    function: Callable[..., T],
    *arguments: Any,
    undo: Callable[[T], object] | None = None,
    certain: bool = False,
    **keywords: Any,
) -> T:
    """Calls a function in a thread of a pool.

    If the task is cancelled, what was begun is finished first (and then undone): nothing goes on
    behind one's back. What was not begun is left undone, unless it is ``certain``: nobody else
    would remove what a cancelled task has made.
    """
    job = pool.get().submit(functools.partial(function, *arguments, **keywords))
    waiting = asyncio.wrap_future(job)
    try:
        return await asyncio.shield(waiting)
    except asyncio.CancelledError:
        if not certain and job.cancel():  # not begun yet
            raise
        while not waiting.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([waiting])
        if waiting.exception() is None and undo is not None:
            await in_thread(ENDING, undo, waiting.result(), certain=True)
        raise


async def call(function: Callable[..., T], /, *arguments: Any, **keywords: Any) -> T:
    """Calls a blocking function in a thread: one of eight that do nothing else.

    If the task is cancelled, what was begun is finished first: nothing goes on behind one's back.

    >>> import asyncio
    >>> import minidocker as md
    >>> asyncio.run(md.aio.call(md.run, "true")).ok
    True
    """
    return await in_thread(CALLING, function, *arguments, **keywords)
