//! Waits that a container would like to prolong.

use std::fs::{self, File};
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use minidocker_rt::{Container, Error, Exec, ExecBeginning, Status};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::lab::{Lab, PATIENCE, eventually, helpers_of, is_alive, sh, sleeper};
use crate::trials;

trials!(
    a_command_that_is_stopped_before_it_begins_ends_at_its_time,
    a_command_that_nobody_waits_for_any_more_is_killed_before_it_begins,
    the_time_of_a_streamed_command_is_kept_by_its_helper,
    a_stop_ends_a_start_that_hangs,
    a_deletion_ends_a_start_that_hangs,
    a_start_that_hangs_ends_by_itself,
    a_disk_that_does_not_answer_keeps_nobody_waiting,
);

/// Long enough for a slow machine, and much shorter than what is waited for otherwise.
const SOON: Duration = Duration::from_secs(20);

/// The helpers of the lab that call themselves so.
fn helpers(lab: &Lab, name: &str) -> Vec<i32> {
    let is = |pid: &i32| {
        fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm.trim() == name)
    };
    helpers_of(lab.root()).into_iter().filter(is).collect()
}

/// A container that stops whatever begins in it, again and again.
fn hostile(lab: &Lab) -> Container {
    let container = lab.start(sh("a", "echo ready; while :; do kill -STOP -1; done"));
    eventually("ready", || !container.logs().unwrap().read().unwrap().is_empty());
    container
}

/// Whether neither helpers nor forks of an exec are left.
fn none_is_left(lab: &Lab) -> bool {
    helpers(lab, "md-command").is_empty() && helpers(lab, "md-exec").is_empty()
}

fn a_command_that_is_stopped_before_it_begins_ends_at_its_time() {
    let lab = Lab::new();
    let container = hostile(&lab);
    let second = Duration::from_secs(1);
    // Now and then one is quicker than who would stop it.
    let stopped_before_its_execve = (0..20).any(|_| {
        let began = Instant::now();
        let result = container.exec_start(Exec::new("true").timeout(second));
        assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
        matches!(result, Err(Error::Timeout { operation: "a command", .. }))
    });
    assert!(stopped_before_its_execve);
    let timed_out = (0..20).any(|_| {
        let began = Instant::now();
        let output = container.exec(Exec::new("true").timeout(second)).unwrap();
        assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
        assert_eq!(output.timed_out, output.exit.timed_out);
        output.timed_out
    });
    assert!(timed_out);
    eventually("their end", || none_is_left(&lab));
    let began = Instant::now();
    container.delete_force().unwrap();
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
}

fn a_command_that_nobody_waits_for_any_more_is_killed_before_it_begins() {
    let lab = Lab::new();
    let container = hostile(&lab);
    let beginnings: Vec<_> = (0..20).map(|_| container.exec_begin("true").unwrap()).collect();
    std::thread::sleep(Duration::from_secs(1));
    let not_begun = |beginning: &ExecBeginning| {
        let mut fds = [PollFd::new(beginning.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::ZERO).unwrap() == 0
    };
    assert!(beginnings.iter().any(not_begun), "none was stopped");
    drop(beginnings);
    let began = Instant::now();
    eventually("their end", || none_is_left(&lab));
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
}

fn the_time_of_a_streamed_command_is_kept_by_its_helper() {
    let lab = Lab::new();
    let container = lab.start(sleeper("a"));
    let exec = Exec::new("sleep 1000").timeout(Duration::from_millis(300));
    let mut process = container.exec_start(exec).unwrap();
    let exit = process.wait_timeout(PATIENCE).unwrap();
    assert!(exit.timed_out && exit.code == 137, "{exit}");
    assert!(!is_alive(process.pid()));
    // Frozen, it cannot even die; nobody waits for that.
    let exec = Exec::new("sleep 1000").timeout(Duration::from_secs(1));
    let mut process = container.exec_start(exec).unwrap();
    container.pause().unwrap();
    assert!(process.wait_timeout(PATIENCE).unwrap().timed_out);
    container.resume().unwrap();
    eventually("its end", || !is_alive(process.pid()));
}

/// Begins to start the container, and stops its init in the middle of its construction.
fn hang(lab: &Lab) -> (Container, std::thread::JoinHandle<Result<(), Error>>) {
    let folder = lab.folder("data");
    // So many steps that there is time to find it.
    let spec = (0..300).fold(sleeper("a"), |spec, number| {
        spec.volume(&format!("{}:/v/{number}", folder.display())).unwrap()
    });
    let container = lab.create(spec);
    for _ in 0..100 {
        let starter = container.clone();
        let thread = std::thread::spawn(move || starter.start());
        while !thread.is_finished() {
            let Some(&init) = helpers(lab, "minidocker-init").first() else { continue };
            let _ = kill(Pid::from_raw(init), Signal::SIGSTOP);
            std::thread::sleep(Duration::from_millis(300));
            if !thread.is_finished() {
                return (container, thread);
            }
            let _ = kill(Pid::from_raw(init), Signal::SIGCONT);
        }
        thread.join().unwrap().unwrap();
        container.stop_within(Duration::ZERO).unwrap();
    }
    panic!("its init was never found in time");
}

fn a_stop_ends_a_start_that_hangs() {
    let lab = Lab::new();
    let (container, start) = hang(&lab);
    let began = Instant::now();
    container.stop_within(Duration::from_millis(100)).unwrap();
    let error = start.join().unwrap().unwrap_err();
    assert!(error.to_string().contains("it was stopped while it was being built"), "{error}");
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    assert_eq!(container.status().unwrap(), Status::Error);
    container.start().unwrap();
    assert_eq!(container.status().unwrap(), Status::Running);
}

fn a_deletion_ends_a_start_that_hangs() {
    let lab = Lab::new();
    let (container, start) = hang(&lab);
    let began = Instant::now();
    container.delete_force().unwrap();
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    assert!(start.join().unwrap().is_err());
    assert!(lab.runtime.names().unwrap().is_empty());
}

fn a_start_that_hangs_ends_by_itself() {
    let lab = Lab::new();
    let (container, start) = hang(&lab);
    let error = start.join().unwrap().unwrap_err();
    assert!(error.to_string().contains("it was not done within 30 s"), "{error}");
    assert!(matches!(error, Error::StartFailed { .. }), "{error}");
    container.start().unwrap();
}

/// A filesystem whose server does not answer, as a network disk that is gone.
struct DeadDisk {
    folder: PathBuf,
    _unanswered: File,
}

impl DeadDisk {
    fn at(folder: &Path) -> DeadDisk {
        let questions = File::options().read(true).write(true).open("/dev/fuse").unwrap();
        let fd = questions.as_raw_fd();
        let options = format!("fd={fd},rootmode=40000,user_id=0,group_id=0");
        let options = Some(options.as_str());
        mount(Some("dead"), folder, Some("fuse"), MsFlags::empty(), options).unwrap();
        DeadDisk { folder: folder.to_owned(), _unanswered: questions }
    }
}

impl Drop for DeadDisk {
    fn drop(&mut self) {
        let _ = umount2(&self.folder, MntFlags::MNT_DETACH);
    }
}

fn a_disk_that_does_not_answer_keeps_nobody_waiting() {
    let lab = Lab::new();
    let folder = lab.folder("disk");
    let volume = format!("{}:/data", folder.display());
    let container = lab.create(sleeper("a").volume(&volume).unwrap());
    let disk = DeadDisk::at(&folder);
    let began = Instant::now();
    container.plan().unwrap();
    let starter = container.clone();
    let start = std::thread::spawn(move || starter.start());
    eventually("its init waits for the disk", || !helpers(&lab, "minidocker-init").is_empty());
    container.stop_within(Duration::ZERO).unwrap();
    let error = start.join().unwrap().unwrap_err();
    assert!(error.to_string().contains("it was stopped while it was being built"), "{error}");
    let error = container.files().list("/").unwrap_err();
    assert!(error.to_string().contains("timed out"), "{error}");
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    drop(disk);
    assert!(!container.files().list("/").unwrap().is_empty());
    container.delete().unwrap();
}
