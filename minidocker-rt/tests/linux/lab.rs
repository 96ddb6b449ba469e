//! A laboratory per test: a root of its own, removed and checked for leaks at the end,
//! also when the test panics.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use minidocker_rt::{
    BackendKind, Command, Container, ContainerSpec, ExitStatus, NetworkMode, Runtime,
};

/// Long enough for a slow virtual machine, short enough to notice.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub struct Lab {
    pub runtime: Runtime,
    dir: tempfile::TempDir,
}

/// A test whose name says its promise.
///
/// In the virtual machine, where no runner does it, one that fails is tried once more, and told
/// as flaky: a second is sometimes a minute there.
pub fn trial(name: &'static str, test: fn()) -> Trial {
    Trial::test(name, move || {
        let in_vm = std::env::var_os("MINIDOCKER_TEST_VM").is_some();
        if !in_vm || std::panic::catch_unwind(test).is_err() {
            if in_vm {
                eprintln!("FLAKY {name}, unless it fails again");
            }
            test();
        }
        Ok(())
    })
}

/// Trials named after their functions.
#[macro_export]
macro_rules! trials {
    ($($test:ident),* $(,)?) => {
        pub fn trials() -> Vec<libtest_mimic::Trial> {
            vec![$($crate::lab::trial(stringify!($test), $test)),*]
        }
    };
}

impl Lab {
    pub fn new() -> Lab {
        let dir = tempfile::Builder::new().prefix("minidocker-lab-").tempdir().unwrap();
        Lab { runtime: open(dir.path().join("root")), dir }
    }

    /// A laboratory whose root is at a path of more than 400 bytes.
    pub fn deep() -> Lab {
        let dir = tempfile::Builder::new().prefix("minidocker-lab-").tempdir().unwrap();
        let root = dir.path().join("a".repeat(200)).join("b".repeat(200)).join("root");
        Lab { runtime: open(root), dir }
    }

    /// A folder beside the root, for volumes and the like.
    pub fn folder(&self, name: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::create_dir_all(&path).unwrap();
        path
    }

    pub fn root(&self) -> &Path {
        self.runtime.root()
    }

    pub fn create(&self, spec: ContainerSpec) -> Container {
        self.runtime.create(spec).unwrap()
    }

    pub fn start(&self, spec: ContainerSpec) -> Container {
        let container = self.create(spec);
        container.start().unwrap();
        container
    }

    /// Runs to the end; the output is what the command printed on both streams.
    pub fn run(&self, spec: ContainerSpec) -> (ExitStatus, String) {
        let container = self.start(spec);
        let exit = container.wait_timeout(PATIENCE).unwrap();
        let output = container.logs().unwrap().read_to_string().unwrap();
        container.delete().unwrap();
        (exit, output)
    }

    /// What a shell script prints in a container with everything on.
    pub fn sh(&self, script: &str) -> String {
        self.run(sh("sh", script)).1
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for container in self.runtime.list().unwrap_or_default() {
            let name = container.name().to_string();
            if let Err(error) = container.delete_force() {
                report(format!("cannot delete {name}: {error}"));
            }
        }
        let root = self.root().to_string_lossy().into_owned();
        // Who was the last on a bridge leaves a process that looks after it for a moment.
        eventually("the bridges are cared for", || {
            !leaks(&root).iter().any(|leak| leak.contains("md-network "))
        });
        // The spawner is this process's own and lives as long as the runtime.
        let leaks: Vec<String> = leaks(&root)
            .into_iter()
            .filter(|leak| !leak.contains("md-spawner ") && !leak.contains("md-network "))
            .collect();
        if !leaks.is_empty() {
            report(format!("left behind: {leaks:#?}"));
        }
    }
}

/// Fails the test, unless it is failing already.
fn report(problem: String) {
    if std::thread::panicking() {
        eprintln!("{problem}");
    } else {
        panic!("{problem}");
    }
}

/// A runtime whose containers have no network unless they ask for one: most tests need none,
/// and many run at once.
pub fn open(root: impl AsRef<Path>) -> Runtime {
    let builder = Runtime::builder().backend(BackendKind::Linux);
    builder.default_network(NetworkMode::None).open(root).unwrap()
}

/// A container that runs a shell script.
pub fn sh(name: &str, script: &str) -> ContainerSpec {
    ContainerSpec::new(name, Command::argv(["sh", "-c", script]))
}

/// A container that runs until it is stopped.
pub fn sleeper(name: &str) -> ContainerSpec {
    ContainerSpec::new(name, "sleep 1000")
}

/// What is left of containers on this machine: mounts in any namespace, cgroups of the
/// containers of `root` (all, if it is empty), helper processes of that root.
pub fn leaks(root: &str) -> Vec<String> {
    let mut leaks = Vec::new();
    let mut own_ids: Vec<String> = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<i32>() else { continue };
        if is_helper_of(pid, root) {
            leaks.push(format!("process {pid}: {}", name_of(pid)));
        }
    }
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let marker = if root.is_empty() { "minidocker" } else { root };
    leaks
        .extend(mounts.lines().filter(|line| line.contains(marker)).map(|l| format!("mount: {l}")));
    if root.is_empty() {
        own_ids.push(String::new());
    } else {
        // A container that could not be deleted still tells its id.
        for entry in
            fs::read_dir(Path::new(root).join("containers")).into_iter().flatten().flatten()
        {
            leaks.push(format!("folder: {}", entry.path().display()));
            let spec = fs::read_to_string(entry.path().join("spec.json")).unwrap_or_default();
            own_ids.extend(spec.split('"').nth(3).map(String::from));
        }
    }
    for id in own_ids {
        leaks.extend(cgroups_of(&id).into_iter().map(|path| format!("cgroup: {}", path.display())));
    }
    leaks
}

/// The cgroup directories of a container id (of all containers, if it is empty).
pub fn cgroups_of(id: &str) -> Vec<PathBuf> {
    let wanted = format!("minidocker-{id}");
    let mut found = Vec::new();
    for tree in std::iter::once(PathBuf::from("/sys/fs/cgroup")).chain(folders("/sys/fs/cgroup")) {
        found.extend(folders(&tree).into_iter().filter(|path| {
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&wanted))
        }));
    }
    found
}

fn folders(path: impl AsRef<Path>) -> Vec<PathBuf> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}

/// A value from a container's cgroup, wherever this machine keeps it.
pub fn cgroup_value(container: &Container, v1: &str, v2: &str) -> String {
    for path in cgroups_of(container.id().as_str()) {
        for name in [v1, v2] {
            if let Ok(text) = fs::read_to_string(path.join(name)) {
                return text.trim().to_string();
            }
        }
    }
    panic!("no cgroup of {} has {v1} or {v2}", container.name());
}

/// Whether a process is a helper (spawner, supervisor, init) of the runtime on `root`: spawners
/// and supervisors are in that folder, the others are their children.
pub fn is_helper_of(pid: i32, root: &str) -> bool {
    let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    if command != b"minidocker-init\0" {
        return false;
    }
    let is_there = |pid: i32| {
        let link = fs::read_link(format!("/proc/{pid}/cwd"));
        link.is_ok_and(|cwd| cwd.to_string_lossy().trim_end_matches(" (deleted)") == root)
    };
    let parent = status_field(pid, "PPid").and_then(|parent| parent.parse().ok());
    root.is_empty() || is_there(pid) || parent.is_some_and(|parent| is_helper_of(parent, root))
}

/// All helpers of the runtime on `root`.
pub fn helpers_of(root: &Path) -> Vec<i32> {
    let root = root.to_string_lossy();
    fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| entry.file_name().to_string_lossy().parse().ok())
        .filter(|&pid| is_helper_of(pid, &root))
        .collect()
}

/// The name a process shows, with a space after it so that one can be told from a prefix.
fn name_of(pid: i32) -> String {
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    format!("{} ", name.trim())
}

/// A field of /proc/<pid>/status.
pub fn status_field(pid: i32, field: &str) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{field}:")))?;
    Some(line.trim().to_string())
}

pub fn parent_of(pid: i32) -> i32 {
    status_field(pid, "PPid").unwrap().parse().unwrap()
}

/// Whether a process exists and is no zombie.
pub fn is_alive(pid: i32) -> bool {
    status_field(pid, "State").is_some_and(|state| !state.starts_with(['Z', 'X']))
}

pub fn kill(pid: i32) {
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::SIGKILL).unwrap();
}

/// Waits until something becomes true that has no event to wait for.
pub fn eventually(what: &str, mut check: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !check() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The processes of a running container as the host sees them.
pub struct Family {
    pub command: i32,
    pub init: i32,
    pub supervisor: i32,
    pub spawner: i32,
}

pub fn family(container: &Container) -> Family {
    let command = container.inspect().unwrap().pid.unwrap();
    let init = parent_of(command);
    let supervisor = parent_of(init);
    Family { command, init, supervisor, spawner: parent_of(supervisor) }
}

// --- another program on the same root ------------------------------------------

/// Runs this test program again in the role of some program that uses the library.
pub fn child(scenario: &str, root: &Path) -> ChildProgram {
    child_with(scenario, root, &[])
}

/// As [`child`], with environment variables set.
pub fn child_with(scenario: &str, root: &Path, variables: &[(&str, &str)]) -> ChildProgram {
    let mut child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--child-program", scenario])
        .arg(root)
        .envs(variables.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap());
    ChildProgram { child, lines }
}

pub struct ChildProgram {
    pub child: Child,
    lines: BufReader<std::process::ChildStdout>,
}

impl ChildProgram {
    /// The next line it prints; empty at its end.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line.trim_end().to_string()
    }
}

impl Drop for ChildProgram {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The other side of [`child`]: plays the role, if this process was started for one.
pub fn run_as_child() -> Option<i32> {
    let args: Vec<String> = std::env::args().collect();
    let [_, flag, scenario, root] = &args[..] else { return None };
    if flag != "--child-program" {
        return None;
    }
    match scenario.as_str() {
        "bridged-without-root" => crate::networks::without_root(root),
        "start-on-bridge" => crate::network_crash::start_on_bridge(root),
        "create-and-delete" => crate::events::create_and_delete(root),
        "import-without-end" => crate::images::import_without_end(root),
        "start-and-wait" => crate::crash::start_and_wait(root),
        "fake-null" => crate::helpers::fake_null(root),
        "early-thread" => crate::helpers::early_thread(root),
        "leaky" => crate::helpers::leaky(root),
        "start-probed" => crate::health::start_probed(root),
        "deaf" => crate::signals::deaf(root),
        "stranger" => crate::root_folder::stranger(),
        "soak" => crate::soak::program(root),
        "start-and-end" => crate::restart::start_and_end(root),
        "old-kernel" => crate::open::old_kernel(root),
        "without-rights" => crate::open::without_rights(root),
        "user-namespace" => crate::open::user_namespace(root),
        "on-an-overlay" => crate::open::on_an_overlay(root),
        "read-only-cgroups" => crate::open::read_only_cgroups(root),
        "without-proc" => crate::open::without_proc(root),
        "unprivileged-files" => crate::files::unprivileged(root),
        "no-ptrace" => crate::helpers::no_ptrace(root),
        "shared-mounts" => crate::helpers::shared_mounts(root),
        "generous" => crate::helpers::generous(root),
        "telling" => crate::helpers::telling(root),
        "lease" => crate::walls::lease(root),
        "vandal" => crate::walls::vandal(root),
        other => panic!("no scenario {other}"),
    }
    Some(0)
}
