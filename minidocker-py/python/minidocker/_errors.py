"""What can go wrong, as exceptions.

Every message says what was attempted, what was at fault, and on a second line what to do. Each is
also the builtin exception that a Python programmer would catch: a container that is not there is a
``KeyError``, a file that is not there a ``FileNotFoundError``, a value that means nothing a
``ValueError``. Those with an ``errno`` are the builtin exception of that errno.
"""

from __future__ import annotations

import builtins
import errno as errnos
import re
import subprocess
from typing import Any

from ._result import Result


class Error(Exception):
    """The base of all errors of this package.

    >>> import minidocker as md
    >>> try:
    ...     md.run("true", memory="7 parsecs")
    ... except md.Error as error:
    ...     print(error.code, "|", error.hint)
    invalid_spec | Write megabytes as a number, or a size such as "64m" or "1g".
    """

    code: str = "error"
    """A stable word for the kind of error, as the REST API has it."""
    hint: str = ""
    """What to do about it, in a sentence or two."""

    def __init__(self, message: str = "", hint: str = "", **details: Any) -> None:
        # Not that of the builtin exception beside, which may want other arguments.
        Exception.__init__(self, f"{message}\n{hint}" if hint else message)
        self.message = message
        self.hint = hint
        for name, value in details.items():
            setattr(self, name, value)

    # Of some builtin exceptions the text is another.
    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""

    # So that it can be sent between processes with all that it tells.
    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (_public(type(self)), dict(self.__dict__)), {}


def _again(kind: type[Error], attributes: dict[str, Any]) -> Error:
    error = _as_builtin(kind, attributes.get("errno"))(attributes["message"], attributes["hint"])
    error.__dict__.update(attributes)
    return error


#: Which errno has a builtin exception of its own that people catch.
_BUILTINS: dict[int, type[OSError]] = {
    errnos.ENOENT: FileNotFoundError,
    errnos.EEXIST: FileExistsError,
    errnos.ENOTDIR: NotADirectoryError,
    errnos.EISDIR: IsADirectoryError,
    errnos.EACCES: PermissionError,
    errnos.EPERM: PermissionError,
}
_VARIANTS: dict[tuple[type, type], type[Error]] = {}


def _as_builtin(kind: type[Error], errno: int | None) -> type[Error]:
    """The class of errors of this kind with this errno: also its builtin exception."""
    builtin = _BUILTINS.get(errno or 0)
    if builtin is None or not issubclass(kind, OSError) or issubclass(kind, builtin):
        return kind
    if (kind, builtin) not in _VARIANTS:
        members = {"__doc__": kind.__doc__, "__module__": kind.__module__}
        variant: Any = type(kind.__name__, (kind, builtin), members)
        _VARIANTS[kind, builtin] = variant
    return _VARIANTS[kind, builtin]


def _public(kind: type[Error]) -> type[Error]:
    """The class that has a name to be found by."""
    return next(base for base in kind.__mro__ if base not in _VARIANTS.values())


class InvalidSpec(Error, ValueError):
    """A value was refused before anything was made. ``field`` says which."""

    code = "invalid_spec"
    field: str = ""
    """The keyword at fault."""
    value: str = ""
    """The value as it was given."""


class InvalidType(InvalidSpec, TypeError):
    """A value of a type that means nothing there was refused before anything was made."""


class NameInUse(Error, FileExistsError):
    """A container of this ``name`` exists already."""

    code = "name_in_use"
    name: str = ""
    """The name asked for."""


class NotFound(Error, KeyError):
    """There is nothing of this ``name``."""

    code = "not_found"
    name: str = ""
    """The name asked for."""


class ContainerNotFound(NotFound):
    """There is no container of this ``name``, or it was deleted since."""


class ImageNotFound(NotFound):
    """There is no image of this ``name``."""

    code = "no_such_image"


class TemplateNotFound(NotFound):
    """There is no template of this ``name``."""

    code = "no_such_template"


class NetworkNotFound(NotFound):
    """There is no network of this ``name``."""

    code = "no_such_network"


class NetworkExists(NameInUse):
    """A network of this ``name`` exists already."""

    code = "network_exists"


class NetworkInUse(Error, RuntimeError):
    """The network cannot be deleted: ``containers`` were made for it."""

    code = "network_in_use"
    name: str = ""
    """The network."""
    containers: tuple[str, ...] = ()
    """The names of the containers."""


class ImageInUse(Error, RuntimeError):
    """The image cannot be deleted: ``containers`` are made from it."""

    code = "image_in_use"
    name: str = ""
    """The image."""
    containers: tuple[str, ...] = ()
    """The names of the containers."""


class BadArchive(Error, ValueError):
    """An archive or an exported configuration cannot be taken. Nothing of it is left."""

    code = "bad_archive"


class FileError(Error, OSError):
    """A ``path`` in a container cannot be used as asked.

    With the ``errno`` of one, it is also a ``FileNotFoundError``, ``PermissionError``,
    ``IsADirectoryError``, ``NotADirectoryError`` or ``FileExistsError``.
    """

    code = "file"
    name: str = ""
    """The container."""
    path: str = ""
    """The path in the container."""
    errno: int | None = None
    """The kernel's reason, as in the module ``errno``; None where there is none."""


class WrongState(Error, RuntimeError):
    """The operation makes no sense in the ``status`` that the container has."""

    code = "wrong_state"
    name: str = ""
    """The container."""
    status: str = ""
    """Its status as a word, e.g. ``running``."""


class StepFailed(Error, OSError):
    """A step of building something failed; everything made for it was removed."""

    name: str = ""
    """The container."""
    step: str = ""
    """The step of the plan, e.g. ``pivot-root``."""
    call: str = ""
    """The call that failed, as strace would print it."""
    errno: int | None = None
    """The kernel's reason, as in the module ``errno``; None where there is none."""


class StartFailed(StepFailed):
    """A container could not be started.

    ``step`` names the step of the plan, ``call`` the system call and ``errno`` the kernel's
    reason.
    """

    code = "start_failed"


class ExecFailed(StepFailed):
    """A command could not be executed in a running container, which goes on."""

    code = "exec_failed"


class CommandFailed(Error, subprocess.CalledProcessError):
    """``check=True`` was asked for, and the command ended otherwise than with exit code 0.

    ``result`` has its exit code and all that it wrote; ``returncode``, ``cmd``, ``stdout`` and
    ``stderr`` are those of ``subprocess.CalledProcessError``.
    """

    code = "command_failed"
    result: Result
    """What became of the command."""


class TimeoutError(Error, builtins.TimeoutError):
    """Something did not finish within the time allowed.

    With ``check=True``, ``result`` has what the command wrote until it was killed.
    """

    code = "timeout"
    result: Result | None = None
    """What was written until then, if a command was killed at its time."""


class Unsupported(Error, NotImplementedError):
    """This backend or this machine cannot do it; the message says why, and what would help."""

    code = "unsupported"
    feature: str = ""
    """What was asked for."""
    backend: str = ""
    """Who refused: ``linux`` or ``simulation``."""


class CannotIsolate(Unsupported):
    """This machine, or the rights of this program, give no real containers, and nobody asked for
    the simulation. The message says what is missing and how to get it.
    """

    code = "cannot_isolate"
    feature = "isolation"
    backend = "linux"


class HelperFailed(Error, RuntimeError):
    """A helper process could not be started, died, or answered nonsense."""

    code = "helper_failed"


class HostError(Error, OSError):
    """This machine refused a file of the store or a system call; ``errno`` says why."""

    code = "system"
    errno: int | None = None
    """The kernel's reason, as in the module ``errno``; None where there is none."""


class DashboardError(Error, OSError):
    """The dashboard cannot be served, for example because its port is taken."""

    code = "dashboard"


class ForkedError(Error, RuntimeError):
    """A stream was opened before a fork, and used in the new process.

    Runtimes and containers can be used after a fork. A stream (followed logs, events, stats, a
    command that runs, an attachment) cannot: both processes would take from it what the other
    misses.
    """

    code = "forked"


_KINDS: dict[str, type[Error]] = {
    "invalid_spec": InvalidSpec,
    "name_in_use": NameInUse,
    "not_found": ContainerNotFound,
    "no_such_image": ImageNotFound,
    "image_in_use": ImageInUse,
    "no_such_network": NetworkNotFound,
    "network_exists": NetworkExists,
    "network_in_use": NetworkInUse,
    "no_such_template": TemplateNotFound,
    "bad_archive": BadArchive,
    "file": FileError,
    "wrong_state": WrongState,
    "start_failed": StartFailed,
    "exec_failed": ExecFailed,
    "unsupported": Unsupported,
    "cannot_isolate": CannotIsolate,
    "helper_missing": HelperFailed,
    "helper_failed": HelperFailed,
    "timeout": TimeoutError,
    "io": HostError,
    "system": HostError,
    "dashboard": DashboardError,
}


#: What fields of the JSON form are called here.
_NAMES = {
    "mem_limit_mb": "memory_mb",
    "cpu_limit_percent": "cpu_percent",
    "env_vars": "env",
    "interval_seconds": "interval",
    "start_period_seconds": "start_period",
}
_OLD_NAMES = re.compile(rf"\b({'|'.join(_NAMES)})\b")


def from_library(code: str, message: str, hint: str, details: dict[str, Any]) -> Error:
    """The exception for an error of the Rust library; the extension calls this."""
    if code == "helper_missing":
        hint = (
            "The extension is preloaded into a copy of this program (man 8 ld.so), which set-user-"
            "ID programs and those with file capabilities do not allow."
        )
    if code == "invalid_spec":
        message, hint = (
            _OLD_NAMES.sub(lambda found: _NAMES[found[1]], text) for text in (message, hint)
        )
        field = details.get("field", "")
        details["field"] = _NAMES.get(field, field)
        if field == "body":
            # What was checked here and yet not understood there: without the JSON.
            message, hint = f"the specification is refused: {message.rpartition(': ')[2]}", ""
    kind = _as_builtin(_KINDS.get(code, Error), details.get("errno"))
    error = kind(message, "" if hint in message else hint, **details)
    if isinstance(error, OSError) and details.get("path"):
        error.filename = str(details["path"])
    error.hint = hint
    error.code = code
    return error
