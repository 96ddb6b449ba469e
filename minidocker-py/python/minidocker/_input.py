"""``input=``: what a command reads, whatever it is given as."""

from __future__ import annotations

import collections
import contextlib
import inspect
import io
import os
import select
import socket
import threading
from collections.abc import AsyncIterable, AsyncIterator, Generator, Iterator
from typing import Any, Callable, Union

from ._poll import ready
from ._typing import BytesLike, Readable

#: What a command can be given to read: text, bytes, or something to read them from (a file, a
#: pipe, a socket, a generator), which is read while the command runs.
Input = Union[str, BytesLike, Readable[Union[str, bytes]], Iterator[Union[str, bytes]]]

#: The same for :mod:`minidocker.aio`: also what is read with ``await`` or ``async for``.
AsyncInput = Union[Input, AsyncIterable[Union[str, bytes]]]

#: So much is read and written at once.
CHUNK = 32 << 10

_ADVICE = (
    "give str, bytes, or what they can be read from: an open file (open(path, 'rb')), a pipe, a "
    "socket, or a generator"
)


class Stopped(Exception):
    """What is read is not wanted any more."""


class Stop:
    """Has a thread leave its wait for something to read."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._readable, self._writable = os.pipe()
        self._closed = False

    def wait_for(self, fd: int) -> None:
        """Waits until a descriptor is readable. Raises :class:`Stopped`."""
        wanted = [(fd, select.POLLIN), (self._readable, select.POLLIN)]
        if self._readable in ready(wanted, None):
            raise Stopped

    def stop(self) -> None:
        """Ends the wait, and every later one."""
        with self._lock:
            if not self._closed:
                # A close would not do: a process that was forked meanwhile has the pipe too.
                os.write(self._writable, b".")

    def close(self) -> None:
        """For the thread, which waits for nothing more."""
        with self._lock:
            self._closed = True
            os.close(self._readable)
            os.close(self._writable)


class Source:
    """What a command reads, before anybody reads it."""

    def __init__(
        self,
        whole: bytes = b"",
        pieces: Callable[[Stop], Iterator[bytes]] | None = None,
        pieces_later: Callable[[], AsyncIterator[bytes]] | None = None,
        stoppable: bool = False,
    ) -> None:
        #: All of it, where it is in memory.
        self.whole = whole
        #: Reads it piece by piece, and may wait.
        self.pieces = pieces
        #: Reads it piece by piece, on an event loop.
        self.pieces_later = pieces_later
        #: Whether reading it piece by piece ends when it is told to stop.
        self.stoppable = stoppable

    @property
    def is_whole(self) -> bool:
        """Whether nothing has to be read."""
        return self.pieces is None and self.pieces_later is None


def source_of(input: Any, *, asynchronous: bool = False) -> Source | None:
    """Decides how ``input`` is read. Raises ``TypeError`` for what is no input."""
    if input is None:
        return None
    if isinstance(input, str):
        return Source(_encoded(input))
    try:
        return Source(memoryview(input).tobytes())
    except TypeError:
        pass
    if isinstance(input, type):
        raise TypeError(f"input: the class {input.__name__!r} is refused: {_ADVICE}")
    for name in ("read1", "read", "recv"):
        method = getattr(input, name, None)
        if callable(method):
            return _from_reader(input, method, asynchronous)
    if hasattr(input, "__anext__") or hasattr(input, "__aiter__"):
        if asynchronous:
            return Source(pieces_later=lambda: _pieces_of_async(input))
        raise TypeError("input: an asynchronous iterator is read by minidocker.aio only")
    if hasattr(input, "__next__"):
        return Source(pieces=lambda _: map(_as_bytes, input))
    raise TypeError(f"input: {type(input).__name__!r} is refused: {_ADVICE}")


def _from_reader(input: Any, method: Callable[[int], Any], asynchronous: bool) -> Source:
    if isinstance(input, io.IOBase) and not input.readable():
        raise TypeError(f"input: {input!r} is refused: it is not open for reading")
    if not inspect.iscoroutinefunction(method):
        raw = _raw_below(input)
        waits = raw is not None or _waits_for_descriptor(input)

        def pieces(stop: Stop) -> Iterator[bytes]:
            if raw is not None:
                return _pieces_of_buffered(raw, input, method, stop)
            return _pieces_of_reader(input, method, stop, waits)

        return Source(pieces=pieces, stoppable=waits)
    if not asynchronous:
        raise TypeError(
            f"input: {type(input).__name__!r} has an asynchronous read, which only minidocker.aio "
            "can wait for"
        )
    return Source(pieces_later=lambda: _pieces_of_async_reader(method))


def _waits_for_descriptor(input: Any) -> bool:
    """Whether a read of it waits for its descriptor, and for nothing else."""
    if isinstance(input, socket.socket):
        return input.gettimeout() is None
    return isinstance(input, io.FileIO)


def _raw_below(input: Any) -> io.FileIO | None:
    """The file below the buffers of an ordinary open file."""
    if isinstance(input, io.TextIOWrapper):
        input = input.buffer
    raw = input.raw if isinstance(input, io.BufferedReader) else None
    # One that was given a way to read already is being read elsewhere, or is not ordinary.
    return raw if isinstance(raw, io.FileIO) and "readinto" not in vars(raw) else None


def _pieces_of_buffered(
    raw: io.FileIO, input: Any, read: Callable[[int], Any], stop: Stop
) -> Iterator[bytes]:
    """A buffer has a lock, which a read holds while it waits: closing the file, as Python does at
    its exit with standard input, would wait for that, or be a fatal error. So the wait is in front
    of the file's own read. In front of the buffer's it would overlook what is in the buffer."""
    reader = threading.get_ident()

    def readinto(buffer: Any) -> int | None:
        # Whoever else reads it, in a fork of the process too, has nothing to do with us.
        if threading.get_ident() == reader:
            stop.wait_for(raw.fileno())
        return type(raw).readinto(raw, buffer)

    vars(raw)["readinto"] = readinto
    try:
        yield from _pieces_of_reader(input, read, stop)
    finally:
        vars(raw).pop("readinto", None)


def _pieces_of_reader(
    input: Any, read: Callable[[int], Any], stop: Stop, waits: bool = False
) -> Iterator[bytes]:
    while True:
        if waits:
            stop.wait_for(input.fileno())
        try:
            piece = read(CHUNK)
        except BlockingIOError:
            piece = None
        if piece is None:  # it does not wait itself
            stop.wait_for(input.fileno())
            continue
        data = _as_bytes(piece)
        if not data:
            return
        yield data


async def _pieces_of_async_reader(read: Callable[[int], Any]) -> AsyncIterator[bytes]:
    while True:
        data = _as_bytes(await read(CHUNK))
        if not data:
            return
        yield data


async def _pieces_of_async(input: Any) -> AsyncIterator[bytes]:
    async for piece in input:
        yield _as_bytes(piece)


def _as_bytes(piece: Any) -> bytes:
    if isinstance(piece, str):
        return _encoded(piece)
    try:
        return memoryview(piece).tobytes()
    except TypeError:
        kind = type(piece).__name__
        raise TypeError(f"input: what is read must be str or bytes, and is {kind!r}") from None


def _encoded(text: str) -> bytes:
    # What `os.fsdecode` made of bytes that are no text becomes these bytes again.
    return text.encode(errors="surrogateescape")


class Handover:
    """Pieces from whoever reads them, one at a time, to whoever writes them.

    The descriptor is readable when there is one, or the end. So the writer waits for it as for
    everything else, and never for the reader, who may never come back from its reading.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._free = threading.Semaphore(1)
        #: Called when another piece is wanted, or nothing any more.
        self.on_taken: Callable[[], object] = self._free.release
        self._pieces: collections.deque[bytes | BaseException | None] = collections.deque()
        self._readable, self._writable = os.pipe()
        self._closed = False

    def fileno(self) -> int:
        """Readable when :meth:`take` has something."""
        return self._readable

    def put(self, piece: bytes | BaseException | None) -> bool:
        """Gives a piece, what the reading raised, or None for the end. False if nobody wants it."""
        with self._lock:
            if not self._closed:
                self._pieces.append(piece)
                os.write(self._writable, b".")
            return not self._closed

    def wait_until_taken(self) -> None:
        """Waits until the writer asks for another piece."""
        self._free.acquire()

    def take(self) -> bytes | None:
        """The next piece, which must be there; None at the end. Raises what the reading raised."""
        os.read(self._readable, 1)
        piece = self._pieces.popleft()
        if isinstance(piece, BaseException):
            raise piece
        self.on_taken()
        return piece

    def close(self) -> None:
        """Nothing more is wanted."""
        with self._lock:
            if not self._closed:
                self._closed = True
                os.close(self._readable)
                os.close(self._writable)
        self.on_taken()


#: A reader that can be stopped needs no more than a moment for it, unless somebody else took what
#: it was told that there was.
_STOP_TIME = 1.0


class Reading:
    """Reads an input in a thread, until its end or :meth:`stop`."""

    def __init__(self, source: Source, handover: Handover) -> None:
        assert source.pieces is not None
        self._stoppable = source.stoppable
        self._stop: Stop | None = Stop()
        self._thread = threading.Thread(
            target=_read_into,
            args=(handover, source.pieces, self._stop),
            name="minidocker-input",
            daemon=True,
        )
        self._thread.start()

    def stop(self) -> None:
        """Nothing more is wanted. A reader that waits for a descriptor ends at once, and is waited
        for; another ends with what it is reading, which may take for ever."""
        if self._stop is not None:
            self._stop.stop()
            self._stop = None
            if self._stoppable:
                self._thread.join(_STOP_TIME)


def _read_into(handover: Handover, read: Callable[[Stop], Iterator[bytes]], stop: Stop) -> None:
    pieces = read(stop)
    try:
        handover.wait_until_taken()
        for piece in pieces:
            # Empty ones say nothing, and would be taken for the end.
            if piece and not handover.put(piece):
                return
            if piece:
                handover.wait_until_taken()
        handover.put(None)
    except Stopped:
        pass
    except BaseException as error:
        handover.put(error)
    finally:
        if isinstance(pieces, Generator):
            pieces.close()
        stop.close()


class Feed:
    """What a command reads, on its way there. Nothing here waits: whoever has a feed waits for
    its descriptor beside those of the output, and then calls :meth:`advance`.
    """

    def __init__(
        self,
        source: Source,
        target: int,
        write: Callable[[memoryview], int],
        close: Callable[[], None],
    ) -> None:
        self._target = target
        self._write = write
        self._close = close
        self._pending = memoryview(source.whole)
        #: Where pieces come from, until the end.
        self.handover: Handover | None = None
        self._reading: Reading | None = None
        self._ended = False
        if not source.is_whole:
            self.handover = Handover()
        if source.pieces is not None:
            assert self.handover is not None
            self._reading = Reading(source, self.handover)
        if not self._pending and self.handover is None:
            self._end()

    def waits_for(self) -> tuple[int, int] | None:
        """A descriptor and what it waits for there (``select.POLLIN`` or ``POLLOUT``); None when
        everything was written, or is not wanted."""
        if self._ended:
            return None
        if self._pending:
            return self._target, select.POLLOUT
        assert self.handover is not None
        return self.handover.fileno(), select.POLLIN

    def advance(self) -> None:
        """Goes on. Raises what reading the input has raised."""
        if self._pending:
            try:
                self._pending = self._pending[self._write(self._pending[:CHUNK]) :]
            except BlockingIOError:
                return
            except OSError:  # it does not read any more
                self.stop()
                return
        elif self.handover is not None:
            piece = self.handover.take()
            if piece is not None:
                self._pending = memoryview(piece)
                return
            self.handover.close()
            self.handover = None
        if not self._pending and self.handover is None:
            self._end()

    def _end(self) -> None:
        self._ended = True
        # It may have ended already.
        with contextlib.suppress(OSError):
            self._close()

    def stop(self) -> None:
        """Nothing more is written."""
        self._ended = True
        if self.handover is not None:
            self.handover.close()
            self.handover = None
        if self._reading is not None:
            self._reading.stop()
