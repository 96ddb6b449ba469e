//! What goes over an attached connection: one SOCK_SEQPACKET message is one frame, its first
//! byte says which. Plain bytes, because output need not be text.

use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv, send};

use crate::logs::Stream;
use crate::spec::TerminalSize;

/// The most bytes of output or input in one frame.
pub(crate) const LARGEST: usize = 32 << 10;

/// A frame, in either direction.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame<'a> {
    /// The command wrote this.
    Output(Stream, &'a [u8]),
    /// So many bytes of output were left out because the reader was too slow.
    Missed(u64),
    /// The user typed this.
    Input(&'a [u8]),
    /// The user has nothing more to say.
    CloseInput,
    /// The user's window has another size.
    Resize(TerminalSize),
}

impl Frame<'_> {
    /// As bytes.
    pub fn encode(&self) -> Vec<u8> {
        let tagged = |tag: u8, bytes: &[u8]| [&[tag], bytes].concat();
        match self {
            Frame::Output(Stream::Stderr, bytes) => tagged(b'2', bytes),
            Frame::Output(_, bytes) => tagged(b'1', bytes),
            Frame::Missed(count) => tagged(b'm', &count.to_le_bytes()),
            Frame::Input(bytes) => tagged(b'i', bytes),
            Frame::CloseInput => vec![b'c'],
            Frame::Resize(size) => {
                tagged(b'r', &[size.rows.to_le_bytes(), size.columns.to_le_bytes()].concat())
            }
        }
    }

    /// From bytes; None if they are no frame.
    pub fn decode(bytes: &[u8]) -> Option<Frame<'_>> {
        let (tag, rest) = bytes.split_first()?;
        Some(match tag {
            b'1' => Frame::Output(Stream::Stdout, rest),
            b'2' => Frame::Output(Stream::Stderr, rest),
            b'm' => Frame::Missed(u64::from_le_bytes(rest.try_into().ok()?)),
            b'i' => Frame::Input(rest),
            b'c' => Frame::CloseInput,
            b'r' => {
                let (rows, columns) = rest.split_first_chunk::<2>()?;
                let (rows, columns) =
                    (u16::from_le_bytes(*rows), u16::from_le_bytes(columns.try_into().ok()?));
                Frame::Resize(TerminalSize { rows, columns })
            }
            _ => return None,
        })
    }
}

/// Sends a frame; with `wait`, as long as it takes.
pub(crate) fn send_frame(
    socket: BorrowedFd<'_>,
    frame: &Frame<'_>,
    wait: bool,
) -> Result<(), Errno> {
    let flags = if wait { MsgFlags::empty() } else { MsgFlags::MSG_DONTWAIT };
    let bytes = frame.encode();
    loop {
        match send(socket.as_raw_fd(), &bytes, flags | MsgFlags::MSG_NOSIGNAL) {
            Ok(_) => return Ok(()),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

/// Receives a frame's bytes into `buffer`; 0 at the end of the connection.
pub(crate) fn receive_frame(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<usize, Errno> {
    loop {
        match recv(socket.as_raw_fd(), buffer, MsgFlags::empty()) {
            // The other has gone and left something unread, which is told once, and first: what
            // it sent before is still to be read, and then the end.
            Err(Errno::EINTR | Errno::ECONNRESET) => {}
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// The other side may send anything. What is understood is written as it was read.
        #[test]
        fn any_bytes_are_a_frame_or_refused(bytes: Vec<u8>, tag in prop::sample::select(b"12micr".to_vec())) {
            for bytes in [bytes.clone(), [&[tag], &bytes[..]].concat()] {
                if let Some(frame) = Frame::decode(&bytes)
                    && frame != Frame::CloseInput
                {
                    prop_assert_eq!(frame.encode(), bytes);
                }
            }
        }
    }

    #[test]
    fn every_frame_survives_the_way() {
        let size = TerminalSize { rows: 50, columns: 300 };
        for frame in [
            Frame::Output(Stream::Stdout, b"a\0b\n"),
            Frame::Output(Stream::Stderr, b""),
            Frame::Missed(1 << 40),
            Frame::Input(b"\x03"),
            Frame::CloseInput,
            Frame::Resize(size),
        ] {
            assert_eq!(Frame::decode(&frame.encode()), Some(frame));
        }
        for nonsense in [&b""[..], b"x", b"m12", b"r123"] {
            assert_eq!(Frame::decode(nonsense), None);
        }
    }
}
