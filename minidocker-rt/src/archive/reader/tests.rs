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
fn an_absolute_path_or_one_that_climbs_out_is_refused() {
    for name in ["/etc/passwd", "../../etc/passwd", "a/../../b", ".."] {
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
