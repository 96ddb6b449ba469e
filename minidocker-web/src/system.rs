//! This machine: what it is, what the kernel offers, which backend works on it.

pub(crate) mod doctor;
mod network;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use minidocker_rt::{Runtime, Support};
use nix::sys::statvfs::statvfs;
use nix::unistd::{Uid, geteuid, getuid};
use serde::Serialize;

pub(crate) use doctor::Check;
pub(crate) use network::Network;

/// How containers are made here.
#[derive(Debug, Serialize)]
pub(crate) struct Backend {
    kind: &'static str,
    why: String,
    unsupported: Vec<Unsupported>,
}

#[derive(Debug, Serialize)]
struct Unsupported {
    feature: String,
    why: String,
}

impl Backend {
    pub fn of(runtime: &Runtime) -> Backend {
        let chosen = runtime.backend();
        let unsupported = runtime.capabilities().into_iter();
        Backend {
            kind: chosen.kind.as_str(),
            why: chosen.reason.clone(),
            unsupported: unsupported
                .filter(|capability| capability.support == Support::None)
                .map(|capability| Unsupported {
                    feature: capability.feature.into(),
                    why: format!("{}: {}", capability.title, capability.note),
                })
                .collect(),
        }
    }
}

/// What this machine is, what it can enforce, and what would mend what it cannot: for programs
/// that want to know without a server. The JSON is a part of what `/api/system` tells. `program`
/// is what a user would start as root: a Python that has our package.
pub fn examine(runtime: &Runtime, program: &str) -> serde_json::Value {
    let mut facts = Facts::gather(runtime.root());
    facts.details.program = quoted(program);
    let owner = fs::metadata(runtime.root()).map_or(0, |root| root.uid());
    facts.details.prune = prune_by_hand(program, runtime.root(), owner);
    serde_json::json!({
        "root": runtime.root(),
        "backend": Backend::of(runtime),
        "machine": &facts,
        "enforced": Enforced::by(&facts),
        "checks": doctor::examine(&facts),
    })
}

/// What prunes a root, typed into a shell by its owner: a root is opened by nobody else, and one
/// that is simulated belongs to no kernel.
fn prune_by_hand(program: &str, root: &Path, owner: u32) -> String {
    let sudo = if owner == 0 { "sudo " } else { "" };
    // A string of JSON is one of Python too.
    let root = serde_json::Value::from(root.display().to_string());
    let code =
        format!("import minidocker as md; print(md.Runtime({root}, backend=\"any\").prune())");
    format!("{sudo}{} -c {}", quoted(program), quoted(&code))
}

/// A word as a POSIX shell takes it.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.to_string(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

/// What can be asked of the system without changing anything.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Facts {
    pub kernel: Kernel,
    pub cores: usize,
    pub memory_bytes: u64,
    pub memory_available_bytes: u64,
    pub load: Vec<f64>,
    pub disk: Disk,
    pub cgroup: Cgroup,
    pub user: User,
    #[serde(skip)]
    pub details: Details,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Kernel {
    pub name: String,
    pub release: String,
    pub architecture: String,
    pub hostname: String,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Disk {
    pub path: String,
    pub total_bytes: u64,
    pub available_bytes: u64,
}

/// Which cgroups there are (`man 7 cgroups`).
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Cgroup {
    pub version: &'static str,
    pub controllers: Vec<String>,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct User {
    pub uid: u32,
    pub root: bool,
}

/// What the doctor wants to know besides.
#[derive(Debug, Clone, Default)]
pub(crate) struct Details {
    /// What the user would start with other rights.
    pub program: String,
    /// What removes the containers that do not run, of this root and no other.
    pub prune: String,
    pub overlay: bool,
    pub seccomp: bool,
    pub user_namespaces: Option<u64>,
    pub apparmor_restricts_user_namespaces: bool,
    pub python: bool,
    pub inside_container: bool,
    pub open_files: u64,
    /// None where containers have no networks.
    pub network: Option<Network>,
}

impl Facts {
    /// Asks the system. `root` is the containers' folder.
    pub fn gather(root: &Path) -> Facts {
        let uname = nix::sys::utsname::uname();
        let text = |text: Option<&std::ffi::OsStr>| {
            text.unwrap_or_default().to_string_lossy().into_owned()
        };
        let kernel = match &uname {
            Ok(uname) => Kernel {
                name: text(Some(uname.sysname())),
                release: text(Some(uname.release())),
                architecture: text(Some(uname.machine())),
                hostname: text(Some(uname.nodename())),
            },
            Err(_) => Kernel {
                name: std::env::consts::OS.into(),
                release: String::new(),
                architecture: std::env::consts::ARCH.into(),
                hostname: String::new(),
            },
        };
        let (total_bytes, available_bytes) = statvfs(root).map_or((0, 0), |disk| {
            let block = disk.fragment_size();
            (disk.blocks() * block, disk.blocks_available() * block)
        });
        Facts {
            kernel,
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_bytes: meminfo("MemTotal:"),
            memory_available_bytes: meminfo("MemAvailable:"),
            load: read("/proc/loadavg")
                .split(' ')
                .take(3)
                .filter_map(|number| number.parse().ok())
                .collect(),
            disk: Disk { path: root.display().to_string(), total_bytes, available_bytes },
            cgroup: Cgroup::detect(),
            user: User { uid: getuid().as_raw(), root: geteuid() == Uid::from_raw(0) },
            details: Details::gather(),
        }
    }
}

impl Cgroup {
    fn detect() -> Cgroup {
        let words = |path: &str| -> Vec<String> {
            read(path).split_whitespace().map(ToString::to_string).collect()
        };
        let unified = words("/sys/fs/cgroup/cgroup.controllers");
        if Path::new("/sys/fs/cgroup/cgroup.controllers").exists() {
            return Cgroup { version: "2", controllers: unified };
        }
        // `man 5 proc_pid_mountinfo`: after " - ", the type; among the last words, the names.
        let mounts = read("/proc/self/mountinfo");
        let mut controllers: Vec<String> = Vec::new();
        let mut has_unified = false;
        for line in mounts.lines() {
            let Some((_, rest)) = line.split_once(" - ") else { continue };
            match rest.split(' ').next() {
                Some("cgroup") => {
                    let options = rest.rsplit(' ').next().unwrap_or_default();
                    let known = ["memory", "cpu", "cpuacct", "pids", "blkio", "freezer", "cpuset"];
                    let named = options.split(',').filter(|name| known.contains(name));
                    controllers.extend(named.map(ToString::to_string));
                }
                Some("cgroup2") => has_unified = true,
                _ => {}
            }
        }
        controllers.sort();
        controllers.dedup();
        let version = match (controllers.is_empty(), has_unified) {
            (true, true) => "2",
            (true, false) => "none",
            (false, true) => "hybrid",
            (false, false) => "1",
        };
        Cgroup { version, controllers }
    }

    pub fn has(&self, controller: &str) -> bool {
        self.controllers.iter().any(|name| name == controller)
    }
}

impl Details {
    fn gather() -> Details {
        let number = |path: &str| read(path).trim().parse::<u64>().ok();
        let in_path = |program: &str| {
            let path = std::env::var_os("PATH").unwrap_or_default();
            std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
        };
        Details {
            program: "minidocker-web".into(),
            prune: String::new(),
            overlay: read("/proc/filesystems").lines().any(|line| line.ends_with("\toverlay")),
            seccomp: Path::new("/proc/sys/kernel/seccomp/actions_avail").exists(),
            user_namespaces: number("/proc/sys/user/max_user_namespaces"),
            apparmor_restricts_user_namespaces: number(
                "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
            ) == Some(1),
            python: in_path("python3") || in_path("python"),
            inside_container: ["/.dockerenv", "/run/.containerenv"]
                .iter()
                .any(|path| Path::new(path).exists()),
            open_files: nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE)
                .map_or(u64::MAX, |(soft, _)| soft),
            network: None,
        }
    }
}

/// Whether a limit holds on this machine.
#[derive(Debug, Serialize)]
pub(crate) struct Enforced {
    limit: &'static str,
    enforced: bool,
    why: String,
}

impl Enforced {
    /// Each limit is the work of a cgroup controller.
    pub fn by(facts: &Facts) -> Vec<Enforced> {
        ["memory", "cpu", "pids"]
            .into_iter()
            .map(|limit| {
                let enforced = facts.user.root && facts.cgroup.has(limit);
                let why = match (facts.user.root, facts.cgroup.has(limit)) {
                    (true, true) => format!("the cgroup controller {limit:?} is there"),
                    (_, false) => format!("this kernel offers no cgroup controller {limit:?}"),
                    (false, true) => "only root may use the cgroup controllers here".to_string(),
                };
                Enforced { limit, enforced, why }
            })
            .collect()
    }
}

fn meminfo(field: &str) -> u64 {
    read("/proc/meminfo")
        .lines()
        .find_map(|line| line.strip_prefix(field)?.trim().strip_suffix(" kB")?.parse::<u64>().ok())
        .map_or(0, |kilobytes| kilobytes * 1024)
}

fn read(path: &str) -> String {
    crate::text::read(path).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_root_is_pruned_by_its_owner_wherever_it_and_python_are() {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("it's a \"python\" $HOME");
        std::os::unix::fs::symlink("/bin/echo", &program).unwrap();
        let root = Path::new("/srv/it's \"my\" $HOME");
        let command = prune_by_hand(program.to_str().unwrap(), root, 1000);
        let output = Command::new("sh").args(["-c", &command]).output().unwrap();
        let code = r#"md.Runtime("/srv/it's \"my\" $HOME", backend="any").prune()"#;
        let expected = format!("-c import minidocker as md; print({code})\n");
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "{command}");
        let of_root = prune_by_hand("/usr/bin/python3", Path::new("/srv"), 0);
        assert!(of_root.starts_with("sudo /usr/bin/python3 -c '"), "{of_root}");
    }
}
