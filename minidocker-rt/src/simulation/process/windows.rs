//! Processes on Windows, which has neither signals nor a call that stops a whole process: each
//! of its threads is suspended (`SuspendThread`), as debuggers do.

use std::mem::size_of;
use std::os::windows::io::{AsHandle, AsRawHandle, FromRawHandle, OwnedHandle, RawHandle};
use std::os::windows::process::CommandExt;
use std::process::{Child, Command, ExitStatus};

use windows_sys::Win32::Foundation::INVALID_HANDLE_VALUE;
use windows_sys::Win32::System::Diagnostics::ToolHelp::{
    CreateToolhelp32Snapshot, TH32CS_SNAPTHREAD, THREADENTRY32, Thread32First, Thread32Next,
};
use windows_sys::Win32::System::Threading::{
    CREATE_NEW_PROCESS_GROUP, CREATE_NO_WINDOW, INFINITE, OpenProcess, OpenThread,
    PROCESS_TERMINATE, ResumeThread, SuspendThread, THREAD_SUSPEND_RESUME, TerminateProcess,
    WaitForSingleObject,
};

use super::{SIGKILL, SIGTERM};

/// The rest is done by [`new_supervisor`] before this process was made.
pub(crate) fn become_independent() {
    super::job::enter();
}

/// Starts a child, which is in this process's job.
pub(crate) fn spawn(command: &mut Command) -> std::io::Result<Child> {
    command.spawn()
}

/// Waits for a child's end.
pub(crate) fn wait(child: &mut Child) -> std::io::Result<ExitStatus> {
    child.wait()
}

/// A supervisor has no window, and the Ctrl-C of its maker's console is not for it.
pub(crate) fn new_supervisor(command: &mut Command) {
    command.creation_flags(CREATE_NO_WINDOW | CREATE_NEW_PROCESS_GROUP);
}

/// A command shares its supervisor's console, which nobody sees.
pub(crate) fn new_group(command: &mut Command) {
    command.creation_flags(CREATE_NEW_PROCESS_GROUP);
}

/// Whether it is one of the two that can be imitated.
pub(crate) fn knows_signal(number: i32) -> bool {
    matches!(number, SIGKILL | SIGTERM)
}

/// Both signals end the process: there is no way to ask a program without a window.
pub(crate) fn signal(pid: u32, number: i32) {
    // SAFETY: OpenProcess has no memory arguments.
    if let Some(process) = owned(unsafe { OpenProcess(PROCESS_TERMINATE, 0, pid) }) {
        // 128+N is how an end by signal N is told everywhere else.
        // SAFETY: the handle is open and has the right to terminate.
        unsafe { TerminateProcess(process.as_raw_handle(), (128 + number) as u32) };
    }
}

/// Ends a process at once.
pub(crate) fn kill(pid: u32) {
    signal(pid, SIGKILL);
}

/// Stops a process where it is.
pub(crate) fn suspend(pid: u32) {
    each_thread(pid, |thread| {
        // SAFETY: the handle is open and has the right to suspend.
        unsafe { SuspendThread(thread) };
    });
}

/// Lets a stopped process go on.
pub(crate) fn resume(pid: u32) {
    each_thread(pid, |thread| {
        // A thread counts its suspensions.
        // SAFETY: the handle is open and has the right to resume.
        while matches!(unsafe { ResumeThread(thread) }, left if left > 1 && left != u32::MAX) {}
    });
}

/// Waits until a child has ended.
pub(crate) fn wait_for_end(child: &Child) -> impl FnOnce() + Send + use<> {
    let handle = child.as_handle().try_clone_to_owned();
    move || {
        if let Ok(handle) = handle {
            // SAFETY: the handle is open, and a child's may be waited for.
            unsafe { WaitForSingleObject(handle.as_raw_handle(), INFINITE) };
        }
    }
}

/// The exit code of an ended child, and the signal if [`signal`] ended it.
pub(crate) fn status_of(status: ExitStatus) -> (i32, Option<i32>) {
    let code = status.code().unwrap_or(-1);
    let signal = code - 128;
    (code, knows_signal(signal).then_some(signal))
}

fn each_thread(pid: u32, act: impl Fn(RawHandle)) {
    // SAFETY: CreateToolhelp32Snapshot has no memory arguments.
    let snapshot = unsafe { CreateToolhelp32Snapshot(TH32CS_SNAPTHREAD, 0) };
    let Some(snapshot) = owned(snapshot) else { return };
    // SAFETY: all zeros is a value of this plain structure.
    let mut entry: THREADENTRY32 = unsafe { std::mem::zeroed() };
    entry.dwSize = size_of::<THREADENTRY32>() as u32;
    // SAFETY: the snapshot is open, and the entry says how large it is.
    let mut more = unsafe { Thread32First(snapshot.as_raw_handle(), &mut entry) };
    while more != 0 {
        if entry.th32OwnerProcessID == pid {
            // SAFETY: OpenThread has no memory arguments.
            let thread = unsafe { OpenThread(THREAD_SUSPEND_RESUME, 0, entry.th32ThreadID) };
            if let Some(thread) = owned(thread) {
                act(thread.as_raw_handle());
            }
        }
        // SAFETY: as above.
        more = unsafe { Thread32Next(snapshot.as_raw_handle(), &mut entry) };
    }
}

/// Takes a handle that a call has made, if it has.
fn owned(handle: RawHandle) -> Option<OwnedHandle> {
    if handle.is_null() || handle == INVALID_HANDLE_VALUE {
        return None;
    }
    // SAFETY: the call has just made this handle for us alone.
    Some(unsafe { OwnedHandle::from_raw_handle(handle) })
}
