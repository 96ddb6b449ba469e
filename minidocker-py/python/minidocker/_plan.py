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

    #: A stable word for it, e.g. ``pivot-root``.
    id: str
    #: Who performs it.
    actor: Actor
    #: What it does, in a few words.
    title: str
    #: Why it is done, for a beginner.
    why: str
    #: The system calls, as strace would print them.
    syscalls: tuple[str, ...]
    #: A command one could type to the same effect.
    shell: str
    #: Where the mechanism is specified, e.g. ``man 2 pivot_root``.
    manual: str
    #: What happens instead, if the backend imitates it.
    simulated: Optional[str] = None
    #: What to mind before typing :attr:`shell`, for example that it changes this machine.
    caution: Optional[str] = None

    def __str__(self) -> str:
        return f"{self.id}: {self.title}"


@dataclass(frozen=True)
class Call:
    """One system call or file write."""

    #: The call with its arguments, as strace would print it.
    call: str
    #: How long it took, in microseconds.
    micros: float
    #: The name of the errno, if it failed, e.g. ``ENOENT``.
    errno: Optional[str] = None


@dataclass(frozen=True)
class TracedStep:
    """A step as it was executed."""

    #: The step's id in the plan.
    id: str
    #: Who performed it.
    actor: Actor
    #: What it does, in a few words.
    title: str
    #: How it went.
    outcome: Outcome
    #: Microseconds from the start of the construction to the start of the step.
    start_micros: float
    #: How long the step took, in microseconds.
    micros: float
    #: The calls it made.
    calls: tuple[Call, ...]
    #: What happened instead, if the backend imitated it.
    simulated: Optional[str] = None

    def __str__(self) -> str:
        return f"{self.id}: {self.title} ({self.micros:.0f} µs)"


@dataclass(frozen=True)
class Trace:
    """A plan as it was executed."""

    #: Of which container.
    id: str
    #: When the start began.
    started_at: datetime
    #: Microseconds from there to the command's exec (or to the failure).
    micros: float
    #: Each step of the plan.
    steps: tuple[TracedStep, ...]
    #: The failure, if a step failed.
    failure: Optional[StepFailure] = None

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
