"""Ordinary handles and awaited ones: the functions of :mod:`minidocker.aio` take both."""

from __future__ import annotations

from typing import Protocol, Union

from .. import _container, _runtime
from .._run import default_runtime


class AwaitedRuntime(Protocol):
    """A :class:`minidocker.aio.Runtime`."""

    blocking: _runtime.Runtime


class AwaitedContainer(Protocol):
    """A :class:`minidocker.aio.Container`."""

    blocking: _container.Container


AnyRuntime = Union[_runtime.Runtime, AwaitedRuntime]
AnyContainer = Union[_container.Container, AwaitedContainer]


def blocking_runtime(runtime: AnyRuntime | None) -> _runtime.Runtime:
    """The runtime beneath, or the default one."""
    if runtime is None:
        return default_runtime()
    return runtime if isinstance(runtime, _runtime.Runtime) else runtime.blocking


def blocking_container(container: AnyContainer) -> _container.Container:
    """The container beneath."""
    return container if isinstance(container, _container.Container) else container.blocking
