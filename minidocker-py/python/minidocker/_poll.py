"""Waiting for a descriptor. Python runs its signal handlers meanwhile, so Ctrl-C is answered."""

from __future__ import annotations

import select
import time


class Deadline:
    """A moment after which nobody waits any more; None for never."""

    def __init__(self, timeout: float | None) -> None:
        if timeout is not None and timeout < 0:
            raise ValueError(f"{timeout} is no time: give seconds, 0 or more")
        self.at = None if timeout is None else time.monotonic() + timeout

    def left(self) -> float | None:
        """Seconds from now, 0 if it has passed."""
        return None if self.at is None else max(0.0, self.at - time.monotonic())


def readable(fd: int, timeout: float | None) -> bool:
    """Waits until a descriptor is readable, at most so many seconds. Whether it is."""
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    # poll(2) counts milliseconds: rounded up, never a busy loop.
    milliseconds = None if timeout is None else min(int(timeout * 1000) + 1, 1 << 30)
    return bool(poll.poll(0 if timeout == 0 else milliseconds))
