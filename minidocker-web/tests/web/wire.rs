//! Clients of streams: server-sent events and WebSockets, as few lines as they need.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};

use crate::http::request;

/// A stream of events that is being read.
pub struct Events {
    reader: BufReader<TcpStream>,
    text: String,
}

/// One message of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    pub id: Option<String>,
    /// Empty for messages without a name.
    pub event: String,
    pub data: Value,
}

impl Events {
    #[track_caller]
    pub fn open(server: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Events {
        let mut stream = TcpStream::connect(server).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream.write_all(&request(server, "GET", path, headers, b"")).unwrap();
        let mut reader = BufReader::new(stream);
        let head = head(&mut reader);
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        assert!(head.contains("content-type: text/event-stream\r\n"), "{head}");
        Events { reader, text: String::new() }
    }

    /// The next message that is no comment; None at the end of the stream.
    pub fn next(&mut self) -> Option<Message> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| {
                    let value = |line: &str| Some(line.strip_prefix(name)?.to_string());
                    block.lines().find_map(value)
                };
                let (id, event, data) = (field("id: "), field("event: "), field("data: "));
                self.text = rest.to_string();
                let Some(data) = data else { continue };
                let data = serde_json::from_str(&data).unwrap();
                return Some(Message { id, event: event.unwrap_or_default(), data });
            }
            let chunk = self.chunk()?;
            self.text += &chunk;
        }
    }

    /// The next message of this name.
    #[track_caller]
    pub fn until(&mut self, event: &str) -> Message {
        loop {
            let message = self.next().unwrap_or_else(|| panic!("it ends without {event:?}"));
            if message.event == event {
                return message;
            }
        }
    }

    fn chunk(&mut self) -> Option<String> {
        let mut size = String::new();
        self.reader.read_line(&mut size).ok()?;
        let size = usize::from_str_radix(size.trim(), 16).ok().filter(|size| *size > 0)?;
        let mut bytes = vec![0; size + 2];
        self.reader.read_exact(&mut bytes).ok()?;
        bytes.truncate(size);
        String::from_utf8(bytes).ok()
    }
}

fn head(reader: &mut impl BufRead) -> String {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(reader.read_line(&mut head).unwrap() > 0, "{head}");
    }
    head
}

/// An open WebSocket.
pub struct Socket {
    reader: BufReader<TcpStream>,
}

/// What comes over it.
#[derive(Debug, PartialEq)]
pub enum Frame {
    Text(Value),
    Binary(Vec<u8>),
    Close,
}

impl Socket {
    #[track_caller]
    pub fn open(server: SocketAddr, path: &str) -> Socket {
        let mut stream = TcpStream::connect(server).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let headers = [
            ("Connection", "Upgrade"),
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        stream.write_all(&request(server, "GET", path, &headers, b"")).unwrap();
        let mut reader = BufReader::new(stream);
        let head = head(&mut reader);
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        Socket { reader }
    }

    pub fn say(&mut self, message: &Value) {
        self.send(1, message.to_string().as_bytes());
    }

    pub fn type_in(&mut self, bytes: &[u8]) {
        self.send(2, bytes);
    }

    /// A message in several frames.
    pub fn send_pieces(&mut self, opcode: u8, pieces: &[&[u8]]) {
        for (number, piece) in pieces.iter().enumerate() {
            let opcode = if number == 0 { opcode } else { 0 };
            let last = if number + 1 == pieces.len() { 0x80 } else { 0 };
            self.send_frame(last | opcode, piece);
        }
    }

    /// Sends data for as long as it is taken. Returns how much was.
    pub fn type_until_it_blocks(&mut self) -> usize {
        self.reader.get_ref().set_write_timeout(Some(Duration::from_secs(5))).unwrap();
        let frame = frame(0x82, &[b'x'; 60_000]);
        let mut taken = 0;
        // In frames as a whole: what a write could not finish is the last.
        loop {
            let mut rest = &frame[..];
            while !rest.is_empty() {
                match self.reader.get_mut().write(rest) {
                    Ok(count) => rest = &rest[count..],
                    Err(_) => return taken,
                }
            }
            taken += 60_000;
        }
    }

    fn send(&mut self, opcode: u8, bytes: &[u8]) {
        self.send_frame(0x80 | opcode, bytes);
    }

    fn send_frame(&mut self, first: u8, bytes: &[u8]) {
        self.reader.get_mut().write_all(&frame(first, bytes)).unwrap();
    }

    /// The next frame but pings.
    pub fn next(&mut self) -> Frame {
        loop {
            let mut head = [0; 2];
            if self.reader.read_exact(&mut head).is_err() {
                return Frame::Close;
            }
            let length = match head[1] {
                126 => self.number::<2>(),
                127 => self.number::<8>(),
                length => u64::from(length),
            };
            let mut bytes = vec![0; length as usize];
            self.reader.read_exact(&mut bytes).unwrap();
            match head[0] & 0x0f {
                1 => return Frame::Text(serde_json::from_slice(&bytes).unwrap()),
                2 => return Frame::Binary(bytes),
                8 => return Frame::Close,
                _ => {}
            }
        }
    }

    fn number<const N: usize>(&mut self) -> u64 {
        let mut bytes = [0; N];
        self.reader.read_exact(&mut bytes).unwrap();
        bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    /// Reads what stream `number` gets until it ends with `end`.
    #[track_caller]
    pub fn read_until(&mut self, number: u8, end: &[u8]) -> Vec<u8> {
        let mut seen = Vec::new();
        while !seen.ends_with(end) {
            match self.next() {
                Frame::Binary(bytes) if bytes[0] == number => seen.extend(&bytes[1..]),
                other => panic!("{other:?} after {:?}", String::from_utf8_lossy(&seen)),
            }
        }
        seen
    }

    /// Reads all to the end: both streams, and the last message.
    pub fn finish(mut self) -> (Vec<u8>, Vec<u8>, Value) {
        let (mut out, mut err, mut last) = (Vec::new(), Vec::new(), json!(null));
        loop {
            match self.next() {
                Frame::Binary(bytes) if bytes[0] == 1 => out.extend(&bytes[1..]),
                Frame::Binary(bytes) => err.extend(&bytes[1..]),
                Frame::Text(text) => last = text,
                Frame::Close => return (out, err, last),
            }
        }
    }
}

/// Frames of a client are masked; a mask of zeros changes nothing.
fn frame(first: u8, bytes: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match bytes.len() {
        length @ ..126 => frame.push(0x80 | length as u8),
        length @ ..65_536 => {
            frame.push(0x80 | 126);
            frame.extend((length as u16).to_be_bytes());
        }
        length => {
            frame.push(0x80 | 127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(bytes);
    frame
}
