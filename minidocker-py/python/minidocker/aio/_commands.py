"""``run`` and ``exec``: a command to its end."""

from __future__ import annotations

import asyncio
import contextlib
import select
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

from .._container import Container as BlockingContainer
from .._container import checked_exec
from .._exec import (
    KILL_TIME,
    KILLED,
    OUTPUT_LIMIT,
    ExecProcess,
    Kept,
    as_told,
    check_result,
    read_some,
)
from .._input import AsyncInput, Source, source_of
from .._poll import Deadline, seconds
from .._result import ExecResult, RunResult
from .._run import (
    TURN,
    attached_for_input,
    check_input,
    described,
    made_up_name,
    supervised_timeout,
)
from .._spec import Command, Options, checked_limit, spec_json
from .._typing import StrPath, Unpack
from .._words import Backend, Stream
from ._either import AnyContainer, AnyRuntime, blocking_container, blocking_runtime
from ._ready import any_ready, feeding
from ._threads import ENDING, READING, STARTING, in_thread


async def run(
    command: Command | None = None,
    *,
    runtime: AnyRuntime | None = None,
    name: str | None = None,
    input: AsyncInput | None = None,
    timeout: float | None = None,
    check: bool = False,
    output_limit: int = OUTPUT_LIMIT,
    **options: Unpack[Options],
) -> RunResult:
    """As :func:`minidocker.run`. If the task is cancelled, the container is removed.

    ``input`` may also be an ``asyncio.StreamReader`` or an asynchronous iterator of bytes or text.
    Other objects are read in a thread of their own, because nobody knows how long that takes.

    >>> import asyncio
    >>> import minidocker as md
    >>> asyncio.run(md.aio.run("wc -c", input=b"four")).stdout
    '4\\n'
    """
    source = source_of(input, asynchronous=True)
    seconds(timeout)
    checked_limit(output_limit)
    blocking = blocking_runtime(runtime)
    if source is not None:
        check_input(blocking)
        options["stdin_open"] = True
    supervised_timeout(options, timeout)
    spec = spec_json(name or made_up_name(), command, **options)
    container = await in_thread(
        STARTING, blocking._created, spec, "memory" in options, undo=_delete
    )
    try:
        await in_thread(STARTING, container.start)
        begun = time.monotonic()
        raw = await _collected(container, source, timeout, output_limit)
        isolated = blocking.backend.kind == Backend.LINUX
        result = RunResult._of(raw, time.monotonic() - begun, isolated)
    finally:
        await in_thread(ENDING, _delete, container, certain=True)
    if check:
        check_result(described(command), command, result)
    return result


def _delete(container: BlockingContainer) -> None:
    container.delete(force=True)


async def _collected(
    container: BlockingContainer, source: Source | None, timeout: float | None, limit: int
) -> dict[str, Any]:
    deadline = None if timeout is None else time.monotonic() + timeout
    collector = await in_thread(READING, container._inner.collector, limit)
    attached = None
    if source is not None:
        attached = await in_thread(STARTING, attached_for_input, container)
    feed = None if attached is None or source is None else attached._feed(source)

    async def gather() -> None:
        while True:
            state = await in_thread(READING, collector.read, TURN)
            if state == "ended":
                return
            if state == "waiting":
                await any_ready([(collector.fileno(), select.POLLIN)])

    async def give() -> None:
        while feed is not None:
            wanted = feed.waits_for()
            if wanted is None:
                return
            await any_ready([wanted])
            feed.advance()

    gathering = asyncio.ensure_future(gather())
    giving = asyncio.ensure_future(give())
    try:
        async with feeding(feed, source):
            # What is wrong with the input is wrong with the whole.
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            late = asyncio.ensure_future(asyncio.sleep(left)) if left is not None else None
            try:
                while not gathering.done():
                    waited = {gathering, *([late] if late else [])}
                    if not giving.done():
                        waited.add(giving)
                    await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
                    if giving.done():
                        giving.result()
                    if late is not None and late.done() and not gathering.done():
                        late = None
                        await in_thread(ENDING, collector.kill)
            finally:
                if late is not None:
                    late.cancel()
        gathering.result()
        return await in_thread(ENDING, collector.result)
    finally:
        for task in (gathering, giving):
            task.cancel()
        await asyncio.gather(gathering, giving, return_exceptions=True)
        if attached is not None:
            attached.close()


async def exec(
    container: AnyContainer,
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
    """As :meth:`minidocker.Container.exec`. If the task is cancelled, the command is killed.

    ``input`` may be what :func:`run` takes.
    """
    source = source_of(input, asynchronous=True)
    seconds(timeout)
    checked_limit(output_limit)
    begun, deadline = time.monotonic(), Deadline(timeout)
    blocking = blocking_container(container)
    asked = checked_exec(command, env, working_dir, user)
    start = blocking._exec_within
    beginning = in_thread(STARTING, start, asked, source is not None, deadline, undo=_close)
    try:
        # It may not get its turn in time either.
        process = await asyncio.wait_for(beginning, deadline.left())
    except asyncio.TimeoutError:
        process = None
    kept, timed_out, exit = Kept(output_limit), process is None, KILLED
    if process is not None:
        with process:
            try:
                await asyncio.wait_for(_to_the_end(process, source, kept), deadline.left())
            except asyncio.TimeoutError:
                timed_out = True
                process.kill()
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(_to_the_end(process, None, kept), KILL_TIME)
            exit = process.exit or KILLED
    result = ExecResult._of(as_told(exit, kept, timed_out), time.monotonic() - begun)
    if check:
        what = f"the command {command!r} in container {blocking.name!r}"
        check_result(what, command, result)
    return result


def _close(process: ExecProcess | None) -> None:
    if process is not None:
        process.close()


async def _to_the_end(process: ExecProcess, source: Source | None, kept: Kept) -> None:
    async for stream, chunk in chunks(process, source):
        kept.add(stream, chunk)


async def chunks(
    process: ExecProcess, source: Source | None
) -> AsyncIterator[tuple[Stream, bytes]]:
    """What a command writes, until it has ended, while it is given what it reads. What it left
    behind is not waited for."""
    sources = process._sources()
    feed = process._feed(source)
    async with feeding(feed, source):
        while process.exit is None:
            wanted = [(fd, select.POLLIN) for fd in (process.fileno(), *sources)]
            fed = None if feed is None else feed.waits_for()
            found = await any_ready([*wanted, *([fed] if fed else [])])
            if feed is not None and fed is not None and fed[0] in found:
                feed.advance()
            for chunk in read_some(sources):
                yield chunk
    for chunk in process._rest(sources):
        yield chunk
