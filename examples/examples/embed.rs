//! Embedding: a program with many threads runs 50 containers at once.
//!
//! `sudo cargo run --release --example embed`

use std::time::Instant;

use minidocker_rt::{Command, ContainerSpec, Runtime};

const CONTAINERS: usize = 50;

fn main() -> minidocker_rt::Result<()> {
    minidocker_rt::init(); // before any thread: the helper process must have only one
    let root = tempfile::tempdir().expect("a temporary folder");
    let runtime = Runtime::open(root.path())?;

    let start = Instant::now();
    let answers: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..CONTAINERS)
            .map(|number| {
                scope.spawn({
                    let runtime = runtime.clone();
                    move || square(&runtime, number)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    let took = start.elapsed();

    for (number, answer) in answers.into_iter().enumerate() {
        assert_eq!(answer?.trim(), (number * number).to_string());
    }
    println!("{CONTAINERS} containers, each in a thread of its own, took {took:.1?} together:");
    println!("{:.1?} each, from create to delete", took / CONTAINERS as u32);
    assert!(runtime.list()?.is_empty(), "nothing is left");
    Ok(())
}

/// Lets a container do the sum, as a server would run a job it does not trust.
fn square(runtime: &Runtime, number: usize) -> minidocker_rt::Result<String> {
    let script = format!("echo $(({number} * {number}))");
    let spec = ContainerSpec::new(&format!("job-{number}"), Command::argv(["sh", "-c", &script]));
    let container = runtime.create(spec.memory_mb(32).cpu_percent(100))?;
    container.start()?;
    container.wait()?;
    let answer = container.logs()?.read_to_string()?;
    container.delete()?;
    Ok(answer)
}
