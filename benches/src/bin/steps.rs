//! Where the time of a start goes: the median of every step of the plan.
//!
//! `cargo run --release -p minidocker-benches --bin steps -- --rounds 100` as root; with
//! `--calls` also the system calls that take longest.
//!
//! The times of the steps are those the runtime itself records in `trace.json`. What a
//! program waits for beyond them (the message to the spawner, the files of the store, the
//! cleaning up) is the difference to the operations as they are timed here.

#![allow(clippy::print_stdout, reason = "the table is what this program is for")]

use std::collections::BTreeMap;
use std::time::Instant;

use minidocker_benches::{
    Error, Figures, Lab, Result, catch_interrupts, check_interrupt, expect_success, flag,
    number_option,
};
use minidocker_rt::Trace;

/// How many of the longest calls `--calls` prints.
const CALLS_SHOWN: usize = 40;

/// Starts before the measured ones.
const WARM_UP: usize = 5;

fn main() -> Result<()> {
    minidocker_rt::init();
    let rounds = number_option("--rounds", 100)?;
    let calls = flag("--calls");
    catch_interrupts();
    let lab = Lab::open()?;
    let mut whole = Whole::default();
    let mut traces = Vec::new();
    for round in 0..WARM_UP + rounds {
        check_interrupt()?;
        if round == WARM_UP {
            whole = Whole::default();
            traces.clear();
        }
        traces.push(whole.run(&lab)?);
    }
    whole.print();
    print_steps(&traces);
    if calls {
        print_calls(&traces);
    }
    Ok(())
}

/// The operations as a program sees them.
#[derive(Default)]
struct Whole {
    create: Figures,
    start: Figures,
    traced: Figures,
    wait: Figures,
    delete: Figures,
}

impl Whole {
    fn run(&mut self, lab: &Lab) -> Result<Trace> {
        let begin = Instant::now();
        let container = lab.runtime().create(lab.spec_of_true("steps")?)?;
        let created = Instant::now();
        container.start()?;
        let started = Instant::now();
        expect_success(&container)?;
        let ended = Instant::now();
        let trace = container
            .trace()?
            .ok_or_else(|| Error::Unexpected("a container that ran has no trace".into()))?;
        let deleting = Instant::now();
        container.delete()?;
        self.delete.add(deleting.elapsed());
        self.create.add(created - begin);
        self.start.add(started - created);
        self.traced.push(trace.micros / 1000.0);
        self.wait.add(ended - started);
        Ok(trace)
    }

    fn print(&self) {
        println!("Operations, in milliseconds, over {} rounds:\n", self.create.count());
        println!("{:34} {:>7} {:>7} {:>7}", "", "median", "min", "max");
        for (name, figures) in [
            ("create", &self.create),
            ("start, until the command's exec", &self.start),
            ("  of which the plan's steps", &self.traced),
            ("wait, to the end and its cleanup", &self.wait),
            ("delete", &self.delete),
        ] {
            let (median, min, max) = (figures.median(), figures.min(), figures.max());
            println!("{name:34} {median:7.3} {min:7.3} {max:7.3}");
        }
    }
}

fn print_steps(traces: &[Trace]) {
    let Some(first) = traces.first() else { return };
    println!("\nSteps, in microseconds:\n");
    println!("{:>8} {:>8} {:>8} {:>6}  step", "median", "min", "max", "calls");
    let (mut sum, mut end) = (0.0, 0.0);
    for (index, step) in first.steps.iter().enumerate() {
        let mut figures = Figures::default();
        let mut gap = Figures::default();
        for trace in traces {
            let step = &trace.steps[index];
            figures.push(step.micros);
            let before = index.checked_sub(1).map_or(0.0, |before| {
                trace.steps[before].start_micros + trace.steps[before].micros
            });
            gap.push(step.start_micros - before);
        }
        sum += figures.median();
        end += gap.median().max(0.0);
        let (median, min, max) = (figures.median(), figures.min(), figures.max());
        let actor = format!("{:?}", step.actor).to_lowercase();
        let (count, title) = (step.calls.len(), &step.title);
        println!("{median:8.1} {min:8.1} {max:8.1} {count:6}  {actor}: {title}");
    }
    println!("{sum:8.1} {:26} sum of the steps; {end:.1} between them", "");
}

/// The calls by what they take in all the rounds, the longest first.
fn print_calls(traces: &[Trace]) {
    let mut calls: BTreeMap<(usize, usize, String), Figures> = BTreeMap::new();
    for trace in traces {
        for (step_index, step) in trace.steps.iter().enumerate() {
            for (index, call) in step.calls.iter().enumerate() {
                // Names that differ in every round (ids, folders) are cut off.
                let name = call.call.chars().take(76).collect();
                let name = mask_hexadecimal(name);
                calls.entry((step_index, index, name)).or_default().push(call.micros);
            }
        }
    }
    let mut calls: Vec<_> = calls.into_iter().collect();
    calls.sort_by(|a, b| b.1.median().total_cmp(&a.1.median()));
    println!("\nThe longest calls, in microseconds:\n");
    for ((step, _, name), figures) in calls.into_iter().take(CALLS_SHOWN) {
        let step = traces.first().map_or("", |trace| trace.steps[step].id.as_str());
        let (median, min) = (figures.median(), figures.min());
        println!("{median:8.1} {min:8.1}  {step:16} {name}");
    }
}

/// Shortens a container's identity, 64 digits, to a star.
fn mask_hexadecimal(name: String) -> String {
    match name.find("minidocker-").filter(|&at| !name[at..].starts_with("minidocker-bench")) {
        Some(at) => {
            let rest = &name[at + "minidocker-".len()..];
            let end = rest.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(rest.len());
            format!("{}minidocker-*{}", &name[..at], &rest[end..])
        }
        None => name,
    }
}
