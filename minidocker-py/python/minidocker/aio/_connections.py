"""Events, commands and connections that go on, each waited for on its descriptor."""

from __future__ import annotations

import asyncio
import codecs
import io
import os
import select
from collections.abc import AsyncIterator
from types import TracebackType

from .. import _exec, _runtime
from .._errors import TimeoutError
from .._exec import Lines, Output, read_some
from .._input import CHUNK, AsyncInput, Source, source_of
from .._poll import Deadline
from .._records import Event, ExitStatus
from .._typing import BytesLike
from .._words import Stream
from ._commands import chunks
from ._ready import any_ready
from ._threads import READING, in_thread


async def _readable(fd: int, deadline: Deadline) -> bool:
    try:
        await asyncio.wait_for(any_ready([(fd, select.POLLIN)]), deadline.left())
    except asyncio.TimeoutError:
        return False
    return True


class Events:
    """What happens on a root: :class:`minidocker.Events`, awaited."""

    def __init__(self, blocking: _runtime.Events) -> None:
        self._events = blocking

    def fileno(self) -> int:
        """A descriptor that is readable when it is worth asking for the next event."""
        return self._events.fileno()

    async def next(self, timeout: float | None = None) -> Event:
        """The next event.

        Raises :class:`TimeoutError` if there is none within ``timeout`` seconds, and
        ``StopAsyncIteration`` when the root folder was removed.
        """
        deadline = Deadline(timeout)
        while True:
            try:
                event = await in_thread(READING, self._events._next, 0)
            except TimeoutError:
                if await _readable(self.fileno(), deadline):
                    continue
                raise TimeoutError(f"no event within {timeout} s", "Allow more time.") from None
            if event is None:
                raise StopAsyncIteration
            return event

    def __aiter__(self) -> Events:
        return self

    async def __anext__(self) -> Event:
        return await self.next()

    def close(self) -> None:
        """Stops listening."""
        self._events.close()

    async def __aenter__(self) -> Events:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return repr(self._events)


class ExecProcess:
    """A command that runs in a container beside its first: :class:`minidocker.ExecProcess`,
    awaited. ``blocking`` is the ordinary handle.

    ``async for`` gives its output, line by line, as it comes; afterwards ``exit_code`` is there.
    Leaving an ``async with`` block kills it, unless it was detached.
    """

    def __init__(self, blocking: _exec.ExecProcess) -> None:
        #: The ordinary handle, whose streams are the command's.
        self.blocking: _exec.ExecProcess = blocking
        self._sources: dict[int, Stream] | None = None
        self._ready: list[Output] = []
        # A piece may end within a character, whose rest is in the next.
        decoder = codecs.getincrementaldecoder("utf-8")
        self._decoders = {each: decoder("replace") for each in (Stream.STDOUT, Stream.STDERR)}

    @property
    def pid(self) -> int:
        """Its pid as the host sees it."""
        return self.blocking.pid

    @property
    def exit(self) -> ExitStatus | None:
        """How it ended; None as long as it runs."""
        return self.blocking.exit

    @property
    def exit_code(self) -> int | None:
        """Its exit code; None as long as it runs."""
        return self.blocking.exit_code

    def fileno(self) -> int:
        """A descriptor that is readable once it has ended."""
        return self.blocking.fileno()

    async def wait(self, timeout: float | None = None) -> ExitStatus:
        """As :meth:`minidocker.ExecProcess.wait`."""
        deadline = Deadline(timeout)
        while self.exit is None:
            if not await _readable(self.fileno(), deadline):
                why = f"the command did not finish within {timeout} s"
                raise TimeoutError(why, "Allow more time, or kill it.")
        return self.blocking.wait(0)

    async def communicate(
        self, input: AsyncInput | None = None, timeout: float | None = None
    ) -> tuple[bytes, bytes]:
        """As :meth:`minidocker.ExecProcess.communicate`."""
        source = source_of(input, asynchronous=True)
        if source is not None and self.blocking.stdin is None:
            raise ValueError("the command has no input: start it with stdin=True")
        gathered: dict[Stream, list[bytes]] = {Stream.STDOUT: [], Stream.STDERR: []}

        async def gather() -> None:
            async for stream, chunk in chunks(self.blocking, source or Source()):
                gathered[stream].append(chunk)

        try:
            await asyncio.wait_for(gather(), timeout)
        except asyncio.TimeoutError:
            raise TimeoutError("the command did not finish in time", "Kill it.") from None
        return b"".join(gathered[Stream.STDOUT]), b"".join(gathered[Stream.STDERR])

    async def __aiter__(self) -> AsyncIterator[Output]:
        lines = Lines()
        async for stream, chunk in chunks(self.blocking, None):
            for line in lines.add(stream, chunk):
                yield line
        for line in lines.rest():
            yield line

    async def read(self, timeout: float | None = None) -> Output | None:
        """The next piece of its output (of its terminal, if it has one); None at the end.

        Raises :class:`TimeoutError` if there is none within ``timeout`` seconds.
        """
        deadline = Deadline(timeout)
        if self._sources is None:
            self._sources = self.blocking._sources()
        while not self._ready:
            ended = self.exit is not None
            some = list(read_some(self._sources))
            self._add(some, final=False)
            if self._ready:
                break
            if not some and (ended or not self._sources):
                self._add([(each, b"") for each in self._decoders], final=True)
                if not self._ready:
                    return None
                break
            if some:
                continue
            wanted = [(fd, select.POLLIN) for fd in (self.fileno(), *self._sources)]
            try:
                await asyncio.wait_for(any_ready(wanted), deadline.left())
            except asyncio.TimeoutError:
                raise TimeoutError(f"no output within {timeout} s", "Allow more time.") from None
        return self._ready.pop(0)

    def _add(self, pieces: list[tuple[Stream, bytes]], *, final: bool) -> None:
        for stream, chunk in pieces:
            if text := self._decoders[stream].decode(chunk, final=final):
                self._ready.append(Output(stream, text))

    async def write(self, text: str | BytesLike) -> None:
        """Writes to its input, or types on its terminal; waits while it does not read.

        Raises ``ValueError`` if it has neither, and ``OSError`` if it does not read any more.
        """
        target = self.blocking.stdin or self.blocking.terminal
        if target is None:
            raise ValueError("the command has no input: start it with stdin=True")
        fd = target.fileno()
        os.set_blocking(fd, False)
        data = memoryview(text.encode() if isinstance(text, str) else text).cast("B")
        while data:
            await any_ready([(fd, select.POLLOUT)])
            try:
                data = data[os.write(fd, data[:CHUNK]) :]
            except BlockingIOError:
                continue

    def close_input(self) -> None:
        """The end of its input."""
        if self.blocking.stdin is not None:
            self.blocking.stdin.close()

    def resize(self, rows: int, columns: int) -> None:
        """Sets the size of its terminal.

        Raises ``ValueError`` if it has none.
        """
        if self.blocking.terminal is None:
            raise io.UnsupportedOperation("the command has no terminal: start it with tty=True")
        self.blocking.terminal.resize(rows, columns)

    def signal(self, signal: int | str) -> None:
        """As :meth:`minidocker.ExecProcess.signal`."""
        self.blocking.signal(signal)

    def kill(self) -> None:
        """Kills it and every process of its group."""
        self.blocking.kill()

    def terminate(self) -> None:
        """Asks it to end: SIGTERM."""
        self.blocking.terminate()

    def detach(self) -> None:
        """Lets it run without us; how it ends will not be known."""
        self.blocking.detach()

    def close(self) -> None:
        """Kills it if it runs and was not detached, and closes its streams."""
        self.blocking.close()

    async def __aenter__(self) -> ExecProcess:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return repr(self.blocking)


class Attached:
    """A connection to the command of a running container: :class:`minidocker.Attached`, awaited.

    ``async for`` gives its output from now on, piece by piece, until it ends.
    """

    def __init__(self, blocking: _exec.Attached) -> None:
        self._attached = blocking

    @property
    def missed(self) -> int:
        """How many bytes of output were not read in time and left out. The log has them."""
        return self._attached.missed

    def fileno(self) -> int:
        """A descriptor that is readable when there is output, or the end."""
        return self._attached.fileno()

    async def read(self, timeout: float | None = None) -> Output | None:
        """As :meth:`minidocker.Attached.read`."""
        deadline = Deadline(timeout)
        while True:
            if not await _readable(self.fileno(), deadline):
                raise TimeoutError(f"no output within {timeout} s", "Allow more time.")
            try:
                return self._attached.read(0)
            except TimeoutError:  # only told that some was missed
                continue

    async def __aiter__(self) -> AsyncIterator[Output]:
        while True:
            piece = await self.read()
            if piece is None:
                return
            yield piece

    async def write(self, text: str | BytesLike) -> None:
        """As :meth:`minidocker.Attached.write`."""
        data = memoryview(text.encode() if isinstance(text, str) else text).cast("B")
        while data:
            await any_ready([(self.fileno(), select.POLLOUT)])
            data = data[self._attached._write_some(data) :]

    def close_input(self) -> None:
        """As :meth:`minidocker.Attached.close_input`."""
        self._attached.close_input()

    def resize(self, rows: int, columns: int) -> None:
        """As :meth:`minidocker.Attached.resize`."""
        self._attached.resize(rows, columns)

    def close(self) -> None:
        """Detaches. The container goes on."""
        self._attached.close()

    async def __aenter__(self) -> Attached:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return repr(self._attached)
