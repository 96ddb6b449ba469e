//! The plan, and the trace of what was done.

use minidocker_rt::Outcome;

use crate::lab::{Lab, PATIENCE, python};

crate::trials![
    the_plan_explains_each_step,
    the_trace_tells_what_was_done,
    a_step_can_be_made_to_fail
];

fn the_plan_explains_each_step(lab: &Lab) {
    let folder = lab.folder("data");
    let spec = python("a", "print(1)").memory_mb(64).cpu_percent(50);
    let container = lab.create(spec.volume(&format!("{}:/data", folder.display())).unwrap());
    let plan = container.plan().unwrap();
    let ids: Vec<&str> = plan.steps.iter().map(|step| step.id.as_str()).collect();
    for id in ["cgroup", "memory-limit", "cpu-limit", "clone", "overlay", "volume-1", "exec"] {
        assert!(ids.contains(&id), "{ids:?}");
    }
    for step in &plan.steps {
        assert!(!step.title.is_empty() && !step.why.is_empty() && !step.manual.is_empty());
        assert!(!step.shell.is_empty() && !step.syscalls.is_empty(), "{}", step.id);
        assert_eq!(step.simulated.is_some(), lab.is_simulation(), "{}", step.id);
    }
    let json = serde_json::to_string(&plan).unwrap();
    assert_eq!(serde_json::from_str::<minidocker_rt::Plan>(&json).unwrap(), plan);
}

fn the_trace_tells_what_was_done(lab: &Lab) {
    let container = lab.create(python("a", "print(1)"));
    assert!(container.trace().unwrap().is_none());
    container.start().unwrap();
    container.wait_timeout(PATIENCE).unwrap();
    let trace = container.trace().unwrap().unwrap();
    let plan = container.plan().unwrap();
    let ids = |steps: Vec<String>| steps;
    assert_eq!(
        ids(trace.steps.iter().map(|step| step.id.clone()).collect()),
        ids(plan.steps.iter().map(|step| step.id.clone()).collect())
    );
    assert!(trace.steps.iter().all(|step| step.outcome == Outcome::Done));
    assert!(trace.micros > 0.0 && trace.failure.is_none());
    let exec = trace.steps.last().unwrap();
    assert!(exec.calls.iter().any(|call| call.call.contains("python")), "{exec:?}");
}

fn a_step_can_be_made_to_fail(lab: &Lab) {
    let container = lab.create(python("a", "print(1)").inject_fault("hostname", 1));
    assert!(container.start().is_err());
    let trace = container.trace().unwrap().unwrap();
    let outcome = |id: &str| trace.steps.iter().find(|step| step.id == id).unwrap().outcome;
    assert_eq!((outcome("hostname"), outcome("exec")), (Outcome::Failed, Outcome::NotReached));
    assert_eq!(trace.failure.unwrap().step, "hostname");
}
