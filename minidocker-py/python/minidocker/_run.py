"""``minidocker.run``: a whole life of a container in one call."""

from __future__ import annotations

import os
import secrets
import select
import threading
import time
from typing import Any

from ._container import Container
from ._errors import Unsupported, WrongState
from ._exec import OUTPUT_LIMIT, Attached, check_result
from ._input import Input, Source, source_of
from ._poll import Deadline, ready, seconds
from ._result import RunResult
from ._runtime import Runtime
from ._spec import Command, Options, checked_limit, spec_json
from ._typing import Unpack
from ._words import Backend


class _Default:
    """The runtime of calls that name none: one for the process, opened when it is first needed."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.root: tuple[str, str] | None = None
        self.runtime: Runtime | None = None

    def get(self) -> Runtime:
        asked = (os.environ.get("MINIDOCKER_ROOT", ""), os.environ.get("MINIDOCKER_BACKEND", ""))
        with self.lock:
            if self.runtime is None or self.root != asked:
                self.runtime, self.root = Runtime(), asked
            return self.runtime


_default = _Default()
# A lock that another thread holds at a fork stays locked in the copy.
os.register_at_fork(after_in_child=lambda: setattr(_default, "lock", threading.Lock()))


def default_runtime() -> Runtime:
    """The runtime that :func:`run` and :func:`compare` use unless told otherwise."""
    return _default.get()


#: A flood of output is read in turns of so many seconds, so that other things get theirs.
TURN = 0.02


def run(
    command: Command | None = None,
    *,
    runtime: Runtime | None = None,
    name: str | None = None,
    input: Input | None = None,
    timeout: float | None = None,
    check: bool = False,
    output_limit: int = OUTPUT_LIMIT,
    **options: Unpack[Options],
) -> RunResult:
    """Runs a command in a container of its own: create, start, wait, collect, delete.

    ``options`` are those of :class:`Options`: ``memory_mb``, ``cpu_percent``, ``volumes``, … The
    command may be left out if the ``image`` has one. The container is deleted however the call
    ends. ``input`` is what the command reads: text, bytes, or what they can be read from while the
    command runs (an open file, a pipe, a socket, a generator). After ``timeout`` seconds the
    command is killed, and ``timed_out`` says so. ``check`` raises :class:`CommandFailed` or
    :class:`TimeoutError` (with the ``result``) unless it ends with exit code 0. Of each stream
    ``output_limit`` bytes are kept. ``duration`` is in seconds, from the start of the command to
    its end.

    The command is isolated, or not run at all: :class:`CannotIsolate` says what is missing. The
    simulation, which isolates nothing, is taken only where it is asked for: by a ``runtime`` with
    that backend, or by ``MINIDOCKER_BACKEND`` in the environment.

    Raises :class:`InvalidSpec` naming the value that was refused, and ``TypeError`` for a value
    of a type that means nothing, before anything is made; :class:`StartFailed` with the step, the
    call and the errno; and what reading the ``input`` raises.

    >>> import minidocker as md
    >>> result = md.run("python3 -c 'print(6*7)'", memory_mb=64, cpu_percent=50)
    >>> result.exit_code, result.stdout
    (0, '42\\n')
    >>> md.run("wc -c", input=b"four").stdout
    '4\\n'
    """
    source = source_of(input)
    seconds(timeout)
    checked_limit(output_limit)
    runtime = runtime or default_runtime()
    if source is not None:
        check_input(runtime)
        options["stdin_open"] = True
    supervised_timeout(options, timeout)
    spec = spec_json(name or made_up_name(), command, **options)
    container = runtime._created(spec, "memory" in options)
    try:
        container.start()
        begun = time.monotonic()
        if source is None:
            raw = container._inner.collect(timeout, output_limit)
        else:
            raw = _collect_feeding(container, source, timeout, output_limit)
        isolated = runtime.backend.kind == Backend.LINUX
        result = RunResult._of(raw, time.monotonic() - begun, isolated)
    finally:
        container.delete(force=True)
    if check:
        check_result(described(command), command, result)
    return result


def described(command: Command | None) -> str:
    """A command in a message."""
    return "the image's command" if command is None else f"the command {command!r}"


def made_up_name() -> str:
    """For a container that is gone soon."""
    return f"run-{secrets.token_hex(6)}"


#: The times that a supervisor keeps.
_SUPERVISED = (0.001, 365 * 24 * 3600.0)


def supervised_timeout(options: Options, timeout: float | None) -> None:
    """Has the container's supervisor keep the time too: it holds then whatever becomes of us."""
    if timeout is not None and _SUPERVISED[0] <= timeout <= _SUPERVISED[1]:
        options.setdefault("timeout_seconds", timeout)


def check_input(runtime: Runtime) -> None:
    """Raises where a container's command cannot be given anything to read."""
    if runtime.backend.kind == Backend.SIMULATION:
        raise Unsupported(
            "input is not supported here: a simulated container has no standard input",
            "Write the input into a file of a volume, or use the backend linux.",
            feature="input",
            backend="simulation",
        )


def attached_for_input(container: Container) -> Attached | None:
    """A connection to write the input over; None if the command has ended already."""
    try:
        return container.attach()
    except WrongState:
        return None


def _collect_feeding(
    container: Container, source: Source, timeout: float | None, output_limit: int
) -> dict[str, Any]:
    """Reads the output while the input is written, so that neither waits for the other; and never
    waits for anything but all of it at once, so that Ctrl-C and the timeout are heard."""
    deadline = Deadline(timeout)
    collector = container._inner.collector(output_limit)
    attached = attached_for_input(container)
    feed = None if attached is None else attached._feed(source)
    killed = False
    try:
        while True:
            state = collector.read(TURN)
            if state == "ended":
                return collector.result()
            left = None if killed else deadline.left()
            if left == 0:
                collector.kill()
                killed = True
                continue
            wanted = [(collector.fileno(), select.POLLIN)]
            fed = None if feed is None or killed else feed.waits_for()
            found = ready([*wanted, *([fed] if fed else [])], 0 if state == "unfinished" else left)
            if feed is not None and fed is not None and fed[0] in found:
                feed.advance()
    finally:
        if feed is not None:
            feed.stop()
        if attached is not None:
            attached.close()
