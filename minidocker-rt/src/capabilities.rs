//! What each backend can do, feature by feature: for programs that show it, for the
//! documentation, and for whoever wonders why something is refused.

use serde::Serialize;

use crate::runtime::BackendKind;

/// How far a backend supports a feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Support {
    /// As the feature is meant.
    Full,
    /// Imitated; the note says how, and where that ends.
    Imitated,
    /// Not at all; the note says why.
    None,
}

/// A feature of containers, and how far a backend supports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Capability {
    /// A stable word for it.
    pub feature: &'static str,
    /// What it is, in a few words.
    pub title: &'static str,
    /// How far it is supported.
    pub support: Support,
    /// What one should know about it; may be empty.
    pub note: &'static str,
}

/// A row of the table: the feature, and what each backend says of it.
type Row = (&'static str, &'static str, (Support, &'static str), (Support, &'static str));

use Support::{Full, Imitated, None};

const FEATURES: &[Row] = &[
    (
        "lifecycle",
        "create, start, stop, kill, restart, delete",
        (Full, ""),
        (Full, "on Windows a stop kills at once, for want of signals"),
    ),
    ("outlives", "containers outlive the program that started them", (Full, ""), (Full, "")),
    ("logs", "logs, and following them", (Full, ""), (Full, "")),
    ("events", "events of all programs on a root", (Full, ""), (Full, "")),
    (
        "stats",
        "memory, CPU time and processes",
        (Full, ""),
        (Imitated, "summed over the processes that are found; no disk, network or pressure"),
    ),
    ("restart", "restart policies", (Full, ""), (Full, "")),
    (
        "health",
        "health checks",
        (Full, "inside the container"),
        (Full, "as a process beside the command"),
    ),
    ("templates", "templates", (Full, ""), (Full, "")),
    ("export", "export and import of configurations", (Full, ""), (Full, "")),
    (
        "files",
        "reading and changing the container's files",
        (Full, ""),
        (Full, "of its own folder; programs are the host's"),
    ),
    (
        "diff",
        "what the container changed",
        (Full, "against its image"),
        (Full, "against its folder as it was at first"),
    ),
    (
        "pause",
        "pause and resume",
        (Full, "the kernel's freezer"),
        (Imitated, "every process found is stopped"),
    ),
    (
        "volumes",
        "volumes",
        (Full, ""),
        (
            Imitated,
            "paths in the command and its variables are rewritten, and a link leads there; \
             read-only ones can be written to",
        ),
    ),
    (
        "networks",
        "an address of its own, and networks that are made",
        (Full, "as root; the way out takes nftables"),
        (
            None,
            "a container has the network of this machine; pasta and slirp4netns, which serve users without root, come with rootless containers",
        ),
    ),
    (
        "names",
        "containers find each other by name; name servers, extra hosts",
        (Full, "lines of /etc/hosts, among the containers of a root"),
        (None, "a container has the names of this machine"),
    ),
    (
        "ports",
        "published ports",
        (Full, "by a forwarder, a process beside each container that publishes"),
        (Imitated, "the program opens its own port here; another one of TCP is passed on"),
    ),
    (
        "memory-limit",
        "memory limit",
        (Full, ""),
        (Imitated, "looked at ten times a second; over it, the container is killed"),
    ),
    (
        "cpu-limit",
        "CPU limit",
        (Full, ""),
        (Imitated, "processes that used too much are stopped for a while"),
    ),
    (
        "pids-limit",
        "limit of processes",
        (Full, ""),
        (None, "only a kernel can refuse to make a process"),
    ),
    (
        "exec",
        "commands in a running container",
        (Full, ""),
        (None, "needs Linux: there is no namespace to enter"),
    ),
    ("attach", "attaching, and terminals", (Full, ""), (None, "needs Linux")),
    (
        "images",
        "images other than the host's programs, archives of files",
        (Full, ""),
        (None, "needs Linux: their programs are for its kernel"),
    ),
    (
        "isolation",
        "own processes, files, network and hostname",
        (Full, ""),
        (None, "an ordinary process with the rights of whoever started it"),
    ),
    (
        "security",
        "capabilities, system call filter, users, rlimits",
        (Full, ""),
        (None, "do not run what you do not trust"),
    ),
    (
        "plan",
        "the plan, and the trace of what was done",
        (Full, ""),
        (Imitated, "Linux's steps, each with what happens instead"),
    ),
];

/// What a backend can do.
pub(crate) fn of(kind: BackendKind) -> Vec<Capability> {
    FEATURES
        .iter()
        .map(|(feature, title, linux, simulation)| {
            let (support, note) = match kind {
                BackendKind::Linux => *linux,
                BackendKind::Simulation | BackendKind::Any => *simulation,
            };
            Capability { feature, title, support, note }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;

    fn cell((support, note): (Support, &str)) -> String {
        let word = match support {
            Full => "yes",
            Imitated => "imitated",
            None => "no",
        };
        if note.is_empty() { word.into() } else { format!("{word}: {note}") }
    }

    fn table() -> String {
        let mut table = String::from("| | Linux | simulation |\n|---|---|---|\n");
        for (_, title, linux, simulation) in FEATURES {
            let _ = writeln!(table, "| {title} | {} | {} |", cell(*linux), cell(*simulation));
        }
        table
    }

    /// With `MINIDOCKER_WRITE_DOCS=1` it makes the page current instead.
    #[test]
    fn the_table_in_the_documentation_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/backends.md");
        let page = std::fs::read_to_string(path).unwrap();
        let (before, rest) = page.split_once("<!-- table -->\n").expect("a mark before the table");
        let (_, after) = rest.split_once("<!-- end -->").expect("a mark after the table");
        let current = format!("{before}<!-- table -->\n{}<!-- end -->{after}", table());
        if std::env::var_os("MINIDOCKER_WRITE_DOCS").is_some() {
            std::fs::write(path, current).unwrap();
        } else {
            assert_eq!(
                page, current,
                "write it anew: MINIDOCKER_WRITE_DOCS=1 cargo test -p minidocker-rt current"
            );
        }
    }
}
