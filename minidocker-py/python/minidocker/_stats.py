"""What a container uses. All sizes are bytes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Optional

from ._records import NetworkInfo
from ._words import Health, Status


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
