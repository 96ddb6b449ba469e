//! A server of its own per test, on a root of its own. Server and containers are gone
//! at the end, also when the test panics.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use minidocker_rt::Runtime;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::http::{Response, request, send};

/// Long enough for a slow machine, short enough to notice.
const PATIENCE: Duration = Duration::from_secs(60);

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_minidocker-web");

/// A test whose name says its promise.
pub fn trial(name: &'static str, test: fn()) -> Trial {
    Trial::test(name, move || {
        test();
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

/// The program, serving.
pub struct Server {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    /// What it printed when it was ready.
    pub greeting: String,
    /// The token in it.
    pub token: String,
}

impl Server {
    pub fn start(root: &Path) -> Server {
        Server::start_with(root, &[])
    }

    /// With more arguments.
    pub fn start_with(root: &Path, arguments: &[&str]) -> Server {
        let mut command = Command::new(PROGRAM);
        command.args(["--port", "0", "--root"]).arg(root).args(arguments).env_remove("SUDO_UID");
        Server::run(command)
    }

    /// As if this user had called it with sudo.
    pub fn start_by_sudo_of(root: &Path, caller: u32) -> Server {
        let mut command = Command::new(PROGRAM);
        command.args(["--port", "0", "--root"]).arg(root).env("SUDO_UID", caller.to_string());
        Server::run(command)
    }

    /// With environment variables set.
    pub fn start_with_variables(root: &Path, variables: &[(&str, &str)]) -> Server {
        let mut command = Command::new(PROGRAM);
        command.args(["--port", "0", "--root"]).arg(root).env_remove("SUDO_UID");
        command.envs(variables.iter().copied());
        Server::run(command)
    }

    /// With so many open files allowed, and no more.
    pub fn start_allowed(root: &Path, open_files: u64) -> Server {
        let mut command = Command::new("sh");
        let script = format!("ulimit -n {open_files}; exec \"$0\" --port 0 --root \"$1\"");
        command.args(["-c", &script, PROGRAM]).arg(root).env_remove("SUDO_UID");
        Server::run(command)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    fn run(mut command: Command) -> Server {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut greeting = String::new();
        // The link comes last.
        while !greeting.contains("/login?token=") {
            let read = out.read_line(&mut greeting).unwrap();
            assert!(read > 0, "it has ended: {greeting:?}");
        }
        let url = greeting.split_whitespace().find_map(|word| word.strip_prefix("http://"));
        let mut address: SocketAddr =
            url.unwrap_or_else(|| panic!("no URL in {greeting:?}")).parse().unwrap();
        if address.ip().is_unspecified() {
            address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
        }
        let (_, token) = greeting.rsplit_once("token=").unwrap();
        let token = token.trim().to_string();
        Server { child, address, greeting, token }
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), signal).unwrap();
    }

    /// Waits for its end; None if that does not come in time.
    pub fn wait(&mut self, patience: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().unwrap() {
                return Some(status);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        None
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub struct Lab {
    pub server: Server,
    runtime: Runtime,
    /// Dropped last, after the containers in it.
    _dir: tempfile::TempDir,
}

impl Lab {
    pub fn new() -> Lab {
        let dir = tempfile::Builder::new().prefix("minidocker-web-").tempdir().unwrap();
        let runtime = Runtime::open(dir.path().join("root")).unwrap();
        Lab { server: Server::start(runtime.root()), runtime, _dir: dir }
    }

    pub fn root(&self) -> PathBuf {
        self.runtime.root().to_owned()
    }

    /// A request with headers and a body of the test's own.
    pub fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Response {
        let server = self.server.address;
        send(server, &request(server, method, path, headers, body.as_bytes()))
    }

    pub fn get(&self, path: &str) -> Response {
        self.ask("GET", path, &[], "")
    }

    pub fn post(&self, path: &str) -> Response {
        self.ask("POST", path, &[], "")
    }

    pub fn delete(&self, path: &str) -> Response {
        self.ask("DELETE", path, &[], "")
    }

    pub fn create(&self, spec: Value) -> Response {
        self.ask("POST", "/api/containers", &[], &spec.to_string())
    }

    /// Creates and starts a container that runs a shell script.
    #[track_caller]
    pub fn start(&self, name: &str, script: &str) {
        let created = self.create(json!({"name": name, "command": ["sh", "-c", script]}));
        assert_eq!(created.status, 201, "{}", created.text());
        let started = self.post(&format!("/api/containers/{name}/start"));
        assert_eq!(started.status, 200, "{}", started.text());
    }

    /// Asks until the container has ended, and returns its last description.
    #[track_caller]
    pub fn until_stopped(&self, name: &str) -> Value {
        self.until("stopped", name)
    }

    /// Asks until the container has this status, and returns its description.
    #[track_caller]
    pub fn until(&self, status: &str, name: &str) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let info = self.get(&format!("/api/containers/{name}")).json();
            if info["status"] == status {
                return info;
            }
            assert!(Instant::now() < deadline, "it is never {status}: {info}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for container in self.runtime.list().unwrap_or_default() {
            let name = container.name().to_string();
            if let Err(error) = container.delete_force() {
                eprintln!("cannot delete {name}: {error}");
            }
        }
    }
}
