//! SIGKILL of anything, many at once, several programs: no address is given twice, and nothing
//! is left after the next operation.

use std::collections::HashSet;
use std::time::Duration;

use minidocker_rt::{NetworkMode, Runtime, Status};

use crate::lab::{Lab, child, eventually, family, helpers_of, is_alive, kill, sleeper};
use crate::net_lab::{
    address, answering, cables, call, etc, interfaces, is_called, left, registry, server,
};

crate::net_trials![
    a_killed_supervisor_leaves_nothing_after_the_next_operation,
    a_killed_janitor_is_replaced_by_the_next_program,
    kills_at_any_moment_leave_no_cable_address_or_bridge,
    a_lost_registry_gives_no_address_twice,
    eight_programs_at_once_give_no_address_twice,
    a_hundred_on_one_bridge,
];

fn bridged(name: &str) -> minidocker_rt::ContainerSpec {
    sleeper(name).network(NetworkMode::Bridge)
}

fn a_killed_supervisor_leaves_nothing_after_the_next_operation(lab: &Lab) {
    // What the next operation is, and whether it is on the same container.
    for next in ["delete", "start", "open"] {
        let container = lab.start(bridged("a"));
        let family = family(&container);
        kill(family.supervisor);
        eventually("the kernel ends the container", || !is_alive(family.command));
        assert!(interfaces().contains(&"minidocker0".to_string()), "somebody has to remove it");
        match next {
            "delete" => container.delete().unwrap(),
            "start" => {
                container.start().unwrap();
                assert_eq!(cables().len(), 1);
                container.delete_force().unwrap();
                eventually("nothing is left", || left().is_empty());
            }
            _ => {
                drop(Runtime::open(lab.folder("another-root")).unwrap());
                assert_eq!(container.status().unwrap(), Status::Error);
                assert!(left().is_empty(), "{:?}", left());
                container.delete().unwrap();
            }
        }
        assert!(left().is_empty(), "{next}: {:?}", left());
    }
}

fn a_killed_janitor_is_replaced_by_the_next_program(lab: &Lab) {
    let container = lab.start(bridged("a"));
    container.stop_within(Duration::ZERO).unwrap();
    let janitors = || -> Vec<i32> {
        helpers_of(lab.root()).into_iter().filter(|pid| is_called(*pid, "md-network")).collect()
    };
    eventually("there is a janitor", || !janitors().is_empty());
    let janitor = janitors()[0];
    kill(janitor);
    eventually("it is dead", || !is_alive(janitor));
    assert!(interfaces().contains(&"minidocker0".to_string()));
    drop(Runtime::open(lab.root()).unwrap());
    assert!(left().is_empty(), "{:?}", left());
    // Where there is one, another program leaves the work to it.
    container.start().unwrap();
    container.stop_within(Duration::ZERO).unwrap();
    drop(Runtime::open(lab.root()).unwrap());
    assert!(interfaces().contains(&"minidocker0".to_string()), "it may be wanted again");
    eventually("nothing is left", || left().is_empty());
}

fn kills_at_any_moment_leave_no_cable_address_or_bridge(lab: &Lab) {
    // A fixed sequence of pseudo-random numbers (xorshift), so that a failure repeats.
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |below: u64| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed % below
    };
    let witness = lab.start(server("witness"));
    let at = answering(&witness);
    for round in 0..30 {
        let container = lab.create(bridged(&format!("round-{round}")));
        let starter = {
            let container = container.clone();
            std::thread::spawn(move || container.start())
        };
        std::thread::sleep(Duration::from_micros(random(20_000)));
        let spared = family(&witness);
        let mut helpers = helpers_of(lab.root());
        helpers.retain(|pid| ![spared.supervisor, spared.init].contains(pid));
        if !helpers.is_empty() {
            let victim = helpers[random(helpers.len() as u64) as usize];
            // It may have ended by itself since it was listed.
            let _ = nix::sys::signal::kill(
                nix::unistd::Pid::from_raw(victim),
                nix::sys::signal::SIGKILL,
            );
        }
        let _ = starter.join().unwrap();
        let id = container.id().to_string();
        container.delete_force().unwrap_or_else(|error| panic!("round {round}: {error}"));
        eventually("its cable is gone", || cables().len() == 1);
        let others = etc(&witness, "hosts");
        // Whoever comes next finds it gone.
        let next = lab.start(bridged("next"));
        assert!(!registry().contains(&id), "round {round}");
        assert!(!etc(&next, "hosts").contains("round-"), "round {round}: {others}");
        next.delete_force().unwrap();
    }
    assert!(call(at, 8000).is_ok(), "nobody else was disturbed");
    witness.delete_force().unwrap();
    eventually("nothing is left", || left().is_empty());
}

fn a_lost_registry_gives_no_address_twice(lab: &Lab) {
    let first = lab.start(server("first"));
    let at = answering(&first);
    std::fs::remove_dir_all(crate::net_lab::state()).unwrap();
    let second = lab.create(bridged("second"));
    // The bridge is there and is in use, so it is taken over.
    second.start().unwrap();
    assert_ne!(address(&second), at);
    assert!(call(at, 8000).is_ok(), "the first goes on");
    for container in [first, second] {
        container.delete_force().unwrap();
    }
}

/// Starts containers on the common bridge, tells their addresses, and waits.
pub fn start_on_bridge(root: &str) {
    let runtime = Runtime::open(root).unwrap();
    for number in 0..8 {
        let container = runtime.create(bridged(&format!("c{number}"))).unwrap();
        container.start().unwrap();
        println!("{}", address(&container));
    }
    println!("done");
    let _ = std::io::stdin().read_line(&mut String::new());
    for container in runtime.list().unwrap() {
        container.delete_force().unwrap();
    }
    println!("deleted");
}

fn eight_programs_at_once_give_no_address_twice(lab: &Lab) {
    let mut programs: Vec<_> = (0..8)
        .map(|number| child("start-on-bridge", &lab.folder(&format!("root-{number}"))))
        .collect();
    let mut addresses = Vec::new();
    for program in &mut programs {
        for _ in 0..8 {
            addresses.push(program.line());
        }
        assert_eq!(program.line(), "done");
    }
    let different: HashSet<&String> = addresses.iter().collect();
    assert_eq!(different.len(), 64, "{addresses:?}");
    assert_eq!(cables().len(), 64);
    for program in &mut programs {
        drop(program.child.stdin.take());
    }
    for program in &mut programs {
        assert_eq!(program.line(), "deleted");
    }
    eventually("nothing is left", || left().is_empty());
}

fn a_hundred_on_one_bridge(lab: &Lab) {
    // Under emulation each takes its time.
    let count = if std::env::var_os("MINIDOCKER_TEST_VM").is_some() { 50 } else { 100 };
    std::thread::scope(|scope| {
        for worker in 0..4 {
            scope.spawn(move || {
                for number in (worker..count).step_by(4) {
                    lab.start(bridged(&format!("c{number}")));
                }
            });
        }
    });
    let server = lab.start(server("server"));
    let at = answering(&server);
    let containers = lab.runtime.list().unwrap();
    let addresses: HashSet<_> = containers.iter().map(address).collect();
    assert_eq!((addresses.len(), cables().len()), (count + 1, count + 1));
    for container in containers.iter().step_by(17) {
        let said = crate::net_lab::call_from(container, "server", 8000);
        assert_eq!(said, address(container).to_string());
        assert_eq!(etc(container, "hosts").lines().count(), count + 4);
    }
    assert!(call(at, 8000).is_ok());
    std::thread::scope(|scope| {
        for container in &containers {
            scope.spawn(|| container.stop_within(Duration::ZERO).unwrap());
        }
    });
    eventually("nothing is left", || left().is_empty());
}
