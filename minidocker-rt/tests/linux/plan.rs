//! The plan and the trace: what is told is what is done.

use minidocker_rt::{Actor, Isolation, Outcome};

use crate::lab::{Lab, sleeper};

crate::trials![
    the_plan_can_be_read_without_starting,
    the_trace_follows_the_plan,
    every_call_of_the_trace_was_announced,
    a_feature_switched_off_is_not_in_the_plan,
];

fn the_plan_can_be_read_without_starting() {
    let lab = Lab::new();
    let container = lab.create(sleeper("a").memory_mb(64).cpu_percent(50));
    let plan = container.plan().unwrap();
    let ids: Vec<&str> = plan.steps.iter().map(|step| step.id.as_str()).collect();
    let order = [
        "cgroup",
        "memory-limit",
        "cpu-limit",
        "pids-limit",
        "names",
        "clone",
        "private-mounts",
        "overlay",
        "host-programs",
        "etc-files",
        "proc",
        "user-sockets",
        "sysfs",
        "dev",
        "masked-paths",
        "read-only-paths",
        "pivot-root",
        "hostname",
        "loopback",
        "fork",
        "join-cgroup",
        "cgroup-namespace",
        "cgroup-mount",
        "oom-score",
        "rlimits",
        "working-dir",
        "no-new-privs",
        "capabilities",
        "user",
        "seccomp",
        "exec",
    ];
    // On pure version 2 the command is born in its cgroup.
    let v2 = std::path::Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
    let order: Vec<&str> = order.into_iter().filter(|id| !v2 || *id != "join-cgroup").collect();
    assert_eq!(ids, order);
    for step in &plan.steps {
        for text in [&step.title, &step.why, &step.shell, &step.manual] {
            assert!(!text.is_empty(), "{step:?}");
        }
        assert!(!step.syscalls.is_empty(), "{}", step.id);
        assert!(step.why.matches(['.', '?', ':']).count() >= 1, "{}", step.why);
    }
    let pivot = plan.steps.iter().find(|step| step.id == "pivot-root").unwrap();
    assert!(pivot.syscalls.contains(&"pivot_root(\".\", \".\")".to_string()));
    assert!(container.trace().unwrap().is_none());
    assert_eq!(std::fs::read_dir(container.inspect().unwrap().rootfs).unwrap().count(), 0);
}

fn the_trace_follows_the_plan() {
    let lab = Lab::new();
    let container = lab.start(sleeper("a").memory_mb(64));
    let plan = container.plan().unwrap();
    let trace = container.trace().unwrap().unwrap();
    let pairs = |id: &str, actor: Actor| (id.to_string(), actor);
    let planned: Vec<_> = plan.steps.iter().map(|step| pairs(&step.id, step.actor)).collect();
    let traced: Vec<_> = trace.steps.iter().map(|step| pairs(&step.id, step.actor)).collect();
    assert_eq!(planned, traced);
    assert!(trace.failure.is_none());
    let mut before = 0.0;
    for step in &trace.steps {
        assert_eq!(step.outcome, Outcome::Done);
        assert!(step.start_micros >= before, "{} begins after the one before", step.id);
        assert!(step.micros > 0.0 && !step.calls.is_empty(), "{}", step.id);
        before = step.start_micros;
    }
    assert!(trace.micros >= before);
    let exec = &trace.steps.last().unwrap().calls;
    // It does not return, so its time is measured from outside, and is a part of the step's.
    let (execve, step) = (exec.last().unwrap(), trace.steps.last().unwrap());
    assert!(execve.call.starts_with("execve("), "{execve:?}");
    assert!(execve.micros > 0.0 && execve.micros <= step.micros, "{execve:?} of {}", step.micros);
    // CVE-2024-21626: the last thing before the exec.
    assert_eq!(exec[exec.len() - 2].call.split('(').next(), Some("access"));
    assert!(exec.iter().any(|call| call.call == "close_range(3, ~0U, CLOSE_RANGE_CLOEXEC)"));
}

fn every_call_of_the_trace_was_announced() {
    let lab = Lab::new();
    let container = lab.start(sleeper("a").memory_mb(64).cpu_percent(50));
    let plan = container.plan().unwrap();
    let trace = container.trace().unwrap().unwrap();
    for (planned, traced) in plan.steps.iter().zip(&trace.steps) {
        // The plan cannot know where on the PATH the program is, what this kernel does
        // not have, and which of the masked paths are folders.
        if ["exec", "masked-paths", "read-only-paths", "capabilities", "cgroup"]
            .contains(&planned.id.as_str())
        {
            continue;
        }
        let made: Vec<&str> = traced.calls.iter().map(|call| call.call.as_str()).collect();
        assert_eq!(planned.syscalls, made, "{}", planned.id);
        assert!(traced.calls.iter().all(|call| call.errno.is_none()), "{}", planned.id);
    }
}

fn a_feature_switched_off_is_not_in_the_plan() {
    let lab = Lab::new();
    let steps = |name: &str, isolation| -> Vec<String> {
        let container = lab.create(sleeper(name).isolation(isolation));
        container.plan().unwrap().steps.into_iter().map(|step| step.id).collect()
    };
    let on = Isolation::default();
    for (name, isolation, gone) in [
        ("uts", Isolation { uts: false, ..on }, "hostname"),
        ("network", Isolation { network: false, ..on }, "loopback"),
        ("seccomp", Isolation { seccomp: false, ..on }, "seccomp"),
        ("masked", Isolation { masked_paths: false, ..on }, "masked-paths"),
        ("nnp", Isolation { no_new_privs: false, ..on }, "no-new-privs"),
        ("caps", Isolation { capabilities: false, ..on }, "capabilities"),
        ("rootfs", Isolation { rootfs: false, ..on }, "pivot-root"),
    ] {
        assert!(!steps(name, isolation).contains(&gone.to_string()), "{name}");
    }
    let none = steps("none", Isolation::NONE);
    let rest = [
        "cgroup",
        "pids-limit",
        "clone",
        "fork",
        "oom-score",
        "rlimits",
        "working-dir",
        "user",
        "exec",
    ];
    assert_eq!(
        none.iter().filter(|id| *id != "join-cgroup").collect::<Vec<_>>(),
        rest.iter().collect::<Vec<_>>()
    );
}
