//! Processes of a container whose parents have ended (daemons are made that way): Linux gives
//! them to this process, which asked for it (`man 2 PR_SET_CHILD_SUBREAPER`). So they are still
//! found below it, and somebody reaps them.

use std::collections::BTreeSet;
use std::process::{Child, Command};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, WaitId, WaitIdOptions, getpid, set_child_subreaper, waitid};

/// The children that this process has started itself and not reaped yet. Their ends are asked
/// for by who started them.
static CHILDREN: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());
/// Told when [`CHILDREN`] has changed.
static CHANGED: Condvar = Condvar::new();

/// When to ask again for a child that was not found.
const SOON: Duration = Duration::from_millis(10);

fn children() -> MutexGuard<'static, BTreeSet<u32>> {
    CHILDREN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From now on orphans are this process's, which reaps them in a thread.
pub(super) fn adopt() {
    if set_child_subreaper(Some(getpid())).is_ok() {
        let thread = std::thread::Builder::new().name("reaper".into()).stack_size(64 << 10);
        if let Err(error) = thread.spawn(|| reap_for_ever()) {
            log::warn!("orphans are not reaped: {error}");
        }
    }
}

/// Starts a child that is no orphan. The lock is held meanwhile: one that ends at once must not
/// be taken for one.
pub(super) fn spawn(command: &mut Command) -> std::io::Result<Child> {
    let mut children = children();
    let child = command.spawn()?;
    children.insert(child.id());
    CHANGED.notify_all();
    Ok(child)
}

/// A child was reaped by who started it.
pub(super) fn reaped(pid: u32) {
    children().remove(&pid);
    CHANGED.notify_all();
}

fn reap_for_ever() -> ! {
    loop {
        let ended = next_ended();
        let mut known = children();
        match ended {
            // Without a child there can be no orphan: the next child changes that.
            None if known.is_empty() => drop(CHANGED.wait(known)),
            // It was started since, or was reaped just now and is about to be forgotten.
            None => drop(CHANGED.wait_timeout(known, SOON)),
            Some(pid) if known.contains(&pid) => {
                while known.contains(&pid) {
                    known = CHANGED.wait(known).unwrap_or_else(PoisonError::into_inner);
                }
            }
            Some(pid) => {
                let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
                let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
                let _ = pid.map(|pid| waitid(WaitId::Pid(pid), options));
            }
        }
    }
}

/// Waits until a child has ended, and leaves it to be reaped. None if there is no child.
fn next_ended() -> Option<u32> {
    loop {
        // SAFETY: all zeros is a value of this plain structure, and the call fills it in.
        // (rustix does not tell the pid.)
        let (code, pid) = unsafe {
            let mut info: libc::siginfo_t = std::mem::zeroed();
            let options = libc::WEXITED | libc::WNOWAIT;
            let code = libc::waitid(libc::P_ALL, 0, &raw mut info, options);
            (code, info.si_pid())
        };
        match code {
            0 => return u32::try_from(pid).ok(),
            _ if std::io::Error::last_os_error().kind() == std::io::ErrorKind::Interrupted => {}
            _ => return None,
        }
    }
}
