//! Waiting for a descriptor without a thread.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A descriptor that can be waited for. A copy, so that its owner keeps the original.
pub(crate) struct Readable(AsyncFd<OwnedFd>);

impl Readable {
    pub fn of(fd: &impl AsFd) -> io::Result<Readable> {
        Ok(Readable(watched(fd, Interest::READABLE)?))
    }

    /// Waits until a read would not block.
    pub async fn ready(&self) -> io::Result<()> {
        loop {
            let mut guard = self.0.readable().await?;
            // The reactor learns of changes only, not of what was read since: ask again.
            if is_ready(self.0.get_ref().as_fd(), PollFlags::POLLIN)? {
                return Ok(());
            }
            guard.clear_ready();
        }
    }
}

/// As [`Readable`], for one that is written to.
pub(crate) struct Writable(AsyncFd<OwnedFd>);

impl Writable {
    pub fn of(fd: &impl AsFd) -> io::Result<Writable> {
        Ok(Writable(watched(fd, Interest::WRITABLE)?))
    }

    /// Whether something can be written now.
    pub fn is_ready(&self) -> bool {
        is_ready(self.0.get_ref().as_fd(), PollFlags::POLLOUT).unwrap_or(true)
    }

    /// Waits until something can be written.
    pub async fn ready(&self) -> io::Result<()> {
        loop {
            let mut guard = self.0.writable().await?;
            if is_ready(self.0.get_ref().as_fd(), PollFlags::POLLOUT)? {
                return Ok(());
            }
            guard.clear_ready();
        }
    }
}

/// A copy of the descriptor, known to the reactor.
fn watched(fd: &impl AsFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    let copy = fd.as_fd().try_clone_to_owned()?;
    // SAFETY: an OwnedFd names one open descriptor, the same one until it is dropped, and the
    // AsyncFd owns it until then.
    Ok(unsafe { AsyncFd::register_with_interest(copy, interest) }?)
}

/// Waits until the other side of a connection will send nothing more.
pub(crate) async fn closed(socket: OwnedFd) {
    // SAFETY: as in `watched`.
    let registered = unsafe { AsyncFd::register_with_interest(socket, Interest::READABLE) };
    let Ok(watched) = registered else {
        return std::future::pending().await;
    };
    while let Ok(mut guard) = watched.ready(Interest::READABLE).await {
        if guard.ready().is_read_closed() {
            return;
        }
        // More of a request, which is not for us to read.
        guard.clear_ready();
    }
}

fn is_ready(fd: BorrowedFd<'_>, flags: PollFlags) -> io::Result<bool> {
    let mut fds = [PollFd::new(fd, flags)];
    // An end or an error counts too: it will be told by the read.
    Ok(poll(&mut fds, PollTimeout::ZERO)? > 0)
}

/// Makes reads and writes say that they would block instead of doing so.
pub(crate) fn nonblocking(fd: &impl AsFd) {
    let _ = fcntl(fd.as_fd(), FcntlArg::F_SETFL(OFlag::O_NONBLOCK));
}
