"""What a container is made from: from keywords to the library's JSON form.

To add an option is to add it to :class:`Options` and to :func:`spec_json`; a test compares the two.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict, Union

from ._errors import InvalidSpec
from ._records import HealthCheck, Isolation
from ._wire import encode

#: A path of the host.
StrPath = Union[str, "os.PathLike[str]"]

#: A command: a line that is split as a shell would, or exact words.
Command = Union[str, Sequence[str]]

#: Published ports. (A mapping's keys and values are of one type each, to mypy.)
Ports = Union[
    Sequence[Union[int, str]],
    Mapping[int, int],
    Mapping[str, int],
    Mapping[int, str],
    Mapping[str, str],
]

#: Folders of the host that a container sees. (A mapping's keys are of one type, to mypy.)
Volumes = Union[Sequence[str], Mapping[str, str], Mapping[Path, str]]


class Options(TypedDict, total=False):
    """The keywords of everything that makes a container: ``create``, ``check``, ``run``, …"""

    #: The image below its files (``host``, this machine's own programs, unless set). What it says
    #: about how to run it (user, directory, command, health check, …) holds unless set here.
    image: str
    #: What is executed, with the command as its arguments, in the place of the image's
    #: entrypoint; with ``[]`` the command is the whole.
    entrypoint: Command
    #: The memory limit, swap included: a size such as ``"64m"`` or ``"1g"``, or bytes. Whole MB.
    memory: int | str
    #: The same in MB of 1024*1024 bytes.
    memory_mb: int
    #: The CPU limit in percent of one core: 50 is half a core, 200 is two.
    cpu_percent: int
    #: How many processes and threads it may have (512 unless set; -1 for no limit).
    pids_limit: int
    #: Folders of the host that it sees: ``{"/srv/site": "/app"}``, read-only with
    #: ``{"/srv/site": "/app:ro"}``, or ``["/srv/site:/app:ro"]``.
    volumes: Volumes
    #: Environment variables.
    env: Mapping[str, str]
    #: Ports of the host behind which its own answer: ``{8080: 80}``, ``{"0.0.0.0:8080": 80}``,
    #: ``{53: "53/udp"}``, or ``["8080:80", "53:53/udp"]``. The host's 127.0.0.1 unless told
    #: otherwise; a host port of 0, or a port alone, is a free one.
    ports: Ports
    #: Its network: ``"bridge"`` (unless set), ``"none"``, ``"host"``, ``"container:NAME"``, or the
    #: name of one made with :meth:`Runtime.create_network`.
    network: str
    #: More names by which the others on its network find it.
    aliases: Sequence[str]
    #: The name servers it asks, instead of the host's.
    dns: Sequence[str]
    #: Names that only it knows: ``{"db": "10.0.0.5"}``.
    extra_hosts: Mapping[str, str]
    #: The hostname it sees (its own name unless set).
    hostname: str
    #: The directory its command starts in (the image's unless set, or ``/``; made if missing).
    working_dir: str
    #: The user its command runs as: ``1000``, ``"1000:1000"``, or names that its own /etc/passwd
    #: and /etc/group know, ``"bob"``, ``"bob:staff"`` (the image's unless set, or root).
    user: int | str
    #: Limits of single processes (``man 2 setrlimit``): ``{"nofile": 64}`` or, soft and hard,
    #: ``{"nofile": (64, 128)}``.
    rlimits: Mapping[str, int | tuple[int, int]]
    #: Which isolation features are on (all unless switched off), as :class:`Isolation` or
    #: ``{"pid": False}``.
    isolation: Isolation | Mapping[str, bool]
    #: Whether PID 1 is a small init that reaps zombies and passes signals on (yes unless set).
    init: bool
    #: Whether it may start although a limit cannot be enforced on this machine.
    best_effort_limits: bool
    #: What becomes of it when its command ends: ``"no"``, ``"on-failure"``, ``"on-failure:5"``,
    #: ``"always"`` or ``"unless-stopped"``.
    restart: str
    #: After so many seconds a run is killed and its exit says ``timed_out``: kept by its
    #: supervisor, whatever becomes of this program.
    timeout_seconds: float
    #: How its health is probed: a :class:`HealthCheck`, or just the command; ``"none"`` for not
    #: even as the image says.
    health_check: HealthCheck | str
    #: Keeps its standard input open for whoever attaches.
    stdin_open: bool
    #: Gives it a terminal instead of pipes.
    tty: bool
    #: The size of its log in MB, 1 to 1024 (32 unless set): what is older is dropped, and counted.
    log_max_mb: int


def spec_json(
    name: str,
    command: Command | None = None,
    *,
    image: Any = None,
    entrypoint: Any = None,
    memory: Any = None,
    memory_mb: Any = None,
    cpu_percent: Any = None,
    pids_limit: Any = None,
    volumes: Any = None,
    env: Any = None,
    ports: Any = None,
    network: Any = None,
    aliases: Any = None,
    dns: Any = None,
    extra_hosts: Any = None,
    hostname: Any = None,
    working_dir: Any = None,
    user: Any = None,
    rlimits: Any = None,
    isolation: Any = None,
    init: Any = None,
    best_effort_limits: Any = None,
    restart: Any = None,
    timeout_seconds: Any = None,
    health_check: Any = None,
    stdin_open: Any = None,
    tty: Any = None,
    log_max_mb: Any = None,
) -> dict[str, Any]:
    """The library's JSON form of these options; the library checks the values.

    >>> spec_json("a", "true", memory="64m", volumes={"/srv": "/app:ro"}, ports={8080: 80})
    ... # doctest: +NORMALIZE_WHITESPACE
    {'name': 'a', 'command': 'true', 'mem_limit_mb': 64, 'volumes': ['/srv:/app:ro'],
     'ports': ['8080:80']}
    """
    if memory is not None:
        if memory_mb is not None:
            raise _refused("memory", memory, "memory_mb is given too", "Give one of them.")
        memory_mb = _megabytes(memory)
    given = {
        "name": name,
        "command": None if command is None else _command(command),
        "image": image,
        "entrypoint": None if entrypoint is None else _command(entrypoint),
        "mem_limit_mb": memory_mb,
        "cpu_limit_percent": cpu_percent,
        "pids_limit": pids_limit,
        "volumes": None if volumes is None else _volumes(volumes),
        "env_vars": None if env is None else dict(env),
        "ports": None if ports is None else _ports(ports),
        "network": network,
        "aliases": None if aliases is None else _texts("aliases", aliases),
        "dns": None if dns is None else _texts("dns", dns),
        "extra_hosts": None if extra_hosts is None else _extra_hosts(extra_hosts),
        "hostname": hostname,
        "working_dir": working_dir,
        "user": None if user is None else str(user),
        "rlimits": None if rlimits is None else _rlimits(rlimits),
        "isolation": encode(isolation) if isinstance(isolation, Isolation) else isolation,
        "init": init,
        "best_effort_limits": best_effort_limits,
        "restart": restart,
        "timeout_seconds": timeout_seconds,
        "health_check": _health_check(health_check),
        "stdin_open": stdin_open,
        "tty": tty,
        "log_max_mb": log_max_mb,
    }
    return {field: value for field, value in given.items() if value is not None}


def to_text(spec: dict[str, Any]) -> str:
    """JSON text of a specification."""
    try:
        return json.dumps(spec)
    except TypeError as error:
        message = f"a value of the specification has no JSON form: {error}"
        raise InvalidSpec(message, "Give numbers, text, lists and mappings.") from None


def words(command: Command) -> str | list[str]:
    """A command as the extension takes it."""
    return _command(command)


def _command(command: Command) -> str | list[str]:
    if isinstance(command, str):
        return command
    return [os.fspath(word) for word in command]


def _megabytes(memory: int | str) -> int:
    units = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
    hint = 'Write megabytes as a number, or a size such as "64m" or "1g".'
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([bkmgt]?)(?:i?b)?\s*", str(memory).lower())
    if not found or isinstance(memory, bool):
        raise _refused("memory", memory, "it is not a size", hint)
    size = float(found[1]) * units[found[2]]
    if size % (1 << 20):
        why = "limits are whole MB of 1024*1024 bytes"
        raise _refused("memory", memory, why, f'Write "{int(size) // (1 << 20) + 1}m".')
    return int(size) >> 20


def _volumes(volumes: Any) -> list[str]:
    if isinstance(volumes, Mapping):
        return [f"{os.fspath(host)}:{inside}" for host, inside in volumes.items()]
    return _texts("volumes", volumes)


def _ports(ports: Any) -> list[str]:
    if isinstance(ports, Mapping):
        return [f"{host}:{inside}" for host, inside in ports.items()]
    if isinstance(ports, int):
        raise _refused("ports", ports, "it is one number", f"Write [{ports}].")
    return [str(port) for port in _texts("ports", ports)]


def _extra_hosts(hosts: Any) -> list[str]:
    if isinstance(hosts, Mapping):
        return [f"{name}:{address}" for name, address in hosts.items()]
    return _texts("extra_hosts", hosts)


def _texts(field: str, texts: Any) -> list[Any]:
    """A text is a sequence too, of letters, but not what anybody means."""
    if isinstance(texts, str):
        raise _refused(field, texts, "it is one text", f"Write [{texts!r}].")
    return list(texts)


def _rlimits(rlimits: Mapping[str, int | tuple[int, int]]) -> list[dict[str, Any]]:
    pairs = (
        (resource, limit if isinstance(limit, (tuple, list)) else (limit, limit))
        for resource, limit in rlimits.items()
    )
    return [{"resource": name, "soft": soft, "hard": hard} for name, (soft, hard) in pairs]


def _health_check(check: Any) -> Any:
    if isinstance(check, HealthCheck):
        return encode(check)
    return {"command": check} if isinstance(check, str) and check != "none" else check


def _refused(field: str, value: object, why: str, hint: str) -> InvalidSpec:
    message = f"{field}: {str(value)!r} is refused: {why}"
    return InvalidSpec(message, hint, field=field, value=str(value))
