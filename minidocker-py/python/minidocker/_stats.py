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

    used_bytes: int
    """What it needs, as ``docker stats`` counts it: without the file cache not used lately."""
    current_bytes: int
    """All that is charged to it; what the limit is compared with."""
    peak_bytes: Optional[int]
    """The most that was ever charged in this run; None where the kernel does not tell."""
    limit_bytes: Optional[int]
    """Its limit, if it has one."""
    machine_bytes: int
    """The machine's memory, which bounds it without a limit."""
    percent: float
    """``used_bytes`` in percent of the limit, or of the machine's memory."""
    anon_bytes: int
    """Memory of its programs: heap, stack and the like."""
    file_bytes: int
    """Cached file contents, ``shmem_bytes`` included."""
    shmem_bytes: int
    """Shared memory and tmpfs."""
    kernel_bytes: Optional[int]
    """What the kernel keeps for it; None where the kernel does not tell."""


@dataclass(frozen=True)
class CpuStats:
    """CPU time."""

    percent: Optional[float]
    """Percent of one core (200 is two cores) since the sample before; None for the first."""
    total_micros: int
    """All time used in this run, in microseconds."""
    user_micros: int
    """Of this, in programs."""
    system_micros: int
    """Of this, in the kernel."""
    limit_percent: Optional[float]
    """Its limit in percent of one core, if it has one."""
    periods: int
    """In how many periods (of 100 ms) of the limit it wanted to run."""
    throttled_periods: int
    """In how many of them it used up its share and had to wait."""
    throttled_micros: int
    """For how long its processes had to wait then, in microseconds, summed over the cores."""


@dataclass(frozen=True)
class PidsStats:
    """Processes and threads."""

    current: int
    """How many there are, each thread counted."""
    limit: Optional[int]
    """How many there may be, if there is a limit."""


@dataclass(frozen=True)
class BlockIoStats:
    """Bytes that went from and to disks."""

    read_bytes: int
    """Read."""
    write_bytes: int
    """Written."""


@dataclass(frozen=True)
class NetworkStats:
    """What went over its network interfaces, loopback not counted."""

    rx_bytes: int
    """Bytes received."""
    rx_packets: int
    """Packets received."""
    tx_bytes: int
    """Bytes sent."""
    tx_packets: int
    """Packets sent."""


@dataclass(frozen=True)
class Stall:
    """For how long processes were stalled."""

    avg10: float
    """Percent of the last 10 seconds."""
    avg60: float
    """Percent of the last minute."""
    avg300: float
    """Percent of the last 5 minutes."""
    total_micros: int
    """All time in this run, in microseconds."""


@dataclass(frozen=True)
class Pressure:
    """The pressure on one resource (https://docs.kernel.org/accounting/psi.html)."""

    some: Stall
    """At least one process had to wait."""
    full: Stall
    """All of them had to wait."""


@dataclass(frozen=True)
class PressureStats:
    """The share of time in which processes wanted to work and could not."""

    cpu: Pressure
    """Waiting for a CPU."""
    memory: Pressure
    """Waiting for memory."""
    io: Pressure
    """Waiting for disks."""


@dataclass(frozen=True)
class Stats:
    """What one container uses, at one moment. One that does not run uses nothing."""

    time: datetime
    """When this was measured."""
    status: Status
    """The container's state."""
    started_at: Optional[datetime]
    """When it was last started."""
    uptime_seconds: Optional[float]
    """For how long its command has been running."""
    restarts: int
    """How often its restart policy has started it since an operator last did."""
    health: Optional[Health]
    """What its health check has found."""
    oom_kills: int
    """How often the kernel killed one of its processes for lack of memory."""
    memory: MemoryStats
    """Its memory."""
    cpu: CpuStats
    """Its CPU time."""
    pids: PidsStats
    """Its processes."""
    block_io: BlockIoStats
    """What it read from disks and wrote to them."""
    network: Optional[NetworkStats]
    """What it received and sent; None if it shares the host's network or does not run."""
    network_info: NetworkInfo
    """How it is connected: its mode, and while it runs its addresses and open ports."""
    pressure: Optional[PressureStats]
    """How long it had to wait for what it needed; None where the kernel does not tell."""

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

    name: str
    """Its name."""
    id: str
    """Its identity."""
