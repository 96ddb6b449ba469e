//! Does a start cost more from a big program than from a small one?
//!
//! `cargo run --release -p minidocker-benches --bin heap -- --rounds 100` as root.
//!
//! fork(2) copies the page tables of the program that calls it: the bigger the program, the
//! slower. That is why containers are forked from a spawner, a small process of its own.
//! Here two programs start containers in turn: one that holds nothing, and one that holds
//! 500 MB of touched memory and 50 idle threads.

#![allow(clippy::print_stdout, reason = "the table is what this program is for")]

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::time::Instant;

use minidocker_benches::{
    Error, Figures, Lab, Result, catch_interrupts, check_interrupt, expect_success, number_option,
};

const HEAP_BYTES: usize = 500 << 20;
const THREADS: usize = 50;

/// Starts before the measured ones; the very first also starts the spawner.
const WARM_UP: usize = 5;

fn main() -> Result<()> {
    minidocker_rt::init();
    catch_interrupts();
    match std::env::args().nth(1).as_deref() {
        Some("small") => return serve(),
        Some("big") => return grow_and_serve(),
        _ => {}
    }
    let rounds = number_option("--rounds", 100)?;
    let mut programs = [Program::spawn("small")?, Program::spawn("big")?];
    let (mut firsts, mut figures) = ([f64::NAN; 2], [Figures::default(), Figures::default()]);
    for round in 0..WARM_UP + rounds {
        for turn in 0..programs.len() {
            check_interrupt()?;
            // Who goes first changes, so that neither always follows the other.
            let turn = (turn + round) % programs.len();
            let milliseconds = programs[turn].start()?;
            match round {
                0 => firsts[turn] = milliseconds,
                round if round >= WARM_UP => figures[turn].push(milliseconds),
                _ => {}
            }
        }
    }

    println!("From start() to the command's exec, in milliseconds, over {rounds} rounds:\n");
    println!("{:34} {:>7} {:>7} {:>7} {:>7}", "", "median", "min", "max", "first");
    let names = ["a small program", "500 MB of heap and 50 threads"];
    for ((name, figures), first) in names.iter().zip(&figures).zip(firsts) {
        let (median, min, max) = (figures.median(), figures.min(), figures.max());
        println!("{name:34} {median:7.2} {min:7.2} {max:7.2} {first:7.2}");
    }
    println!("\nbig / small: {:.2}", figures[1].median() / figures[0].median());
    Ok(())
}

/// This program once more, small or big, which starts a container whenever it is asked.
struct Program {
    child: Child,
    /// None when it is told to end.
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Program {
    fn spawn(size: &str) -> Result<Program> {
        let executable = std::env::current_exe().map_err(Error::io("find this program"))?;
        let mut child = Command::new(executable)
            .arg(size)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(Error::io("run this program once more"))?;
        let ended = || Error::Unexpected(format!("the {size} program has no pipes"));
        let requests = Some(child.stdin.take().ok_or_else(ended)?);
        let answers = BufReader::new(child.stdout.take().ok_or_else(ended)?);
        Ok(Program { child, requests, answers })
    }

    /// Has a container started. Returns the milliseconds that took.
    fn start(&mut self) -> Result<f64> {
        let mut answer = String::new();
        if let Some(requests) = &mut self.requests {
            requests.write_all(b"start\n").map_err(Error::io("ask for a start"))?;
            self.answers.read_line(&mut answer).map_err(Error::io("read an answer"))?;
        }
        answer.trim().parse().map_err(|_| {
            Error::Unexpected("the program that starts containers has ended".to_string())
        })
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // The end of its input ends it, and it cleans up after itself.
        self.requests = None;
        let _ = self.child.wait();
    }
}

fn grow_and_serve() -> Result<()> {
    // Not zero: pages of zeroes would be shared until written.
    let heap = vec![1_u8; HEAP_BYTES];
    // Each thread waits for a message that never comes, until its sender is dropped.
    let threads: Vec<_> = (0..THREADS)
        .map(|_| {
            let (sender, receiver) = mpsc::channel::<()>();
            (sender, std::thread::spawn(move || receiver.recv().is_err()))
        })
        .collect();
    let result = serve();
    std::hint::black_box(&heap);
    drop(threads);
    result
}

/// Starts a container for each line of the input, and answers with the milliseconds from
/// the call of start() to its return, which is after the exec.
fn serve() -> Result<()> {
    let lab = Lab::open()?;
    for line in std::io::stdin().lines() {
        line.map_err(Error::io("read a request"))?;
        let container = lab.runtime().create(lab.spec_of_true("heap")?)?;
        let begin = Instant::now();
        container.start()?;
        let milliseconds = begin.elapsed().as_secs_f64() * 1000.0;
        expect_success(&container)?;
        container.delete()?;
        println!("{milliseconds}");
    }
    Ok(())
}
