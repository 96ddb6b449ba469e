//! A container's files as it sees them, for programs outside it.
//!
//! While it runs, its root is there to be opened through its init. While it does not, its
//! overlay is mounted for the moment, with all that a start would mount on it: volumes, the host's
//! programs, and an empty read-only folder where the kernel's own files will be. So a file that is
//! put into a volume lands there, and none lands where a mount would hide it. All this is in no
//! namespace: only the descriptor returned here leads to it, and with that it goes.

use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::libc;
use nix::sched::CloneFlags;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags};

use super::host::Host;
use super::image::Image;
use super::sys::{Handle, Sys, SysError, SysResult};
use super::{process, rootfs};
use crate::error::{Error, Result};
use crate::status::{ProcessIdentity, Status, StatusRecord};
use crate::store::{ContainerDir, SpecFile};

/// Opens the root directory of a container's merged files (O_PATH). The caller holds the
/// container's lock as long as it uses the descriptor, unless the container runs: an
/// overlay must not be mounted twice.
///
/// # Errors
/// [`Error::Unsupported`] if the container has no rootfs of its own; [`Error::System`] with
/// the call that failed.
pub(crate) fn open(
    dir: &ContainerDir,
    file: &SpecFile,
    host: &Host,
    record: Option<&StatusRecord>,
    status: Status,
) -> Result<OwnedFd> {
    require_rootfs(file, "access to the files")?;
    match record.and_then(|record| record.init) {
        Some(init) if matches!(status, Status::Running | Status::Paused) => of_process(init),
        _ => at_rest(dir, file, &host.image(&file.spec.image)?),
    }
}

/// Refuses a container that was made without a rootfs of its own.
pub(crate) fn require_rootfs(file: &SpecFile, feature: &str) -> Result<()> {
    match file.spec.isolation.rootfs {
        true => Ok(()),
        false => Err(Error::Unsupported {
            feature: feature.into(),
            backend: "linux",
            why: "this container was made without a rootfs of its own: it sees the host's, and \
                  what it changes, it changes there"
                .into(),
        }),
    }
}

/// The root of a live process, whatever its mount namespace.
fn of_process(init: ProcessIdentity) -> Result<OwnedFd> {
    let path = format!("/proc/{}/root", init.pid);
    let root =
        rustix::fs::open(&path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
            .map_err(|errno| system(format!("open({path:?}, O_PATH)"), errno))?;
    // Opened before the check: a pid used again in between shows another start time.
    if process::identify(init.pid) != Some(init) {
        return Err(system(format!("open({path:?}, O_PATH)"), Errno::SRCH));
    }
    Ok(root)
}

/// What a container that does not run will see when it does.
///
/// Mounts can be put on others only in a mount namespace of one's own, which a thread gets for
/// this, and leaves with a copy of them that is in none.
/// Its volumes may be on a network disk that does not answer: then the thread is left behind, to
/// end with its wait.
///
/// # Errors
/// [`Error::System`] with the call that failed; with ETIMEDOUT after [`LONGEST_LOOK`].
fn at_rest(dir: &ContainerDir, file: &SpecFile, image: &Image) -> Result<OwnedFd> {
    let (dir, file, image) = (dir.clone(), file.clone(), image.clone());
    let build = move || -> SysResult<OwnedFd> {
        let mut sys = Sys::real(None);
        sys.unshare(CloneFlags::CLONE_NEWNS)?;
        sys.make_private()?;
        let upper = dir.rootfs();
        let root = rootfs::overlay(&mut sys, &image.layers, &upper, &dir.work())?;
        furnish(&mut sys, &root, &file, &image);
        let copy = sys.clone_tree_of(&root, true)?;
        drop(root);
        // The thread ends when it ends: the overlay must not be mounted any longer than the copy.
        sys.detach(&upper)?;
        Ok(copy.into_fd())
    };
    let failed = |call: &str, errno| Error::System { call: call.into(), errno };
    let (tell, told) = std::sync::mpsc::sync_channel(1);
    let thread = std::thread::Builder::new().name("overlay".into());
    // Who has waited too long does not take the answer.
    let spawned = thread.spawn(move || drop(tell.send(build())));
    spawned.map_err(|_| failed("clone", libc::EAGAIN))?;
    match told.recv_timeout(LONGEST_LOOK) {
        Ok(Ok(root)) => Ok(root),
        Ok(Err(SysError { call, errno })) => Err(Error::System { call, errno }),
        Err(_) => Err(failed("mount what the container's next start will show", libc::ETIMEDOUT)),
    }
}

/// Mounts what a start will, in its order. What cannot be mounted fails the start, not a look at
/// the files: in its place is an empty folder that takes nothing.
fn furnish(sys: &mut Sys, root: &Handle, file: &SpecFile, image: &Image) {
    for (host, inside) in &image.shown {
        let _ = rootfs::show(sys, root, host, inside);
    }
    let mut covers: Vec<Handle> =
        KERNEL_PLACES.iter().filter_map(|place| rootfs::cover(sys, root, place).ok()).collect();
    for (index, volume) in file.spec.volumes_by_depth() {
        let pinned = file.pinned.get(index).cloned().unwrap_or_else(|| volume.unpinned());
        if rootfs::volume(sys, root, volume, &pinned).is_err() {
            covers.extend(rootfs::cover(sys, root, volume.container().as_str()));
        }
    }
    for cover in &covers {
        let _ = rootfs::seal(sys, cover);
    }
}

/// How long it may take to mount what a start will show.
const LONGEST_LOOK: Duration = Duration::from_secs(10);

/// Where every start mounts the kernel's own files; images need not have them.
pub(crate) const KERNEL_PLACES: [&str; 3] = ["/dev", "/proc", "/sys"];

/// The files in /etc that every start makes anew and shows.
pub(crate) const NAME_FILES: [&str; 3] = ["hosts", "hostname", "resolv.conf"];

/// Mounts an overlay in no namespace. Neither devices nor programs in it work.
///
/// # Errors
/// [`Error::System`] with the call that failed.
pub(crate) fn mount(layers: &[PathBuf], upper: &Path, work: &Path) -> Result<OwnedFd> {
    let own = [("upperdir", upper), ("workdir", work)];
    let with = |lower: &[(&str, &Path)]| create(&[lower, &own].concat());
    let created = match layers {
        [only] => with(&[("lowerdir", only)]),
        _ => {
            let one_by_one: Vec<_> =
                layers.iter().map(|layer| ("lowerdir+", layer.as_path())).collect();
            match with(&one_by_one) {
                Err((_, Errno::INVAL)) => by_number(layers, with),
                result => result,
            }
        }
    };
    let context = created.map_err(|(call, errno)| system(call, errno))?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    rustix::mount::fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)
        .map_err(|errno| system("fsmount(\"overlay\")".into(), errno))
}

/// The call that failed, and why.
type Failed = (String, Errno);

fn create(options: &[(&str, &Path)]) -> std::result::Result<OwnedFd, Failed> {
    let context = rustix::mount::fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)
        .map_err(|errno| ("fsopen(\"overlay\")".to_string(), errno))?;
    // As in [`rootfs::overlay`]. Kernels before 6.5 look the paths up at the very end.
    let mut kept = Vec::new();
    for (key, path) in options {
        let short = match path.as_os_str().len() > rootfs::LONGEST_OPTION {
            true => {
                let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
                let opened = rustix::fs::open(*path, flags, Mode::empty())
                    .map_err(|errno| (format!("open({path:?}, O_PATH)"), errno))?;
                let short = PathBuf::from(format!("/proc/self/fd/{}", opened.as_raw_fd()));
                kept.push(opened);
                Some(short)
            }
            false => None,
        };
        let path = short.as_deref().unwrap_or(path);
        rustix::mount::fsconfig_set_string(&context, *key, path)
            .map_err(|errno| (format!("fsconfig({key:?}, {path:?})"), errno))?;
    }
    rustix::mount::fsconfig_create(&context)
        .map_err(|errno| ("fsconfig(FSCONFIG_CMD_CREATE)".to_string(), errno))?;
    Ok(context)
}

/// As in [`super::rootfs`]: for kernels before 6.5, layers by the numbers of descriptors. The
/// current directory, which these count from, belongs to the whole program, so a thread gets
/// one of its own for this.
fn by_number(
    layers: &[PathBuf],
    with: impl Fn(&[(&str, &Path)]) -> std::result::Result<OwnedFd, Failed> + Sync,
) -> std::result::Result<OwnedFd, Failed> {
    let at_numbers = || {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let layers = layers
            .iter()
            .map(|layer| rustix::fs::open(layer, flags, Mode::empty()))
            .collect::<rustix::io::Result<Vec<_>>>()
            .map_err(|errno| ("open(layer)".to_string(), errno))?;
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_FS)
            .map_err(|errno| ("unshare(CLONE_FS)".to_string(), from_nix(errno)))?;
        rustix::process::chdir("/proc/thread-self/fd")
            .map_err(|errno| ("chdir(\"/proc/thread-self/fd\")".to_string(), errno))?;
        let lower = rootfs::numbers(layers.iter().map(AsRawFd::as_raw_fd));
        with(&[("lowerdir", Path::new(&lower))])
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("overlay".into());
        match thread.spawn_scoped(scope, at_numbers).map(|thread| thread.join()) {
            Ok(Ok(result)) => result,
            _ => Err(("clone".into(), Errno::AGAIN)),
        }
    })
}

fn from_nix(errno: nix::errno::Errno) -> Errno {
    Errno::from_raw_os_error(errno as i32)
}

fn system(call: String, errno: Errno) -> Error {
    Error::System { call, errno: errno.raw_os_error() }
}
