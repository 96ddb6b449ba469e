//! The Linux backend behind the seam: each operation, handed to the module that knows how.

use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use nix::fcntl::OFlag;
use nix::libc;
use nix::unistd::pipe2;
use rustix::fs::{Statx, makedev};

use super::control::{self, Answer, Request};
use super::diff::{Comparison, Limits};
use super::exec::ExecRequest;
use super::import::import;
use super::network::{self, Key};
use super::spawner::Spawner;
use super::upkeep::Measure;
use super::{
    Host, arguments, clean_up_after, clean_up_unrecorded, files, freezer, kernel_facts, pack,
    preview, process, stats, unpack, view,
};
use crate::archive::{ArchiveLimits, ArchiveSummary, EntryPath};
use crate::attach::Attached;
use crate::backend::{Backend, FileResult, FileTree, Machine, Started};
use crate::diff::{Change, ChangeKind, Diff, Wanted};
use crate::error::{Error, Result};
use crate::exec::{self, Exec, Stdin};
use crate::files::{FileInfo, FileMount, Trouble, WriteOptions};
use crate::images::{ImageConfig, ImageInfo};
use crate::networks::NetworkUp;
use crate::plan::Plan;
use crate::signal::Signal;
use crate::spec::{ContainerId, ContainerSpec, ImageName, Subnet};
use crate::stats::Stats;
use crate::status::{KernelFacts, ProcessIdentity, Status, StatusRecord};
use crate::store::{ContainerDir, LockedContainer, SpecFile};

/// How long a supervisor may take to answer.
const ANSWER_PATIENCE: Duration = Duration::from_secs(10);

/// Real containers, from this kernel's own means.
#[derive(Debug)]
pub(crate) struct LinuxBackend {
    host: Host,
    spawner: Spawner,
    /// Why there can be no bridges here, if they cannot; asked when it first matters.
    no_bridges: OnceLock<Option<String>>,
}

impl LinuxBackend {
    /// For the store at `root`; `helper` is the program that serves as helper process, if it
    /// is not this one.
    ///
    /// # Errors
    /// [`Error::InvalidSpec`] if the root's path cannot be used for an overlay; [`Error::Io`]
    /// if the image cannot be made.
    pub fn new(
        root: &Path,
        helper: Option<PathBuf>,
        subnet: Option<Subnet>,
    ) -> Result<LinuxBackend> {
        if root.to_string_lossy().contains([',', ':', '\\', '\n']) {
            return Err(Error::InvalidSpec {
                field: "root",
                value: root.display().to_string(),
                why: "overlayfs cannot take a path with a comma, colon, backslash or line break"
                    .into(),
                hint: "Choose a root folder without these characters.".into(),
            });
        }
        let host = Host::detect(root, subnet)?;
        // What a supervisor that was killed has left.
        network::sweep(&host.machine.boot_id);
        let spawner = Spawner::new(root, subnet, helper);
        Ok(LinuxBackend { host, spawner, no_bridges: OnceLock::new() })
    }
}

impl Backend for LinuxBackend {
    fn machine(&self) -> &Machine {
        &self.host.machine
    }

    fn check(&self, spec: &ContainerSpec) -> Result<()> {
        let stack = arguments::stack(&spec.rlimits);
        arguments::check(spec.command.words(), &spec.env, stack)?;
        if let Some(probe) = &spec.health_check {
            arguments::check(probe.command.words(), &[], stack)?;
        }
        match spec.network_mode().is_bridged() {
            true => self.check_networks(),
            false => Ok(()),
        }
    }

    fn check_networks(&self) -> Result<()> {
        match self.no_bridges.get_or_init(network::refusal) {
            None => Ok(()),
            Some(why) => Err(Error::Unsupported {
                feature: "a container on a bridge".into(),
                backend: "linux",
                why: format!(
                    "{why}. It takes root and the kernel's bridge and veth; without them, choose \
                     the network none, host or container:NAME."
                ),
            }),
        }
    }

    fn network_up(&self, id: Option<&str>) -> Result<Option<NetworkUp>> {
        let key = id.map_or(Key::Bridge, |id| Key::Named(id.to_string()));
        Ok(network::up(&key, self.host.root(), &self.host.machine.boot_id))
    }

    fn plan(&self, file: &SpecFile, dir: &ContainerDir) -> Result<Plan> {
        preview(file, dir, &self.host)
    }

    fn start(&self, container: &LockedContainer) -> Result<Started> {
        self.spawner.start(container)
    }

    fn ask_to_stop(&self, dir: &ContainerDir, grace: Duration) -> Result<bool> {
        let grace_millis = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
        let answer = control::ask(dir, &Request::Stop { grace_millis }, ANSWER_PATIENCE)?;
        Ok(!matches!(answer, Some((Answer::NotRunning, _))))
    }

    fn check_signal(&self, number: i32) -> Result<()> {
        Signal::from_number(number).map(drop)
    }

    fn signal(&self, dir: &ContainerDir, number: i32) -> Result<bool> {
        let answer = control::ask(dir, &Request::Signal(number), ANSWER_PATIENCE)?;
        Ok(matches!(answer, Some((Answer::Done, _))))
    }

    fn kill(&self, record: &StatusRecord) -> Result<()> {
        // Killing init kills its whole PID namespace.
        if let Some(pidfd) = record.init.or(record.command).and_then(process::open) {
            process::signal(&pidfd, libc::SIGKILL)?;
        }
        freezer::kill_frozen(&record.cgroups);
        Ok(())
    }

    fn facts(&self, _dir: &ContainerDir, record: &StatusRecord) -> KernelFacts {
        kernel_facts(record, &self.host)
    }

    fn wait_for_end(
        &self,
        _dir: &ContainerDir,
        supervisor: ProcessIdentity,
        timeout: Option<Duration>,
    ) -> Result<bool> {
        match process::open(supervisor) {
            Some(pidfd) => process::wait_readable(pidfd.as_fd(), timeout),
            None => Ok(true),
        }
    }

    fn clean_up(&self, _dir: &ContainerDir, record: &StatusRecord) -> Result<bool> {
        let left = record.cgroups.iter().any(|cgroup| cgroup.exists());
        clean_up_after(record)?;
        network::sweep(&self.host.machine.boot_id);
        Ok(left)
    }

    fn clean_up_unrecorded(&self, _dir: &ContainerDir, id: &ContainerId) -> Result<()> {
        clean_up_unrecorded(id, &self.host)?;
        network::sweep(&self.host.machine.boot_id);
        Ok(())
    }

    fn set_frozen(
        &self,
        _dir: &ContainerDir,
        record: &StatusRecord,
        frozen: bool,
    ) -> Result<Option<bool>> {
        let change = if frozen { freezer::freeze } else { freezer::thaw };
        match change(&record.cgroups) {
            Ok(done) => Ok(Some(done)),
            // It ended by itself in the meantime, and its cgroups with it.
            Err(_) if !record.cgroups.iter().all(|cgroup| cgroup.exists()) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn stats(
        &self,
        _dir: &ContainerDir,
        file: &SpecFile,
        record: Option<&StatusRecord>,
        status: Status,
    ) -> Stats {
        stats::measure(file, record, status, &self.host)
    }

    fn attach(&self, dir: &ContainerDir) -> Result<Option<Attached>> {
        Ok(match control::ask(dir, &Request::Attach, ANSWER_PATIENCE)? {
            Some((Answer::Attached { stdin, tty }, socket)) => {
                Some(Attached::new(socket, stdin, tty))
            }
            _ => None,
        })
    }

    fn exec(&self, dir: &ContainerDir, exec: &Exec) -> Result<exec::Asked> {
        // The limit of the container's stack is told by the exec.
        arguments::check(exec.command.words(), &exec.env, u64::MAX)?;
        let request = ExecRequest {
            container: dir.path().to_owned(),
            words: exec.command.words().to_vec(),
            env: exec.env.iter().map(|v| (v.name().to_string(), v.value().to_string())).collect(),
            working_dir: exec.working_dir.as_ref().map(ToString::to_string),
            user: exec.user.as_ref().map(ToString::to_string),
            tty: exec.tty,
            timeout: exec.timeout,
        };
        let (ours, theirs) =
            if exec.tty.is_some() { ([None, None, None], vec![]) } else { streams(exec)? };
        let descriptors: Vec<_> = theirs.iter().map(AsFd::as_fd).collect();
        let channel = self.spawner.exec(request, &descriptors)?;
        drop(theirs);
        Ok(exec::Asked { channel, streams: ours })
    }

    fn files(
        &self,
        dir: &ContainerDir,
        file: &SpecFile,
        record: Option<&StatusRecord>,
        status: Status,
    ) -> Result<Box<dyn FileTree>> {
        let root = view::open(dir, file, &self.host, record, status)?;
        let image = self.host.image(&file.spec.image)?;
        let shown = image.shown.into_iter().map(|(host, _)| (host, FileMount::Host));
        let volumes = file.spec.volumes.iter();
        let volumes = volumes.map(|volume| (volume.host().to_owned(), FileMount::Volume));
        let mounts = volumes.chain(shown).collect();
        let runs = matches!(status, Status::Running | Status::Paused);
        // A volume at one of them is what a start shows.
        let is_volume = |name: &str| {
            let path = format!("/etc/{name}");
            file.spec.volumes.iter().any(|volume| volume.container().as_str() == path)
        };
        let anew = view::NAME_FILES.into_iter().filter(|name| !runs && !is_volume(name));
        let hidden = anew.collect();
        Ok(Box::new(Root { root, name: file.spec.name.to_string(), mounts, hidden }))
    }

    fn changes(&self, dir: &ContainerDir, file: &SpecFile, wanted: Wanted<'_>) -> Result<Diff> {
        let spec = &file.spec;
        view::require_rootfs(file, "the list of changes")?;
        let image = self.host.image(&spec.image)?;
        let directory = spec.directory();
        let made_by_start: Vec<&str> = view::KERNEL_PLACES
            .into_iter()
            .chain(image.shown.iter().map(|(_, inside)| inside.as_str()))
            .chain(spec.volumes.iter().map(|volume| volume.container().as_str()))
            .chain([directory.as_str(), "/etc/hosts", "/etc/hostname", "/etc/resolv.conf"])
            .collect();
        let upper = dir.rootfs();
        let folder = wanted.folder.map(EntryPath::of_full_path);
        let comparison = Comparison {
            upper: &upper,
            layers: &image.layers,
            made_by_start: &made_by_start,
            folder: folder.as_ref(),
            limits: Limits { changes: wanted.changes, bytes: wanted.bytes },
        };
        let found =
            comparison.changes().map_err(|errno| Error::io("compare", &upper, errno.into()))?;
        let change =
            |(kind, path): (ChangeKind, EntryPath)| Change::new(kind, &path.to_full_path());
        Ok(Diff {
            changes: found.changes.into_iter().map(change).collect(),
            truncated: !found.complete,
        })
    }

    fn unpack(
        &self,
        dir: &ContainerDir,
        file: &SpecFile,
        archive: &mut dyn Read,
        limits: ArchiveLimits,
    ) -> Result<ArchiveSummary> {
        view::require_rootfs(file, "the replacement of the files")?;
        unpack::replace_rootfs(dir, &self.host.image(&file.spec.image)?.layers, archive, limits)
    }

    fn import_image(
        &self,
        name: &ImageName,
        archive: &mut dyn Read,
        limits: ArchiveLimits,
    ) -> Result<ImageInfo> {
        import(self.host.root(), name, archive, limits)
    }

    fn host_image(&self) -> ImageConfig {
        let env = self.host.host_image().env.iter().cloned().collect();
        ImageConfig { env, ..ImageConfig::default() }
    }

    fn sizes(&self, folder: &Path) -> Result<Vec<(OsString, u64)>> {
        let entries = Measure::default()
            .entries(folder)
            .map_err(|errno| Error::io("measure", folder, errno.into()))?;
        let named = |(name, bytes): (std::ffi::CString, u64)| {
            (OsString::from_vec(name.into_bytes()), bytes)
        };
        Ok(entries.into_iter().map(named).collect())
    }
}

/// The root of a container's files.
struct Root {
    root: OwnedFd,
    name: String,
    /// The files and folders of the host that are mounted in it, and what they are there.
    mounts: Vec<(PathBuf, FileMount)>,
    /// The files in /etc that a start will put others in the place of.
    hidden: Vec<&'static str>,
}

impl Root {
    /// What is mounted at a file that something is mounted on.
    fn mount(&self, data: &Statx) -> FileMount {
        let same = |path: &Path| {
            std::fs::metadata(path).is_ok_and(|host| {
                let device = makedev(data.stx_dev_major, data.stx_dev_minor);
                (host.dev(), host.ino()) == (device, data.stx_ino)
            })
        };
        let found = self.mounts.iter().find(|(path, _)| same(path));
        found.map_or(FileMount::System, |(_, mount)| *mount)
    }
}

/// Says of a refused write why nothing can be written there.
fn read_only<T>(result: FileResult<T>) -> FileResult<T> {
    result.map_err(|trouble| match trouble.errno {
        Some(libc::EROFS) => Trouble {
            why:
                "it is read-only there: programs of this machine, a volume that is mounted so, or \
                  what every start makes anew"
                    .into(),
            ..trouble
        },
        _ => trouble,
    })
}

impl FileTree for Root {
    fn list(&self, path: &[u8], after: Option<&[u8]>, limit: usize) -> FileResult<Vec<FileInfo>> {
        files::list(self.root.as_fd(), path, after, limit, &|data| self.mount(data))
    }

    fn stat(&self, path: &[u8]) -> FileResult<FileInfo> {
        files::stat(self.root.as_fd(), path, &|data| self.mount(data))
    }

    fn open(&self, path: &[u8]) -> FileResult<File> {
        files::open(self.root.as_fd(), path)
    }

    /// An overlay cannot be unmounted while a file of it is open: this one is a copy.
    fn open_for_long(&self, path: &[u8], dir: &ContainerDir) -> FileResult<File> {
        files::copy_into(dir.path(), &mut self.open(path)?)
    }

    fn write(&self, path: &[u8], content: &mut dyn Read, options: WriteOptions) -> FileResult<()> {
        read_only(files::write(self.root.as_fd(), path, content, options, &self.hidden))
    }

    fn make_directory(&self, path: &[u8]) -> FileResult<()> {
        read_only(files::make_directory(self.root.as_fd(), path))
    }

    fn remove(&self, path: &[u8]) -> FileResult<()> {
        read_only(files::remove(self.root.as_fd(), path))
    }

    fn pack(&self, changes: Option<&[Change]>, output: &mut dyn Write) -> Result<ArchiveSummary> {
        pack::pack(self.root.as_fd(), changes, output).map_err(|pack::Trouble { path, error }| {
            Error::File {
                name: self.name.clone(),
                action: "pack",
                path: path.to_string(),
                why: crate::error::plain_reason(&error),
                errno: error.raw_os_error(),
            }
        })
    }
}

/// Pipes for the three streams: our ends and the command's.
fn streams(exec: &Exec) -> Result<([Option<File>; 3], Vec<OwnedFd>)> {
    let pipe = || {
        pipe2(OFlag::O_CLOEXEC)
            .map_err(|errno| Error::System { call: "pipe2".into(), errno: errno as i32 })
    };
    let (stdin_inside, stdin) = pipe()?;
    let (stdout, stdout_inside) = pipe()?;
    let (stderr, stderr_inside) = pipe()?;
    // Closed at once, the pipe is as empty as /dev/null.
    let stdin = (exec.stdin != Stdin::Null).then_some(stdin);
    let ours = [stdin, Some(stdout), Some(stderr)].map(|end| end.map(File::from));
    Ok((ours, vec![stdin_inside, stdout_inside, stderr_inside]))
}
