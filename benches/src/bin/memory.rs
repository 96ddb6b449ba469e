//! What a running container costs in memory, beyond its own command.
//!
//! `cargo run --release -p minidocker-benches --bin memory` as root; `--mappings` also
//! tells what the memory of one supervisor and one init is made of.
//!
//! Two helper processes stay with each container: the supervisor and init. They are forks
//! of one spawner and share most of their pages with it and with each other, so their RSS,
//! which counts a shared page in full for each, says little. PSS divides each page by the
//! number of its users: the sum over all processes is what is really used. Private memory
//! is what would come back if this process alone ended. See `man 5 proc_pid_smaps`.

#![allow(clippy::print_stdout, reason = "the table is what this program is for")]

use std::collections::BTreeMap;
use std::fs;

use minidocker_benches::{Error, Lab, Result, catch_interrupts, check_interrupt, flag};
use minidocker_rt::{Container, ContainerSpec};

/// How many containers run when it is measured.
const COUNTS: [usize; 2] = [50, 300];

fn main() -> Result<()> {
    minidocker_rt::init();
    catch_interrupts();
    let mappings = flag("--mappings");
    let lab = Lab::open()?;
    let mut containers = Vec::new();
    println!("Memory of the helpers, in kB for each running container:\n");
    println!("{:10} {:^17} {:^17} {:^17} {:>9}", "", "supervisor", "init", "both", "spawner");
    print!("{:10}", "containers");
    println!("{0} {0} {0} {1:>9}", format_args!(" {:>8} {:>8}", "PSS", "private"), "PSS");
    for count in COUNTS {
        while containers.len() < count {
            check_interrupt()?;
            containers.push(sleeping(&lab, containers.len())?);
        }
        let helpers: Vec<Helpers> = containers.iter().map(Helpers::of).collect::<Result<_>>()?;
        print_row(&helpers)?;
    }
    if let (true, Some(container)) = (mappings, containers.last()) {
        let helpers = Helpers::of(container)?;
        print_mappings("supervisor", helpers.supervisor)?;
        print_mappings("init", helpers.init)?;
    }
    Ok(())
}

/// A container that does nothing, for long.
fn sleeping(lab: &Lab, number: usize) -> Result<Container> {
    let spec = ContainerSpec::new(&format!("sleep-{number}"), "sleep 86400");
    let container = lab.runtime().create(spec.memory_mb(64).cpu_percent(50))?;
    container.start()?;
    Ok(container)
}

/// The processes around a command, by their pids.
struct Helpers {
    spawner: i32,
    supervisor: i32,
    init: i32,
}

impl Helpers {
    /// The command's parent is init, init's is the supervisor, the supervisor's the spawner.
    fn of(container: &Container) -> Result<Helpers> {
        let command = container.inspect()?.pid.ok_or_else(|| {
            Error::Unexpected(format!("container {} does not run", container.name()))
        })?;
        let init = parent(command)?;
        let supervisor = parent(init)?;
        Ok(Helpers { spawner: parent(supervisor)?, supervisor, init })
    }
}

fn parent(pid: i32) -> Result<i32> {
    let path = format!("/proc/{pid}/status");
    let status = fs::read_to_string(&path).map_err(Error::io(format!("read {path}")))?;
    status
        .lines()
        .find_map(|line| line.strip_prefix("PPid:")?.trim().parse().ok())
        .ok_or_else(|| Error::Unexpected(format!("{path} names no parent")))
}

/// Memory of one or more processes, in kB.
#[derive(Default, Clone, Copy)]
struct Memory {
    pss: f64,
    private: f64,
}

impl Memory {
    fn of(pid: i32) -> Result<Memory> {
        let path = format!("/proc/{pid}/smaps_rollup");
        let text = fs::read_to_string(&path).map_err(Error::io(format!("read {path}")))?;
        Ok(text.lines().fold(Memory::default(), Memory::with))
    }

    /// Adds what a line of smaps or smaps_rollup says.
    fn with(mut self, line: &str) -> Memory {
        let Some((field, value)) = line.split_once(':') else { return self };
        let value = || value.trim().trim_end_matches(" kB").parse().unwrap_or(0.0);
        match field {
            "Pss" => self.pss += value(),
            "Private_Clean" | "Private_Dirty" => self.private += value(),
            _ => {}
        }
        self
    }

    fn plus(self, other: Memory) -> Memory {
        Memory { pss: self.pss + other.pss, private: self.private + other.private }
    }
}

fn print_row(helpers: &[Helpers]) -> Result<()> {
    let count = helpers.len() as f64;
    let mean = |pid: fn(&Helpers) -> i32| -> Result<Memory> {
        let mut sum = Memory::default();
        for helpers in helpers {
            sum = sum.plus(Memory::of(pid(helpers))?);
        }
        Ok(Memory { pss: sum.pss / count, private: sum.private / count })
    };
    let supervisor = mean(|helpers| helpers.supervisor)?;
    let init = mean(|helpers| helpers.init)?;
    let spawner = helpers.first().map_or(Ok(Memory::default()), |one| Memory::of(one.spawner))?;
    print!("{:10}", helpers.len());
    for memory in [supervisor, init, supervisor.plus(init)] {
        print!("  {:8.0} {:8.0}", memory.pss, memory.private);
    }
    println!(" {:9.0}", spawner.pss);
    Ok(())
}

/// What the memory of a process consists of, by the file or purpose of each mapping.
fn print_mappings(name: &str, pid: i32) -> Result<()> {
    let path = format!("/proc/{pid}/smaps");
    let text = fs::read_to_string(&path).map_err(Error::io(format!("read {path}")))?;
    let mut mappings: BTreeMap<String, Memory> = BTreeMap::new();
    let mut current = String::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        // "55d0-55d1 rw-p 00000000 fe:00 1234 /path", or "Pss: 12 kB".
        match words[..] {
            [range, rights, _, _, _, ref file @ ..] if range.contains('-') => {
                current = format!("{rights} {}", file.first().unwrap_or(&"(anonymous)"));
            }
            _ => {
                let memory = mappings.entry(current.clone()).or_default();
                *memory = memory.with(line);
            }
        }
    }
    let mut mappings: Vec<_> =
        mappings.into_iter().filter(|(_, memory)| memory.pss > 0.0).collect();
    mappings.sort_by(|a, b| b.1.pss.total_cmp(&a.1.pss));
    println!("\nOne {name}, in kB:\n\n{:>8} {:>8}", "PSS", "private");
    for (mapping, memory) in mappings {
        println!("{:8.0} {:8.0}  {mapping}", memory.pss, memory.private);
    }
    Ok(())
}
