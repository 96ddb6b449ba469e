"""How a container is built: the plan, and what was done."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Optional

from ._records import StepFailure
from ._words import Actor, Outcome


@dataclass(frozen=True)
class Step:
    """One step of a plan, explained."""

    id: str
    """A stable word for it, e.g. ``pivot-root``."""
    actor: Actor
    """Who performs it."""
    title: str
    """What it does, in a few words."""
    why: str
    """Why it is done, for a beginner."""
    syscalls: tuple[str, ...]
    """The system calls, as strace would print them."""
    shell: str
    """A command one could type to the same effect."""
    manual: str
    """Where the mechanism is specified, e.g. ``man 2 pivot_root``."""
    simulated: Optional[str] = None
    """What happens instead, if the backend imitates it."""
    caution: Optional[str] = None
    """What to mind before typing :attr:`shell`, for example that it changes this machine."""

    def __str__(self) -> str:
        return f"{self.id}: {self.title}"


@dataclass(frozen=True)
class Call:
    """One system call or file write."""

    call: str
    """The call with its arguments, as strace would print it."""
    micros: float
    """How long it took, in microseconds."""
    errno: Optional[str] = None
    """The name of the errno, if it failed, e.g. ``ENOENT``."""


@dataclass(frozen=True)
class TracedStep:
    """A step as it was executed."""

    id: str
    """The step's id in the plan."""
    actor: Actor
    """Who performed it."""
    title: str
    """What it does, in a few words."""
    outcome: Outcome
    """How it went."""
    start_micros: float
    """Microseconds from the start of the construction to the start of the step."""
    micros: float
    """How long the step took, in microseconds."""
    calls: tuple[Call, ...]
    """The calls it made."""
    simulated: Optional[str] = None
    """What happened instead, if the backend imitated it."""

    def __str__(self) -> str:
        return f"{self.id}: {self.title} ({self.micros:.0f} µs)"


@dataclass(frozen=True)
class Trace:
    """A plan as it was executed."""

    id: str
    """Of which container."""
    started_at: datetime
    """When the start began."""
    micros: float
    """Microseconds from there to the command's exec (or to the failure)."""
    steps: tuple[TracedStep, ...]
    """Each step of the plan."""
    failure: Optional[StepFailure] = None
    """The failure, if a step failed."""

    def __str__(self) -> str:
        lines = (f"{step.start_micros:8.0f} µs  {step}" for step in self.steps)
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        from . import _html

        return _html.trace(self)


class Plan(tuple[Step, ...]):
    """What a start will do: a tuple of :class:`Step`.

    >>> import minidocker as md
    >>> with md.Runtime() as rt, rt.create(None, "true") as container:
    ...     plan = container.plan()
    >>> "overlay" in [step.id for step in plan]
    True
    """

    __slots__ = ()

    def __str__(self) -> str:
        return "\n".join(f"{number:2}. {step}" for number, step in enumerate(self, 1))

    def _repr_html_(self) -> str:
        from . import _html

        return _html.plan(self)
