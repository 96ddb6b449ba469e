//! The files: a folder per container, one writer per file, nothing half-made.
//!
//! ```text
//! <root>/containers/<name>/
//!     spec.json     what was asked for; written once, by create
//!     status.json   what happened; written by the supervisor
//!     trace.json    the plan as executed; written by the supervisor, once per start
//!     log           the output; appended by the supervisor
//!     control       the supervisor's socket, while it lives
//!     rootfs/       what the container changed (the overlay's upperdir)
//!     work/         the overlay's own scratch space
//!     etc/          its hosts, hostname and resolv.conf, written by the supervisors of its network
//!     lock          held (flock) across each lifecycle operation
//! <root>/images/     a folder per image; <root>/layers/ what they are made of
//! <root>/networks/   a file per network that was made
//! <root>/events     what happened, appended by every program; events.1 is the older part
//! ```
//!
//! There is no daemon and no index: listing reads the folder, so any number of
//! programs see the same truth.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::events::{EventKind, Journal};
use crate::lock::{self, Holder, Lock};
use crate::plan::Trace;
use crate::private;
use crate::reserve::Reserve;
use crate::spec::{ContainerId, ContainerName, ContainerSpec, Fault, Pinned};
use crate::status::StatusRecord;

/// Prefix of folders that are being made; no container name starts with a dot.
pub(crate) const CREATING: &str = ".create-";
/// Prefix of images that are being built.
pub(crate) const IMAGE_BUILDING: &str = ".build-";
/// Prefix of folders that are being removed.
pub(crate) const DELETING: &str = ".delete-";

/// What a container changed, in its folder.
pub(crate) const ROOTFS: &str = "rootfs";

/// The root folder that holds all containers and images.
#[derive(Debug)]
pub(crate) struct Store {
    root: PathBuf,
}

/// `spec.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct SpecFile {
    pub id: ContainerId,
    pub created_at: Timestamp,
    pub spec: ContainerSpec,
    /// What the volumes of the specification were when it was made, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pinned: Vec<Pinned>,
    /// Not part of the specification's own JSON form, which strangers may send.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
}

/// The folder of one container.
#[derive(Debug, Clone)]
pub(crate) struct ContainerDir {
    path: PathBuf,
}

/// A container locked for one operation. The lock belongs to the open file, so a
/// copy of the descriptor sent to the supervisor keeps it held.
#[derive(Debug)]
pub(crate) struct LockedContainer {
    pub dir: ContainerDir,
    pub spec_file: SpecFile,
    pub lock: Lock,
}

impl Store {
    /// Opens the store at `root`, making its folders if needed, and sweeps what
    /// earlier creates and deletes left when they were killed half-way.
    pub fn open(root: &Path) -> Result<Store> {
        private::root(root)?;
        for folder in ["containers", "images", "layers", "networks", "templates"] {
            // A rootfs may hold set-user-ID programs that only the container's own limits
            // make harmless: no other user of the host may reach them (CVE-2021-41091).
            private::folder(&root.join(folder))?;
        }
        let root = absolute(root).map_err(|error| Error::io("open", root, error))?;
        let store = Store { root };
        store.sweep()?;
        Ok(store)
    }

    /// The folder everything is in.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The journal that every event of this root goes into.
    pub fn journal(&self) -> Journal {
        Journal::of(&self.root)
    }

    fn containers(&self) -> PathBuf {
        self.root.join("containers")
    }

    /// The folder of a container, whether or not it exists.
    pub fn dir(&self, name: &ContainerName) -> ContainerDir {
        ContainerDir { path: self.containers().join(name.as_str()) }
    }

    /// Makes a container's folder under a temporary name and renames it in: it is
    /// never seen half-made, and of two creates of one name exactly one wins.
    pub fn create(&self, spec: ContainerSpec, pinned: Vec<Pinned>) -> Result<SpecFile> {
        let target = self.dir(&spec.name).path;
        let in_use = || Error::NameInUse { name: spec.name.to_string() };
        if target.exists() {
            return Err(in_use());
        }
        // The lock, held until the folder has its name, keeps a sweep from taking it.
        let mut staging = StagingDir::new(&self.containers(), CREATING)?;
        let path = staging.path().to_owned();
        for folder in ["rootfs", "work"] {
            let folder = path.join(folder);
            fs::create_dir(&folder).map_err(|error| Error::io("create", &folder, error))?;
            // The upper folder of an overlay is its root: its mode is that of the
            // container's "/", which every user must be able to enter.
            set_mode(&folder, 0o755)?;
        }
        let spec_file = SpecFile {
            id: ContainerId::random()?,
            created_at: Timestamp::now(),
            fault: spec.fault.clone(),
            spec: spec.clone(),
            pinned,
        };
        write_json(&path.join("spec.json"), &spec_file)?;
        staging.about_to_be_renamed();
        // rename(2) refuses to replace a folder that is not empty, which makes this
        // the one point where a name is taken.
        match fs::rename(&path, &target) {
            Ok(()) => Ok(spec_file),
            Err(error)
                if [ErrorKind::DirectoryNotEmpty, ErrorKind::AlreadyExists]
                    .contains(&error.kind()) =>
            {
                Err(in_use())
            }
            Err(error) => Err(Error::io("create", &target, error)),
        }
    }

    /// Removes a locked container: renamed out first, so that it vanishes at once
    /// and whole, then removed.
    pub fn delete(&self, container: LockedContainer) -> Result<()> {
        let LockedContainer { dir, spec_file, lock } = container;
        let path = &dir.path;
        let doomed = self.containers().join(format!("{DELETING}{}", spec_file.id));
        let is_held = lock.is_held();
        let _lock = held_while_renamed(lock);
        fs::rename(path, &doomed).map_err(|error| Error::io("delete", path, error))?;
        let SpecFile { id, spec, .. } = &spec_file;
        // Without the lock it may have been another of this name, made since.
        if !is_held {
            let found = ContainerDir::at(doomed.clone()).spec_file();
            if !matches!(&found, Ok(Some(file)) if file.id == *id) {
                fs::rename(&doomed, path).map_err(|error| Error::io("delete", path, error))?;
                return Err(Error::NotFound { name: spec.name.to_string() });
            }
        }
        self.journal().tell(spec.name.as_str(), Some(id), EventKind::Deleted);
        match remove_folder(&doomed) {
            // Where the lock was let go of, a sweep of another program may have been faster.
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            result => result.map_err(|error| Error::io("delete", &doomed, error)),
        }
    }

    /// Removes what is left of a container that has no readable specification.
    pub fn delete_ruin(&self, dir: &ContainerDir, name: &ContainerName) -> Result<()> {
        let doomed = self.containers().join(format!("{DELETING}{name}"));
        fs::rename(&dir.path, &doomed).map_err(|error| Error::io("delete", &dir.path, error))?;
        self.journal().tell(name.as_str(), None, EventKind::Deleted);
        remove_folder(&doomed).map_err(|error| Error::io("delete", &doomed, error))
    }

    /// The names of all containers, sorted.
    pub fn names(&self) -> Result<Vec<ContainerName>> {
        let folder = self.containers();
        let mut names = Vec::new();
        for entry in fs::read_dir(&folder).map_err(|error| Error::io("list", &folder, error))? {
            let entry = entry.map_err(|error| Error::io("list", &folder, error))?;
            names.extend(entry.file_name().to_str().and_then(|name| name.parse().ok()));
        }
        names.sort();
        Ok(names)
    }

    /// Locks a container for one operation, named in words, after waiting for it at most
    /// `longest`. None if it was not to be had. `id` guards against a container of the same name
    /// that was made since.
    pub fn lock_within(
        &self,
        longest: Duration,
        name: &ContainerName,
        id: &ContainerId,
        operation: &'static str,
    ) -> Result<Option<LockedContainer>> {
        let dir = self.dir(name);
        let not_found = || Error::NotFound { name: name.to_string() };
        let path = dir.lock_path();
        let lock = match File::options().read(true).write(true).open(&path) {
            Ok(lock) => lock,
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(not_found()),
            Err(error) => return Err(Error::io("open", &path, error)),
        };
        if !lock::take(&lock, lock::Mode::Exclusive, longest, &path)? {
            return Ok(None);
        }
        let lock = Lock::held(lock);
        lock::note(&lock, operation);
        // While we waited it may have been deleted, and even made anew.
        let spec_file = dir.spec_file()?.filter(|file| file.id == *id).ok_or_else(not_found)?;
        Ok(Some(LockedContainer { dir, spec_file, lock }))
    }

    /// As [`Store::lock_within`], for as long as locks are waited for.
    ///
    /// # Errors
    /// [`Error::Timeout`], which names who holds it and what for.
    pub fn lock(
        &self,
        name: &ContainerName,
        id: &ContainerId,
        operation: &'static str,
    ) -> Result<LockedContainer> {
        let locked = self.lock_within(lock::LONGEST_WAIT, name, id, operation)?;
        locked.ok_or_else(|| self.locked_by_another(name, operation, lock::LONGEST_WAIT))
    }

    /// The error of an operation that did not get the lock in time.
    pub fn locked_by_another(
        &self,
        name: &ContainerName,
        operation: &'static str,
        waited: Duration,
    ) -> Error {
        let holder = Holder::of(&self.dir(name).lock_path());
        Error::Timeout {
            name: name.to_string(),
            operation,
            seconds: waited.as_secs(),
            because: Some(match holder {
                Some(holder) => format!("its lock was not to be had: {holder}"),
                None => "its lock was not to be had: another program holds it".into(),
            }),
        }
    }

    /// Removes half-made and half-removed folders whose maker is gone.
    fn sweep(&self) -> Result<()> {
        for (folder, prefixes) in [
            ("containers", [CREATING, DELETING].as_slice()),
            ("images", &[IMAGE_BUILDING, DELETING]),
            ("layers", &[DELETING]),
        ] {
            let folder = self.root.join(folder);
            for entry in fs::read_dir(&folder).map_err(|error| Error::io("list", &folder, error))? {
                let Ok(entry) = entry else { continue };
                let name = entry.file_name().to_string_lossy().into_owned();
                if !prefixes.iter().any(|prefix| name.starts_with(prefix)) {
                    continue;
                }
                let Some(lock) = abandoned(&entry.path()) else { continue };
                let _lock = lock.and_then(held_while_renamed);
                if let Err(error) = remove_folder(&entry.path())
                    && error.kind() != ErrorKind::NotFound
                {
                    log::warn!("cannot remove {}: {error}", entry.path().display());
                }
            }
        }
        Ok(())
    }
}

/// A staging directory: where something is made before it gets its name. It is removed when dropped,
/// unless it got that.
#[derive(Debug)]
pub(crate) struct StagingDir {
    path: PathBuf,
    /// Keeps a sweep of another program from taking it for abandoned.
    lock: Option<File>,
}

impl StagingDir {
    /// A new folder in `parent`. A sweep of another program may meet the lock file before it
    /// is locked, and remove the folder; then there is another.
    pub fn new(parent: &Path, prefix: &str) -> Result<StagingDir> {
        loop {
            let folder = tempfile::Builder::new()
                .prefix(prefix)
                .tempdir_in(parent)
                .map_err(|error| Error::io("create a folder in", parent, error))?;
            let path = folder.path().join("lock");
            let made = private::file().read(true).write(true).create_new(true).open(&path);
            let lock = match made {
                Ok(lock) => lock,
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(Error::io("create", &path, error)),
            };
            lock.lock().map_err(|error| Error::io("lock", &path, error))?;
            if path.exists() {
                return Ok(StagingDir { path: folder.keep(), lock: Some(lock) });
            }
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// It will get its name now.
    pub fn about_to_be_renamed(&mut self) {
        self.lock = self.lock.take().and_then(held_while_renamed);
    }
}

impl Drop for StagingDir {
    fn drop(&mut self) {
        match remove_folder(&self.path) {
            // It was renamed to where it belongs.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => log::warn!("cannot remove {}: {error}", self.path.display()),
            Ok(()) => {}
        }
    }
}

/// Whether nobody works on a half-made folder any more; the lock is to be held while it is
/// removed. Its maker holds the folder's lock as long as it lives. Without a lock file the folder
/// is brand new, nearly gone, a layer, or the image `host`: then its age decides.
fn abandoned(path: &Path) -> Option<Option<File>> {
    match File::open(path.join("lock")) {
        Ok(lock) => lock.try_lock().is_ok().then_some(Some(lock)),
        Err(_) => {
            let modified = fs::metadata(path).and_then(|data| data.modified()).ok()?;
            (modified.elapsed().ok()?.as_secs() > 60).then_some(None)
        }
    }
}

impl ContainerDir {
    /// The folder of a container at a known path (as the supervisor is given it).
    pub fn at(path: PathBuf) -> ContainerDir {
        ContainerDir { path }
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder of another container of the same root.
    #[cfg_attr(not(linux_backend), allow(dead_code))]
    pub fn sibling(&self, name: &ContainerName) -> ContainerDir {
        ContainerDir { path: self.path.with_file_name(name.as_str()) }
    }

    /// The overlay's upperdir: what the container changed.
    pub fn rootfs(&self) -> PathBuf {
        self.path.join(ROOTFS)
    }

    /// The overlay's workdir.
    pub fn work(&self) -> PathBuf {
        self.path.join("work")
    }

    /// The journal of the root that the container belongs to.
    pub fn journal(&self) -> Journal {
        Journal::of(self.path.ancestors().nth(2).unwrap_or(&self.path))
    }

    /// The supervisor's socket.
    pub fn control(&self) -> PathBuf {
        self.path.join("control")
    }

    /// The file that is locked for an operation.
    pub fn lock_path(&self) -> PathBuf {
        self.path.join("lock")
    }

    /// Takes the container's lock for an operation if nobody has it.
    pub fn try_lock(&self, operation: &'static str) -> Result<Option<File>> {
        let path = self.lock_path();
        let opened = File::options().read(true).write(true).open(&path);
        let lock = opened.map_err(|error| Error::io("open", &path, error))?;
        let free = lock::take(&lock, lock::Mode::Exclusive, Duration::ZERO, &path)?;
        Ok(free.then(|| {
            lock::note(&lock, operation);
            lock
        }))
    }

    /// The log file.
    pub fn log(&self) -> PathBuf {
        self.path.join("log")
    }

    /// `spec.json`, or None when there is no such container.
    pub fn spec_file(&self) -> Result<Option<SpecFile>> {
        read_json(&self.path.join("spec.json"))
    }

    /// `status.json`, or None when it was never started.
    pub fn status(&self) -> Result<Option<StatusRecord>> {
        read_json(&self.path.join("status.json"))
    }

    /// Replaces `status.json`. Only the supervisor does this.
    pub fn write_status(&self, record: &StatusRecord) -> Result<()> {
        write_json(&self.path.join("status.json"), record)
    }

    /// As [`ContainerDir::write_status`], on a full disk, in the room that was kept for it.
    pub fn write_status_in(&self, reserve: Reserve, record: &StatusRecord) -> Result<()> {
        let path = self.path.join("status.json");
        let failed = |error| Error::io("write", &path, error);
        reserve.replace(&path, &spare_of(&path), &pretty(&path, record)?).map_err(failed)
    }

    /// Keeps room for another `status.json`.
    pub fn reserve(&self) -> Option<Reserve> {
        Reserve::in_folder(&self.path)
    }

    /// `trace.json`, or None when it was never started.
    pub fn trace(&self) -> Result<Option<Trace>> {
        read_json(&self.path.join("trace.json"))
    }

    /// Replaces `trace.json`. Only the supervisor does this.
    pub fn write_trace(&self, trace: &Trace) -> Result<()> {
        // For programs rather than eyes, and on the way of every start: not indented.
        let path = self.path.join("trace.json");
        let bytes = serde_json::to_vec(trace).map_err(|error| Error::damaged(&path, error))?;
        write_atomically(&path, &bytes)
    }
}

/// Reads a value that [`write_json`] wrote; None when there is no such file.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io("read", path, error)),
    };
    serde_json::from_slice(&bytes).map(Some).map_err(|error| Error::damaged(path, error))
}

/// Writes a value for programs and eyes.
pub(crate) fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<()> {
    write_atomically(path, &pretty(path, value)?)
}

fn pretty<T: Serialize>(path: &Path, value: &T) -> Result<Vec<u8>> {
    let mut bytes =
        serde_json::to_vec_pretty(value).map_err(|error| Error::damaged(path, error))?;
    bytes.push(b'\n');
    Ok(bytes)
}

fn spare_of(path: &Path) -> PathBuf {
    path.with_extension("json.new")
}

/// Writes beside the file and renames over it: a reader sees the old or the new
/// content, never half of it. Each file has one writer, so one spare name suffices. What
/// fails leaves the old content, and nothing beside it.
fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    let spare = spare_of(path);
    private::file()
        .write(true)
        .create(true)
        .truncate(true)
        .open(&spare)
        .and_then(|mut file| file.write_all(bytes))
        .and_then(|()| fs::rename(&spare, path))
        .map_err(|error| {
            let _ = fs::remove_file(&spare);
            Error::io("write", path, error)
        })
}

/// The root's own path. Windows has two spellings of it, and few programs read the one that
/// `canonicalize` gives.
fn absolute(root: &Path) -> std::io::Result<PathBuf> {
    if cfg!(windows) { std::path::absolute(root) } else { root.canonicalize() }
}

/// Sets a mode exactly, whatever the program's umask is.
pub(crate) fn set_mode(path: &Path, mode: u32) -> Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(path, fs::Permissions::from_mode(mode))
            .map_err(|error| Error::io("set the mode of", path, error))?;
    }
    #[cfg(not(unix))]
    let _ = (path, mode);
    Ok(())
}

/// Windows does not rename or remove a folder while a file in it is open: there the lock is let
/// go of just before. Who gets it then finds the folder gone, as after any delete.
fn held_while_renamed<L>(lock: L) -> Option<L> {
    (!cfg!(windows)).then_some(lock)
}

/// Removes a folder that a container filled, perhaps with directories nested deeper than
/// descriptors and stacks allow.
#[cfg(linux_backend)]
pub(crate) fn remove_folder(path: &Path) -> std::io::Result<()> {
    crate::linux::tree::remove_folder(path)
}

/// Without Linux's own means: folder by folder, each left and come back to, so that their depth
/// takes no stack. One whose path becomes too long is moved up first.
#[cfg(all(unix, not(linux_backend)))]
pub(crate) fn remove_folder(path: &Path) -> std::io::Result<()> {
    const LONG: usize = 800;
    let missing_is_fine = |result: std::io::Result<()>| match result {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        result => result,
    };
    fs::symlink_metadata(path)?;
    let mut way = vec![path.to_owned()];
    let mut moved = 0_u64;
    'folders: while let Some(folder) = way.last() {
        for entry in fs::read_dir(folder)? {
            let inner = entry?.path();
            if !fs::symlink_metadata(&inner).is_ok_and(|data| data.is_dir()) {
                missing_is_fine(fs::remove_file(&inner))?;
            } else if inner.as_os_str().len() > path.as_os_str().len() + LONG {
                move_up(&inner, path, &mut moved)?;
            } else {
                way.push(inner);
                continue 'folders;
            }
        }
        missing_is_fine(fs::remove_dir(folder))?;
        way.pop();
    }
    Ok(())
}

/// Moves a folder to a name of its own in `top`, where the container may have put others.
#[cfg(all(unix, not(linux_backend)))]
fn move_up(inner: &Path, top: &Path, moved: &mut u64) -> std::io::Result<()> {
    use ErrorKind::{AlreadyExists, DirectoryNotEmpty, NotADirectory};
    loop {
        *moved += 1;
        match fs::rename(inner, top.join(format!(".minidocker-{moved}"))) {
            Err(error)
                if [AlreadyExists, DirectoryNotEmpty, NotADirectory].contains(&error.kind()) => {}
            result => return result,
        }
    }
}

#[cfg(not(unix))]
pub(crate) fn remove_folder(path: &Path) -> std::io::Result<()> {
    fs::remove_dir_all(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_creates_of_one_name_exactly_one_wins() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        let wins: usize = std::thread::scope(|scope| {
            let tries: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        store.create(ContainerSpec::new("one", "true"), Vec::new()).is_ok()
                    })
                })
                .collect();
            tries.into_iter().map(|thread| usize::from(thread.join().unwrap())).sum()
        });
        assert_eq!(wins, 1);
        let left = fs::read_dir(store.containers()).unwrap().count();
        assert_eq!(left, 1, "the losers leave nothing");
    }

    #[test]
    fn a_half_made_container_is_never_listed_and_is_swept_once_its_maker_is_gone() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        let half = store.containers().join(".create-x");
        fs::create_dir(&half).unwrap();
        let lock = File::create(half.join("lock")).unwrap();
        lock.lock().unwrap();
        assert!(Store::open(root.path()).unwrap().names().unwrap().is_empty());
        assert!(half.exists(), "its maker lives");
        drop(lock);
        let image = root.path().join("images/.build-x");
        fs::create_dir(&image).unwrap();
        Store::open(root.path()).unwrap();
        assert!(!half.exists());
        assert!(image.exists(), "it may be in the making");
        let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(100);
        File::open(&image).unwrap().set_modified(long_ago).unwrap();
        Store::open(root.path()).unwrap();
        assert!(!image.exists());
    }

    #[test]
    fn opening_the_store_does_not_disturb_those_who_create() {
        let root = tempfile::tempdir().unwrap();
        Store::open(root.path()).unwrap();
        std::thread::scope(|scope| {
            let root = root.path();
            for worker in 0..4 {
                scope.spawn(move || {
                    let store = Store::open(root).unwrap();
                    for number in 0..50 {
                        let name = format!("c{worker}-{number}");
                        let file =
                            store.create(ContainerSpec::new(&name, "true"), Vec::new()).unwrap();
                        store
                            .delete(store.lock(&file.spec.name, &file.id, "delete").unwrap())
                            .unwrap();
                    }
                });
                scope.spawn(move || (0..100).for_each(|_| drop(Store::open(root).unwrap())));
            }
        });
        assert_eq!(fs::read_dir(root.path().join("containers")).unwrap().count(), 0);
    }

    #[test]
    fn a_handle_to_a_deleted_container_does_not_reach_its_successor() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        let old = store.create(ContainerSpec::new("a", "true"), Vec::new()).unwrap();
        store.delete(store.lock(&old.spec.name, &old.id, "delete").unwrap()).unwrap();
        store.create(ContainerSpec::new("a", "true"), Vec::new()).unwrap();
        assert!(matches!(
            store.lock(&old.spec.name, &old.id, "delete"),
            Err(Error::NotFound { .. })
        ));
    }

    #[test]
    fn a_deletion_without_the_lock_does_not_reach_a_successor() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        let create = || store.create(ContainerSpec::new("a", "true"), Vec::new()).unwrap();
        let unlocked = |spec_file: &SpecFile| {
            let dir = store.dir(&spec_file.spec.name);
            let lock = Lock::of_another(File::open(dir.lock_path()).unwrap());
            LockedContainer { dir, spec_file: spec_file.clone(), lock }
        };
        let old = create();
        let late = unlocked(&old);
        store.delete(store.lock(&old.spec.name, &old.id, "delete").unwrap()).unwrap();
        let new = create();
        assert!(matches!(store.delete(late), Err(Error::NotFound { .. })));
        assert_eq!(store.dir(&new.spec.name).spec_file().unwrap().unwrap().id, new.id);
        assert_eq!(fs::read_dir(store.containers()).unwrap().count(), 1);
        store.delete(unlocked(&new)).unwrap();
        assert_eq!(fs::read_dir(store.containers()).unwrap().count(), 0);
    }

    #[cfg(unix)]
    #[test]
    fn a_deep_folder_is_removed_whatever_the_names_beside_it() {
        let root = tempfile::tempdir().unwrap();
        let top = root.path().join("top");
        // It has the name that its own depths would be moved to, and others have the next ones.
        let deep = vec!["d".repeat(100); 9].join("/");
        fs::create_dir_all(top.join(".minidocker-1").join(deep)).unwrap();
        fs::create_dir_all(top.join(".minidocker-2/x")).unwrap();
        fs::write(top.join(".minidocker-3"), "").unwrap();
        remove_folder(&top).unwrap();
        assert!(!top.exists());
    }

    #[test]
    fn a_damaged_file_is_named() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        let file = store.create(ContainerSpec::new("a", "true"), Vec::new()).unwrap();
        let dir = store.dir(&file.spec.name);
        fs::write(dir.path().join("status.json"), "{").unwrap();
        let message = dir.status().unwrap_err().to_string();
        assert!(message.contains("status.json"), "{message}");
    }
}
