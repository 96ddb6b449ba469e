//! Files made to hurt whoever looks at them: too deep, too many, too large, of no text, of no end.

use std::fs::{self, File};
use std::io::{self, Seek, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, symlink};
use std::path::Path;
use std::time::{Duration, Instant};

use minidocker_rt::{ArchiveContent, Container, Error, WriteOptions};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags};

use crate::lab::{Lab, sleeper};

crate::trials![every_look_at_files_made_to_hurt_ends_and_takes_little];

/// Deeper than any path, any stack and any number of open files.
const LEVELS: usize = 6000;

/// More than a walk reads at once where it is in many folders.
const WIDE: usize = 4000;

/// How many names that are no text, each as long as a name can be.
const ODD: u8 = 200;

/// What the whole library may take for it.
const MEMORY_KB: u64 = 200_000;

fn every_look_at_files_made_to_hurt_ends_and_takes_little() {
    let lab = Lab::new();
    let container = lab.create(sleeper("a"));
    let rootfs = container.inspect().unwrap().rootfs;
    hurt(&rootfs);
    // What was the most memory so far is forgotten (`man 5 proc_pid_clear_refs`).
    fs::write("/proc/self/clear_refs", "5").unwrap();
    let before = memory_kb("VmRSS");
    std::thread::scope(|scope| {
        let small = std::thread::Builder::new().stack_size(512 << 10);
        let look = || {
            look_at_all(&lab, &container);
            container.start().unwrap();
            look_at_all(&lab, &container);
        };
        small.spawn_scoped(scope, look).unwrap().join().unwrap();
    });
    let taken = memory_kb("VmHWM") - before;
    assert!(taken < MEMORY_KB, "{taken} kB");

    // What is left goes out, and into another container; then everything goes away.
    let files = container.files();
    for path in ["/wide", "/deep"] {
        within("remove", || files.remove(path)).unwrap();
        assert!(matches!(files.stat(path), Err(Error::File { errno: Some(2), .. })));
    }
    let mut archive = tempfile::tempfile_in(lab.folder("archive")).unwrap();
    container.export_rootfs(ArchiveContent::Changes, &mut archive).unwrap();
    archive.rewind().unwrap();
    let other = lab.create(sleeper("b"));
    within("import", || other.import_rootfs(&mut archive)).unwrap();
    let same =
        |path: &str| other.files().stat(path).unwrap().size == files.stat(path).unwrap().size;
    assert!(same("/sparse") && same("/pieces") && same("/links/0"));
    assert_eq!(other.files().list("/odd").unwrap().len(), usize::from(ODD));
    hurt(&other.inspect().unwrap().rootfs.join("again"));
    let pruned = within("prune", || lab.runtime.prune()).unwrap();
    assert_eq!((pruned.containers, pruned.failed), (vec!["b".to_string()], Vec::new()));
    within("delete", || container.delete_force()).unwrap();
}

/// Everything that reads, on everything that was made.
fn look_at_all(lab: &Lab, container: &Container) {
    let files = container.files();
    let errno = |result: Result<(), Error>| match result {
        Err(Error::File { errno, .. }) => errno,
        other => panic!("{other:?}"),
    };
    assert!(within("list", || files.list("/")).unwrap().len() > 10);
    assert_eq!(within("list", || files.list("/wide")).unwrap().len(), WIDE);
    let page = within("page", || files.list_page("/wide", Some(b"00000999"), 2000)).unwrap();
    assert_eq!((page.len(), page[0].name.as_str()), (2000, "00001000"));
    let too_deep = format!("/deep{}", "/d".repeat(3000));
    assert_eq!(errno(files.stat(&too_deep).map(drop)), Some(36), "ENAMETOOLONG");
    assert_eq!(files.list(format!("/deep{}", "/d".repeat(1000))).unwrap()[0].name, "d");
    for file in files.list("/odd").unwrap() {
        let path = [b"/odd/", file.raw_name()].concat();
        assert_eq!(files.read(&path, 10).unwrap(), file.raw_name()[..1]);
        files.write(&path, &file.raw_name()[..1], WriteOptions::default()).unwrap();
    }
    for path in ["/circle", "/there", "/itself/x"] {
        assert_eq!(errno(files.read(path, 1).map(drop)), Some(40), "ELOOP: {path}");
    }
    for path in ["/wide/00000000", "/socket"] {
        assert_eq!(errno(within("open", || files.open(path).map(drop))), Some(22), "{path}");
    }
    assert_eq!(errno(within("read", || files.read("/sparse", 1000).map(drop))), Some(27), "EFBIG");
    let opened = within("open", || files.open("/sparse")).unwrap();
    assert_eq!(opened.metadata().unwrap().len(), files.stat("/sparse").unwrap().size);

    assert!(within("diff", || container.diff()).unwrap().len() > WIDE);
    let diff = within("diff", || container.diff_within(500)).unwrap();
    assert_eq!((diff.changes.len(), diff.truncated), (500, true));
    assert!(diff.changes.iter().any(|change| change.path == "/wide"));
    let changes = within("changes", || files.changes("/", 100)).unwrap();
    assert!(!changes.truncated && changes.changes.iter().any(|change| change.path == "/deep"));
    for content in [ArchiveContent::Changes, ArchiveContent::Merged] {
        let packed = within("pack", || container.export_rootfs(content, &mut Count(0))).unwrap();
        assert!(packed.entries > WIDE as u64, "{packed:?}");
        let deep = u64::from(content == ArchiveContent::Merged);
        assert!(packed.left_out >= deep && packed.bytes < 100 << 20, "{packed:?}");
    }
    let usage = within("disk usage", || container.disk_usage()).unwrap();
    // Each level is a folder, and takes at least its inode; most filesystems count a block.
    assert!(usage.changes_bytes > 1 << 20, "{usage:?}");
    within("disk usage", || lab.runtime.disk_usage()).unwrap();
    within("stats", || container.stats()).unwrap();
}

/// Takes what is written, up to what no archive of these files should have.
struct Count(u64);

impl Write for Count {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        assert!(self.0 < 500 << 20, "the archive has no end");
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn within<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = work();
    assert!(start.elapsed() < Duration::from_secs(120), "{what} took {:?}", start.elapsed());
    result
}

fn memory_kb(field: &str) -> u64 {
    let text = crate::lab::status_field(std::process::id().cast_signed(), field).unwrap();
    text.split_whitespace().next().unwrap().parse().unwrap()
}

/// Fills a folder with such files.
fn hurt(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    let directory = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let make = |parent: &std::os::fd::OwnedFd, name: &str| {
        rustix::fs::mkdirat(parent, name, Mode::from(0o755)).unwrap();
        rustix::fs::openat(parent, name, directory, Mode::empty()).unwrap()
    };
    let root = rustix::fs::open(folder, directory, Mode::empty()).unwrap();
    let mut deep = make(&root, "deep");
    for _ in 0..LEVELS {
        deep = make(&deep, "d");
    }
    let wide = make(&root, "wide");
    let fifo = |name: &str| {
        rustix::fs::mknodat(&wide, name, FileType::Fifo, Mode::from(0o644), 0).unwrap();
    };
    (0..WIDE).for_each(|number| fifo(&format!("{number:08}")));
    fs::create_dir(folder.join("odd")).unwrap();
    for number in 0..ODD {
        let mut name = [0xff; 255];
        name[0] = number + 0x30;
        let path = folder.join("odd").join(std::ffi::OsStr::from_bytes(&name));
        fs::write(path, [number + 0x30]).unwrap();
    }
    // As large as this filesystem takes it; 8 EiB where it has no limit of its own.
    let sparse = File::create(folder.join("sparse")).unwrap();
    let size = (34..63).rev().map(|bits| (1_u64 << bits) - 4096);
    let size = size.into_iter().find(|size| sparse.write_all_at(b"end", size - 3).is_ok());
    assert!(size.is_some());
    let pieces = File::create(folder.join("pieces")).unwrap();
    for number in 0..1000 {
        pieces.write_all_at(b"x", number * (1 << 20)).unwrap();
    }
    symlink("circle", folder.join("circle")).unwrap();
    symlink("back", folder.join("there")).unwrap();
    symlink("there", folder.join("back")).unwrap();
    symlink("itself", folder.join("itself")).unwrap();
    rustix::fs::mknodat(&root, "socket", FileType::Socket, Mode::from(0o644), 0).unwrap();
    let links = folder.join("links");
    fs::create_dir(&links).unwrap();
    fs::write(links.join("0"), "once").unwrap();
    for number in 1..500 {
        let (old, new) = (links.join("0"), links.join(number.to_string()));
        rustix::fs::linkat(CWD, &old, CWD, &new, AtFlags::empty()).unwrap();
    }
    // As many attributes as it takes.
    for number in 0..50 {
        let name = format!("user.attribute-{number}");
        let flags = rustix::fs::XattrFlags::empty();
        if rustix::fs::setxattr(links.join("0"), name, &[b'x'; 900], flags).is_err() {
            break;
        }
    }
}
