"""What the library tells: enums and frozen dataclasses.

They are made from the library's own JSON form by :func:`decode`, which goes by the types that are
written here. All times are aware ``datetime`` objects in UTC, all sizes are bytes.
"""

from __future__ import annotations

import dataclasses
import enum
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Callable, Optional, TypeVar, Union

if TYPE_CHECKING:
    from typing_extensions import Self

T = TypeVar("T")


class Word(str, enum.Enum):
    """One of a few words; equal to the word itself.

    >>> import minidocker as md
    >>> md.Status.RUNNING == "running", str(md.Status.RUNNING)
    (True, 'running')
    """

    if TYPE_CHECKING:

        def __new__(cls, value: str) -> Self: ...

    def __str__(self) -> str:
        return str(self.value)


class Status(Word):
    """The state of a container."""

    CREATED = "created"  #: Made, never started.
    RUNNING = "running"  #: Its command runs.
    PAUSED = "paused"  #: Frozen; it will go on where it was.
    RESTARTING = "restarting"  #: Its command has ended and will be started again.
    STOPPED = "stopped"  #: Its command has ended, with whatever exit code.
    ERROR = "error"  #: It could not be started, or its supervisor was lost.

    @property
    def is_alive(self) -> bool:
        """Whether a supervisor looks after it: running, paused or restarting."""
        return self in (Status.RUNNING, Status.PAUSED, Status.RESTARTING)


class Health(Word):
    """What the probes of a health check have found."""

    STARTING = "starting"  #: No probe has succeeded yet, and not too many have failed.
    HEALTHY = "healthy"  #: The last probe succeeded, or not enough have failed since.
    UNHEALTHY = "unhealthy"  #: As many probes in a row failed as the check has retries.


class Stream(Word):
    """Where a line of the log came from."""

    STDOUT = "stdout"  #: The command's standard output.
    STDERR = "stderr"  #: The command's standard error.
    SYSTEM = "system"  #: The runtime's own remarks: start, end, out of memory.


class Backend(Word):
    """A way of making containers."""

    LINUX = "linux"  #: Real ones, from the kernel's namespaces, cgroups and overlays.
    SIMULATION = "simulation"  #: Imitated ones, without isolation.


class Support(Word):
    """How far a backend supports a feature."""

    FULL = "full"  #: As the feature is meant.
    IMITATED = "imitated"  #: The note says how, and where that ends.
    NONE = "none"  #: The note says why.


class Actor(Word):
    """Which process performs a step."""

    SUPERVISOR = "supervisor"  #: Outside the container, with the host's rights.
    INIT = "init"  #: PID 1 of the container, in its new namespaces.
    COMMAND = "command"  #: The process that becomes the command, in its cgroup.


class Outcome(Word):
    """How a step went."""

    DONE = "done"  #: It was done.
    FAILED = "failed"  #: It failed.
    NOT_REACHED = "not_reached"  #: An earlier step failed.


class ChangeKind(Word):
    """What became of a file or folder, compared with the image."""

    ADDED = "added"  #: The image does not have it.
    MODIFIED = "modified"  #: The image has another of this name; in a folder, something changed.
    DELETED = "deleted"  #: The image has it, and the container removed it.


class FileKind(Word):
    """What a file is (``man 7 inode``)."""

    FILE = "file"  #: Bytes.
    DIRECTORY = "directory"  #: A folder.
    SYMLINK = "symlink"  #: A name for another path.
    FIFO = "fifo"  #: A named pipe.
    SOCKET = "socket"  #: A socket.
    CHARACTER_DEVICE = "character_device"  #: A character device.
    BLOCK_DEVICE = "block_device"  #: A block device.


class ImageSource(Word):
    """What an image was made from."""

    HOST = "host"  #: This machine's own programs.
    ROOTFS = "rootfs"  #: The tar archive of a root filesystem.
    DOCKER = "docker"  #: An archive of ``docker save``.
    OCI = "oci"  #: An archive of an OCI image layout.


class Protocol(Word):
    """The protocol of a published port."""

    TCP = "tcp"  #: Connections.
    UDP = "udp"  #: Single messages.


class Verdict(Word):
    """What the doctor thinks of one thing."""

    OK = "ok"  #: Nothing to be done.
    WARNING = "warning"  #: Works, but not as well as it could.
    PROBLEM = "problem"  #: Containers cannot be made, or not all of them.


class EventKind(Word):
    """What can happen. Later versions may know more."""

    CREATED = "created"  #: A container was made.
    STARTED = "started"  #: Its command was executed.
    START_FAILED = "start_failed"  #: A step of the start failed.
    EXEC_STARTED = "exec_started"  #: A command was executed in the running container.
    EXEC_FAILED = "exec_failed"  #: A command could not be executed in it.
    OUT_OF_MEMORY = "out_of_memory"  #: The kernel killed one of its processes.
    PAUSED = "paused"  #: It was frozen.
    RESUMED = "resumed"  #: It goes on.
    HEALTH_CHANGED = "health_changed"  #: Its health changed.
    EXITED = "exited"  #: Its command ended.
    RESTARTED = "restarted"  #: Its restart policy started it again.
    LOST = "lost"  #: Its supervisor was killed, and it ended with it.
    RESTART_CANCELLED = "restart_cancelled"  #: It was stopped between two runs.
    DELETED = "deleted"  #: The container was deleted.
    TEMPLATE_SAVED = "template_saved"  #: A template was saved.
    TEMPLATE_DELETED = "template_deleted"  #: A template was deleted.
    IMAGE_IMPORTED = "image_imported"  #: An image was imported.
    IMAGE_DELETED = "image_deleted"  #: An image was deleted.
    MISSED = "missed"  #: Events were rotated away before this reader could read them.


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

    @property
    def ok(self) -> bool:
        """Whether it ended by itself with code 0."""
        return self.exit_code == 0

    def __str__(self) -> str:
        text = f"exit code {self.exit_code}"
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
    #: The command: the line as it was given, or its words.
    command: Union[str, tuple[str, ...]]
    #: The image below its files.
    image: str = "host"
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
    #: The user its command runs as, ``uid:gid``.
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
    #: How its health is probed, if it is.
    health_check: Optional[HealthCheck] = None
    #: Whether its standard input is kept open for whoever attaches.
    stdin_open: bool = False
    #: Whether it has a terminal instead of pipes.
    tty: bool = False


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
    #: The folder of the host that holds what it changed.
    rootfs: str
    #: What its health check has found, if it has one and runs.
    health: Optional[HealthReport] = None
    #: Why the state is ``error``.
    reason: Optional[str] = None


@dataclass(frozen=True)
class MemoryStats:
    """Memory, in bytes."""

    #: What it needs, as ``docker stats`` counts it: without the file cache not used lately.
    used_bytes: int
    #: All that is charged to it; what the limit is compared with.
    current_bytes: int
    #: The most that was ever charged in this run; None where the kernel does not tell.
    peak_bytes: Optional[int]
    #: Its limit, if it has one.
    limit_bytes: Optional[int]
    #: The machine's memory, which bounds it without a limit.
    machine_bytes: int
    #: ``used_bytes`` in percent of the limit, or of the machine's memory.
    percent: float
    #: Memory of its programs: heap, stack and the like.
    anon_bytes: int
    #: Cached file contents, ``shmem_bytes`` included.
    file_bytes: int
    #: Shared memory and tmpfs.
    shmem_bytes: int
    #: What the kernel keeps for it; None where the kernel does not tell.
    kernel_bytes: Optional[int]


@dataclass(frozen=True)
class CpuStats:
    """CPU time."""

    #: Percent of one core (200 is two cores) since the sample before; None for the first.
    percent: Optional[float]
    #: All time used in this run, in microseconds.
    total_micros: int
    #: Of this, in programs.
    user_micros: int
    #: Of this, in the kernel.
    system_micros: int
    #: Its limit in percent of one core, if it has one.
    limit_percent: Optional[float]
    #: In how many periods (of 100 ms) of the limit it wanted to run.
    periods: int
    #: In how many of them it used up its share and had to wait.
    throttled_periods: int
    #: For how long its processes had to wait then, in microseconds, summed over the cores.
    throttled_micros: int


@dataclass(frozen=True)
class PidsStats:
    """Processes and threads."""

    #: How many there are, each thread counted.
    current: int
    #: How many there may be, if there is a limit.
    limit: Optional[int]


@dataclass(frozen=True)
class BlockIoStats:
    """Bytes that went from and to disks."""

    #: Read.
    read_bytes: int
    #: Written.
    write_bytes: int


@dataclass(frozen=True)
class NetworkStats:
    """What went over its network interfaces, loopback not counted."""

    #: Bytes received.
    rx_bytes: int
    #: Packets received.
    rx_packets: int
    #: Bytes sent.
    tx_bytes: int
    #: Packets sent.
    tx_packets: int


@dataclass(frozen=True)
class Stall:
    """For how long processes were stalled."""

    #: Percent of the last 10 seconds.
    avg10: float
    #: Percent of the last minute.
    avg60: float
    #: Percent of the last 5 minutes.
    avg300: float
    #: All time in this run, in microseconds.
    total_micros: int


@dataclass(frozen=True)
class Pressure:
    """The pressure on one resource (https://docs.kernel.org/accounting/psi.html)."""

    #: At least one process had to wait.
    some: Stall
    #: All of them had to wait.
    full: Stall


@dataclass(frozen=True)
class PressureStats:
    """The share of time in which processes wanted to work and could not."""

    #: Waiting for a CPU.
    cpu: Pressure
    #: Waiting for memory.
    memory: Pressure
    #: Waiting for disks.
    io: Pressure


@dataclass(frozen=True)
class Stats:
    """What one container uses, at one moment. One that does not run uses nothing."""

    #: When this was measured.
    time: datetime
    #: The container's state.
    status: Status
    #: When it was last started.
    started_at: Optional[datetime]
    #: For how long its command has been running.
    uptime_seconds: Optional[float]
    #: How often its restart policy has started it since an operator last did.
    restarts: int
    #: What its health check has found.
    health: Optional[Health]
    #: How often the kernel killed one of its processes for lack of memory.
    oom_kills: int
    #: Its memory.
    memory: MemoryStats
    #: Its CPU time.
    cpu: CpuStats
    #: Its processes.
    pids: PidsStats
    #: What it read from disks and wrote to them.
    block_io: BlockIoStats
    #: What it received and sent; None if it shares the host's network or does not run.
    network: Optional[NetworkStats]
    #: How it is connected: its mode, and while it runs its addresses and open ports.
    network_info: NetworkInfo
    #: How long it had to wait for what it needed; None where the kernel does not tell.
    pressure: Optional[PressureStats]

    @property
    def memory_bytes(self) -> int:
        """The memory it needs, in bytes: ``memory.used_bytes``."""
        return self.memory.used_bytes

    @property
    def cpu_percent(self) -> Optional[float]:
        """CPU time in percent of one core since the sample before: ``cpu.percent``."""
        return self.cpu.percent

    def cpu_percent_since(self, earlier: Stats) -> Optional[float]:
        """CPU time between an earlier sample and this one, in percent of one core.

        None if the container does not run, was started anew in between, or no time passed.
        """
        if self.started_at != earlier.started_at:
            return None
        if self.uptime_seconds is None or earlier.uptime_seconds is None:
            return None
        seconds = self.uptime_seconds - earlier.uptime_seconds
        used = self.cpu.total_micros - earlier.cpu.total_micros
        return used / 1e6 / seconds * 100 if seconds > 0 and used >= 0 else None

    def _repr_html_(self) -> str:
        from . import _html

        return _html.stats(self)


@dataclass(frozen=True)
class ContainerStats(Stats):
    """The stats of one container among many."""

    #: Its name.
    name: str
    #: Its identity.
    id: str


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
class Step:
    """One step of a plan, explained."""

    #: A stable word for it, e.g. ``pivot-root``.
    id: str
    #: Who performs it.
    actor: Actor
    #: What it does, in a few words.
    title: str
    #: Why it is done, for a beginner.
    why: str
    #: The system calls, as strace would print them.
    syscalls: tuple[str, ...]
    #: A command one could type to the same effect.
    shell: str
    #: Where the mechanism is specified, e.g. ``man 2 pivot_root``.
    manual: str
    #: What happens instead, if the backend imitates it.
    simulated: Optional[str] = None

    def __str__(self) -> str:
        return f"{self.id}: {self.title}"


@dataclass(frozen=True)
class Call:
    """One system call or file write."""

    #: The call with its arguments, as strace would print it.
    call: str
    #: How long it took, in microseconds.
    micros: float
    #: The name of the errno, if it failed, e.g. ``ENOENT``.
    errno: Optional[str] = None


@dataclass(frozen=True)
class TracedStep:
    """A step as it was executed."""

    #: The step's id in the plan.
    id: str
    #: Who performed it.
    actor: Actor
    #: What it does, in a few words.
    title: str
    #: How it went.
    outcome: Outcome
    #: Microseconds from the start of the construction to the start of the step.
    start_micros: float
    #: How long the step took, in microseconds.
    micros: float
    #: The calls it made.
    calls: tuple[Call, ...]
    #: What happened instead, if the backend imitated it.
    simulated: Optional[str] = None

    def __str__(self) -> str:
        return f"{self.id}: {self.title} ({self.micros:.0f} µs)"


@dataclass(frozen=True)
class Trace:
    """A plan as it was executed."""

    #: Of which container.
    id: str
    #: When the start began.
    started_at: datetime
    #: Microseconds from there to the command's exec (or to the failure).
    micros: float
    #: Each step of the plan.
    steps: tuple[TracedStep, ...]
    #: The failure, if a step failed.
    failure: Optional[StepFailure] = None

    def __str__(self) -> str:
        lines = (f"{step.start_micros:8.0f} µs  {step}" for step in self.steps)
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        from . import _html

        return _html.trace(self)


class Plan(tuple[Step, ...]):
    """What a start will do: a tuple of :class:`Step`.

    >>> import minidocker as md
    >>> with md.Runtime() as rt, rt.create(None, "true") as container:
    ...     plan = container.plan()
    >>> "overlay" in [step.id for step in plan]
    True
    """

    __slots__ = ()

    def __str__(self) -> str:
        return "\n".join(f"{number:2}. {step}" for number, step in enumerate(self, 1))

    def _repr_html_(self) -> str:
        from . import _html

        return _html.plan(self)


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
    #: The user to run as, ``uid:gid``, if it is not root.
    user: Optional[str] = None
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


#: Which dataclass has which way of being made from JSON.
_DECODERS: dict[type, Callable[[Any], Any]] = {}


def decode(kind: type[T], raw: Any) -> T:
    """Makes a record from the library's JSON form. What it does not know it passes over, so that
    a newer library goes with older types."""
    result: T = _decoder(kind)(raw)
    return result


def _decoder(kind: Any) -> Callable[[Any], Any]:
    if dataclasses.is_dataclass(kind):
        found = _DECODERS.get(kind)  # type: ignore[arg-type]
        if found is None:
            found = _DECODERS[kind] = _dataclass_decoder(kind)  # type: ignore[index,arg-type]
        return found
    if kind is datetime:
        return _time
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return kind
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Union:
        return _union_decoder([argument for argument in arguments if argument is not type(None)])
    if origin is tuple:
        item = _decoder(arguments[0])
        return lambda raw: tuple(item(each) for each in raw)
    return _as_it_is


def _as_it_is(raw: Any) -> Any:
    return raw


def _union_decoder(kinds: list[Any]) -> Callable[[Any], Any]:
    decoders = [_decoder(kind) for kind in kinds]

    def union(raw: Any) -> Any:
        if raw is None:
            return None
        if len(decoders) == 1:
            return decoders[0](raw)
        # A word that an enum may know, or words: `str` or `Tuple[str, ...]`.
        if isinstance(raw, list):
            return tuple(raw)
        try:
            return decoders[0](raw)
        except ValueError:
            return raw

    return union


def _dataclass_decoder(kind: type) -> Callable[[Any], Any]:
    hints = typing.get_type_hints(kind)
    fields = [
        (each.name, each.metadata.get("wire", each.name), _decoder(hints[each.name]))
        for each in dataclasses.fields(kind)
    ]

    def make(raw: dict[str, Any]) -> Any:
        given = {name: of(raw[wire]) for name, wire, of in fields if wire in raw}
        return kind(**given)

    return make


def _time(raw: str) -> datetime:
    # 2026-11-23T14:19:33.123456789Z; datetime counts microseconds, and before Python 3.11 it
    # reads no other number of digits than six.
    whole, _, fraction = raw.rstrip("Z").partition(".")
    return datetime.fromisoformat(f"{whole}.{fraction[:6]:0<6}+00:00")


_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
#: Looked up for every line of a log.
_STREAMS = {stream.value: stream for stream in Stream}


def log_entry(parts: tuple[int, str, bytes, bool]) -> LogEntry:
    """An entry of the log from its parts."""
    micros, stream, text, full = parts
    time = _EPOCH + timedelta(microseconds=micros)
    return LogEntry(time, _STREAMS[stream], text.decode(errors="replace"), full)


def encode(record: Any) -> dict[str, Any]:
    """The library's JSON form of a record, without what is as it would be anyway."""
    given: dict[str, Any] = {}
    for each in dataclasses.fields(record):
        value = getattr(record, each.name)
        default = each.default
        if each.default_factory is not dataclasses.MISSING:
            default = each.default_factory()
        if default is not dataclasses.MISSING and value == default:
            continue
        if dataclasses.is_dataclass(value):
            value = encode(value)
        elif isinstance(value, tuple):
            value = [encode(item) if dataclasses.is_dataclass(item) else item for item in value]
        given[each.metadata.get("wire", each.name)] = value
    return given
