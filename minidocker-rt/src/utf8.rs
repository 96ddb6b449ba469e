//! Text that a limit cut off.

/// How many bytes at the end are the beginning of a character of UTF-8 whose others are missing.
pub(crate) fn unfinished(bytes: &[u8]) -> usize {
    let last = bytes.iter().rev().take(3);
    // The bytes of a character after its first begin with the bits 10.
    let Some(after) = last.clone().position(|byte| byte & 0xc0 != 0x80) else { return 0 };
    let length = match bytes[bytes.len() - 1 - after] {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => return 0,
    };
    if after + 1 < length { after + 1 } else { 0 }
}

/// Bytes as text, of which there may have been more: what is not UTF-8 becomes U+FFFD, but for
/// a character that was cut off at the end.
pub(crate) fn cut_off(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len() - unfinished(bytes)]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_that_was_cut_off_is_left_out() {
        for (bytes, text) in [
            (&b""[..], ""),
            ("a€".as_bytes(), "a€"),
            (b"a\xe2\x82", "a"),
            (b"\xf0\x9f\x98", ""),
            (b"a\xff", "a\u{fffd}"),
            (b"\xc3\xbca\xc3", "üa"),
            (b"\x80\x80\x80\x80", "\u{fffd}\u{fffd}\u{fffd}\u{fffd}"),
        ] {
            assert_eq!(cut_off(bytes), text, "{bytes:?}");
        }
    }
}
