//! The commands that the plan shows as "the same by hand" are typed into a shell, one after the
//! other, as a learner would copy them from the page.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::os::fd::{FromRawFd, OwnedFd};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::lab::Lab;

crate::trials![
    what_is_built_by_hand_is_what_a_start_builds,
    a_network_is_built_by_hand_too,
    what_a_command_changes_on_the_host_is_said,
];

/// A root shell in a network namespace of its own: what is tried there is not the host's network.
/// It is typed to through a terminal, of which each read takes one line, so that the lines behind
/// a command that opens a shell are read by that shell.
struct Shell {
    child: Child,
    terminal: File,
    lines: mpsc::Receiver<String>,
}

impl Shell {
    fn open() -> Shell {
        let (terminal, slave) = open_terminal();
        let mut child = Command::new("unshare")
            .args(["--net", "--mount", "sh"])
            .stdin(slave)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = child.stdout.take().unwrap();
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || Shell::read(output, &sender));
        Shell { child, terminal, lines }
    }

    fn read(output: ChildStdout, sender: &mpsc::Sender<String>) {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    }

    /// Types a command. Returns what it printed; it must succeed.
    fn type_in(&mut self, command: &str) -> Vec<String> {
        writeln!(self.terminal, "{command}\necho \"status $?\"").unwrap();
        let mut printed = Vec::new();
        loop {
            let line = self.lines.recv_timeout(Duration::from_secs(60));
            let line = line.unwrap_or_else(|_| panic!("no end of {command:?}: {printed:?}"));
            match line.strip_prefix("status ") {
                Some("0") => return printed,
                Some(code) => panic!("{command:?} ended with {code}: {printed:?}"),
                None => printed.push(line),
            }
        }
    }

    /// Types the last command, which the shell becomes. Returns what it printed until it ended.
    fn become_command(&mut self, command: &str) -> String {
        // Ctrl-D ends each of the shells that were left open behind it.
        write!(self.terminal, "{command}\n\x04\x04\x04").unwrap();
        self.lines.iter().map(|line| line + "\n").collect()
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A new terminal: our end, and the one that is typed to.
fn open_terminal() -> (File, OwnedFd) {
    let (mut master, mut slave) = (-1, -1);
    let null = std::ptr::null_mut();
    // SAFETY: the two numbers are written to; a name, settings and a size are not asked for.
    let code = unsafe {
        nix::libc::openpty(&raw mut master, &raw mut slave, null, null.cast(), null.cast())
    };
    assert_eq!(code, 0, "{}", std::io::Error::last_os_error());
    for fd in [master, slave] {
        // SAFETY: a descriptor that was just made for us. Without this flag the shell would keep it.
        unsafe { nix::libc::fcntl(fd, nix::libc::F_SETFD, nix::libc::FD_CLOEXEC) };
    }
    // SAFETY: both were just made, and nobody else owns them.
    unsafe { (File::from_raw_fd(master), OwnedFd::from_raw_fd(slave)) }
}

/// What is to be undone when a test ends, also by a panic.
struct Undo(String);

impl Drop for Undo {
    fn drop(&mut self) {
        // The last process in a cgroup may still be on its way out.
        for _ in 0..500 {
            let done = Command::new("sh").args(["-c", &self.0]).stderr(Stdio::null()).status();
            if done.is_ok_and(|status| status.success()) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        eprintln!("this could not be undone: {}", self.0);
    }
}

/// Types all that the plan of `name` shows.
fn build(lab: &Lab, name: &str) -> String {
    let plan = lab.get(&format!("/api/containers/{name}/plan")).json();
    let (last, steps) = plan["steps"].as_array().unwrap().split_last().unwrap();
    let cgroup = steps.iter().find(|step| step["id"] == "cgroup").unwrap();
    let (_, undo) = cgroup["caution"].as_str().unwrap().split_once("undo it: ").unwrap();
    let _undo = Undo(undo.to_string());
    let mut shell = Shell::open();
    shell.type_in("ip link set lo up");
    for step in steps {
        shell.type_in(step["shell"].as_str().unwrap());
    }
    shell.become_command(last["shell"].as_str().unwrap())
}

/// What the container prints when it is started.
fn started(lab: &Lab, name: &str) -> String {
    assert_eq!(lab.post(&format!("/api/containers/{name}/start")).status, 200);
    lab.until_stopped(name);
    lab.get(&format!("/api/containers/{name}/logs?raw=true")).text().to_string()
}

/// What a process can see of its container.
const LOOK: &str = r#"
    hostname; id; pwd; echo "it's $MODE \"quoted\"" '$HOME'; env | grep -v ^_= | sort
    cat /proc/self/cgroup; ulimit -n; ulimit -c; ls -a "/app/my data"
    cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/pids/pids.max 2>/dev/null ||
        cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/pids.max
    cut -d' ' -f5 /proc/self/mountinfo | sort
    grep -E '^(Cap|NoNewPrivs)' /proc/self/status
    ls /proc | grep -c '^[0-9]'; ls -l /dev | awk '{print $1, $NF}'; ls /home /root 2>&1
    cat /etc/hostname; cat /sys/class/net/lo/operstate; cat /proc/sys/kernel/hostname
"#;

fn what_is_built_by_hand_is_what_a_start_builds() {
    let lab = Lab::new();
    let data = lab.root().join("some data");
    fs::create_dir(&data).unwrap();
    fs::write(data.join("it's here"), "").unwrap();
    let answer = lab.create(json!({
        "name": "web-1", "command": ["sh", "-c", LOOK], "network": "none", "mem_limit_mb": 64,
        "cpu_limit_percent": 50, "pids_limit": 77, "working_dir": "/app/work here",
        "env_vars": {"MODE": "it's $5 \"now\""},
        "volumes": [format!("{}:/app/my data", data.display())],
    }));
    assert_eq!(answer.status, 201, "{answer:?}");
    let expected = started(&lab, "web-1");
    assert!(expected.contains("67108864\n77\n") && expected.contains("it's here"), "{expected}");
    let here = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    assert_eq!(build(&lab, "web-1"), expected);
    assert_eq!(fs::read_to_string("/proc/sys/kernel/hostname").unwrap(), here);
}

fn a_network_is_built_by_hand_too() {
    let lab = Lab::new();
    let look = "ip -o -4 addr show dev eth0 | awk '{print $2, $4}'; ip route | cut -d' ' -f1-3";
    lab.create(json!({"name": "net", "command": ["sh", "-c", look]}));
    let printed = build(&lab, "net");
    let (address, routes) = printed.split_once('\n').unwrap_or_default();
    assert!(address.starts_with("eth0 10.88."), "{printed}");
    assert!(routes.starts_with("default via 10.88.0.1\n"), "{printed}");
}

fn what_a_command_changes_on_the_host_is_said() {
    let lab = Lab::new();
    lab.create(json!({"name": "a", "command": "true", "ports": ["0:80"]}));
    let plan = lab.get("/api/containers/a/plan").json();
    let caution = |id: &str| {
        let step = plan["steps"].as_array().unwrap().iter().find(|step| step["id"] == id);
        step.unwrap_or_else(|| panic!("{id}"))["caution"].clone()
    };
    for id in ["cgroup", "bridge", "masquerade", "publish-ports"] {
        assert!(caution(id).as_str().unwrap().contains("To undo it: "), "{id}");
    }
    for id in ["hostname", "private-mounts", "pivot-root", "loopback", "oom-score", "exec"] {
        assert!(caution(id).as_str().unwrap().contains("would change this machine"), "{id}");
    }
    for id in ["names", "clone"] {
        assert_eq!(caution(id), Value::Null, "{id}");
    }
}
