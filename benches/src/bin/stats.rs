//! How long does it take to ask what all containers use?
//!
//! `cargo run --release -p minidocker-benches --bin stats -- --rounds 50` as root.
//!
//! A dashboard asks every second or so. There are 1,000 containers, of which 100 run; half
//! of the others have run and half never did. Each costs its two files of the store, and a
//! running one a dozen files of the kernel's more. Every call asks afresh: nothing is kept
//! from one to the next.

#![allow(clippy::print_stdout, reason = "the table is what this program is for")]

use std::time::Instant;

use minidocker_benches::{
    Error, Figures, Lab, Result, catch_interrupts, check_interrupt, expect_success, number_option,
};
use minidocker_rt::{ContainerSpec, Status};

const CONTAINERS: usize = 1000;
const RUNNING: usize = 100;
const ENDED: usize = (CONTAINERS - RUNNING) / 2;

/// Calls before the measured ones.
const WARM_UP: usize = 3;

fn main() -> Result<()> {
    minidocker_rt::init();
    let rounds = number_option("--rounds", 50)?;
    catch_interrupts();
    let lab = Lab::open()?;
    for number in 0..CONTAINERS {
        check_interrupt()?;
        add(&lab, number)?;
    }
    let running = lab.runtime().get(&name(0))?;
    let (mut all, mut one) = (Figures::default(), Figures::default());
    for round in 0..WARM_UP + rounds {
        check_interrupt()?;
        let start = Instant::now();
        let stats = lab.runtime().stats()?;
        let took = start.elapsed();
        let alive = stats.iter().filter(|one| one.stats.status == Status::Running).count();
        if (stats.len(), alive) != (CONTAINERS, RUNNING) {
            return Err(Error::Unexpected(format!("{} containers, {alive} run", stats.len())));
        }
        let start = Instant::now();
        running.stats()?;
        if round >= WARM_UP {
            all.add(took);
            one.add(start.elapsed());
        }
    }
    println!("Milliseconds, {rounds} rounds:\n");
    println!("{:40} {:>8} {:>8} {:>8}", "", "median", "min", "max");
    let all_of_them = format!("all {CONTAINERS}, of which {RUNNING} run");
    for (what, figures) in [(all_of_them.as_str(), all), ("one that runs", one)] {
        println!("{what:40} {:8.2} {:8.2} {:8.2}", figures.median(), figures.min(), figures.max());
    }
    Ok(())
}

fn name(number: usize) -> String {
    format!("c{number:04}")
}

/// The first run, the next have run, the rest never did.
fn add(lab: &Lab, number: usize) -> Result<()> {
    let name = name(number);
    if number < RUNNING {
        let spec = ContainerSpec::new(&name, "sleep 86400").memory_mb(64).cpu_percent(50);
        return Ok(lab.runtime().create(spec)?.start()?);
    }
    let container = lab.runtime().create(lab.spec_of_true(&name)?)?;
    if number < RUNNING + ENDED {
        container.start()?;
        expect_success(&container)?;
    }
    Ok(())
}
