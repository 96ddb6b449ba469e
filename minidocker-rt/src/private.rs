//! Files and folders of a root, which are nobody's business but the user's whose root it is.
//!
//! A user who can open a lock file can hold the lock (a descriptor for reading suffices for
//! flock(2)), and what containers are made from and execute is in the records. So the root
//! folder is 0700, and what is in it is readable by others only where a container needs that.

use std::fs::{self, File, OpenOptions};
use std::path::Path;

use crate::error::{Error, Result};

/// Options for a file that others cannot open.
pub(crate) fn file() -> OpenOptions {
    #[cfg(unix)]
    {
        let mut options = File::options();
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options
    }
    #[cfg(not(unix))]
    File::options()
}

/// Opens a file to be locked, making it if needed.
pub(crate) fn lock_file(path: &Path) -> Result<File> {
    file()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(|error| Error::io("open", path, error))
}

/// Makes a folder that others cannot enter; one that exists is fine.
pub(crate) fn folder(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(|error| Error::io("create", path, error))?;
    super::store::set_mode(path, 0o700)
}

/// Makes the root folder, or looks whether it is for its user alone.
///
/// # Errors
/// [`Error::InvalidSpec`] if it belongs to another user, who could change what is in it at any
/// time; or if others may enter it and it holds other things than ours, which they may need.
#[cfg(unix)]
pub(crate) fn root(path: &Path) -> Result<()> {
    use std::os::unix::fs::{DirBuilderExt, MetadataExt};
    if let Some(parent) = path.parent()
        && let Err(error) = fs::create_dir_all(parent)
        // Of a file in its place the next call says more.
        && !parent.exists()
    {
        return Err(Error::io("create", parent, error));
    }
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => return super::store::set_mode(path, 0o700),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(Error::io("create", path, error)),
    }
    let failed = |error| Error::io("open", path, error);
    let found = fs::metadata(path).map_err(failed)?;
    let refused = |why: String, hint: String| Error::InvalidSpec {
        field: "root",
        value: path.display().to_string(),
        why,
        hint,
    };
    let myself = rustix::process::geteuid().as_raw();
    if found.uid() != myself {
        let owner = found.uid();
        return Err(refused(
            format!("it belongs to user {owner}, and this program runs as user {myself}"),
            format!("Choose a folder of your own, or run this as user {owner}."),
        ));
    }
    if found.mode() & 0o077 == 0 {
        return Ok(());
    }
    let ours = |name: &str| {
        fs::symlink_metadata(path.join(name))
            .is_ok_and(|data| data.is_dir() && data.uid() == myself)
    };
    let is_empty = || Ok::<bool, Error>(fs::read_dir(path).map_err(failed)?.next().is_none());
    if !ours("containers") && !is_empty()? {
        return Err(refused(
            "it holds other things, and other users may enter it".into(),
            format!("Choose a folder of its own, such as {}.", path.join("minidocker").display()),
        ));
    }
    log::warn!("{}: other users could enter it; its mode is 0700 from now on", path.display());
    super::store::set_mode(path, 0o700)?;
    // Somebody may hold a descriptor of what could be opened until now: of a lock, that is enough
    // to hold everybody up. Locks are made anew when they are next needed.
    for lock in ["events.lock", "templates/lock"] {
        let _ = fs::remove_file(path.join(lock));
    }
    for file in ["events", "events.1"] {
        let _ = super::store::set_mode(&path.join(file), 0o600);
    }
    Ok(())
}

/// Windows lets nobody but the user and administrators into a profile.
#[cfg(not(unix))]
pub(crate) fn root(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(|error| Error::io("create", path, error))
}
