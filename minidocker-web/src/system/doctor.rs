//! The doctor: each thing that this machine lacks, and the command that mends it.

use serde::Serialize;

use super::{Facts, Network};

/// How a check went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    Ok,
    /// Works, but not as well as it could.
    Warning,
    /// Containers cannot be made, or not all of them.
    Problem,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
pub(crate) struct Check {
    pub id: &'static str,
    pub title: &'static str,
    pub status: Verdict,
    pub detail: String,
    /// What to type, if there is something.
    pub command: Option<String>,
}

/// The oldest kernel that has what the library uses.
const OLDEST_KERNEL: (u32, u32) = (5, 12);

/// With less than this, a container soon has no room.
const LITTLE_DISK: u64 = 1 << 30;

/// A stream and a container each take a few.
const FEW_FILES: u64 = 1024;

/// Looks at everything; the worst first.
pub(crate) fn examine(facts: &Facts) -> Vec<Check> {
    let mut checks = vec![
        root(facts),
        kernel(facts),
        cgroups(facts),
        overlay(facts),
        seccomp(facts),
        user_namespaces(facts),
        disk(facts),
        open_files(facts),
        python(facts),
        container(facts),
    ];
    checks.extend(facts.details.network.iter().flat_map(Network::checks));
    checks.sort_by_key(|check| match check.status {
        Verdict::Problem => 0,
        Verdict::Warning => 1,
        Verdict::Ok => 2,
    });
    checks
}

pub(super) fn check(
    id: &'static str,
    title: &'static str,
    verdict: Result<String, (Verdict, String, Option<&str>)>,
) -> Check {
    let (status, detail, command) = match verdict {
        Ok(detail) => (Verdict::Ok, detail, None),
        Err((status, detail, command)) => (status, detail, command.map(ToString::to_string)),
    };
    Check { id, title, status, detail, command }
}

fn root(facts: &Facts) -> Check {
    let verdict = match facts.user.root {
        true => Ok("It runs as root, which namespaces, mounts and cgroups need.".into()),
        false => Err((
            Verdict::Problem,
            format!("It runs as user {}: containers cannot be started.", facts.user.uid),
            None,
        )),
    };
    let mut check = check("root", "Rights", verdict);
    if check.status == Verdict::Problem {
        check.command = Some(format!("sudo {}", facts.details.program));
    }
    check
}

fn kernel(facts: &Facts) -> Check {
    let release = &facts.kernel.release;
    let mut numbers = release.split(['.', '-']).map_while(|part| part.parse::<u32>().ok());
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    let verdict = match version >= OLDEST_KERNEL {
        true => Ok(format!("Linux {release} has all that is used.")),
        false => Err((
            Verdict::Problem,
            format!(
                "Linux {release} is too old: {}.{} is needed.",
                OLDEST_KERNEL.0, OLDEST_KERNEL.1
            ),
            Some("sudo apt-get update && sudo apt-get dist-upgrade"),
        )),
    };
    check("kernel", "Kernel", verdict)
}

fn cgroups(facts: &Facts) -> Check {
    let missing: Vec<&str> =
        ["memory", "cpu", "pids"].into_iter().filter(|name| !facts.cgroup.has(name)).collect();
    let missing_text = missing.join(", ");
    let verdict = match (missing.is_empty(), facts.cgroup.version) {
        (true, version) => Ok(format!("Version {version}, with memory, cpu and pids.")),
        (false, "none") => Err((
            Verdict::Problem,
            "No cgroups are mounted: no limit can be enforced.".into(),
            Some("sudo mount -t cgroup2 none /sys/fs/cgroup"),
        )),
        (false, "2") => Err((
            Verdict::Problem,
            format!("Not delegated to us: {missing_text}. Those limits cannot be enforced."),
            Some("echo '+memory +cpu +pids' | sudo tee /sys/fs/cgroup/cgroup.subtree_control"),
        )),
        (false, _) => Err((
            Verdict::Problem,
            format!(
                "Not mounted: {missing_text}. Those limits cannot be enforced. The kernel may \
                 have been started with cgroup_disable=."
            ),
            missing.first().copied().map(|name| match name {
                "memory" => "sudo mkdir -p /sys/fs/cgroup/memory && sudo mount -t cgroup -o memory none /sys/fs/cgroup/memory",
                "cpu" => "sudo mkdir -p /sys/fs/cgroup/cpu && sudo mount -t cgroup -o cpu,cpuacct none /sys/fs/cgroup/cpu",
                _ => "sudo mkdir -p /sys/fs/cgroup/pids && sudo mount -t cgroup -o pids none /sys/fs/cgroup/pids",
            }),
        )),
    };
    check("cgroups", "Limits (cgroups)", verdict)
}

fn overlay(facts: &Facts) -> Check {
    let verdict = match facts.details.overlay {
        true => Ok("The kernel has overlayfs: a container's changes are kept apart.".into()),
        false => Err((
            Verdict::Problem,
            "The kernel has no overlayfs loaded: containers have no files.".into(),
            Some("sudo modprobe overlay"),
        )),
    };
    check("overlay", "Files (overlayfs)", verdict)
}

fn seccomp(facts: &Facts) -> Check {
    let verdict = match facts.details.seccomp {
        true => Ok("The kernel filters system calls.".into()),
        false => Err((
            Verdict::Problem,
            "The kernel was built without seccomp: system calls cannot be filtered. A container \
             starts only with \"isolation\": {\"seccomp\": false}."
                .into(),
            None,
        )),
    };
    check("seccomp", "System call filter (seccomp)", verdict)
}

fn user_namespaces(facts: &Facts) -> Check {
    let details = &facts.details;
    // Root makes containers without them.
    let severity = if facts.user.root { Verdict::Warning } else { Verdict::Problem };
    let verdict = match details.user_namespaces {
        None => Err((severity, "The kernel was built without user namespaces.".into(), None)),
        Some(0) => Err((
            severity,
            "User namespaces are switched off.".into(),
            Some("sudo sysctl user.max_user_namespaces=15000"),
        )),
        Some(_) if details.apparmor_restricts_user_namespaces => Err((
            severity,
            "AppArmor keeps user namespaces from ordinary users.".into(),
            Some("sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0"),
        )),
        Some(_) => Ok("Ordinary users may make user namespaces.".into()),
    };
    check("user-namespaces", "User namespaces", verdict)
}

fn disk(facts: &Facts) -> Check {
    let free = facts.disk.available_bytes >> 20;
    let verdict = match facts.disk.available_bytes >= LITTLE_DISK {
        true => Ok(format!("{free} MB are free at {}.", facts.disk.path)),
        false => Err((
            Verdict::Warning,
            format!("Only {free} MB are free at {}.", facts.disk.path),
            Some(facts.details.prune.as_str()),
        )),
    };
    check("disk", "Disk", verdict)
}

fn open_files(facts: &Facts) -> Check {
    let most = facts.details.open_files;
    let verdict = match most >= FEW_FILES {
        true => Ok(format!("This program may have {most} files open.")),
        false => Err((
            Verdict::Warning,
            format!("This program may have only {most} files open: many streams will not go."),
            Some("ulimit -n 4096"),
        )),
    };
    check("open-files", "Open files", verdict)
}

fn python(facts: &Facts) -> Check {
    let verdict = match facts.details.python {
        true => Ok("Python is there for the templates and examples.".into()),
        false => Err((
            Verdict::Warning,
            "There is no Python on the PATH: the built-in templates need one.".into(),
            Some("sudo apt-get install python3"),
        )),
    };
    check("python", "Python", verdict)
}

fn container(facts: &Facts) -> Check {
    let verdict = match facts.details.inside_container {
        false => Ok("This program does not run inside a container.".into()),
        true => Err((
            Verdict::Warning,
            "This program itself runs inside a container, whose cgroups and overlay may be in the \
             way."
                .into(),
            None,
        )),
    };
    check("nesting", "Nesting", verdict)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::Details;
    use super::*;

    fn healthy() -> Facts {
        let mut facts = Facts::gather(Path::new("/"));
        facts.user.root = true;
        facts.kernel.release = "6.1.0-13-amd64".into();
        facts.cgroup.version = "2";
        facts.cgroup.controllers = ["cpu", "memory", "pids"].map(String::from).to_vec();
        facts.disk.available_bytes = 1 << 40;
        facts.details = Details {
            program: "minidocker-web".into(),
            prune: "curl -X POST http://localhost:5000/api/prune".into(),
            overlay: true,
            seccomp: true,
            user_namespaces: Some(1000),
            apparmor_restricts_user_namespaces: false,
            python: true,
            inside_container: false,
            open_files: 20_000,
            network: None,
        };
        facts
    }

    fn verdict(facts: &Facts, id: &str) -> (Verdict, String) {
        let check = examine(facts).into_iter().find(|check| check.id == id).unwrap();
        (check.status, check.command.unwrap_or_default())
    }

    #[test]
    fn a_healthy_machine_needs_nothing() {
        for check in examine(&healthy()) {
            assert_eq!((check.status, check.command), (Verdict::Ok, None), "{}", check.id);
        }
    }

    #[test]
    fn each_lack_is_told_with_the_command_that_mends_it() {
        let with = |change: fn(&mut Facts)| {
            let mut facts = healthy();
            change(&mut facts);
            facts
        };
        let apparmor = with(|facts| facts.details.apparmor_restricts_user_namespaces = true);
        let (status, command) = verdict(&apparmor, "user-namespaces");
        assert_eq!(status, Verdict::Warning, "root needs none");
        assert!(command.contains("apparmor_restrict_unprivileged_userns=0"));
        let undelegated = with(|facts| facts.cgroup.controllers = vec!["cpu".into()]);
        let (status, command) = verdict(&undelegated, "cgroups");
        assert_eq!(status, Verdict::Problem);
        assert!(command.contains("cgroup.subtree_control"));
        assert_eq!(examine(&undelegated)[0].id, "cgroups", "the worst comes first");
        let old = with(|facts| facts.kernel.release = "4.19.0-27-amd64".into());
        assert_eq!(verdict(&old, "kernel").0, Verdict::Problem);
        let user = with(|facts| facts.user.root = false);
        assert_eq!(verdict(&user, "root"), (Verdict::Problem, "sudo minidocker-web".into()));
        let full = with(|facts| facts.disk.available_bytes = 1 << 20);
        // Of this server: another may listen at the usual port.
        let full = Facts {
            details: Details {
                prune: "curl -X POST http://[::1]:5713/api/prune".into(),
                ..full.details
            },
            ..full
        };
        assert_eq!(verdict(&full, "disk").1, "curl -X POST http://[::1]:5713/api/prune");
    }
}
