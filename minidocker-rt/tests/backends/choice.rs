//! Which backend a runtime has, and why.

use minidocker_rt::{BackendKind, Error, Runtime};

#[cfg(linux_backend)]
use crate::lab::python;
use crate::lab::{Lab, backends, child_with, one, sleeper};

pub fn trials() -> Vec<libtest_mimic::Trial> {
    let simulation = BackendKind::Simulation;
    let mut trials = vec![
        one("what_was_asked_for_is_told", simulation, what_was_asked_for_is_told),
        one("containers_stay_with_their_backend", simulation, containers_stay),
        one("the_environment_chooses_for_the_default_root", simulation, the_environment_chooses),
    ];
    if cfg!(linux_backend) {
        #[cfg(linux_backend)]
        trials.push(one(
            "where_the_kernel_refuses_containers_are_simulated",
            BackendKind::Linux,
            where_the_kernel_refuses,
        ));
    } else {
        trials.push(one("without_linux_there_is_no_linux_backend", simulation, without_linux));
    }
    trials
}

fn what_was_asked_for_is_told(lab: &Lab) {
    let backend = lab.runtime.backend();
    assert_eq!((backend.kind, backend.reason.as_str()), (lab.kind, "it was asked for"));
    assert_eq!(serde_json::to_value(backend).unwrap()["kind"], "simulation");
}

fn containers_stay(lab: &Lab) {
    lab.create(sleeper("a"));
    // Opened without a wish, it is what its containers are.
    let opened = Runtime::open(lab.root()).unwrap();
    assert_eq!(opened.backend().kind, BackendKind::Simulation);
    let refused = Runtime::builder().backend(BackendKind::Linux).open(lab.root()).unwrap_err();
    assert!(matches!(refused, Error::InvalidSpec { field: "backend", .. }), "{refused}");
    if backends().contains(&BackendKind::Linux) {
        lab.runtime.get("a").unwrap().delete().unwrap();
        let opened = Runtime::builder().backend(BackendKind::Linux).open(lab.root()).unwrap();
        assert_eq!(opened.backend().kind, BackendKind::Linux, "an empty root is anybody's");
    }
}

/// A program that opens the user's own root.
pub fn open_default() {
    match Runtime::open_default() {
        Ok(runtime) => println!("{} {}", runtime.backend().kind, runtime.root().display()),
        Err(error) => println!("{error}"),
    }
}

fn the_environment_chooses(lab: &Lab) {
    let root = lab.folder("default");
    let said = |kind: &str| {
        let variables = [("MINIDOCKER_ROOT", root.to_str().unwrap()), ("MINIDOCKER_BACKEND", kind)];
        child_with("open-default", &root, lab.kind, &variables).line()
    };
    assert!(said("simulation").starts_with("simulation "));
    assert!(said("docker").contains("there is no such backend"), "{}", said("docker"));
}

#[cfg(not(linux_backend))]
fn without_linux(lab: &Lab) {
    let folder = lab.folder("other");
    let refused = Runtime::builder().backend(BackendKind::Linux).open(&folder).unwrap_err();
    assert!(matches!(refused, Error::Unsupported { .. }), "{refused}");
    let opened = Runtime::open(&folder).unwrap();
    assert_eq!(opened.backend().kind, BackendKind::Simulation);
    assert!(!opened.backend().reason.is_empty());
}

#[cfg(linux_backend)]
fn without_linux(_lab: &Lab) {}

/// A program of an ordinary user, with a root folder of its own.
#[cfg(linux_backend)]
pub fn unprivileged() {
    use nix::unistd::{Gid, Uid, setgid, setgroups, setuid};
    setgroups(&[]).unwrap();
    setgid(Gid::from_raw(65534)).unwrap();
    setuid(Uid::from_raw(65534)).unwrap();
    let root = tempfile::tempdir().unwrap();
    let runtime = Runtime::open(root.path()).unwrap();
    println!("{}: {}", runtime.backend().kind, runtime.backend().reason);
    let container = runtime.create(python("a", "print('Hello')")).unwrap();
    container.start().unwrap();
    container.wait().unwrap();
    print!("{}", container.logs().unwrap().read_to_string().unwrap());
    container.delete().unwrap();
}

#[cfg(linux_backend)]
fn where_the_kernel_refuses(lab: &Lab) {
    let mut program = child_with("unprivileged", lab.root(), lab.kind, &[]);
    let said = program.line();
    assert!(said.starts_with("simulation: ") && said.contains("root's rights"), "{said}");
    assert_eq!(program.line(), "Hello");
}
