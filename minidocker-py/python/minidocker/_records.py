"""What the library tells, as frozen dataclasses; :mod:`_wire` makes them from its JSON form.

All times are aware ``datetime`` objects in UTC, all sizes are bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Optional, Union

from ._words import (
    Backend,
    ChangeKind,
    EventKind,
    FileKind,
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

    #: The exit code; 128+N for a death by signal N, as in every shell.
    exit_code: int = field(metadata={"wire": "code"})
    #: The signal that killed it, if one did.
    signal: Optional[int] = None
    #: Whether the kernel killed it for going over its memory limit.
    oom_killed: bool = False
    #: Whether it was killed because its time was over.
    timed_out: bool = False

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

    #: The step's id in the plan, e.g. ``pivot-root``.
    step: str
    #: The call that failed, as strace would print it.
    call: str
    #: What the user can do.
    hint: str
    #: What happened in words, where an errno alone would not tell.
    message: Optional[str] = None
    #: The errno, where the kernel gave one.
    errno: Optional[int] = None


@dataclass(frozen=True)
class Probe:
    """One probe of a health check."""

    #: When it was started.
    started_at: datetime
    #: When it had ended.
    finished_at: datetime
    #: Its exit code; None if it was killed at its timeout or could not be executed.
    exit_code: Optional[int]
    #: What it printed on both streams, at most 4 KiB.
    output: str


@dataclass(frozen=True)
class HealthReport:
    """The health of a container with a health check."""

    #: The verdict.
    status: Health
    #: How many probes have failed since one last succeeded.
    failing_streak: int
    #: The last five probes, oldest first.
    probes: tuple[Probe, ...]


@dataclass(frozen=True)
class HealthCheck:
    """How the health of a container is probed: exit code 0 of a command means healthy.

    >>> import minidocker as md
    >>> md.HealthCheck("curl -f http://localhost:8000", interval=10).retries
    3
    """

    #: The command that is run inside the container: a line, or its words.
    command: Union[str, tuple[str, ...]]
    #: Seconds from the end of one probe to the start of the next.
    interval: float = field(default=30.0, metadata={"wire": "interval_seconds"})
    #: Seconds after which a probe is killed and counts as failed.
    timeout: float = field(default=30.0, metadata={"wire": "timeout_seconds"})
    #: How many failures in a row mean unhealthy; at least 1.
    retries: int = 3
    #: Seconds in which failures do not count, until one probe has succeeded.
    start_period: float = field(default=0.0, metadata={"wire": "start_period_seconds"})
    #: Whether to end the command when it becomes unhealthy, so that the restart policy decides.
    restart_unhealthy: bool = False


@dataclass(frozen=True)
class Isolation:
    """Which isolation features are on. All are, unless switched off.

    >>> import minidocker as md
    >>> print(md.run("uname -n", isolation=md.Isolation(uts=False)).stdout.strip() == __import__(
    ...     "socket").gethostname())
    True
    """

    #: A process tree of its own (``man 7 pid_namespaces``).
    pid: bool = True
    #: A root filesystem of its own: overlay and pivot_root.
    rootfs: bool = True
    #: A hostname of its own (``man 7 uts_namespaces``).
    uts: bool = True
    #: Shared memory, semaphores and message queues of its own (``man 7 ipc_namespaces``).
    ipc: bool = True
    #: Network interfaces of its own (``man 7 network_namespaces``).
    network: bool = True
    #: Its own cgroup as the root of what it sees (``man 7 cgroup_namespaces``).
    cgroup: bool = True
    #: Kernel files under /proc and /sys hidden or made read-only.
    masked_paths: bool = True
    #: Only Docker's default capabilities (``man 7 capabilities``).
    capabilities: bool = True
    #: No way to gain rights by executing a set-user-ID program (``man 2 prctl``).
    no_new_privs: bool = True
    #: Docker's default system call filter (``man 2 seccomp``).
    seccomp: bool = True


@dataclass(frozen=True)
class Rlimit:
    """One resource limit of single processes (``man 2 setrlimit``)."""

    #: Which resource, without ``RLIMIT_``: as, core, cpu, fsize, memlock, nofile, nproc, stack.
    resource: str
    #: The limit that is enforced.
    soft: int
    #: The ceiling for ``soft``.
    hard: int


@dataclass(frozen=True)
class Spec:
    """What a container is made from. Containers are immutable, and so is this."""

    #: The container's name.
    name: str
    #: The command: the line as it was given, or its words. That of a container has the entrypoint
    #: of its image before it; a template may leave it to the image, and then it is None.
    command: Union[str, tuple[str, ...], None] = None
    #: The image below its files.
    image: str = "host"
    #: What is executed before the command, in the place of the image's own entrypoint; None for
    #: that. A container's command is complete: then this is ``()``, or None.
    entrypoint: Optional[tuple[str, ...]] = None
    #: The memory limit, swap included, in MB of 1024*1024 bytes.
    memory_mb: Optional[int] = field(default=None, metadata={"wire": "mem_limit_mb"})
    #: The CPU limit in percent of one core: 200 is two cores.
    cpu_percent: Optional[int] = field(default=None, metadata={"wire": "cpu_limit_percent"})
    #: How many processes and threads it may have; -1 for no limit.
    pids_limit: int = 512
    #: Folders of the host that it sees, ``host:container[:ro]``.
    volumes: tuple[str, ...] = ()
    #: Its environment variables.
    env: Mapping[str, str] = field(default_factory=dict, metadata={"wire": "env_vars"})
    #: The ports it publishes, ``address:host:container[/udp]``.
    ports: tuple[str, ...] = ()
    #: Its network: ``bridge``, ``none``, ``host``, ``container:NAME`` or one that was made.
    network: str = "bridge"
    #: More names by which the others on its network find it.
    aliases: tuple[str, ...] = ()
    #: The name servers it asks, instead of the host's.
    dns: tuple[str, ...] = ()
    #: Names that only it knows, ``name:address``.
    extra_hosts: tuple[str, ...] = ()
    #: The hostname it sees; its own name if None.
    hostname: Optional[str] = None
    #: The directory its command starts in.
    working_dir: str = "/"
    #: The user its command runs as: numbers, or names of its own /etc/passwd and /etc/group.
    user: str = "0:0"
    #: Limits of single processes.
    rlimits: tuple[Rlimit, ...] = ()
    #: Which isolation features are on.
    isolation: Isolation = Isolation()
    #: Whether PID 1 is a small init that reaps zombies and passes signals on.
    init: bool = True
    #: Whether it may start although a limit cannot be enforced on this machine.
    best_effort_limits: bool = False
    #: What becomes of it when its command ends: ``no``, ``on-failure``, ``on-failure:5``,
    #: ``always`` or ``unless-stopped``.
    restart: str = "no"
    #: After so many seconds a run is killed; None for no limit.
    timeout_seconds: Optional[float] = None
    #: What asks its command to end; SIGTERM if None.
    stop_signal: Optional[str] = None
    #: How its health is probed, if it is; ``"none"`` if it is not although the image says how.
    health_check: Union[HealthCheck, str, None] = None
    #: Whether its standard input is kept open for whoever attaches.
    stdin_open: bool = False
    #: Whether it has a terminal instead of pipes.
    tty: bool = False
    #: The size of its log, in MB of 1024*1024 bytes.
    log_max_mb: int = 32


@dataclass(frozen=True)
class PublishedPort:
    """A port of the host behind which a port of the container answers."""

    #: The host's address; 127.0.0.1 is reached from this machine only.
    host_ip: str
    #: The host's port.
    host_port: int
    #: The container's port.
    container_port: int
    #: TCP or UDP.
    protocol: Protocol

    def __str__(self) -> str:
        address = f"[{self.host_ip}]" if ":" in self.host_ip else self.host_ip
        return f"{address}:{self.host_port}->{self.container_port}/{self.protocol}"


@dataclass(frozen=True)
class NetworkEndpoint:
    """A container's interface on a network."""

    #: The network: ``bridge``, or the name it was made with.
    name: str
    #: The container's address.
    ip_address: str
    #: The host's address on the same network, and the way to all others.
    gateway: str
    #: The interface's hardware address.
    mac: str


@dataclass(frozen=True)
class NetworkInfo:
    """How a container is connected. One that does not run has no addresses and no open ports."""

    #: What was asked for: ``bridge``, ``none``, ``host``, ``container:NAME`` or a name.
    mode: str
    #: The networks that it has an interface on.
    networks: tuple[NetworkEndpoint, ...]
    #: The published ports as they are open on the host.
    ports: tuple[PublishedPort, ...]
    #: What does not work here as one would expect, and why.
    caveats: tuple[str, ...] = ()

    @property
    def ip_address(self) -> Optional[str]:
        """Its first address; None if it has none of its own."""
        return self.networks[0].ip_address if self.networks else None


@dataclass(frozen=True)
class NetworkMember:
    """A container on a network."""

    #: The names that it is found by, its own first.
    names: tuple[str, ...]
    #: Its identity.
    id: str
    #: Its address.
    ip_address: str


@dataclass(frozen=True)
class Network:
    """A network, and who is on it now."""

    #: Its name; the common bridge's is ``bridge``.
    name: str
    #: When it was made; None for the common bridge, which is always there.
    created_at: Optional[datetime]
    #: The addresses of its containers: those asked for, or while it is up those chosen.
    subnet: Optional[str]
    #: Its bridge, an interface of the host, while it is up.
    bridge: Optional[str]
    #: The host's address on it, while it is up.
    gateway: Optional[str]
    #: The containers that are on it now. Of the common bridge, those of this root.
    containers: tuple[NetworkMember, ...]


@dataclass(frozen=True)
class ContainerInfo:
    """Everything that is known about a container."""

    #: Its identity: 64 hexadecimal digits.
    id: str
    #: Its name.
    name: str
    #: Its state.
    status: Status
    #: What was asked for.
    spec: Spec
    #: When it was created.
    created_at: datetime
    #: When it was last started.
    started_at: Optional[datetime]
    #: When it last ended.
    finished_at: Optional[datetime]
    #: How its command ended, if it has.
    exit: Optional[ExitStatus]
    #: How often the kernel killed one of its processes for lack of memory.
    oom_kills: int
    #: The command's pid as the host sees it, while it runs.
    pid: Optional[int]
    #: How often it was started.
    starts: int
    #: How often its restart policy has started it since an operator last did.
    restarts: int
    #: How it is connected: its mode, and while it runs its addresses and open ports.
    network: NetworkInfo
    #: Limits that were asked for on best effort and are not enforced here.
    not_enforced: tuple[str, ...]
    #: Whether the kernel keeps it apart from this machine, but for the features that its
    #: specification turns off. False in a simulation, where nothing is.
    isolated: bool
    #: The folder of the host that holds what it changed.
    rootfs: str
    #: What its health check has found, if it has one and runs.
    health: Optional[HealthReport] = None
    #: Why the state is ``error``.
    reason: Optional[str] = None


@dataclass(frozen=True)
class LogEntry:
    """An entry of the log.

    ``print(entry)`` prints its text.
    """

    #: When the supervisor read it.
    time: datetime
    #: Where it came from.
    stream: Stream
    #: What was written, without the line's end. What is not UTF-8 is U+FFFD.
    text: str
    #: Whether the line ends here; if not, the stream's next entry goes on with it.
    full: bool

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Event:
    """Something that happened. Fields that say nothing of its kind are None."""

    #: Its place in the journal; a later event has a larger one.
    id: int
    #: When it happened.
    time: datetime
    #: The name of the container, template or image it happened to.
    name: str
    #: What happened; a plain word for one that this version does not know.
    kind: Union[EventKind, str] = field(metadata={"wire": "event"})
    #: The container's id, if it happened to one.
    container_id: Optional[str] = field(default=None, metadata={"wire": "container"})
    #: ``exited``: how.
    exit: Optional[ExitStatus] = None
    #: ``start_failed``, ``exec_failed``: the step, the call and the errno.
    failure: Optional[StepFailure] = None
    #: ``exec_started``, ``exec_failed``: the command.
    command: Optional[str] = None
    #: ``health_changed``: to what.
    health: Optional[Health] = None
    #: ``out_of_memory``: how often so far in this run.
    kills: Optional[int] = None
    #: ``restarted``: how often so far.
    restarts: Optional[int] = None

    def __str__(self) -> str:
        detail = self.exit or self.health or self.command or ""
        return f"{self.time:%H:%M:%S} {self.name} {self.kind} {detail}".rstrip()


@dataclass(frozen=True)
class FileInfo:
    """What is known about a file without opening it (``man 2 stat``)."""

    #: Its name in its folder; ``/`` for the root.
    name: str
    #: What it is.
    kind: FileKind
    #: Its length in bytes.
    size: int
    #: Its permission bits: ``0o644``.
    mode: int
    #: Its owner, as the host counts users.
    uid: int
    #: Its group, as the host counts groups.
    gid: int
    #: When its content last changed.
    modified: datetime
    #: Where it leads, if it is a symlink.
    target: Optional[str] = None


@dataclass(frozen=True)
class Change:
    """One change; prints as ``docker diff`` does."""

    #: What became of it.
    kind: ChangeKind
    #: Its full path in the container.
    path: str

    def __str__(self) -> str:
        letter = {"added": "A", "modified": "C", "deleted": "D"}[self.kind.value]
        return f"{letter} {self.path}"


@dataclass(frozen=True)
class ImageLayer:
    """A layer of an image."""

    #: The SHA-256 of its uncompressed archive, in hexadecimal digits.
    digest: str
    #: The content of its files, in bytes.
    bytes: int


@dataclass(frozen=True)
class ImageConfig:
    """How an image is meant to be run."""

    #: The program and first arguments of every container (Docker's ENTRYPOINT).
    entrypoint: tuple[str, ...] = ()
    #: The arguments unless others are given (Docker's CMD).
    command: tuple[str, ...] = ()
    #: Variables that every container of the image begins with.
    env: Mapping[str, str] = field(default_factory=dict)
    #: The directory to start in, if it is not ``/``.
    working_dir: Optional[str] = None
    #: The user to run as, by name or number, perhaps with a group, if it is not root.
    user: Optional[str] = None
    #: What asks its command to end, if its maker said so.
    stop_signal: Optional[str] = None
    #: How its health is to be probed, if its maker said so.
    health_check: Optional[HealthCheck] = None
    #: The ports it serves, e.g. ``80/tcp``.
    exposed_ports: tuple[str, ...] = ()
    #: What its maker wrote about it.
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Image:
    """An image: the files that containers begin with."""

    #: Its name, by which ``image=`` asks for it.
    name: str
    #: ``sha256:`` and 64 hexadecimal digits; empty for ``host``.
    id: str
    #: What it was made from.
    source: ImageSource
    #: Its layers, topmost first.
    layers: tuple[ImageLayer, ...]
    #: How it is meant to be run.
    config: ImageConfig = ImageConfig()
    #: What the archive called it, e.g. ``alpine:3.20``.
    reference: Optional[str] = None
    #: The processor its programs are for, in the words of Go: ``amd64``, ``arm64``.
    architecture: Optional[str] = None
    #: When it was imported; None for ``host``.
    imported_at: Optional[datetime] = None

    @property
    def bytes(self) -> int:
        """The content of all its layers, also of those it shares."""
        return sum(layer.bytes for layer in self.layers)


@dataclass(frozen=True)
class ArchiveSummary:
    """What an archive holds."""

    #: The content of all files together, without the holes of sparse files.
    bytes: int
    #: The number of files, folders and links.
    entries: int
    #: How many files an export left out, because no archive can hold them or they could not be
    #: read just then.
    left_out: int = 0


@dataclass(frozen=True)
class ContainerUsage:
    """What a container takes on disk, in bytes."""

    #: Its name.
    name: str
    #: Its identity.
    id: str
    #: Its state.
    status: Status
    #: What it changed of its image's files.
    changes_bytes: int
    #: What it printed.
    log_bytes: int
    #: What is kept about it.
    records_bytes: int

    @property
    def total_bytes(self) -> int:
        """All of it."""
        return self.changes_bytes + self.log_bytes + self.records_bytes


@dataclass(frozen=True)
class ImageUsage:
    """What an image takes on disk, in bytes."""

    #: Its name.
    name: str
    #: Its files, shared ones too.
    bytes: int
    #: What of it stays when it is deleted, because other images have the same layers.
    shared_bytes: int
    #: How many containers are made from it.
    containers: int


@dataclass(frozen=True)
class DiskUsage:
    """What everything under a root takes on disk, in bytes of allocated blocks."""

    #: Each container, by name.
    containers: tuple[ContainerUsage, ...]
    #: Each image, by name.
    images: tuple[ImageUsage, ...]
    #: All containers together.
    containers_bytes: int
    #: All images together; layers that several share count once.
    images_bytes: int
    #: What a prune now would give back.
    reclaimable_bytes: int


@dataclass(frozen=True)
class NotPruned:
    """A container that a prune could not remove."""

    #: Its name.
    name: str
    #: Why not.
    why: str


@dataclass(frozen=True)
class Pruned:
    """What a prune removed."""

    #: The names of the removed containers.
    containers: tuple[str, ...]
    #: The bytes they took.
    reclaimed_bytes: int
    #: Those that should have gone and could not.
    failed: tuple[NotPruned, ...] = ()


@dataclass(frozen=True)
class Recovered:
    """A container that was lost with its supervisor."""

    #: Its name.
    name: str
    #: What had happened to it.
    reason: str
    #: What of it could not be removed, and why; None if all is clean.
    trouble: Optional[str]


@dataclass(frozen=True)
class Revived:
    """A container that its restart policy wanted back."""

    #: Its name.
    name: str
    #: Why it did not start; None if it runs.
    trouble: Optional[str]


@dataclass(frozen=True)
class Capability:
    """A feature of containers, and how far a backend supports it."""

    #: A stable word for it.
    feature: str
    #: What it is, in a few words.
    title: str
    #: How far it is supported.
    support: Support
    #: What one should know about it; may be empty.
    note: str


@dataclass(frozen=True)
class BackendInfo:
    """The backend of a runtime."""

    #: Which it is.
    kind: Backend
    #: Why it is that one.
    reason: str

    def __str__(self) -> str:
        return f"{self.kind} ({self.reason})"


@dataclass(frozen=True)
class Template:
    """A specification under a name of its own, to make containers from."""

    #: Its name.
    name: str
    #: Its title for people.
    title: str
    #: What it is for.
    description: str
    #: Whether it comes with the library, and so cannot be changed or deleted.
    builtin: bool
    #: What containers are made from. Its name is the template's.
    spec: Spec
