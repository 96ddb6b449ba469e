//! The real server, over real HTTP, with real containers.
//!
//! `harness = false`: this program opens a runtime too, so `init` has to be the first
//! line of its main. libtest-mimic speaks the usual test options, and cargo-nextest
//! understands it. Needs root.

mod by_hand;
mod errors;
mod features;
mod http;
mod lab;
mod life;
mod networks;
mod page;
mod process;
mod security;
mod sockets;
mod streams;
mod waits;
mod wire;

fn main() {
    minidocker_rt::init();
    let arguments = libtest_mimic::Arguments::from_args();
    let trials = [
        by_hand::trials(),
        errors::trials(),
        features::trials(),
        life::trials(),
        networks::trials(),
        page::trials(),
        process::trials(),
        security::trials(),
        sockets::trials(),
        streams::trials(),
        waits::trials(),
    ];
    libtest_mimic::run(&arguments, trials.into_iter().flatten().collect()).exit();
}
