//! Writing an archive that every tar of today reads.

use std::io::{self, Read, Seek, SeekFrom, Write};

use tar::{EntryType, Header};

use super::entry::{Entry, Extent, Kind, Time};

const BLOCK: u64 = 512;

/// The largest numbers that the eight and twelve octal digits of a header hold.
const LARGEST_ID: u32 = 0o7_777_777;
const LARGEST_SIZE: u64 = 0o77_777_777_777;

/// The longest name that a header holds.
const LONGEST: usize = 100;

/// Writes a tar archive in the POSIX form.
pub(crate) struct Writer<W> {
    output: W,
}

impl<W: Write> Writer<W> {
    pub fn new(output: W) -> Writer<W> {
        Writer { output }
    }

    /// Writes an entry. Of a file, `content` is read at its extents; if it turns out to be
    /// shorter by now, zeros take the place of what is missing.
    pub fn append(&mut self, entry: &Entry, content: &mut (impl Read + Seek)) -> io::Result<()> {
        let mut path = entry.path.as_bytes().to_vec();
        if path.is_empty() {
            path.push(b'.');
        }
        let mut records = Records::default();
        let mut header = Header::new_ustar();
        header.set_mode(entry.mode);
        header.set_device_major(0)?;
        header.set_device_minor(0)?;
        let mut map = Vec::new();
        let (mut stored, mut data) = (0, &[][..]);
        let mut link = None;
        let kind = match &entry.kind {
            Kind::File { size, data: extents } => {
                data = extents;
                stored = extents.iter().map(|extent| extent.length).sum();
                if stored < *size {
                    map = sparse_map(extents);
                    stored += map.len() as u64;
                    records.add("GNU.sparse.major", b"1");
                    records.add("GNU.sparse.minor", b"0");
                    records.add("GNU.sparse.name", &path);
                    records.add("GNU.sparse.realsize", size.to_string().as_bytes());
                    // What a program that knows no sparse files would make of it.
                    path.splice(0..0, *b"GNUSparseFile.0/");
                }
                EntryType::Regular
            }
            Kind::HardLink(target) => {
                link = Some(target.as_bytes());
                EntryType::Link
            }
            Kind::Symlink(text) => {
                link = Some(&text[..]);
                EntryType::Symlink
            }
            Kind::Directory => {
                path.push(b'/');
                EntryType::Directory
            }
            Kind::CharacterDevice(major, minor) => {
                header.set_device_major(*major)?;
                header.set_device_minor(*minor)?;
                EntryType::Char
            }
            Kind::BlockDevice(major, minor) => {
                header.set_device_major(*major)?;
                header.set_device_minor(*minor)?;
                EntryType::Block
            }
            Kind::Fifo => EntryType::Fifo,
        };
        header.set_entry_type(kind);
        let ustar = header.as_ustar_mut().ok_or(io::ErrorKind::InvalidData)?;
        name_into(&mut ustar.name, &path, "path", &mut records);
        if let Some(link) = link {
            name_into(&mut ustar.linkname, link, "linkpath", &mut records);
        }
        for (id, key) in [(entry.uid, "uid"), (entry.gid, "gid")] {
            if id > LARGEST_ID {
                records.add(key, id.to_string().as_bytes());
            }
        }
        header.set_uid(entry.uid.min(LARGEST_ID).into());
        header.set_gid(entry.gid.min(LARGEST_ID).into());
        let Time { seconds, nanoseconds } = entry.modified;
        header.set_mtime(u64::try_from(seconds).unwrap_or(0).min(LARGEST_SIZE));
        if nanoseconds > 0 || !(0..=LARGEST_SIZE as i64).contains(&seconds) {
            records.add("mtime", decimal_time(entry.modified).as_bytes());
        }
        if stored > LARGEST_SIZE {
            records.add("size", stored.to_string().as_bytes());
        }
        header.set_size(stored.min(LARGEST_SIZE));
        for (name, value) in &entry.xattrs {
            records.add_bytes(&[b"SCHILY.xattr.", &name[..]].concat(), value);
        }
        self.extended(&records.bytes)?;
        self.header(&mut header)?;
        self.output.write_all(&map)?;
        for extent in data {
            self.extent(content, *extent)?;
        }
        self.fill(stored)
    }

    /// Writes the end mark.
    pub fn finish(mut self) -> io::Result<W> {
        self.zeros(2 * BLOCK)?;
        self.output.flush()?;
        Ok(self.output)
    }

    fn extended(&mut self, records: &[u8]) -> io::Result<()> {
        if records.is_empty() {
            return Ok(());
        }
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::XHeader);
        header.set_path("PaxHeaders.0/next")?;
        header.set_mode(0o644);
        header.set_size(records.len() as u64);
        self.header(&mut header)?;
        self.output.write_all(records)?;
        self.fill(records.len() as u64)
    }

    fn header(&mut self, header: &mut Header) -> io::Result<()> {
        header.set_cksum();
        self.output.write_all(header.as_bytes())
    }

    fn extent(&mut self, content: &mut (impl Read + Seek), extent: Extent) -> io::Result<()> {
        content.seek(SeekFrom::Start(extent.offset))?;
        let written = io::copy(&mut content.take(extent.length), &mut self.output)?;
        self.zeros(extent.length - written)
    }

    /// Fills up the last block of what has this many bytes.
    fn fill(&mut self, bytes: u64) -> io::Result<()> {
        self.zeros(bytes.next_multiple_of(BLOCK) - bytes)
    }

    fn zeros(&mut self, bytes: u64) -> io::Result<()> {
        io::copy(&mut io::repeat(0).take(bytes), &mut self.output).map(drop)
    }
}

/// The records of an extended header.
#[derive(Default)]
struct Records {
    bytes: Vec<u8>,
}

impl Records {
    fn add(&mut self, key: &str, value: &[u8]) {
        self.add_bytes(key.as_bytes(), value);
    }

    /// A record begins with its own length, which counts its own digits too.
    fn add_bytes(&mut self, key: &[u8], value: &[u8]) {
        let rest = key.len() + value.len() + " =\n".len();
        let mut length = rest;
        while length != rest + length.to_string().len() {
            length = rest + length.to_string().len();
        }
        self.bytes.extend_from_slice(format!("{length} ").as_bytes());
        for part in [key, b"=", value, b"\n"] {
            self.bytes.extend_from_slice(part);
        }
    }
}

/// Puts a name into its field, and whole into a record if it does not fit or is not plain.
fn name_into(field: &mut [u8; LONGEST], name: &[u8], key: &str, records: &mut Records) {
    if name.len() > LONGEST || !name.is_ascii() {
        records.add(key, name);
    }
    let length = name.len().min(LONGEST);
    field[..length].copy_from_slice(&name[..length]);
}

/// The map of a sparse file: how many extents, then each, filled up to a whole block.
fn sparse_map(extents: &[Extent]) -> Vec<u8> {
    let mut map = format!("{}\n", extents.len());
    for Extent { offset, length } in extents {
        map.push_str(&format!("{offset}\n{length}\n"));
    }
    let mut map = map.into_bytes();
    map.resize(map.len().next_multiple_of(BLOCK as usize), 0);
    map
}

/// A time as decimal seconds.
fn decimal_time(Time { seconds, nanoseconds }: Time) -> String {
    let (sign, seconds, nanoseconds) = match (seconds, nanoseconds) {
        (0.., _) => ("", seconds.unsigned_abs(), nanoseconds),
        (_, 0) => ("-", seconds.unsigned_abs(), 0),
        // The fraction counts away from zero.
        _ => ("-", (seconds + 1).unsigned_abs(), 1_000_000_000 - nanoseconds),
    };
    let text = format!("{sign}{seconds}.{nanoseconds:09}");
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}
