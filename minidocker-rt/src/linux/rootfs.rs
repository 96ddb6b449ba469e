//! The container's filesystem: what is mounted where, and how the old root goes.
//!
//! Every mount is made detached, then attached descriptor to descriptor on a target
//! that was resolved inside the new root. No step trusts a path twice: between two
//! looks at a path, a symlink in an image or a volume could change what it means.

use std::path::{Path, PathBuf};

use nix::libc;
use rustix::mount::MountAttrFlags;

use super::cgroup::CgroupLayout;
use super::context::StepError;
use super::sys::{Handle, Sys, SysError, SysResult};
use crate::spec::{Pinned, Volume};

const RDONLY: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_RDONLY;
const NOSUID: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_NOSUID;
const NODEV: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_NODEV;
const NOEXEC: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_NOEXEC;

/// Kernel files that tell about the host, or reach into it; Docker's list.
pub(crate) const MASKED: &[&str] = &[
    "proc/acpi",
    "proc/asound",
    "proc/interrupts",
    "proc/kcore",
    "proc/keys",
    "proc/latency_stats",
    "proc/sched_debug",
    "proc/scsi",
    "proc/timer_list",
    "proc/timer_stats",
    "sys/devices/virtual/powercap",
    "sys/firmware",
];

/// Kernel files that may be read but not written: they set up the whole machine.
pub(crate) const READ_ONLY: &[&str] =
    &["proc/bus", "proc/fs", "proc/irq", "proc/sys", "proc/sysrq-trigger"];

/// The devices every program may expect: name, major, minor (`man 4 null` and on).
pub(crate) const DEVICES: &[(&str, u32, u32)] = &[
    ("null", 1, 3),
    ("zero", 1, 5),
    ("full", 1, 7),
    ("random", 1, 8),
    ("urandom", 1, 9),
    ("tty", 5, 0),
];

pub(crate) const DEVICE_LINKS: &[(&str, &str)] = &[
    ("/proc/self/fd", "fd"),
    ("/proc/self/fd/0", "stdin"),
    ("/proc/self/fd/1", "stdout"),
    ("/proc/self/fd/2", "stderr"),
    ("pts/ptmx", "ptmx"),
];

/// The most bytes of an option's value in fsconfig(2).
pub(crate) const LONGEST_OPTION: usize = 255;

/// Mounts the overlay: the image's layers below, topmost first, the container's own changes on
/// top. It is attached over the upper directory itself, a place that surely exists; outside
/// this mount namespace that directory stays what it is.
///
/// fsconfig(2) takes no option of more than 255 bytes, so a longer path goes by the number of its
/// descriptor.
///
/// `nodev` on it, and on /dev, means that a device node made by the container is
/// dead: the only live devices are the ones shown by [`dev`].
pub(crate) fn overlay(
    sys: &mut Sys,
    layers: &[PathBuf],
    upper: &Path,
    work: &Path,
) -> SysResult<Handle> {
    let mut open = Vec::new();
    let mut text = |sys: &mut Sys, path: &Path| -> SysResult<String> {
        if path.as_os_str().len() <= LONGEST_OPTION {
            return Ok(path.display().to_string());
        }
        let place = sys.open_place(path)?;
        let number = place.raw().unwrap_or_default();
        open.push(place);
        Ok(format!("/proc/self/fd/{number}"))
    };
    let own = [("upperdir", text(sys, upper)?), ("workdir", text(sys, work)?)];
    let options = |lower: Vec<(&'static str, String)>| [lower, own.to_vec()].concat();
    let root = match layers {
        [only] => {
            let lower = vec![("lowerdir", text(sys, only)?)];
            new_overlay(sys, &options(lower))?
        }
        _ => {
            let mut one_by_one = Vec::with_capacity(layers.len());
            for layer in layers {
                one_by_one.push(("lowerdir+", text(sys, layer)?));
            }
            match new_overlay(sys, &options(one_by_one)) {
                Err(error) if error.errno == libc::EINVAL => {
                    overlay_by_number(sys, layers, options)?
                }
                result => result?,
            }
        }
    };
    let target = sys.open_place(upper)?;
    sys.attach(&root, &target)?;
    Ok(root)
}

/// Before Linux 6.5 all layers had to be one option, which must not be long. So they are opened,
/// and named by the numbers of their descriptors, from the folder where those are found.
fn overlay_by_number(
    sys: &mut Sys,
    layers: &[PathBuf],
    options: impl Fn(Vec<(&'static str, String)>) -> Vec<(&'static str, String)>,
) -> SysResult<Handle> {
    let layers: Vec<Handle> =
        layers.iter().map(|layer| sys.open_place(layer)).collect::<SysResult<_>>()?;
    sys.chdir("/proc/self/fd")?;
    let lower = numbers(layers.iter().filter_map(Handle::raw));
    new_overlay(sys, &options(vec![("lowerdir", lower)]))
}

fn new_overlay(sys: &mut Sys, options: &[(&str, String)]) -> SysResult<Handle> {
    sys.new_filesystem("overlay", options, NODEV)
}

/// Descriptors as an overlay's `lowerdir`.
pub(crate) fn numbers(descriptors: impl Iterator<Item = i32>) -> String {
    descriptors.map(|number| number.to_string()).collect::<Vec<_>>().join(":")
}

/// Layers as mount(8) takes them.
pub(crate) fn joined(layers: &[PathBuf]) -> String {
    layers.iter().map(|layer| layer.display().to_string()).collect::<Vec<_>>().join(":")
}

/// Shows a folder of the host read-only, with everything mounted below it.
pub(crate) fn show(sys: &mut Sys, root: &Handle, host: &Path, inside: &str) -> SysResult<()> {
    let target = sys.resolve(root, inside, true)?;
    let view = sys.clone_tree(host, true)?;
    sys.set_attributes(&view, RDONLY | NODEV, true)?;
    sys.attach(&view, &target)
}

/// Shows a volume. Device nodes and set-user-ID programs in it are powerless.
pub(crate) fn volume(
    sys: &mut Sys,
    root: &Handle,
    volume: &Volume,
    pinned: &Pinned,
) -> Result<(), StepError> {
    let swapped = |error: SysError| {
        let (why, hint) = match error.errno {
            libc::ENOENT => (
                format!("the volume {volume}: {} is not there any more", pinned.path),
                "Create it on this machine; it was there when the container was created.",
            ),
            _ => (
                format!("the volume {volume}: {} is not what it was", pinned.path),
                "When the container was created there was another file or folder; a symlink is \
                 not followed. Put back what was there, or create the container anew.",
            ),
        };
        StepError::explained(error, why, hint)
    };
    let place = sys.open_without_symlinks(Path::new(&pinned.path)).map_err(swapped)?;
    sys.verify_kind(&place, pinned.folder).map_err(swapped)?;
    let view = sys.clone_tree_of(&place, true)?;
    let attributes = if volume.read_only() { RDONLY | NODEV | NOSUID } else { NODEV | NOSUID };
    sys.set_attributes(&view, attributes, true)?;

    let inside = volume.container().as_str();
    let other_kind = |error: SysError| {
        let (what, there) = if pinned.folder { ("folder", "file") } else { ("file", "folder") };
        let why = format!("the volume {volume} is a {what}, and {inside} is a {there}");
        let hint = "Are you trying to mount a folder onto a file, or the other way round? Check \
                    that both paths are of the kind you mean.";
        StepError::explained(error, why, hint)
    };
    let target = mount_point(sys, root, inside, pinned.folder).map_err(|error| {
        if error.errno == libc::ENOTDIR { other_kind(error) } else { error.into() }
    })?;
    if !pinned.folder {
        sys.verify_kind(&target, false).map_err(other_kind)?;
    }
    sys.refuse_kernel_filesystem(&target).map_err(|error| {
        let why = format!("the volume {volume}: a symlink leads {inside} into the kernel's files");
        StepError::explained(error, why, "Choose another path in the container.")
    })?;
    sys.attach(&view, &target)?;
    Ok(())
}

/// How many symlinks one after the other are followed: the kernel's own limit.
const LINKS: usize = 40;

/// Opens the place of a mount inside the root, and makes it if it is missing: an empty folder
/// or file. A symlink is followed as the container would, also one that leads to nothing; then
/// what it leads to is made.
fn mount_point(sys: &mut Sys, root: &Handle, path: &str, folder: bool) -> SysResult<Handle> {
    let mut path = path.to_string();
    let mut missing = match sys.resolve(root, &path, folder) {
        Err(error) if error.errno == libc::ENOENT => error,
        result => return result,
    };
    for _ in 0..LINKS {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", &path));
        if matches!(name, "" | "." | "..") {
            return Err(missing);
        }
        let place = ensure_directory(sys, root, parent)?;
        let made = match folder {
            true => sys.mkdirat(&place, name),
            false => sys.create_file(&place, name),
        };
        match made {
            Ok(()) => return sys.resolve(root, &path, folder),
            // Something is there that leads nowhere: a dangling symlink.
            Err(error) if matches!(error.errno, libc::EEXIST | libc::ELOOP) => missing = error,
            Err(error) => return Err(error),
        }
        let link = match sys.readlinkat(&place, name) {
            // No symlink: somebody else made it in the meantime.
            Err(error) if error.errno == libc::EINVAL => return sys.resolve(root, &path, folder),
            link => link?,
        };
        let link = link.trim_end_matches('/');
        path = if link.starts_with('/') { link.to_string() } else { format!("{parent}/{link}") };
        match sys.resolve(root, &path, folder) {
            Err(error) if error.errno == libc::ENOENT => {}
            result => return result,
        }
    }
    Err(SysError { errno: libc::ELOOP, ..missing })
}

/// Whether an error says that nothing can be where a symlink leads, rather than that the call failed.
fn leads_nowhere(errno: i32) -> bool {
    use libc::{EEXIST, EISDIR, ELOOP, ENOENT, ENOTDIR, EROFS};
    matches!(errno, EEXIST | EISDIR | ELOOP | ENOENT | ENOTDIR | EROFS)
}

/// A file of the host that is shown in /etc.
#[derive(Debug, Clone)]
pub(crate) struct EtcFile {
    pub name: &'static str,
    pub path: PathBuf,
    /// Whether it is another container's.
    pub shared: bool,
}

/// Shows single files of the host in /etc, in the place of the image's. The container's own it
/// may write, as with Docker: nobody else reads them, and who rewrites them when neighbours come
/// and go follows no link and waits for nobody. Those of another container it may only read.
pub(crate) fn show_files(
    sys: &mut Sys,
    root: &Handle,
    files: &[EtcFile],
    over_volume: bool,
) -> SysResult<()> {
    for EtcFile { name, path: file, shared } in files {
        let path = format!("/etc/{name}");
        let target = match mount_point(sys, root, &path, false) {
            // A symlink to what only the image's own machine had. In a volume it is not ours.
            Err(error) if !over_volume && leads_nowhere(error.errno) => {
                let etc = ensure_directory(sys, root, "/etc")?;
                sys.unlinkat(&etc, name)?;
                sys.create_file(&etc, name)?;
                sys.resolve(root, &path, false)?
            }
            result => result?,
        };
        let view = sys.clone_tree(file, false)?;
        let access = if *shared { RDONLY } else { MountAttrFlags::empty() };
        sys.set_attributes(&view, access | NODEV | NOSUID | NOEXEC, false)?;
        sys.attach(&view, &target)?;
    }
    Ok(())
}

/// Covers a folder with an empty one, for a look at a container that does not run.
pub(crate) fn cover(sys: &mut Sys, root: &Handle, path: &str) -> SysResult<Handle> {
    let target = ensure_directory(sys, root, path)?;
    let options = [("mode", "555"), ("size", "64k")];
    let empty = sys.new_filesystem("tmpfs", &options, NOSUID | NODEV | NOEXEC)?;
    sys.attach(&empty, &target)?;
    Ok(empty)
}

/// Keeps everybody from putting anything into it.
pub(crate) fn seal(sys: &mut Sys, cover: &Handle) -> SysResult<()> {
    sys.set_attributes(cover, RDONLY, false)
}

/// Opens a directory inside the root, making what is missing of it.
pub(crate) fn ensure_directory(sys: &mut Sys, root: &Handle, path: &str) -> SysResult<Handle> {
    ensure_directory_of(sys, root, path, None)
}

/// As [`ensure_directory`]; what is made belongs to a user and a group.
pub(crate) fn ensure_directory_of(
    sys: &mut Sys,
    root: &Handle,
    path: &str,
    owner: Option<(u32, u32)>,
) -> SysResult<Handle> {
    let whole = if path.is_empty() { "/" } else { path };
    let missing = match sys.resolve(root, whole, true) {
        Err(error) if error.errno == libc::ENOENT => error,
        result => return result,
    };
    let mut parent = sys.resolve(root, "/", true)?;
    let mut so_far = String::new();
    for name in path.split('/').filter(|name| !name.is_empty()) {
        so_far = format!("{so_far}/{name}");
        parent = match sys.resolve(root, &so_far, true) {
            Err(error) if error.errno == libc::ENOENT => {
                match sys.mkdirat(&parent, name) {
                    // Something is there that leads nowhere: a dangling symlink.
                    Err(error) if error.errno == libc::EEXIST => return Err(missing),
                    result => result?,
                }
                if let Some((uid, gid)) = owner {
                    sys.give(&parent, name, uid, gid)?;
                }
                sys.resolve(root, &so_far, true)?
            }
            result => result?,
        };
    }
    Ok(parent)
}

/// A /proc that shows the container's processes.
pub(crate) fn proc(sys: &mut Sys, root: &Handle) -> SysResult<()> {
    mount_new(sys, root, "/proc", "proc", &[], NOSUID | NODEV | NOEXEC)
}

/// A /sys that shows the container's network, read-only.
pub(crate) fn sysfs(sys: &mut Sys, root: &Handle) -> SysResult<()> {
    mount_new(sys, root, "/sys", "sysfs", &[], RDONLY | NOSUID | NODEV | NOEXEC)
}

/// A small /dev with the harmless devices, terminals and shared memory.
pub(crate) fn dev(sys: &mut Sys, root: &Handle) -> SysResult<()> {
    let target = ensure_directory(sys, root, "/dev")?;
    let options = [("mode", "755"), ("size", "64k")];
    let dev = sys.new_filesystem("tmpfs", &options, NOSUID | NODEV | NOEXEC)?;
    sys.attach(&dev, &target)?;
    for &(name, major, minor) in DEVICES {
        let view = host_device(sys, name, major, minor)?;
        // It is the host's own inode: nobody in here may change its mode, owner or times. A
        // device is read and written all the same.
        sys.set_attributes(&view, RDONLY | NOSUID | NOEXEC, false)?;
        sys.create_file(&dev, name)?;
        let target = sys.resolve(root, &format!("/dev/{name}"), false)?;
        sys.attach(&view, &target)?;
    }
    for (target, name) in DEVICE_LINKS {
        sys.symlinkat(target, &dev, name)?;
    }
    sys.mkdirat(&dev, "pts")?;
    let options = [("ptmxmode", "0666"), ("mode", "0620"), ("gid", "5")];
    mount_new(sys, root, "/dev/pts", "devpts", &options, NOSUID | NOEXEC)?;
    sys.mkdirat(&dev, "shm")?;
    let options = [("mode", "1777"), ("size", "64m")];
    mount_new(sys, root, "/dev/shm", "tmpfs", &options, NOSUID | NODEV | NOEXEC)
}

/// A view of a device of the host, checked to be the device its name says: masking a
/// file with something else would uncover it instead (CVE-2025-31133).
fn host_device(sys: &mut Sys, name: &str, major: u32, minor: u32) -> SysResult<Handle> {
    let view = sys.clone_tree(&Path::new("/dev").join(name), false)?;
    sys.verify_device(&view, major, minor)?;
    Ok(view)
}

/// Covers files with /dev/null and folders with an empty read-only filesystem.
pub(crate) fn mask(sys: &mut Sys, root: &Handle) -> SysResult<()> {
    for path in MASKED {
        // What this kernel does not have needs no cover.
        let Some(target) = present(sys.resolve(root, path, false))? else { continue };
        let is_directory = match sys.resolve(root, path, true) {
            Ok(_) => true,
            Err(error) if error.errno == libc::ENOTDIR => false,
            Err(error) => return Err(error),
        };
        let cover = if is_directory {
            sys.new_filesystem("tmpfs", &[("mode", "555")], RDONLY | NOSUID | NODEV | NOEXEC)?
        } else {
            let view = host_device(sys, "null", 1, 3)?;
            sys.set_attributes(&view, RDONLY | NOSUID | NOEXEC, false)?;
            view
        };
        sys.attach(&cover, &target)?;
    }
    Ok(())
}

/// Mounts kernel files over themselves, read-only.
pub(crate) fn make_read_only(sys: &mut Sys, root: &Handle) -> SysResult<()> {
    for path in READ_ONLY {
        let Some(target) = present(sys.resolve(root, path, false))? else { continue };
        let view = sys.clone_tree_of(&target, true)?;
        // The rest it has from the mount that it is a view of.
        sys.set_attributes(&view, RDONLY, true)?;
        sys.attach(&view, &target)?;
    }
    Ok(())
}

/// The container's own cgroup at /sys/fs/cgroup, read-only, so that programs can
/// learn their limits. Mounted from within the cgroup namespace, which decides what
/// its root is.
pub(crate) fn cgroup(sys: &mut Sys, layout: &CgroupLayout) -> SysResult<()> {
    let root = sys.open_place(Path::new("/"))?;
    let attributes = RDONLY | NOSUID | NODEV | NOEXEC;
    if let [only] = &layout.hierarchies[..]
        && only.v2
    {
        return mount_new(sys, &root, "/sys/fs/cgroup", "cgroup2", &[], attributes);
    }
    let target = sys.resolve(&root, "/sys/fs/cgroup", true)?;
    let folder = sys.new_filesystem("tmpfs", &[("mode", "755")], NOSUID | NODEV | NOEXEC)?;
    sys.attach(&folder, &target)?;
    for hierarchy in layout.hierarchies.iter().filter(|hierarchy| hierarchy.has_limits()) {
        let name = match hierarchy.v2 {
            true => "unified".to_string(),
            false => hierarchy.options.join(","),
        };
        sys.mkdirat(&folder, &name)?;
        let options: Vec<(&str, &str)> =
            hierarchy.options.iter().map(|option| (option.as_str(), "")).collect();
        let kind = if hierarchy.v2 { "cgroup2" } else { "cgroup" };
        mount_new(sys, &root, &format!("/sys/fs/cgroup/{name}"), kind, &options, attributes)?;
    }
    sys.set_attributes(&folder, RDONLY, false)
}

/// Makes `root` the root of everything and lets go of the old one. pivot_root with
/// "." twice stacks the old root on the new, where unmounting it needs no folder.
pub(crate) fn pivot(sys: &mut Sys, root: &Handle) -> SysResult<()> {
    sys.fchdir(root)?;
    sys.pivot_root_here()?;
    sys.detach_here()?;
    sys.chdir("/")
}

fn mount_new(
    sys: &mut Sys,
    root: &Handle,
    path: &str,
    kind: &str,
    options: &[(&str, &str)],
    attributes: MountAttrFlags,
) -> SysResult<()> {
    // An imported image need not have a /proc.
    let target = ensure_directory(sys, root, path)?;
    let filesystem = sys.new_filesystem(kind, options, attributes)?;
    sys.attach(&filesystem, &target)
}

/// Tells "not there" from failure.
fn present(result: SysResult<Handle>) -> Result<Option<Handle>, SysError> {
    match result {
        Ok(handle) => Ok(Some(handle)),
        Err(error) if error.errno == libc::ENOENT => Ok(None),
        Err(error) => Err(error),
    }
}

/// The host folders that a container's rootfs is made from, for error messages.
pub(crate) fn describe(shown: &[(PathBuf, String)]) -> String {
    let pairs: Vec<String> =
        shown.iter().map(|(host, inside)| format!("{} at {inside}", host.display())).collect();
    pairs.join(", ")
}
