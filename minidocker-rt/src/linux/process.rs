//! Processes that cannot be mistaken: a pid with its start time, held by a pidfd.

use std::fs;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, PidfdFlags};

use super::raw;
use crate::error::{Error, Result};
use crate::interrupt;
use crate::signal::Signal;
use crate::status::ProcessIdentity;

/// The identity of a live process of this machine.
pub(crate) fn identify(pid: i32) -> Option<ProcessIdentity> {
    let stat = Stat::of(pid)?;
    (!stat.ended).then_some(ProcessIdentity { pid, start_time: stat.start_time })
}

/// Whether a child of ours, not yet reaped, has begun to exit.
pub(crate) fn is_exiting(child: i32) -> bool {
    Stat::of(child).is_none_or(|stat| stat.ended || stat.exiting)
}

/// Whether a process has ended, has begun to exit, or is about to: a SIGKILL is on its way to
/// it. `proc` is the host's /proc, wherever that is now.
pub(crate) fn is_dying(proc: BorrowedFd<'_>, pid: i32) -> bool {
    let read = |name: &str| {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let file = rustix::fs::openat(proc, format!("{pid}/{name}"), flags, Mode::empty()).ok()?;
        let mut bytes = Vec::new();
        std::fs::File::from(file).read_to_end(&mut bytes).ok()?;
        Some(bytes)
    };
    let (Some(stat), Some(status)) = (read("stat"), read("status")) else { return true };
    Stat::parse(&stat).is_none_or(|stat| stat.ended || stat.exiting) || is_being_killed(&status)
}

/// Whether SIGKILL is among the pending signals (`man 5 proc_pid_status`).
fn is_being_killed(status: &[u8]) -> bool {
    const SIGKILL: u64 = 1 << (libc::SIGKILL - 1);
    status.split(|&byte| byte == b'\n').any(|line| {
        let pending = line.strip_prefix(b"SigPnd:").or_else(|| line.strip_prefix(b"ShdPnd:"));
        let pending = pending.and_then(|set| std::str::from_utf8(set).ok());
        let pending = pending.and_then(|set| u64::from_str_radix(set.trim(), 16).ok());
        pending.is_some_and(|set| set & SIGKILL != 0)
    })
}

/// What we need of /proc/PID/stat (`man 5 proc_pid_stat`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stat {
    /// A zombie is dead: it only waits for its parent to ask how it ended.
    ended: bool,
    /// Whether its exit has begun.
    exiting: bool,
    /// When it started, in clock ticks since boot.
    start_time: u64,
}

impl Stat {
    fn of(pid: i32) -> Option<Stat> {
        Stat::parse(&fs::read(format!("/proc/{pid}/stat")).ok()?)
    }

    fn parse(stat: &[u8]) -> Option<Stat> {
        // The kernel's PF_EXITING, a bit of the flags, which are field 9.
        const EXITING: u64 = 4;
        // The second field is the program's name in parentheses and may hold any bytes, spaces
        // and parentheses included; what follows the last ')' is regular.
        let regular = str::from_utf8(&stat[memchr::memrchr(b')', stat)? + 1..]).ok()?;
        let fields: Vec<&str> = regular.split_whitespace().collect();
        let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
        Some(Stat {
            ended: matches!(*fields.first()?, "Z" | "X"),
            exiting: number(9)? & EXITING != 0,
            start_time: number(22)?,
        })
    }
}

/// The calling process.
pub(crate) fn identify_self() -> Option<ProcessIdentity> {
    identify(i32::try_from(std::process::id()).ok()?)
}

/// Opens a process if it is alive and still the one meant. The pidfd is taken
/// before the check: a pid reused in between shows another start time.
pub(crate) fn open(identity: ProcessIdentity) -> Option<OwnedFd> {
    let pidfd =
        rustix::process::pidfd_open(Pid::from_raw(identity.pid)?, PidfdFlags::empty()).ok()?;
    (identify(identity.pid) == Some(identity)).then_some(pidfd)
}

/// A pidfd of a process whose number cannot have been used again: a child not yet reaped, or
/// the calling process.
pub(crate) fn pidfd_of(pid: i32) -> std::result::Result<OwnedFd, i32> {
    let pid = Pid::from_raw(pid).ok_or(libc::ESRCH)?;
    rustix::process::pidfd_open(pid, PidfdFlags::empty()).map_err(|errno| errno.raw_os_error())
}

/// Whether a process has ended.
pub(crate) fn has_ended(pidfd: &OwnedFd) -> bool {
    matches!(wait_readable(pidfd.as_fd(), Some(Duration::ZERO)), Ok(true))
}

/// Sends a signal; a process that has just ended is no error.
pub(crate) fn signal(pidfd: &OwnedFd, signal: i32) -> Result<()> {
    Signal::from_number(signal)?;
    match raw::pidfd_send_signal(pidfd.as_fd(), signal) {
        Ok(()) | Err(libc::ESRCH) => Ok(()),
        Err(errno) => {
            Err(Error::System { call: format!("pidfd_send_signal(pidfd, {signal})"), errno })
        }
    }
}

/// Waits until the descriptor is readable (a pidfd: until the process has ended),
/// at most `timeout`. Returns whether it is.
pub(crate) fn wait_readable(fd: BorrowedFd<'_>, timeout: Option<Duration>) -> Result<bool> {
    wait_for(fd, PollFlags::POLLIN, timeout)
}

/// Waits until poll(2) finds one of `events`, at most `timeout`. Returns whether it did.
pub(crate) fn wait_for(
    fd: BorrowedFd<'_>,
    events: PollFlags,
    timeout: Option<Duration>,
) -> Result<bool> {
    // A time that cannot be told is as good as no limit.
    let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let left = match interrupt::slice(left) {
            // poll(2) counts whole milliseconds: rounded up, never a busy loop.
            Some(left) => {
                PollTimeout::try_from(left.as_micros().div_ceil(1000)).unwrap_or(PollTimeout::MAX)
            }
            None => PollTimeout::NONE,
        };
        match poll(&mut [PollFd::new(fd.as_fd(), events)], left) {
            Ok(0) if deadline.is_none_or(|deadline| Instant::now() < deadline) => {}
            Ok(count) => return Ok(count > 0),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(Error::System { call: "poll".into(), errno: errno as i32 }),
        }
        interrupt::check()?;
    }
}

/// Identifies this boot of the machine: pids mean nothing in another.
pub(crate) fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_string()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// A program may call itself what it likes.
        #[test]
        fn no_name_hides_what_follows_it(
            name in prop::collection::vec(1_u8.., 0..16),
            ended: bool,
            exiting: bool,
            start_time: u64,
        ) {
            let state = if ended { 'Z' } else { 'S' };
            let flags = 0x0040_0100 | if exiting { 4 } else { 0 };
            let rest = format!(
                ") {state} 1 42 42 0 -1 {flags} 9 0 0 0 1 2 0 0 20 0 1 0 {start_time} 1 2 3"
            );
            let text = [b"42 (", &name[..], rest.as_bytes()].concat();
            prop_assert_eq!(Stat::parse(&text), Some(Stat { ended, exiting, start_time }));
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,60}|[ ()a-zA-Z0-9-]{0,60}") {
            let _ = Stat::parse(text.as_bytes());
        }
    }

    #[test]
    fn a_kill_that_is_on_its_way_is_seen() {
        let mut child = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        let (pid, proc) = (child.id().cast_signed(), fs::File::open("/proc").unwrap());
        assert!(!is_dying(proc.as_fd(), pid));
        child.kill().unwrap();
        assert!(is_dying(proc.as_fd(), pid), "pending, exiting or a zombie");
        child.wait().unwrap();
        assert!(is_dying(proc.as_fd(), pid), "gone");
        assert!(is_being_killed(b"SigPnd:\t0000000000000000\nShdPnd:\t0000000000000100\n"));
        assert!(!is_being_killed(b"SigPnd:\t0000000000000002\nShdPnd:\t0000000000000200\n"));
        assert!(!is_being_killed(b"\xff\nShdPnd:\txyz"));
    }

    #[test]
    fn this_process_is_alive_and_not_exiting() {
        let myself = identify_self().unwrap();
        assert!(!is_exiting(myself.pid));
        assert!(open(myself).is_some());
        assert!(open(ProcessIdentity { start_time: myself.start_time + 1, ..myself }).is_none());
    }
}
