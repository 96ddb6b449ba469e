//! Exec: look into a running container, hand it a file, freeze it, and see what it changed.
//!
//! `sudo cargo run --example exec`

use std::time::Duration;

use minidocker_rt::{Command, ContainerSpec, Exec, Runtime, WriteOptions};

/// Counts the tenths of a second of its life.
const SCRIPT: &str = "while :; do echo tick >> /ticks; sleep 0.1; done";

fn main() -> minidocker_rt::Result<()> {
    minidocker_rt::init();
    let root = tempfile::tempdir().expect("a temporary folder");
    let runtime = Runtime::open(root.path())?;
    let container =
        runtime.create(ContainerSpec::new("clock", Command::argv(["sh", "-c", SCRIPT])))?;
    container.start()?;

    println!("--- another command in the same container ---");
    print!("{}", container.exec("hostname")?.stdout_text());
    let count = container.exec(Exec::new("wc -w").stdin("one two three"))?;
    print!("words given to it: {}", count.stdout_text());
    let slow = container.exec(Exec::new("sleep 60").timeout(Duration::from_millis(300)))?;
    println!("a minute's sleep, allowed 0.3 s: {}, timed out: {}", slow.exit, slow.timed_out);

    println!("\n--- a file from outside ---");
    container.files().write("/tmp/greeting", b"hello from the host\n", WriteOptions::default())?;
    print!("{}", container.exec("cat /tmp/greeting")?.stdout_text());

    println!("\n--- frozen, time stands still ---");
    let ticks = || container.files().stat("/ticks").map(|file| file.size / 5);
    std::thread::sleep(Duration::from_secs(1));
    container.pause()?;
    let before = ticks()?;
    std::thread::sleep(Duration::from_secs(1));
    println!("ticks before a pause of a second: {before}, after: {}", ticks()?);
    container.resume()?;
    std::thread::sleep(Duration::from_secs(1));
    println!("and a second later: {}", ticks()?);

    println!("\n--- what it changed of its image ---");
    for change in container.diff()? {
        println!("{} {}", change.kind.letter(), change.path);
    }
    container.delete_force()
}
