//! The form of a line in the log's file.

use jiff::Timestamp;

use super::{LogEntry, Stream};

/// A line of the file, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line<'a> {
    pub time: Timestamp,
    pub stream: Stream,
    pub full: bool,
    pub text: &'a [u8],
}

impl<'a> Line<'a> {
    /// None for a torn line (a supervisor killed in mid-write).
    pub fn parse(line: &'a [u8]) -> Option<Line<'a>> {
        let (time, stream, full, text) = split(line)?;
        let time = std::str::from_utf8(time).ok()?.parse().ok()?;
        Some(Line { time, stream, full, text })
    }

    pub fn to_entry(&self) -> LogEntry {
        let Line { time, stream, full, text } = *self;
        LogEntry { time, stream, full, text: text.to_vec() }
    }
}

/// Where a line came from and whether it ends here: what counting lines needs to know.
pub(super) fn kind(line: &[u8]) -> Option<(Stream, bool)> {
    split(line).map(|(_, stream, full, _)| (stream, full))
}

/// What the command wrote of it.
pub(super) fn text(line: &[u8]) -> Option<&[u8]> {
    split(line).map(|(.., text)| text)
}

fn split(line: &[u8]) -> Option<(&[u8], Stream, bool, &[u8])> {
    let (time, rest) = line.split_at(memchr::memchr(b' ', line)?);
    // The names of the streams all have six letters.
    let (tags, text) = rest.split_at_checked(b" stdout F ".len())?;
    let (stream, full) = match tags {
        b" stdout F " => (Stream::Stdout, true),
        b" stdout P " => (Stream::Stdout, false),
        b" stderr F " => (Stream::Stderr, true),
        b" stderr P " => (Stream::Stderr, false),
        b" system F " => (Stream::System, true),
        b" system P " => (Stream::System, false),
        _ => return None,
    };
    Some((time, stream, full, text))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_line_is_taken_apart_as_it_was_put_together(
            nanoseconds in 0_i64..2_000_000_000_000_000_000,
            stream in prop::sample::select(vec![Stream::Stdout, Stream::Stderr, Stream::System]),
            full: bool,
            text: Vec<u8>,
        ) {
            let time = Timestamp::from_nanosecond(nanoseconds.into()).unwrap();
            let tag = if full { "F" } else { "P" };
            let mut bytes = format!("{time:.9} {} {tag} ", stream.tag()).into_bytes();
            bytes.extend_from_slice(&text);
            let line = Line::parse(&bytes).unwrap();
            prop_assert_eq!(&line, &Line { time, stream, full, text: &text });
            prop_assert_eq!(kind(&bytes), Some((stream, full)));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, cut in 0_usize..60) {
            let _ = Line::parse(&bytes);
            let whole = b"2026-11-23T23:51:14.123456789Z stdout F text";
            let torn = &whole[..cut.min(whole.len())];
            prop_assert_eq!(Line::parse(torn).is_some(), torn.len() >= whole.len() - 4);
        }
    }
}
