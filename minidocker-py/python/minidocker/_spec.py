"""What a container is made from: from keywords to the library's JSON form.

To add an option is to add it to :class:`Options` and to :func:`spec_json`; a test compares the two.
"""

from __future__ import annotations

import difflib
import json
import os
import re
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any, Literal, Optional, TypedDict, Union, get_args

from ._archive import host_path
from ._errors import InvalidSpec, InvalidType
from ._records import HealthCheck, Isolation
from ._typing import StrPath
from ._wire import encode

#: A command: a line that is split as a shell would, or exact words.
Command = Union[str, Sequence[StrPath]]

#: A port of a container: ``80``, ``"80/tcp"``, ``"53/udp"``.
ContainerPort = Union[int, str]

#: Where it answers on the host: a port, ``(address, port)``, None for a free one; or several.
HostPort = Union[
    int,
    str,
    tuple[str, Optional[int]],
    Sequence[Union[int, str, tuple[str, Optional[int]], None]],
    None,
]

#: Published ports, as docker-py and Docker write them. (A mapping's keys are of one type, to mypy.)
Ports = Union[
    Sequence[Union[int, str]],
    Mapping[int, HostPort],
    Mapping[str, HostPort],
    Mapping[ContainerPort, HostPort],
]

#: Where a container sees a folder of the host: ``"/app"``, ``"/app:ro"``, or docker-py's
#: ``{"bind": "/app", "mode": "ro"}``.
Seen = Union[StrPath, Mapping[str, str]]

#: Folders of the host that a container sees.
Volumes = Union[Sequence[str], Mapping[str, Seen], Mapping[Path, Seen], Mapping[StrPath, Seen]]

#: An address of a network.
Address = Union[str, IPv4Address, IPv6Address]

#: An isolation feature.
Feature = Literal[
    "pid",
    "rootfs",
    "uts",
    "ipc",
    "network",
    "cgroup",
    "masked_paths",
    "capabilities",
    "no_new_privs",
    "seccomp",
]

#: A limit of single processes (``man 2 setrlimit``), without ``RLIMIT_``.
RlimitName = Literal["as", "core", "cpu", "fsize", "memlock", "nofile", "nproc", "stack"]


class Options(TypedDict, total=False):
    """The keywords of everything that makes a container: ``create``, ``check``, ``run``, …"""

    image: str
    """The image below its files (``host``, this machine's own programs, unless set). What it says
    about how to run it (user, directory, command, health check, …) holds unless set here."""
    entrypoint: Command
    """What is executed, with the command as its arguments, in the place of the image's entrypoint;
    with ``[]`` the command is the whole."""
    memory: int | str
    """The memory limit, swap included: a size such as ``"64m"`` or ``"1g"``, or bytes. Whole MB."""
    memory_mb: int
    """The same in MB of 1024*1024 bytes."""
    cpu_percent: int
    """The CPU limit in percent of one core: 50 is half a core, 200 is two."""
    pids_limit: int
    """How many processes and threads it may have (512 unless set; -1 for no limit)."""
    volumes: Volumes
    """Folders of the host that it sees: ``{"~/site": "/app"}``, read-only with ``{"~/site":
    "/app:ro"}``; ``["/srv/site:/app:ro"]``; or as docker-py writes it, ``{"/srv/site": {"bind":
    "/app", "mode": "ro"}}``."""
    env: Mapping[str, str]
    """Environment variables: ``{"MODE": "dev"}``."""
    ports: Ports
    """Ports of its own, and where they answer on the host, as docker-py writes it: ``{80: 8080}``,
    ``{"53/udp": 53}``, ``{80: ("0.0.0.0", 8080)}``, ``{80: None}`` for a free port, ``{80:
    [8080, 8081]}`` for several; or as Docker does: ``["8080:80", "53:53/udp"]``. The host's
    127.0.0.1 unless told otherwise."""
    network: Literal["bridge", "none", "host"] | str
    """Its network: ``"bridge"`` (unless set), ``"none"``, ``"host"``, ``"container:NAME"``, or the
    name of one made with :meth:`Runtime.create_network`."""
    aliases: Sequence[str]
    """More names by which the others on its network find it."""
    dns: Sequence[Address]
    """The name servers it asks, instead of the host's."""
    extra_hosts: Mapping[str, Address] | Sequence[str]
    """Names that only it knows: ``{"db": "10.0.0.5"}``."""
    hostname: str
    """The hostname it sees (its own name unless set)."""
    working_dir: StrPath
    """The directory its command starts in (the image's unless set, or ``/``; made if missing)."""
    user: int | str
    """The user its command runs as: ``1000``, ``"1000:1000"``, or names that its own /etc/passwd
    and /etc/group know, ``"bob"``, ``"bob:staff"`` (the image's unless set, or root)."""
    rlimits: Mapping[RlimitName, int | tuple[int, int]]
    """Limits of single processes (``man 2 setrlimit``): ``{"nofile": 64}`` or, soft and hard,
    ``{"nofile": (64, 128)}``."""
    isolation: Isolation | Mapping[Feature, bool]
    """Which isolation features are on (all unless switched off), as :class:`Isolation` or ``{"pid":
    False}``."""
    init: bool
    """Whether PID 1 is a small init that reaps zombies and passes signals on (yes unless set)."""
    best_effort_limits: bool
    """Whether it may start although a limit cannot be enforced on this machine."""
    restart: Literal["no", "on-failure", "always", "unless-stopped"] | str
    """What becomes of it when its command ends: ``"no"``, ``"on-failure"``, ``"on-failure:5"``,
    ``"always"`` or ``"unless-stopped"``."""
    timeout_seconds: float
    """After so many seconds a run is killed and its exit says ``timed_out``: kept by its
    supervisor, whatever becomes of this program."""
    stop_signal: int | str
    """What asks its command to end: ``"SIGQUIT"`` or a number (the image's unless set, or SIGTERM).
    """
    health_check: HealthCheck | str | Sequence[str]
    """How its health is probed: a :class:`HealthCheck`, or just the command; ``"none"`` for not
    even as the image says."""
    stdin_open: bool
    """Keeps its standard input open for whoever attaches."""
    tty: bool
    """Gives it a terminal instead of pipes."""
    log_max_mb: int
    """The size of its log in MB, 1 to 1024 (32 unless set): what is older is dropped, and counted.
    """


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
    stop_signal: Any = None,
    health_check: Any = None,
    stdin_open: Any = None,
    tty: Any = None,
    log_max_mb: Any = None,
    **unknown: Any,
) -> dict[str, Any]:
    """The library's JSON form of these options. What a value must be of itself is checked here,
    so that a mistake is told in Python's words; what values mean together, the library checks.

    >>> spec_json("a", "true", memory="64m", volumes={"/srv": "/app:ro"}, ports={80: 8080})
    ... # doctest: +NORMALIZE_WHITESPACE
    {'name': 'a', 'command': 'true', 'mem_limit_mb': 64, 'volumes': ['/srv:/app:ro'],
     'ports': ['8080:80']}
    """
    for option in unknown:
        raise TypeError(_unknown(option))
    if memory is not None:
        if memory_mb is not None:
            raise _refused("memory", memory, "memory_mb is given too", "Give one of them.")
        memory_mb = _megabytes(memory)
    given = {
        "name": _text("name", name),
        "command": None if command is None else words(command),
        "image": _text("image", image),
        "entrypoint": None if entrypoint is None else words(entrypoint, "entrypoint"),
        "mem_limit_mb": _number("memory_mb", memory_mb),
        "cpu_limit_percent": _number("cpu_percent", cpu_percent),
        "pids_limit": _number("pids_limit", pids_limit),
        "volumes": None if volumes is None else _volumes(volumes),
        "env_vars": None if env is None else checked_env(env),
        "ports": None if ports is None else _ports(ports),
        "network": _text("network", network),
        "aliases": None if aliases is None else _texts("aliases", aliases),
        "dns": None if dns is None else _texts("dns", dns, IPv4Address, IPv6Address),
        "extra_hosts": None if extra_hosts is None else _extra_hosts(extra_hosts),
        "hostname": _text("hostname", hostname),
        "working_dir": None if working_dir is None else path_inside("working_dir", working_dir),
        "user": checked_user(user),
        "rlimits": None if rlimits is None else _rlimits(rlimits),
        "isolation": None if isolation is None else _isolation(isolation),
        "init": _switch("init", init),
        "best_effort_limits": _switch("best_effort_limits", best_effort_limits),
        "restart": _text("restart", restart, _RESTART),
        "timeout_seconds": _number("timeout_seconds", timeout_seconds),
        "stop_signal": _signal(stop_signal),
        "health_check": None if health_check is None else _health_check(health_check),
        "stdin_open": _switch("stdin_open", stdin_open),
        "tty": _switch("tty", tty),
        "log_max_mb": _number("log_max_mb", log_max_mb),
    }
    return {field: value for field, value in given.items() if value is not None}


_RESTART = 'Write "no", "on-failure", "on-failure:5", "always" or "unless-stopped".'

#: What docker-py calls things that are called otherwise here, or are no option.
_OF_DOCKER = {
    "mem_limit": 'write memory="64m" or memory_mb=64',
    "memswap_limit": "memory limits both memory and swap",
    "environment": 'write env={"NAME": "value"}',
    "cpu_quota": "write cpu_percent=50 for half a core",
    "cpu_period": "write cpu_percent=50 for half a core",
    "nano_cpus": "write cpu_percent=50 for half a core",
    "cpus": "write cpu_percent=50 for half a core",
    "network_mode": 'write network="none", "host" or "container:NAME"',
    "network_disabled": 'write network="none"',
    "restart_policy": 'write restart="on-failure:5"',
    "healthcheck": 'write health_check="a command", or a HealthCheck',
    "ulimits": 'write rlimits={"nofile": 64}',
    "detach": "what goes on by itself is made and started: runtime.create(name, command).start()",
    "remove": "run() always removes its container; one that was created stays until delete()",
    "auto_remove": "run() always removes its container; one that was created stays until delete()",
    "stdin": 'write input="…" to give it something to read, or stdin_open=True to attach later',
    "stdout": "both streams are always kept, apart",
    "stderr": "both streams are always kept, apart",
    "stream": "follow its output with container.logs(follow=True)",
    "workdir": 'write working_dir="/app"',
    "cwd": 'write working_dir="/app"',
    "privileged": 'switch single features off: isolation={"capabilities": False}',
    "cap_add": 'switch the feature off: isolation={"capabilities": False}',
    "cap_drop": "only Docker's default capabilities are there, unless the feature is switched off",
    "security_opt": 'switch the feature off: isolation={"seccomp": False}',
    "mounts": 'write volumes={"/srv/site": "/app"}',
    "binds": 'write volumes={"/srv/site": "/app"}',
    "links": "containers on one network find each other by name",
    "domainname": 'write hostname="web"',
}


def _unknown(option: str) -> str:
    hint = _OF_DOCKER.get(option)
    if hint is None:
        close = difflib.get_close_matches(option, Options.__annotations__, 1)
        hint = f"did you mean {close[0]!r}?" if close else "see help(minidocker.Options)"
    return f"there is no option {option!r}: {hint}"


def to_text(spec: dict[str, Any]) -> str:
    """JSON text of a specification."""
    return json.dumps(spec)


def words(command: Any, name: str = "command") -> str | list[str]:
    """A command as the extension takes it."""
    hint = 'Write a line such as "python app.py", or a list of words.'
    if isinstance(command, str):
        return command
    if isinstance(command, (bytes, Mapping)) or not _is_iterable(command):
        raise _wrong_type(name, command, hint)
    found = []
    for word in command:
        if not isinstance(word, (str, os.PathLike)):
            raise _wrong_type(name, word, f"Write {str(word)!r}: words are text.")
        found.append(os.fsdecode(word))
    return found


def path_inside(name: str, path: Any) -> str:
    """A path in a container, where ``~`` is a name like any other."""
    try:
        return os.fsdecode(path)
    except TypeError:
        raise _wrong_type(name, path, "Give a path: text, or a PurePosixPath.") from None


def checked_env(env: Any) -> dict[str, str]:
    """Environment variables, of which both names and values are text."""
    if not isinstance(env, Mapping):
        raise _wrong_type("env", env, 'Write {"NAME": "value"}.')
    for name, value in env.items():
        if not isinstance(name, str):
            raise _wrong_type("env", name, f"Write {{{str(name)!r}: …}}: names are text.")
        if value is None:
            hint = f'Leave {name} out, or write {{{name!r}: ""}} for an empty one.'
            raise _wrong_type("env", value, hint)
        if not isinstance(value, str):
            shown = str(value) if isinstance(value, (int, float, os.PathLike)) else "…"
            raise _wrong_type("env", value, f"Write {{{name!r}: {shown!r}}}: values are text.")
    return dict(env)


def checked_user(user: Any) -> str | None:
    """A user, by number or as text."""
    if user is None or isinstance(user, str):
        return user
    if isinstance(user, bool) or not isinstance(user, int):
        raise _wrong_type("user", user, 'Write 1000 or "1000:1000".')
    return str(user)


def checked_limit(limit: Any, name: str = "output_limit") -> int:
    """A number of bytes, or of other things."""
    return checked_count(name, limit, (1 << 64) - 1)


def checked_count(name: str, count: Any, most: int) -> int:
    """A whole number from 0 to ``most``."""
    if isinstance(count, bool) or not isinstance(count, int):
        raise _wrong_type(name, count, "Give a whole number.")
    if not 0 <= count <= most:
        raise _refused(name, count, "it is out of range", f"Give a number from 0 to {most}.")
    return count


def _is_iterable(value: Any) -> bool:
    return isinstance(value, Sequence) or hasattr(value, "__iter__")


def _text(name: str, text: Any, hint: str = "Give text.") -> str | None:
    if text is None or isinstance(text, str):
        return text
    raise _wrong_type(name, text, hint)


def _number(name: str, number: Any) -> int | float | None:
    if number is None:
        return None
    if isinstance(number, bool) or not isinstance(number, (int, float)):
        raise _wrong_type(name, number, "Give a number.")
    if number != number or number in (float("inf"), float("-inf")):
        raise _refused(name, number, "it is no number to count with", "Give a finite one.")
    # 50.0 is as good as 50.
    return int(number) if number == int(number) else number


def _switch(name: str, value: Any) -> bool | None:
    if value is None or isinstance(value, bool):
        return value
    raise _wrong_type(name, value, "Give True or False.")


def _megabytes(memory: int | str) -> int:
    units = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
    hint = 'Write megabytes as a number, or a size such as "64m" or "1g".'
    if isinstance(memory, bool) or not isinstance(memory, (int, str)):
        raise _wrong_type("memory", memory, hint)
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([bkmgt]?)(?:i?b)?\s*", str(memory).lower())
    if not found:
        raise _refused("memory", memory, "it is not a size", hint)
    size = float(found[1]) * units[found[2]]
    if size % (1 << 20):
        why = "limits are whole MB of 1024*1024 bytes"
        raise _refused("memory", memory, why, f'Write "{int(size) // (1 << 20) + 1}m".')
    return int(size) >> 20


def _volumes(volumes: Any) -> list[str]:
    if not isinstance(volumes, Mapping):
        # Of a whole line, what expanduser looks at is its beginning: the folder of the host.
        return [os.path.expanduser(text) for text in _texts("volumes", volumes)]
    return [
        f"{host_path('volumes', host)}:{_inside(host, inside)}" for host, inside in volumes.items()
    ]


def _inside(host: Any, inside: Any) -> str:
    """Where a folder of the host is seen: a path, or docker-py's form of it."""
    if not isinstance(inside, Mapping):
        return path_inside("volumes", inside)
    hint = (
        f'Write {{{str(host)!r}: "/app"}}, or {{"bind": "/app", "mode": "ro"}} as docker-py does.'
    )
    unknown = set(inside) - {"bind", "mode"}
    mode = inside.get("mode", "rw")
    if "bind" not in inside or unknown:
        raise _refused("volumes", inside, 'it must have "bind", and may have "mode"', hint)
    if mode not in ("rw", "ro"):
        raise _refused("volumes", mode, 'a mode is "rw" or "ro"', hint)
    return path_inside("volumes", inside["bind"]) + (":ro" if mode == "ro" else "")


def _ports(ports: Any) -> list[str]:
    hint = 'Write {80: 8080} (container: host), or ["8080:80"] (host:container, as Docker does).'
    if isinstance(ports, Mapping):
        return [text for inside, host in ports.items() for text in _published(inside, host, hint)]
    if isinstance(ports, (int, str)):
        raise _refused("ports", ports, "it is not a list or mapping", f"Write [{ports!r}].")
    if not _is_iterable(ports):
        raise _wrong_type("ports", ports, hint)
    found = []
    for port in ports:
        if isinstance(port, bool) or not isinstance(port, (int, str)):
            raise _wrong_type("ports", port, hint)
        found.append(str(port))
    return found


def _published(inside: Any, host: Any, hint: str) -> list[str]:
    """A container's port, in every place of the host where it shall answer."""
    if isinstance(inside, bool) or not isinstance(inside, (int, str)):
        raise _wrong_type("ports", inside, hint)
    text = str(inside)
    if ":" in text:
        why = "a mapping's keys are ports of the container, and its values those of the host"
        address, _, number = text.rpartition(":")
        right = f'{{{host!r}: ("{address}", {number})}}'
        raise _refused("ports", f"{{{text!r}: {host!r}}}", why, f"Write {right}.")
    if isinstance(host, list):
        return [each for one in host for each in _published(inside, one, hint)]
    if host is None:
        return [text]
    if isinstance(host, tuple):
        if not 1 <= len(host) <= 2 or not isinstance(host[0], (str, IPv4Address, IPv6Address)):
            raise _refused("ports", host, "it is not (address, port)", 'Write ("0.0.0.0", 8080).')
        address = str(host[0])
        address = f"[{address}]" if ":" in address and address[0] != "[" else address
        port = host[1] if len(host) == 2 else None
        return [f"{address}:{_host_port(port, hint)}:{text}"]
    if isinstance(host, str) and "/" in host:
        why = "the protocol belongs to the container's port"
        number, _, protocol = host.partition("/")
        right = f'{{"{text}/{protocol}": {number}}}'
        raise _refused("ports", f"{{{inside!r}: {host!r}}}", why, f"Write {right}.")
    return [f"{_host_port(host, hint)}:{text}"]


def _host_port(port: Any, hint: str) -> str:
    if port is None:
        return "0"
    if isinstance(port, bool) or not isinstance(port, (int, str)):
        raise _wrong_type("ports", port, hint)
    return str(port)


def _extra_hosts(hosts: Any) -> list[str]:
    if isinstance(hosts, Mapping):
        pairs = zip(
            _texts("extra_hosts", list(hosts)),
            _texts("extra_hosts", list(hosts.values()), IPv4Address, IPv6Address),
        )
        return [f"{name}:{address}" for name, address in pairs]
    return _texts("extra_hosts", hosts)


def _texts(name: str, texts: Any, *others: type) -> list[str]:
    """A text is a sequence too, of letters, but not what anybody means."""
    if isinstance(texts, str):
        raise _refused(name, texts, "it is one text", f"Write [{texts!r}].")
    if isinstance(texts, (bytes, Mapping)) or not _is_iterable(texts):
        raise _wrong_type(name, texts, "Give a list of texts.")
    found = []
    for text in texts:
        if not isinstance(text, (str, *others)):
            raise _wrong_type(name, text, "Give a list of texts.")
        found.append(str(text))
    return found


def _rlimits(rlimits: Any) -> list[dict[str, Any]]:
    known = get_args(RlimitName)
    hint = 'Write {"nofile": 64}, or (soft, hard): {"nofile": (64, 128)}.'
    if not isinstance(rlimits, Mapping):
        raise _wrong_type("rlimits", rlimits, hint)
    found = []
    for name, limit in rlimits.items():
        if name not in known:
            close = difflib.get_close_matches(str(name), known, 1)
            mean = f"Did you mean {close[0]!r}? " if close else ""
            why = "there is no such limit"
            raise _refused("rlimits", name, why, f"{mean}There are {', '.join(known)}.")
        pair = limit if isinstance(limit, (tuple, list)) else (limit, limit)
        if len(pair) != 2:
            raise _refused("rlimits", limit, "it is not (soft, hard)", hint)
        soft, hard = (_whole("rlimits", each, hint) for each in pair)
        found.append({"resource": name, "soft": soft, "hard": hard})
    return found


def _whole(name: str, number: Any, hint: str) -> int:
    if isinstance(number, bool) or not isinstance(number, int):
        raise _wrong_type(name, number, hint)
    # RLIM_INFINITY is -1 in the module `resource`, and all bits in the kernel.
    if not -1 <= number < 1 << 64:
        raise _refused(name, number, "it is out of range", hint)
    return number if number >= 0 else (1 << 64) - 1


def _isolation(isolation: Any) -> dict[str, bool]:
    if isinstance(isolation, Isolation):
        isolation = encode(isolation)
    known = get_args(Feature)
    if not isinstance(isolation, Mapping):
        raise _wrong_type("isolation", isolation, 'Write {"pid": False}, or an Isolation.')
    for name, on in isolation.items():
        if name not in known:
            close = difflib.get_close_matches(str(name), known, 1)
            mean = f"Did you mean {close[0]!r}? " if close else ""
            why = "there is no such feature"
            raise _refused("isolation", name, why, f"{mean}There are {', '.join(known)}.")
        _switch(f"isolation[{name!r}]", on)
    return dict(isolation)


def _signal(signal: Any) -> Any:
    # An enumeration of the standard library is a number too.
    if isinstance(signal, int) and not isinstance(signal, bool):
        return str(int(signal))
    return _text("stop_signal", signal)


def _health_check(check: Any) -> dict[str, Any] | str:
    if isinstance(check, HealthCheck):
        for name in ("interval", "timeout", "retries", "start_period"):
            _number(f"health_check.{name}", getattr(check, name))
        _switch("health_check.restart_unhealthy", check.restart_unhealthy)
        return {**encode(check), "command": words(check.command)}
    if check == "none":
        return "none"
    if isinstance(check, Mapping):
        raise _wrong_type("health_check", check, "Give a command, or a HealthCheck.")
    return {"command": words(check)}


def _refused(name: str, value: object, why: str, hint: str) -> InvalidSpec:
    message = f"{name}: {str(value)!r} is refused: {why}"
    return InvalidSpec(message, hint, field=name, value=str(value))


def _wrong_type(name: str, value: object, hint: str) -> InvalidType:
    message = f"{name}: {value!r} is refused: it is of type {type(value).__name__}"
    return InvalidType(message, hint, field=name, value=repr(value))
