//! The supervisor's ends of the command's output, and the way from there into the log.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use rustix::buffer::spare_capacity;
use rustix::io::Errno;

use crate::logs::{LogWriter, Stream};

/// How much of the output is read at once.
const CHUNK: usize = 64 << 10;

/// A pipe holds 64 KiB, and at most this much if the container enlarges it
/// (`man 7 pipe`, pipe-max-size).
const LARGEST_PIPE: usize = 1 << 20;

/// What the command writes: two pipes, or a terminal, whose one stream counts as stdout.
pub(crate) struct Output {
    sources: Vec<(Stream, OwnedFd)>,
    /// Reused for every read, so that a busy container allocates nothing; none until there is
    /// output, so that a silent one takes no memory.
    chunk: Vec<u8>,
}

impl Output {
    /// From the reading ends, which are made non-blocking.
    pub fn new(sources: Vec<(Stream, OwnedFd)>) -> Output {
        for (_, source) in &sources {
            let _ = fcntl(source, FcntlArg::F_SETFL(OFlag::O_NONBLOCK));
        }
        Output { sources, chunk: Vec::new() }
    }

    /// What to wait for.
    pub fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.sources.iter().map(|(_, source)| source.as_fd())
    }

    /// Reads a chunk of each source into the log, and shows it to `tee`. Returns whether
    /// there was any.
    pub fn pump(&mut self, log: &mut LogWriter, tee: &mut dyn FnMut(Stream, &[u8])) -> bool {
        let mut any = false;
        let chunk = &mut self.chunk;
        self.sources.retain(|(stream, source)| {
            chunk.clear();
            chunk.reserve_exact(CHUNK);
            match rustix::io::read(source, spare_capacity(chunk)) {
                Ok(0) => false,
                Ok(_) => {
                    any = true;
                    // A full disk must not stop the container: output is lost, not it.
                    if let Err(error) = log.output(*stream, chunk) {
                        log::warn!("{error}");
                    }
                    // What somebody has seen is in the log.
                    tee(*stream, chunk);
                    true
                }
                Err(Errno::AGAIN | Errno::INTR) => true,
                // EIO is how a terminal says that nobody has its other end any more.
                Err(_) => false,
            }
        });
        any
    }

    /// After the container's end: what is left in the pipes is read, and no more than they
    /// can hold, because a process outside the container may have the other end, and write
    /// for as long as it likes.
    pub fn drain(&mut self, log: &mut LogWriter, tee: &mut dyn FnMut(Stream, &[u8])) {
        for _ in 0..=LARGEST_PIPE / CHUNK {
            if !self.pump(log, tee) {
                break;
            }
        }
    }
}
