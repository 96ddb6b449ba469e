//! Pseudoterminals (`man 7 pty`), allocated by us inside the container's own devpts.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::libc;
use rustix::fs::{Mode, OFlags};

use super::raw::last_errno;
use crate::spec::TerminalSize;

/// A terminal's two ends: the master is ours, the other is the program's.
pub(crate) struct Pty {
    pub master: OwnedFd,
    pub slave: OwnedFd,
}

/// Allocates a terminal from the devpts below the calling process's root, of a given size
/// from the start.
///
/// The kernel is asked for the other end of *this* master (TIOCGPTPEER); a path such as
/// /dev/pts/0 could lead to something else in a container that prepared it (CVE-2019-16884
/// and its kin).
pub(crate) fn allocate(size: TerminalSize) -> Result<Pty, i32> {
    let master = rustix::fs::open(
        "/dev/pts/ptmx",
        OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .map_err(|errno| errno.raw_os_error())?;
    let stat = rustix::fs::fstat(&master).map_err(|errno| errno.raw_os_error())?;
    if stat.st_rdev != rustix::fs::makedev(5, 2) {
        return Err(libc::ENODEV);
    }
    let unlock: libc::c_int = 0;
    // SAFETY: TIOCSPTLCK reads one int.
    if unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCSPTLCK, &raw const unlock) } != 0 {
        return Err(last_errno());
    }
    let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
    // SAFETY: TIOCGPTPEER takes flags by value; the new descriptor is ours alone.
    let slave = unsafe {
        let fd = libc::ioctl(master.as_raw_fd(), libc::TIOCGPTPEER, flags);
        if fd < 0 {
            return Err(last_errno());
        }
        OwnedFd::from_raw_fd(fd)
    };
    set_size(master.as_fd(), size)?;
    Ok(Pty { master, slave })
}

/// Tells the terminal its size; programs on it get SIGWINCH.
pub(crate) fn set_size(terminal: BorrowedFd<'_>, size: TerminalSize) -> Result<(), i32> {
    let size =
        libc::winsize { ws_row: size.rows, ws_col: size.columns, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: TIOCSWINSZ reads one winsize.
    let result = unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) };
    if result == 0 { Ok(()) } else { Err(last_errno()) }
}

/// Makes the terminal the controlling one of the calling process, which becomes the leader
/// of a new session: from here on Ctrl-C is a signal to it.
pub(crate) fn take_control(slave: BorrowedFd<'_>) -> Result<(), i32> {
    // It may lead a session already.
    let _ = nix::unistd::setsid();
    // SAFETY: TIOCSCTTY takes an int by value.
    let result = unsafe { libc::ioctl(slave.as_raw_fd(), libc::TIOCSCTTY, 0) };
    if result == 0 { Ok(()) } else { Err(last_errno()) }
}
