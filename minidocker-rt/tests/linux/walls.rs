//! The walls around a default container: each by itself, so that taking any one out fails a test.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use minidocker_rt::{
    Command, Container, ContainerSpec, Error, Isolation, NetworkMode, Resource, Rlimit,
};
use nix::libc;

use crate::lab::{Lab, eventually, sh, sleeper, status_field};

crate::trials![
    nothing_of_the_host_changes_by_what_a_container_does_with_what_it_sees,
    every_mount_of_a_container_has_the_attributes_that_it_should,
    what_is_masked_cannot_be_read_and_what_is_read_only_not_written,
    each_wall_of_the_command_stands,
    walls_behind_walls_are_built_too,
    the_names_of_the_one_whose_network_is_shared_cannot_be_rewritten,
    a_lease_on_a_hosts_file_keeps_nobody_from_starting,
    no_lease_keeps_the_host_waiting,
    a_limit_that_cannot_be_is_explained,
];

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

/// A mount as /proc/PID/mountinfo tells (`man 5 proc_pid_mountinfo`).
#[derive(Debug)]
struct Mount {
    at: String,
    kind: String,
    /// Those of its options that restrict, in the order of the kernel.
    walls: String,
    propagates: bool,
}

fn mounts_of(pid: i32) -> Vec<Mount> {
    let text = fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap();
    let parse = |line: &str| {
        let (left, right) = line.split_once(" - ").unwrap();
        let left: Vec<&str> = left.split(' ').collect();
        let walls = left[5].split(',');
        let walls = walls.filter(|option| ["ro", "nosuid", "nodev", "noexec"].contains(option));
        Mount {
            at: left[4].into(),
            kind: right.split(' ').next().unwrap().into(),
            walls: walls.collect::<Vec<_>>().join(","),
            propagates: left.len() > 6,
        }
    };
    text.lines().map(parse).collect()
}

fn every_mount_of_a_container_has_the_attributes_that_it_should() {
    let lab = Lab::new();
    let volume = |name: &str| lab.folder(name).display().to_string();
    let spec = sleeper("a")
        .volume(&format!("{}:/srv/written", volume("w")))
        .and_then(|spec| spec.volume(&format!("{}:/srv/read:ro", volume("r"))))
        .unwrap();
    let container = lab.start(spec);
    let mounts = mounts_of(container.inspect().unwrap().pid.unwrap());
    let all = "nosuid,nodev,noexec";
    let own = [
        ("/", "nodev"),
        ("/proc", all),
        ("/dev", all),
        ("/dev/pts", "nosuid,noexec"),
        ("/dev/shm", all),
        ("/etc/hostname", all),
        ("/etc/hosts", all),
        ("/etc/resolv.conf", all),
        ("/srv/written", "nosuid,nodev"),
        ("/srv/read", "ro,nosuid,nodev"),
        ("/usr", "ro,nodev"),
        ("/sys", "ro,nosuid,nodev,noexec"),
    ];
    for Mount { at, kind, walls, propagates } in &mounts {
        let expected = match own.iter().find(|(mount, _)| mount == at) {
            Some((_, walls)) => walls,
            // Devices: the masks among them, and those of /dev.
            None if kind != "proc" && is_device(&container, at) => "ro,nosuid,noexec",
            None if at.starts_with("/proc/") || at.starts_with("/sys/") => "ro,nosuid,nodev,noexec",
            // More of the host's programs.
            None => "ro,nodev",
        };
        assert_eq!(walls, expected, "{at} ({kind})");
        assert!(!propagates, "{at}");
    }
    let is_there = |at: &str| mounts.iter().any(|mount| mount.at == at);
    for (mount, _) in own {
        assert!(is_there(mount), "{mount}");
    }
    for name in ["null", "zero", "full", "random", "urandom", "tty"] {
        assert!(is_there(&format!("/dev/{name}")), "{name}");
    }
    // The host's own mount of each kernel file that it has is covered.
    for path in MASKED.into_iter().chain(READ_ONLY) {
        assert!(is_there(path) || !Path::new(path).exists(), "{path}");
    }
}

/// Docker's lists.
const MASKED: [&str; 12] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];
const READ_ONLY: [&str; 5] =
    ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

fn is_device(container: &Container, at: &str) -> bool {
    let pid = container.inspect().unwrap().pid.unwrap();
    let seen = fs::symlink_metadata(format!("/proc/{pid}/root{at}")).unwrap();
    seen.file_type().is_char_device()
}

fn what_is_masked_cannot_be_read_and_what_is_read_only_not_written() {
    let lab = Lab::new();
    // procfs takes no new names; a file that can be opened for writing is what matters.
    let script = format!(
        "for f in {}; do test ! -d $f || ls -A $f; test ! -f $f || cat $f; done; \
         for f in {} /proc/sys/kernel/hostname /proc/sys/vm/drop_caches; do test ! -e $f || \
         touch -c $f 2>&1 | grep -vi read-only; test ! -f $f || (: >> $f) 2>&1 | \
         grep -vi read-only; done; true",
        MASKED.join(" "),
        READ_ONLY.join(" ")
    );
    assert_eq!(lab.sh(&script), "");
    // They are there to be seen without.
    let off = Isolation { masked_paths: false, ..Isolation::default() };
    let seen = lab.run(sh("b", "cat /proc/timer_list /proc/interrupts").isolation(off)).1;
    assert!(seen.len() > 100 || !Path::new("/proc/interrupts").exists(), "{seen}");
}

fn each_wall_of_the_command_stands() {
    let lab = Lab::new();
    for init in [true, false] {
        let container = lab.start(sleeper(&format!("a-{init}")).init(init));
        let executed = container.exec_start("sleep 1000").unwrap();
        for pid in [container.inspect().unwrap().pid.unwrap(), executed.pid()] {
            for (field, value) in [
                ("CapEff", "00000000a80425fb"),
                ("CapPrm", "00000000a80425fb"),
                ("CapBnd", "00000000a80425fb"),
                ("CapInh", "0000000000000000"),
                ("CapAmb", "0000000000000000"),
                ("NoNewPrivs", "1"),
                ("Seccomp", "2"),
                ("Seccomp_filters", "2"),
                ("Uid", "0\t0\t0\t0"),
                ("Groups", ""),
            ] {
                if let Some(found) = status_field(pid, field) {
                    assert_eq!(found, value, "{field}");
                }
            }
            let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
            let core = limits.lines().find(|line| line.starts_with("Max core")).unwrap();
            let numbers: Vec<&str> = core.split_whitespace().skip(4).take(2).collect();
            assert_eq!(numbers, ["0", "0"], "{core}");
        }
    }
}

/// What another wall would stop as well shows only in the trace.
fn walls_behind_walls_are_built_too() {
    let lab = Lab::new();
    let container = lab.start(sleeper("a"));
    let trace = container.trace().unwrap().unwrap();
    let calls: Vec<&str> =
        trace.steps.iter().flat_map(|step| &step.calls).map(|call| call.call.as_str()).collect();
    for wall in [
        "close_range(3, ~0U, CLOSE_RANGE_CLOEXEC)",
        "getcwd() begins with",
        "fstat(</dev/null>) is a character device 1:3",
        "fstat(</dev/tty>) is a character device 5:0",
        "fstatfs(</proc/self/oom_score_adj>) is PROC_SUPER_MAGIC",
        "write(</proc/self/oom_score_adj>, \"0\")",
        "prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)",
        "capset(inheritable=0)",
        "capset(permitted=",
        "setgroups(0, [])",
        "umount2(\".\", MNT_DETACH)",
    ] {
        assert!(calls.iter().any(|call| call.starts_with(wall)), "{wall} in {calls:#?}");
    }
}

fn the_names_of_the_one_whose_network_is_shared_cannot_be_rewritten() {
    let lab = Lab::new();
    let web = lab.start(sleeper("web"));
    let script = "(echo 6.6.6.6 bank > /etc/hosts; chmod 0 /etc/hosts /etc/resolv.conf; \
                  echo > /etc/resolv.conf) 2>&1; echo mine > /etc/hostname; cat /etc/hostname";
    let shares = NetworkMode::Container("web".parse().unwrap());
    let (_, output) = lab.run(sh("guest", script).network(shares));
    assert_eq!(output.matches("Read-only").count(), 4, "{output}");
    assert!(output.ends_with("mine\n"), "its own name is its own: {output}");
    let seen = web.exec("cat /etc/hosts").unwrap().stdout_text();
    assert!(seen.contains("localhost") && !seen.contains("bank"), "{seen}");
}

fn a_lease_on_a_hosts_file_keeps_nobody_from_starting() {
    crate::net_lab::in_own_network(start_beside_a_lease);
}

fn start_beside_a_lease(lab: &Lab) {
    let program = format!("{}:/try:ro", std::env::current_exe().unwrap().display());
    let command = Command::argv(["/try", "--child-program", "lease", "/etc/hosts"]);
    // The filter refuses leases.
    let isolation = Isolation { seccomp: false, ..Isolation::default() };
    let spec = ContainerSpec::new("holder", command).network(NetworkMode::Bridge);
    let spec = spec.isolation(isolation);
    let holder = lab.start(spec.volume(&program).unwrap());
    eventually("it has its lease", || {
        holder.logs().unwrap().read_to_string().unwrap().contains("leased")
    });
    // The kernel lets a writer wait for 45 seconds (/proc/sys/fs/lease-break-time).
    let before = Instant::now();
    let other = lab.start(sleeper("other").network(NetworkMode::Bridge));
    assert!(before.elapsed() < Duration::from_secs(40), "{:?}", before.elapsed());
    other.stop_within(Duration::ZERO).unwrap();
    assert!(before.elapsed() < Duration::from_secs(40), "{:?}", before.elapsed());
}

fn no_lease_keeps_the_host_waiting() {
    let lab = Lab::new();
    let program = format!("{}:/try:ro", std::env::current_exe().unwrap().display());
    let command = Command::argv(["/try", "--child-program", "lease", "/usr/bin/env"]);
    let container = lab.start(ContainerSpec::new("a", command).volume(&program).unwrap());
    let said = || container.logs().unwrap().read_to_string().unwrap();
    eventually("it has tried", || !said().is_empty());
    assert_eq!(said(), "refused\n");
    container.stop_within(Duration::ZERO).unwrap();
}

/// Takes a lease on a file and does not give it back.
pub fn lease(path: &str) {
    let file = File::open(path).unwrap();
    // Its end would be told by SIGIO, which ends a process unless it is blocked.
    let all = nix::sys::signal::SigSet::all();
    all.thread_block().unwrap();
    // SAFETY: F_SETLEASE takes a number.
    let result = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, libc::F_RDLCK) };
    println!("{}", if result == 0 { "leased" } else { "refused" });
    std::thread::sleep(Duration::from_secs(1000));
}

fn a_limit_that_cannot_be_is_explained() {
    let lab = Lab::new();
    for (name, files, said) in [("few", 3, "too small"), ("many", 1 << 40, "nr_open")] {
        let rlimit = Rlimit::new(Resource::Nofile, files, files).unwrap();
        let container = lab.create(sleeper(name).rlimit(rlimit));
        match container.start() {
            Err(Error::StartFailed { failure, .. }) => {
                assert!(failure.hint.contains(said), "{failure}: {}", failure.hint);
            }
            other => panic!("{other:?}"),
        }
    }
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
