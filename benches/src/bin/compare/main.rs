//! Side by side: the whole life of a container that runs a static `true`.
//!
//! `cargo run --release -p minidocker-benches --bin compare -- --rounds 100` as root;
//! `--only minidocker` leaves out those whose name does not contain that. With `--exec` it
//! is one command more, the same `true`, in a container that runs already.
//!
//! In every round each runtime gets one turn, in changing order, so that whatever else
//! the machine does hits all alike. Runtimes that are not installed are named and left out.

#![allow(clippy::print_stdout, reason = "the table is what this program is for")]

mod bubblewrap;
mod exec;
mod floor;
mod minidocker;
mod oci;
mod program;

use std::time::{Duration, Instant};

use minidocker_benches::{
    Figures, Lab, Result, catch_interrupts, check_interrupt, flag, number_option, option,
};

/// A way to run a container, or a command in one.
trait Contender {
    /// What the table calls it.
    fn name(&self) -> &str;

    /// What is measured. A whole life, from nothing, to a `true` that has run, to nothing;
    /// or one exec, from the wish to the `true` that has run.
    fn turn(&mut self) -> Result<()>;
}

/// Turns before the measured ones: caches fill, helpers start.
const WARM_UP: usize = 3;

fn main() -> Result<()> {
    minidocker_rt::init();
    if let Some(result) = minidocker::own_program() {
        return result;
    }
    let rounds = number_option("--rounds", 100)?;
    let pause = Duration::from_millis(number_option("--pause-ms", 20)?);
    catch_interrupts();
    oci::hide_hybrid_tree()?;
    let lab = Lab::open()?;
    let (what, mut contenders) = match flag("--exec") {
        true => ("One exec in a running container", exec::contenders(&lab)?),
        false => ("The whole life of a container", contenders(&lab)?),
    };
    if let Some(only) = option("--only") {
        contenders.retain(|contender| contender.name().contains(&only));
    }

    let mut figures = vec![Figures::default(); contenders.len()];
    for round in 0..WARM_UP + rounds {
        for turn in order(contenders.len(), round) {
            check_interrupt()?;
            // The kernel takes network namespaces and cgroups apart in the background,
            // after the runtime has ended: that is not to be paid by the next one.
            std::thread::sleep(pause);
            let start = Instant::now();
            contenders[turn].turn()?;
            if round >= WARM_UP {
                figures[turn].add(start.elapsed());
            }
        }
    }
    print_table(what, &contenders, &figures);
    Ok(())
}

fn contenders(lab: &Lab) -> Result<Vec<Box<dyn Contender>>> {
    let rootfs = oci::make_rootfs(lab)?;
    let mut contenders: Vec<Box<dyn Contender>> = vec![
        Box::new(floor::Floor::new(lab, &rootfs)),
        Box::new(minidocker::Library::new(lab)),
        Box::new(minidocker::OwnProgram::new(lab)?),
    ];
    for oci in oci::installed(lab, &rootfs, "/bench/true")? {
        contenders.push(Box::new(oci));
    }
    match program::find("bwrap") {
        Some(path) => contenders.push(Box::new(bubblewrap::Bubblewrap::new(&path, &rootfs))),
        None => println!("bwrap is not on the PATH: left out"),
    }
    Ok(contenders)
}

/// Who comes after whom changes from round to round: the first moves on by one, and every
/// second round goes backwards.
fn order(count: usize, round: usize) -> impl Iterator<Item = usize> {
    (0..count).map(move |place| {
        let place = if round.is_multiple_of(2) { place } else { count - 1 - place };
        (place + round / 2) % count
    })
}

fn print_table(what: &str, contenders: &[Box<dyn Contender>], figures: &[Figures]) {
    let width = contenders.iter().map(|contender| contender.name().len()).max().unwrap_or(0);
    let rounds = figures.first().map_or(0, Figures::count);
    let first = figures.first().map_or(f64::NAN, Figures::median);
    println!("\n{what}, in milliseconds, over {rounds} rounds:\n");
    println!("{:width$}  {:>7} {:>7} {:>7}  median/first", "", "median", "min", "max");
    for (contender, figures) in contenders.iter().zip(figures) {
        let (median, min, max) = (figures.median(), figures.min(), figures.max());
        let name = contender.name();
        println!("{name:width$}  {median:7.2} {min:7.2} {max:7.2}  {:12.2}", median / first);
    }
}
