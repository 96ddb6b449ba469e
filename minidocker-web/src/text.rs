//! Text made of bytes. What comes from a container or from /proc may be any bytes, and JSON
//! carries text alone: what is not UTF-8 becomes U+FFFD. So that nobody takes that for what
//! was written, each object of an answer names in its field `not_utf8` the fields in which it
//! happened; the field is left out where there is none.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::Serialize;

/// The names of the fields whose bytes were no text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct NotUtf8(Vec<&'static str>);

impl NotUtf8 {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The bytes of a field as text.
    pub fn text(&mut self, field: &'static str, bytes: Vec<u8>) -> String {
        // Most are UTF-8, and need no copy.
        String::from_utf8(bytes).unwrap_or_else(|error| {
            self.note(field);
            String::from_utf8_lossy(error.as_bytes()).into_owned()
        })
    }

    /// As [`NotUtf8::text`], for a field that is made of several.
    pub fn note(&mut self, field: &'static str) {
        if !self.0.contains(&field) {
            self.0.push(field);
        }
    }
}

/// Without the beginning of a character at the end, whose others were cut off.
pub(crate) fn whole_characters(bytes: &[u8]) -> &[u8] {
    let tail = bytes.len().saturating_sub(3);
    for start in tail..bytes.len() {
        // At the first byte of a character that lacks some, there is no length of an error.
        if let Err(error) = std::str::from_utf8(&bytes[start..])
            && error.error_len().is_none()
            && error.valid_up_to() == 0
        {
            return &bytes[..start];
        }
    }
    bytes
}

/// So much is read of a file of the kernel: how long some are is up to the container.
pub(crate) const LARGEST: usize = 16 << 20;

/// A file of the kernel, of which only the ASCII is of interest.
pub(crate) fn read(path: impl AsRef<Path>) -> Option<String> {
    beginning(path, LARGEST).map(|bytes| NotUtf8::default().text("", bytes))
}

/// A file of the kernel, up to so many bytes.
pub(crate) fn beginning(path: impl AsRef<Path>, most: usize) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(most as u64).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_cut_ends_with_a_whole_character() {
        for (bytes, whole) in [
            (&b""[..], &b""[..]),
            (b"ab", b"ab"),
            ("a€".as_bytes(), "a€".as_bytes()),
            (b"a\xe2\x82", b"a"),
            (b"\xf0\x9f\x98", b""),
            (b"a\xff", b"a\xff"),
            (b"\xc3\xbca\xc3", b"\xc3\xbca"),
        ] {
            assert_eq!(whole_characters(bytes), whole, "{bytes:?}");
        }
    }

    #[test]
    fn the_fields_that_are_no_text_are_named_once() {
        let mut not_utf8 = NotUtf8::default();
        assert_eq!(not_utf8.text("a", "é".into()), "é");
        assert!(not_utf8.is_empty());
        assert_eq!(not_utf8.text("b", b"x\xff".to_vec()), "x\u{fffd}");
        assert_eq!(not_utf8.text("b", b"\xff".to_vec()), "\u{fffd}");
        assert_eq!(serde_json::to_string(&not_utf8).unwrap(), r#"["b"]"#);
    }
}
