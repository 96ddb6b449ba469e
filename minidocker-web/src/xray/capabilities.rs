//! The capabilities of a process: the parts that root's power was cut into
//! (`man 7 capabilities`).

use serde::Serialize;

use super::value;
use crate::text;

#[derive(Debug, Serialize)]
pub(super) struct Capabilities {
    /// What this server has.
    host: Vec<&'static str>,
    /// What the container keeps of that, as the most that it can ever have, and what not.
    kept: Vec<&'static str>,
    dropped: Vec<&'static str>,
    effective: Vec<&'static str>,
    permitted: Vec<&'static str>,
    inheritable: Vec<&'static str>,
    bounding: Vec<&'static str>,
    ambient: Vec<&'static str>,
}

/// By number, from 0.
const NAMES: [&str; 41] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

impl Capabilities {
    /// From the text of /proc/PID/status.
    pub fn of(status: &str) -> Option<Capabilities> {
        let own = text::read("/proc/self/status")?;
        let host = set(&own, "CapEff")?;
        let bounding = set(status, "CapBnd")?;
        Some(Capabilities {
            host: names(host),
            kept: names(host & bounding),
            dropped: names(host & !bounding),
            effective: names(set(status, "CapEff")?),
            permitted: names(set(status, "CapPrm")?),
            inheritable: names(set(status, "CapInh")?),
            bounding: names(bounding),
            ambient: names(set(status, "CapAmb")?),
        })
    }
}

fn set(status: &str, field: &str) -> Option<u64> {
    u64::from_str_radix(value(status, field)?, 16).ok()
}

fn names(set: u64) -> Vec<&'static str> {
    let has = |(bit, name): (usize, &&'static str)| (set >> bit & 1 == 1).then_some(*name);
    NAMES.iter().enumerate().filter_map(has).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_of_bits_is_told_by_name() {
        // What Docker leaves to a container.
        let docker = names(0xa804_25fb);
        assert_eq!(docker.len(), 14);
        assert!(docker.contains(&"CAP_NET_BIND_SERVICE") && docker.contains(&"CAP_SETFCAP"));
        assert!(!docker.contains(&"CAP_SYS_ADMIN"));
        assert_eq!(names(1 << 40), ["CAP_CHECKPOINT_RESTORE"]);
    }
}
