//! A container's files as an archive, out and in.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use std::process::Stdio;

use minidocker_rt::{ArchiveContent, Container, Error, Isolation};
use rustix::fs::{XattrFlags, getxattr, setxattr};
use tar::{Archive, EntryType};

use crate::lab::{Lab, PATIENCE, sh, sleeper};
use crate::tarball::{Tarball, gzip};

crate::trials![
    the_merged_files_become_an_image_that_is_the_same,
    the_changes_bring_another_container_to_the_same_state,
    what_is_mounted_is_not_packed,
    a_running_container_is_packed_as_it_is,
    another_program_reads_what_was_packed,
    who_exports_slowly_keeps_nobody_from_deleting,
    who_imports_slowly_keeps_nobody_from_deleting_and_making_anew,
    an_import_replaces_what_was_changed,
    a_hostile_archive_leaves_a_container_as_it_was,
    files_are_not_replaced_under_a_running_container,
    a_container_without_a_rootfs_has_no_archive,
];

fn export(container: &Container, content: ArchiveContent) -> Vec<u8> {
    let mut archive = Vec::new();
    let summary = container.export_rootfs(content, &mut archive).unwrap();
    assert!(summary.entries > 0);
    archive
}

/// A container of busybox that has run a script to its end.
fn ran(lab: &Lab, name: &str, script: &str) -> Container {
    if lab.runtime.image("box").is_err() {
        let mut rootfs = Tarball::rootfs();
        rootfs.folder("old").file("old/file", b"x").folder("gone").file("gone/file", b"x");
        lab.runtime.import_image("box", &mut &*rootfs.bytes()).unwrap();
    }
    let container = lab.start(sh(name, script).image("box"));
    let exit = container.wait_timeout(PATIENCE).unwrap();
    assert!(exit.success(), "{}", container.logs().unwrap().read_to_string().unwrap());
    container
}

/// The paths in an archive, with the letter of their kind.
fn listed(archive: &[u8]) -> BTreeMap<String, char> {
    let mut archive = Archive::new(archive);
    archive
        .entries()
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            (path, char::from(entry.header().entry_type().as_byte()))
        })
        .collect()
}

/// What a shell in a container of an image sees of the odd files below.
const LOOK: &str = "cd /odd; for f in *; do stat -c '%n %F %a %u:%g %s %h %Y' \"$f\"; done; \
    readlink link; cat one; busybox md5sum sparse; [ one -ef two ] && echo same; \
    busybox du -k sparse | busybox cut -f1";

/// Every kind of file there is.
const ODD: &str = "mkdir /odd; cd /odd; echo content > one; ln one two; ln -s /etc/passwd link; \
    busybox mkfifo pipe; busybox mknod null c 1 3; busybox chown 7:8 one; \
    busybox chmod 4751 one; busybox dd if=/etc/passwd of=sparse bs=1 seek=5000000 count=20 2>&-; \
    mkdir -p 'a b/ünï'; echo x > \"$(busybox printf 'x%.0s' $(busybox seq 150))\"; \
    busybox touch -d '2001-02-03 04:05:06' one 'a b'";

fn the_merged_files_become_an_image_that_is_the_same() {
    let lab = Lab::new();
    let container = ran(&lab, "odd", ODD);
    // Attributes with every byte, also those that separate records.
    let value: Vec<u8> = (0..=255).collect();
    let file = container.inspect().unwrap().rootfs.join("odd/one");
    setxattr(&file, "security.bytes", &value, XattrFlags::empty()).unwrap();
    let archive = export(&container, ArchiveContent::Merged);
    assert!(archive.len() < 4 << 20, "the holes take nothing: {}", archive.len());
    let image = lab.runtime.import_image("copy", &mut &*archive).unwrap();
    let (_, before) = lab.run(sh("a", "true").image("box"));
    assert_eq!(before, "");
    let again = ran(&lab, "again", &format!("{ODD}; {LOOK}"));
    let expected = again.logs().unwrap().read_to_string().unwrap();
    let (_, seen) = lab.run(sh("b", LOOK).image("copy"));
    let times = |text: &str| -> Vec<String> {
        // The times of what was just made differ between the two.
        text.lines()
            .map(|line| match line.rsplit_once(' ') {
                Some((rest, time)) if time.len() == 10 && !line.contains("one") => rest.to_string(),
                _ => line.to_string(),
            })
            .collect()
    };
    assert_eq!(times(&seen), times(&expected));
    assert!(seen.contains("same\n") && seen.contains("one regular file 4751 7:8"), "{seen}");
    let layer = lab.root().join("layers").join(&image.layers[0].digest);
    let mut kept = vec![0; 1000];
    let length = getxattr(layer.join("odd/one"), "security.bytes", &mut kept[..]).unwrap();
    assert_eq!(kept[..length], value);
}

fn the_changes_bring_another_container_to_the_same_state() {
    let lab = Lab::new();
    let script = "echo new > /new; rm /old/file; rm -r /gone; mkdir /gone; echo x > /gone/other";
    let first = ran(&lab, "first", script);
    let changes = export(&first, ArchiveContent::Changes);
    let paths = listed(&changes);
    for path in ["new", "old/.wh.file", "gone/.wh.file", "gone/other"] {
        assert!(paths.contains_key(path), "{path} in {paths:?}");
    }
    assert!(!paths.contains_key("bin/busybox"), "only what it changed");
    let second = lab.create(sh("second", "cat /new; ls /old /gone").image("box"));
    second.import_rootfs(&mut &*gzip(&changes)).unwrap();
    let paths = |container: &Container| -> Vec<String> {
        container.diff().unwrap().iter().map(ToString::to_string).collect()
    };
    assert_eq!(paths(&second), paths(&first));
    assert_eq!(export(&second, ArchiveContent::Changes), changes);
    second.start().unwrap();
    second.wait_timeout(PATIENCE).unwrap();
    let output = second.logs().unwrap().read_to_string().unwrap();
    assert_eq!(output, "new\n/gone:\nother\n\n/old:\n");
}

fn what_is_mounted_is_not_packed() {
    let lab = Lab::new();
    let volume = lab.folder("data");
    std::fs::write(volume.join("secret"), "x").unwrap();
    let spec = sleeper("a").volume(&format!("{}:/data", volume.display())).unwrap();
    let container = lab.start(spec);
    let paths = listed(&export(&container, ArchiveContent::Merged));
    for folder in ["data/", "proc/", "sys/", "dev/", "usr/"] {
        assert!(paths.contains_key(folder), "{folder}");
        let inside = paths.keys().find(|path| path.starts_with(folder) && *path != folder);
        assert_eq!(inside, None);
    }
    assert!(paths.contains_key("etc/passwd"));
}

fn a_running_container_is_packed_as_it_is() {
    let lab = Lab::new();
    let script = "while :; do mkdir -p /d/a; echo x > /d/a/f; rm -rf /d/a; \
                  dd if=/dev/zero of=/grow bs=64k count=4 2>&-; : > /grow; done";
    let container = lab.start(sh("busy", script));
    for _ in 0..10 {
        for content in [ArchiveContent::Merged, ArchiveContent::Changes] {
            let archive = export(&container, content);
            let mut entries = Archive::new(&*archive);
            for entry in entries.entries().unwrap() {
                // Whole to the last byte, whatever changed while it was read.
                let mut entry = entry.unwrap();
                let size = entry.size();
                assert_eq!(std::io::copy(&mut entry, &mut std::io::sink()).unwrap(), size);
            }
        }
    }
}

fn another_program_reads_what_was_packed() {
    let lab = Lab::new();
    let container = ran(&lab, "odd", ODD);
    let archive = export(&container, ArchiveContent::Merged);
    let script = "import io, sys, tarfile\n\
        tar = tarfile.open(fileobj=io.BytesIO(sys.stdin.buffer.read()))\n\
        members = {m.name: m for m in tar}\n\
        one, two = members['odd/one'], members['odd/two']\n\
        assert one.islnk() != two.islnk()\n\
        sparse = members['odd/sparse']\n\
        assert sparse.size == 5000020 and sparse.issparse()\n\
        assert tar.extractfile(sparse).read()[5000000:] == b'root:x:0:0::/:/bin/s'\n\
        assert members['odd/null'].ischr() and members['odd/pipe'].isfifo()\n\
        assert members['odd/link'].linkname == '/etc/passwd'\n\
        assert 'odd/' + 'x' * 150 in members and 'odd/a b/\\xfcn\\xef' in members\n\
        print('read')";
    let mut python = std::process::Command::new("python3")
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::copy(&mut Cursor::new(archive), &mut python.stdin.take().unwrap()).unwrap();
    let mut output = String::new();
    python.stdout.take().unwrap().read_to_string(&mut output).unwrap();
    python.wait().unwrap();
    assert_eq!(output, "read\n");
}

/// An archive's reader who takes the first piece and then nothing more until he is let go.
struct Slow {
    begun: std::sync::mpsc::Sender<()>,
    go: std::sync::mpsc::Receiver<()>,
}

impl std::io::Write for Slow {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let _ = self.begun.send(());
        let _ = self.go.recv();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn who_exports_slowly_keeps_nobody_from_deleting() {
    let lab = Lab::new();
    let container = ran(&lab, "a", "echo x > /file");
    let (exported, (begun, begins), (go, gone)) =
        (container.clone(), std::sync::mpsc::channel(), std::sync::mpsc::channel());
    let thread = std::thread::spawn(move || {
        let mut slow = Slow { begun, go: gone };
        exported.export_rootfs(ArchiveContent::Merged, &mut slow)
    });
    begins.recv_timeout(PATIENCE).unwrap();
    let began = std::time::Instant::now();
    container.delete_force().unwrap();
    assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
    assert!(lab.runtime.names().unwrap().is_empty());
    drop(go);
    // Complete or not, it comes to its end.
    let _ = thread.join().unwrap();
}

/// An archive that comes only when it is let go.
struct Late {
    begun: std::sync::mpsc::Sender<()>,
    go: std::sync::mpsc::Receiver<()>,
    archive: Cursor<Vec<u8>>,
}

impl Read for Late {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        if self.archive.position() == 0 {
            let _ = self.begun.send(());
            let _ = self.go.recv();
        }
        self.archive.read(into)
    }
}

fn who_imports_slowly_keeps_nobody_from_deleting_and_making_anew() {
    let lab = Lab::new();
    let container = ran(&lab, "a", "echo old > /file");
    let archive = Cursor::new(export(&container, ArchiveContent::Changes));
    let (imported, (begun, begins), (go, gone)) =
        (container.clone(), std::sync::mpsc::channel(), std::sync::mpsc::channel());
    let thread = std::thread::spawn(move || {
        imported.import_rootfs(&mut Late { begun, go: gone, archive }).map(drop)
    });
    begins.recv_timeout(PATIENCE).unwrap();
    let began = std::time::Instant::now();
    container.delete_force().unwrap();
    assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
    let anew = ran(&lab, "a", "echo new > /file");
    drop(go);
    assert!(thread.join().unwrap().is_err(), "there is nothing to replace");
    assert_eq!(anew.files().read("/file", 100).unwrap(), b"new\n");
}

fn an_import_replaces_what_was_changed() {
    let lab = Lab::new();
    let container = ran(&lab, "a", "echo mine > /mine; rm /old/file");
    let mut archive = Tarball::new();
    archive.file("theirs", b"theirs").folder("sub/deep").file("sub/deep/er", b"");
    container.import_rootfs(&mut &*archive.bytes()).unwrap();
    let files = container.files();
    assert_eq!(files.read("/theirs", 10).unwrap(), b"theirs");
    assert!(files.stat("/mine").is_err(), "what it wrote before is gone");
    assert!(files.stat("/old/file").is_ok(), "what it deleted is back");
    let folders: Vec<_> = std::fs::read_dir(lab.root().join("containers")).unwrap().collect();
    assert_eq!(folders.len(), 1, "{folders:?}");
}

fn a_hostile_archive_leaves_a_container_as_it_was() {
    let lab = Lab::new();
    let outside = lab.folder("outside");
    let container = ran(&lab, "a", "echo mine > /mine; ln -s / /way");
    let before = export(&container, ArchiveContent::Changes);
    let way = outside.to_str().unwrap();
    let hostile: [&dyn Fn(&mut Tarball) -> &mut Tarball; 6] = [
        &|tar| tar.file("../escape", b"x"),
        &|tar| tar.symlink("out", way).file("out/file", b"x"),
        &|tar| tar.symlink("out", way).file("out/.wh.file", b"x"),
        &|tar| tar.device(EntryType::Block, "disk", 8, 0),
        &|tar| tar.xattr("trusted.overlay.redirect", b"/").folder("d"),
        &|tar| tar.entry(EntryType::Regular, "x", b"", |header| header.set_size(1 << 50)),
    ];
    for make in hostile {
        let mut tarball = Tarball::new();
        tarball.file("good", b"x");
        make(&mut tarball);
        let error = container.import_rootfs(&mut &*tarball.bytes()).unwrap_err();
        assert!(matches!(error, Error::BadArchive { .. }), "{error:?}");
        assert!(container.files().stat("/good").is_err(), "{error}");
        assert_eq!(export(&container, ArchiveContent::Changes), before);
    }
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
    let folders: Vec<_> = std::fs::read_dir(lab.root().join("containers")).unwrap().collect();
    assert_eq!(folders.len(), 1, "{folders:?}");
}

fn files_are_not_replaced_under_a_running_container() {
    let lab = Lab::new();
    let container = lab.start(sleeper("a"));
    let archive = Tarball::new().bytes();
    let error = container.import_rootfs(&mut &*archive).unwrap_err();
    assert!(matches!(error, Error::WrongState { .. }), "{error}");
}

fn a_container_without_a_rootfs_has_no_archive() {
    let lab = Lab::new();
    let isolation = Isolation { rootfs: false, ..Isolation::default() };
    let container = lab.create(sleeper("a").isolation(isolation));
    let export = container.export_rootfs(ArchiveContent::Merged, &mut Vec::new());
    assert!(matches!(export, Err(Error::Unsupported { .. })));
    let import = container.import_rootfs(&mut &b""[..]);
    assert!(matches!(import, Err(Error::Unsupported { .. })));
}
