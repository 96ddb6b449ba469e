//! What a bridge adds to a start, a stop and a delete.
//!
//! `cargo run --release -p minidocker-benches --bin network -- --rounds 100 --beside 50` as
//! root. The modes take turns, so that whatever else the machine does disturbs both. A container
//! that is there all the time keeps the bridge up, and `--beside` more share it.
//!
//! The kernel removes a namespace and its cable after the container's end, and holds up whoever
//! makes a namespace meanwhile. So there is a pause between two lives, unless `--pause 0` says
//! that this is what is to be seen.

#![allow(clippy::print_stdout, reason = "the table is what this program is for")]

use std::time::{Duration, Instant};

use minidocker_benches::{
    Figures, Lab, Result, catch_interrupts, check_interrupt, compile_static_pause, limited,
    number_option,
};
use minidocker_rt::{ContainerSpec, NetworkMode, NetworkOptions};

/// Lives before the measured ones.
const WARM_UP: usize = 5;

fn main() -> Result<()> {
    minidocker_rt::init();
    let rounds = number_option("--rounds", 100)?;
    let beside = number_option("--beside", 0)?;
    let pause_between = Duration::from_millis(number_option("--pause", 100)?);
    catch_interrupts();
    let lab = Lab::open()?;
    compile_static_pause(&lab.programs().join("pause"))?;
    let runtime = lab.runtime();
    runtime.create_network("made", NetworkOptions::default())?;
    let modes = [NetworkMode::None, NetworkMode::Bridge, "made".parse()?];
    let pause = |name: &str, mode: &NetworkMode| -> Result<ContainerSpec> {
        Ok(limited(name, "/bench/pause", &lab.programs())?.network(mode.clone()))
    };
    for mode in &modes[1..] {
        for number in 0..=beside {
            runtime.create(pause(&format!("{mode}-{number}"), mode)?)?.start()?;
        }
    }
    let mut figures = [(); 3].map(|()| [(); 3].map(|()| Figures::default()));
    for round in 0..WARM_UP + rounds {
        check_interrupt()?;
        for (mode, figures) in modes.iter().zip(&mut figures) {
            std::thread::sleep(pause_between);
            let container = runtime.create(pause("measured", mode)?)?;
            let begin = Instant::now();
            container.start()?;
            let started = Instant::now();
            container.stop_within(Duration::ZERO)?;
            let stopped = Instant::now();
            container.delete()?;
            if round >= WARM_UP {
                figures[0].add(started - begin);
                figures[1].add(stopped - started);
                figures[2].add(stopped.elapsed());
            }
        }
    }
    println!("| milliseconds, {rounds} rounds, {beside} beside it | start | stop | delete |");
    println!("|---|---:|---:|---:|");
    for (mode, figures) in modes.iter().zip(&figures) {
        let [start, stop, delete] =
            figures.each_ref().map(|f| format!("{:.2} (min {:.2})", f.median(), f.min()));
        println!("| {mode} | {start} | {stop} | {delete} |");
    }
    Ok(())
}
