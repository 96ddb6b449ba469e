//! A container's files as it sees them, for programs outside it.
//!
//! While it runs, its root is there to be opened through its init. While it does not, its
//! overlay is mounted for the moment, in no namespace: only the descriptor returned here
//! leads to it, and with that it goes.

use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags};
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags};

use super::host::Host;
use super::process;
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
    if !file.spec.isolation.rootfs {
        return Err(Error::Unsupported {
            feature: "access to the files".into(),
            backend: "linux",
            why: "this container was made without a rootfs of its own: it sees the host's".into(),
        });
    }
    match record.and_then(|record| record.init) {
        Some(init) if matches!(status, Status::Running | Status::Paused) => of_process(init),
        _ => of_overlay(dir, host),
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
        return Err(system(format!("open({path:?}, O_PATH)"), rustix::io::Errno::SRCH));
    }
    Ok(root)
}

/// The overlay of a container that does not run.
fn of_overlay(dir: &ContainerDir, host: &Host) -> Result<OwnedFd> {
    let context = rustix::mount::fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)
        .map_err(|errno| system("fsopen(\"overlay\")".into(), errno))?;
    let (upper, work) = (dir.rootfs(), dir.work());
    let options = [("lowerdir", &host.image.layer), ("upperdir", &upper), ("workdir", &work)];
    for (key, path) in options {
        rustix::mount::fsconfig_set_string(&context, key, path.as_path())
            .map_err(|errno| system(format!("fsconfig({key:?}, {path:?})"), errno))?;
    }
    rustix::mount::fsconfig_create(&context)
        .map_err(|errno| system("fsconfig(FSCONFIG_CMD_CREATE)".into(), errno))?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    rustix::mount::fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)
        .map_err(|errno| system("fsmount(\"overlay\")".into(), errno))
}

fn system(call: String, errno: rustix::io::Errno) -> Error {
    Error::System { call, errno: errno.raw_os_error() }
}
