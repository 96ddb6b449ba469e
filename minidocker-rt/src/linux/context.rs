//! What the steps of a plan share while they are carried out, in three processes one
//! after the other: each is a fork of the one before and goes on with its copy.

use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Instant;

use nix::libc;
use nix::sched::CloneFlags;

use super::cgroup::{Cgroup, Doors, LimitError};
use super::host::Host;
use super::identity::{self, Identity};
use super::image::Image;
use super::listeners::{self, Listener};
use super::network::Network;
use super::seccomp::Filter;
use super::steps::{Action, Step};
use super::sys::{Handle, Sys, SysError, SysResult, micros_since, shortened};
use super::terminal::Pty;
use super::{privileges, rootfs};
use crate::error::StepFailure;
use crate::plan::{Actor, Outcome, TracedStep};
use crate::spec::ContainerSpec;
use crate::store::{ContainerDir, SpecFile};

/// The state of a construction.
pub(crate) struct Context<'a> {
    pub sys: Sys,
    file: &'a SpecFile,
    dir: &'a ContainerDir,
    host: &'a Host,
    image: &'a Image,
    pub cgroup: Cgroup,
    /// The ways into the cgroup, which the command will take.
    doors: Doors,
    /// What the command's process reports through until its execve.
    pub reporting: Vec<i32>,
    /// The new root, from the overlay step to pivot_root.
    root: Option<Handle>,
    /// The host's side of the published ports.
    pub listeners: Vec<Listener>,
    pub network: Network,
    /// Init, once it was cloned.
    pub init: Option<i32>,
    /// The command's ends of its standard streams, if they are pipes.
    streams: Streams,
    /// The command's terminal, from the step that makes it to the exec.
    pub terminal: Option<Pty>,
    /// Who the command runs as, once it was looked up.
    identity: Identity,
    /// Limits on best effort that do not hold.
    pub not_enforced: Vec<String>,
    /// When the construction began; all times count from here.
    origin: Instant,
    /// The steps done so far by this process.
    pub traced: Vec<TracedStep>,
}

/// The command's ends of the pipes that are its standard streams. With a terminal there
/// are none, and without an open stdin it reads /dev/null.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    pub stdin: Option<OwnedFd>,
    pub stdout: Option<OwnedFd>,
    pub stderr: Option<OwnedFd>,
}

impl Streams {
    /// Those that there are.
    pub fn each(&self) -> impl Iterator<Item = &OwnedFd> {
        [&self.stdin, &self.stdout, &self.stderr].into_iter().flatten()
    }
}

/// What comes after a step.
pub(crate) enum Flow {
    /// The next step.
    Next,
    /// There are two processes now; this is what clone or fork returned.
    Forked(i32),
    /// Nothing but the exec is left.
    Exec(Executable),
}

/// Everything execve(2) takes.
pub(crate) struct Executable {
    pub path: String,
    pub args: Vec<CString>,
    pub env: Vec<CString>,
}

/// Why a step failed.
#[derive(Debug)]
pub(crate) struct StepError {
    call: String,
    errno: Option<i32>,
    message: Option<String>,
    hint: Option<String>,
}

impl From<SysError> for StepError {
    fn from(error: SysError) -> StepError {
        StepError { call: error.call, errno: Some(error.errno), message: None, hint: None }
    }
}

impl StepError {
    /// One that no system call has told.
    pub fn said(attempt: &str, why: String, hint: &str) -> StepError {
        let (call, hint) = (attempt.to_string(), Some(hint.to_string()));
        StepError { call, errno: None, message: Some(why), hint }
    }

    /// A call that failed, and what that means.
    pub fn explained(error: SysError, why: String, hint: &str) -> StepError {
        let SysError { call, errno } = error;
        StepError { call, errno: Some(errno), message: Some(why), hint: Some(hint.to_string()) }
    }

    /// The failure as users see it.
    pub fn failure(self, step: &Step, image: &Image) -> StepFailure {
        let hint = match (self.hint, self.errno) {
            (Some(hint), _) => hint,
            (None, Some(errno)) => step.hint(errno, image),
            (None, None) => "Lift the limit, enable the controller (inside another container: run \
                             that privileged, with writable cgroups), or allow best-effort limits \
                             (best_effort_limits)."
                .into(),
        };
        StepFailure {
            step: step.id.clone(),
            call: self.call,
            message: self.message,
            errno: self.errno,
            hint,
        }
    }
}

impl<'a> Context<'a> {
    /// For a construction that is carried out.
    pub fn new(
        file: &'a SpecFile,
        dir: &'a ContainerDir,
        host: &'a Host,
        image: &'a Image,
        streams: Streams,
    ) -> Context<'a> {
        let sys = Sys::real(file.fault.clone());
        Context { streams, ..Context::with(sys, file, dir, host, image) }
    }

    /// For a preview, which needs neither a filter nor pipes.
    pub fn preview(
        file: &'a SpecFile,
        dir: &'a ContainerDir,
        host: &'a Host,
        image: &'a Image,
    ) -> Context<'a> {
        Context::with(Sys::preview(), file, dir, host, image)
    }

    fn with(
        sys: Sys,
        file: &'a SpecFile,
        dir: &'a ContainerDir,
        host: &'a Host,
        image: &'a Image,
    ) -> Context<'a> {
        Context {
            sys,
            file,
            dir,
            host,
            image,
            cgroup: Cgroup::of(&host.cgroups, file.id.as_str()),
            doors: Doors::default(),
            reporting: Vec::new(),
            root: None,
            listeners: Vec::new(),
            network: Network::default(),
            init: None,
            streams: Streams::default(),
            terminal: None,
            identity: Identity::default(),
            not_enforced: Vec::new(),
            origin: Instant::now(),
            traced: Vec::new(),
        }
    }

    /// Microseconds since the construction began.
    pub fn elapsed_micros(&self) -> f64 {
        micros_since(self.origin)
    }

    /// Lets go of the command's ends of its streams: a process that kept them would keep
    /// the log from ever ending.
    pub fn close_streams(&mut self) {
        self.streams = Streams::default();
        self.terminal = None;
    }

    /// The descriptors that must survive from the supervisor into init.
    pub fn descriptors(&self) -> Vec<i32> {
        let doors = self.doors.handles().filter_map(Handle::raw);
        let streams = self.streams.each().map(AsRawFd::as_raw_fd);
        doors.chain(streams).chain(self.network.descriptors()).collect()
    }

    /// A call that failed outside [`Context::run`]: the exec itself.
    pub fn failure(&self, step: &Step, error: SysError) -> StepFailure {
        StepError::from(error).failure(step, self.image)
    }

    /// Carries out one step and keeps its record.
    pub fn run(&mut self, step: &Step) -> Result<Flow, StepFailure> {
        self.sys.begin(&step.id);
        let start_micros = self.elapsed_micros();
        let result = step.execute(self);
        let outcome = if result.is_ok() { Outcome::Done } else { Outcome::Failed };
        // The child of a clone or fork begins its own record.
        if matches!(result, Ok(Flow::Forked(0))) {
            self.traced.clear();
        } else {
            self.traced.push(TracedStep {
                id: step.id.clone(),
                actor: step.actor,
                title: step.title.clone(),
                outcome,
                start_micros,
                micros: ((self.elapsed_micros() - start_micros) * 10.0).round() / 10.0,
                calls: self.sys.take_calls(),
                simulated: None,
            });
        }
        result.map_err(|error| error.failure(step, self.image))
    }

    /// Carries out the steps of one actor in order, until one of them ends or
    /// splits this process.
    pub fn run_steps(&mut self, steps: &[Step], actor: Actor) -> Result<Flow, StepFailure> {
        for step in steps.iter().filter(|step| step.actor == actor) {
            match self.run(step)? {
                Flow::Next => {}
                flow => return Ok(flow),
            }
        }
        Ok(Flow::Next)
    }

    /// Does what a step's action says.
    pub fn perform(&mut self, action: &Action) -> Result<Flow, StepError> {
        let spec = &self.file.spec;
        let sys = &mut self.sys;
        match action {
            Action::BindPorts => self.bind_ports()?,
            Action::CreateCgroup => {
                self.cgroup.create(sys)?;
                self.open_doors()?;
            }
            Action::LimitMemory => {
                if let Some(limit) = spec.memory {
                    let result = self.cgroup.limit_memory(sys, limit);
                    self.allow_best_effort("mem_limit_mb", result)?;
                }
            }
            Action::LimitCpu => {
                if let Some(limit) = spec.cpu {
                    let result = self.cgroup.limit_cpu(sys, limit);
                    self.allow_best_effort("cpu_limit_percent", result)?;
                }
            }
            Action::LimitPids => {
                let result = self.cgroup.limit_pids(sys, spec.pids);
                self.allow_best_effort("pids_limit", result)?;
            }
            Action::TakePlace => {
                self.network.take_place(sys, self.file, self.dir, self.host)?;
            }
            Action::OpenWayOut => self.network.open_way_out(sys)?,
            Action::TellNames => self.network.tell_names(sys, spec, self.dir)?,
            Action::FindShared => self.network.find_shared(sys, spec, self.dir, self.host)?,
            Action::PlugIn => self.network.plug_in(sys, self.init.unwrap_or_default())?,
            Action::JoinShared => self.network.join_shared(sys)?,
            Action::ShowNames => {
                let mut files = Network::files(spec, self.dir).to_vec();
                if spec.has_etc_volume() {
                    // A volume of one of them has been mounted before; it stays what it is.
                    files.retain(|file| {
                        let path = format!("/etc/{}", file.name);
                        spec.volumes.iter().all(|volume| volume.container().as_str() != path)
                    });
                }
                rootfs::show_files(sys, root(&self.root)?, &files, spec.has_etc_volume())?;
            }
            Action::AddAddress => self.network.add_address(sys)?,
            Action::AddRoute => self.network.add_route(sys)?,
            Action::CloneNamespaces(flags) => {
                return Ok(Flow::Forked(sys.clone_into_namespaces(*flags)?));
            }
            Action::MakePrivate => sys.make_private()?,
            Action::MountOverlay => {
                let (upper, work) = (self.dir.rootfs(), self.dir.work());
                self.root = Some(rootfs::overlay(sys, &self.image.layers, &upper, &work)?);
            }
            Action::ShowHostFolders => {
                let root = root(&self.root)?;
                for (host, inside) in &self.image.shown {
                    rootfs::show(sys, root, host, inside)?;
                }
            }
            Action::MountVolume(volume, pinned) => {
                rootfs::volume(sys, root(&self.root)?, volume, pinned)?;
            }
            Action::MountProc if !spec.isolation.rootfs => {
                let root = sys.open_place("/".as_ref())?;
                rootfs::proc(sys, &root)?;
            }
            Action::MountProc => rootfs::proc(sys, root(&self.root)?)?,
            Action::MountSys => rootfs::sysfs(sys, root(&self.root)?)?,
            Action::MountDev => rootfs::dev(sys, root(&self.root)?)?,
            Action::MaskPaths => rootfs::mask(sys, root(&self.root)?)?,
            Action::ProtectPaths => rootfs::make_read_only(sys, root(&self.root)?)?,
            Action::PivotRoot => {
                rootfs::pivot(sys, root(&self.root)?)?;
                self.root = None;
            }
            Action::SetHostname(hostname) => sys.sethostname(hostname.as_str())?,
            Action::LoopbackUp => sys.loopback_up()?,
            Action::ForkCommand => {
                return Ok(Flow::Forked(self.fork_command()?));
            }
            Action::JoinCgroup => {
                // With an init in between, the command was born in the version 2 cgroup.
                let v2 = self.doors.v2.iter().filter(|_| !spec.init).map(|(_, procs)| procs);
                for door in self.doors.v1.iter().chain(v2) {
                    // "0" means the writer itself.
                    sys.write(door, "0")?;
                }
            }
            Action::CgroupNamespace => sys.unshare(CloneFlags::CLONE_NEWCGROUP)?,
            Action::MountCgroup => rootfs::cgroup(sys, &self.host.cgroups)?,
            Action::ResetOomScore => privileges::reset_oom_score(sys)?,
            Action::SetRlimits => {
                privileges::set_rlimits(sys, &spec.rlimits, self.host.open_files)?;
            }
            Action::ChangeDirectory => {
                let path = spec.directory();
                if spec.isolation.rootfs {
                    let root = sys.open_place("/".as_ref())?;
                    let Identity { uid, gid, .. } = self.identity;
                    let owner = (uid != 0).then_some((uid, gid));
                    rootfs::ensure_directory_of(sys, &root, path.as_str(), owner)?;
                }
                sys.chdir(path.as_str())?;
                sys.verify_cwd_inside()?;
            }
            Action::AllocateTerminal => {
                self.terminal = sys.allocate_terminal(self.identity.uid)?;
            }
            Action::NoNewPrivileges => sys.set_no_new_privs()?,
            Action::DropCapabilities => privileges::drop_capabilities(sys)?,
            Action::FindUser => self.identity = identity::look_up(sys, spec.runs_as())?,
            Action::AllowSockets => {
                let root = match spec.isolation.rootfs {
                    true => root(&self.root)?,
                    false => &sys.open_place("/".as_ref())?,
                };
                privileges::allow_sockets(sys, root)?;
            }
            Action::BecomeUser => {
                self.give_streams()?;
                let sys = &mut self.sys;
                let Identity { uid, gid, groups, .. } = &self.identity;
                sys.become_user(*uid, *gid, groups)?;
            }
            Action::InstallSeccomp => self.install_seccomp()?,
            Action::Exec => return self.prepare_exec().map(Flow::Exec),
        }
        Ok(Flow::Next)
    }

    /// Binds the published ports; those of an earlier run are still bound.
    fn bind_ports(&mut self) -> Result<(), StepError> {
        if !self.listeners.is_empty() {
            return Ok(());
        }
        for port in &self.file.spec.ports {
            let bound = listeners::listen_at(&mut self.sys, port).map_err(|error| StepError {
                message: self
                    .dir
                    .path()
                    .parent()
                    .and_then(|siblings| listeners::refusal(port, error.errno, siblings)),
                ..StepError::from(error)
            });
            self.listeners.extend(bound?);
        }
        Ok(())
    }

    /// Opens the ways into the container's cgroup.
    pub fn open_doors(&mut self) -> SysResult<()> {
        self.doors = self.cgroup.open_doors(&mut self.sys)?;
        Ok(())
    }

    /// Forks, in version 2 right into the cgroup. Returns what fork does.
    pub fn fork_command(&mut self) -> SysResult<i32> {
        let place = self.doors.v2.as_ref().map(|(place, _)| place);
        self.sys.fork_into(place)
    }

    /// A limit that does not hold fails the start, unless the specification allows it
    /// to go unenforced; then the status will say so.
    fn allow_best_effort(
        &mut self,
        limit: &'static str,
        result: Result<(), LimitError>,
    ) -> Result<(), StepError> {
        match result {
            Ok(()) => Ok(()),
            Err(LimitError::NotEnforced(why)) if self.file.spec.best_effort_limits => {
                self.not_enforced.push(format!("{limit}: {why}"));
                Ok(())
            }
            Err(LimitError::NotEnforced(why)) => {
                let call = limit.to_string();
                Err(StepError { call, errno: None, message: Some(why), hint: None })
            }
            Err(LimitError::Sys(error)) => Err(error.into()),
        }
    }

    /// Compiles the filter for the capabilities the command keeps, and installs it.
    fn install_seccomp(&mut self) -> Result<(), StepError> {
        let capabilities = match self.file.spec.isolation.capabilities {
            true => privileges::kept_capabilities(),
            false => caps::all(),
        };
        let filter = Filter::docker_default(&capabilities).map_err(|error| StepError {
            call: "seccomp(SECCOMP_SET_MODE_FILTER)".into(),
            errno: Some(libc::EINVAL),
            message: Some(error.to_string()),
            hint: None,
        })?;
        for program in filter.programs() {
            self.sys.install_filter(program)?;
        }
        Ok(())
    }

    /// Everything before the exec: the standard streams, the descriptors, the path.
    fn prepare_exec(&mut self) -> Result<Executable, StepError> {
        let spec = &self.file.spec;
        let terminal = self.terminal.iter().flat_map(|pty| [&pty.master, &pty.slave]);
        let mut keep: Vec<i32> =
            self.streams.each().chain(terminal).map(AsRawFd::as_raw_fd).collect();
        keep.extend(&self.reporting);
        self.sys.close_all_except(&keep)?;
        self.place_streams()?;
        self.sys.close_on_exec_all()?;

        let env = environment(spec, self.image, &self.identity.home);
        let words = spec.command.words();
        let path = self.find_program(&words[0], &env)?;
        // Neither holds a NUL byte: the specification was parsed.
        let c_string = |text: &str| CString::new(text).unwrap_or_default();
        let args: Vec<CString> = words.iter().map(|word| c_string(word)).collect();
        let env = env.iter().map(|(name, value)| c_string(&format!("{name}={value}"))).collect();
        let executable = Executable { path, args, env };
        self.sys.note_execve(&executable.path, &executable.args, executable.env.len());
        Ok(executable)
    }

    /// Gives the command's pipes to its user: it could not open /dev/stdout otherwise, which
    /// leads to a pipe that root has made for itself.
    fn give_streams(&mut self) -> SysResult<()> {
        let uid = self.identity.uid;
        let Streams { stdin, stdout, stderr } = &self.streams;
        let preview = self.sys.is_preview() && !self.file.spec.tty;
        for (stream, name, expected) in [
            (stdin, "stdin", self.file.spec.stdin_open),
            (stdout, "stdout", true),
            (stderr, "stderr", true),
        ] {
            if uid != 0 && (stream.is_some() || preview && expected) {
                self.sys.give_pipe(stream.as_ref().map(AsFd::as_fd), name, uid)?;
            }
        }
        Ok(())
    }

    /// Makes a terminal, or the pipes, the command's standard streams.
    fn place_streams(&mut self) -> Result<(), StepError> {
        let sys = &mut self.sys;
        if let Some(terminal) = &self.terminal {
            sys.take_control(terminal.slave.as_fd())?;
            for target in 0..=2 {
                sys.dup_to(terminal.slave.as_fd(), "terminal", target)?;
            }
            return Ok(());
        }
        match &self.streams.stdin {
            Some(stdin) => sys.dup_to(stdin.as_fd(), "pipe: stdin", 0)?,
            None => {
                let null = sys.open_null()?;
                sys.dup_handle_to(&null, 0)?;
            }
        }
        for (stream, name, target) in
            [(&self.streams.stdout, "pipe: stdout", 1), (&self.streams.stderr, "pipe: stderr", 2)]
        {
            if let Some(stream) = stream {
                sys.dup_to(stream.as_fd(), name, target)?;
            }
        }
        Ok(())
    }

    /// Looks the program up on the container's PATH, as a shell would.
    fn find_program(
        &mut self,
        program: &str,
        env: &[(String, String)],
    ) -> Result<String, StepError> {
        if program.contains('/') || self.sys.is_preview() {
            return Ok(program.to_string());
        }
        let path = env.iter().find(|(name, _)| name == "PATH").map_or("", |(_, value)| value);
        let mut found = Err(libc::ENOENT);
        for folder in path.split(':').filter(|folder| !folder.is_empty()) {
            let candidate = format!("{folder}/{program}");
            match self.sys.is_executable(&candidate) {
                Ok(()) => return Ok(candidate),
                Err(error) if error.errno == libc::EACCES => found = Err(error.errno),
                Err(_) => {}
            }
        }
        found.map_err(|errno| StepError {
            call: format!("execve({})", shortened(program.as_bytes(), 256)),
            errno: Some(errno),
            message: Some(format!(
                "no program {} in the container's PATH {path}",
                shortened(program.as_bytes(), 256)
            )),
            hint: None,
        })
    }
}

/// What belongs to this container, then the image's variables, then the specification's: later
/// ones win. So an image that says what HOME is, is believed.
pub(crate) fn environment(
    spec: &ContainerSpec,
    image: &Image,
    home: &str,
) -> Vec<(String, String)> {
    let hostname = match &spec.hostname {
        Some(hostname) => hostname.to_string(),
        None => spec.name.to_string(),
    };
    let mut own = vec![("HOME".to_string(), home.to_string()), ("HOSTNAME".into(), hostname)];
    if spec.tty {
        own.push(("TERM".into(), "xterm".into()));
    }
    let asked = spec.env.iter().map(|var| (var.name().to_string(), var.value().to_string()));
    let mut all: Vec<(String, String)> = Vec::new();
    for (name, value) in own.into_iter().chain(image.env.iter().cloned()).chain(asked) {
        all.retain(|(other, _)| *other != name);
        all.push((name, value));
    }
    all
}

/// The new root. Steps that need it come after the one that makes it.
fn root(root: &Option<Handle>) -> Result<&Handle, StepError> {
    root.as_ref().ok_or_else(|| StepError {
        call: "the overlay step".into(),
        errno: Some(libc::EINVAL),
        message: Some("there is no new root yet".into()),
        hint: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::ContainerSpec;

    /// What becomes of a limit that this machine cannot enforce.
    fn unenforced(best_effort: bool) -> (Result<(), StepError>, Vec<String>) {
        let root = tempfile::tempdir().unwrap();
        let store = crate::store::Store::open(root.path()).unwrap();
        let host = Host::detect(store.root(), None).unwrap();
        let dir = ContainerDir::at(root.path().join("a"));
        let file = SpecFile {
            id: crate::spec::ContainerId::random().unwrap(),
            created_at: jiff::Timestamp::now(),
            spec: ContainerSpec::new("a", "true").best_effort_limits(best_effort),
            pinned: Vec::new(),
            fault: None,
        };
        let image = host.image(&file.spec.image).unwrap();
        let mut context = Context::preview(&file, &dir, &host, &image);
        let no_controller = LimitError::NotEnforced("no such controller".into());
        let result = context.allow_best_effort("pids_limit", Err(no_controller));
        (result, context.not_enforced)
    }

    #[test]
    fn a_limit_that_cannot_be_enforced_fails_the_start() {
        let (result, not_enforced) = unenforced(false);
        assert_eq!(result.unwrap_err().message.unwrap(), "no such controller");
        assert!(not_enforced.is_empty());
    }

    #[test]
    fn on_best_effort_it_is_told_instead() {
        let (result, not_enforced) = unenforced(true);
        assert!(result.is_ok());
        assert_eq!(not_enforced, ["pids_limit: no such controller"]);
    }
}
