"""``minidocker.run``: a whole life of a container in one call."""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ._container import Container
from ._errors import WrongState
from ._exec import OUTPUT_LIMIT, Result, check_result
from ._runtime import Runtime
from ._spec import Command

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ._spec import Options


class RunResult(Result):
    """What became of a command that was run in a container of its own.

    >>> import minidocker as md
    >>> md.run("sh -c 'exit 3'").exit_code
    3
    """


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


def run(
    command: Command | None = None,
    *,
    runtime: Runtime | None = None,
    name: str | None = None,
    input: str | bytes | None = None,
    timeout: float | None = None,
    check: bool = False,
    output_limit: int = OUTPUT_LIMIT,
    **options: Unpack[Options],
) -> RunResult:
    """Runs a command in a container of its own: create, start, wait, collect, delete.

    ``options`` are those of :meth:`Runtime.create`: ``memory_mb``, ``cpu_percent``, ``volumes``, …
    The command may be left out if the ``image`` has one.
    The container is deleted however the call ends. ``input`` is what the command reads. After
    ``timeout`` seconds it is killed, and ``timed_out`` says so. ``check`` raises
    :class:`CommandFailed` or :class:`TimeoutError` (with the ``result``) unless it ends with exit
    code 0. Of each stream ``output_limit`` bytes are kept. ``duration`` is in seconds, from the
    start of the command to its end.

    The command is isolated, or not run at all: :class:`CannotIsolate` says what is missing. The
    simulation, which isolates nothing, is taken only where it is asked for: by a ``runtime`` with
    that backend, or by ``MINIDOCKER_BACKEND`` in the environment.

    Raises :class:`InvalidSpec` naming the value that was refused; :class:`StartFailed` with the
    step, the call and the errno.

    >>> import minidocker as md
    >>> result = md.run("python3 -c 'print(6*7)'", memory_mb=64, cpu_percent=50)
    >>> result.exit_code, result.stdout
    (0, '42\\n')
    """
    runtime = runtime or default_runtime()
    if input is not None:
        options["stdin_open"] = True
    container = runtime.create(name or f"run-{secrets.token_hex(6)}", command, **options)
    try:
        result = _finish(container, input, timeout, output_limit)
    finally:
        container.delete(force=True)
    if check:
        check_result(f"the command {command!r}", result)
    return result


def _finish(
    container: Container, input: str | bytes | None, timeout: float | None, output_limit: int
) -> RunResult:
    container.start()
    begun = time.monotonic()
    with contextlib.ExitStack() as feeding:
        if input is not None:
            feeding.enter_context(_fed(container, input))
        raw = container._inner.collect(timeout, output_limit)
    return RunResult._of(raw, time.monotonic() - begun)


@contextlib.contextmanager
def _fed(container: Container, input: str | bytes) -> Iterator[None]:
    """Writes the input while the output is read, so that neither waits for the other."""
    try:
        attached = container.attach()
    except WrongState:  # it has ended already, without reading
        yield
        return

    def feed() -> None:
        # A command that ends, or stops reading, does not want the rest.
        with contextlib.suppress(OSError):
            attached.write(input)
            attached.close_input()

    feeder = threading.Thread(target=feed, daemon=True)
    feeder.start()
    try:
        yield
    finally:
        feeder.join()
        attached.close()
