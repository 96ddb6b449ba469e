//! A disk that is full loses nothing: what happened is told, at once or when there is room.

use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use minidocker_rt::{
    Container, ContainerSpec, EventKind, Exec, HealthCheck, Next, Runtime, Status, Stream,
};
use nix::libc;
use nix::mount::{MntFlags, MsFlags, mount, umount2};

use crate::lab::{PATIENCE, eventually, helpers_of, open, sh, sleeper, status_field};

crate::trials![
    an_end_on_a_full_disk_is_told_at_once_and_as_it_was,
    a_restart_policy_outlives_a_full_disk,
    what_there_is_no_room_for_is_told_when_there_is,
    lines_that_are_lost_on_a_full_disk_are_counted,
    on_a_full_disk_exec_pause_stop_and_delete_work,
    a_start_on_a_full_disk_is_refused_and_leaves_the_container_as_it_was,
];

/// A small disk, and a root on it.
struct Disk {
    folder: tempfile::TempDir,
    runtime: Runtime,
}

impl Disk {
    fn new() -> Disk {
        let folder = tempfile::Builder::new().prefix("minidocker-disk-").tempdir().unwrap();
        let (tmpfs, options) = (Some("tmpfs"), Some("size=8m"));
        mount(tmpfs, folder.path(), tmpfs, MsFlags::empty(), options).unwrap();
        let runtime = open(folder.path().join("root"));
        Disk { folder, runtime }
    }

    fn filler(&self) -> PathBuf {
        self.folder.path().join("filler")
    }

    /// Leaves room for nothing.
    fn fill(&self) {
        let mut filler = File::options().append(true).create(true).open(self.filler()).unwrap();
        while filler.write_all(&[0; 4096]).is_ok() {}
        while filler.write_all(&[0]).is_ok() {}
    }

    /// Leaves room for so much.
    fn free_a_little(&self, bytes: u64) {
        let filler = File::options().write(true).open(self.filler()).unwrap();
        filler.set_len(filler.metadata().unwrap().len() - bytes).unwrap();
    }

    fn free(&self) {
        fs::remove_file(self.filler()).unwrap();
    }

    /// Starts one, and waits until its supervisor has settled.
    fn start(&self, spec: ContainerSpec) -> Container {
        let container = self.runtime.create(spec).unwrap();
        container.start().unwrap();
        eventually("its supervisor keeps room for the next record", || {
            self.supervisors().into_iter().all(|pid| {
                let files = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
                let mut opened = files.filter_map(|file| fs::read_link(file.path()).ok());
                opened.any(|path| path.to_string_lossy().contains("(deleted)"))
            })
        });
        container
    }

    fn supervisors(&self) -> Vec<i32> {
        let is = |pid: &i32| status_field(*pid, "Name").as_deref() == Some("md-supervisor");
        helpers_of(self.runtime.root()).into_iter().filter(is).collect()
    }

    /// What is in the folder of a container.
    fn files(&self, container: &Container) -> Vec<String> {
        let folder = self.runtime.root().join("containers").join(container.name().as_str());
        let entries = fs::read_dir(folder).unwrap().flatten();
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = fs::remove_file(self.filler());
        for container in self.runtime.list().unwrap_or_default() {
            let _ = container.delete_force();
        }
        let left = self.supervisors();
        let _ = umount2(self.folder.path(), MntFlags::MNT_DETACH);
        assert!(left.is_empty() || std::thread::panicking(), "left behind: {left:?}");
    }
}

/// Ends with code 3 when it is told to.
const UNTIL_TOLD: &str = "trap 'exit 3' USR1; echo ready; while :; do sleep 0.05; done";

fn tell_to_end(container: &Container) {
    eventually("it is ready", || {
        container.logs().unwrap().read_to_string().unwrap().contains("ready")
    });
    container.kill(libc::SIGUSR1).unwrap();
}

fn an_end_on_a_full_disk_is_told_at_once_and_as_it_was() {
    let disk = Disk::new();
    let container = disk.start(sh("a", UNTIL_TOLD));
    let mut events = disk.runtime.events().unwrap();
    eventually("it is ready", || container.logs().unwrap().read_to_string().unwrap() != "");
    disk.fill();
    tell_to_end(&container);
    let exit = container.wait_timeout(PATIENCE).unwrap();
    assert_eq!((exit.code, exit.signal), (3, None));
    let info = container.inspect().unwrap();
    assert_eq!((info.status, info.reason), (Status::Stopped, None));
    assert!(!disk.files(&container).iter().any(|name| name.ends_with(".new")));
    disk.free();
    // The journal had no room either.
    loop {
        match events.next_timeout(PATIENCE).unwrap() {
            Next::Item(event) => match event.kind {
                EventKind::Exited { exit } => break assert_eq!(exit.code, 3),
                _ => continue,
            },
            other => panic!("{other:?}"),
        }
    }
    // Whatever its supervisor still has to write down, it does not hold up others.
    container.start().unwrap();
}

fn a_restart_policy_outlives_a_full_disk() {
    let disk = Disk::new();
    let container = disk.start(sh("a", UNTIL_TOLD).restart("always".parse().unwrap()));
    eventually("it is ready", || container.logs().unwrap().read_to_string().unwrap() != "");
    disk.fill();
    tell_to_end(&container);
    // Longer than the first pause: the next run is tried while the disk is full.
    let until = Instant::now() + Duration::from_millis(1500);
    while Instant::now() < until {
        let info = container.inspect().unwrap();
        assert!(info.status.is_alive(), "{}: {:?}", info.status, info.reason);
        std::thread::sleep(Duration::from_millis(20));
    }
    disk.free();
    eventually("it runs again", || {
        let info = container.inspect().unwrap();
        info.status == Status::Running && info.restarts == 1
    });
}

fn what_there_is_no_room_for_is_told_when_there_is() {
    let disk = Disk::new();
    // What its probes say makes its record larger than the room that is kept for it.
    let check = HealthCheck::new("head -c 4000 /dev/zero").unwrap();
    let check = check.interval(Duration::from_millis(50));
    let container = disk.start(sh("a", UNTIL_TOLD).health_check(check));
    let record = disk.runtime.root().join("containers/a/status.json");
    eventually("its record is large", || fs::metadata(&record).unwrap().len() > 8 << 10);
    disk.fill();
    tell_to_end(&container);
    let until = Instant::now() + Duration::from_millis(1500);
    while Instant::now() < until {
        let info = container.inspect().unwrap();
        assert_eq!(info.reason, None, "nobody was killed");
        std::thread::sleep(Duration::from_millis(20));
    }
    let begin = Instant::now();
    container.stop().unwrap();
    assert!(begin.elapsed() < Duration::from_secs(5), "it has ended already");
    disk.free();
    let exit = container.wait_timeout(PATIENCE).unwrap();
    assert_eq!((exit.code, exit.signal), (3, None));
    assert_eq!(container.status().unwrap(), Status::Stopped);
    assert!(!disk.files(&container).iter().any(|name| name.ends_with(".new")));
}

fn lines_that_are_lost_on_a_full_disk_are_counted() {
    let disk = Disk::new();
    let script = "echo ready; trap 'for i in 1 2 3 4 5; do seq 20000; sleep 0.05; done; echo done \
                  > /tmp/told' USR1; while :; do sleep 0.05; done";
    let container = disk.start(sh("a", script));
    disk.fill();
    // So that a write is cut short, in the middle of its lines.
    disk.free_a_little(100 << 10);
    tell_to_end(&container);
    eventually("it has written", || container.files().stat("/tmp/told").is_ok());
    disk.free();
    let missing = || {
        let log = container.logs().unwrap().render().unwrap();
        let told = log.lines().filter_map(|line| line.split_once(" lines are missing here"));
        let told = told.filter_map(|(line, _)| line.rsplit(' ').next()?.parse::<usize>().ok());
        told.sum::<usize>()
    };
    eventually("what is missing is counted", || missing() > 0);
    let there = container.logs().unwrap().stream(Stream::Stdout).read_to_string().unwrap();
    let there = there.lines().count() - 1;
    let all = there + missing();
    assert!(there > 500, "what there was room for is there: {there}");
    // A line that came in two parts, or is there in part, may be counted twice.
    assert!((100_000..100_200).contains(&all), "{there} and {}", missing());
}

fn on_a_full_disk_exec_pause_stop_and_delete_work() {
    let disk = Disk::new();
    let container = disk.start(sleeper("a"));
    let other = disk.start(sleeper("b"));
    disk.fill();
    let output = container.exec(Exec::new("echo hello")).unwrap();
    assert_eq!(output.stdout_text(), "hello\n");
    container.pause().unwrap();
    assert_eq!(container.status().unwrap(), Status::Paused);
    container.resume().unwrap();
    container.stop().unwrap();
    let info = container.inspect().unwrap();
    assert_eq!((info.status, info.reason), (Status::Stopped, None));
    container.delete().unwrap();
    other.delete_force().unwrap();
    assert!(disk.runtime.list().unwrap().is_empty());
    // The room that they took, and that their supervisors give back by ending.
    eventually("their supervisors are gone", || disk.supervisors().is_empty());
    disk.fill();
    assert!(disk.runtime.create(sleeper("c")).unwrap_err().hint().contains("disk space"));
    assert!(disk.runtime.list().unwrap().is_empty(), "nothing is half-made");
}

fn a_start_on_a_full_disk_is_refused_and_leaves_the_container_as_it_was() {
    let disk = Disk::new();
    let container = disk.runtime.create(sleeper("a")).unwrap();
    disk.fill();
    let error = container.start().unwrap_err();
    assert!(error.to_string().contains("No space left on device"), "{error}");
    let info = container.inspect().unwrap();
    assert_eq!((info.status, info.reason), (Status::Created, None));
    disk.free();
    container.start().unwrap();
    assert_eq!(container.status().unwrap(), Status::Running);
}
