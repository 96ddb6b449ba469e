//! From the kernel's text to numbers. Pure functions: whatever the text holds, they return,
//! and what is missing or no number counts as zero or None.

use crate::stats::{BlockIoStats, NetworkStats, Pressure, Stall};

/// The ticks in which version 1 tells user and system time: `USER_HZ`, which is part of the
/// kernel's interface to programs and 100 on every architecture that Rust's std supports
/// (`man 7 time`).
pub(super) const TICKS_PER_SECOND: u64 = 100;

/// A file with one number. None for "max", and for version 1's negative "no limit".
pub(super) fn number(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

/// The pairs of a flat keyed file: a name and a number in each line.
fn pairs(text: &str) -> impl Iterator<Item = (&str, u64)> {
    text.lines().filter_map(|line| {
        let (key, value) = line.split_once(' ')?;
        Some((key, value.trim().parse().ok()?))
    })
}

/// One number of a flat keyed file.
pub(super) fn value_of(text: &str, wanted: &str) -> Option<u64> {
    pairs(text).find(|(key, _)| *key == wanted).map(|(_, value)| value)
}

/// What `memory.stat` tells, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct MemoryDetail {
    pub anon: u64,
    pub file: u64,
    pub shmem: u64,
    pub inactive_file: u64,
    pub kernel: Option<u64>,
    /// Version 1 only.
    pub limit: Option<u64>,
}

/// `memory.stat` of either version. Version 1 has each figure twice; the one that counts
/// child cgroups too begins with `total_`.
pub(super) fn memory_stat(text: &str, v2: bool) -> MemoryDetail {
    let mut detail = MemoryDetail::default();
    for (key, value) in pairs(text) {
        match (v2, key) {
            (true, "anon") | (false, "total_rss") => detail.anon = value,
            (true, "file") | (false, "total_cache") => detail.file = value,
            (true, "shmem") | (false, "total_shmem") => detail.shmem = value,
            (true, "inactive_file") | (false, "total_inactive_file") => {
                detail.inactive_file = value;
            }
            (true, "kernel") => detail.kernel = Some(value),
            (false, "hierarchical_memory_limit") => detail.limit = Some(value),
            _ => {}
        }
    }
    detail
}

/// CPU time in microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct CpuTime {
    pub total: u64,
    pub user: u64,
    pub system: u64,
}

/// Version 2's `cpu.stat`.
pub(super) fn cpu_time(text: &str) -> CpuTime {
    let mut time = CpuTime::default();
    for (key, value) in pairs(text) {
        match key {
            "usage_usec" => time.total = value,
            "user_usec" => time.user = value,
            "system_usec" => time.system = value,
            _ => {}
        }
    }
    time
}

/// Version 1's `cpuacct.usage` (nanoseconds) and `cpuacct.stat` (ticks).
pub(super) fn cpu_time_v1(usage: &str, stat: &str) -> CpuTime {
    let micros =
        |key| value_of(stat, key).unwrap_or(0).saturating_mul(1_000_000 / TICKS_PER_SECOND);
    CpuTime {
        total: number(usage).unwrap_or(0) / 1000,
        user: micros("user"),
        system: micros("system"),
    }
}

/// How often a CPU limit was felt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Throttling {
    pub periods: u64,
    pub throttled_periods: u64,
    pub throttled_micros: u64,
}

/// `cpu.stat` of either version.
pub(super) fn throttling(text: &str) -> Throttling {
    let mut throttling = Throttling::default();
    for (key, value) in pairs(text) {
        match key {
            "nr_periods" => throttling.periods = value,
            "nr_throttled" => throttling.throttled_periods = value,
            "throttled_usec" => throttling.throttled_micros = value,
            // Version 1 counts nanoseconds.
            "throttled_time" => throttling.throttled_micros = value / 1000,
            _ => {}
        }
    }
    throttling
}

/// Version 2's `cpu.max`, "quota period", in percent of one core.
pub(super) fn cpu_max(text: &str) -> Option<f64> {
    let (quota, period) = text.trim().split_once(' ')?;
    percent(number(quota)?, number(period)?)
}

/// A quota of CPU time in each period, in percent of one core.
pub(super) fn percent(quota: u64, period: u64) -> Option<f64> {
    (period > 0).then(|| quota as f64 / period as f64 * 100.0)
}

/// Version 2's `io.stat`: "8:0 rbytes=1 wbytes=2 rios=3 …" for each disk.
pub(super) fn io_stat(text: &str) -> BlockIoStats {
    let mut sum = BlockIoStats::default();
    for (key, value) in text.split_ascii_whitespace().filter_map(|word| word.split_once('=')) {
        let count = || value.parse().unwrap_or(0);
        match key {
            "rbytes" => sum.read_bytes = sum.read_bytes.saturating_add(count()),
            "wbytes" => sum.write_bytes = sum.write_bytes.saturating_add(count()),
            _ => {}
        }
    }
    sum
}

/// Version 1's `blkio.throttle.io_service_bytes`: "8:0 Read 1" and so on for each disk.
pub(super) fn blkio_bytes(text: &str) -> BlockIoStats {
    let mut sum = BlockIoStats::default();
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace().skip(1);
        let (kind, count) = (words.next(), words.next().and_then(number).unwrap_or(0));
        match kind {
            Some("Read") => sum.read_bytes = sum.read_bytes.saturating_add(count),
            Some("Write") => sum.write_bytes = sum.write_bytes.saturating_add(count),
            _ => {}
        }
    }
    sum
}

/// `/proc/<pid>/net/dev`, all interfaces but loopback (`man 5 proc_pid_net`).
pub(super) fn net_dev(text: &str) -> NetworkStats {
    let mut sum = NetworkStats::default();
    // Two lines of headings, then "name: 8 numbers received, 8 numbers sent".
    for (name, numbers) in text.lines().skip(2).filter_map(|line| line.rsplit_once(':')) {
        if name.trim() == "lo" {
            continue;
        }
        let mut numbers = numbers.split_ascii_whitespace().map(|word| number(word).unwrap_or(0));
        let mut next = |skipped| numbers.nth(skipped).unwrap_or(0);
        for (field, skipped) in [
            (&mut sum.rx_bytes, 0),
            (&mut sum.rx_packets, 0),
            (&mut sum.tx_bytes, 6),
            (&mut sum.tx_packets, 0),
        ] {
            *field = field.saturating_add(next(skipped));
        }
    }
    sum
}

/// A pressure file: "some avg10=0.00 avg60=0.00 avg300=0.00 total=0", and "full …".
pub(super) fn pressure(text: &str) -> Pressure {
    let mut pressure = Pressure::default();
    for line in text.lines() {
        match line.split_once(' ') {
            Some(("some", rest)) => pressure.some = stall(rest),
            Some(("full", rest)) => pressure.full = stall(rest),
            _ => {}
        }
    }
    pressure
}

fn stall(text: &str) -> Stall {
    let mut stall = Stall::default();
    for (key, value) in text.split_ascii_whitespace().filter_map(|word| word.split_once('=')) {
        // "NaN" and "inf" would parse, and JSON knows neither.
        let percent = || value.parse().ok().filter(|value: &f64| value.is_finite()).unwrap_or(0.0);
        match key {
            "avg10" => stall.avg10 = percent(),
            "avg60" => stall.avg60 = percent(),
            "avg300" => stall.avg300 = percent(),
            "total" => stall.total_micros = value.parse().unwrap_or(0),
            _ => {}
        }
    }
    stall
}

#[cfg(test)]
mod tests;
