//! Cgroups: limits that hold for all processes of a container together.
//!
//! Version 1 has one tree per controller, version 2 one tree for all, and hybrid
//! systems have both. [`CgroupLayout`] asks the kernel which controller lives
//! where; [`Cgroup`] is one container's directories in those trees. The limits are
//! written through cgroups-rs and then read back: a limit the kernel rounded away
//! or ignored is no limit. See `man 7 cgroups`.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cgroups_rs::MaxValue;
use cgroups_rs::cpu::CpuController;
use cgroups_rs::memory::MemController;
use cgroups_rs::pid::PidController;
use nix::libc;
use rustix::process::{Pid, PidfdFlags};

use super::sys::{Handle, RawErrno, Sys, SysError, SysResult};
use super::{freezer, memory_watch, process};
use crate::spec::{CpuPercent, Memory, PidsLimit};

/// The controllers a container uses. The first three limit; the others count or freeze,
/// and a machine without them still runs containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Controller {
    Memory,
    Cpu,
    Pids,
    CpuAccounting,
    Freezer,
    BlockIo,
}

impl Controller {
    pub const ALL: [Controller; 6] = [
        Controller::Memory,
        Controller::Cpu,
        Controller::Pids,
        Controller::CpuAccounting,
        Controller::Freezer,
        Controller::BlockIo,
    ];

    /// The kernel's name for it in that version. Version 2 counts CPU time and freezes in
    /// every cgroup: no controller is needed for these.
    pub fn name(self, v2: bool) -> Option<&'static str> {
        match self {
            Controller::Memory => Some("memory"),
            Controller::Cpu => Some("cpu"),
            Controller::Pids => Some("pids"),
            Controller::CpuAccounting => (!v2).then_some("cpuacct"),
            Controller::Freezer => (!v2).then_some("freezer"),
            Controller::BlockIo => Some(if v2 { "io" } else { "blkio" }),
        }
    }

    fn limits(self) -> bool {
        matches!(self, Controller::Memory | Controller::Cpu | Controller::Pids)
    }
}

/// One mounted tree and the controllers it has that we use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hierarchy {
    /// Where it is mounted.
    pub mount: PathBuf,
    /// Whether it is the version 2 tree.
    pub v2: bool,
    pub controllers: Vec<Controller>,
    /// The options that name a version 1 tree when it is mounted again.
    pub options: Vec<String>,
}

impl Hierarchy {
    /// Whether limits are set in it, which the container may want to read.
    pub fn has_limits(&self) -> bool {
        self.controllers.iter().any(|controller| controller.limits())
    }
}

/// Where this machine has its cgroups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CgroupLayout {
    pub hierarchies: Vec<Hierarchy>,
    /// Controllers that are there and of no use, with the reason.
    unusable: Vec<(Controller, String)>,
}

impl CgroupLayout {
    /// Asks the kernel.
    pub fn detect() -> CgroupLayout {
        // Somebody else's mount may be at a path that is no text.
        let mountinfo = fs::read("/proc/self/mountinfo").unwrap_or_default();
        CgroupLayout::parse(&String::from_utf8_lossy(&mountinfo), |mount| {
            fs::read_to_string(mount.join("cgroup.controllers")).unwrap_or_default()
        })
    }

    /// From the text of mountinfo (`man 5 proc_pid_mountinfo`) and the controllers
    /// that a version 2 mount lists.
    fn parse(mountinfo: &str, v2_controllers: impl Fn(&Path) -> String) -> CgroupLayout {
        let mut hierarchies: Vec<Hierarchy> = Vec::new();
        let mut taken = BTreeSet::new();
        let mut read_only = Vec::new();
        for line in mountinfo.lines() {
            let Some((place, source)) = line.split_once(" - ") else { continue };
            let source: Vec<&str> = source.split(' ').collect();
            let (Some(mount), [kind, _, options, ..]) = (place.split(' ').nth(4), &source[..])
            else {
                continue;
            };
            let v2 = *kind == "cgroup2";
            if !v2 && *kind != "cgroup" {
                continue;
            }
            let mount = PathBuf::from(mount);
            let options: Vec<String> = options
                .split(',')
                .filter(|option| !matches!(*option, "rw" | "ro"))
                .map(String::from)
                .collect();
            let offered = if v2 { v2_controllers(&mount) } else { options.join(" ") };
            // As inside another container. It may be mounted once more, writable.
            if place.split(' ').nth(5).is_some_and(|options| options.split(',').any(|o| o == "ro"))
            {
                read_only.push((mount, v2, offered.split_whitespace().map(String::from).collect()));
                continue;
            }
            let offered: BTreeSet<&str> = offered.split_whitespace().collect();
            // A tree may be mounted twice; the first place will do.
            let controllers: Vec<Controller> = Controller::ALL
                .into_iter()
                .filter(|c| c.name(v2).is_some_and(|name| offered.contains(name)))
                .filter(|c| taken.insert(*c))
                .collect();
            if !controllers.is_empty() {
                let options = if v2 { Vec::new() } else { options };
                hierarchies.push(Hierarchy { mount, v2, controllers, options });
            }
        }
        let unusable = Controller::ALL
            .into_iter()
            .filter(|controller| !taken.contains(controller))
            .filter_map(|controller| {
                let has = |(_, v2, offered): &&(PathBuf, bool, BTreeSet<String>)| {
                    controller.name(*v2).is_some_and(|name| offered.contains(name))
                };
                let (mount, ..) = read_only.iter().find(has)?;
                let why = format!(
                    "its cgroups are mounted read-only at {}, as inside another container",
                    mount.display()
                );
                Some((controller, why))
            })
            .collect();
        CgroupLayout { hierarchies, unusable }
    }

    /// "v1", "v2", "hybrid" or "none", as people call it.
    pub fn version(&self) -> &'static str {
        let v2 = self.hierarchies.iter().filter(|hierarchy| hierarchy.v2).count();
        match (v2, self.hierarchies.len()) {
            (_, 0) => "none",
            (0, _) => "v1",
            (v2, all) if v2 == all => "v2",
            _ => "hybrid",
        }
    }
}

/// A limit that could not be made to hold.
#[derive(Debug)]
pub(crate) enum LimitError {
    /// The kernel refused a call.
    Sys(SysError),
    /// The machine cannot enforce it, for this reason.
    NotEnforced(String),
}

impl From<SysError> for LimitError {
    fn from(error: SysError) -> LimitError {
        LimitError::Sys(error)
    }
}

/// The cgroup of one container: a directory in each tree.
#[derive(Debug, Clone)]
pub(crate) struct Cgroup {
    dirs: Vec<(Hierarchy, PathBuf)>,
    /// As [`CgroupLayout`] has them.
    unusable: Vec<(Controller, String)>,
}

impl Cgroup {
    /// The directories that the container `id` has, or will have.
    pub fn of(layout: &CgroupLayout, id: &str) -> Cgroup {
        let dirs = layout
            .hierarchies
            .iter()
            .map(|hierarchy| (hierarchy.clone(), hierarchy.mount.join(format!("minidocker-{id}"))))
            .collect();
        Cgroup { dirs, unusable: layout.unusable.clone() }
    }

    /// The directories.
    pub fn paths(&self) -> Vec<PathBuf> {
        self.dirs.iter().map(|(_, path)| path.clone()).collect()
    }

    /// Makes the directories. In version 2 the parent must first hand its
    /// controllers down.
    pub fn create(&self, sys: &mut Sys) -> SysResult<()> {
        for (hierarchy, path) in &self.dirs {
            if hierarchy.v2 {
                let control = hierarchy.mount.join("cgroup.subtree_control");
                let have = sys.read_file(&control)?;
                let have: BTreeSet<&str> = have.split_whitespace().collect();
                // Only those that are missing: one unknown word would make the kernel
                // refuse them all.
                let missing: Vec<String> = hierarchy
                    .controllers
                    .iter()
                    .filter_map(|controller| controller.name(true))
                    .filter(|name| !have.contains(name))
                    .map(|name| format!("+{name}"))
                    .collect();
                if !missing.is_empty() {
                    sys.write_file(&control, &missing.join(" "))?;
                }
            }
            sys.mkdir(path)?;
        }
        Ok(())
    }

    /// The directory of a controller, and whether that is in version 2.
    pub fn find(&self, controller: Controller) -> Option<(&Path, bool)> {
        self.dirs
            .iter()
            .find(|(hierarchy, _)| hierarchy.controllers.contains(&controller))
            .map(|(hierarchy, path)| (path.as_path(), hierarchy.v2))
    }

    /// The directory in the version 2 tree.
    pub fn unified(&self) -> Option<&Path> {
        self.dirs.iter().find(|(hierarchy, _)| hierarchy.v2).map(|(_, path)| path.as_path())
    }

    fn dir(&self, controller: Controller) -> Result<(&Path, bool), LimitError> {
        self.find(controller).ok_or_else(|| {
            let name = controller.name(false).unwrap_or_default();
            let unusable = self.unusable.iter().find(|(other, _)| *other == controller);
            LimitError::NotEnforced(match unusable {
                Some((_, why)) => format!("the {name} controller cannot be used: {why}"),
                None => format!("this machine has no {name} controller in its cgroups"),
            })
        })
    }

    /// Limits memory and swap together, so that the limit is the limit.
    pub fn limit_memory(&self, sys: &mut Sys, limit: Memory) -> Result<(), LimitError> {
        let (dir, v2) = self.dir(Controller::Memory)?;
        let controller = MemController::new(dir.to_owned(), v2);
        let bytes = i64::try_from(limit.as_bytes()).unwrap_or(i64::MAX);
        let file = dir.join(if v2 { "memory.max" } else { "memory.limit_in_bytes" });
        set(sys, &file, bytes, || controller.set_limit(bytes))?;
        hold(sys, &file, &bytes.to_string())?;

        // v1 counts memory and swap together; v2 counts swap by itself.
        let (name, swap) =
            if v2 { ("memory.swap.max", 0) } else { ("memory.memsw.limit_in_bytes", bytes) };
        let file = dir.join(name);
        if !sys.is_preview() && !file.exists() {
            // A kernel that does not account swap is no harm where there is no swap.
            return if has_swap() {
                Err(LimitError::NotEnforced(
                    "the kernel does not account swap (boot with swapaccount=1), and this \
                     machine has swap"
                        .into(),
                ))
            } else {
                Ok(())
            };
        }
        set(sys, &file, swap, || controller.set_memswap_limit(swap))?;
        hold(sys, &file, &swap.to_string())
    }

    /// Limits CPU time to a quota in each period of 100 ms.
    pub fn limit_cpu(&self, sys: &mut Sys, limit: CpuPercent) -> Result<(), LimitError> {
        let (dir, v2) = self.dir(Controller::Cpu)?;
        let controller = CpuController::new(dir.to_owned(), v2);
        let quota = i64::try_from(limit.quota_micros()).unwrap_or(i64::MAX);
        let period = CpuPercent::PERIOD_MICROS;
        if v2 {
            let file = dir.join("cpu.max");
            let value = format!("{quota} {period}");
            set(sys, &file, &value, || {
                controller.set_cfs_quota_and_period(Some(quota), Some(period))
            })?;
            hold(sys, &file, &value)
        } else {
            let file = dir.join("cpu.cfs_period_us");
            set(sys, &file, period, || controller.set_cfs_period(period))?;
            hold(sys, &file, &period.to_string())?;
            let file = dir.join("cpu.cfs_quota_us");
            set(sys, &file, quota, || controller.set_cfs_quota(quota))?;
            hold(sys, &file, &quota.to_string())
        }
    }

    /// Limits the number of processes and threads.
    pub fn limit_pids(&self, sys: &mut Sys, limit: PidsLimit) -> Result<(), LimitError> {
        let PidsLimit::AtMost(count) = limit else { return Ok(()) };
        let (dir, v2) = self.dir(Controller::Pids)?;
        let controller = PidController::new(dir.to_owned(), v2);
        let file = dir.join("pids.max");
        set(sys, &file, count, || controller.set_pid_max(MaxValue::Value(count.into())))?;
        hold(sys, &file, &count.to_string())
    }

    /// Opens what a process joins through. It is opened before pivot_root and used after
    /// it: the container itself never sees these paths.
    pub fn open_doors(&self, sys: &mut Sys) -> SysResult<Doors> {
        let mut doors = Doors::default();
        for (hierarchy, path) in &self.dirs {
            if hierarchy.v2 {
                doors.v2 =
                    Some((sys.open_place(path)?, sys.open_to_write(&path.join("cgroup.procs"))?));
            } else {
                doors.v1.push(sys.open_to_write(&path.join("tasks"))?);
            }
        }
        Ok(doors)
    }

    /// How often the kernel killed one of its processes for lack of memory.
    pub fn oom_kills(&self) -> u64 {
        let mut counter = self.find(Controller::Memory).and_then(|(dir, v2)| {
            File::open(dir.join(if v2 { "memory.events" } else { "memory.oom_control" })).ok()
        });
        counter.as_mut().map_or(0, memory_watch::read_kills)
    }
}

/// The ways into a cgroup, chosen to avoid a lock of the whole machine: to move a process
/// with all its threads through `cgroup.procs`, the kernel stops every fork and exit
/// everywhere, and waits milliseconds for that. A single thread that moves itself (v1,
/// `tasks`), and a process born in its cgroup (v2, CLONE_INTO_CGROUP), need no such lock.
#[derive(Debug, Default)]
pub(crate) struct Doors {
    /// Version 1: the `tasks` file of each tree.
    pub v1: Vec<Handle>,
    /// Version 2: the directory, to be born in, and `cgroup.procs`, for a process that
    /// exists already.
    pub v2: Option<(Handle, Handle)>,
}

impl Doors {
    /// All open files.
    pub fn handles(&self) -> impl Iterator<Item = &Handle> {
        self.v1.iter().chain(self.v2.iter().flat_map(|(place, procs)| [place, procs]))
    }
}

/// One write by cgroups-rs, recorded like every other.
fn set(
    sys: &mut Sys,
    file: &Path,
    value: impl std::fmt::Display,
    write: impl FnOnce() -> cgroups_rs::error::Result<()>,
) -> SysResult<()> {
    sys.call(format!("write({file:?}, \"{value}\")"), (), || write().map_err(errno_of))
}

/// cgroups-rs wraps the system's error; the errno is at the bottom of the chain.
fn errno_of(error: cgroups_rs::error::Error) -> i32 {
    let mut source = std::error::Error::source(&error);
    while let Some(inner) = source {
        if let Some(errno) = inner.downcast_ref::<std::io::Error>().and_then(|e| e.raw_os_error()) {
            return errno;
        }
        source = inner.source();
    }
    libc::EIO
}

/// Reads a limit back: only what the kernel says it enforces counts.
fn hold(sys: &mut Sys, file: &Path, wanted: &str) -> Result<(), LimitError> {
    let found = sys.read_file(file)?;
    if sys.is_preview() || found.trim() == wanted {
        return Ok(());
    }
    Err(LimitError::NotEnforced(format!(
        "the kernel took {wanted} for {} but now says {}",
        file.display(),
        found.trim()
    )))
}

fn has_swap() -> bool {
    let swaps = fs::read("/proc/swaps").unwrap_or_default();
    swaps.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count() > 1
}

/// Kills every process in the cgroups and waits until none is left. Used when the
/// supervisor is gone, or when there was no pid namespace to end with its init.
pub(crate) fn kill_all(paths: &[PathBuf]) {
    // What a disk keeps in the kernel dies when that lets it go, and is not waited for.
    let deadline = Instant::now() + Duration::from_secs(10);
    freezer::kill_frozen(paths);
    for path in paths {
        // One write kills them all at once where the kernel can (v2, 5.14); otherwise
        // kill what is listed until nothing is: a fork bomb may be faster once or twice.
        let _ = fs::write(path.join("cgroup.kill"), "1");
        for _ in 0..100 {
            let doomed = kill_listed(path);
            if doomed.is_empty() {
                break;
            }
            for pidfd in &doomed {
                let left = deadline.saturating_duration_since(Instant::now());
                let _ = process::wait_readable(pidfd.as_fd(), Some(left));
            }
            if Instant::now() >= deadline {
                return;
            }
        }
    }
}

/// Kills the processes that a cgroup lists, and returns them.
pub(crate) fn kill_listed(path: &Path) -> Vec<OwnedFd> {
    let pids = fs::read_to_string(path.join("cgroup.procs")).unwrap_or_default();
    let doomed: Vec<_> = pids
        .lines()
        .filter_map(|pid| Pid::from_raw(pid.parse().ok()?))
        .filter_map(|pid| rustix::process::pidfd_open(pid, PidfdFlags::empty()).ok())
        .collect();
    for pidfd in &doomed {
        let _ = process::signal(pidfd, libc::SIGKILL);
    }
    doomed
}

/// Removes the directories of a cgroup whose processes have ended. Returns what
/// could not be removed.
pub(crate) fn remove(paths: &[PathBuf]) -> Vec<(PathBuf, i32)> {
    let mut left = Vec::new();
    for path in paths {
        // A process that was waited for may still be on its last steps out of its
        // cgroup, which nothing announces in version 1: EBUSY for a moment.
        for attempt in 0.. {
            match fs::remove_dir(path) {
                Ok(()) => break,
                Err(error) if error.kind() == ErrorKind::NotFound => break,
                Err(error) if error.kind() == ErrorKind::ResourceBusy && attempt < 100 => {
                    std::thread::sleep(Duration::from_millis(1));
                }
                // Of what is not there, a read-only filesystem says so too. What is empty harms
                // nobody, and can be removed by nobody.
                Err(error) if error.kind() == ErrorKind::ReadOnlyFilesystem && is_empty(path) => {
                    if path.exists() {
                        log::warn!("{} stays: its filesystem is read-only", path.display());
                    }
                    break;
                }
                Err(error) => {
                    left.push((path.clone(), error.raw()));
                    break;
                }
            }
        }
    }
    left
}

/// Whether there is no process in a cgroup, or no such cgroup.
fn is_empty(path: &Path) -> bool {
    fs::read_to_string(path.join("cgroup.procs")).unwrap_or_default().trim().is_empty()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// However the machine has mounted its trees, each controller is taken from one place.
        #[test]
        fn no_controller_is_taken_twice(
            trees in prop::collection::vec(
                prop::collection::vec(
                    prop::sample::select(vec!["cpu", "cpuacct", "memory", "pids", "io", "blkio", "x"]),
                    0..5,
                ),
                0..6,
            ),
            v2 in prop::collection::vec(any::<bool>(), 6),
        ) {
            let mounts: String = trees.iter().zip(&v2).enumerate().map(|(number, (tree, v2))| {
                let (kind, options) = if *v2 { ("cgroup2", String::new()) } else { ("cgroup", tree.join(",")) };
                format!("{number} 1 0:1 / /mnt/{number} rw shared:3 - {kind} {kind} rw,{options}\n")
            }).collect();
            let layout = CgroupLayout::parse(&mounts, |mount| {
                let number: usize = mount.file_name().unwrap().to_str().unwrap().parse().unwrap();
                trees[number].join(" ")
            });
            let mut seen = BTreeSet::new();
            for hierarchy in &layout.hierarchies {
                prop_assert!(!hierarchy.controllers.is_empty());
                for controller in &hierarchy.controllers {
                    prop_assert!(seen.insert(*controller), "{:?}", layout);
                }
            }
        }

        #[test]
        fn no_mountinfo_makes_it_panic(text in "(\\PC{0,20}( - |\n| ))*") {
            let _ = CgroupLayout::parse(&text, |_| text.clone());
        }
    }

    const V1: &str = "\
29 26 0:26 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:10 - cgroup cgroup rw,cpu,cpuacct
30 26 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
31 26 0:28 / /sys/fs/cgroup/unified rw shared:4 - cgroup2 cgroup2 rw
32 26 0:29 / /proc rw - proc proc rw
";

    #[test]
    fn version_1_has_a_tree_per_controller() {
        let layout = CgroupLayout::parse(V1, |_| "hugetlb\n".into());
        assert_eq!(layout.version(), "v1");
        assert_eq!(layout.hierarchies.len(), 2);
        assert_eq!(
            layout.hierarchies[0].controllers,
            [Controller::Cpu, Controller::CpuAccounting],
            "one tree may have two"
        );
        assert_eq!(layout.hierarchies[0].options, ["cpu", "cpuacct"]);
        assert!(matches!(
            Cgroup::of(&layout, "x").dir(Controller::Pids),
            Err(LimitError::NotEnforced(_))
        ));
    }

    #[test]
    fn a_read_only_tree_is_of_no_use_and_that_is_told() {
        let layout = CgroupLayout::parse(
            "\
30 26 0:27 / /sys/fs/cgroup/memory ro,nosuid - cgroup cgroup rw,memory
31 26 0:28 / /sys/fs/cgroup/pids ro - cgroup cgroup rw,pids
32 26 0:28 / /mnt/pids rw - cgroup cgroup rw,pids
",
            |_| String::new(),
        );
        let cgroup = Cgroup::of(&layout, "x");
        assert_eq!(cgroup.paths(), [Path::new("/mnt/pids/minidocker-x")]);
        match cgroup.dir(Controller::Memory) {
            Err(LimitError::NotEnforced(why)) => {
                assert!(why.contains("read-only at /sys/fs/cgroup/memory"), "{why}")
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn version_2_has_one_tree() {
        let mounts = "31 26 0:28 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw,nsdelegate";
        let layout = CgroupLayout::parse(mounts, |_| "cpuset cpu io memory pids".into());
        assert_eq!(layout.version(), "v2");
        assert_eq!(Cgroup::of(&layout, "x").paths(), [Path::new("/sys/fs/cgroup/minidocker-x")]);
    }

    #[test]
    fn what_does_not_limit_is_taken_where_it_is_but_not_shown_as_a_limit() {
        let v1 = "\
30 26 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
31 26 0:28 / /sys/fs/cgroup/freezer rw - cgroup cgroup rw,freezer
32 26 0:29 / /sys/fs/cgroup/blkio rw - cgroup cgroup rw,blkio
";
        let layout = CgroupLayout::parse(v1, |_| String::new());
        let limits: Vec<bool> = layout.hierarchies.iter().map(Hierarchy::has_limits).collect();
        assert_eq!(limits, [true, false, false]);
        assert!(Cgroup::of(&layout, "x").find(Controller::Freezer).is_some());

        let v2 = "31 26 0:28 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw";
        let layout = CgroupLayout::parse(v2, |_| "cpuset cpu io memory".into());
        let cgroup = Cgroup::of(&layout, "x");
        assert!(cgroup.find(Controller::BlockIo).is_some_and(|(_, v2)| v2));
        assert!(cgroup.find(Controller::Freezer).is_none(), "it is built in");
    }

    #[test]
    fn a_hybrid_takes_each_controller_where_it_is() {
        let layout = CgroupLayout::parse(V1, |_| "pids memory".into());
        assert_eq!(layout.version(), "hybrid");
        let cgroup = Cgroup::of(&layout, "x");
        assert!(!cgroup.dir(Controller::Memory).unwrap().1, "the first mount that has it");
        assert!(cgroup.dir(Controller::Pids).unwrap().1);
    }

    #[test]
    fn a_preview_writes_and_reads_back_each_limit() {
        let mounts = "31 26 0:28 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw";
        let layout = CgroupLayout::parse(mounts, |_| "cpu memory pids".into());
        let mut sys = Sys::preview();
        Cgroup::of(&layout, "x").limit_cpu(&mut sys, CpuPercent::new(50).unwrap()).unwrap();
        let calls: Vec<String> = sys.take_calls().into_iter().map(|call| call.call).collect();
        assert_eq!(
            calls,
            [
                "write(\"/sys/fs/cgroup/minidocker-x/cpu.max\", \"50000 100000\")",
                "read(\"/sys/fs/cgroup/minidocker-x/cpu.max\")"
            ]
        );
    }

    #[test]
    fn a_limit_that_the_kernel_did_not_keep_is_none() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "4096\n").unwrap();
        let mut sys = Sys::real(None);
        assert!(hold(&mut sys, file.path(), "4096").is_ok());
        match hold(&mut sys, file.path(), "4095") {
            Err(LimitError::NotEnforced(why)) => {
                assert!(why.contains("4095") && why.contains("4096"))
            }
            other => panic!("{other:?}"),
        }
    }
}
