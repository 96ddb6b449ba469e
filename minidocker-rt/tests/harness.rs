//! Containers in ordinary `#[test]`s, whose `main` is the harness's: a constructor does what the
//! first line of `main` does elsewhere, as the documentation of the crate shows it.
#![cfg(linux_backend)]

use std::time::Duration;

use minidocker_rt::{ContainerSpec, NetworkMode, Runtime};

extern "C" fn become_helper() {
    minidocker_rt::init();
}

#[used]
#[unsafe(link_section = ".init_array")]
static CONSTRUCTOR: extern "C" fn() = become_helper;

/// Runs a container in a root of its own. Returns what it printed.
fn run(command: &str) -> String {
    let dir = tempfile::Builder::new().prefix("minidocker-lab-").tempdir().unwrap();
    let runtime = Runtime::open(dir.path().join("root")).unwrap();
    let spec = ContainerSpec::new("a", command).network(NetworkMode::None);
    let container = runtime.create(spec).unwrap();
    container.start().unwrap();
    let exit = container.wait_timeout(Duration::from_secs(60));
    let printed = container.logs().unwrap().read_to_string().unwrap();
    container.delete_force().unwrap();
    assert!(exit.unwrap().success(), "{printed}");
    printed
}

#[test]
fn a_test_starts_a_container() {
    assert_eq!(run("echo one"), "one\n");
}

#[test]
fn another_starts_one_beside_it() {
    assert_eq!(run("sh -c 'echo $HOSTNAME'"), "a\n");
}
