//! Being woken when something changes in a folder.
//!
//! Linux has inotify(7), which the Linux backend speaks itself. Elsewhere (kqueue, FSEvents,
//! ReadDirectoryChangesW) the crate `notify` does.

#[cfg(not(linux_backend))]
mod bell;
#[cfg(not(linux_backend))]
mod portable;

#[cfg(linux_backend)]
pub(crate) use crate::linux::watch::Watch;
#[cfg(not(linux_backend))]
pub(crate) use bell::Bell;
#[cfg(not(linux_backend))]
pub(crate) use portable::Watch;
