//! The files of a container, and what it changed.

use std::io::Read;
use std::sync::mpsc;
use std::time::Instant;

use minidocker_rt::{Error, FileKind, WriteOptions};

use crate::lab::{Lab, PATIENCE, eventually, printed, python, sleeper};

crate::trials![
    files_go_in_and_out_while_it_rests_and_while_it_runs,
    what_a_path_cannot_be_is_said,
    a_volume_is_seen_running_or_not,
    what_it_changed_is_told,
    who_writes_slowly_keeps_nobody_from_deleting,
];

fn files_go_in_and_out_while_it_rests_and_while_it_runs(lab: &Lab) {
    let code = "import time; print(open('/app/in').read()); \
                open('/app/out', 'w').write('made inside'); print('ready'); time.sleep(1000)";
    let container = lab.create(python("a", code));
    let options = WriteOptions { make_parents: true, ..WriteOptions::default() };
    container.files().write("/app/in", "größe".as_bytes(), options).unwrap();
    container.start().unwrap();
    eventually("ready", || printed(&container) == "größe\nready\n");
    let files = container.files();
    assert_eq!(files.read("/app/out", 100).unwrap(), b"made inside");
    let names: Vec<String> =
        files.list("/app").unwrap().into_iter().map(|file| file.name).collect();
    assert_eq!(names, ["in", "out"]);
    container.stop_within(std::time::Duration::ZERO).unwrap();
    assert_eq!(files.stat("/app/out").unwrap().size, 11);
    assert_eq!(files.stat("/tmp").unwrap().kind, FileKind::Directory);
    files.make_directory("/app/sub/folder").unwrap();
    files.remove("/app").unwrap();
    assert!(matches!(files.stat("/app/in"), Err(Error::File { .. })));
}

fn what_a_path_cannot_be_is_said(lab: &Lab) {
    let container = lab.create(sleeper("a"));
    let files = container.files();
    for path in ["relative", "", "/no/such/file", "/etc"] {
        assert!(matches!(files.read(path, 10), Err(Error::File { .. })), "{path}");
    }
    assert!(matches!(files.remove("/"), Err(Error::File { .. })));
    files.write("/x", b"more than ten", WriteOptions::default()).unwrap();
    let error = files.read("/x", 10).unwrap_err();
    assert!(error.to_string().contains("longer than 10 bytes"), "{error}");
}

fn a_volume_is_seen_running_or_not(lab: &Lab) {
    let volume = lab.folder("data");
    std::fs::write(volume.join("from-host"), "x").unwrap();
    let spec = sleeper("a").volume(&format!("{}:/data", volume.display())).unwrap();
    let container = lab.start(spec);
    let files = container.files();
    assert_eq!(files.read("/data/from-host", 10).unwrap(), b"x");
    files.write("/data/from-us", b"y", WriteOptions::default()).unwrap();
    assert_eq!(std::fs::read(volume.join("from-us")).unwrap(), b"y");
    assert!(matches!(files.remove("/data"), Err(Error::File { .. })), "it is in use");
    container.stop_within(std::time::Duration::ZERO).unwrap();
    files.write("/data/at-rest", b"z", WriteOptions::default()).unwrap();
    assert_eq!(std::fs::read(volume.join("at-rest")).unwrap(), b"z");
    assert_eq!(files.list("/data").unwrap().len(), 3);
    assert!(matches!(files.remove("/data"), Err(Error::File { .. })), "nor is it removed then");
}

fn what_it_changed_is_told(lab: &Lab) {
    let volume = lab.folder("data");
    let code = "import os; os.mkdir('/tmp/new'); open('/tmp/new/file', 'w').close(); \
                open('/data/x', 'w').close()";
    let spec = python("a", code).volume(&format!("{}:/data", volume.display())).unwrap();
    let container = lab.create(spec.working_dir("/work"));
    assert!(container.diff().unwrap().is_empty());
    container.start().unwrap();
    assert!(container.wait_timeout(PATIENCE).unwrap().success());
    let told: Vec<String> = container.diff().unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(told, ["C /tmp", "A /tmp/new", "A /tmp/new/file"]);
}

/// A content that comes only when it is let go.
struct Late {
    begun: mpsc::Sender<()>,
    go: mpsc::Receiver<()>,
}

impl Read for Late {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        let _ = self.begun.send(());
        let _ = self.go.recv();
        Ok(0)
    }
}

fn who_writes_slowly_keeps_nobody_from_deleting(lab: &Lab) {
    // Windows does not remove a file that is open.
    if cfg!(windows) {
        return;
    }
    let container = lab.create(sleeper("a"));
    let (files, (begun, begins), (go, gone)) =
        (container.files(), mpsc::channel(), mpsc::channel());
    let thread = std::thread::spawn(move || {
        let mut late = Late { begun, go: gone };
        files.write_from("/tmp/late", &mut late, WriteOptions::default())
    });
    begins.recv_timeout(PATIENCE).unwrap();
    let began = Instant::now();
    container.delete_force().unwrap();
    assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
    let anew = lab.create(sleeper("a"));
    drop(go);
    let _ = thread.join().unwrap();
    assert!(anew.files().stat("/tmp/late").is_err(), "it was written to the one before, if at all");
}
