"""Other commands in a running container, and connections to its own command."""

from __future__ import annotations

import codecs
import fcntl
import io
import operator
import os
import selectors
import signal as signals
import struct
import termios
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from . import _minidocker
from ._errors import CommandFailed, TimeoutError
from ._poll import Deadline, readable
from ._records import ExitStatus
from ._wire import decode
from ._words import Stream

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

#: The most output that is kept of each stream unless asked otherwise: 64 MiB.
OUTPUT_LIMIT = 64 << 20


@dataclass(frozen=True)
class Result:
    """How a command ended, and what it wrote."""

    #: The exit code; 128+N for a death by signal N, as in every shell.
    exit_code: int
    #: The signal that killed it, if one did.
    signal: int | None
    #: Whether the kernel killed it for going over its memory limit.
    oom_killed: bool
    #: Seconds from its start to its end.
    duration: float
    #: What it wrote to its standard output; empty if nothing.
    stdout_bytes: bytes
    #: What it wrote to its standard error; empty if nothing.
    stderr_bytes: bytes
    #: Whether it was killed because its time was over. What it wrote until then is here.
    timed_out: bool
    #: Whether something that it wrote may be missing: what is over the limit, or what was written
    #: so fast that the log was rotated twice (32 MiB) before it could be read.
    truncated: bool

    @property
    def ok(self) -> bool:
        """Whether it ended by itself with code 0."""
        return self.exit_code == 0

    @property
    def stdout(self) -> str:
        """Its standard output as text; what is not UTF-8 is U+FFFD."""
        return self.stdout_bytes.decode(errors="replace")

    @property
    def stderr(self) -> str:
        """Its standard error as text; what is not UTF-8 is U+FFFD."""
        return self.stderr_bytes.decode(errors="replace")

    @property
    def exit(self) -> ExitStatus:
        """Exit code, signal and out of memory in one."""
        return ExitStatus(self.exit_code, self.signal, self.oom_killed, self.timed_out)

    def __repr__(self) -> str:
        parts = [f"exit_code={self.exit_code}"]
        parts += [f"signal={self.signal}"] if self.signal else []
        parts += [
            f"{name}=True"
            for name in ("oom_killed", "timed_out", "truncated")
            if getattr(self, name)
        ]
        parts += [f"duration={self.duration:.3f}"]
        parts += [f"stdout={_shortened(self.stdout)}", f"stderr={_shortened(self.stderr)}"]
        return f"{type(self).__name__}({', '.join(parts)})"

    @classmethod
    def _of(cls, raw: dict[str, Any], duration: float) -> Self:
        """From what the extension tells."""
        exit = raw["exit"]
        return cls(
            exit["code"],
            exit["signal"],
            exit["oom_killed"],
            duration,
            raw["stdout"],
            raw["stderr"],
            raw["timed_out"],
            raw["truncated"],
        )


class ExecResult(Result):
    """What became of a command that was executed in a container.

    >>> import minidocker as md
    >>> with md.Runtime() as rt, rt.create(None, "sleep 60").start() as container:
    ...     result = container.exec("sh -c 'echo out; echo err >&2; exit 3'")
    >>> result.exit_code, result.stdout, result.stderr
    (3, 'out\\n', 'err\\n')
    """


def _shortened(text: str) -> str:
    return repr(text if len(text) <= 200 else f"{text[:200]}…")


def check_result(what: str, result: Any) -> None:
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
        raise CommandFailed(message, hint, result=result)


class Output(NamedTuple):
    """A piece of what a command wrote."""

    #: To which of its streams.
    stream: Stream
    #: The bytes, or the line.
    text: str


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

    def communicate(self, input: bytes = b"", timeout: float | None = None) -> tuple[bytes, bytes]:
        """Writes ``input``, reads all output, and waits for the end: (stdout, stderr).

        Raises :class:`TimeoutError` after ``timeout`` seconds; what was read by then is lost.
        """
        gathered: dict[Stream, list[bytes]] = {Stream.STDOUT: [], Stream.STDERR: []}
        deadline = Deadline(timeout)
        for stream, chunk in self._chunks(input, deadline):
            gathered[stream].append(chunk)
        self.wait(deadline.left())
        return b"".join(gathered[Stream.STDOUT]), b"".join(gathered[Stream.STDERR])

    def __iter__(self) -> Iterator[Output]:
        open_lines = {Stream.STDOUT: b"", Stream.STDERR: b""}
        for stream, chunk in self._chunks(None, Deadline(None)):
            *lines, open_lines[stream] = (open_lines[stream] + chunk).split(b"\n")
            for line in lines:
                yield Output(stream, line.decode(errors="replace"))
        for stream, rest in open_lines.items():
            if rest:
                yield Output(stream, rest.decode(errors="replace"))
        self.wait()

    def _chunks(self, input: bytes | None, deadline: Deadline) -> Iterator[tuple[Stream, bytes]]:
        """What it writes, until it has ended. A process that it left behind is not waited for."""
        with selectors.DefaultSelector() as selector:
            for source, stream in (
                (self.stdout, Stream.STDOUT),
                (self.stderr, Stream.STDERR),
                (self.terminal, Stream.STDOUT),
            ):
                if source is not None:
                    os.set_blocking(source.fileno(), False)
                    selector.register(source, selectors.EVENT_READ, stream)
            selector.register(self.fileno(), selectors.EVENT_READ, None)
            stdin = self.stdin
            if input is not None and stdin is not None:
                os.set_blocking(stdin.fileno(), False)
                selector.register(stdin, selectors.EVENT_WRITE, None)
            pending = memoryview(input or b"")
            ended = False
            while True:
                ready = selector.select(0 if ended else deadline.left())
                if not ready and not ended and deadline.left() == 0:
                    raise TimeoutError("the command did not finish in time", "Kill it.")
                read = False
                for key, _ in ready:
                    if stdin is not None and key.fileobj is stdin:
                        pending = self._feed(pending)
                        if not pending:
                            selector.unregister(stdin)
                            stdin.close()
                    elif key.data is None:
                        ended = True
                        selector.unregister(key.fileobj)
                    else:
                        chunk = self._read(key.fd)
                        read = read or bool(chunk)
                        if chunk:
                            yield key.data, chunk
                        else:
                            selector.unregister(key.fileobj)
                if ended and not read:
                    return

    def _feed(self, pending: memoryview) -> memoryview:
        assert self.stdin is not None
        try:
            return pending[os.write(self.stdin.fileno(), pending[: 1 << 16]) :]
        except BlockingIOError:
            return pending
        except OSError:  # it does not read any more
            return pending[:0]

    @staticmethod
    def _read(fd: int) -> bytes:
        try:
            return os.read(fd, 1 << 16)
        except OSError:  # a terminal that nobody has any more
            return b""

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

    def write(self, text: str | bytes) -> None:
        """Writes to the command's input; waits while the command does not read.

        Raises ``OSError`` if the container was made without ``stdin_open``, or has ended.
        """
        data = text.encode() if isinstance(text, str) else text
        while data:
            data = data[self._open.write(data) :]

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
