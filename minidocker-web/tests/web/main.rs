//! The real server, over real HTTP, with real containers.
//!
//! `harness = false`: this program opens a runtime too, so `init` has to be the first
//! line of its main. libtest-mimic speaks the usual test options, and cargo-nextest
//! understands it. Needs root.

mod errors;
mod http;
mod lab;
mod life;
mod page;
mod process;
mod security;

fn main() {
    minidocker_rt::init();
    let arguments = libtest_mimic::Arguments::from_args();
    let trials =
        [errors::trials(), life::trials(), page::trials(), process::trials(), security::trials()];
    libtest_mimic::run(&arguments, trials.into_iter().flatten().collect()).exit();
}
