//! Whether this kernel lets this program make containers at all.

use std::path::Path;

use caps::{CapSet, Capability};
use rustix::mount::FsOpenFlags;

/// What statfs(2) says of an overlay (`man 2 statfs`).
const OVERLAYFS: u64 = 0x794c_7630;

/// Why no container could be made on the store at `root`; None if there is no such reason.
pub(crate) fn refusal(root: &Path) -> Option<String> {
    if !caps::has_cap(None, CapSet::Effective, Capability::CAP_SYS_ADMIN).unwrap_or(false) {
        return Some("making namespaces and mounts takes root's rights (CAP_SYS_ADMIN)".into());
    }
    // Only asks for the filesystem: nothing is mounted, and the descriptor is closed at once.
    if let Err(errno) = rustix::mount::fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC) {
        return Some(format!("this kernel gives no overlay: fsopen(\"overlay\") => {errno}"));
    }
    // As inside Docker: an overlay's upper folder cannot be on another overlay.
    let filesystem = rustix::fs::statfs(root).map(|found| found.f_type as u64);
    (filesystem == Ok(OVERLAYFS))
        .then(|| format!("{} is on an overlay, and overlays cannot be stacked", root.display()))
}
