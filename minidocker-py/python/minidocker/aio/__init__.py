"""minidocker for ``asyncio``: all that the ordinary face has, awaited.

:func:`run`, :func:`compare` and :func:`doctor` are the functions of the same name.
:class:`Runtime`, :class:`Container`, their files, logs, events and commands have the methods of
the ordinary ones; what those hand out at once (a name, the choice of a log) is not awaited here
either. The other functions take ordinary containers and runtimes as well. Ends, logs, events and
the output of commands are waited for on descriptors, by the event loop itself; what takes
milliseconds, or has no descriptor, is done in a few threads, of which each kind of work has its
own.

>>> import asyncio
>>> import minidocker as md
>>> async def main():
...     results = await asyncio.gather(*(md.aio.run(f"echo {n}") for n in range(3)))
...     return [result.stdout.strip() for result in results]
>>> asyncio.run(main())
['0', '1', '2']
"""

from __future__ import annotations

from ._commands import exec, run
from ._connections import Attached, Events, ExecProcess
from ._handles import Container, Files, Logs, Runtime
from ._look import compare, doctor
from ._streams import events, log_entries, logs, stats, wait
from ._threads import call

__all__ = [
    "Attached",
    "Container",
    "Events",
    "ExecProcess",
    "Files",
    "Logs",
    "Runtime",
    "call",
    "compare",
    "doctor",
    "events",
    "exec",
    "log_entries",
    "logs",
    "run",
    "stats",
    "wait",
]
