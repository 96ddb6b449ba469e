//! What only one backend can do is refused by the other, with the reason and a way out.

use minidocker_rt::{BackendKind, Error};

use crate::lab::{Lab, each, one, sleeper};

pub fn trials() -> Vec<libtest_mimic::Trial> {
    let mut trials = each("exec_works_or_says_what_it_needs", exec_works_or_says_what_it_needs);
    let simulation = BackendKind::Simulation;
    trials.push(one("attaching_and_terminals_need_linux", simulation, attaching));
    trials.push(one("what_is_not_supported_is_in_the_list", simulation, in_the_list));
    trials
}

fn is_unsupported(error: &Error) -> bool {
    let Error::Unsupported { backend, .. } = error else { return false };
    assert_eq!((*backend, error.code()), ("simulation", "unsupported"));
    assert!(error.hint().contains("Linux"), "{}", error.hint());
    true
}

fn exec_works_or_says_what_it_needs(lab: &Lab) {
    let container = lab.start(sleeper("a"));
    match container.exec("python -c \"print('inside')\"") {
        Ok(output) => {
            assert!(!lab.is_simulation());
            assert_eq!(output.stdout_text(), "inside\n");
        }
        Err(error) => assert!(lab.is_simulation() && is_unsupported(&error), "{error}"),
    }
}

fn attaching(lab: &Lab) {
    let container = lab.start(sleeper("a"));
    assert!(is_unsupported(&container.attach().unwrap_err()));
    assert!(is_unsupported(&container.exec_start("true").unwrap_err()));
    assert!(is_unsupported(&lab.runtime.create(sleeper("b").tty(true)).unwrap_err()));
    assert!(is_unsupported(&lab.runtime.create(sleeper("b").image("debian")).unwrap_err()));
}

fn in_the_list(lab: &Lab) {
    use minidocker_rt::Support;
    let list = lab.runtime.capabilities();
    let support = |feature| list.iter().find(|one| one.feature == feature).unwrap().support;
    assert_eq!(support("exec"), Support::None);
    assert_eq!(support("pause"), Support::Imitated);
    assert_eq!(support("logs"), Support::Full);
}
