"""The few words that a status, a backend, a stream … can be."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from typing_extensions import Self


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

    CREATED = "created"
    """Made, never started."""
    RUNNING = "running"
    """Its command runs."""
    PAUSED = "paused"
    """Frozen; it will go on where it was."""
    RESTARTING = "restarting"
    """Its command has ended and will be started again."""
    STOPPED = "stopped"
    """Its command has ended, with whatever exit code."""
    ERROR = "error"
    """It could not be started, or its supervisor was lost."""

    @property
    def is_alive(self) -> bool:
        """Whether a supervisor looks after it: running, paused or restarting."""
        return self in (Status.RUNNING, Status.PAUSED, Status.RESTARTING)


class Health(Word):
    """What the probes of a health check have found."""

    STARTING = "starting"
    """No probe has succeeded yet, and not too many have failed."""
    HEALTHY = "healthy"
    """The last probe succeeded, or not enough have failed since."""
    UNHEALTHY = "unhealthy"
    """As many probes in a row failed as the check has retries."""


class Stream(Word):
    """Where a line of the log came from."""

    STDOUT = "stdout"
    """The command's standard output."""
    STDERR = "stderr"
    """The command's standard error."""
    SYSTEM = "system"
    """The runtime's own remarks: start, end, out of memory."""


class Backend(Word):
    """A way of making containers."""

    LINUX = "linux"
    """Real ones, from the kernel's namespaces, cgroups and overlays."""
    SIMULATION = "simulation"
    """Imitated ones, without isolation."""
    ANY = "any"
    """To be asked for only: Linux where it is possible, else the simulation."""


#: The same, as a plain word.
BackendName = Literal["linux", "simulation", "any"]


class Support(Word):
    """How far a backend supports a feature."""

    FULL = "full"
    """As the feature is meant."""
    IMITATED = "imitated"
    """The note says how, and where that ends."""
    NONE = "none"
    """The note says why."""


class Actor(Word):
    """Which process performs a step."""

    SUPERVISOR = "supervisor"
    """Outside the container, with the host's rights."""
    INIT = "init"
    """PID 1 of the container, in its new namespaces."""
    COMMAND = "command"
    """The process that becomes the command, in its cgroup."""


class Outcome(Word):
    """How a step went."""

    DONE = "done"
    """It was done."""
    FAILED = "failed"
    """It failed."""
    NOT_REACHED = "not_reached"
    """An earlier step failed."""


class ChangeKind(Word):
    """What became of a file or folder, compared with the image."""

    ADDED = "added"
    """The image does not have it."""
    MODIFIED = "modified"
    """The image has another of this name; in a folder, something changed."""
    DELETED = "deleted"
    """The image has it, and the container removed it."""


class FileKind(Word):
    """What a file is (``man 7 inode``)."""

    FILE = "file"
    """Bytes."""
    DIRECTORY = "directory"
    """A folder."""
    SYMLINK = "symlink"
    """A name for another path."""
    FIFO = "fifo"
    """A named pipe."""
    SOCKET = "socket"
    """A socket."""
    CHARACTER_DEVICE = "character_device"
    """A character device."""
    BLOCK_DEVICE = "block_device"
    """A block device."""


class FileMount(Word):
    """What is mounted on a file or folder. Of a container that does not run: what a start will
    mount."""

    VOLUME = "volume"
    """A volume."""
    HOST = "host"
    """Programs of this machine, read-only."""
    SYSTEM = "system"
    """What every start makes anew."""


class ImageSource(Word):
    """What an image was made from."""

    HOST = "host"
    """This machine's own programs."""
    ROOTFS = "rootfs"
    """The tar archive of a root filesystem."""
    DOCKER = "docker"
    """An archive of ``docker save``."""
    OCI = "oci"
    """An archive of an OCI image layout."""


class Protocol(Word):
    """The protocol of a published port."""

    TCP = "tcp"
    """Connections."""
    UDP = "udp"
    """Single messages."""


class Verdict(Word):
    """What the doctor thinks of one thing."""

    OK = "ok"
    """Nothing to be done."""
    WARNING = "warning"
    """Works, but not as well as it could."""
    PROBLEM = "problem"
    """Containers cannot be made, or not all of them."""


class EventKind(Word):
    """What can happen. Later versions may know more."""

    CREATED = "created"
    """A container was made."""
    STARTED = "started"
    """Its command was executed."""
    START_FAILED = "start_failed"
    """A step of the start failed."""
    EXEC_STARTED = "exec_started"
    """A command was executed in the running container."""
    EXEC_FAILED = "exec_failed"
    """A command could not be executed in it."""
    OUT_OF_MEMORY = "out_of_memory"
    """The kernel killed one of its processes."""
    PAUSED = "paused"
    """It was frozen."""
    RESUMED = "resumed"
    """It goes on."""
    HEALTH_CHANGED = "health_changed"
    """Its health changed."""
    EXITED = "exited"
    """Its command ended."""
    RESTARTED = "restarted"
    """Its restart policy started it again."""
    LOST = "lost"
    """Its supervisor was killed, and it ended with it."""
    RESTART_CANCELLED = "restart_cancelled"
    """It was stopped between two runs."""
    DELETED = "deleted"
    """The container was deleted."""
    TEMPLATE_SAVED = "template_saved"
    """A template was saved."""
    TEMPLATE_DELETED = "template_deleted"
    """A template was deleted."""
    IMAGE_IMPORTED = "image_imported"
    """An image was imported."""
    IMAGE_DELETED = "image_deleted"
    """An image was deleted."""
    MISSED = "missed"
    """Events were rotated away before this reader could read them."""
