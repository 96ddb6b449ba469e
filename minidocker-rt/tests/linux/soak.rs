//! A soak: four programs do random things to thirty containers on one root, while helpers,
//! commands and the programs themselves are killed at random. Afterwards every invariant
//! must hold.
//!
//! Eight seconds in the ordinary suite; `SOAK_SECONDS=300` for long, `SOAK_SEED=N` to see a
//! run again (as far as a machine with other work repeats itself).

use std::path::Path;
use std::time::{Duration, SystemTime};

use minidocker_rt::{
    Container, ContainerSpec, Error, Events, Exec, HealthCheck, Next, RestartPolicy, Runtime,
    Status, WriteOptions,
};

use crate::lab::{ChildProgram, Lab, child_with, eventually, helpers_of, is_alive, kill, sh};

crate::trials![everything_at_once_with_kills_leaves_every_invariant_intact];

const PROGRAMS: u64 = 4;
const CONTAINERS: u64 = 30;

fn variable(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// xorshift64*: small, seeded, good enough to be surprising.
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % limit
    }
}

fn spec(name: &str, dice: &mut Dice) -> ContainerSpec {
    let policies = [
        RestartPolicy::No,
        RestartPolicy::Always,
        RestartPolicy::UnlessStopped,
        "on-failure:2".parse().unwrap(),
    ];
    let script = ["sleep 1000", "echo hello; sleep 0.05", "exit 3", "cat", "seq 1000; sleep 0.2"];
    let spec = sh(name, script[dice.below(5) as usize])
        .restart(policies[dice.below(4) as usize])
        .stdin_open(dice.below(2) == 0)
        .memory_mb(64);
    let probe = HealthCheck::new("true").unwrap().interval(Duration::from_millis(100));
    if dice.below(4) == 0 { spec.health_check(probe) } else { spec }
}

/// One random operation on one random container.
fn operate(runtime: &Runtime, dice: &mut Dice) -> Result<(), Error> {
    let name = format!("c{}", dice.below(CONTAINERS));
    let quick = Duration::from_millis(50);
    let get = || runtime.get(&name);
    match dice.below(30) {
        0..=3 => runtime.create(spec(&name, dice)).map(drop),
        4..=8 => get()?.start(),
        9 => get()?.stop_within(quick),
        10 => get()?.kill(nix::libc::SIGKILL),
        11 => get()?.restart_within(quick),
        12 => get()?.delete(),
        13 => get()?.delete_force(),
        14 => runtime.list()?.iter().try_for_each(|container| container.inspect().map(drop)),
        15 => get()?.logs()?.render().map(drop),
        16 => get()?.attach().map(drop),
        17 => get()?.wait_timeout(quick).map(drop),
        18 => runtime.recover().map(drop),
        19 | 20 => get()?.pause(),
        21 => get()?.resume(),
        22 => get()?.exec(Exec::new("echo fine").timeout(quick)).map(|output| {
            let fine = output.exit.signal.is_some() || output.stdout == b"fine\n";
            assert!(fine, "{output:?}");
        }),
        23 => get()?.stats_over(Duration::from_millis(10)).map(drop),
        24 => {
            let mut lines = get()?.logs()?.follow()?;
            while matches!(lines.next_timeout(Duration::from_millis(20))?, Next::Item(_)) {}
            Ok(())
        }
        25 => get()?.files().write("/written", b"x", WriteOptions::default()),
        26 => get()?.diff().map(drop),
        27 => runtime.stats().map(drop),
        28 => runtime.prune().and_then(|_| runtime.disk_usage()).map(drop),
        _ => Runtime::open(runtime.root()).map(drop),
    }
}

/// What may be answered when others do as they like, and anything may be killed.
fn is_honest(error: &Error) -> bool {
    matches!(
        error,
        Error::NotFound { .. }
            | Error::NameInUse { .. }
            | Error::WrongState { .. }
            | Error::StartFailed { .. }
            | Error::HelperFailed { .. }
            | Error::Timeout { .. }
            | Error::ExecFailed { .. }
    )
}

/// A program that operates until its time is over.
pub fn program(root: &str) {
    let runtime = crate::lab::open(root);
    let seed = variable("SOAK_PROGRAM", 1);
    let mut dice = Dice::new(seed);
    let until = variable("SOAK_UNTIL", 0);
    let mut count = 0;
    while seconds_since_1970() < until {
        count += 1;
        if let Err(error) = operate(&runtime, &mut dice)
            && !is_honest(&error)
        {
            println!("program {seed}, operation {count}: {error:?}");
        }
    }
    println!("done {count}");
}

fn seconds_since_1970() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

fn start_program(root: &Path, seed: u64, until: u64) -> ChildProgram {
    let (seed, until) = (seed.to_string(), until.to_string());
    child_with("soak", root, &[("SOAK_PROGRAM", &seed), ("SOAK_UNTIL", &until)])
}

fn everything_at_once_with_kills_leaves_every_invariant_intact() {
    let lab = Lab::new();
    let seconds = variable("SOAK_SECONDS", 8);
    let seed = variable("SOAK_SEED", u64::from(std::process::id()));
    eprintln!("SOAK_SEED={seed}");
    let mut dice = Dice::new(seed);
    let mut next_seed = seed;
    let mut next = || {
        next_seed += 1;
        next_seed
    };
    let until = seconds_since_1970() + seconds;
    let mut events = Runtime::open(lab.root()).unwrap().events().unwrap();
    let mut programs: Vec<ChildProgram> =
        (0..PROGRAMS).map(|_| start_program(lab.root(), next(), until)).collect();
    let own = std::process::id();
    let mut problems = Vec::new();
    while seconds_since_1970() < until {
        std::thread::sleep(Duration::from_millis(dice.below(150)));
        if dice.below(10) == 0 {
            let index = dice.below(PROGRAMS) as usize;
            kill(i32::try_from(programs[index].child.id()).unwrap());
            let mut killed =
                std::mem::replace(&mut programs[index], start_program(lab.root(), next(), until));
            problems.extend(complaints(&mut killed));
            continue;
        }
        // Spawners, supervisors and inits alike, of all programs but this one.
        let helpers = helpers_of(lab.root());
        if !helpers.is_empty() {
            let victim = helpers[dice.below(helpers.len() as u64) as usize];
            if victim != i32::try_from(own).unwrap() && is_alive(victim) {
                let _ = nix::sys::signal::kill(
                    nix::unistd::Pid::from_raw(victim),
                    nix::sys::signal::SIGKILL,
                );
            }
        }
    }
    for program in &mut programs {
        problems.extend(complaints(program));
    }
    drop(programs);
    assert!(problems.is_empty(), "{problems:#?}");
    check_events(&mut events);
    check_invariants(&lab);
}

/// Everything a program said but its last word.
fn complaints(program: &mut ChildProgram) -> Vec<String> {
    std::iter::from_fn(|| Some(program.line()).filter(|line| !line.is_empty()))
        .filter(|line| !line.starts_with("done "))
        .collect()
}

/// Nobody's event is torn or told twice, and no number is given twice.
fn check_events(events: &mut Events) {
    let (mut last, mut count) = (0, 0);
    while let Next::Item(event) = events.next_timeout(Duration::ZERO).unwrap() {
        assert!(event.id > last, "{event:?} after {last}");
        (last, count) = (event.id, count + 1);
    }
    assert!(count > 0);
}

/// Whatever was interrupted: each container can be understood, brought to an end, started
/// again and deleted; nothing else is left (which the lab checks at its end).
fn check_invariants(lab: &Lab) {
    // What a killed program was about to make is swept when it is a minute old.
    for entry in std::fs::read_dir(lab.root().join("containers")).unwrap().flatten() {
        if entry.file_name().to_string_lossy().starts_with('.') {
            let long_ago = SystemTime::now() - Duration::from_secs(100);
            std::fs::File::open(entry.path()).unwrap().set_modified(long_ago).unwrap();
        }
    }
    let runtime = Runtime::open(lab.root()).unwrap();
    assert_eq!(runtime.names().unwrap().len(), runtime.list().unwrap().len());
    runtime.recover().unwrap();
    for container in runtime.list().unwrap() {
        // A short command may end between two looks, but not stay "running" after its end.
        eventually("a true state", || {
            let info = container.inspect().unwrap();
            match info.status {
                Status::Running | Status::Paused => info.pid.is_some_and(is_alive),
                Status::Error => info.reason.is_some(),
                _ => info.pid.is_none(),
            }
        });
        container.stats().unwrap();
        container.diff().unwrap();
        container.stop_within(Duration::ZERO).unwrap();
        assert!(!container.status().unwrap().is_alive());
        start_again(&container);
        container.delete_force().unwrap();
    }
}

fn start_again(container: &Container) {
    container.start().unwrap();
    container.logs().unwrap().render().unwrap();
}
