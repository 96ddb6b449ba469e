//! Many containers, many threads.

use std::sync::atomic::{AtomicUsize, Ordering};

use minidocker_rt::Status;

use crate::lab::{Lab, sh, sleeper};

crate::trials![
    two_hundred_lives_from_eight_threads,
    fifty_at_once,
    threads_that_fight_over_one_container_agree,
];

fn two_hundred_lives_from_eight_threads() {
    let lab = Lab::new();
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= 200 {
                        break;
                    }
                    let (exit, output) =
                        lab.run(sh(&format!("life-{number}"), &format!("echo {number}")));
                    assert!(exit.success());
                    assert_eq!(output, format!("{number}\n"));
                }
            });
        }
    });
    assert!(lab.runtime.list().unwrap().is_empty());
}

fn fifty_at_once() {
    let lab = Lab::new();
    let containers: Vec<_> =
        (0..50).map(|number| lab.start(sleeper(&format!("c{number}")))).collect();
    let listed = lab.runtime.list().unwrap();
    assert_eq!(listed.len(), 50);
    assert!(listed.iter().all(|container| container.status().unwrap() == Status::Running));
    std::thread::scope(|scope| {
        for container in &containers {
            scope.spawn(|| container.stop().unwrap());
        }
    });
    assert!(containers.iter().all(|container| container.status().unwrap() == Status::Stopped));
}

fn threads_that_fight_over_one_container_agree() {
    let lab = Lab::new();
    let container = lab.create(sleeper("a"));
    let started: usize = std::thread::scope(|scope| {
        let tries: Vec<_> =
            (0..8).map(|_| scope.spawn(|| usize::from(container.start().is_ok()))).collect();
        tries.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(started, 1, "one start wins, the others are told it runs");
    let deleted: usize = std::thread::scope(|scope| {
        let tries: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| usize::from(container.clone().delete_force().is_ok())))
            .collect();
        tries.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(deleted, 1);
    let (exit, _) = lab.run(sh("a", "true"));
    assert!(exit.success());
}
