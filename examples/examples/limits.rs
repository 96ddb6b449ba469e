//! Limits: a program that takes too much memory is killed; one that takes too much CPU
//! time is slowed down; one that starts too many processes is refused.
//!
//! `sudo cargo run --example limits`

use std::time::{Duration, Instant};

use minidocker_rt::{Command, ContainerSpec, PidsLimit, Runtime};

/// Takes 10 MB after the other, and says so.
const GREEDY: &str = "
taken = []
while True:
    taken.append(bytearray(10 << 20))
    print(f'{len(taken) * 10} MB taken', flush=True)
";

/// Counts as fast as it can for three seconds, and shows the CPU time it got.
const BUSY: &str = "
import time
for second in range(1, 4):
    end, used = time.monotonic() + 1, time.process_time()
    while time.monotonic() < end: pass
    print(f'second {second}: {time.process_time() - used:.2f} s of CPU time', flush=True)
";

const MANY: &str = "for i in $(seq 100); do sleep 5 & done; echo 'never reached'";

fn main() -> minidocker_rt::Result<()> {
    minidocker_rt::init();
    let root = tempfile::tempdir().expect("a temporary folder");
    let runtime = Runtime::open(root.path())?;
    let python =
        |name: &str, code: &str| ContainerSpec::new(name, Command::argv(["python3", "-c", code]));

    println!("--- memory: at most 64 MB ---");
    show(&runtime, python("greedy", GREEDY).memory_mb(64))?;

    println!("\n--- CPU: at most 25 % of one core ---");
    show(&runtime, python("busy", BUSY).cpu_percent(25))?;

    println!("\n--- processes: at most 20 ---");
    let many = ContainerSpec::new("many", Command::argv(["sh", "-c", MANY]));
    show(&runtime, many.pids_limit(PidsLimit::at_most(20)?))
}

fn show(runtime: &Runtime, spec: ContainerSpec) -> minidocker_rt::Result<()> {
    let container = runtime.create(spec)?;
    let start = Instant::now();
    container.start()?;
    let exit = container.wait_timeout(Duration::from_secs(60))?;
    for line in container.logs()?.read_to_string()?.lines() {
        println!("  {line}");
    }
    let kills = container.inspect()?.oom_kills;
    println!("  => {exit} after {:.1?}, {kills} kills for lack of memory", start.elapsed());
    container.delete()
}
