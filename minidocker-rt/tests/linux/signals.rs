//! Every signal that Linux has, from inside and outside.

use std::fs;

use minidocker_rt::{Command, Container, ContainerSpec, Exec, Signal, Status};
use nix::libc;

use crate::lab::{Lab, PATIENCE, child, eventually, family, is_alive, sh, sleeper};

crate::trials![
    every_signal_reaches_the_command_from_inside_and_outside,
    a_signal_that_only_the_c_library_knows_ends_the_command_and_not_init,
    no_signal_ends_a_helper,
    what_the_program_ignores_and_blocks_the_command_does_not,
];

/// Those that a shell can be told to say something at: all but the two that nothing can catch,
/// the end of its own children, and the two that its C library keeps to itself.
fn audible() -> impl Iterator<Item = i32> {
    (1..=64)
        .filter(|number| ![libc::SIGKILL, libc::SIGSTOP, libc::SIGCHLD, 32, 33].contains(number))
}

/// A command that prints the numbers of the signals it gets.
fn listener(name: &str) -> ContainerSpec {
    let traps: String =
        audible().map(|number| format!("trap 'echo heard {number}' {number}; ")).collect();
    sh(name, &format!("{traps} echo ready; sleep 1000 & while :; do wait; done"))
}

fn heard(container: &Container) -> Vec<String> {
    let text = container.logs().unwrap().read_to_string().unwrap();
    text.lines().map(String::from).collect()
}

fn started(lab: &Lab, spec: ContainerSpec) -> Container {
    let container = lab.start(spec);
    eventually("it is ready", || heard(&container).iter().any(|line| line == "ready"));
    container
}

/// Sends all of them. The kernel takes back a SIGCONT that waits when a stop comes, and the
/// other way round, so that one comes for itself.
fn hears_all(container: &Container, whence: &str, send: impl Fn(&[i32])) {
    let (go_on, others): (Vec<i32>, Vec<i32>) = audible().partition(|n| *n == libc::SIGCONT);
    for numbers in [others, go_on] {
        send(&numbers);
        hears(container, whence, &numbers);
    }
    assert_eq!(container.status().unwrap(), Status::Running);
}

/// Waits until the command has told of all of them.
fn hears(container: &Container, whence: &str, numbers: &[i32]) {
    for number in numbers {
        let line = format!("heard {number}");
        eventually(&format!("{line} from {whence}"), || heard(container).contains(&line));
    }
}

fn every_signal_reaches_the_command_from_inside_and_outside() {
    let lab = Lab::new();
    let outside = started(&lab, listener("outside"));
    hears_all(&outside, "outside", |numbers| {
        numbers.iter().for_each(|number| outside.kill(*number).unwrap());
    });

    let inside = started(&lab, listener("inside"));
    hears_all(&inside, "inside", |numbers| {
        let numbers: Vec<String> = numbers.iter().map(ToString::to_string).collect();
        let script = format!("for n in {}; do kill -$n 1; done", numbers.join(" "));
        let output = inside.exec(Exec::new(Command::argv(["sh", "-c", &script]))).unwrap();
        assert!(output.exit.success(), "{}", output.stderr_text());
    });

    for number in [0, -1, 65, i32::MAX] {
        assert!(outside.kill(number).is_err(), "{number}");
    }
    let named: Signal = "SIGRTMIN+3".parse().unwrap();
    let container = lab.start(sleeper("named"));
    container.kill(named.number()).unwrap();
    assert_eq!(container.wait_timeout(PATIENCE).unwrap().signal, Some(37));
}

fn a_signal_that_only_the_c_library_knows_ends_the_command_and_not_init() {
    let lab = Lab::new();
    for number in [32, 33, 34, 64] {
        let container = lab.start(sleeper(&format!("inside-{number}")));
        let output = container
            .exec(Exec::new(Command::argv(["sh", "-c", &format!("kill -{number} 1")])))
            .unwrap();
        assert!(output.exit.success() || output.exit.signal == Some(9), "{}", output.exit);
        let exit = container.wait_timeout(PATIENCE).unwrap();
        assert_eq!((exit.code, exit.signal), (128 + number, Some(number)), "not init's own end");

        let container = lab.start(sleeper(&format!("outside-{number}")));
        container.kill(number).unwrap();
        assert_eq!(container.wait_timeout(PATIENCE).unwrap().signal, Some(number));
    }
}

fn no_signal_ends_a_helper() {
    let lab = Lab::new();
    let container = started(&lab, listener("a"));
    let family = family(&container);
    // SAFETY: kill(2) takes two numbers.
    let send = |pid, number| assert_eq!(unsafe { libc::kill(pid, number) }, 0);
    hears_all(&container, "init", |all| all.iter().for_each(|n| send(family.init, *n)));
    let other = started(&lab, listener("b"));
    let supervisor = crate::lab::family(&other).supervisor;
    // A closed pipe is no news to a supervisor, so that one it keeps to itself.
    hears_all(&other, "the supervisor", |all| {
        let passed = all.iter().filter(|n| **n != libc::SIGPIPE);
        passed.for_each(|n| send(supervisor, *n));
        if all.contains(&libc::SIGPIPE) {
            send(supervisor, libc::SIGPIPE);
            other.kill(libc::SIGPIPE).unwrap();
        }
    });
    audible().for_each(|number| send(family.spawner, number));
    assert!([family.init, family.supervisor, family.spawner, supervisor].into_iter().all(is_alive));
    // The C library's own two end a command that does not know them, but no helper.
    let container = lab.start(sleeper("c"));
    send(family.spawner, 32);
    send(crate::lab::family(&container).supervisor, 33);
    assert_eq!(container.wait_timeout(PATIENCE).unwrap().signal, Some(33));
    assert!(is_alive(family.spawner));
}

fn what_the_program_ignores_and_blocks_the_command_does_not() {
    let lab = Lab::new();
    let mut program = child("deaf", lab.root());
    assert_eq!(program.line(), "SigIgn 0 SigBlk 0");
    assert_eq!(program.line(), "SigIgn 0 SigBlk 0");
    assert_eq!(program.line(), "passed on");
}

/// A program that ignores and blocks all it can, as a child of a careless parent would.
pub fn deaf(root: &str) {
    let ignore = [libc::SIG_IGN as u64, 0, 0, 0];
    for number in 1..=64 {
        // SAFETY: the kernel reads at most these 32 bytes: its sigaction, with no handler.
        unsafe {
            let nothing = std::ptr::null_mut::<u64>();
            libc::syscall(libc::SYS_rt_sigaction, number, &raw const ignore, nothing, 8);
        }
    }
    let all = u64::MAX;
    // SAFETY: the kernel reads one set of 64 bits.
    unsafe {
        let nothing = std::ptr::null_mut::<u64>();
        libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, &raw const all, nothing, 8);
    }
    let runtime = crate::lab::open(root);
    let container = runtime.create(sleeper("deaf")).unwrap();
    container.start().unwrap();
    let mut executed = container.exec_start(Exec::new(Command::argv(["sleep", "1000"]))).unwrap();
    for pid in [container.inspect().unwrap().pid.unwrap(), executed.pid()] {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let field = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name)).unwrap();
            u64::from_str_radix(line.split_whitespace().nth(1).unwrap(), 16).unwrap()
        };
        println!("SigIgn {:x} SigBlk {:x}", field("SigIgn:"), field("SigBlk:"));
    }
    executed.signal(libc::SIGUSR1).unwrap();
    assert_eq!(executed.wait_timeout(PATIENCE).unwrap().signal, Some(libc::SIGUSR1));
    container.kill(40).unwrap();
    assert_eq!(container.wait_timeout(PATIENCE).unwrap().signal, Some(40));
    container.delete_force().unwrap();
    println!("passed on");
}
