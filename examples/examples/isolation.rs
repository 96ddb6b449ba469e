//! Isolation: what a container sees, beside what the host sees; and what one feature does,
//! by its absence.
//!
//! `sudo cargo run --example isolation`

use minidocker_rt::{Command, ContainerSpec, Isolation, Runtime};

/// What to look at, and the command that shows it.
const QUESTIONS: [(&str, &str); 7] = [
    ("hostname", "hostname"),
    ("processes", "ls -d /proc/[0-9]* | wc -l"),
    ("network interfaces", "tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d '\\n'"),
    ("mounts", "wc -l < /proc/self/mounts"),
    ("files in /home and /root", "find /home /root -mindepth 1 | wc -l"),
    ("capabilities", "grep CapEff /proc/self/status | cut -f2"),
    ("system call filter", "grep -w Seccomp /proc/self/status | cut -f2"),
];

fn main() -> minidocker_rt::Result<()> {
    minidocker_rt::init();
    let root = tempfile::tempdir().expect("a temporary folder");
    let runtime = Runtime::open(root.path())?;

    println!("{:<28}{:<26}in a container", "", "on the host");
    for (what, script) in QUESTIONS {
        let inside = ask(&runtime, script, Isolation::default())?;
        println!("{what:<28}{:<26}{inside}", on_the_host(script));
    }

    println!("\nThe same container, with one feature off:");
    let on = Isolation::default();
    for (what, script, isolation) in [
        ("no pid namespace", QUESTIONS[1].1, Isolation { pid: false, ..on }),
        ("no network namespace", QUESTIONS[2].1, Isolation { network: false, ..on }),
        ("no uts namespace", QUESTIONS[0].1, Isolation { uts: false, ..on }),
        ("no rootfs", QUESTIONS[4].1, Isolation { rootfs: false, ..on }),
        ("all capabilities", QUESTIONS[5].1, Isolation { capabilities: false, ..on }),
    ] {
        println!("{what:<28}{}", ask(&runtime, script, isolation)?);
    }
    Ok(())
}

fn ask(runtime: &Runtime, script: &str, isolation: Isolation) -> minidocker_rt::Result<String> {
    let spec = ContainerSpec::new("looking", Command::argv(["sh", "-c", script]));
    let container = runtime.create(spec.isolation(isolation))?;
    container.start()?;
    container.wait()?;
    let answer = container.logs()?.read_to_string()?;
    container.delete()?;
    Ok(answer.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn on_the_host(script: &str) -> String {
    let output = std::process::Command::new("sh").args(["-c", script]).output();
    let answer = output.map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&answer).split_whitespace().collect::<Vec<_>>().join(" ")
}
