//! Names and paths of files. A container may make them of any bytes but NUL.
//!
//! They are shown as text, with U+FFFD for what is not UTF-8. Where that is not the name itself,
//! the bytes stand beside it, so that the file can be read and removed; in JSON they are
//! percent-encoded, ready to be put into a URL.

/// The text of a name, and its bytes if the text is not the same.
pub(crate) fn shown(bytes: &[u8]) -> (String, Option<Vec<u8>>) {
    match str::from_utf8(bytes) {
        Ok(text) => (text.to_string(), None),
        Err(_) => (String::from_utf8_lossy(bytes).into_owned(), Some(bytes.to_vec())),
    }
}

/// The text of a name, of which `field` is noted if it is not the name itself.
pub(crate) fn noted(field: &str, bytes: &[u8], not_utf8: &mut Vec<String>) -> String {
    let (text, other) = shown(bytes);
    not_utf8.extend(other.map(|_| field.to_string()));
    text
}

/// The text of a path, for messages.
pub(crate) fn text(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}

/// Bytes that may be missing, percent-encoded.
pub(crate) mod percent {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(bytes: &Option<Vec<u8>>, to: S) -> Result<S::Ok, S::Error> {
        bytes.as_deref().map(encode).serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<u8>>, D::Error> {
        let text = Option::<String>::deserialize(from)?;
        let bad = || D::Error::custom("bytes are to be percent-encoded");
        text.map(|text| decode(&text).ok_or_else(bad)).transpose()
    }

    /// Letters, digits and what a URL takes as it is; all else as `%` and two hexadecimal digits.
    fn encode(bytes: &[u8]) -> String {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
        bytes.iter().fold(String::with_capacity(bytes.len()), |text, &byte| match plain(byte) {
            true => text + char::from(byte).encode_utf8(&mut [0; 1]),
            false => text + &format!("%{byte:02X}"),
        })
    }

    fn decode(text: &str) -> Option<Vec<u8>> {
        let mut bytes = Vec::with_capacity(text.len());
        let mut rest = text.as_bytes();
        while let Some((&byte, after)) = rest.split_first() {
            if byte != b'%' {
                bytes.push(byte);
                rest = after;
                continue;
            }
            let digits = after.get(..2).and_then(|digits| str::from_utf8(digits).ok())?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &after[2..];
        }
        Some(bytes)
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn bytes_come_back_as_they_were() {
            let all: Vec<u8> = (1..=255).collect();
            assert_eq!(decode(&encode(&all)), Some(all));
            assert_eq!(encode(b"/caf\xe9 %/~"), "/caf%E9%20%25/~");
            assert_eq!((decode("%"), decode("%4"), decode("%zz")), (None, None, None));
        }
    }
}
