//! The seam between the containers that users see and what they are made of.
//!
//! `Runtime` and `Container` know the store, the records and what they mean; a [`Backend`]
//! knows processes. Everything that is particular to an operating system is behind this
//! trait, and nothing above it names one.

use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::time::Duration;

use jiff::tz::TimeZone;

use crate::archive::{ArchiveLimits, ArchiveSummary};
use crate::attach::Attached;
use crate::diff::{Change, Diff, Wanted};
use crate::error::{Result, StepFailure};
use crate::exec::{self, Exec};
use crate::files::{FileInfo, Trouble, WriteOptions};
use crate::images::{ImageConfig, ImageInfo};
use crate::networks::NetworkUp;
use crate::plan::Plan;
use crate::spec::{ContainerId, ContainerSpec, ImageName};
use crate::stats::Stats;
use crate::status::{KernelFacts, ProcessIdentity, Status, StatusRecord};
use crate::store::{ContainerDir, LockedContainer, SpecFile};

/// How long the processes of a container may take to all stop, or to all go on. Each stops
/// when it next leaves the kernel, which a read from a dead network disk may keep it from for
/// long.
pub(crate) const FREEZE_PATIENCE: Duration = Duration::from_secs(10);

/// Facts about this machine, whatever its system.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    /// Which boot this is: pids mean nothing in another.
    pub boot_id: String,
    pub memory_bytes: u64,
    pub cores: u32,
    /// Looked up once: to find it, dozens of files are read.
    pub time_zone: TimeZone,
}

impl Machine {
    /// Whether `boot_id` is this boot. Where only a time can tell ([`Machine::boot_at`]), two
    /// that are close are one: setting a clock moves it a little.
    pub fn is_boot(&self, boot_id: &str) -> bool {
        let time = |id: &str| id.strip_prefix("boot-").and_then(|time| time.parse::<i64>().ok());
        match (time(&self.boot_id), time(boot_id)) {
            (Some(this), Some(that)) => (this - that).abs() <= 30,
            _ => self.boot_id == boot_id,
        }
    }

    /// What stands for a boot of which only the time is known, in seconds since 1970.
    pub fn boot_at(seconds: u64) -> String {
        format!("boot-{seconds}")
    }
}

/// One way of making containers.
///
/// The folder of a container is at `dir`, its record (if it was ever started) in `record`.
/// Locks, states and events are the caller's business; what is done here is done to
/// processes and files.
pub(crate) trait Backend: fmt::Debug + Send + Sync {
    /// What this machine is.
    fn machine(&self) -> &Machine;

    /// Refuses what this backend cannot do for a container that is to be made.
    fn check(&self, spec: &ContainerSpec) -> Result<()>;

    /// What a start will do, step by step.
    fn plan(&self, file: &SpecFile, dir: &ContainerDir) -> Result<Plan>;

    /// Starts a container that does not run, and returns when its command was executed.
    fn start(&self, container: &LockedContainer) -> Result<Started>;

    /// Asks its supervisor to end it for good, and to kill it after the grace period. If there
    /// is none, nothing happens. Returns false if it has ended already, and its supervisor only
    /// waits for room on the disk to say so.
    fn ask_to_stop(&self, dir: &ContainerDir, grace: Duration) -> Result<bool>;

    /// Refuses a number that is no signal.
    fn check_signal(&self, number: i32) -> Result<()>;

    /// Sends a signal to its command. Returns whether there was one.
    fn signal(&self, dir: &ContainerDir, number: i32) -> Result<bool>;

    /// Kills it without asking its supervisor, who sees to the rest.
    fn kill(&self, record: &StatusRecord) -> Result<()>;

    /// What the system says now about its processes.
    fn facts(&self, dir: &ContainerDir, record: &StatusRecord) -> KernelFacts;

    /// Waits until a supervisor has ended, at most `timeout`. Returns whether it has.
    fn wait_for_end(
        &self,
        dir: &ContainerDir,
        supervisor: ProcessIdentity,
        timeout: Option<Duration>,
    ) -> Result<bool>;

    /// Removes what a lost supervisor left: processes, and what the system keeps for them.
    /// Returns whether there was anything.
    fn clean_up(&self, dir: &ContainerDir, record: &StatusRecord) -> Result<bool>;

    /// As `clean_up`, where there is no record, or none that can be read.
    fn clean_up_unrecorded(&self, dir: &ContainerDir, id: &ContainerId) -> Result<()>;

    /// Stops all its processes where they are, or lets them go on. Returns whether all did
    /// within [`FREEZE_PATIENCE`], or None if it has just ended.
    fn set_frozen(
        &self,
        dir: &ContainerDir,
        record: &StatusRecord,
        frozen: bool,
    ) -> Result<Option<bool>>;

    /// What it uses now.
    fn stats(
        &self,
        dir: &ContainerDir,
        file: &SpecFile,
        record: Option<&StatusRecord>,
        status: Status,
    ) -> Stats;

    /// Connects to its command. None if it has just ended.
    fn attach(&self, dir: &ContainerDir) -> Result<Option<Attached>>;

    /// Has another command executed in it, and does not wait for that.
    fn exec(&self, dir: &ContainerDir, exec: &Exec) -> Result<exec::Asked>;

    /// Its files as it sees them. The caller holds its lock as long as it uses them, unless it
    /// runs.
    fn files(
        &self,
        dir: &ContainerDir,
        file: &SpecFile,
        record: Option<&StatusRecord>,
        status: Status,
    ) -> Result<Box<dyn FileTree>>;

    /// What it changed, compared with its image.
    fn changes(&self, dir: &ContainerDir, file: &SpecFile, wanted: Wanted<'_>) -> Result<Diff>;

    /// Puts the content of an archive in the place of what it changed, all or nothing. It does
    /// not run, and the lock is held.
    fn unpack(
        &self,
        dir: &ContainerDir,
        file: &SpecFile,
        archive: &mut dyn Read,
        limits: ArchiveLimits,
    ) -> Result<ArchiveSummary>;

    /// Makes an image of an archive, all or nothing.
    fn import_image(
        &self,
        name: &ImageName,
        archive: &mut dyn Read,
        limits: ArchiveLimits,
    ) -> Result<ImageInfo>;

    /// Refuses networks, where there can be none.
    fn check_networks(&self) -> Result<()>;

    /// What is up of a network, by its id, or of the common bridge. None if nobody is on it.
    fn network_up(&self, id: Option<&str>) -> Result<Option<NetworkUp>>;

    /// How containers of the image `host` are run.
    fn host_image(&self) -> ImageConfig;

    /// What is directly in a folder: each name, and the bytes allocated at it and below. A
    /// folder that is gone has nothing in it.
    fn sizes(&self, folder: &Path) -> Result<Vec<(OsString, u64)>>;
}

/// How a start went.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(crate) enum Started {
    /// The command was executed.
    Running,
    /// A step failed.
    Failed(StepFailure),
    /// The supervisor could not do its work.
    Trouble(String),
}

/// The files of a container. Paths are full paths of the container.
pub(crate) trait FileTree {
    /// What is in a folder, sorted by name: at most `limit` names, beginning behind `after`.
    fn list(&self, path: &[u8], after: Option<&[u8]>, limit: usize) -> FileResult<Vec<FileInfo>>;
    /// One file; a symlink itself, not what it leads to.
    fn stat(&self, path: &[u8]) -> FileResult<FileInfo>;
    /// Opens a regular file for reading.
    fn open(&self, path: &[u8]) -> FileResult<File>;
    /// As `open`, of a file that can be read even when the lock is let go of.
    fn open_for_long(&self, path: &[u8], dir: &ContainerDir) -> FileResult<File>;
    /// Creates or replaces a regular file.
    fn write(&self, path: &[u8], content: &mut dyn Read, options: WriteOptions) -> FileResult<()>;
    /// Makes a directory and those above it; one that exists is fine.
    fn make_directory(&self, path: &[u8]) -> FileResult<()>;
    /// Removes a file, a symlink itself, or a directory with everything below.
    fn remove(&self, path: &[u8]) -> FileResult<()>;
    /// Packs all of them, or what was changed, into an archive.
    fn pack(&self, changes: Option<&[Change]>, output: &mut dyn Write) -> Result<ArchiveSummary>;
}

/// What an operation on a container's files returns.
pub(crate) type FileResult<T> = std::result::Result<T, Trouble>;
