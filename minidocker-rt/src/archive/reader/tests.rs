use std::io::Cursor;

use proptest::collection::vec;
use proptest::prelude::*;
use tar::{EntryType, Header};

use super::*;
use crate::archive::Writer;
use crate::error::Error;

const LIMITS: ArchiveLimits = ArchiveLimits { bytes: 1 << 20, entries: 100 };

/// Entries and their contents.
type Entries = Vec<(Entry, Vec<u8>)>;

/// All entries of an archive, and what the whole was.
fn read(archive: &[u8]) -> Result<(Entries, ArchiveSummary)> {
    let mut reader = Reader::new(archive, LIMITS);
    let mut entries = Vec::new();
    while let Some(entry) = reader.next_entry()? {
        let mut content = Vec::new();
        reader.read_to_end(&mut content).map_err(unreadable)?;
        entries.push((entry, content));
    }
    Ok((entries, reader.finish()?.0))
}

fn refused(archive: &[u8]) -> String {
    match read(archive) {
        Err(error @ Error::BadArchive { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

fn written(entries: &[(Entry, Vec<u8>)]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    for (entry, file) in entries {
        writer.append(entry, &mut Cursor::new(file)).unwrap();
    }
    writer.finish().unwrap()
}

fn path(text: &str) -> EntryPath {
    EntryPath::parse(text.as_bytes()).unwrap()
}

fn entry(name: &str, kind: Kind) -> Entry {
    Entry {
        path: path(name),
        kind,
        mode: 0o644,
        uid: 0,
        gid: 0,
        modified: Time::default(),
        xattrs: Vec::new(),
    }
}

/// An archive with one raw header, its content, and the end mark.
fn raw(kind: EntryType, name: &[u8], content: &[u8], change: impl Fn(&mut Header)) -> Vec<u8> {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(content.len() as u64);
    change(&mut header);
    header.set_cksum();
    let mut archive = header.as_bytes().to_vec();
    archive.extend_from_slice(content);
    archive.resize(archive.len().next_multiple_of(512), 0);
    archive.resize(archive.len() + 1024, 0);
    archive
}

#[test]
fn a_path_that_climbs_out_is_refused() {
    for name in ["/../etc/passwd", "../../etc/passwd", "a/../../b", ".."] {
        let text = refused(&raw(EntryType::Regular, name.as_bytes(), b"x", |_| {}));
        assert!(text.contains(name), "{text}");
        let link = |header: &mut Header| {
            header.as_old_mut().linkname[..name.len()].copy_from_slice(name.as_bytes());
        };
        refused(&raw(EntryType::Link, b"a", b"", link));
        // A symlink may say what it likes: whoever follows it stays inside.
        assert!(read(&raw(EntryType::Symlink, b"a", b"", link)).is_ok());
    }
}

#[test]
fn an_absolute_path_is_one_of_the_archive() {
    let (entries, _) = read(&raw(EntryType::Regular, b"/etc/passwd", b"x", |_| {})).unwrap();
    assert_eq!(entries[0].0.path, path("etc/passwd"));
    let link = |header: &mut Header| header.as_old_mut().linkname[..6].copy_from_slice(b"/usr/a");
    let (entries, _) = read(&raw(EntryType::Link, b"b", b"", link)).unwrap();
    assert_eq!(entries[0].0.kind, Kind::HardLink(path("usr/a")));
    let (entries, _) = read(&raw(EntryType::Directory, b"/", b"", |_| {})).unwrap();
    assert!(entries[0].0.path.is_root());
}

/// Sets the sum over a header that was changed by hand.
fn summed(mut archive: Vec<u8>, value: fn(u8) -> i64) -> Vec<u8> {
    archive[148..156].fill(b' ');
    let sum: i64 = archive[..512].iter().map(|&byte| value(byte)).sum();
    archive[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    archive
}

#[test]
fn headers_of_all_ages_are_read() {
    let one = |change: &dyn Fn(&mut [u8])| {
        let mut archive = raw(EntryType::Regular, b"name", b"abc", |_| {});
        change(&mut archive);
        read(&summed(archive, i64::from)).map(|(mut entries, _)| entries.remove(0).0)
    };
    // The oldest: no magic, and numbers that are blank or filled in other ways.
    let old = one(&|header| {
        header[257..512].fill(0);
        header[108..116].fill(b' ');
        header[116..124].fill(0);
        header[100..108].copy_from_slice(b"   755 \0");
        header[136..148].copy_from_slice(b"\0\0  00000000");
    });
    let old = old.unwrap();
    assert_eq!((old.uid, old.gid, old.mode, old.modified), (0, 0, 0o755, Time::default()));
    // POSIX, with a prefix, whatever version it says; and the star program's, with times in it.
    let posix = |version: &'static [u8], last: &'static [u8]| {
        one(&move |header| {
            header[257..265].copy_from_slice(version);
            header[345..500].fill(0);
            header[345..350].copy_from_slice(b"a/b/c");
            header[480..490].fill(b'7');
            header[508..512].copy_from_slice(last);
        })
    };
    assert_eq!(posix(b"ustar\0  ", b"tar\0").unwrap().path, path("a/b/c/name"));
    let plain = one(&|header| {
        header[257..265].copy_from_slice(b"ustar\0 0");
        header[345..512].fill(0);
        header[345..350].copy_from_slice(b"a/b/c");
    });
    assert_eq!(plain.unwrap().path, path("a/b/c/name"));
    // Binary numbers, also negative ones.
    let binary = one(&|header| {
        header[108..116].copy_from_slice(&[0x80, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff]);
        header[136..148].fill(0xff);
    });
    let binary = binary.unwrap();
    assert_eq!((binary.uid, binary.modified.seconds), (0x7fff_ffff, -1));
    for uid in [&[0xff; 8][..], &[0x80, 1, 0, 0, 0, 0, 0, 0], b"0000009\0", b"99999999"] {
        assert!(one(&|header| header[108..116].copy_from_slice(uid)).is_err(), "{uid:?}");
    }
    // A sum over signed bytes.
    let umlaut = raw(EntryType::Regular, "ä".as_bytes(), b"", |_| {});
    let signed = summed(umlaut, |byte| i64::from(byte.cast_signed()));
    assert_eq!(read(&signed).unwrap().0[0].0.path, path("ä"));
}

#[test]
fn a_label_and_filling_are_no_entries_and_empty_records_say_nothing() {
    let label = raw(EntryType::new(b'V'), b"a tape", b"", |_| {});
    let record = |text: &str| format!("{} {text}\n", text.len() + 4);
    let records = [record("path="), record("size=")].concat().replacen("9 path=", "8 path=", 1);
    let records = records.replacen("9 size=", "8 size=", 1);
    let empty = raw(EntryType::XHeader, b"x", records.as_bytes(), |_| {});
    let mut all = [
        &label[..label.len() - 1024],
        &empty[..empty.len() - 1024],
        &raw(EntryType::Regular, b"name", b"abc", |_| {}),
    ]
    .concat();
    // As a tape fills its last block.
    all.resize(all.len() + (900 << 10), 0);
    let (entries, _) = read(&all).unwrap();
    assert_eq!((entries.len(), &entries[0].0.path), (1, &path("name")));
    assert_eq!(entries[0].1, b"abc");
}

#[test]
fn a_label_or_a_global_header_may_be_all_that_there_is() {
    let comment = b"20 comment=of a tree";
    let global = raw(EntryType::XGlobalHeader, b"pax_global_header", comment, |_| {});
    let label = raw(EntryType::new(b'V'), b"a tape", b"", |_| {});
    for archive in [&global, &label] {
        assert_eq!(read(archive).unwrap().0.len(), 0);
    }
    for kind in [EntryType::XHeader, EntryType::GNULongName, EntryType::GNULongLink] {
        let text = refused(&raw(kind, b"x", b"", |_| {}));
        assert!(text.contains("within an entry"), "{text}");
    }
}

#[test]
fn an_end_mark_may_be_missing_where_a_digest_is_known() {
    let whole = raw(EntryType::Regular, b"name", b"abc", |_| {});
    let limits = ArchiveLimits { bytes: 1 << 20, entries: 100 };
    let count = |archive: &[u8]| {
        let mut reader = Reader::new(archive, limits).whole_by_digest();
        let mut count = 0;
        while reader.next_entry()?.is_some() {
            count += 1;
        }
        reader.finish().map(|_| count)
    };
    assert_eq!(count(&whole[..1024]).unwrap(), 1);
    assert_eq!(count(b"").unwrap(), 0);
    for length in [100, 513, 600] {
        assert!(count(&whole[..length]).is_err(), "{length}");
    }
}

#[test]
fn sparse_files_of_the_older_forms_are_read() {
    let record = |text: &str| {
        let mut length = text.len() + 3;
        while length != format!("{length} {text}\n").len() {
            length += 1;
        }
        format!("{length} {text}\n")
    };
    let sparse = |fields: &[&str]| {
        let records: String = fields.iter().map(|field| record(field)).collect();
        let first = raw(EntryType::XHeader, b"x", records.as_bytes(), |_| {});
        let file = raw(EntryType::Regular, b"GNUSparseFile.0/a", b"datamore", |_| {});
        read(&[&first[..first.len() - 1024], &file[..]].concat())
    };
    let data = vec![Extent { offset: 8, length: 4 }, Extent { offset: 20, length: 4 }];
    for fields in [
        &[
            "GNU.sparse.size=100",
            "GNU.sparse.numblocks=2",
            "GNU.sparse.offset=8",
            "GNU.sparse.numbytes=4",
            "GNU.sparse.offset=20",
            "GNU.sparse.numbytes=4",
        ][..],
        &[
            "GNU.sparse.size=100",
            "GNU.sparse.numblocks=2",
            "GNU.sparse.name=a",
            "GNU.sparse.map=8,4,20,4",
        ],
    ] {
        let (entries, _) = sparse(fields).unwrap();
        assert_eq!(entries[0].0.kind, Kind::File { size: 100, data: data.clone() });
        assert_eq!(entries[0].1, b"datamore");
    }
    for map in ["8,4,20", "8,4", "20,4,8,4", "8,4,98,4", "8,x,20,4", ""] {
        let map = format!("GNU.sparse.map={map}");
        assert!(sparse(&["GNU.sparse.size=100", &map]).is_err(), "{map}");
    }
}

#[test]
fn an_archive_that_declares_more_than_is_allowed_is_refused_before_it_is_unpacked() {
    let huge = raw(EntryType::Regular, b"bomb", b"", |header| header.set_size(1 << 40));
    assert!(refused(&huge).contains("more than 1048576 bytes"), "{}", refused(&huge));
    let many: Vec<_> =
        (0..101).map(|n| (entry(&n.to_string(), Kind::Directory), Vec::new())).collect();
    assert!(read(&written(&many[..100])).is_ok());
    assert!(refused(&written(&many)).contains("more than 100 entries"));
}

#[test]
fn names_and_attributes_without_end_are_refused() {
    for kind in [EntryType::GNULongName, EntryType::GNULongLink, EntryType::XHeader] {
        let endless = raw(kind, b"x", b"", |header| header.set_size(1 << 30));
        assert!(refused(&endless).contains("extended headers"));
    }
    let one = raw(EntryType::GNULongName, b"x", &[b'a'; 600 << 10], |_| {});
    let two = [&one[..one.len() - 1024], &one[..]].concat();
    assert!(refused(&two).contains("extended headers"), "together they are too many");
}

#[test]
fn many_attributes_are_refused_before_they_fill_the_memory() {
    let record = |length: usize| format!("{length} SCHILY.xattr.x={}\n", "v".repeat(length - 24));
    let extended = raw(EntryType::XHeader, b"x", record(1_000_000).as_bytes(), |_| {});
    let file = raw(EntryType::Regular, b"x", b"", |_| {});
    let entry = [&extended[..extended.len() - 1024], &file[..512]].concat();
    /// The same entry again and again.
    struct Endless {
        entry: Vec<u8>,
        at: usize,
    }
    impl Read for Endless {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let read = (&self.entry[self.at..]).read(buffer)?;
            self.at = (self.at + read) % self.entry.len();
            Ok(read)
        }
    }
    let limits = ArchiveLimits { bytes: 1 << 20, entries: 1_000_000 };
    let mut reader = Reader::new(Endless { entry, at: 0 }, limits);
    let mut entries = 0;
    let error = loop {
        match reader.next_entry() {
            Ok(entry) => entries += u32::from(entry.is_some()),
            Err(error) => break error.to_string(),
        }
    };
    assert!(error.contains("names and attributes"), "{error}");
    assert!((200..300).contains(&entries), "{entries}");
}

#[test]
fn a_damaged_or_shortened_archive_is_refused() {
    let whole = written(&[(entry("a", Kind::File { size: 3, data: whole(3) }), b"abc".to_vec())]);
    assert_eq!(read(&whole).unwrap().0[0].1, b"abc");
    for length in [0, 100, 512, 514, 1024] {
        assert!(refused(&whole[..length]).contains("cut off"), "{length}");
    }
    let mut damaged = whole.clone();
    damaged[5] ^= 1;
    assert!(refused(&damaged).contains("damaged"));
    let mut followed = whole;
    followed.resize(8 << 20, 1);
    assert!(refused(&followed).contains("follows"));
}

#[test]
fn a_sparse_map_that_lies_is_refused() {
    let sparse = |map: &str, size: u64| {
        let mut content = map.as_bytes().to_vec();
        content.resize(512, 0);
        content.extend_from_slice(b"data");
        let mut records = Vec::new();
        for (key, value) in [("major", "1"), ("minor", "0"), ("realsize", &size.to_string())] {
            let rest = format!(" GNU.sparse.{key}={value}\n");
            records.extend_from_slice(format!("{}{rest}", rest.len() + 2).as_bytes());
        }
        let first = raw(EntryType::XHeader, b"x", &records, |_| {});
        [&first[..1024], &raw(EntryType::Regular, b"a", &content, |_| {})[..]].concat()
    };
    let (entries, _) = read(&sparse("1\n8\n4\n", 100)).unwrap();
    let data = vec![Extent { offset: 8, length: 4 }];
    assert_eq!(entries[0].0.kind, Kind::File { size: 100, data });
    assert_eq!(entries[0].1, b"data");
    let most = u64::MAX.to_string();
    for map in [
        "1\n98\n4\n",
        "1\n0\n5\n",
        "1\n0\n3\n",
        "2\n8\n2\n0\n2\n",
        "9999999999999999999999\n",
        "x\n",
        &format!("1\n{most}\n4\n"),
    ] {
        refused(&sparse(map, 100));
    }
    refused(&sparse("1\n8\n4\n", u64::MAX));
}

/// A sparse file whose map is so long, as it would say itself, and consists of `line`.
fn sparse_map_of(line: &'static [u8], length: u64, limits: ArchiveLimits) -> String {
    let records = "22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n31 GNU.sparse.realsize=1000000\n";
    let first = raw(EntryType::XHeader, b"x", records.as_bytes(), |_| {});
    let file = raw(EntryType::Regular, b"a", b"", |header| header.set_size(length));
    let begin = [&first[..1024], &file[..512], b"9999999999999\n"].concat();
    let lines = line.iter().cycle().copied();
    let mut reader = Reader::new((&begin[..]).chain(Bytes(lines)), limits);
    reader.next_entry().unwrap_err().to_string()
}

/// Reads what an iterator gives.
struct Bytes<I>(I);

impl<I: Iterator<Item = u8>> Read for Bytes<I> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(buffer.iter_mut().zip(&mut self.0).map(|(to, byte)| *to = byte).count())
    }
}

#[test]
fn a_sparse_map_without_end_is_refused() {
    let limits = ArchiveLimits { bytes: 1 << 40, entries: 100 };
    let refused = sparse_map_of(b"\n", 1 << 30, limits);
    assert!(refused.contains("damaged"), "a line without a number: {refused}");
    let refused = sparse_map_of(b"0\n", 1 << 30, limits);
    assert!(refused.contains("too long"), "{refused}");
    let refused = sparse_map_of(b"0\n", 1 << 30, LIMITS);
    assert!(refused.contains("more than 1048576 bytes"), "before the map is read: {refused}");
}

#[test]
fn gnu_tars_old_sparse_form_is_read() {
    let archive = raw(EntryType::GNUSparse, b"a", b"onetwo", |header| {
        let gnu = header.as_gnu_mut().unwrap();
        gnu.set_real_size(9000);
        for (field, (offset, length)) in gnu.sparse.iter_mut().zip([(0, 3), (8000, 3), (9000, 0)]) {
            field.set_offset(offset);
            field.set_length(length);
        }
    });
    let (entries, _) = read(&archive).unwrap();
    let data = vec![Extent { offset: 0, length: 3 }, Extent { offset: 8000, length: 3 }];
    assert_eq!(entries[0].0.kind, Kind::File { size: 9000, data });
    assert_eq!(entries[0].1, b"onetwo");
}

#[test]
fn times_before_1970_and_with_fractions_survive() {
    for (text, seconds, nanoseconds) in
        [("12", 12, 0), ("1.5", 1, 500_000_000), ("-1.25", -2, 750_000_000), ("-3", -3, 0)]
    {
        assert_eq!(time(text.as_bytes()), Some(Time { seconds, nanoseconds }), "{text}");
    }
    for text in ["", "x", "1.x", "1.-5", "--1"] {
        assert_eq!(time(text.as_bytes()), None, "{text}");
    }
}

fn any_path() -> impl Strategy<Value = EntryPath> {
    vec(vec(any::<u8>().prop_filter("", |b| !b"/\0".contains(b)), 1..40), 1..6)
        .prop_filter_map("", |names| EntryPath::parse(&names.join(&b'/')).ok())
        .prop_filter("", |path| !path.is_root())
}

/// A file of some size with data here and there.
fn any_file() -> impl Strategy<Value = (Kind, Vec<u8>)> {
    vec((1_u64..3000, 1_u64..3000), 0..5).prop_flat_map(|parts| {
        let mut data = Vec::new();
        let mut size = 0;
        for (hole, length) in parts {
            // Some files begin with data, and some have no hole at all.
            let hole = if data.is_empty() && length % 2 == 0 { 0 } else { hole };
            data.push(Extent { offset: size + hole, length });
            size += hole + length;
        }
        vec(any::<u8>(), usize::try_from(size).unwrap())
            .prop_map(move |content| (Kind::File { size, data: data.clone() }, content))
    })
}

fn any_entry() -> impl Strategy<Value = (Entry, Vec<u8>)> {
    let text = vec(any::<u8>().prop_filter("", |byte| *byte != 0), 1..300);
    let kind = prop_oneof![
        4 => any_file(),
        1 => any_path().prop_map(|target| (Kind::HardLink(target), Vec::new())),
        1 => text.prop_map(|text| (Kind::Symlink(text), Vec::new())),
        1 => Just((Kind::Directory, Vec::new())),
        1 => (0_u32..4096, 0_u32..4096)
            .prop_map(|(major, minor)| (Kind::CharacterDevice(major, minor), Vec::new())),
        1 => Just((Kind::BlockDevice(8, 1), Vec::new())),
        1 => Just((Kind::Fifo, Vec::new())),
    ];
    let xattr = ("[a-z.]{1,20}".prop_map(String::into_bytes), vec(any::<u8>(), 0..50));
    let time = (any::<i32>(), 0_u32..1_000_000_000);
    (any_path(), kind, 0_u32..0o10000, 0..u32::MAX, 0..u32::MAX, time, vec(xattr, 0..3)).prop_map(
        |(path, (kind, content), mode, uid, gid, (seconds, nanoseconds), xattrs)| {
            let modified = Time { seconds: seconds.into(), nanoseconds };
            (Entry { path, kind, mode, uid, gid, modified, xattrs }, content)
        },
    )
}

proptest! {
    #[test]
    fn what_was_written_is_read(entries in vec(any_entry(), 0..8)) {
        let (again, summary) = read(&written(&entries)).unwrap();
        prop_assert_eq!(summary.entries, entries.len() as u64);
        prop_assert_eq!(again.len(), entries.len());
        for ((entry, content), (again, data)) in entries.iter().zip(&again) {
            prop_assert_eq!(entry, again);
            let Kind::File { data: extents, .. } = &entry.kind else { continue };
            let mut expected = Vec::new();
            for Extent { offset, length } in extents {
                let (from, to) = (*offset as usize, (*offset + *length) as usize);
                expected.extend_from_slice(&content[from..to]);
            }
            prop_assert_eq!(&expected, data);
        }
    }

    /// Whatever the bytes are, reading them ends, and takes no more than is allowed.
    #[test]
    fn damaged_archives_are_read_or_refused(
        entries in vec(any_entry(), 1..4),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 0..20),
        repair: bool,
    ) {
        let mut archive = written(&entries);
        for (place, value) in changes {
            let place = place.index(archive.len());
            archive[place] = value;
            if repair {
                // Else nearly every change would end at the checksum.
                let start = place / 512 * 512;
                let block: &mut [u8] = &mut archive[start..start + 512];
                block[148..156].copy_from_slice(b"        ");
                let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
                block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
            }
        }
        let _ = read(&archive);
    }
}
