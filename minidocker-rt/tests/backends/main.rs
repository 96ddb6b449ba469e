//! What every backend promises, tested once for each that this machine has.
//!
//! `harness = false`: this program must be its own helper process, so `init` has to be the
//! first line of its main. The commands are Python's, because it is on every system.

// The scenarios of child programs print to the test that started them.
#![allow(clippy::print_stdout)]

mod choice;
mod crash;
mod exec;
mod files;
mod health;
mod lab;
mod lifecycle;
mod limits;
mod logs;
mod pause;
mod plan;
mod ports;
mod restart;
mod stats;
mod templates;
mod upkeep;
mod volumes;

fn main() {
    minidocker_rt::init();
    lab::leave_out_shims();
    if let Some(code) = lab::run_as_child() {
        std::process::exit(code);
    }
    let arguments = libtest_mimic::Arguments::from_args();
    let trials = [
        choice::trials(),
        crash::trials(),
        exec::trials(),
        files::trials(),
        health::trials(),
        lifecycle::trials(),
        limits::trials(),
        logs::trials(),
        pause::trials(),
        plan::trials(),
        ports::trials(),
        restart::trials(),
        stats::trials(),
        templates::trials(),
        upkeep::trials(),
        volumes::trials(),
    ];
    libtest_mimic::run(&arguments, trials.into_iter().flatten().collect()).exit();
}
