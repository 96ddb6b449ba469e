//! The processes of a container, with both of their numbers.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde::Serialize;

use super::cgroups::Cgroup;
use super::{namespaces, value};
use crate::text::{self, NotUtf8};

/// As much of a command line is shown. A process chooses where its own is in its memory, and so
/// how long it is: up to the size of the address space.
const LONGEST: usize = 64 << 10;

/// As much is shown of all command lines together.
const ALL: usize = 4 << 20;

#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Process {
    host_pid: i32,
    /// The number inside; the same as outside if it has no process tree of its own.
    container_pid: i32,
    parent_host_pid: i32,
    command: String,
    /// R runs, S sleeps, D waits for a disk, T is stopped, Z has ended.
    state: String,
    uid: u32,
    threads: u32,
    memory_bytes: u64,
    #[serde(skip_serializing_if = "NotUtf8::is_empty")]
    not_utf8: NotUtf8,
}

/// Those in the command's PID namespace if that is not ours, and those in its cgroups.
pub(super) fn of(pid: i32, cgroups: &[Cgroup]) -> Vec<Process> {
    let mut pids: BTreeSet<i32> =
        cgroups.iter().flat_map(|cgroup| procs(cgroup.folder())).collect();
    pids.insert(pid);
    let theirs = namespaces::id(&pid.to_string(), "pid");
    if theirs.is_some() && theirs != namespaces::id("self", "pid") {
        pids.extend(all().filter(|pid| namespaces::id(&pid.to_string(), "pid") == theirs));
    }
    let mut room = ALL;
    pids.into_iter().filter_map(|pid| Process::read(pid, &mut room)).collect()
}

fn procs(folder: &Path) -> Vec<i32> {
    let text = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
    // A zero is a process that our own namespace does not show.
    text.lines().filter_map(|line| line.parse().ok()).filter(|pid| *pid > 0).collect()
}

fn all() -> impl Iterator<Item = i32> {
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

impl Process {
    /// None if it has ended meanwhile. What is read of the command line is taken from `room`.
    fn read(pid: i32, room: &mut usize) -> Option<Process> {
        let status = fs::read(format!("/proc/{pid}/status")).ok()?;
        let most = LONGEST.min(*room);
        // One byte more tells whether there is more.
        let words = text::beginning(format!("/proc/{pid}/cmdline"), most + 1).unwrap_or_default();
        let shown = text::whole_characters(&words[..words.len().min(most)]);
        *room -= shown.len();
        let mut process = Process::parse(pid, &status, shown)?;
        if words.len() > most {
            process.command.push('…');
        }
        Some(process)
    }

    fn parse(host_pid: i32, status: &[u8], words: &[u8]) -> Option<Process> {
        let mut not_utf8 = NotUtf8::default();
        // A process that has ended, or one of the kernel, has no words but a name.
        let words = words.strip_suffix(b"\0").unwrap_or(words);
        let shown = if words.is_empty() { field(status, b"Name:")? } else { words };
        let command = not_utf8.text("command", shown.to_vec()).replace('\0', " ");
        // The name is the one field that may be anything.
        let status = &String::from_utf8_lossy(status);
        let first = |field: &str| value(status, field)?.split_whitespace().next();
        Some(Process {
            host_pid,
            // From the outermost namespace to the innermost.
            container_pid: value(status, "NSpid")?.split_whitespace().last()?.parse().ok()?,
            parent_host_pid: first("PPid")?.parse().ok()?,
            command,
            state: first("State")?.to_string(),
            uid: first("Uid")?.parse().ok()?,
            threads: first("Threads")?.parse().ok()?,
            memory_bytes: first("VmRSS").and_then(|kb| kb.parse::<u64>().ok()).unwrap_or(0) * 1024,
            not_utf8,
        })
    }
}

/// What stands behind a field of /proc/PID/status. The kernel writes a line's end in a name as
/// `\n`, so a name makes no field of its own.
fn field<'a>(status: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let mut lines = status.split(|byte| *byte == b'\n');
    Some(lines.find_map(|line| line.strip_prefix(name))?.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_both_its_numbers() {
        let status = b"Name:\tpython3\nState:\tS (sleeping)\nPPid:\t100\nUid:\t5\t6\t7\t8\n\
                      VmRSS:\t    9216 kB\nThreads:\t3\nNSpid:\t101\t2\n";
        let process = Process::parse(101, status, b"python\0-m\0http.server\0").unwrap();
        assert_eq!((process.host_pid, process.container_pid), (101, 2));
        assert_eq!((process.parent_host_pid, process.uid, process.threads), (100, 5, 3));
        assert_eq!((process.state.as_str(), process.memory_bytes), ("S", 9216 * 1024));
        assert_eq!(process.command, "python -m http.server");
        assert_eq!(Process::parse(101, status, b"").unwrap().command, "python3");
        assert_eq!(Process::parse(101, b"", b""), None);
    }

    #[test]
    fn a_process_of_any_name_is_seen() {
        // Cut by the kernel at 15 bytes, in the middle of a character.
        let status =
            b"Name:\t\xd0\xb8)\xd0\nState:\tZ (zombie)\nPPid:\t1\nUid:\t5\t6\t7\t8\nThreads:\t1\n\
                       NSpid:\t101\t2\n";
        let process = Process::parse(101, status, b"").unwrap();
        assert_eq!((process.command.as_str(), process.uid), ("и)\u{fffd}", 5));
        assert_eq!(serde_json::to_value(&process).unwrap()["not_utf8"][0], "command");
        let named = Process::parse(101, status, b"a\0b c\0").unwrap();
        assert!(named.not_utf8.is_empty());
    }
}
