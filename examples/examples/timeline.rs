//! Timeline: how a container is built, step by step, with the kernel's answers and the
//! microseconds.
//!
//! `sudo cargo run --release --example timeline` (`-- --calls` shows every system call)

use minidocker_rt::{ContainerSpec, Runtime};

fn main() -> minidocker_rt::Result<()> {
    minidocker_rt::init();
    let calls = std::env::args().any(|argument| argument == "--calls");
    let root = tempfile::tempdir().expect("a temporary folder");
    let runtime = Runtime::open(root.path())?;
    let container = runtime.create(
        ContainerSpec::new("timeline", "python -c \"print('Hello from Mini Docker!')\"")
            .memory_mb(64)
            .cpu_percent(50),
    )?;
    container.start()?;
    container.wait()?;

    let trace = container.trace()?.expect("it was started");
    for (step, planned) in trace.steps.iter().zip(container.plan()?.steps) {
        let actor = format!("{:?}", step.actor).to_lowercase();
        println!("{:>8.0} µs  {actor:<11} {}", step.micros, step.title);
        if calls {
            println!("{:24} {}", "", planned.why);
            for call in &step.calls {
                let result = call.errno.as_deref().unwrap_or("ok");
                println!("{:>16.1} µs      {} = {result}", call.micros, call.call);
            }
        }
    }
    let output = container.logs()?.read_to_string()?;
    println!("{:>8.0} µs  until the program ran; it printed {output:?}", trace.micros);
    container.delete()
}
