"""What the library tells, as frozen dataclasses; :mod:`_wire` makes them from its JSON form.

All times are aware ``datetime`` objects in UTC, all sizes are bytes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Optional, Union

from ._words import (
    Backend,
    ChangeKind,
    EventKind,
    FileKind,
    FileMount,
    Health,
    ImageSource,
    Protocol,
    Status,
    Stream,
    Support,
)


@dataclass(frozen=True)
class ExitStatus:
    """How a command ended.

    >>> import minidocker as md
    >>> print(md.ExitStatus(137, signal=9, oom_killed=True))
    exit code 137 (killed: out of memory)
    """

    exit_code: int = field(metadata={"wire": "code"})
    """The exit code; 128+N for a death by signal N, as in every shell."""
    signal: Optional[int] = None
    """The signal that killed it, if one did."""
    oom_killed: bool = False
    """Whether the kernel killed it for going over its memory limit."""
    timed_out: bool = False
    """Whether it was killed because its time was over."""

    @property
    def ok(self) -> bool:
        """Whether it ended by itself with code 0."""
        return self.exit_code == 0

    def __str__(self) -> str:
        text = f"exit code {self.exit_code}"
        if self.timed_out:
            return f"{text} (killed: its time was over)"
        if self.oom_killed:
            return f"{text} (killed: out of memory)"
        return f"{text} (killed by signal {self.signal})" if self.signal else text


@dataclass(frozen=True)
class StepFailure:
    """The step that failed, with everything needed to mend it."""

    step: str
    """The step's id in the plan, e.g. ``pivot-root``."""
    call: str
    """The call that failed, as strace would print it."""
    hint: str
    """What the user can do."""
    message: Optional[str] = None
    """What happened in words, where an errno alone would not tell."""
    errno: Optional[int] = None
    """The errno, where the kernel gave one."""


@dataclass(frozen=True)
class Probe:
    """One probe of a health check."""

    started_at: datetime
    """When it was started."""
    finished_at: datetime
    """When it had ended."""
    exit_code: Optional[int]
    """Its exit code; None if it was killed at its timeout or could not be executed."""
    output: str
    """What it printed on both streams, at most 4 KiB."""


@dataclass(frozen=True)
class HealthReport:
    """The health of a container with a health check."""

    status: Health
    """The verdict."""
    failing_streak: int
    """How many probes have failed since one last succeeded."""
    probes: tuple[Probe, ...]
    """The last five probes, oldest first."""


@dataclass(frozen=True)
class HealthCheck:
    """How the health of a container is probed: exit code 0 of a command means healthy.

    >>> import minidocker as md
    >>> md.HealthCheck("curl -f http://localhost:8000", interval=10).retries
    3
    """

    command: Union[str, tuple[str, ...]]
    """The command that is run inside the container: a line, or its words."""
    interval: float = field(default=30.0, metadata={"wire": "interval_seconds"})
    """Seconds from the end of one probe to the start of the next."""
    timeout: float = field(default=30.0, metadata={"wire": "timeout_seconds"})
    """Seconds after which a probe is killed and counts as failed."""
    retries: int = 3
    """How many failures in a row mean unhealthy; at least 1."""
    start_period: float = field(default=0.0, metadata={"wire": "start_period_seconds"})
    """Seconds in which failures do not count, until one probe has succeeded."""
    restart_unhealthy: bool = False
    """Whether to end the command when it becomes unhealthy, so that the restart policy decides."""


@dataclass(frozen=True)
class Isolation:
    """Which isolation features are on. All are, unless switched off.

    >>> import minidocker as md
    >>> print(md.run("uname -n", isolation=md.Isolation(uts=False)).stdout.strip() == __import__(
    ...     "socket").gethostname())
    True
    """

    pid: bool = True
    """A process tree of its own (``man 7 pid_namespaces``)."""
    rootfs: bool = True
    """A root filesystem of its own: overlay and pivot_root."""
    uts: bool = True
    """A hostname of its own (``man 7 uts_namespaces``)."""
    ipc: bool = True
    """Shared memory, semaphores and message queues of its own (``man 7 ipc_namespaces``)."""
    network: bool = True
    """Network interfaces of its own (``man 7 network_namespaces``)."""
    cgroup: bool = True
    """Its own cgroup as the root of what it sees (``man 7 cgroup_namespaces``)."""
    masked_paths: bool = True
    """Kernel files under /proc and /sys hidden or made read-only."""
    capabilities: bool = True
    """Only Docker's default capabilities (``man 7 capabilities``)."""
    no_new_privs: bool = True
    """No way to gain rights by executing a set-user-ID program (``man 2 prctl``)."""
    seccomp: bool = True
    """Docker's default system call filter (``man 2 seccomp``)."""


@dataclass(frozen=True)
class Rlimit:
    """One resource limit of single processes (``man 2 setrlimit``)."""

    resource: str
    """Which resource, without ``RLIMIT_``: as, core, cpu, fsize, memlock, nofile, nproc, stack."""
    soft: int
    """The limit that is enforced."""
    hard: int
    """The ceiling for ``soft``."""


@dataclass(frozen=True)
class Spec:
    """What a container is made from. Containers are immutable, and so is this."""

    name: str
    """The container's name."""
    command: Union[str, tuple[str, ...], None] = None
    """The command: the line as it was given, or its words. That of a container has the entrypoint
    of its image before it; a template may leave it to the image, and then it is None."""
    image: str = "host"
    """The image below its files."""
    entrypoint: Optional[tuple[str, ...]] = None
    """What is executed before the command, in the place of the image's own entrypoint; None for
    that. A container's command is complete: then this is ``()``, or None."""
    memory_mb: Optional[int] = field(default=None, metadata={"wire": "mem_limit_mb"})
    """The memory limit, swap included, in MB of 1024*1024 bytes."""
    cpu_percent: Optional[int] = field(default=None, metadata={"wire": "cpu_limit_percent"})
    """The CPU limit in percent of one core: 200 is two cores."""
    pids_limit: int = 512
    """How many processes and threads it may have; -1 for no limit."""
    volumes: tuple[str, ...] = ()
    """Folders of the host that it sees, ``host:container[:ro]``."""
    env: Mapping[str, str] = field(default_factory=dict, metadata={"wire": "env_vars"})
    """Its environment variables."""
    ports: tuple[str, ...] = ()
    """The ports it publishes, ``address:host:container[/udp]``."""
    network: str = "bridge"
    """Its network: ``bridge``, ``none``, ``host``, ``container:NAME`` or one that was made."""
    aliases: tuple[str, ...] = ()
    """More names by which the others on its network find it."""
    dns: tuple[str, ...] = ()
    """The name servers it asks, instead of the host's."""
    extra_hosts: tuple[str, ...] = ()
    """Names that only it knows, ``name:address``."""
    hostname: Optional[str] = None
    """The hostname it sees; its own name if None."""
    working_dir: str = "/"
    """The directory its command starts in."""
    user: str = "0:0"
    """The user its command runs as: numbers, or names of its own /etc/passwd and /etc/group."""
    rlimits: tuple[Rlimit, ...] = ()
    """Limits of single processes."""
    isolation: Isolation = Isolation()
    """Which isolation features are on."""
    init: bool = True
    """Whether PID 1 is a small init that reaps zombies and passes signals on."""
    best_effort_limits: bool = False
    """Whether it may start although a limit cannot be enforced on this machine."""
    restart: str = "no"
    """What becomes of it when its command ends: ``no``, ``on-failure``, ``on-failure:5``,
    ``always`` or ``unless-stopped``."""
    timeout_seconds: Optional[float] = None
    """After so many seconds a run is killed; None for no limit."""
    stop_signal: Optional[str] = None
    """What asks its command to end; SIGTERM if None."""
    health_check: Union[HealthCheck, str, None] = None
    """How its health is probed, if it is; ``"none"`` if it is not although the image says how."""
    stdin_open: bool = False
    """Whether its standard input is kept open for whoever attaches."""
    tty: bool = False
    """Whether it has a terminal instead of pipes."""
    log_max_mb: int = 32
    """The size of its log, in MB of 1024*1024 bytes."""


@dataclass(frozen=True)
class PublishedPort:
    """A port of the host behind which a port of the container answers."""

    host_ip: str
    """The host's address; 127.0.0.1 is reached from this machine only."""
    host_port: int
    """The host's port."""
    container_port: int
    """The container's port."""
    protocol: Protocol
    """TCP or UDP."""

    def __str__(self) -> str:
        address = f"[{self.host_ip}]" if ":" in self.host_ip else self.host_ip
        return f"{address}:{self.host_port}->{self.container_port}/{self.protocol}"


@dataclass(frozen=True)
class NetworkEndpoint:
    """A container's interface on a network."""

    name: str
    """The network: ``bridge``, or the name it was made with."""
    ip_address: str
    """The container's address."""
    gateway: str
    """The host's address on the same network, and the way to all others."""
    mac: str
    """The interface's hardware address."""


@dataclass(frozen=True)
class NetworkInfo:
    """How a container is connected. One that does not run has no addresses and no open ports."""

    mode: str
    """What was asked for: ``bridge``, ``none``, ``host``, ``container:NAME`` or a name."""
    networks: tuple[NetworkEndpoint, ...]
    """The networks that it has an interface on."""
    ports: tuple[PublishedPort, ...]
    """The published ports as they are open on the host."""
    caveats: tuple[str, ...] = ()
    """What does not work here as one would expect, and why."""

    @property
    def ip_address(self) -> Optional[str]:
        """Its first address; None if it has none of its own."""
        return self.networks[0].ip_address if self.networks else None


@dataclass(frozen=True)
class NetworkMember:
    """A container on a network."""

    names: tuple[str, ...]
    """The names that it is found by, its own first."""
    id: str
    """Its identity."""
    ip_address: str
    """Its address."""


@dataclass(frozen=True)
class Network:
    """A network, and who is on it now."""

    name: str
    """Its name; the common bridge's is ``bridge``."""
    created_at: Optional[datetime]
    """When it was made; None for the common bridge, which is always there."""
    subnet: Optional[str]
    """The addresses of its containers: those asked for, or while it is up those chosen."""
    bridge: Optional[str]
    """Its bridge, an interface of the host, while it is up."""
    gateway: Optional[str]
    """The host's address on it, while it is up."""
    containers: tuple[NetworkMember, ...]
    """The containers that are on it now. Of the common bridge, those of this root."""


@dataclass(frozen=True)
class ContainerInfo:
    """Everything that is known about a container."""

    id: str
    """Its identity: 64 hexadecimal digits."""
    name: str
    """Its name."""
    status: Status
    """Its state."""
    spec: Spec
    """What was asked for."""
    created_at: datetime
    """When it was created."""
    started_at: Optional[datetime]
    """When it was last started."""
    finished_at: Optional[datetime]
    """When it last ended."""
    exit: Optional[ExitStatus]
    """How its command ended, if it has."""
    oom_kills: int
    """How often the kernel killed one of its processes for lack of memory."""
    pid: Optional[int]
    """The command's pid as the host sees it, while it runs."""
    starts: int
    """How often it was started."""
    restarts: int
    """How often its restart policy has started it since an operator last did."""
    network: NetworkInfo
    """How it is connected: its mode, and while it runs its addresses and open ports."""
    not_enforced: tuple[str, ...]
    """Limits that were asked for on best effort and are not enforced here."""
    isolated: bool
    """Whether the kernel keeps it apart from this machine, but for the features that its
    specification turns off. False in a simulation, where nothing is."""
    rootfs: str
    """The folder of the host that holds what it changed."""
    health: Optional[HealthReport] = None
    """What its health check has found, if it has one and runs."""
    reason: Optional[str] = None
    """Why the state is ``error``."""

    def _repr_html_(self) -> str:
        from . import _html

        return _html.info(self)


@dataclass(frozen=True)
class LogEntry:
    """An entry of the log.

    ``print(entry)`` prints its text.
    """

    time: datetime
    """When the supervisor read it."""
    stream: Stream
    """Where it came from."""
    text: str
    """What was written, without the line's end. What is not UTF-8 is U+FFFD."""
    full: bool
    """Whether the line ends here; if not, the stream's next entry goes on with it."""

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Event:
    """Something that happened. Fields that say nothing of its kind are None."""

    id: int
    """Its place in the journal; a later event has a larger one."""
    time: datetime
    """When it happened."""
    name: str
    """The name of the container, template or image it happened to."""
    kind: Union[EventKind, str] = field(metadata={"wire": "event"})
    """What happened; a plain word for one that this version does not know."""
    container_id: Optional[str] = field(default=None, metadata={"wire": "container"})
    """The container's id, if it happened to one."""
    exit: Optional[ExitStatus] = None
    """``exited``: how."""
    failure: Optional[StepFailure] = None
    """``start_failed``, ``exec_failed``: the step, the call and the errno."""
    command: Optional[str] = None
    """``exec_started``, ``exec_failed``: the command."""
    health: Optional[Health] = None
    """``health_changed``: to what."""
    kills: Optional[int] = None
    """``out_of_memory``: how often so far in this run."""
    restarts: Optional[int] = None
    """``restarted``: how often so far."""

    def __str__(self) -> str:
        detail = self.exit or self.health or self.command or ""
        return f"{self.time:%H:%M:%S} {self.name} {self.kind} {detail}".rstrip()


@dataclass(frozen=True, repr=False)
class FileInfo:
    """What is known about a file without opening it (``man 2 stat``)."""

    name: str
    """Its name in its folder; ``/`` for the root."""
    kind: FileKind
    """What it is."""
    size: int
    """Its length in bytes."""
    mode: int
    """Its permission bits: ``0o644``."""
    uid: int
    """Its owner, as the host counts users."""
    gid: int
    """Its group, as the host counts groups."""
    modified: datetime
    """When its content last changed."""
    target: Optional[str] = None
    """Where it leads, if it is a symlink."""
    not_utf8: tuple[str, ...] = ()
    """The fields whose bytes are not UTF-8: there is U+FFFD in their place."""
    name_bytes: Optional[bytes] = None
    """The bytes of its name, if these are not UTF-8: paths may be given as bytes, too."""
    mount: Optional[FileMount] = None
    """What is mounted there, if anything is: then it is no file of the container's own."""

    def __repr__(self) -> str:
        # Permission bits as everybody writes them.
        shown = {each.name: repr(getattr(self, each.name)) for each in dataclasses.fields(self)}
        shown["mode"] = oct(self.mode)
        return f"FileInfo({', '.join(f'{name}={value}' for name, value in shown.items())})"

    def _repr_html_(self) -> str:
        from . import _html

        return _html.file(self)


@dataclass(frozen=True)
class Change:
    """One change; prints as ``docker diff`` does."""

    kind: ChangeKind
    """What became of it."""
    path: str
    """Its full path in the container. What is not UTF-8 in it is U+FFFD."""
    not_utf8: tuple[str, ...] = ()
    """The fields whose bytes are not UTF-8: there is U+FFFD in their place."""
    path_bytes: Optional[bytes] = None
    """The bytes of its path, if these are not UTF-8."""

    def __str__(self) -> str:
        letter = {"added": "A", "modified": "C", "deleted": "D"}[self.kind.value]
        return f"{letter} {self.path}"


@dataclass(frozen=True)
class ImageLayer:
    """A layer of an image."""

    digest: str
    """The SHA-256 of its uncompressed archive, in hexadecimal digits."""
    bytes: int
    """The content of its files, in bytes."""


@dataclass(frozen=True)
class ImageConfig:
    """How an image is meant to be run."""

    entrypoint: tuple[str, ...] = ()
    """The program and first arguments of every container (Docker's ENTRYPOINT)."""
    command: tuple[str, ...] = ()
    """The arguments unless others are given (Docker's CMD)."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Variables that every container of the image begins with."""
    working_dir: Optional[str] = None
    """The directory to start in, if it is not ``/``."""
    user: Optional[str] = None
    """The user to run as, by name or number, perhaps with a group, if it is not root."""
    stop_signal: Optional[str] = None
    """What asks its command to end, if its maker said so."""
    health_check: Optional[HealthCheck] = None
    """How its health is to be probed, if its maker said so."""
    exposed_ports: tuple[str, ...] = ()
    """The ports it serves, e.g. ``80/tcp``."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """What its maker wrote about it."""


@dataclass(frozen=True)
class Image:
    """An image: the files that containers begin with."""

    name: str
    """Its name, by which ``image=`` asks for it."""
    id: str
    """``sha256:`` and 64 hexadecimal digits; empty for ``host``."""
    source: ImageSource
    """What it was made from."""
    layers: tuple[ImageLayer, ...]
    """Its layers, topmost first."""
    config: ImageConfig = ImageConfig()
    """How it is meant to be run."""
    reference: Optional[str] = None
    """What the archive called it, e.g. ``alpine:3.20``."""
    architecture: Optional[str] = None
    """The processor its programs are for, in the words of Go: ``amd64``, ``arm64``."""
    imported_at: Optional[datetime] = None
    """When it was imported; None for ``host``."""

    @property
    def bytes(self) -> int:
        """The content of all its layers, also of those it shares."""
        return sum(layer.bytes for layer in self.layers)


@dataclass(frozen=True)
class ArchiveSummary:
    """What an archive holds."""

    bytes: int
    """The content of all files together, without the holes of sparse files."""
    entries: int
    """The number of files, folders and links."""
    left_out: int = 0
    """How many files an export left out, because no archive can hold them or they could not be read
    just then."""


@dataclass(frozen=True)
class ContainerUsage:
    """What a container takes on disk, in bytes."""

    name: str
    """Its name."""
    id: str
    """Its identity."""
    status: Status
    """Its state."""
    changes_bytes: int
    """What it changed of its image's files."""
    log_bytes: int
    """What it printed."""
    records_bytes: int
    """What is kept about it."""

    @property
    def total_bytes(self) -> int:
        """All of it."""
        return self.changes_bytes + self.log_bytes + self.records_bytes


@dataclass(frozen=True)
class ImageUsage:
    """What an image takes on disk, in bytes."""

    name: str
    """Its name."""
    bytes: int
    """Its files, shared ones too."""
    shared_bytes: int
    """What of it stays when it is deleted, because other images have the same layers."""
    containers: int
    """How many containers are made from it."""


@dataclass(frozen=True)
class DiskUsage:
    """What everything under a root takes on disk, in bytes of allocated blocks."""

    containers: tuple[ContainerUsage, ...]
    """Each container, by name."""
    images: tuple[ImageUsage, ...]
    """Each image, by name."""
    containers_bytes: int
    """All containers together."""
    images_bytes: int
    """All images together; layers that several share count once."""
    reclaimable_bytes: int
    """What a prune now would give back."""


@dataclass(frozen=True)
class NotPruned:
    """A container that a prune could not remove."""

    name: str
    """Its name."""
    why: str
    """Why not."""


@dataclass(frozen=True)
class Pruned:
    """What a prune removed."""

    containers: tuple[str, ...]
    """The names of the removed containers."""
    reclaimed_bytes: int
    """The bytes they took."""
    failed: tuple[NotPruned, ...] = ()
    """Those that should have gone and could not."""


@dataclass(frozen=True)
class Recovered:
    """A container that was lost with its supervisor."""

    name: str
    """Its name."""
    reason: str
    """What had happened to it."""
    trouble: Optional[str]
    """What of it could not be removed, and why; None if all is clean."""


@dataclass(frozen=True)
class Revived:
    """A container that its restart policy wanted back."""

    name: str
    """Its name."""
    trouble: Optional[str]
    """Why it did not start; None if it runs."""


@dataclass(frozen=True)
class Capability:
    """A feature of containers, and how far a backend supports it."""

    feature: str
    """A stable word for it."""
    title: str
    """What it is, in a few words."""
    support: Support
    """How far it is supported."""
    note: str
    """What one should know about it; may be empty."""


@dataclass(frozen=True)
class BackendInfo:
    """The backend of a runtime."""

    kind: Backend
    """Which it is."""
    reason: str
    """Why it is that one."""

    def __str__(self) -> str:
        return f"{self.kind} ({self.reason})"


@dataclass(frozen=True)
class Template:
    """A specification under a name of its own, to make containers from."""

    name: str
    """Its name."""
    title: str
    """Its title for people."""
    description: str
    """What it is for."""
    builtin: bool
    """Whether it comes with the library, and so cannot be changed or deleted."""
    spec: Spec
    """What containers are made from. Its name is the template's."""
