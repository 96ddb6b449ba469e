//! The simulation behind the seam: each operation, handed to the module that knows how.

use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use sysinfo::{MemoryRefreshKind, RefreshKind, System};

use super::control::{self, Answer, Request};
use super::files::Files;
use super::governor::Report;
use super::paths::PathMap;
use super::tree::Tree;
use super::{changes, helper, plan, ports, process, rootfs};
use crate::archive::{ArchiveLimits, ArchiveSummary};
use crate::attach::Attached;
use crate::backend::{Backend, FREEZE_PATIENCE, FileTree, Machine, Started};
use crate::diff::{Diff, Wanted};
use crate::error::{Error, Result};
use crate::exec::{self, Exec};
use crate::images::{ImageConfig, ImageInfo};
use crate::networks::NetworkUp;
use crate::plan::Plan;
use crate::spec::{ContainerId, ContainerSpec, ImageName, NetworkMode};
use crate::stats::{CpuStats, MemoryStats, PidsStats, Stats};
use crate::status::{KernelFacts, ProcessIdentity, Status, StatusRecord};
use crate::store::{ContainerDir, LockedContainer, SpecFile};

/// Imitated containers, from what every system has.
#[derive(Debug)]
pub(crate) struct SimulationBackend {
    machine: Machine,
    helper: Option<PathBuf>,
}

impl SimulationBackend {
    /// For the store at `root`; `helper` is the program that serves as helper process, if it
    /// is not this one.
    ///
    /// # Errors
    /// [`Error::InvalidSpec`] if the root's path is no text, into which paths are written.
    pub fn new(root: &Path, helper: Option<PathBuf>) -> Result<SimulationBackend> {
        if root.to_str().is_none() {
            return Err(Error::InvalidSpec {
                field: "root",
                value: root.display().to_string(),
                why: "its path is not UTF-8, and it is written into commands".into(),
                hint: "Choose a root folder whose name is UTF-8.".into(),
            });
        }
        Ok(SimulationBackend { machine: machine(), helper })
    }
}

/// What this machine is.
pub(super) fn machine() -> Machine {
    let memory = RefreshKind::nothing().with_memory(MemoryRefreshKind::nothing().with_ram());
    let memory_bytes = match System::new_with_specifics(memory).total_memory() {
        0 => u64::MAX,
        bytes => bytes,
    };
    Machine {
        boot_id: boot_id(),
        memory_bytes,
        cores: std::thread::available_parallelism()
            .map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(u32::MAX)),
        time_zone: TimeZone::system(),
    }
}

/// Which boot this is. Linux names each; elsewhere its time has to do.
fn boot_id() -> String {
    match fs::read_to_string("/proc/sys/kernel/random/boot_id") {
        Ok(id) => id.trim().to_string(),
        Err(_) => Machine::boot_at(System::boot_time()),
    }
}

const IMAGES: &str = "a simulated container runs this machine's programs; those of an image take the \
                      Linux backend. Use the image \"host\", or Linux.";
pub(super) const ARCHIVES: &str = "the owners and kinds of files that an archive holds take the Linux backend. The \
                        folder `rootfs` of the container can be copied, or use Linux.";

/// Why there are no networks.
const NETWORKS: &str = "networks are only supported on Linux systems: in a simulation every \
                        container has the network of this machine. Choose bridge or host, or use \
                        Linux.";

pub(super) fn unsupported(feature: &str, why: &str) -> Error {
    Error::Unsupported { feature: feature.into(), backend: "simulation", why: why.into() }
}

/// Refuses what would not hold, unless its specification says that it need not.
fn refuse_in_vain(spec: &ContainerSpec) -> Result<()> {
    match plan::demands_in_vain(spec).first() {
        Some((field, why)) if !spec.best_effort_limits => Err(unsupported(
            field,
            &format!(
                "{why}. Leave it out, allow what is not enforced (best_effort_limits), or use Linux."
            ),
        )),
        _ => Ok(()),
    }
}

impl Backend for SimulationBackend {
    fn machine(&self) -> &Machine {
        &self.machine
    }

    fn check(&self, spec: &ContainerSpec) -> Result<()> {
        if spec.tty {
            return Err(unsupported(
                "a terminal (tty)",
                "terminals take the Linux backend. Leave tty off, or use Linux.",
            ));
        }
        match spec.network_mode() {
            // Both are the host's network here.
            NetworkMode::Bridge | NetworkMode::Host => {}
            mode => return Err(unsupported(&format!("the network {mode}"), NETWORKS)),
        }
        if !spec.image.is_host() {
            return Err(unsupported("an image of its own", IMAGES));
        }
        refuse_in_vain(spec)?;
        ports::check(spec)
    }

    fn plan(&self, file: &SpecFile, _dir: &ContainerDir) -> Result<Plan> {
        Ok(plan::plan(&file.spec))
    }

    fn start(&self, container: &LockedContainer) -> Result<Started> {
        // It may have been made by another version, or with another backend in mind.
        refuse_in_vain(&container.spec_file.spec)?;
        helper::start(&container.dir, self.helper.as_deref())
    }

    fn ask_to_stop(&self, dir: &ContainerDir, grace: Duration) -> Result<bool> {
        let grace_millis = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
        let answer = control::ask(dir, Request::Stop { grace_millis }, control::PATIENCE)?;
        Ok(!matches!(answer, Some(Answer::NotRunning)))
    }

    fn check_signal(&self, number: i32) -> Result<()> {
        process::check_signal(number)
    }

    fn signal(&self, dir: &ContainerDir, number: i32) -> Result<bool> {
        let answer = control::ask(dir, Request::Signal(number), control::PATIENCE)?;
        Ok(matches!(answer, Some(Answer::Done)))
    }

    fn kill(&self, record: &StatusRecord) -> Result<()> {
        kill_tree(None, record);
        Ok(())
    }

    fn facts(&self, dir: &ContainerDir, record: &StatusRecord) -> KernelFacts {
        let supervisor_alive = control::is_supervised(dir);
        KernelFacts {
            same_boot: supervisor_alive || self.machine.is_boot(&record.boot_id),
            supervisor_alive,
            frozen: supervisor_alive && record.paused,
            left_behind: true,
        }
    }

    fn wait_for_end(
        &self,
        dir: &ContainerDir,
        supervisor: ProcessIdentity,
        timeout: Option<Duration>,
    ) -> Result<bool> {
        control::wait_for_end(dir, supervisor, timeout)
    }

    fn clean_up(&self, dir: &ContainerDir, record: &StatusRecord) -> Result<bool> {
        // One that is still about to start it, for a program that has gone meanwhile.
        if control::is_supervised(dir) && self.ask_to_stop(dir, Duration::ZERO)? {
            self.wait_for_end(dir, record.supervisor, Some(control::PATIENCE))?;
        }
        let file = dir.spec_file()?;
        Ok(kill_tree(file.as_ref().map(|file| &file.id), record))
    }

    /// Nothing is kept for a container but its folder.
    fn clean_up_unrecorded(&self, _dir: &ContainerDir, _id: &ContainerId) -> Result<()> {
        Ok(())
    }

    fn set_frozen(
        &self,
        dir: &ContainerDir,
        _record: &StatusRecord,
        frozen: bool,
    ) -> Result<Option<bool>> {
        // It may take so long itself before it answers.
        let patience = FREEZE_PATIENCE + control::PATIENCE;
        Ok(match control::ask(dir, Request::Freeze(frozen), patience)? {
            Some(Answer::Done) => Some(true),
            Some(Answer::NotDone) => Some(false),
            _ => None,
        })
    }

    fn stats(
        &self,
        dir: &ContainerDir,
        file: &SpecFile,
        record: Option<&StatusRecord>,
        status: Status,
    ) -> Stats {
        let mut stats = Stats::at_rest(file, record, status, &self.machine);
        if !matches!(status, Status::Running | Status::Paused) {
            return stats;
        }
        let report = match control::ask(dir, Request::Stats, control::PATIENCE) {
            Ok(Some(Answer::Stats(report))) => report,
            _ => return stats,
        };
        let Report { usage, peak_bytes, throttling } = report;
        stats.uptime_seconds = record.map(|record| {
            let now = Timestamp::now();
            now.duration_since(record.started_at).as_secs_f64().max(0.0)
        });
        let limit = stats.memory.limit_bytes.unwrap_or(self.machine.memory_bytes).max(1);
        stats.memory = MemoryStats {
            used_bytes: usage.memory_bytes,
            current_bytes: usage.memory_bytes,
            peak_bytes: Some(peak_bytes),
            percent: usage.memory_bytes as f64 / limit as f64 * 100.0,
            anon_bytes: usage.memory_bytes,
            ..stats.memory
        };
        stats.cpu = CpuStats {
            total_micros: usage.cpu_millis * 1000,
            periods: throttling.periods,
            throttled_periods: throttling.throttled_periods,
            throttled_micros: throttling.throttled_micros,
            ..stats.cpu
        };
        stats.pids = PidsStats { current: usage.processes, limit: None };
        stats
    }

    fn attach(&self, _dir: &ContainerDir) -> Result<Option<Attached>> {
        Err(unsupported(
            "attach",
            "attaching is only supported on Linux systems: this container runs in simulation \
             mode. Follow its log instead.",
        ))
    }

    fn exec(&self, _dir: &ContainerDir, _exec: &Exec) -> Result<exec::Asked> {
        Err(unsupported(
            "exec",
            "exec is only supported on Linux systems: this container runs in simulation mode, \
             where there is no namespace to enter. Make the command a part of the container's \
             own, or use the Linux backend (as root).",
        ))
    }

    fn files(
        &self,
        dir: &ContainerDir,
        file: &SpecFile,
        _record: Option<&StatusRecord>,
        _status: Status,
    ) -> Result<Box<dyn FileTree>> {
        rootfs::furnish(dir, &file.spec)?;
        // Also while it does not run: what is put there is what the next start sees.
        Ok(Box::new(Files { paths: PathMap::new(&dir.rootfs(), &file.spec.volumes) }))
    }

    fn changes(&self, dir: &ContainerDir, _file: &SpecFile, wanted: Wanted<'_>) -> Result<Diff> {
        match rootfs::baseline(dir)? {
            Some(baseline) => changes::changes(&dir.rootfs(), &baseline, wanted),
            None => Ok(Diff::default()),
        }
    }

    fn unpack(
        &self,
        _dir: &ContainerDir,
        _file: &SpecFile,
        _archive: &mut dyn Read,
        _limits: ArchiveLimits,
    ) -> Result<ArchiveSummary> {
        Err(unsupported("files from an archive", ARCHIVES))
    }

    fn import_image(
        &self,
        _name: &ImageName,
        _archive: &mut dyn Read,
        _limits: ArchiveLimits,
    ) -> Result<ImageInfo> {
        Err(unsupported("an image of its own", IMAGES))
    }

    fn check_networks(&self) -> Result<()> {
        Err(unsupported("a network of its own", NETWORKS))
    }

    fn network_up(&self, _id: Option<&str>) -> Result<Option<NetworkUp>> {
        self.check_networks().map(|()| None)
    }

    fn host_image(&self) -> ImageConfig {
        ImageConfig::default()
    }

    fn sizes(&self, folder: &Path) -> Result<Vec<(OsString, u64)>> {
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(Error::io("measure", folder, error)),
        };
        Ok(entries.flatten().map(|entry| (entry.file_name(), size(&entry.path()))).collect())
    }
}

/// Kills what a supervisor has started, whether or not it lives itself. Returns whether there
/// was anything.
fn kill_tree(id: Option<&ContainerId>, record: &StatusRecord) -> bool {
    let known = record.command.filter(|command| {
        u32::try_from(command.pid).is_ok_and(|pid| process::identify(pid) == Some(*command))
    });
    // Where the session of a supervisor that has ended is another's, that one's leader lives.
    let supervisor = u32::try_from(record.supervisor.pid)
        .ok()
        .filter(|pid| process::identify(*pid).is_none_or(|found| found == record.supervisor));
    let command = known.and_then(|command| u32::try_from(command.pid).ok());
    let mut tree = match (supervisor, command) {
        (Some(supervisor), command) if cfg!(unix) => {
            Tree::new(id, supervisor, command.unwrap_or(supervisor))
        }
        (_, Some(command)) => Tree::below(command),
        _ => return false,
    };
    // What they start meanwhile is found by looking again.
    for round in 0..100 {
        tree.look();
        let pids = tree.pids();
        if pids.is_empty() {
            return round > 0;
        }
        pids.into_iter().for_each(process::kill);
    }
    true
}

/// The bytes allocated for a file or folder and what is in it. Programs may nest their folders as
/// deep as they like: what no path can name is not counted.
fn size(path: &Path) -> u64 {
    let own = |data: &Metadata| {
        #[cfg(unix)]
        return std::os::unix::fs::MetadataExt::blocks(data) * 512;
        #[cfg(not(unix))]
        data.len()
    };
    let Ok(data) = fs::symlink_metadata(path) else { return 0 };
    let mut bytes = own(&data);
    // Each folder is read to its end before the next: of those in it, one path each is held.
    let mut folders: Vec<PathBuf> = data.is_dir().then(|| path.to_owned()).into_iter().collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let Ok(data) = entry.metadata() else { continue };
            bytes += own(&data);
            if data.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    bytes
}
