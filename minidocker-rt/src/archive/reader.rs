//! Reading an archive, entry by entry, without trusting it.

use std::io::{self, Read};

use tar::{EntryType, GnuExtSparseHeader, Header};

use super::compression::unreadable;
use super::entry::{Entry, EntryPath, Extent, Kind, Time};
use super::{ALL_METADATA, ArchiveLimits, ArchiveSummary, METADATA, refuse};
use crate::error::Result;

const BLOCK: u64 = 512;

/// The type of GNU tar's volume labels, which the `tar` crate does not know.
const VOLUME_LABEL: u8 = b'V';

/// The longest map of a sparse file: that of one in a million pieces. A test would take too long.
const MAP: u64 = if cfg!(test) { 1 << 20 } else { 40 << 20 };

/// Reads a tar archive. Between two entries it is itself the reader of the entry's content:
/// the data of its extents, one after the other.
pub(crate) struct Reader<R> {
    input: R,
    limits: ArchiveLimits,
    seen: ArchiveSummary,
    /// How many bytes of paths and extended headers all entries had together.
    names: u64,
    /// Where in the input we are.
    position: u64,
    /// How much of the entry's content was not read yet.
    left: u64,
    /// What fills its last block.
    padding: u64,
    /// Whether it may end without its end mark.
    whole_by_digest: bool,
}

/// What extended headers say of the entry after them.
#[derive(Debug, Default)]
struct Extended {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
    uid: Option<u64>,
    gid: Option<u64>,
    modified: Option<Time>,
    xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    sparse: Sparse,
    /// Whether there was any that tells of the next entry alone.
    begun: bool,
    /// How many bytes they had together, with those of global headers and labels.
    bytes: u64,
}

/// What they say of a sparse file (GNU tar's manual, "PAX Format, Version 1.0").
#[derive(Debug, Default)]
struct Sparse {
    version: Option<Vec<u8>>,
    name: Option<Vec<u8>>,
    size: Option<u64>,
    /// Offsets and lengths, in the older forms 0.0 and 0.1.
    map: Vec<u64>,
}

impl<R: Read> Reader<R> {
    pub fn new(input: R, limits: ArchiveLimits) -> Reader<R> {
        let seen = ArchiveSummary::default();
        let (position, left, padding) = (0, 0, 0);
        Reader { input, limits, seen, names: 0, position, left, padding, whole_by_digest: false }
    }

    /// For an archive whose digest says whether it is whole: it may end between two entries,
    /// without an end mark, and may be empty. Other programs read such archives too.
    pub fn whole_by_digest(mut self) -> Reader<R> {
        self.whole_by_digest = true;
        self
    }

    /// How much the archive may hold.
    pub fn limits(&self) -> ArchiveLimits {
        self.limits
    }

    /// What was read so far.
    pub fn seen(&self) -> ArchiveSummary {
        self.seen
    }

    /// Where in the archive the content of the last entry begins.
    pub fn content_position(&self) -> u64 {
        self.position
    }

    /// The next entry; None at the archive's end mark.
    ///
    /// # Errors
    /// `Error::BadArchive` if it is damaged, cut off, too large, or not understood.
    pub fn next_entry(&mut self) -> Result<Option<Entry>> {
        self.skip(self.left + self.padding)?;
        (self.left, self.padding) = (0, 0);
        let mut extended = Extended::default();
        loop {
            let Some(header) = self.header()? else {
                return match extended.begun {
                    false => Ok(None),
                    true => Err(refuse("the archive", "it ends within an entry")),
                };
            };
            let size = number(&header.as_old().size)
                .and_then(|size| u64::try_from(size).ok())
                .ok_or_else(|| refuse("the archive", "a size in it is no number"))?;
            match header.entry_type() {
                EntryType::XHeader => extended.read_pax(&self.metadata(&extended, size)?)?,
                EntryType::GNULongName => {
                    extended.path = Some(text(self.metadata(&extended, size)?));
                }
                EntryType::GNULongLink => {
                    extended.link = Some(text(self.metadata(&extended, size)?));
                }
                // For all entries to come, which nobody uses but for comments.
                EntryType::XGlobalHeader => drop(self.metadata(&extended, size)?),
                // The label of a tape, which is no file.
                kind if kind.as_byte() == VOLUME_LABEL => drop(self.metadata(&extended, size)?),
                kind => return self.entry(&header, kind, size, extended).map(Some),
            }
            // A global header or a label may be all that there is: git writes such an archive of
            // an empty tree.
            extended.begun |= header.entry_type().is_pax_local_extensions()
                || header.entry_type().is_gnu_longname()
                || header.entry_type().is_gnu_longlink();
            extended.bytes += size.max(1);
        }
    }

    /// Reads to the end of the input, so that all of it was seen by whoever counts or hashes
    /// it. Behind the end mark there is nothing of interest.
    pub fn finish(mut self) -> Result<(ArchiveSummary, R)> {
        let (mut filling, mut other) = (0_u64, 0_u64);
        let mut buffer = vec![0; 64 << 10];
        loop {
            let read = self.input.read(&mut buffer).map_err(unreadable)?;
            let rest = &buffer[..read];
            match rest.iter().all(|&byte| byte == 0) {
                _ if read == 0 => return Ok((self.seen, self.input)),
                // Whole records, and whole tapes, are filled up.
                true => filling += read as u64,
                false => other += read as u64,
            }
            if other > METADATA || filling > self.limits.bytes {
                return Err(refuse("the archive", "something follows its end mark"));
            }
        }
    }

    fn entry(
        &mut self,
        header: &Header,
        kind: EntryType,
        size: u64,
        extended: Extended,
    ) -> Result<Entry> {
        let raw = extended.sparse.name.clone().or(extended.path.clone());
        let raw = raw.unwrap_or_else(|| name_in(header));
        let path = EntryPath::parse(&raw)?;
        let fail = |why: String| refuse(format!("{path} in the archive"), why);
        let told = |field: &[u8], what: &str| {
            number(field).ok_or_else(|| fail(format!("its {what} is no number")))
        };
        let id = |given: Option<u64>, field: &[u8], what: &str| {
            let value = match given {
                Some(value) => i128::from(value),
                None => i128::from(told(field, what)?),
            };
            // The largest means "none" to chown(2).
            u32::try_from(value)
                .ok()
                .filter(|&id| id != u32::MAX)
                .ok_or_else(|| fail(format!("its {what} {value} is too large")))
        };
        let old = header.as_old();
        let uid = id(extended.uid, &old.uid, "user id")?;
        let gid = id(extended.gid, &old.gid, "group id")?;
        let modified = match extended.modified {
            Some(time) => time,
            None => Time { seconds: told(&old.mtime, "time")?, nanoseconds: 0 },
        };
        let mode = (told(&old.mode, "mode")? & 0o7777) as u32;
        let link = || {
            let short = || header.link_name_bytes().map(|link| link.into_owned());
            let link = extended.link.clone().or_else(short).unwrap_or_default();
            if link.is_empty() { Err(fail("it is a link to nothing".into())) } else { Ok(link) }
        };
        let device = || {
            // The oldest form has no room for the numbers.
            let ustar = is_ustar(header) || header.as_gnu().is_some();
            let field = |range: std::ops::Range<usize>| {
                let number = number(&header.as_bytes()[range]).filter(|_| ustar)?;
                u32::try_from(number).ok()
            };
            field(329..337)
                .zip(field(337..345))
                .ok_or_else(|| fail("it is a device without a number".into()))
        };
        let mut content = 0;
        let kind = match kind {
            // Before there was a type for folders, a slash said so.
            EntryType::Regular | EntryType::Continuous if raw.ends_with(b"/") => Kind::Directory,
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                content = extended.size.unwrap_or(size);
                self.left = content;
                // Before a map is read from it.
                self.require_room(content)?;
                let (size, data) = match kind {
                    EntryType::GNUSparse => self.gnu_map(header, &fail)?,
                    _ if extended.sparse.is_given() => self.pax_map(&extended, &fail)?,
                    _ => (content, whole(content)),
                };
                // The map of a sparse file is no content.
                let stored = self.left;
                check_map(size, &data, stored).map_err(fail)?;
                Kind::File { size, data }
            }
            EntryType::Link => Kind::HardLink(EntryPath::parse(&link()?)?),
            EntryType::Symlink => {
                let link = link()?;
                if link.contains(&0) || link.len() >= 4096 {
                    return Err(fail("it is a symlink that cannot be".into()));
                }
                Kind::Symlink(link)
            }
            EntryType::Directory => Kind::Directory,
            EntryType::Char => {
                device().map(|(major, minor)| Kind::CharacterDevice(major, minor))?
            }
            EntryType::Block => device().map(|(major, minor)| Kind::BlockDevice(major, minor))?,
            EntryType::Fifo => Kind::Fifo,
            other => {
                let why = format!("its kind {:?} is not understood", char::from(other.as_byte()));
                return Err(fail(why));
            }
        };
        // Other kinds than files have no content, whatever their size says.
        self.padding = content.next_multiple_of(BLOCK) - content;
        self.seen.entries += 1;
        self.names += extended.bytes + path.as_bytes().len() as u64;
        if self.names > ALL_METADATA {
            let why = format!("its names and attributes take more than {ALL_METADATA} bytes");
            return Err(refuse("the archive", why));
        }
        self.seen.bytes = self.seen.bytes.saturating_add(self.left);
        if self.seen.entries > self.limits.entries {
            let most = self.limits.entries;
            return Err(refuse("the archive", format!("it has more than {most} entries")));
        }
        Ok(Entry { path, kind, mode, uid, gid, modified, xattrs: extended.xattrs })
    }

    /// Whether so many bytes more may be unpacked.
    fn require_room(&self, bytes: u64) -> Result<()> {
        let most = self.limits.bytes;
        match self.seen.bytes.saturating_add(bytes) > most {
            true => Err(refuse("the archive", format!("it unpacks to more than {most} bytes"))),
            false => Ok(()),
        }
    }

    /// The next header; None at the end mark, a block of zeros.
    fn header(&mut self) -> Result<Option<Header>> {
        let mut header = Header::new_old();
        if self.whole_by_digest {
            // Nothing at all is the end here; a part of a header is none.
            let first = &mut header.as_mut_bytes()[..1];
            if self.input.read(first).map_err(unreadable)? == 0 {
                return Ok(None);
            }
            self.position += 1;
            self.fill(&mut header.as_mut_bytes()[1..])?;
        } else {
            self.fill(header.as_mut_bytes())?;
        }
        let bytes = header.as_bytes();
        if bytes.iter().all(|&byte| byte == 0) {
            return Ok(None);
        }
        // The sum is over the header with its own field as spaces; some old programs took bytes
        // for signed.
        let sum = |value: fn(u8) -> i64| {
            let others = bytes[..148].iter().chain(&bytes[156..]);
            others.map(|&byte| value(byte)).sum::<i64>() + 8 * i64::from(b' ')
        };
        let told = number(&header.as_old().cksum);
        let signed = |byte: u8| i64::from(byte.cast_signed());
        if told != Some(sum(i64::from)) && told != Some(sum(signed)) {
            return Err(refuse("the archive", "it is damaged, or no tar archive at all"));
        }
        Ok(Some(header))
    }

    /// The content of an extended header.
    fn metadata(&mut self, extended: &Extended, size: u64) -> Result<Vec<u8>> {
        if extended.bytes.saturating_add(size) > METADATA {
            let why = format!("an entry has more than {METADATA} bytes of extended headers");
            return Err(refuse("the archive", why));
        }
        let mut content = vec![0; usize::try_from(size).unwrap_or_default()];
        self.fill(&mut content)?;
        self.skip(size.next_multiple_of(BLOCK) - size)?;
        Ok(content)
    }

    /// The map of a sparse file in GNU tar's old form: in the header, and in further ones.
    fn gnu_map(
        &mut self,
        header: &Header,
        fail: &impl Fn(String) -> crate::Error,
    ) -> Result<(u64, Vec<Extent>)> {
        let bad = |_| fail("the map of a sparse file is damaged".into());
        let gnu = header.as_gnu().ok_or_else(|| bad(io::ErrorKind::InvalidData.into()))?;
        let mut data = Vec::new();
        let mut add = |sparse: &[tar::GnuSparseHeader]| -> io::Result<()> {
            for extent in sparse.iter().filter(|extent| !extent.is_empty()) {
                data.push(Extent { offset: extent.offset()?, length: extent.length()? });
            }
            Ok(())
        };
        add(&gnu.sparse).map_err(bad)?;
        let mut more = gnu.is_extended();
        let mut read = 0;
        while more {
            read += BLOCK;
            if read > MAP {
                return Err(fail("the map of a sparse file is too long".into()));
            }
            let mut further = GnuExtSparseHeader::new();
            self.fill(further.as_mut_bytes())?;
            add(&further.sparse).map_err(bad)?;
            more = further.is_extended();
        }
        data.retain(|extent| extent.length > 0);
        Ok((gnu.real_size().map_err(bad)?, data))
    }

    /// The map of a sparse file in the form of POSIX archives: lines of decimal numbers at
    /// the beginning of the content, filled up to a whole block.
    fn pax_map(
        &mut self,
        extended: &Extended,
        fail: &impl Fn(String) -> crate::Error,
    ) -> Result<(u64, Vec<Extent>)> {
        let version = extended.sparse.version.as_deref().unwrap_or(b"0");
        let Some(size) = extended.sparse.size else {
            return Err(fail("it is a sparse file without a size".into()));
        };
        match version {
            b"1.0" => {}
            // The map stands in the extended headers themselves.
            b"0" | b"0.0" | b"0.1" => {
                let numbers = extended.sparse.map.chunks_exact(2);
                if !numbers.remainder().is_empty() {
                    return Err(fail("the map of a sparse file is damaged".into()));
                }
                let data = numbers.map(|pair| Extent { offset: pair[0], length: pair[1] });
                return Ok((size, data.filter(|extent| extent.length > 0).collect()));
            }
            _ => return Err(fail("it is a sparse file in a form that is not known".into())),
        }
        let too_long = || fail("the map of a sparse file is too long".into());
        let damaged = || fail("the map of a sparse file is damaged".into());
        let mut used = 0;
        let mut number = || -> Result<u64> {
            let mut number: Option<u64> = None;
            loop {
                // Whatever the byte is: nothing else ends a map of short lines.
                if used == MAP {
                    return Err(too_long());
                }
                let mut byte = [0];
                self.read_exact(&mut byte).map_err(unreadable)?;
                used += 1;
                let digit = match byte[0] {
                    b'\n' => return number.ok_or_else(damaged),
                    digit if digit.is_ascii_digit() => u64::from(digit - b'0'),
                    _ => return Err(damaged()),
                };
                let longer = number.unwrap_or(0).checked_mul(10);
                let longer = longer.and_then(|ten| ten.checked_add(digit));
                number = Some(longer.ok_or_else(too_long)?);
            }
        };
        let mut data = Vec::new();
        for _ in 0..number()? {
            let extent = Extent { offset: number()?, length: number()? };
            data.extend((extent.length > 0).then_some(extent));
        }
        let filling = used.next_multiple_of(BLOCK) - used;
        io::copy(&mut self.by_ref().take(filling), &mut io::sink()).map_err(unreadable)?;
        Ok((size, data))
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<()> {
        self.input.read_exact(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => refuse("the archive", "it is cut off"),
            _ => unreadable(error),
        })?;
        self.position += buffer.len() as u64;
        Ok(())
    }

    fn skip(&mut self, bytes: u64) -> Result<()> {
        let skipped = io::copy(&mut (&mut self.input).take(bytes), &mut io::sink());
        self.position += bytes;
        match skipped.map_err(unreadable)? {
            skipped if skipped == bytes => Ok(()),
            _ => Err(refuse("the archive", "it is cut off")),
        }
    }
}

impl<R: Read> Read for Reader<R> {
    /// Reads the content of the last entry; its end is that of the content. An archive that
    /// is cut off before is an error.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        if most == 0 {
            return Ok(0);
        }
        let read = self.input.read(&mut buffer[..most])?;
        if read == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it is cut off"));
        }
        self.left -= read as u64;
        self.position += read as u64;
        Ok(read)
    }
}

impl Sparse {
    fn is_given(&self) -> bool {
        self.version.is_some() || self.size.is_some()
    }
}

impl Extended {
    /// Reads the records `LENGTH KEY=VALUE\n`. The length counts all of the record, so that a
    /// value may hold any bytes.
    fn read_pax(&mut self, mut records: &[u8]) -> Result<()> {
        let bad = || refuse("the archive", "an extended header is damaged");
        while !records.is_empty() {
            let space = records.iter().position(|&byte| byte == b' ').ok_or_else(bad)?;
            let length: usize = decimal(&records[..space]).ok_or_else(bad)?.try_into().unwrap_or(0);
            if length <= space + 2 || length > records.len() || records[length - 1] != b'\n' {
                return Err(bad());
            }
            let record = &records[space + 1..length - 1];
            let equals = record.iter().position(|&byte| byte == b'=').ok_or_else(bad)?;
            self.learn(&record[..equals], &record[equals + 1..]).ok_or_else(bad)?;
            records = &records[length..];
        }
        Ok(())
    }

    /// Keeps a record. None if its value makes no sense.
    fn learn(&mut self, key: &[u8], value: &[u8]) -> Option<()> {
        if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
            self.xattrs.push((name.to_vec(), value.to_vec()));
            return Some(());
        }
        // Without a value it is as if it was not there.
        if value.is_empty() {
            return Some(());
        }
        match key {
            b"path" => self.path = Some(value.to_vec()),
            b"linkpath" => self.link = Some(value.to_vec()),
            b"size" => self.size = Some(decimal(value)?),
            b"uid" => self.uid = Some(decimal(value)?),
            b"gid" => self.gid = Some(decimal(value)?),
            b"mtime" => self.modified = Some(time(value)?),
            b"GNU.sparse.major" => self.sparse.version = Some(value.to_vec()),
            b"GNU.sparse.minor" => {
                let version = self.sparse.version.get_or_insert_default();
                version.push(b'.');
                version.extend_from_slice(value);
            }
            b"GNU.sparse.name" => self.sparse.name = Some(value.to_vec()),
            b"GNU.sparse.realsize" | b"GNU.sparse.size" => {
                self.sparse.size = Some(decimal(value)?);
            }
            b"GNU.sparse.offset" | b"GNU.sparse.numbytes" => {
                self.sparse.map.push(decimal(value)?);
            }
            b"GNU.sparse.map" => {
                let numbers = value.split(|&byte| byte == b',').map(decimal);
                self.sparse.map = numbers.collect::<Option<_>>()?;
            }
            // The names of the owner, comments, other times: of no use here.
            _ => {}
        }
        Some(())
    }
}

/// A number in a header: octal digits, with spaces and NULs around them, and 0 without any; or,
/// where the first bit is set, binary (GNU tar's manual, "Extensions").
fn number(field: &[u8]) -> Option<i64> {
    let (&first, rest) = field.split_first()?;
    if first & 0x80 != 0 {
        // The second bit is the sign.
        let negative = first & 0x40 != 0;
        let start = if negative { -1 } else { 0 } << 7 | i128::from(first & 0x7f);
        let mut value = start;
        for &byte in rest {
            value = value.checked_mul(256)?.checked_add(byte.into())?;
            if i64::try_from(value).is_err() {
                return None;
            }
        }
        return i64::try_from(value).ok();
    }
    let odd = |byte: &u8| matches!(byte, b' ' | 0);
    let begin = field.iter().position(|byte| !odd(byte)).unwrap_or(field.len());
    let digits = &field[begin..];
    let digits = &digits[..digits.iter().position(odd).unwrap_or(digits.len())];
    digits.iter().try_fold(0_i64, |value, &digit| match digit {
        b'0'..=b'7' => value.checked_mul(8)?.checked_add((digit - b'0').into()),
        _ => None,
    })
}

/// Whether a header is of the POSIX kind, whatever version it says.
fn is_ustar(header: &Header) -> bool {
    header.as_bytes()[257..263] == *b"ustar\0"
}

/// The name in a header, with what stands before it where there is room for that.
fn name_in(header: &Header) -> Vec<u8> {
    let bytes = header.as_bytes();
    let name = text(bytes[..100].to_vec());
    if !is_ustar(header) {
        return name;
    }
    // The star program has times at the end of that field.
    let prefix = if bytes[508..512] == *b"tar\0" { &bytes[345..476] } else { &bytes[345..500] };
    match text(prefix.to_vec()) {
        prefix if prefix.is_empty() => name,
        prefix => [&prefix[..], b"/", &name].concat(),
    }
}

/// A file without holes.
fn whole(size: u64) -> Vec<Extent> {
    match size {
        0 => Vec::new(),
        length => vec![Extent { offset: 0, length }],
    }
}

/// The extents must follow each other within the file, and be what is stored.
fn check_map(size: u64, data: &[Extent], stored: u64) -> std::result::Result<(), String> {
    let mut end = 0_u64;
    let mut sum = 0_u64;
    for extent in data {
        let next = extent.offset.checked_add(extent.length).filter(|_| extent.offset >= end);
        end = next.ok_or("the map of a sparse file is damaged")?;
        sum = sum.saturating_add(extent.length);
    }
    // Offsets are signed to the kernel.
    if end > size || sum != stored || i64::try_from(size).is_err() {
        return Err("its size and its content do not fit together".into());
    }
    Ok(())
}

/// The text of a long name, which ends with a NUL.
fn text(mut name: Vec<u8>) -> Vec<u8> {
    let end = name.iter().position(|&byte| byte == 0).unwrap_or(name.len());
    name.truncate(end);
    name
}

fn decimal(digits: &[u8]) -> Option<u64> {
    // Not with a sign, which parse would take.
    let text = std::str::from_utf8(digits).ok().filter(|text| !text.starts_with('+'))?;
    text.parse().ok()
}

/// Seconds since 1970, perhaps with a fraction, perhaps before.
fn time(text: &[u8]) -> Option<Time> {
    let text = std::str::from_utf8(text).ok()?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut seconds: i64 = whole.parse().ok()?;
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits: String = fraction.chars().chain("000000000".chars()).take(9).collect();
    let mut nanoseconds: u32 = digits.parse().ok()?;
    if whole.starts_with('-') && nanoseconds > 0 {
        seconds = seconds.checked_sub(1)?;
        nanoseconds = 1_000_000_000 - nanoseconds;
    }
    Some(Time { seconds, nanoseconds })
}

#[cfg(test)]
mod tests;
