"""What this machine can enforce, and how to mend what it cannot."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, Optional

from ._records import BackendInfo
from ._runtime import Runtime
from ._wire import decode
from ._words import Backend, Verdict


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    id: str
    """A stable word for it, e.g. ``cgroups``."""
    title: str
    """What it is."""
    status: Verdict
    """How it went."""
    detail: str
    """What was found."""
    command: Optional[str] = None
    """What to type to mend it, if there is something."""

    def __str__(self) -> str:
        mark = {"ok": "✓", "warning": "!", "problem": "✗"}[self.status.value]
        mend = f"\n    $ {self.command}" if self.command else ""
        return f"{mark} {self.title}: {self.detail}{mend}"


@dataclass(frozen=True)
class Enforced:
    """Whether a limit holds on this machine."""

    limit: str
    """``memory``, ``cpu`` or ``pids``."""
    enforced: bool
    """Whether it is enforced."""
    why: str
    """Why, or why not."""


@dataclass(frozen=True)
class Examination:
    """What the doctor found. ``print`` shows all of it."""

    backend: BackendInfo
    """How containers are made here."""
    limits: tuple[Enforced, ...]
    """Which limits hold."""
    checks: tuple[Check, ...]
    """Each thing that was looked at, the worst first."""
    machine: dict[str, Any]
    """What this machine is: kernel, cores, memory, disk, as the REST API tells it."""

    @property
    def ok(self) -> bool:
        """Whether containers can be made with every limit."""
        return all(check.status != Verdict.PROBLEM for check in self.checks)

    def __str__(self) -> str:
        return "\n".join([f"backend: {self.backend}", *map(str, self.checks)])

    def _repr_html_(self) -> str:
        from . import _html

        return _html.examination(self)


def doctor(runtime: Runtime | None = None) -> Examination:
    """Says what this machine can enforce, and how to mend what it cannot. Changes nothing.

    Without ``runtime`` it looks at the user's own root, also where no real containers are
    possible: the backend is then the simulation, and says why.

    >>> import minidocker as md
    >>> [limit.limit for limit in md.doctor().limits]
    ['memory', 'cpu', 'pids']
    """
    if runtime is None:
        asked: Any = os.environ.get("MINIDOCKER_BACKEND") or Backend.ANY
        with Runtime(backend=asked) as own:
            return doctor(own)
    raw = runtime._inner.examine()
    return Examination(
        BackendInfo(Backend(raw["backend"]["kind"]), raw["backend"]["why"]),
        tuple(decode(Enforced, limit) for limit in raw["enforced"]),
        tuple(decode(Check, check) for check in raw["checks"]),
        raw["machine"],
    )
