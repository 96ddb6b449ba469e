//! What a container uses: memory, CPU time, processes, disk and network.
//!
//! All figures are the kernel's own counts for the container's cgroup, taken when they are
//! asked for. Nothing samples in the background: a container that nobody looks at costs
//! nothing. A rate, such as the CPU percentage, needs two samples.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::backend::Machine;
use crate::network::NetworkInfo;
use crate::spec::{ContainerId, PidsLimit};
use crate::status::{Health, Status, StatusRecord};
use crate::store::SpecFile;

/// What one container uses, at one moment. A container that does not run uses nothing:
/// its counts are zero, its limits those that were asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stats {
    /// When this was measured.
    pub time: Timestamp,
    /// The container's state.
    pub status: Status,
    /// When it was last started.
    pub started_at: Option<Timestamp>,
    /// For how long its command has been running, in seconds. Counted by the kernel from the
    /// machine's boot, so that no change of the clock disturbs it.
    pub uptime_seconds: Option<f64>,
    /// How often its restart policy has started it since an operator last did.
    pub restarts: u64,
    /// What its health check has found, if it has one and is alive. Between two runs: what
    /// it had found at the end of the last.
    pub health: Option<Health>,
    /// How often the kernel killed one of its processes for lack of memory, in this run or,
    /// if it does not run, in the last.
    pub oom_kills: u64,
    /// Its memory.
    pub memory: MemoryStats,
    /// Its CPU time.
    pub cpu: CpuStats,
    /// Its processes.
    pub pids: PidsStats,
    /// What it read from disks and wrote to them.
    pub block_io: BlockIoStats,
    /// What it received and sent; None if it shares the host's network or does not run.
    pub network: Option<NetworkStats>,
    /// How it is connected: its mode, and while it runs its addresses and open ports.
    pub network_info: NetworkInfo,
    /// How long its processes had to wait for what they needed; None where the kernel does
    /// not tell (version 1 cgroups, or booted with `psi=0`).
    pub pressure: Option<PressureStats>,
}

/// Memory, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct MemoryStats {
    /// What it needs, as `docker stats` counts it: all that is charged to it, without the
    /// file cache that was not used lately. The kernel takes that back before it kills.
    pub used_bytes: u64,
    /// All that is charged to it; what the limit is compared with.
    pub current_bytes: u64,
    /// The most that was ever charged to it in this run; None before Linux 5.19 with
    /// version 2 cgroups.
    pub peak_bytes: Option<u64>,
    /// Its limit, if it has one.
    pub limit_bytes: Option<u64>,
    /// The machine's memory, which bounds it without a limit.
    pub machine_bytes: u64,
    /// `used_bytes` in percent of the limit, or of the machine's memory if there is none.
    pub percent: f64,
    /// Memory of its programs: heap, stack and the like.
    pub anon_bytes: u64,
    /// Cached file contents, `shmem_bytes` included.
    pub file_bytes: u64,
    /// Shared memory and tmpfs.
    pub shmem_bytes: u64,
    /// What the kernel keeps for it: page tables, stacks, directory entries. None where the
    /// kernel does not tell (version 2 before Linux 5.18).
    pub kernel_bytes: Option<u64>,
}

/// CPU time. In microseconds where not said otherwise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct CpuStats {
    /// The time used in percent of one core (200 is two cores), between this sample and the
    /// one before. None for the first; see [`Stats::cpu_percent_since`].
    pub percent: Option<f64>,
    /// All time used in this run.
    pub total_micros: u64,
    /// Of this, in programs.
    pub user_micros: u64,
    /// Of this, in the kernel.
    pub system_micros: u64,
    /// Its limit in percent of one core, if it has one.
    pub limit_percent: Option<f64>,
    /// In how many periods (of 100 ms) of the limit it wanted to run.
    pub periods: u64,
    /// In how many of them it used up its share and had to wait.
    pub throttled_periods: u64,
    /// For how long its processes had to wait then, summed over the cores.
    pub throttled_micros: u64,
}

/// Processes and threads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PidsStats {
    /// How many there are, each thread counted.
    pub current: u64,
    /// How many there may be, if there is a limit.
    pub limit: Option<u64>,
}

/// Bytes that went from and to disks. What is served from the cache is not counted, and
/// what is written counts when it reaches the disk. With version 1 cgroups both numbers may
/// stay zero: it cannot tell who filled the cache, and recent kernels count nothing at all
/// there until some container on the disk has an I/O limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockIoStats {
    /// Read.
    pub read_bytes: u64,
    /// Written.
    pub write_bytes: u64,
}

/// What went over the container's network interfaces, loopback not counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkStats {
    /// Bytes received.
    pub rx_bytes: u64,
    /// Packets received.
    pub rx_packets: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
    /// Packets sent.
    pub tx_packets: u64,
}

/// Pressure stall information: the share of time in which processes wanted to work and could
/// not (<https://docs.kernel.org/accounting/psi.html>).
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct PressureStats {
    /// Waiting for a CPU.
    pub cpu: Pressure,
    /// Waiting for memory to be freed or read back.
    pub memory: Pressure,
    /// Waiting for disks.
    pub io: Pressure,
}

/// The pressure on one resource.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Pressure {
    /// At least one process had to wait.
    pub some: Stall,
    /// All of them had to wait: nothing was done at all.
    pub full: Stall,
}

/// For how long processes were stalled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Stall {
    /// Percent of the last 10 seconds.
    pub avg10: f64,
    /// Percent of the last minute.
    pub avg60: f64,
    /// Percent of the last 5 minutes.
    pub avg300: f64,
    /// All time in this run, in microseconds.
    pub total_micros: u64,
}

/// The stats of one container among many.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ContainerStats {
    /// Its name.
    pub name: String,
    /// Its identity.
    pub id: ContainerId,
    /// What it uses.
    #[serde(flatten)]
    pub stats: Stats,
}

impl Stats {
    /// Those of a container that uses nothing.
    pub(crate) fn at_rest(
        file: &SpecFile,
        record: Option<&StatusRecord>,
        status: Status,
        machine: &Machine,
    ) -> Stats {
        let spec = &file.spec;
        Stats {
            time: Timestamp::now(),
            status,
            started_at: record.map(|record| record.started_at),
            uptime_seconds: None,
            restarts: record.map_or(0, |record| record.restarts),
            health: record
                .filter(|_| status.is_alive())
                .and_then(|record| record.health.as_ref())
                .map(|report| report.status),
            oom_kills: record.map_or(0, |record| record.oom_kills),
            memory: MemoryStats {
                limit_bytes: spec.memory.map(|limit| limit.as_bytes()),
                machine_bytes: machine.memory_bytes,
                ..MemoryStats::default()
            },
            cpu: CpuStats {
                limit_percent: spec.cpu.map(|limit| f64::from(limit.percent())),
                ..CpuStats::default()
            },
            pids: PidsStats {
                current: 0,
                limit: match spec.pids {
                    PidsLimit::AtMost(limit) => Some(limit.into()),
                    PidsLimit::Unlimited => None,
                },
            },
            block_io: BlockIoStats::default(),
            network: None,
            network_info: NetworkInfo::of(spec, record.filter(|_| status.is_alive())),
            pressure: None,
        }
    }

    /// The CPU time used between an earlier sample and this one, in percent of one core.
    /// None if the container does not run, was started anew in between, or no time passed.
    pub fn cpu_percent_since(&self, earlier: &Stats) -> Option<f64> {
        if self.started_at != earlier.started_at {
            return None;
        }
        let seconds = self.uptime_seconds? - earlier.uptime_seconds?;
        let used = self.cpu.total_micros.checked_sub(earlier.cpu.total_micros)?;
        (seconds > 0.0).then(|| used as f64 / 1e6 / seconds * 100.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::ContainerSpec;

    fn sample(uptime: Option<f64>, total_micros: u64) -> Stats {
        Stats {
            time: Timestamp::UNIX_EPOCH,
            status: Status::Running,
            started_at: Some(Timestamp::UNIX_EPOCH),
            uptime_seconds: uptime,
            restarts: 0,
            health: None,
            oom_kills: 0,
            memory: MemoryStats::default(),
            cpu: CpuStats { total_micros, ..CpuStats::default() },
            pids: PidsStats::default(),
            block_io: BlockIoStats::default(),
            network: None,
            network_info: NetworkInfo::at_rest(&ContainerSpec::new("a", "true")),
            pressure: None,
        }
    }

    #[test]
    fn a_percentage_is_time_used_by_time_passed() {
        let earlier = sample(Some(10.0), 1_000_000);
        assert_eq!(sample(Some(12.0), 4_000_000).cpu_percent_since(&earlier), Some(150.0));
        assert_eq!(sample(Some(12.0), 1_000_000).cpu_percent_since(&earlier), Some(0.0));
    }

    #[test]
    fn no_percentage_is_made_up() {
        let earlier = sample(Some(10.0), 1_000_000);
        assert_eq!(earlier.cpu_percent_since(&earlier), None, "no time passed");
        assert_eq!(sample(None, 0).cpu_percent_since(&earlier), None, "it has ended");
        assert_eq!(sample(Some(0.5), 0).cpu_percent_since(&earlier), None, "it was started anew");
        assert_eq!(sample(Some(11.0), 0).cpu_percent_since(&earlier), None, "it is being removed");
        let mut other = sample(Some(12.0), 2_000_000);
        other.started_at = None;
        assert_eq!(other.cpu_percent_since(&earlier), None);
    }

    #[test]
    fn json_gives_back_what_it_was_made_of() {
        let stats = sample(Some(1.5), 7);
        let all = ContainerStats {
            name: "a".into(),
            id: ContainerId::random().unwrap(),
            stats: Stats { pressure: Some(PressureStats::default()), ..stats },
        };
        let json = serde_json::to_string(&all).unwrap();
        assert_eq!(serde_json::from_str::<ContainerStats>(&json).unwrap(), all);
    }
}
