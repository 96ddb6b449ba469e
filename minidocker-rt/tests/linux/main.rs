//! The Linux backend against the real kernel.
//!
//! `harness = false`: this program must be its own helper process, so `init` has to be
//! the first line of its main. libtest-mimic speaks the usual test options, and
//! cargo-nextest understands it. Needs root.

// The scenarios of child programs print to the test that started them.
#![allow(clippy::print_stdout)]

#[cfg(linux_backend)]
mod archive;
#[cfg(linux_backend)]
mod attach;
#[cfg(linux_backend)]
mod config;
#[cfg(linux_backend)]
mod crash;
#[cfg(linux_backend)]
mod diff;
#[cfg(linux_backend)]
mod events;
#[cfg(linux_backend)]
mod exec;
#[cfg(linux_backend)]
mod faults;
#[cfg(linux_backend)]
mod files;
#[cfg(linux_backend)]
mod follow;
#[cfg(linux_backend)]
mod full_disk;
#[cfg(linux_backend)]
mod health;
#[cfg(linux_backend)]
mod helpers;
#[cfg(linux_backend)]
mod hostile;
#[cfg(linux_backend)]
mod identity;
#[cfg(linux_backend)]
mod image_config;
#[cfg(linux_backend)]
mod images;
#[cfg(linux_backend)]
mod isolation;
#[cfg(linux_backend)]
mod lab;
#[cfg(linux_backend)]
mod lifecycle;
#[cfg(linux_backend)]
mod limits;
#[cfg(linux_backend)]
mod logs;
#[cfg(linux_backend)]
mod many;
#[cfg(linux_backend)]
mod net_lab;
#[cfg(linux_backend)]
mod network;
#[cfg(linux_backend)]
mod network_crash;
#[cfg(linux_backend)]
mod networks;
#[cfg(linux_backend)]
mod open;
#[cfg(linux_backend)]
mod pause;
#[cfg(linux_backend)]
mod plan;
#[cfg(linux_backend)]
mod ports;
#[cfg(linux_backend)]
mod recovery;
#[cfg(linux_backend)]
mod restart;
#[cfg(linux_backend)]
mod root_folder;
#[cfg(linux_backend)]
mod rootfs;
#[cfg(linux_backend)]
mod signals;
#[cfg(linux_backend)]
mod soak;
#[cfg(linux_backend)]
mod stats;
#[cfg(linux_backend)]
mod stats_stream;
#[cfg(linux_backend)]
mod tarball;
#[cfg(linux_backend)]
mod templates;
#[cfg(linux_backend)]
mod upkeep;
#[cfg(linux_backend)]
mod volumes;
#[cfg(linux_backend)]
mod waits;
#[cfg(linux_backend)]
mod walls;

/// Elsewhere there is nothing to test here.
#[cfg(not(linux_backend))]
fn main() {}

#[cfg(linux_backend)]
fn main() {
    // Only for the test of what init refuses: a thread that was there first.
    if helpers::wants_early_thread() {
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
        full_disk::trials(),
        health::trials(),
        helpers::trials(),
        hostile::trials(),
        identity::trials(),
        image_config::trials(),
        images::trials(),
        isolation::trials(),
        lifecycle::trials(),
        limits::trials(),
        logs::trials(),
        many::trials(),
        network::trials(),
        network_crash::trials(),
        networks::trials(),
        open::trials(),
        pause::trials(),
        plan::trials(),
        ports::trials(),
        recovery::trials(),
        restart::trials(),
        root_folder::trials(),
        rootfs::trials(),
        signals::trials(),
        soak::trials(),
        stats::trials(),
        stats_stream::trials(),
        templates::trials(),
        upkeep::trials(),
        volumes::trials(),
        waits::trials(),
        walls::trials(),
    ];
    let conclusion = libtest_mimic::run(&arguments, trials.into_iter().flatten().collect());
    // A runner that starts a process per test checks for leaks once at its own end.
    if alone {
        let leaks = lab::leaks("");
        assert!(leaks.is_empty(), "left behind after the suite: {leaks:#?}");
    }
    conclusion.exit();
}
