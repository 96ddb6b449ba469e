//! Who is attached to a container, and the command's input: the supervisor's side of
//! `Container::attach`.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::socket::{setsockopt, sockopt};

use super::frames::{Frame, LARGEST, receive_frame, send_frame};
use super::terminal;
use crate::logs::Stream;

/// How much output waits for an attached program that is slow to read, in bytes. After that
/// it misses some: it must not hold up the container, nor fill this process's memory.
const PATIENCE: usize = 1 << 20;

/// Ctrl-D: how one says "end of file" on a terminal.
const END_OF_TRANSMISSION: u8 = 4;

/// The attached programs, and what they type.
#[derive(Default)]
pub(crate) struct Attachments {
    clients: Vec<Client>,
    /// Where input goes: the writing end of a pipe, or the terminal.
    input: Option<OwnedFd>,
    /// Whether input is taken: a terminal has a size also without.
    stdin: bool,
    tty: bool,
    /// Input that the command has not taken yet.
    pending: VecDeque<u8>,
    /// Whether the input is to be closed when all of it is taken.
    closing: bool,
}

struct Client {
    socket: OwnedFd,
    missed: u64,
    /// Whether it has closed its end. What it typed before still counts, so it stays until
    /// all of that was read.
    left: bool,
}

impl Attachments {
    /// For a command with this input, if it has any.
    pub fn new(input: Option<OwnedFd>, stdin: bool, tty: bool) -> Attachments {
        if let Some(input) = &input {
            let _ = fcntl(input, FcntlArg::F_SETFL(OFlag::O_NONBLOCK));
        }
        Attachments { input, stdin, tty, ..Attachments::default() }
    }

    /// Takes in a program that was told it is attached.
    pub fn add(&mut self, socket: OwnedFd) {
        set_patience(&socket, PATIENCE);
        self.clients.push(Client { socket, missed: 0, left: false });
    }

    /// Shows output to all.
    pub fn show(&mut self, stream: Stream, bytes: &[u8]) {
        for client in self.clients.iter_mut().filter(|client| !client.left) {
            client.left = !client.show(stream, bytes);
        }
    }

    /// Nothing will follow: tells those that missed something how much, for which there is
    /// room at last.
    pub fn end(&mut self) {
        for client in self.clients.iter().filter(|client| client.missed > 0) {
            set_patience(&client.socket, 2 * PATIENCE);
            let _ = send_frame(client.socket.as_fd(), &Frame::Missed(client.missed), false);
        }
        self.clients.clear();
    }

    /// The programs to listen to: none while the command has not taken what was typed before.
    pub fn listened(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let busy = !self.pending.is_empty();
        self.clients.iter().filter(move |_| !busy).map(|client| client.socket.as_fd())
    }

    /// The input, while something waits to be written to it.
    pub fn written(&self) -> Option<BorrowedFd<'_>> {
        self.input.as_ref().filter(|_| !self.pending.is_empty()).map(AsFd::as_fd)
    }

    /// Listens to the client that `listened` told as the `index`th.
    pub fn listen(&mut self, index: usize) {
        let Some(client) = self.clients.get(index) else { return };
        let mut buffer = vec![0; LARGEST + 1];
        let length = receive_frame(client.socket.as_fd(), &mut buffer).unwrap_or(0);
        match Frame::decode(&buffer[..length]) {
            Some(Frame::Input(bytes)) if self.takes_input() => {
                self.pending.extend(bytes);
            }
            Some(Frame::CloseInput) if !self.takes_input() => {}
            Some(Frame::CloseInput) if self.tty => self.pending.push_back(END_OF_TRANSMISSION),
            Some(Frame::CloseInput) => self.closing = true,
            Some(Frame::Resize(size)) if self.tty => {
                if let Some(terminal) = &self.input {
                    let _ = terminal::set_size(terminal.as_fd(), size);
                }
            }
            Some(_) => {}
            // Gone, or out of its mind.
            None => drop(self.clients.remove(index)),
        }
        self.write();
    }

    fn takes_input(&self) -> bool {
        self.stdin && self.input.is_some() && !self.closing
    }

    /// Gives the command as much of its input as it takes.
    pub fn write(&mut self) {
        while let Some(input) = self.input.as_ref().filter(|_| !self.pending.is_empty()) {
            match nix::unistd::write(input, self.pending.as_slices().0) {
                Ok(count) => drop(self.pending.drain(..count)),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return,
                // Nobody reads it any more.
                Err(_) => {
                    self.input = None;
                    self.pending.clear();
                }
            }
        }
        if self.closing {
            self.input = None;
        }
    }
}

/// Root may go beyond the limit for sockets; others get what they get.
fn set_patience(socket: &OwnedFd, bytes: usize) {
    if setsockopt(socket, sockopt::SndBufForce, &bytes).is_err() {
        let _ = setsockopt(socket, sockopt::SndBuf, &bytes);
    }
}

impl Client {
    /// Returns whether it is still there.
    fn show(&mut self, stream: Stream, bytes: &[u8]) -> bool {
        for part in bytes.chunks(LARGEST) {
            if self.missed > 0 {
                match send_frame(self.socket.as_fd(), &Frame::Missed(self.missed), false) {
                    Ok(()) => self.missed = 0,
                    Err(Errno::EAGAIN) => {}
                    Err(_) => return false,
                }
            }
            let sent = match self.missed {
                0 => send_frame(self.socket.as_fd(), &Frame::Output(stream, part), false),
                _ => Err(Errno::EAGAIN),
            };
            match sent {
                Ok(()) => {}
                Err(Errno::EAGAIN) => self.missed += part.len() as u64,
                Err(_) => return false,
            }
        }
        true
    }
}
