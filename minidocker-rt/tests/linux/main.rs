//! The Linux backend against the real kernel.
//!
//! `harness = false`: this program must be its own helper process, so `init` has to be
//! the first line of its main. libtest-mimic speaks the usual test options, and
//! cargo-nextest understands it. Needs root.

// The scenarios of child programs print to the test that started them.
#![allow(clippy::print_stdout)]

mod archive;
mod attach;
mod config;
mod crash;
mod diff;
mod events;
mod exec;
mod faults;
mod files;
mod follow;
mod health;
mod helpers;
mod identity;
mod images;
mod isolation;
mod lab;
mod lifecycle;
mod limits;
mod logs;
mod many;
mod pause;
mod plan;
mod recovery;
mod restart;
mod rootfs;
mod soak;
mod stats;
mod stats_stream;
mod tarball;
mod templates;
mod upkeep;

fn main() {
    // Only for the test of what init refuses: a thread that was there first.
    if std::env::var_os(helpers::EARLY_THREAD).is_some() {
        std::thread::spawn(|| std::thread::sleep(std::time::Duration::from_secs(60)));
    }
    minidocker_rt::init();
    if let Some(code) = lab::run_as_child() {
        std::process::exit(code);
    }
    let arguments = libtest_mimic::Arguments::from_args();
    let alone = !arguments.exact && !arguments.list;
    let trials = [
        archive::trials(),
        attach::trials(),
        config::trials(),
        crash::trials(),
        diff::trials(),
        events::trials(),
        exec::trials(),
        faults::trials(),
        files::trials(),
        follow::trials(),
        health::trials(),
        helpers::trials(),
        identity::trials(),
        images::trials(),
        isolation::trials(),
        lifecycle::trials(),
        limits::trials(),
        logs::trials(),
        many::trials(),
        pause::trials(),
        plan::trials(),
        recovery::trials(),
        restart::trials(),
        rootfs::trials(),
        soak::trials(),
        stats::trials(),
        stats_stream::trials(),
        templates::trials(),
        upkeep::trials(),
    ];
    let conclusion = libtest_mimic::run(&arguments, trials.into_iter().flatten().collect());
    // A runner that starts a process per test checks for leaks once at its own end.
    if alone {
        let leaks = lab::leaks("");
        assert!(leaks.is_empty(), "left behind after the suite: {leaks:#?}");
    }
    conclusion.exit();
}
