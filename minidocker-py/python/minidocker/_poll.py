"""Waiting for a descriptor. Python runs its signal handlers meanwhile, so Ctrl-C is answered."""

from __future__ import annotations

import numbers
import select
import time
from collections.abc import Iterable


def seconds(timeout: float | None, name: str = "timeout") -> float:
    """Checks a time; None is for ever."""
    if timeout is None:
        return float("inf")
    if isinstance(timeout, bool) or not isinstance(timeout, numbers.Real):
        raise TypeError(f"{name}: {timeout!r} is refused: give seconds as a number, or None")
    # Not so for "not a number" either.
    if not timeout >= 0:
        raise ValueError(f"{name}: {timeout!r} is refused: give seconds, 0 or more")
    return float(timeout)


class Deadline:
    """A moment after which nobody waits any more; None for never."""

    def __init__(self, timeout: float | None) -> None:
        self.at = None if timeout is None else time.monotonic() + seconds(timeout)

    def left(self) -> float | None:
        """Seconds from now, 0 if it has passed."""
        return None if self.at is None else max(0.0, self.at - time.monotonic())


def ready(wanted: Iterable[tuple[int, int]], timeout: float | None) -> set[int]:
    """Waits until one of these descriptors has what is waited for there (``select.POLLIN`` or
    ``POLLOUT``), at most so many seconds. Which have it, or an error, or their end."""
    poll = select.poll()
    for fd, events in wanted:
        poll.register(fd, events)
    # poll(2) counts milliseconds: rounded up, never a busy loop.
    milliseconds = None if timeout is None else int(min(timeout * 1000 + 1, 1 << 30))
    return {fd for fd, _ in poll.poll(0 if timeout == 0 else milliseconds)}


def readable(fd: int, timeout: float | None) -> bool:
    """Waits until a descriptor is readable, at most so many seconds. Whether it is."""
    return bool(ready([(fd, select.POLLIN)], timeout))
