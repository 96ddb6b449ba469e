"""Other commands in a running container, and connections to its own command."""

from __future__ import annotations

import codecs
import fcntl
import io
import operator
import os
import select
import signal as signals
import struct
import termios
from collections.abc import Iterator
from types import TracebackType
from typing import IO, Any, NamedTuple

from . import _minidocker
from ._errors import CommandFailed, TimeoutError
from ._input import CHUNK, Feed, Input, Source, source_of
from ._poll import Deadline, readable, ready
from ._records import ExitStatus
from ._result import Result
from ._typing import BytesLike
from ._wire import decode
from ._words import Stream

#: The most output that is kept of each stream unless asked otherwise: 64 MiB.
OUTPUT_LIMIT = 64 << 20


def check_result(what: str, command: Any, result: Result) -> None:
    """Raises if a command did not end by itself with code 0."""
    if result.timed_out:
        message = f"{what} did not finish within its time ({result.duration:.1f} s)"
        hint = "Allow more time. What it wrote until then is in the error's `result`."
        raise TimeoutError(message, hint, result=result)
    if not result.ok:
        last = result.stderr.strip().splitlines()[-1:] or ["it wrote nothing to stderr"]
        message = f"{what} ended with {result.exit}: {last[0][:200]}"
        hint = "What it wrote is in the error's `result`."
        if result.oom_killed:
            hint = f"Give it more memory. {hint}"
        raise CommandFailed(
            message,
            hint,
            result=result,
            returncode=result.exit_code,
            cmd=command,
            output=result.stdout,
            stderr=result.stderr,
        )


class Output(NamedTuple):
    """A piece of what a command wrote."""

    stream: Stream
    """To which of its streams."""
    text: str
    """The bytes, or the line."""


class Terminal(io.RawIOBase):
    """Our end of a command's terminal: what is written here is typed there."""

    def __init__(self, fd: int) -> None:
        super().__init__()
        self._fd = fd

    def fileno(self) -> int:
        """The descriptor."""
        return self._fd

    def readable(self) -> bool:
        """Yes."""
        return True

    def writable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Reads what is on the screen next; 0 when nobody has the other end any more."""
        try:
            chunk = os.read(self._fd, len(buffer))
        except OSError:  # EIO: how the kernel says so
            return 0
        buffer[: len(chunk)] = chunk
        return len(chunk)

    def write(self, data: Any) -> int:
        """Types."""
        return os.write(self._fd, data)

    def resize(self, rows: int, columns: int) -> None:
        """Sets its size; programs on it get SIGWINCH.

        Raises ``OSError`` if the terminal is closed.
        """
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("4H", rows, columns, 0, 0))

    def close(self) -> None:
        """Hangs up."""
        if not self.closed:
            super().close()
            os.close(self._fd)


#: How long a killed command may take to be gone before we go on without it. One that is frozen, or
#: in the middle of a slow write, dies when it goes on: not one instruction of its own comes before.
KILL_TIME = 1.0
KILLED = ExitStatus(137, signal=9)

#: A pipe holds 1 MiB at most.
_MOST_READS = 1 + (1 << 20) // (1 << 16)


def read_some(sources: dict[int, Stream]) -> Iterator[tuple[Stream, bytes]]:
    """A piece of each stream that has one. Those at their end are taken out."""
    for fd, stream in list(sources.items()):
        try:
            chunk = os.read(fd, 1 << 16)
        except BlockingIOError:
            continue
        except OSError:  # a terminal that nobody has any more
            chunk = b""
        if chunk:
            yield stream, chunk
        else:
            del sources[fd]


#: A line is at most so long: a command may write for ever without ending one. The rest of it is
#: the next.
LONGEST_LINE = 16 << 20


class Lines:
    """Lines of output, from pieces of it."""

    def __init__(self) -> None:
        self._open = {Stream.STDOUT: bytearray(), Stream.STDERR: bytearray()}

    def add(self, stream: Stream, chunk: bytes) -> Iterator[Output]:
        """The lines that this piece completes."""
        open_ = self._open[stream]
        *lines, rest = chunk.split(b"\n")
        for line in lines:
            yield Output(stream, (bytes(open_) + line).decode(errors="replace"))
            open_.clear()
        open_ += rest
        if len(open_) >= LONGEST_LINE:
            yield Output(stream, open_.decode(errors="replace"))
            open_.clear()

    def rest(self) -> Iterator[Output]:
        """What has no end of line."""
        for stream, rest in self._open.items():
            if rest:
                yield Output(stream, rest.decode(errors="replace"))


class Kept:
    """What is kept of the output: so many bytes of each stream."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._bytes = {Stream.STDOUT: bytearray(), Stream.STDERR: bytearray()}
        #: Whether there was more.
        self.truncated = False

    def add(self, stream: Stream, chunk: bytes) -> None:
        """Keeps what there is room for."""
        into = self._bytes[stream]
        room = self._limit - len(into)
        self.truncated = self.truncated or len(chunk) > room
        into += chunk[:room]

    def of(self, stream: Stream) -> bytes:
        """What was kept of a stream."""
        return bytes(self._bytes[stream])


def as_told(exit: ExitStatus, kept: Kept, timed_out: bool) -> dict[str, Any]:
    """What became of a command, as the extension tells it."""
    return {
        "exit": {
            "code": exit.exit_code,
            "signal": exit.signal,
            "oom_killed": exit.oom_killed,
            # Its helper keeps the time too, and may have been the first.
            "timed_out": exit.timed_out,
        },
        "stdout": kept.of(Stream.STDOUT),
        "stderr": kept.of(Stream.STDERR),
        "timed_out": timed_out,
        "truncated": kept.truncated,
    }


class ExecProcess:
    """A command that runs in a container beside its first. Made by :meth:`Container.exec_start`.

    Iterating gives its output, line by line, as it comes; afterwards ``exit_code`` is there.
    Leaving a ``with`` block kills it, unless it was detached.

    >>> import minidocker as md
    >>> with md.Runtime() as rt, rt.create(None, "sleep 60").start() as container:
    ...     with container.exec_start("sh -c 'echo one; echo two; exit 5'") as process:
    ...         for line in process:
    ...             print(line.stream, line.text)
    ...     print(process.exit_code)
    stdout one
    stdout two
    5
    """

    def __init__(self, inner: _minidocker.ExecProcess) -> None:
        self._inner = inner
        self._exit: ExitStatus | None = None
        stdin, stdout, stderr, terminal = inner.take_streams()
        #: What it reads, if it was asked for (``stdin=True``). Closing it is the end of file.
        self.stdin: IO[bytes] | None = None if stdin is None else os.fdopen(stdin, "wb", 0)
        #: What it writes to its standard output, unless it has a terminal.
        self.stdout: IO[bytes] | None = None if stdout is None else os.fdopen(stdout, "rb")
        #: What it writes to its standard error, unless it has a terminal.
        self.stderr: IO[bytes] | None = None if stderr is None else os.fdopen(stderr, "rb")
        #: Its terminal, if it was asked for (``tty=True``).
        self.terminal: Terminal | None = None if terminal is None else Terminal(terminal)

    @property
    def pid(self) -> int:
        """Its pid as the host sees it."""
        return self._inner.pid

    @property
    def exit(self) -> ExitStatus | None:
        """How it ended; None as long as it runs."""
        if self._exit is None:
            raw = self._inner.poll()
            self._exit = None if raw is None else decode(ExitStatus, raw)
        return self._exit

    @property
    def exit_code(self) -> int | None:
        """Its exit code; None as long as it runs."""
        return None if self.exit is None else self.exit.exit_code

    def fileno(self) -> int:
        """A descriptor that is readable once it has ended, for ``select`` and the like."""
        return self._inner.fileno()

    def wait(self, timeout: float | None = None) -> ExitStatus:
        """Waits until it has ended, at most ``timeout`` seconds.

        Raises :class:`TimeoutError` (it goes on then) and :class:`HelperFailed`.
        """
        deadline = Deadline(timeout)
        while True:
            exit = self.exit
            if exit is not None:
                return exit
            left = deadline.left()
            if not readable(self.fileno(), left) and left == 0:
                raise TimeoutError(
                    f"the command did not finish within {timeout} s", "Allow more time, or kill it."
                )

    def communicate(
        self, input: Input | None = None, timeout: float | None = None
    ) -> tuple[bytes, bytes]:
        """Writes ``input``, reads all output, and waits for the end: (stdout, stderr).

        ``input`` is text, bytes, or what they can be read from; its end is the command's end of
        file.

        Raises :class:`TimeoutError` after ``timeout`` seconds; what was read by then is lost.
        ``TypeError`` if nothing can be read from ``input``, and ``ValueError`` if the command
        was started without ``stdin=True``.
        """
        source = source_of(input)
        if source is not None and self.stdin is None:
            raise ValueError("the command has no input: start it with stdin=True")
        gathered: dict[Stream, list[bytes]] = {Stream.STDOUT: [], Stream.STDERR: []}
        deadline = Deadline(timeout)
        for stream, chunk in self._chunks(source or Source(), deadline):
            gathered[stream].append(chunk)
        self.wait(deadline.left())
        return b"".join(gathered[Stream.STDOUT]), b"".join(gathered[Stream.STDERR])

    def __iter__(self) -> Iterator[Output]:
        lines = Lines()
        for stream, chunk in self._chunks(None, Deadline(None)):
            yield from lines.add(stream, chunk)
        yield from lines.rest()
        self.wait()

    def _feed(self, source: Source | None) -> Feed | None:
        """What it will be given to read."""
        stdin = self.stdin
        if source is None or stdin is None or stdin.closed:
            return None
        os.set_blocking(stdin.fileno(), False)
        fd = stdin.fileno()
        return Feed(source, fd, lambda piece: os.write(fd, piece), stdin.close)

    def _sources(self) -> dict[int, Stream]:
        """What it writes to, by the descriptors that are read without waiting."""
        found = {}
        for source, stream in (
            (self.stdout, Stream.STDOUT),
            (self.stderr, Stream.STDERR),
            (self.terminal, Stream.STDOUT),
        ):
            if source is not None:
                os.set_blocking(source.fileno(), False)
                found[source.fileno()] = stream
        return found

    def _chunks(self, source: Source | None, deadline: Deadline) -> Iterator[tuple[Stream, bytes]]:
        """What it writes, until it has ended. A process that it left behind is not waited for."""
        open_ = self._sources()
        feed = self._feed(source)
        try:
            while True:
                wanted = [(fd, select.POLLIN) for fd in (self.fileno(), *open_)]
                fed = None if feed is None else feed.waits_for()
                found = ready([*wanted, *([fed] if fed else [])], deadline.left())
                if feed is not None and fed is not None and fed[0] in found:
                    feed.advance()
                yield from read_some(open_)
                if self.fileno() in found:
                    break
                # However much there is to read: a time that is over is over.
                if deadline.left() == 0:
                    raise TimeoutError("the command did not finish in time", "Kill it.")
        finally:
            if feed is not None:
                feed.stop()
        yield from self._rest(open_)

    @staticmethod
    def _rest(sources: dict[int, Stream]) -> Iterator[tuple[Stream, bytes]]:
        """What it wrote before its end is in the pipes; what others write is not waited for."""
        for _ in range(_MOST_READS):
            some = list(read_some(sources))
            yield from some
            if not some:
                return

    def _captured(self, source: Source, deadline: Deadline, limit: int) -> dict[str, Any]:
        """Gives it what it reads, and gathers what it writes, to its end; kills it when its time
        is over. As the extension tells of a command whose input is in memory."""
        kept, timed_out, exit = Kept(limit), False, None
        try:
            for stream, chunk in self._chunks(source, deadline):
                kept.add(stream, chunk)
            exit = self.exit
        except TimeoutError:
            timed_out = True
            self.kill()
            try:
                for stream, chunk in self._chunks(None, Deadline(KILL_TIME)):
                    kept.add(stream, chunk)
                exit = self.exit
            except TimeoutError:
                pass
        return as_told(exit or KILLED, kept, timed_out)

    def signal(self, signal: int | str) -> None:
        """Sends a signal to it, by number or name. One that has ended is left alone.

        Raises :class:`InvalidSpec` if the number is no signal.
        """
        self._inner.signal(signal_number(signal))

    def kill(self) -> None:
        """Kills it and every process of its group."""
        self._inner.kill()

    def terminate(self) -> None:
        """Asks it to end: SIGTERM."""
        self.signal(signals.SIGTERM)

    def detach(self) -> None:
        """Lets it run without us; how it ends will not be known."""
        self._inner.detach()

    def close(self) -> None:
        """Kills it if it runs and was not detached, and closes its streams."""
        self._inner.kill()
        for stream in (self.stdin, self.stdout, self.stderr, self.terminal):
            if stream is not None:
                stream.close()

    def __enter__(self) -> ExecProcess:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<ExecProcess pid {self.pid}: {self.exit or 'running'}>"


class Attached:
    """A connection to the command of a running container. Made by :meth:`Container.attach`.

    Iterating gives its output from now on, piece by piece, until it ends. The container goes on
    when the connection is closed, and its log is written either way.

    >>> import minidocker as md
    >>> with md.Runtime() as rt, rt.create(None, "cat", stdin_open=True).start() as container:
    ...     with container.attach() as attached:
    ...         attached.write("Hello\\n")
    ...         attached.close_input()
    ...         print("".join(piece.text for piece in attached))
    Hello
    <BLANKLINE>
    """

    def __init__(self, inner: _minidocker.Attached) -> None:
        self._inner: _minidocker.Attached | None = inner
        #: How many bytes of output were not read in time and left out. The log has them.
        self.missed: int = 0
        # A piece may end within a character, whose rest is in the next.
        decoder = codecs.getincrementaldecoder("utf-8")
        self._decoders = {each: decoder("replace") for each in (Stream.STDOUT, Stream.STDERR)}

    @property
    def _open(self) -> _minidocker.Attached:
        if self._inner is None:
            raise ValueError("the connection is closed")
        return self._inner

    def fileno(self) -> int:
        """A descriptor that is readable when there is output, or the end."""
        return self._open.fileno()

    def read(self, timeout: float | None = None) -> Output | None:
        """The next piece of output; None when the command has ended.

        Raises :class:`TimeoutError` if there is none within ``timeout`` seconds.
        """
        deadline = Deadline(timeout)
        while True:
            left = deadline.left()
            if not readable(self.fileno(), left):
                if left == 0:
                    raise TimeoutError(f"no output within {timeout} s", "Allow more time.")
                continue
            piece = self._open.next_piece()
            if piece is None:
                for each, decoder in self._decoders.items():
                    if rest := decoder.decode(b"", final=True):
                        return Output(each, rest)
                return None
            stream, content = piece
            if isinstance(content, int):
                self.missed += content
                continue
            if text := self._decoders[Stream(stream)].decode(content):
                return Output(Stream(stream), text)

    def __iter__(self) -> Iterator[Output]:
        while True:
            piece = self.read()
            if piece is None:
                return
            yield piece

    def write(self, text: str | BytesLike) -> None:
        """Writes to the command's input; waits while the command does not read.

        Raises ``OSError`` if the container was made without ``stdin_open``, or has ended.
        """
        data = memoryview(text.encode() if isinstance(text, str) else text).cast("B")
        while data:
            if not ready([(self.fileno(), select.POLLOUT)], None):
                continue
            data = data[self._write_some(data) :]

    def _write_some(self, data: memoryview) -> int:
        # What is told to be writable takes a frame without waiting: nobody else writes to it.
        return self._open.write(bytes(data[:CHUNK]))

    def _feed(self, source: Source) -> Feed:
        """What the command will be given to read."""
        return Feed(source, self.fileno(), self._write_some, self._open.close_input)

    def close_input(self) -> None:
        """Tells the command that nothing more will come: the end of file.

        Raises ``OSError`` as :meth:`write` does.
        """
        self._open.close_input()

    def resize(self, rows: int, columns: int) -> None:
        """Sets the size of the container's terminal.

        Raises ``OSError`` if it was made without ``tty``.
        """
        self._open.resize(rows, columns)

    def close(self) -> None:
        """Detaches. The container goes on."""
        self._inner = None

    def __enter__(self) -> Attached:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Attached{' (closed)' if self._inner is None else ''}>"


def signal_number(signal: int | str) -> int:
    """The number of a signal, which may be given by name: ``"SIGHUP"``, ``"SIGRTMIN+3"``."""
    if isinstance(signal, str):
        return _minidocker.signal_number(signal)
    return operator.index(signal)
