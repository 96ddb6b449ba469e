//! A start that fails, at whatever step, leaves nothing behind and says which.

use minidocker_rt::{Error, Isolation, Outcome, Status};

use crate::lab::{Lab, cgroups_of, eventually, helpers_of, sleeper};

crate::trials![
    a_start_that_fails_at_any_step_leaves_nothing_behind,
    after_a_failed_start_the_next_one_works,
    a_limit_without_its_controller_fails_or_is_told,
];

const EIO: i32 = 5;

fn a_start_that_fails_at_any_step_leaves_nothing_behind() {
    let lab = Lab::new();
    let volume = format!("{}:/data", lab.folder("data").display());
    let spec = |name: &str| sleeper(name).memory_mb(64).cpu_percent(50).volume(&volume).unwrap();
    // One that works, to learn the steps and to have the spawner running.
    let good = lab.start(spec("good"));
    let steps: Vec<String> = good.plan().unwrap().steps.into_iter().map(|step| step.id).collect();
    good.stop_within(std::time::Duration::ZERO).unwrap();
    assert!(steps.len() >= 25, "{steps:?}");

    for step in &steps {
        let name = format!("fails-at-{step}");
        let container = lab.create(spec(&name).inject_fault(step, EIO));
        match container.start() {
            Err(Error::StartFailed { failure, .. }) => {
                assert_eq!((failure.step.as_str(), failure.errno), (step.as_str(), Some(EIO)));
                assert!(failure.to_string().contains("EIO"), "{failure}");
                assert!(!failure.hint.is_empty());
            }
            other => panic!("{step}: {other:?}"),
        }
        assert!(cgroups_of(container.id().as_str()).is_empty(), "{step}: a cgroup is left");
        eventually("only the spawner is left", || helpers_of(lab.root()).len() == 1);
        let info = container.inspect().unwrap();
        assert_eq!(info.status, Status::Error, "{step}");
        assert!(info.reason.unwrap().contains(&format!("step {step}")));

        let trace = container.trace().unwrap().unwrap();
        let outcomes: Vec<Outcome> = trace.steps.iter().map(|step| step.outcome).collect();
        let failed = trace.steps.iter().position(|traced| traced.id == *step).unwrap();
        assert!(outcomes[..failed].iter().all(|outcome| *outcome == Outcome::Done), "{step}");
        assert_eq!(outcomes[failed], Outcome::Failed, "{step}");
        assert!(
            outcomes[failed + 1..].iter().all(|outcome| *outcome == Outcome::NotReached),
            "{step}"
        );
        container.delete().unwrap();
    }
}

fn after_a_failed_start_the_next_one_works() {
    let lab = Lab::new();
    let folder = lab.folder("data");
    let container =
        lab.create(sleeper("a").volume(&format!("{}:/data", folder.display())).unwrap());
    std::fs::remove_dir(&folder).unwrap();
    match container.start() {
        Err(Error::StartFailed { failure, .. }) => {
            assert_eq!(failure.step, "volume-1");
            assert!(failure.hint.contains("Create"), "{}", failure.hint);
        }
        other => panic!("{other:?}"),
    }
    std::fs::create_dir(&folder).unwrap();
    container.start().unwrap();
    assert_eq!(container.status().unwrap(), Status::Running);
}

fn a_limit_without_its_controller_fails_or_is_told() {
    // A machine without the pids controller, as the plan sees it, cannot be made here
    // without taking it from everybody; a limit that the kernel refuses can.
    let lab = Lab::new();
    let spec = sleeper("a").memory_mb(64).inject_fault("memory-limit", 22);
    let container = lab.create(spec);
    match container.start() {
        Err(Error::StartFailed { failure, .. }) => assert_eq!(failure.step, "memory-limit"),
        other => panic!("{other:?}"),
    }
    let isolation = Isolation::default();
    let fine = lab.start(sleeper("b").memory_mb(64).best_effort_limits(true).isolation(isolation));
    assert!(fine.inspect().unwrap().not_enforced.is_empty(), "nothing is excused without need");
}
