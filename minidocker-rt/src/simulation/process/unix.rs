//! Processes on unix: signals and sessions.

use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus};

use rustix::io::Errno;
use rustix::process::{
    Pid, Resource, Signal, WaitId, WaitIdOptions, getrlimit, kill_process, setrlimit, setsid,
    waitid,
};

/// The calling process leaves its terminal and its session: no Ctrl-C and no hang-up reaches
/// it. The container's processes are then those of its session, whatever became of their
/// parents.
pub(crate) fn become_independent() {
    let _ = setsid();
    #[cfg(target_os = "linux")]
    super::orphans::adopt();
    // How many files the program may open is its own affair: a server allows itself more than
    // most programs are made for. Containers begin with the usual number.
    let mut files = getrlimit(Resource::Nofile);
    if files.current.is_none_or(|current| current > USUAL_FILES) {
        files.current = Some(USUAL_FILES);
        let _ = setrlimit(Resource::Nofile, files);
    }
}

/// The soft limit of open files, as Linux has it.
const USUAL_FILES: u64 = 1024;

/// Starts a child.
pub(crate) fn spawn(command: &mut Command) -> std::io::Result<Child> {
    #[cfg(target_os = "linux")]
    return super::orphans::spawn(command);
    #[cfg(not(target_os = "linux"))]
    command.spawn()
}

/// Waits for a child's end, and lets go of its pid.
pub(crate) fn wait(child: &mut Child) -> std::io::Result<ExitStatus> {
    let status = child.wait();
    #[cfg(target_os = "linux")]
    super::orphans::reaped(child.id());
    status
}

/// A supervisor needs nothing more before it is executed.
pub(crate) fn new_supervisor(_command: &mut Command) {}

/// A command is in a process group of its own, as one that a shell starts.
pub(crate) fn new_group(command: &mut Command) {
    command.process_group(0);
}

/// Whether there is such a signal.
pub(crate) fn knows_signal(number: i32) -> bool {
    crate::signal::Signal::from_number(number).is_ok()
}

/// Sends a signal; a process that has just ended is no error.
pub(crate) fn signal(pid: u32, number: i32) {
    let Some(pid) = as_pid(pid).filter(|_| knows_signal(number)) else { return };
    // SAFETY: the number is a signal's. The C library's own two, 32 and 33, must not be handled
    // or sent within a program that it serves; another process takes them like any other.
    let signal = unsafe { Signal::from_raw_unchecked(number) };
    let _ = kill_process(pid, signal);
}

/// Ends a process at once.
pub(crate) fn kill(pid: u32) {
    signal(pid, Signal::KILL.as_raw());
}

/// Stops a process where it is.
pub(crate) fn suspend(pid: u32) {
    signal(pid, Signal::STOP.as_raw());
}

/// Lets a stopped process go on.
pub(crate) fn resume(pid: u32) {
    signal(pid, Signal::CONT.as_raw());
}

/// Waits until a child has ended, and leaves it there to be asked how: until then its pid
/// cannot be another's.
pub(crate) fn wait_for_end(child: &Child) -> impl FnOnce() + Send + use<> {
    let pid = as_pid(child.id());
    move || {
        let Some(pid) = pid else { return };
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while let Err(Errno::INTR) = waitid(WaitId::Pid(pid), options) {}
    }
}

/// The exit code (128+N for signal N) and the signal of an ended child.
pub(crate) fn status_of(status: ExitStatus) -> (i32, Option<i32>) {
    match (status.code(), status.signal()) {
        (Some(code), _) => (code, None),
        (None, Some(signal)) => (128 + signal, Some(signal)),
        (None, None) => (-1, None),
    }
}

fn as_pid(pid: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(pid).ok()?)
}
