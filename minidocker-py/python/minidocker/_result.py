"""What became of a command: how it ended, and what it wrote."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ._records import ExitStatus
from ._typing import Self


@dataclass(frozen=True)
class Result:
    """How a command ended, and what it wrote."""

    exit_code: int
    """The exit code; 128+N for a death by signal N, as in every shell."""
    signal: int | None
    """The signal that killed it, if one did."""
    oom_killed: bool
    """Whether the kernel killed it for going over its memory limit."""
    duration: float
    """Seconds from its start to its end."""
    stdout_bytes: bytes
    """What it wrote to its standard output; empty if nothing."""
    stderr_bytes: bytes
    """What it wrote to its standard error; empty if nothing."""
    timed_out: bool
    """Whether it was killed because its time was over. What it wrote until then is here."""
    truncated: bool
    """Whether something that it wrote may be missing: what is over the limit, or what was written
    so fast that the log outgrew its size (``log_max_mb``) before it could be read."""
    isolated: bool = True
    """Whether the kernel kept it apart from this machine. False in a simulation, where nothing is.
    """

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

    def _repr_html_(self) -> str:
        from . import _html

        return _html.result(self)

    @classmethod
    def _of(cls, raw: dict[str, Any], duration: float, isolated: bool = True) -> Self:
        """From what the extension tells."""
        exit = raw["exit"]
        return cls(
            exit["code"],
            exit["signal"],
            exit["oom_killed"],
            duration,
            raw["stdout"],
            raw["stderr"],
            raw["timed_out"] or exit["timed_out"],
            raw["truncated"],
            isolated,
        )


class ExecResult(Result):
    """What became of a command that was executed in a container.

    >>> import minidocker as md
    >>> with md.Runtime() as rt, rt.create(None, "sleep 60").start() as container:
    ...     result = container.exec("sh -c 'echo out; echo err >&2; exit 3'")
    >>> result.exit_code, result.stdout, result.stderr
    (3, 'out\\n', 'err\\n')
    """


class RunResult(Result):
    """What became of a command that was run in a container of its own.

    >>> import minidocker as md
    >>> md.run("sh -c 'exit 3'").exit_code
    3
    """


def _shortened(text: str) -> str:
    return repr(text if len(text) <= 200 else f"{text[:200]}…")
