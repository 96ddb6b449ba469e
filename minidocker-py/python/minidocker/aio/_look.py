"""``compare`` and ``doctor``."""

from __future__ import annotations

from .._compare import Comparison, sides_of
from .._doctor import Examination
from .._doctor import doctor as examine
from .._spec import Command, Feature, Options, spec_json
from .._typing import Unpack
from ._commands import run
from ._either import AnyRuntime, blocking_runtime
from ._threads import call


async def compare(
    command: Command,
    *,
    without: Feature,
    runtime: AnyRuntime | None = None,
    timeout: float = 10.0,
    **options: Unpack[Options],
) -> Comparison:
    """As :func:`minidocker.compare`."""
    # Refuses what means nothing, before anything runs.
    spec_json("compared", command, **options)
    on, off = sides_of(without, options)
    with_ = await run(command, runtime=runtime, timeout=timeout, **on)
    without_ = await run(command, runtime=runtime, timeout=timeout, **off)
    return Comparison(command, without, with_, without_)


async def doctor(runtime: AnyRuntime | None = None) -> Examination:
    """As :func:`minidocker.doctor`."""
    return await call(examine, None if runtime is None else blocking_runtime(runtime))
