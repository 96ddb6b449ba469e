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
            "without_rights_only_who_asks_gets_the_simulation",
            BackendKind::Linux,
            without_rights,
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
    // Whoever takes what there is gets what its containers are; who trusts in isolation does not.
    let opened = Runtime::builder().backend(BackendKind::Any).open(lab.root()).unwrap();
    assert_eq!(opened.backend().kind, BackendKind::Simulation);
    for asked in [None, Some(BackendKind::Linux)] {
        let builder = Runtime::builder();
        let builder = asked.into_iter().fold(builder, |builder, kind| builder.backend(kind));
        let refused = builder.open(lab.root()).unwrap_err();
        assert!(matches!(refused, Error::InvalidSpec { field: "backend", .. }), "{refused}");
        assert!(refused.hint().contains("simulation"), "{}", refused.hint());
    }
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
    assert!(said("any").starts_with(if cfg!(linux_backend) { "" } else { "simulation " }));
    assert!(said("docker").contains("there is no such backend"), "{}", said("docker"));
}

#[cfg(not(linux_backend))]
fn without_linux(lab: &Lab) {
    let folder = lab.folder("other");
    for refused in [
        Runtime::open(&folder).unwrap_err(),
        Runtime::builder().backend(BackendKind::Linux).open(&folder).unwrap_err(),
    ] {
        assert!(matches!(refused, Error::CannotIsolate { .. }), "{refused}");
        assert!(refused.hint().contains("simulation"), "{}", refused.hint());
    }
    let opened = Runtime::builder().backend(BackendKind::Any).open(&folder).unwrap();
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
    for builder in [Runtime::builder(), Runtime::builder().backend(BackendKind::Linux)] {
        let refused = builder.open(root.path()).unwrap_err();
        println!("{}: {refused} {}", refused.code(), refused.hint());
    }
    let runtime = Runtime::builder().backend(BackendKind::Any).open(root.path()).unwrap();
    println!("{}: {}", runtime.backend().kind, runtime.backend().reason);
    let container = runtime.create(python("a", "print('Hello')")).unwrap();
    container.start().unwrap();
    container.wait().unwrap();
    print!("{}", container.logs().unwrap().read_to_string().unwrap());
    container.delete().unwrap();
}

#[cfg(linux_backend)]
fn without_rights(lab: &Lab) {
    let mut program = child_with("unprivileged", lab.root(), lab.kind, &[]);
    for _ in 0..2 {
        let said = program.line();
        assert!(said.starts_with("cannot_isolate: ") && said.contains("root's rights"), "{said}");
        assert!(said.contains("sudo") && said.contains("simulation"), "{said}");
    }
    let said = program.line();
    assert!(said.starts_with("simulation: ") && said.contains("root's rights"), "{said}");
    assert_eq!(program.line(), "Hello");
}
