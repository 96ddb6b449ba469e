//! Reads what a container uses from its cgroup and from /proc.
//!
//! A dozen small files per container, no process and no state: the kernel counts anyway.
//! What each file means is in
//! <https://docs.kernel.org/admin-guide/cgroup-v2.html#controllers> and, for version 1, in
//! <https://docs.kernel.org/admin-guide/cgroup-v1/>.

mod parse;

use std::fs::File;
use std::io::Read;
use std::path::Path;

use nix::time::{ClockId, clock_gettime};

use self::parse::{MemoryDetail, TICKS_PER_SECOND};
use super::cgroup::{Cgroup, Controller};
use super::host::Host;
use super::process;
use crate::stats::{
    BlockIoStats, CpuStats, MemoryStats, NetworkStats, PidsStats, PressureStats, Stats,
};
use crate::status::{ProcessIdentity, Status, StatusRecord};
use crate::store::SpecFile;

/// What a container uses now. A file that is missing, because this kernel does not have it
/// or the container is just ending, counts as nothing used.
pub(crate) fn measure(
    file: &SpecFile,
    record: Option<&StatusRecord>,
    status: Status,
    host: &Host,
) -> Stats {
    let mut stats = Stats::at_rest(file, record, status, &host.machine);
    // Between two runs there is no cgroup to ask, and the record knows how the last ended.
    let runs = matches!(status, Status::Running | Status::Paused);
    let Some(record) = record.filter(|_| runs) else { return stats };
    let cgroup = Cgroup::of(&host.cgroups, file.id.as_str());
    let mut files = Files { bytes: Vec::with_capacity(8192) };
    // Close together, because the CPU percentage is made from both.
    stats.uptime_seconds = record.command.or(record.init).and_then(uptime);
    stats.cpu = cpu(&mut files, &cgroup);
    stats.memory = memory(&mut files, &cgroup, host.machine.memory_bytes);
    stats.oom_kills = cgroup.oom_kills();
    stats.pids = pids(&mut files, &cgroup);
    stats.block_io = block_io(&mut files, &cgroup);
    stats.pressure = pressure(&mut files, &cgroup);
    if file.spec.isolation.network {
        stats.network = record.init.and_then(|init| network(&mut files, init));
    }
    stats
}

/// Reads small files, all into one buffer.
struct Files {
    bytes: Vec<u8>,
}

impl Files {
    /// More than any of these files has, on a machine with hundreds of disks.
    const LARGEST: u64 = 1 << 20;

    /// The content of a file; nothing if there is none.
    fn read(&mut self, dir: &Path, name: &str) -> Option<&str> {
        self.bytes.clear();
        // Taken up to a bound instead of simply read to the end, for which std would ask
        // for the size first: two calls that tell nothing of a file that the kernel makes up.
        let file = File::open(dir.join(name)).ok()?;
        file.take(Files::LARGEST).read_to_end(&mut self.bytes).ok()?;
        // What we look for is ASCII; an interface or a disk may be named with any bytes.
        self.bytes.iter_mut().filter(|byte| !byte.is_ascii()).for_each(|byte| *byte = b'?');
        str::from_utf8(&self.bytes).ok()
    }

    fn number(&mut self, dir: &Path, name: &str) -> Option<u64> {
        self.read(dir, name).and_then(parse::number)
    }
}

/// Seconds since a process was started. Both ends are counted from boot.
fn uptime(process: ProcessIdentity) -> Option<f64> {
    let now = clock_gettime(ClockId::CLOCK_BOOTTIME).ok()?;
    let now = now.tv_sec() as f64 + now.tv_nsec() as f64 / 1e9;
    Some((now - process.start_time as f64 / TICKS_PER_SECOND as f64).max(0.0))
}

fn cpu(files: &mut Files, cgroup: &Cgroup) -> CpuStats {
    let time = match (cgroup.find(Controller::CpuAccounting), cgroup.unified()) {
        (Some((dir, _)), _) => {
            let usage = files.read(dir, "cpuacct.usage").unwrap_or_default().to_string();
            parse::cpu_time_v1(&usage, files.read(dir, "cpuacct.stat").unwrap_or_default())
        }
        (None, Some(dir)) => parse::cpu_time(files.read(dir, "cpu.stat").unwrap_or_default()),
        (None, None) => parse::CpuTime::default(),
    };
    let (limit_percent, felt) = match cgroup.find(Controller::Cpu) {
        Some((dir, true)) => (
            files.read(dir, "cpu.max").and_then(parse::cpu_max),
            parse::throttling(files.read(dir, "cpu.stat").unwrap_or_default()),
        ),
        Some((dir, false)) => {
            // -1, which is no limit, is no number here.
            let quota = files.number(dir, "cpu.cfs_quota_us");
            let limit = quota
                .and_then(|quota| parse::percent(quota, files.number(dir, "cpu.cfs_period_us")?));
            (limit, parse::throttling(files.read(dir, "cpu.stat").unwrap_or_default()))
        }
        None => (None, parse::Throttling::default()),
    };
    CpuStats {
        percent: None,
        total_micros: time.total,
        user_micros: time.user,
        system_micros: time.system,
        limit_percent,
        periods: felt.periods,
        throttled_periods: felt.throttled_periods,
        throttled_micros: felt.throttled_micros,
    }
}

fn memory(files: &mut Files, cgroup: &Cgroup, machine_bytes: u64) -> MemoryStats {
    let Some((dir, v2)) = cgroup.find(Controller::Memory) else {
        return MemoryStats { machine_bytes, ..MemoryStats::default() };
    };
    let detail: MemoryDetail =
        parse::memory_stat(files.read(dir, "memory.stat").unwrap_or_default(), v2);
    let names = match v2 {
        true => ["memory.current", "memory.peak"],
        false => ["memory.usage_in_bytes", "memory.max_usage_in_bytes"],
    };
    let [current, peak_bytes] = names.map(|name| files.number(dir, name));
    let (limit, kernel_bytes) = match v2 {
        true => (files.number(dir, "memory.max"), detail.kernel),
        false => (detail.limit, files.number(dir, "memory.kmem.usage_in_bytes")),
    };
    // Version 1 has no word for "no limit", only a number beyond any machine.
    let limit_bytes = limit.filter(|limit| *limit <= machine_bytes);
    let current_bytes = current.unwrap_or(0);
    let used_bytes = current_bytes.saturating_sub(detail.inactive_file);
    MemoryStats {
        used_bytes,
        current_bytes,
        peak_bytes,
        limit_bytes,
        machine_bytes,
        percent: used_bytes as f64 / limit_bytes.unwrap_or(machine_bytes).max(1) as f64 * 100.0,
        anon_bytes: detail.anon,
        file_bytes: detail.file,
        shmem_bytes: detail.shmem,
        kernel_bytes,
    }
}

fn pids(files: &mut Files, cgroup: &Cgroup) -> PidsStats {
    let Some((dir, _)) = cgroup.find(Controller::Pids) else { return PidsStats::default() };
    PidsStats {
        current: files.number(dir, "pids.current").unwrap_or(0),
        limit: files.number(dir, "pids.max"),
    }
}

fn block_io(files: &mut Files, cgroup: &Cgroup) -> BlockIoStats {
    match cgroup.find(Controller::BlockIo) {
        Some((dir, true)) => parse::io_stat(files.read(dir, "io.stat").unwrap_or_default()),
        // The throttling layer counts all requests, whichever scheduler the disk has.
        Some((dir, false)) => parse::blkio_bytes(
            files.read(dir, "blkio.throttle.io_service_bytes_recursive").unwrap_or_default(),
        ),
        None => BlockIoStats::default(),
    }
}

fn pressure(files: &mut Files, cgroup: &Cgroup) -> Option<PressureStats> {
    let dir = cgroup.unified()?;
    let mut read = |name| files.read(dir, name).map(parse::pressure);
    Some(PressureStats {
        cpu: read("cpu.pressure")?,
        memory: read("memory.pressure")?,
        io: read("io.pressure")?,
    })
}

/// A process's `net/dev` shows its own network namespace, whoever reads it.
fn network(files: &mut Files, init: ProcessIdentity) -> Option<NetworkStats> {
    let path = format!("/proc/{}/net", init.pid);
    let found = files.read(path.as_ref(), "dev").map(parse::net_dev)?;
    // Read before the check: a pid used again in between shows another start time.
    (process::identify(init.pid) == Some(init)).then_some(found)
}
