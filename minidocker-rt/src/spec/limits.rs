//! Limits: memory, CPU, number of processes.

use std::fmt;

use super::refuse;
use crate::error::Result;

/// An amount of memory, in whole megabytes of 1024*1024 bytes (what the manual,
/// and most people, mean by "MB").
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Memory {
    megabytes: u64,
}

impl Memory {
    /// Below this a program cannot even be loaded; Docker draws the line there too.
    const LEAST: u64 = 6;

    /// `megabytes` of 1024*1024 bytes.
    ///
    /// # Errors
    /// Zero, or less than the 6 MB that loading any program takes.
    pub fn megabytes(megabytes: u64) -> Result<Memory> {
        const HINT: &str = "Use 50 to 100 MB for a small script, 100 to 512 for a web server.";
        if megabytes == 0 {
            Err(refuse("mem_limit_mb", megabytes, "a limit must be greater than zero", HINT))
        } else if megabytes < Memory::LEAST {
            Err(refuse("mem_limit_mb", megabytes, "no program can start in under 6 MB", HINT))
        } else if megabytes > u64::MAX >> 20 {
            Err(refuse("mem_limit_mb", megabytes, "no machine has so much memory", HINT))
        } else {
            Ok(Memory { megabytes })
        }
    }

    pub(super) fn from_json(number: serde_json::Number) -> Result<Memory> {
        Memory::megabytes(whole(number, "mem_limit_mb", "Give a whole number of MB, e.g. 100.")?)
    }

    /// In megabytes of 1024*1024 bytes.
    pub fn as_megabytes(self) -> u64 {
        self.megabytes
    }

    /// In bytes.
    pub fn as_bytes(self) -> u64 {
        self.megabytes << 20
    }

    /// Refuses a limit above what the machine has.
    pub(crate) fn check_against(self, machine_bytes: u64) -> Result<()> {
        if self.as_bytes() <= machine_bytes {
            return Ok(());
        }
        let have = machine_bytes >> 20;
        Err(refuse(
            "mem_limit_mb",
            self.megabytes,
            format!("this machine has {have} MB"),
            format!("Use at most {have} MB, and leave some for the system."),
        ))
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} MB", self.megabytes)
    }
}

/// A share of CPU time, in percent of one core: 50 is half a core, 200 two cores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CpuPercent(u32);

impl CpuPercent {
    /// The period over which the kernel's scheduler measures the share: 100 ms.
    pub const PERIOD_MICROS: u64 = 100_000;

    /// `percent` of one core.
    ///
    /// # Errors
    /// Zero, or more than any machine has.
    pub fn new(percent: u64) -> Result<CpuPercent> {
        const HINT: &str = "Use 25 for background work, 50 for most programs, 100 for one core.";
        match u32::try_from(percent) {
            Ok(0) => Err(refuse("cpu_limit_percent", percent, "a limit must be above zero", HINT)),
            Ok(percent) if percent <= 100 * 65_536 => Ok(CpuPercent(percent)),
            _ => Err(refuse("cpu_limit_percent", percent, "no machine has so many cores", HINT)),
        }
    }

    pub(super) fn from_json(number: serde_json::Number) -> Result<CpuPercent> {
        const HINT: &str = "Give a whole number of percent, e.g. 50 for half a core.";
        CpuPercent::new(whole(number, "cpu_limit_percent", HINT)?)
    }

    /// In percent of one core.
    pub fn percent(self) -> u32 {
        self.0
    }

    /// CPU microseconds per [`CpuPercent::PERIOD_MICROS`]: the quota the kernel gets.
    pub fn quota_micros(self) -> u64 {
        u64::from(self.0) * CpuPercent::PERIOD_MICROS / 100
    }

    /// Refuses a limit above 100 percent for each core.
    pub(crate) fn check_against(self, cores: u32) -> Result<()> {
        let most = cores.saturating_mul(100);
        if self.0 <= most {
            return Ok(());
        }
        Err(refuse(
            "cpu_limit_percent",
            self.0,
            format!("this machine has {cores} cores, which is {most} percent"),
            format!("Use at most {most}."),
        ))
    }
}

impl fmt::Display for CpuPercent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0)
    }
}

/// How many processes and threads a container may have at once. 512 unless set:
/// enough for ordinary programs, too few for a fork bomb to hurt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PidsLimit {
    /// At most this many.
    AtMost(u32),
    /// As many as the host allows.
    Unlimited,
}

impl PidsLimit {
    /// At most `count` processes and threads.
    ///
    /// # Errors
    /// Zero: not even the command could run.
    pub fn at_most(count: u32) -> Result<PidsLimit> {
        if count == 0 {
            return Err(refuse(
                "pids_limit",
                count,
                "a limit must be greater than zero",
                "Use 512 unless you know better, or -1 for no limit.",
            ));
        }
        Ok(PidsLimit::AtMost(count))
    }

    /// -1 means unlimited, as in Docker.
    pub(super) fn from_json(number: serde_json::Number) -> Result<PidsLimit> {
        const HINT: &str = "Give a whole number of processes, e.g. 512, or -1 for no limit.";
        if number.as_i64() == Some(-1) {
            return Ok(PidsLimit::Unlimited);
        }
        let count = whole(number, "pids_limit", HINT)?;
        PidsLimit::at_most(count.try_into().unwrap_or(u32::MAX))
    }

    pub(super) fn to_json(self) -> serde_json::Number {
        match self {
            PidsLimit::AtMost(count) => count.into(),
            PidsLimit::Unlimited => (-1).into(),
        }
    }
}

impl Default for PidsLimit {
    fn default() -> Self {
        PidsLimit::AtMost(512)
    }
}

/// A whole, non-negative number; anything else is refused in the field's name.
pub(super) fn whole(
    number: serde_json::Number,
    field: &'static str,
    hint: &'static str,
) -> Result<u64> {
    if let Some(value) = number.as_u64() {
        return Ok(value);
    }
    let why = match number.as_f64() {
        Some(value) if value < 0.0 => "it is negative",
        // 100.0 is what some programs write for 100.
        Some(value) if value.fract() == 0.0 && value < 1e15 => return Ok(value as u64),
        _ => "it is not a whole number",
    };
    Err(refuse(field, number, why, hint))
}
