//! The walls around a default container: each by itself, so that taking any one out fails a test.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use minidocker_rt::{Command, ContainerSpec};
use nix::libc;

use crate::lab::Lab;

crate::trials![nothing_of_the_host_changes_by_what_a_container_does_with_what_it_sees];

/// What belongs to the container alone, where it may do as it likes.
const OWN: [&str; 8] = [
    "/",
    "/dev",
    "/dev/pts",
    "/dev/shm",
    "/etc/hostname",
    "/etc/hosts",
    "/etc/resolv.conf",
    "/proc",
];

/// How many entries of each folder are tried.
const SOME: usize = 64;

fn nothing_of_the_host_changes_by_what_a_container_does_with_what_it_sees() {
    let lab = Lab::new();
    // The program that tries is this one, which the container sees as a volume.
    let program = format!("{}:/try:ro", std::env::current_exe().unwrap().display());
    let spec = ContainerSpec::new("a", Command::argv(["/try", "--child-program", "vandal", "/"]));
    let container = lab.create(spec.volume(&program).unwrap());
    let seen: Vec<PathBuf> = watched(lab.root());
    let before = states(&seen);
    container.start().unwrap();
    let exit = container.wait_timeout(crate::lab::PATIENCE).unwrap();
    let output = container.logs().unwrap().read_to_string().unwrap();
    assert!(exit.success(), "{output}");

    let mut mounts = Vec::new();
    for line in output.lines() {
        let (mount, rest) = line.split_once('\t').unwrap();
        let (path, rest) = rest.split_once('\t').unwrap();
        let (attempt, result) = rest.split_once('\t').unwrap();
        if mounts.last() != Some(&mount) {
            mounts.push(mount);
        }
        if !OWN.contains(&mount) {
            assert_ne!(result, "done", "{attempt} of {path} on {mount}");
        }
    }
    // It was no empty walk.
    for mount in ["/usr", "/dev/null", "/dev/tty", "/proc/kcore", "/proc/sys", "/sys", "/try"] {
        assert!(mounts.contains(&mount) || !Path::new(mount).exists(), "{mount} in {mounts:?}");
    }
    assert_eq!(states(&seen), before);
}

/// What of the host a default container is shown: devices, programs, the layers of its image.
fn watched(root: &Path) -> Vec<PathBuf> {
    let devices = ["null", "zero", "full", "random", "urandom", "tty"];
    let mut all: Vec<PathBuf> = devices.map(|name| Path::new("/dev").join(name)).into();
    all.extend(["/etc/hosts", "/etc/hostname", "/etc/resolv.conf"].map(PathBuf::from));
    for folder in ["/usr", "/usr/bin", "/usr/lib"] {
        all.push(folder.into());
        all.extend(entries(Path::new(folder)));
    }
    let mut folders = vec![root.join("images"), root.join("layers")];
    while let Some(folder) = folders.pop() {
        for path in every_entry(&folder) {
            if fs::symlink_metadata(&path).is_ok_and(|data| data.is_dir()) {
                folders.push(path.clone());
            }
            all.push(path);
        }
    }
    all
}

fn every_entry(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

/// The first entries of a folder.
fn entries(folder: &Path) -> Vec<PathBuf> {
    every_entry(folder).into_iter().take(SOME).collect()
}

/// All that chmod, chown, utimes, setxattr, rename, unlink, link and write could change; any
/// change of an inode shows in its ctime too.
fn states(paths: &[PathBuf]) -> BTreeMap<PathBuf, String> {
    let state = |path: &PathBuf| {
        let data = fs::symlink_metadata(path).ok()?;
        let mut names = vec![0; 4096];
        let c_path = c_path(path);
        // SAFETY: the path ends with NUL, and the buffer is as long as is said.
        let length =
            unsafe { libc::llistxattr(c_path.as_ptr(), names.as_mut_ptr().cast(), names.len()) };
        names.truncate(usize::try_from(length).unwrap_or(0));
        let times = (data.ctime(), data.ctime_nsec());
        // Of a device the time of the last write may change by the host's own use.
        let content = (data.is_file() || data.is_dir()).then(|| (data.len(), data.mtime_nsec()));
        let who = (data.uid(), data.gid(), data.nlink());
        Some(format!("{:o} {who:?} {times:?} {content:?} {names:?}", data.permissions().mode()))
    };
    paths.iter().filter_map(|path| Some((path.clone(), state(path)?))).collect()
}

/// In the container, as its root: tries to change every mount and some of what is below it. Each
/// attempt would change nothing that matters where a wall is missing: it sets what is set
/// already, or names what is not there, which a read-only mount refuses before it looks.
pub fn vandal(_root: &str) {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let mut seen = Vec::new();
    for line in mounts.lines() {
        let mount = line.split(' ').nth(4).unwrap().replace("\\040", " ");
        if seen.contains(&mount) {
            continue;
        }
        try_all(&mount, Path::new(&mount));
        // A container's processes come and go.
        let below = if mount == "/proc" { Vec::new() } else { entries(Path::new(&mount)) };
        for path in below {
            try_all(&mount, &path);
        }
        seen.push(mount);
    }
}

fn try_all(mount: &str, path: &Path) {
    let Ok(data) = fs::symlink_metadata(path) else { return };
    if data.is_symlink() {
        return;
    }
    let tell = |attempt: &str, result: io::Result<()>| {
        let result = result.map_or_else(|error| error.to_string(), |()| "done".into());
        println!("{mount}\t{}\t{attempt}\t{result}", path.display());
    };
    let done = |result: libc::c_int| match result {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    };
    tell("chmod", fs::set_permissions(path, data.permissions()));
    tell("chown", std::os::unix::fs::chown(path, Some(data.uid()), Some(data.gid())));
    let text = c_path(path);
    let time = |seconds, nanos| libc::timespec { tv_sec: seconds, tv_nsec: nanos };
    let times = [time(data.atime(), data.atime_nsec()), time(data.mtime(), data.mtime_nsec())];
    for name in [c"user.minidocker", c"security.capability", c"trusted.minidocker"] {
        // SAFETY: path and name end with NUL, and the value is one byte.
        tell(
            "setxattr",
            done(unsafe {
                libc::setxattr(text.as_ptr(), name.as_ptr(), b"x".as_ptr().cast(), 1, 0)
            }),
        );
    }
    // SAFETY: the path ends with NUL, and there are two times.
    tell(
        "utimes",
        done(unsafe { libc::utimensat(libc::AT_FDCWD, text.as_ptr(), times.as_ptr(), 0) }),
    );
    if data.is_dir() {
        let inside = |name: &str| path.join(name);
        let missing = inside("minidocker-no-such-file");
        tell_refused(tell, "unlink", fs::remove_file(&missing));
        tell_refused(tell, "rmdir", fs::remove_dir(&missing));
        tell_refused(tell, "rename", fs::rename(&missing, inside("minidocker-no-such-file-2")));
        let made = inside("minidocker-made");
        tell("create", File::create_new(&made).map(drop));
        let _ = fs::remove_file(&made);
        tell("mkdir", fs::create_dir(&made));
        let _ = fs::remove_dir(&made);
    } else if data.is_file() {
        let copy = path.with_file_name("minidocker-link");
        tell("link", fs::hard_link(path, &copy));
        let _ = fs::remove_file(&copy);
        tell("write", File::options().append(true).open(path).map(drop));
        // SAFETY: the path ends with NUL.
        tell(
            "truncate",
            done(unsafe { libc::truncate(text.as_ptr(), i64::try_from(data.len()).unwrap_or(0)) }),
        );
    }
    if let Ok(file) = File::open(path) {
        // SAFETY: fchmod takes two numbers.
        tell("fchmod", done(unsafe { libc::fchmod(file.as_raw_fd(), data.mode() & 0o7777) }));
    }
}

/// "Not there" is no refusal: the kernel has looked.
fn tell_refused(tell: impl Fn(&str, io::Result<()>), attempt: &str, result: io::Result<()>) {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => tell(attempt, Ok(())),
        result => tell(attempt, result),
    }
}

fn c_path(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).unwrap()
}
