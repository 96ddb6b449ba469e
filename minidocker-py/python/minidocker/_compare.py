"""What one isolation feature does, seen by its absence."""

from __future__ import annotations

import dataclasses
import difflib
import itertools
from dataclasses import dataclass
from typing import Any

from ._errors import InvalidSpec
from ._records import Isolation
from ._result import RunResult
from ._run import run
from ._runtime import Runtime
from ._spec import Command, Feature, Options, spec_json
from ._typing import Unpack
from ._wire import encode

#: The names of the isolation features.
FEATURES = tuple(field.name for field in dataclasses.fields(Isolation))


@dataclass(frozen=True)
class Comparison:
    """A command with and without one isolation feature. ``print`` shows both side by side."""

    command: Command
    """What was run."""
    feature: str
    """The feature."""
    with_feature: RunResult
    """What became of it with everything on."""
    without_feature: RunResult
    """What became of it with the feature off."""

    @property
    def differs(self) -> bool:
        """Whether exit code or output differ."""
        with_, without = self.with_feature, self.without_feature
        return (with_.exit, with_.stdout_bytes, with_.stderr_bytes) != (
            without.exit,
            without.stdout_bytes,
            without.stderr_bytes,
        )

    def diff(self) -> str:
        """The difference of the outputs, as ``diff -u`` shows it; empty if there is none."""
        lines = difflib.unified_diff(
            _shown(self.with_feature).splitlines(),
            _shown(self.without_feature).splitlines(),
            f"with {self.feature}",
            f"without {self.feature}",
            lineterm="",
        )
        return "\n".join(lines)

    def __str__(self) -> str:
        left, right = (
            _shown(side).splitlines() for side in (self.with_feature, self.without_feature)
        )
        left, right = ([f"with {self.feature}", "", *left], [f"without {self.feature}", "", *right])
        width = min(max(map(len, left)), 70)
        left[1], right[1] = "-" * width, "-" * min(max(map(len, right)), 70)
        rows = itertools.zip_longest(left, right, fillvalue="")
        return "\n".join(f"{a[:width]:{width}} | {b}".rstrip() for a, b in rows)

    def _repr_html_(self) -> str:
        from . import _html

        return _html.comparison(self)


def _shown(side: RunResult) -> str:
    text = side.stdout + side.stderr
    return text if side.ok else f"{text}[{side.exit}]\n"


def compare(
    command: Command,
    *,
    without: Feature,
    runtime: Runtime | None = None,
    timeout: float = 10.0,
    **options: Unpack[Options],
) -> Comparison:
    """Runs a command with and without one isolation feature, and shows the difference.

    ``without`` is ``"pid"``, ``"rootfs"``, ``"uts"``, ``"ipc"``, ``"network"``, ``"cgroup"``,
    ``"masked_paths"``, ``"capabilities"``, ``"no_new_privs"`` or ``"seccomp"``. Each of the two
    may take ``timeout`` seconds; ``options`` are those of :meth:`Runtime.create`. A command
    that lacks a feature sees more of this machine: compare what you would run in your shell.

    Raises :class:`InvalidSpec` if there is no such feature, and what :func:`run` raises.

    >>> import minidocker as md
    >>> print(md.compare("sh -c 'echo I am process $$'", without="pid"))
    with pid       | without pid
    -------------- | -----...
    I am process 2 | I am process ...
    """
    # Refuses what means nothing, before anything runs.
    spec_json("compared", command, **options)
    on, off = sides_of(without, options)
    with_ = run(command, runtime=runtime, timeout=timeout, **on)
    without_ = run(command, runtime=runtime, timeout=timeout, **off)
    return Comparison(command, without, with_, without_)


def sides_of(without: Feature, options: Options) -> tuple[Options, Options]:
    """The options with and without one isolation feature."""
    if without not in FEATURES:
        hint = f"Give one of {', '.join(FEATURES)}."
        raise InvalidSpec(
            f"without: {without!r} is refused: there is no such feature",
            hint,
            field="without",
            value=str(without),
        )
    given = options.get("isolation", {})
    isolation: Any = encode(given) if isinstance(given, Isolation) else given
    on, off = (
        Options(**{**options, "isolation": {**isolation, without: value}})
        for value in (True, False)
    )
    return on, off
