//! A laboratory per test and backend: a root of its own, removed at the end.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use minidocker_rt::{BackendKind, Command, Container, ContainerSpec, ExitStatus, Runtime};

/// Long enough for a slow machine, short enough to notice.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Takes the folders of pyenv's shims out of the PATH: a Python behind one starts after a
/// second's worth of shell scripts, and dozens of tests start some.
pub fn leave_out_shims() {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).filter(|folder| !folder.ends_with("shims"));
    // SAFETY: this is the begin of main, and no other thread can look.
    unsafe { std::env::set_var("PATH", std::env::join_paths(folders).unwrap()) };
}

pub struct Lab {
    pub runtime: Runtime,
    pub kind: BackendKind,
    dir: tempfile::TempDir,
}

/// The backends that this machine has.
pub fn backends() -> Vec<BackendKind> {
    let mut kinds = vec![BackendKind::Simulation];
    if cfg!(linux_backend) {
        kinds.push(BackendKind::Linux);
    }
    kinds
}

/// A test for each backend, whose name says its promise. Where the kernel does not let this
/// program make containers, that of the Linux backend is told as ignored.
pub fn each(name: &'static str, test: fn(&Lab)) -> Vec<Trial> {
    backends().into_iter().map(|kind| one(name, kind, test)).collect()
}

/// A test for one backend.
pub fn one(name: &'static str, kind: BackendKind, test: fn(&Lab)) -> Trial {
    let run = move || {
        test(&Lab::new(kind));
        Ok(())
    };
    let can = kind == BackendKind::Simulation || linux_is_allowed();
    Trial::test(format!("{kind}::{name}"), run).with_ignored_flag(!can)
}

#[cfg(linux_backend)]
fn linux_is_allowed() -> bool {
    nix::unistd::geteuid().is_root()
}

#[cfg(not(linux_backend))]
fn linux_is_allowed() -> bool {
    false
}

/// Trials for each backend, named after their functions.
#[macro_export]
macro_rules! trials {
    ($($test:ident),* $(,)?) => {
        pub fn trials() -> Vec<libtest_mimic::Trial> {
            [$($crate::lab::each(stringify!($test), $test)),*].into_iter().flatten().collect()
        }
    };
}

impl Lab {
    pub fn new(kind: BackendKind) -> Lab {
        let dir = tempfile::Builder::new().prefix("minidocker-lab-").tempdir().unwrap();
        let builder = Runtime::builder().backend(kind);
        Lab { runtime: builder.open(dir.path().join("root")).unwrap(), kind, dir }
    }

    pub fn is_simulation(&self) -> bool {
        self.kind == BackendKind::Simulation
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
        let output = container.logs().unwrap().read_to_string().unwrap().replace("\r\n", "\n");
        container.delete().unwrap();
        (exit, output)
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
        let left: Vec<_> =
            fs::read_dir(self.root().join("containers")).unwrap().flatten().collect();
        if !left.is_empty() {
            report(format!("left behind: {left:#?}"));
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

/// A container that runs Python. Printed lines are flushed at once.
pub fn python(name: &str, code: &str) -> ContainerSpec {
    ContainerSpec::new(name, Command::argv(["python", "-u", "-c", code]))
}

/// A container that runs until it is stopped.
pub fn sleeper(name: &str) -> ContainerSpec {
    python(name, "import time; time.sleep(1000)")
}

/// Waits until something becomes true that has no event to wait for.
pub fn eventually(what: &str, mut check: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !check() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// What the container has printed so far.
pub fn printed(container: &Container) -> String {
    container.logs().unwrap().read_to_string().unwrap().replace("\r\n", "\n")
}

/// The pid of a container's supervisor, as its record tells.
pub fn supervisor(container: &Container, root: &Path) -> u32 {
    let path = root.join("containers").join(container.name().as_str()).join("status.json");
    let record: serde_json::Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    record["supervisor"]["pid"].as_u64().unwrap() as u32
}

/// Kills a process at once, as an operator would.
pub fn kill(pid: u32) {
    let pid = pid.to_string();
    let (program, words) = match cfg!(windows) {
        true => ("taskkill", vec!["/F", "/PID", &pid]),
        false => ("kill", vec!["-KILL", &pid]),
    };
    let output = std::process::Command::new(program).args(words).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

/// Whether a process is there and has not ended.
pub fn is_alive(pid: u32) -> bool {
    use sysinfo::{Pid, ProcessRefreshKind, ProcessStatus, ProcessesToUpdate, System};
    let (mut system, pid) = (System::new(), Pid::from_u32(pid));
    let kind = ProcessRefreshKind::nothing().without_tasks();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), true, kind);
    system.process(pid).is_some_and(|process| process.status() != ProcessStatus::Zombie)
}

// --- another program on the same root ------------------------------------------

/// Runs this test program again in the role of some program that uses the library.
pub fn child(scenario: &str, lab: &Lab) -> ChildProgram {
    child_with(scenario, lab.root(), lab.kind, &[])
}

/// As [`child`], with environment variables set.
pub fn child_with(
    scenario: &str,
    root: &Path,
    kind: BackendKind,
    variables: &[(&str, &str)],
) -> ChildProgram {
    let mut child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--child-program", scenario, kind.as_str()])
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
    let [_, flag, scenario, kind, root] = &args[..] else { return None };
    if flag != "--child-program" {
        return None;
    }
    let kind: BackendKind = kind.parse().unwrap();
    match scenario.as_str() {
        "start" => crate::crash::start(kind, root),
        "start-for-a-second" => crate::crash::start_for_a_second(kind, root),
        "open-default" => crate::choice::open_default(),
        #[cfg(linux_backend)]
        "unprivileged" => crate::choice::unprivileged(),
        "create-and-delete" => crate::logs::create_and_delete(kind, root),
        other => panic!("no scenario {other}"),
    }
    Some(0)
}

/// The runtime of a child program.
pub fn open(kind: BackendKind, root: &str) -> Runtime {
    Runtime::builder().backend(kind).open(root).unwrap()
}
