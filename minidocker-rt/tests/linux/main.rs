//! The Linux backend against the real kernel.
//!
//! `harness = false`: this program must be its own helper process, so `init` has to be
//! the first line of its main. libtest-mimic speaks the usual test options, and
//! cargo-nextest understands it. Needs root.

// The scenarios of child programs print to the test that started them.
#![allow(clippy::print_stdout)]

mod crash;
mod faults;
mod helpers;
mod identity;
mod isolation;
mod lab;
mod lifecycle;
mod limits;
mod many;
mod plan;
mod rootfs;

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
        crash::trials(),
        faults::trials(),
        helpers::trials(),
        identity::trials(),
        isolation::trials(),
        lifecycle::trials(),
        limits::trials(),
        many::trials(),
        plan::trials(),
        rootfs::trials(),
    ];
    let conclusion = libtest_mimic::run(&arguments, trials.into_iter().flatten().collect());
    // A runner that starts a process per test checks for leaks once at its own end.
    if alone {
        let leaks = lab::leaks("");
        assert!(leaks.is_empty(), "left behind after the suite: {leaks:#?}");
    }
    conclusion.exit();
}
