//! The floor: what the kernel's own work costs, with as little around it as possible.
//!
//! One small process makes three cgroups with limits, clones a child into six new
//! namespaces, and the child mounts an overlay and /proc, makes the overlay its root and
//! executes the program. No /dev, no filter, no log, no state, no init: a runtime has all
//! of these, and is good if it stays near.

use std::ffi::CString;
use std::fs;
use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use minidocker_benches::{Error, Lab, Result};
use nix::fcntl::{OFlag, open};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::CloneFlags;
use nix::sys::stat::Mode;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{Pid, chdir, execv, pivot_root, sethostname, write};

use crate::Contender;

/// See the module.
pub struct Floor {
    lower: PathBuf,
    scratch: PathBuf,
    cgroups: Vec<Cgroup>,
}

/// One directory of a cgroup tree.
struct Cgroup {
    path: PathBuf,
    limits: &'static [(&'static str, &'static str)],
    /// The file through which a process joins it.
    door: &'static str,
}

/// Version 2: one tree for all controllers.
const UNIFIED: [(&str, &[(&str, &str)]); 1] =
    [("", &[("memory.max", "67108864"), ("cpu.max", "50000 100000"), ("pids.max", "512")])];

/// Version 1: a tree for each.
const SEPARATE: [(&str, &[(&str, &str)]); 3] = [
    (
        "memory",
        &[("memory.limit_in_bytes", "67108864"), ("memory.memsw.limit_in_bytes", "67108864")],
    ),
    ("cpu", &[("cpu.cfs_quota_us", "50000")]),
    ("pids", &[("pids.max", "512")]),
];

impl Floor {
    /// `lower` is the root filesystem that all runtimes use.
    pub fn new(lab: &Lab, lower: &Path) -> Floor {
        let name = format!("minidocker-bench-{}", std::process::id());
        let root = Path::new("/sys/fs/cgroup");
        // Through `tasks`, a thread that moves only itself needs no lock of the whole
        // machine; version 2 has no such file.
        let (trees, door) = match root.join("cgroup.controllers").exists() {
            true => (&UNIFIED[..], "cgroup.procs"),
            false => (&SEPARATE[..], "tasks"),
        };
        let cgroups = trees
            .iter()
            .map(|&(tree, limits)| Cgroup { path: root.join(tree).join(&name), limits, door })
            .collect();
        Floor { lower: lower.to_owned(), scratch: lab.folder().join("floor"), cgroups }
    }

    fn start(&self) -> Result<Pid> {
        let made = |path: &Path| Error::io(format!("make {}", path.display()));
        let (upper, work) = (self.scratch.join("upper"), self.scratch.join("work"));
        for folder in [&upper, &work] {
            fs::create_dir_all(folder).map_err(made(folder))?;
        }
        let mut doors = Vec::new();
        for cgroup in &self.cgroups {
            fs::create_dir(&cgroup.path).map_err(made(&cgroup.path))?;
            for (file, value) in cgroup.limits {
                fs::write(cgroup.path.join(file), value).map_err(Error::io("set a limit"))?;
            }
            let door = cgroup.path.join(cgroup.door);
            let door = open(&door, OFlag::O_WRONLY | OFlag::O_CLOEXEC, Mode::empty());
            doors.push(door.map_err(|errno| Error::io("open a cgroup")(errno.into()))?);
        }
        let options = format!(
            "lowerdir={},upperdir={},workdir={}",
            self.lower.display(),
            upper.display(),
            work.display()
        );
        match clone_into_namespaces().map_err(Error::io("clone"))? {
            Some(child) => Ok(child),
            None => {
                // The exit code tells which call failed, as a poor man's trace.
                let code = inside(&doors, &upper, &options);
                // SAFETY: _exit(2) takes a number and does not return; nothing of the
                // parent's is dropped.
                unsafe { libc::_exit(code) }
            }
        }
    }

    fn remove(&self) {
        for cgroup in &self.cgroups {
            // The child may still be on its last steps out of its cgroup.
            let busy = |error: std::io::Error| error.kind() == ErrorKind::ResourceBusy;
            while fs::remove_dir(&cgroup.path).is_err_and(busy) {
                std::thread::yield_now();
            }
        }
        let _ = fs::remove_dir_all(&self.scratch);
    }
}

impl Contender for Floor {
    fn name(&self) -> &str {
        "floor: the bare system calls"
    }

    fn turn(&mut self) -> Result<()> {
        let ended = waitpid(self.start()?, None);
        self.remove();
        match ended {
            Ok(WaitStatus::Exited(_, 0)) => Ok(()),
            other => Err(Error::Unexpected(format!("the floor's container ended: {other:?}"))),
        }
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        self.remove();
    }
}

/// Returns the child, or None in the child.
fn clone_into_namespaces() -> std::io::Result<Option<Pid>> {
    let flags = CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWCGROUP;
    // SAFETY: clone_args is plain data, for which all zeroes is "nothing asked for".
    let mut arguments: libc::clone_args = unsafe { std::mem::zeroed() };
    arguments.flags = flags.bits() as u64;
    arguments.exit_signal = libc::SIGCHLD as u64;
    // SAFETY: this program has one thread and nothing is shared: the child goes on with a
    // copy, as after fork(2).
    let pid =
        unsafe { libc::syscall(libc::SYS_clone3, &raw const arguments, size_of_val(&arguments)) };
    match pid {
        -1 => Err(std::io::Error::last_os_error()),
        0 => Ok(None),
        pid => Ok(Some(Pid::from_raw(pid as i32))),
    }
}

/// The child's part. Returns only if something failed: which call.
fn inside(doors: &[OwnedFd], root: &Path, options: &str) -> i32 {
    let nothing = None::<&str>;
    let steps: [&dyn Fn() -> nix::Result<()>; 9] = [
        &|| doors.iter().try_for_each(|door| write(door, b"0").map(drop)),
        &|| mount(nothing, "/", nothing, MsFlags::MS_REC | MsFlags::MS_PRIVATE, nothing),
        &|| mount(Some("overlay"), root, Some("overlay"), MsFlags::empty(), Some(options)),
        &|| mount(Some("proc"), &root.join("proc"), Some("proc"), MsFlags::empty(), nothing),
        &|| chdir(root),
        &|| pivot_root(".", "."),
        &|| umount2(".", MntFlags::MNT_DETACH),
        &|| sethostname("floor"),
        &|| {
            let program = CString::new("/bench/true").unwrap_or_default();
            match execv(&program, &[&program])? {}
        },
    ];
    let failed = steps.iter().position(|step| step().is_err());
    failed.map_or(100, |index| 101 + index as i32)
}
