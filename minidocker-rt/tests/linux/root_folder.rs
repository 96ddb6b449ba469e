//! The root folder: for its user alone.

use std::fs::{self, File, Permissions};
use std::io::{BufRead, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use minidocker_rt::{BackendKind, Error, Exec, Runtime, Template};

use crate::lab::{Lab, child, sh};
use crate::trials;

trials!(
    nobody_else_can_open_or_lock_anything_below_the_root,
    a_root_that_others_could_enter_is_mended,
    a_lock_that_was_taken_before_the_mending_holds_nobody_up,
    a_root_of_another_user_is_refused,
    a_folder_of_other_things_is_not_closed_to_others,
);

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Everything below a folder, without following symlinks.
fn below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            if entry.file_type().unwrap().is_dir() {
                open.push(entry.path());
            }
            found.push(entry.path());
        }
    }
    found
}

/// Another user, who tries to open and to lock each path that it is told.
pub fn stranger() {
    nix::unistd::setgroups(&[]).unwrap();
    nix::unistd::setgid(65534.into()).unwrap();
    nix::unistd::setuid(65534.into()).unwrap();
    for path in std::io::stdin().lock().lines() {
        let opened = File::open(path.unwrap());
        println!("{}", if opened.is_ok_and(|file| file.lock().is_ok()) { "locked" } else { "no" });
    }
}

fn nobody_else_can_open_or_lock_anything_below_the_root() {
    let lab = Lab::new();
    // As under a mask that closes nothing.
    let container = lab.start(sh("a", "echo secret > /tmp/file; sleep 1000").env("TOKEN", "x"));
    container.exec(Exec::new("true")).unwrap();
    let template = Template::new("own", sh("a", "true").env("TOKEN", "x")).unwrap();
    lab.runtime.save_template(&template).unwrap();
    // Its parent can be entered, so it is the root itself that keeps others out.
    set_mode(lab.root().parent().unwrap(), 0o755);
    let mut paths = below(lab.root());
    paths.push(lab.root().to_owned());
    for wanted in ["events", "events.lock", "templates/own.json", "containers/a/lock"] {
        assert!(paths.contains(&lab.root().join(wanted)), "{wanted}: {paths:?}");
    }
    paths.push("/run/minidocker".into());
    let mut stranger = child("stranger", lab.root());
    let mut told = stranger.child.stdin.take().unwrap();
    for path in &paths {
        writeln!(told, "{}", path.display()).unwrap();
        assert_eq!(stranger.line(), "no", "{}", path.display());
    }
    // Ours are closed themselves too, should the root ever be opened.
    for name in ["events", "events.lock", "templates/own.json", "containers/a/spec.json"] {
        assert_eq!(mode(&lab.root().join(name)), 0o600, "{name}");
    }
}

fn a_root_that_others_could_enter_is_mended() {
    let lab = Lab::new();
    for loose in [0o755, 0o750, 0o701, 0o777] {
        set_mode(lab.root(), loose);
        set_mode(&lab.root().join("templates"), 0o755);
        crate::lab::open(lab.root());
        assert_eq!((mode(lab.root()), mode(&lab.root().join("templates"))), (0o700, 0o700));
    }
    // One that is empty and ours is made into a root.
    let folder = lab.folder("empty");
    set_mode(&folder, 0o755);
    crate::lab::open(&folder);
    assert_eq!(mode(&folder), 0o700);
}

fn a_lock_that_was_taken_before_the_mending_holds_nobody_up() {
    let lab = Lab::new();
    lab.create(sh("a", "true"));
    let lock = File::open(lab.root().join("events.lock")).unwrap();
    lock.lock().unwrap();
    set_mode(lab.root(), 0o755);
    let again = crate::lab::open(lab.root());
    let began = std::time::Instant::now();
    again.get("a").unwrap().delete().unwrap();
    assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
}

fn open(root: &Path) -> Result<Runtime, Error> {
    Runtime::builder().backend(BackendKind::Linux).open(root)
}

fn a_root_of_another_user_is_refused() {
    let lab = Lab::new();
    let folder = lab.folder("theirs");
    for mode in [0o700, 0o755] {
        set_mode(&folder, mode);
        std::os::unix::fs::chown(&folder, Some(65534), Some(65534)).unwrap();
        let error = open(&folder).unwrap_err();
        assert!(matches!(error, Error::InvalidSpec { field: "root", .. }), "{error}");
        assert!(error.to_string().contains("it belongs to user 65534"), "{error}");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0, "nothing is made in it");
        assert_eq!(fs::metadata(&folder).unwrap().uid(), 65534);
    }
}

fn a_folder_of_other_things_is_not_closed_to_others() {
    let lab = Lab::new();
    let folder = lab.folder("shared");
    fs::write(folder.join("file"), "").unwrap();
    set_mode(&folder, 0o1777);
    let error = open(&folder).unwrap_err();
    assert!(matches!(error, Error::InvalidSpec { field: "root", .. }), "{error}");
    assert!(error.hint().contains("shared/minidocker"), "{}", error.hint());
    assert_eq!((mode(&folder), fs::read_dir(&folder).unwrap().count()), (0o1777, 1));
    open(&folder.join("minidocker")).unwrap();
    // Nor is one that others have prepared.
    let containers = folder.join("containers");
    fs::create_dir(&containers).unwrap();
    std::os::unix::fs::chown(&containers, Some(65534), Some(65534)).unwrap();
    assert!(open(&folder).is_err());
}
