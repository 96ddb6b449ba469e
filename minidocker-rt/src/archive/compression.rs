//! Compressed archives, told by their first bytes.

use std::io::{BufRead, Read};

use super::refuse;
use crate::error::{Error, Result};

const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
/// Begins a frame that says nothing, with any last four bits: some compressors put one first.
const ZSTD_SKIPPABLE: [u8; 4] = [0x50, 0x2a, 0x4d, 0x18];
const XZ: &[u8] = &[0xfd, b'7', b'z', b'X', b'Z', 0];
const BZIP2: &[u8] = b"BZh";

/// The content of a file that may be compressed with gzip or zstd.
///
/// # Errors
/// [`Error::BadArchive`] if it is compressed in another way.
pub(crate) fn decompress<'a>(mut file: impl BufRead + 'a) -> Result<Box<dyn Read + 'a>> {
    let begin = file.fill_buf().map_err(unreadable)?;
    let other = |name: &str| {
        let why = format!("it is compressed with {name}; only gzip and zstd are understood");
        Err(refuse("the archive", why))
    };
    if begin.starts_with(GZIP) {
        // A file may consist of several compressed parts.
        return Ok(Box::new(flate2::bufread::MultiGzDecoder::new(file)));
    }
    let skippable =
        begin.len() >= 4 && [begin[0] & 0xf0, begin[1], begin[2], begin[3]] == ZSTD_SKIPPABLE;
    if begin.starts_with(ZSTD) || skippable {
        return Ok(Box::new(zstd::stream::read::Decoder::with_buffer(file).map_err(unreadable)?));
    }
    if begin.starts_with(XZ) {
        return other("xz");
    }
    if begin.starts_with(BZIP2) {
        return other("bzip2");
    }
    Ok(Box::new(file))
}

/// An archive that cannot be read to its end.
pub(crate) fn unreadable(error: std::io::Error) -> Error {
    refuse("the archive", format!("it cannot be read: {}", crate::error::plain_reason(&error)))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn read(bytes: &[u8]) -> Result<Vec<u8>> {
        let mut content = Vec::new();
        decompress(bytes)?.read_to_end(&mut content).map_err(unreadable)?;
        Ok(content)
    }

    #[test]
    fn what_is_compressed_with_gzip_or_zstd_or_not_at_all_is_read() {
        let gzip = || {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), Default::default());
            encoder.write_all(b"hello ").unwrap();
            encoder.finish().unwrap()
        };
        assert_eq!(read(&gzip()).unwrap(), b"hello ");
        assert_eq!(read(&[gzip(), gzip()].concat()).unwrap(), b"hello hello ", "two parts");
        let zstd = || zstd::encode_all(&b"hello "[..], 0).unwrap();
        assert_eq!(read(&zstd()).unwrap(), b"hello ");
        assert_eq!(read(&[zstd(), zstd()].concat()).unwrap(), b"hello hello ", "two parts");
        assert_eq!(read(b"plain").unwrap(), b"plain");
        assert_eq!(read(b"").unwrap(), b"");
    }

    #[test]
    fn what_is_compressed_otherwise_or_cut_off_is_refused() {
        assert!(read(XZ).unwrap_err().to_string().contains("xz"));
        assert!(read(b"BZh9").unwrap_err().to_string().contains("bzip2"));
        let mut cut = zstd::encode_all(&[7; 10_000][..], 0).unwrap();
        cut.truncate(cut.len() - 3);
        assert!(matches!(read(&cut), Err(Error::BadArchive { .. })));
    }
}
