//! Disk use, prune, and what is left after a reboot.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use minidocker_rt::{Container, Runtime, Status};

use crate::lab::{Lab, PATIENCE, cgroups_of, eventually, family, is_alive, kill, sh, sleeper};

crate::trials![
    disk_use_is_what_is_allocated_and_hard_links_count_once,
    disk_use_tells_all_containers_and_images,
    a_prune_takes_what_is_not_alive_and_spares_the_rest,
    a_prune_spares_what_is_being_worked_on,
    a_prune_and_many_starts_do_not_hurt_each_other,
    a_lost_container_is_pruned_with_its_cgroups,
    what_a_power_cut_left_of_a_container_is_pruned,
    after_a_reboot_a_container_can_be_started_deleted_and_pruned,
];

const MEGABYTE: u64 = 1 << 20;

fn finished(lab: &Lab, name: &str, script: &str) -> Container {
    let container = lab.start(sh(name, script));
    let exit = container.wait_timeout(PATIENCE).unwrap();
    assert!(exit.success(), "{}", container.logs().unwrap().read_to_string().unwrap());
    container
}

fn disk_use_is_what_is_allocated_and_hard_links_count_once() {
    let lab = Lab::new();
    let volume = lab.folder("data");
    fs::write(volume.join("big"), vec![1; 3 << 20]).unwrap();
    let script = "dd if=/dev/zero of=/written bs=1M count=2 2> /dev/null; ln /written /again; \
                  truncate -s 100M /sparse; head -c 300000 /dev/zero | tr '\\0' x | fold";
    let spec = sh("a", script).volume(&format!("{}:/data", volume.display())).unwrap();
    let container = lab.start(spec);
    assert!(container.wait_timeout(PATIENCE).unwrap().success());
    let usage = container.disk_usage().unwrap();
    assert!(
        (2 * MEGABYTE..3 * MEGABYTE).contains(&usage.changes_bytes),
        "neither twice nor the sparse 100: {usage:?}"
    );
    let log = fs::metadata(container.inspect().unwrap().rootfs.with_file_name("log")).unwrap();
    assert_eq!(usage.log_bytes, log.blocks() * 512);
    assert!(usage.log_bytes > 300_000, "{usage:?}");
    assert!(usage.records_bytes > 0 && usage.records_bytes < MEGABYTE, "{usage:?}");
    let sum = usage.changes_bytes + usage.log_bytes + usage.records_bytes;
    assert_eq!(usage.total_bytes(), sum);
}

fn disk_use_tells_all_containers_and_images() {
    let lab = Lab::new();
    let running = lab.start(sleeper("running"));
    finished(&lab, "stopped", "dd if=/dev/zero of=/x bs=1M count=1 2> /dev/null");
    lab.create(sleeper("created"));
    let usage = lab.runtime.disk_usage().unwrap();
    let names: Vec<&str> = usage.containers.iter().map(|usage| usage.name.as_str()).collect();
    assert_eq!(names, ["created", "running", "stopped"]);
    let totals: Vec<u64> = usage.containers.iter().map(|usage| usage.total_bytes()).collect();
    assert_eq!(usage.containers_bytes, totals.iter().sum::<u64>());
    assert_eq!(usage.reclaimable_bytes, totals[0] + totals[2]);
    assert!(totals[2] > MEGABYTE);
    assert_eq!(&usage.containers[1].id, running.id());
    assert_eq!(usage.containers[1].status, Status::Running);
    let image = &usage.images[0];
    assert_eq!((image.name.as_str(), image.containers), ("host", 3));
    assert!(image.bytes > 0 && usage.images_bytes >= image.bytes);
}

fn a_prune_takes_what_is_not_alive_and_spares_the_rest() {
    let lab = Lab::new();
    lab.start(sleeper("running"));
    let volume = lab.folder("data");
    let spec = sh("stopped", "echo x > /data/kept; echo x > /own");
    let stopped = lab.start(spec.volume(&format!("{}:/data", volume.display())).unwrap());
    stopped.wait_timeout(PATIENCE).unwrap();
    lab.create(sleeper("created"));
    let failed = lab.create(sleeper("failed").inject_fault("overlay", 5));
    assert!(failed.start().is_err());
    let expected = lab.runtime.disk_usage().unwrap().reclaimable_bytes;
    let pruned = lab.runtime.prune().unwrap();
    assert_eq!(pruned.containers, ["created", "failed", "stopped"]);
    assert!(pruned.failed.is_empty(), "{:?}", pruned.failed);
    assert_eq!(pruned.reclaimed_bytes, expected);
    assert!(pruned.reclaimed_bytes > 0);
    let left: Vec<String> = Runtime::open(lab.root())
        .unwrap()
        .list()
        .unwrap()
        .iter()
        .map(|container| container.name().to_string())
        .collect();
    assert_eq!(left, ["running"]);
    assert!(volume.join("kept").exists());
    assert_eq!(lab.runtime.prune().unwrap().containers, [""; 0]);
}

fn a_prune_spares_what_is_being_worked_on() {
    let lab = Lab::new();
    let container = lab.create(sleeper("a"));
    let lock = fs::File::open(container.inspect().unwrap().rootfs.with_file_name("lock")).unwrap();
    lock.lock().unwrap();
    let pruned = lab.runtime.prune().unwrap();
    assert!(pruned.containers.is_empty() && pruned.failed.is_empty(), "{pruned:?}");
    drop(lock);
    assert_eq!(lab.runtime.prune().unwrap().containers, ["a"]);
}

fn a_prune_and_many_starts_do_not_hurt_each_other() {
    let lab = Lab::new();
    std::thread::scope(|scope| {
        let pruner = scope.spawn(|| {
            (0..60).for_each(|_| {
                let pruned = lab.runtime.prune().unwrap();
                assert!(pruned.failed.is_empty(), "{pruned:?}");
            });
        });
        let starters: Vec<_> = (0..2)
            .map(|thread| {
                let runtime = &lab.runtime;
                scope.spawn(move || {
                    for number in 0..10 {
                        let container =
                            runtime.create(sleeper(&format!("c-{thread}-{number}"))).unwrap();
                        // What was not pruned before its start is not pruned after it.
                        match container.start() {
                            Ok(()) => {
                                assert_eq!(container.status().unwrap(), Status::Running);
                                container.delete_force().unwrap();
                            }
                            Err(minidocker_rt::Error::NotFound { .. }) => {}
                            Err(error) => panic!("{error}"),
                        }
                    }
                })
            })
            .collect();
        starters.into_iter().for_each(|starter| starter.join().unwrap());
        pruner.join().unwrap();
    });
}

fn a_lost_container_is_pruned_with_its_cgroups() {
    let lab = Lab::new();
    let container = lab.start(sleeper("a"));
    let family = family(&container);
    kill(family.supervisor);
    eventually("the supervisor is dead", || !is_alive(family.supervisor));
    let id = container.id().clone();
    assert!(!cgroups_of(id.as_str()).is_empty());
    assert_eq!(lab.runtime.prune().unwrap().containers, ["a"]);
    assert!(cgroups_of(id.as_str()).is_empty());
}

fn what_a_power_cut_left_of_a_container_is_pruned() {
    let lab = Lab::new();
    let folder = |name: &str| lab.root().join("containers").join(name);
    for name in ["empty", "lost", "missing"] {
        lab.start(sleeper(name));
    }
    let supervisor = family(&lab.runtime.get("lost").unwrap()).supervisor;
    kill(supervisor);
    eventually("it is lost", || !is_alive(supervisor));
    lab.runtime.get("missing").unwrap().stop_within(Duration::ZERO).unwrap();
    let saved = fs::read(folder("empty").join("spec.json")).unwrap();
    let lost_id = lab.runtime.get("lost").unwrap().id().clone();
    fs::remove_file(folder("missing").join("spec.json")).unwrap();
    for name in ["empty", "lost"] {
        fs::write(folder(name).join("spec.json"), "").unwrap();
    }

    let pruned = lab.runtime.prune().unwrap();
    assert_eq!(pruned.containers, ["lost", "missing"], "what is alive is spared");
    assert!(pruned.failed.is_empty() && pruned.reclaimed_bytes > 0, "{pruned:?}");
    assert!(cgroups_of(lost_id.as_str()).is_empty());
    lab.create(sleeper("missing"));
    fs::write(folder("empty").join("spec.json"), saved).unwrap();
    assert_eq!(lab.runtime.get("empty").unwrap().status().unwrap(), Status::Running);
}

/// Makes it look as if the machine had been restarted while the container ran.
fn reboot(container: &Container) {
    let family = family(container);
    let folder = container.inspect().unwrap().rootfs.parent().unwrap().to_path_buf();
    let before = fs::read_to_string(folder.join("status.json")).unwrap();
    // The cgroups, too, go with a boot.
    container.stop_within(Duration::ZERO).unwrap();
    eventually("its supervisor is gone", || !is_alive(family.supervisor));
    let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let other = "00000000-0000-4000-8000-000000000000";
    fs::write(folder.join("status.json"), before.replace(boot_id.trim(), other)).unwrap();
    // What a power cut leaves of a copy-up in the making.
    let scratch = folder.join("work/work");
    fs::write(scratch.join("#1a"), vec![1; 1 << 20]).unwrap();
    fs::create_dir(scratch.join("#1b")).unwrap();
    fs::write(scratch.join("#1b/x"), "x").unwrap();
}

fn after_a_reboot_a_container_can_be_started_deleted_and_pruned() {
    let lab = Lab::new();
    let [started, deleted, pruned] = ["started", "deleted", "pruned"].map(|name| {
        let container = lab.start(sh(name, "test -e /file || echo before > /file; sleep 1000"));
        let files = container.files();
        eventually("it wrote", || files.stat("/file").is_ok_and(|file| file.size > 0));
        reboot(&container);
        let info = container.inspect().unwrap();
        assert_eq!(info.status, Status::Error);
        assert!(info.reason.unwrap().contains("machine was restarted"));
        container
    });
    let content = started.files().read("/file", 100).unwrap();
    assert_eq!(content, b"before\n", "its files are whole");
    leave_scratch(&started);
    started.start().unwrap();
    assert_eq!(started.status().unwrap(), Status::Running);
    let scratch = started.inspect().unwrap().rootfs.with_file_name("work").join("work");
    assert_eq!(fs::read_dir(scratch).unwrap().count(), 0, "nothing of the copy-up is left");
    deleted.delete().unwrap();
    let usage = pruned.disk_usage().unwrap();
    assert!(usage.records_bytes > MEGABYTE, "what is left over is counted: {usage:?}");
    let result = lab.runtime.prune().unwrap();
    assert_eq!(result.containers, ["pruned"]);
    assert!(result.failed.is_empty(), "{:?}", result.failed);
}

/// Puts a leftover there again: looking at the files has mounted the overlay, and that swept
/// them.
fn leave_scratch(container: &Container) {
    let scratch = container.inspect().unwrap().rootfs.with_file_name("work").join("work");
    assert_eq!(fs::read_dir(&scratch).unwrap().count(), 0);
    fs::write(scratch.join("#1a"), "x").unwrap();
}
