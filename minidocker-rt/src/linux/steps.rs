//! The plan of a Linux container: which steps, in which order, and what each means.
//!
//! [`plan`] is a pure function of what was asked for and what the machine is. Each
//! [`Step`] can explain itself and do itself; its words, which the dashboard, the
//! documentation and the error messages show, are those of [`lesson`].

mod by_hand;
mod network;

use nix::sched::CloneFlags;

use super::cgroup::{Cgroup, Controller};
use super::context::{Context, Flow, StepError};
use super::host::Host;
use super::image::Image;
use super::rootfs;
use crate::plan::{self, Actor, Lesson, become_command, lesson};
use crate::spec::{ContainerSpec, Hostname, NetworkMode, PidsLimit, Pinned, Volume};
use crate::store::{ContainerDir, SpecFile};

/// One step of the construction.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub id: String,
    pub actor: Actor,
    pub title: String,
    pub why: &'static str,
    pub shell: String,
    /// What to mind before the shell command is typed.
    pub caution: Option<String>,
    pub manual: &'static str,
    pub action: Action,
}

/// What a step does: a closed list, carried out by [`Context::perform`].
#[derive(Debug, Clone)]
pub(crate) enum Action {
    BindPorts,
    CreateCgroup,
    LimitMemory,
    LimitCpu,
    LimitPids,
    TakePlace,
    OpenWayOut,
    TellNames,
    FindShared,
    CloneNamespaces(CloneFlags),
    PlugIn,
    JoinShared,
    ShowNames,
    MakePrivate,
    MountOverlay,
    ShowHostFolders,
    MountVolume(Volume, Pinned),
    MountProc,
    MountSys,
    MountDev,
    MaskPaths,
    ProtectPaths,
    PivotRoot,
    SetHostname(Hostname),
    LoopbackUp,
    AddAddress,
    AddRoute,
    ForkCommand,
    JoinCgroup,
    CgroupNamespace,
    MountCgroup,
    ResetOomScore,
    FindUser,
    AllowSockets,
    SetRlimits,
    ChangeDirectory,
    AllocateTerminal,
    NoNewPrivileges,
    DropCapabilities,
    BecomeUser,
    InstallSeccomp,
    Exec,
}

/// A step, with the words that [`lesson`] has for it.
fn step(id: &str, actor: Actor, spec: &ContainerSpec, shell: String, action: Action) -> Step {
    let Lesson { title, why, manual } = lesson(id, spec);
    Step { id: id.into(), actor, title, why, shell, caution: None, manual, action }
}

/// The steps that build the container of `file` on `host`.
pub(crate) fn plan(file: &SpecFile, dir: &ContainerDir, host: &Host, image: &Image) -> Vec<Step> {
    let spec = &file.spec;
    let on = spec.isolation;
    let mut steps = Vec::new();
    if !spec.ports.is_empty() {
        // Before anything is made: a port that is taken is the likeliest failure.
        steps.push(step(
            "publish-ports",
            Actor::Supervisor,
            spec,
            by_hand::publish(spec, network::subnet(spec, host)),
            Action::BindPorts,
        ));
    }
    let cgroup = Cgroup::of(&host.cgroups, file.id.as_str());
    limits(&mut steps, file, host, &cgroup);
    network::before_clone(&mut steps, spec, dir, host);

    // A user namespace, when it comes, is one more flag here, and its id maps are
    // written by the supervisor right after the clone.
    let flags = namespaces(spec);
    steps.push(step(
        "clone",
        Actor::Supervisor,
        spec,
        by_hand::clone(flags),
        Action::CloneNamespaces(flags),
    ));
    network::after_clone(&mut steps, spec);
    filesystem(&mut steps, file, dir, image);
    if on.uts {
        let hostname = spec.hostname.clone().unwrap_or_else(|| Hostname::from(&spec.name));
        steps.push(step(
            "hostname",
            Actor::Init,
            spec,
            format!("hostname {hostname}"),
            Action::SetHostname(hostname),
        ));
    }
    network::inside(&mut steps, spec, host);
    let all_v2 = host.cgroups.version() == "v2";
    if spec.init {
        let mut fork = step(
            "fork",
            Actor::Init,
            spec,
            by_hand::fork(&host.cgroups, all_v2),
            Action::ForkCommand,
        );
        if all_v2 {
            fork.title = "Fork the command from init, into the cgroup".into();
        }
        steps.push(fork);
    }
    command(&mut steps, file, host, image, spec.init && all_v2);
    for step in &mut steps {
        step.caution = by_hand::caution(&step.id, step.actor, flags, &cgroup);
    }
    steps
}

/// The steps of another command in the container that runs: those of its first, but for what
/// is there already.
pub(crate) fn exec_plan(
    file: &SpecFile,
    dir: &ContainerDir,
    host: &Host,
    image: &Image,
) -> Vec<Step> {
    let mut steps = plan(file, dir, host, image);
    steps.retain(|step| {
        let made = matches!(step.action, Action::CgroupNamespace | Action::MountCgroup);
        step.actor == Actor::Command && !made
    });
    steps
}

fn limits(steps: &mut Vec<Step>, file: &SpecFile, host: &Host, cgroup: &Cgroup) {
    let spec = &file.spec;
    let mut step = |id: &str, shell: String, action| {
        steps.push(step(id, Actor::Supervisor, spec, shell, action));
    };
    step("cgroup", by_hand::cgroup(&host.cgroups, cgroup), Action::CreateCgroup);
    if let Some(memory) = spec.memory {
        let bytes = memory.as_bytes().to_string();
        let (v1, v2) = ("memory.limit_in_bytes", "memory.max");
        let shell =
            by_hand::limit(cgroup, Controller::Memory, v1, v2, [bytes.clone(), bytes.clone()]);
        step("memory-limit", shell, Action::LimitMemory);
    }
    if let Some(cpu) = spec.cpu {
        let micros = cpu.quota_micros();
        let values = [micros.to_string(), format!("{micros} 100000")];
        let shell = by_hand::limit(cgroup, Controller::Cpu, "cpu.cfs_quota_us", "cpu.max", values);
        step("cpu-limit", shell, Action::LimitCpu);
    }
    if let PidsLimit::AtMost(count) = spec.pids {
        let values = [count.to_string(), count.to_string()];
        let shell = by_hand::limit(cgroup, Controller::Pids, "pids.max", "pids.max", values);
        step("pids-limit", shell, Action::LimitPids);
    }
}

fn filesystem(steps: &mut Vec<Step>, file: &SpecFile, dir: &ContainerDir, image: &Image) {
    let spec = &file.spec;
    let on = spec.isolation;
    let mut init = |id: &str, shell: String, action| {
        steps.push(step(id, Actor::Init, spec, shell, action));
    };
    // Also for a fresh /proc alone: it must not be mounted for the host.
    let own_network = spec.has_own_network();
    let sockets = by_hand::allow_sockets(spec, dir);
    if !on.rootfs && !on.pid {
        if own_network {
            init("user-sockets", sockets, Action::AllowSockets);
        }
        return;
    }
    init("private-mounts", "mount --make-rprivate /".into(), Action::MakePrivate);
    if !on.rootfs {
        init("proc", "mount -t proc proc /proc".into(), Action::MountProc);
        if own_network {
            init("user-sockets", sockets, Action::AllowSockets);
        }
        return;
    }
    init("overlay", by_hand::overlay(dir, image), Action::MountOverlay);
    if !image.shown.is_empty() {
        init("host-programs", by_hand::host_programs(dir, image), Action::ShowHostFolders);
    }
    // Over a volume that takes the whole /etc, they are shown after it.
    if !spec.has_etc_volume() {
        init("etc-files", by_hand::etc_files(spec, dir), Action::ShowNames);
    }
    init("proc", by_hand::proc(dir), Action::MountProc);
    if own_network {
        init("user-sockets", sockets, Action::AllowSockets);
    }
    init("sysfs", by_hand::sysfs(dir), Action::MountSys);
    init("dev", by_hand::dev(dir), Action::MountDev);
    for (index, volume) in spec.volumes_by_depth() {
        let pinned = file.pinned.get(index).cloned().unwrap_or_else(|| volume.unpinned());
        init(
            &format!("volume-{}", index + 1),
            by_hand::volume(dir, volume, &pinned),
            Action::MountVolume(volume.clone(), pinned),
        );
    }
    if spec.has_etc_volume() {
        init("etc-files", by_hand::etc_files(spec, dir), Action::ShowNames);
    }
    if on.masked_paths {
        init("masked-paths", by_hand::mask(dir), Action::MaskPaths);
        init("read-only-paths", by_hand::make_read_only(dir), Action::ProtectPaths);
    }
    init("pivot-root", by_hand::pivot(dir), Action::PivotRoot);
}

/// The steps of the command. `joined` says that it was born in its cgroup.
fn command(steps: &mut Vec<Step>, file: &SpecFile, host: &Host, image: &Image, joined: bool) {
    let spec = &file.spec;
    let on = spec.isolation;
    let mut step = |id: &str, shell: String, action| {
        steps.push(step(id, Actor::Command, spec, shell, action));
    };
    if !joined {
        step("join-cgroup", by_hand::join_cgroup(&host.cgroups), Action::JoinCgroup);
    }
    if on.cgroup {
        step("cgroup-namespace", "exec unshare --cgroup sh".into(), Action::CgroupNamespace);
        if on.rootfs && !host.cgroups.hierarchies.is_empty() {
            step("cgroup-mount", by_hand::mount_cgroup(&host.cgroups), Action::MountCgroup);
        }
    }
    step("oom-score", "echo 0 > /proc/self/oom_score_adj".into(), Action::ResetOomScore);
    if spec.looks_up_user() {
        step("find-user", by_hand::find_user(spec), Action::FindUser);
    }
    step("rlimits", by_hand::rlimits(file, host.open_files), Action::SetRlimits);
    step("working-dir", by_hand::working_dir(spec), Action::ChangeDirectory);
    if spec.tty {
        step("terminal", "exec script -qc sh /dev/null".into(), Action::AllocateTerminal);
    }
    if on.no_new_privs {
        step("no-new-privs", "exec setpriv --no-new-privs sh".into(), Action::NoNewPrivileges);
    }
    // Without no_new_privs the kernel demands CAP_SYS_ADMIN for a filter, so then it
    // must be installed while we still have that.
    if on.seccomp && !on.no_new_privs {
        step("seccomp", by_hand::seccomp(), Action::InstallSeccomp);
    }
    if on.capabilities {
        step("capabilities", by_hand::capabilities(), Action::DropCapabilities);
    }
    step("user", format!("exec {}", become_command(spec)), Action::BecomeUser);
    if on.seccomp && on.no_new_privs {
        step("seccomp", by_hand::seccomp(), Action::InstallSeccomp);
    }
    step("exec", by_hand::exec(spec, image), Action::Exec);
}

/// The namespaces that init is created in. The cgroup namespace comes later: it must
/// be made by a process that is in the cgroup.
fn namespaces(spec: &ContainerSpec) -> CloneFlags {
    let on = spec.isolation;
    let mut flags = CloneFlags::empty();
    // A /proc of its own needs mounts of its own, even on the host's root.
    flags.set(CloneFlags::CLONE_NEWNS, on.rootfs || on.pid);
    flags.set(CloneFlags::CLONE_NEWPID, on.pid);
    flags.set(CloneFlags::CLONE_NEWUTS, on.uts);
    flags.set(CloneFlags::CLONE_NEWIPC, on.ipc);
    let shared = matches!(spec.network_mode(), NetworkMode::Container(_));
    flags.set(CloneFlags::CLONE_NEWNET, on.network && !shared);
    flags
}

/// All namespaces of a running container: those of init, and the one made later.
pub(crate) fn all_namespaces(spec: &ContainerSpec) -> CloneFlags {
    let mut flags = namespaces(spec);
    // Also one that is shared with another container.
    flags.set(CloneFlags::CLONE_NEWNET, spec.isolation.network);
    flags.set(CloneFlags::CLONE_NEWCGROUP, spec.isolation.cgroup);
    flags
}

impl Step {
    /// Carries the step out.
    pub fn execute(&self, context: &mut Context<'_>) -> Result<Flow, StepError> {
        context.perform(&self.action)
    }

    /// What helps when this step fails with `errno`.
    pub fn hint(&self, errno: i32, image: &Image) -> String {
        use nix::libc::{
            E2BIG, EACCES, EADDRINUSE, EADDRNOTAVAIL, EBUSY, EINVAL, ELOOP, EMFILE, ENODEV, ENOENT,
            ENOEXEC, ENOSPC, EOPNOTSUPP, EPERM, EROFS,
        };
        match (&self.action, errno) {
            (Action::Exec, ENOENT) if image.shown.is_empty() => {
                "Check the spelling. The container sees the programs of its image alone; a script \
                 needs its interpreter (the #! line) there too."
                    .into()
            }
            (Action::Exec, ENOENT) => format!(
                "Check the spelling. The container sees the programs of {}, not those of your \
                 home folder; a script needs its interpreter (the #! line) there too.",
                rootfs::describe(&image.shown)
            ),
            (Action::Exec, E2BIG) => {
                "The arguments and variables take more than the kernel gives them: a quarter of \
                 the stack's limit (rlimits: stack), which is 2 MiB usually and never more than \
                 6. Give large data in a file, in a volume or through the standard input."
                    .into()
            }
            (Action::Exec, ENOEXEC) => {
                "Is it a program for this machine's processor? A script needs an interpreter in \
                 its first line, such as #!/bin/sh."
                    .into()
            }
            (Action::Exec, EACCES) => {
                "Make the file executable (chmod +x), or run it by its interpreter.".into()
            }
            (Action::BindPorts, EADDRINUSE) => {
                "Publish another port of the host, or stop who has it; 0 takes a free port.".into()
            }
            (Action::BindPorts, EADDRNOTAVAIL) => {
                "Use an address that `ip address` lists, 127.0.0.1 for this machine alone, or \
                 0.0.0.0 for all its addresses."
                    .into()
            }
            (Action::MountVolume(..), EROFS) => {
                "There is nothing of this name to mount on, and it cannot be made: the host's \
                 programs and read-only volumes take no new files. Choose another path in the \
                 container."
                    .into()
            }
            (Action::MountVolume(..), ELOOP) => {
                "The path in the container goes round in a circle of symlinks; choose another."
                    .into()
            }
            (Action::MountVolume(..), ENOENT) => {
                "The path in the container leads through a symlink to what is not there; choose \
                 another, or make that folder in the image."
                    .into()
            }
            (Action::ShowNames, EROFS) => {
                "The read-only volume at /etc has no hosts, hostname and resolv.conf for the \
                 container's own to be mounted on: make them (empty), or mount it elsewhere."
                    .into()
            }
            (Action::MountOverlay, EINVAL) => {
                "Choose a root folder on an ordinary filesystem (ext4, xfs, btrfs, tmpfs): an \
                 overlay cannot be stacked on another overlay, as inside Docker."
                    .into()
            }
            (Action::MountOverlay, ENODEV) => {
                "Load the kernel module: modprobe overlay (as root).".into()
            }
            (Action::ShowHostFolders, ENOENT) => {
                "A folder the image was made from has moved; delete images/host under the root \
                 folder, and it is made anew."
                    .into()
            }
            (Action::CreateCgroup, EBUSY) => {
                "The cgroup at the top has processes of its own, as inside another container, and the \
                 kernel hands no limits down from such. Run on the host itself, or move them into a \
                 cgroup below first, as Docker in Docker does: mkdir /sys/fs/cgroup/init; xargs -rn1 \
                 < /sys/fs/cgroup/cgroup.procs > /sys/fs/cgroup/init/cgroup.procs."
                    .into()
            }
            (Action::CreateCgroup, EROFS) => {
                "The cgroup filesystem is mounted read-only, as inside another container.".into()
            }
            (Action::TakePlace | Action::PlugIn, EOPNOTSUPP) => {
                "Load the kernel modules: modprobe -a bridge veth (as root).".into()
            }
            (Action::ChangeDirectory, errno) if errno != EMFILE => {
                "Choose another working_dir.".into()
            }
            (Action::CloneNamespaces(_), ENOSPC) => {
                "The limit on namespaces is reached: see /proc/sys/user/max_*_namespaces.".into()
            }
            (Action::SetRlimits, EPERM) => {
                "No process may have more open files than /proc/sys/fs/nr_open says, and without \
                 CAP_SYS_RESOURCE none more of anything than this program's own hard limit \
                 (`ulimit -aH`): give less."
                    .into()
            }
            (_, EMFILE) if self.actor == Actor::Command => {
                "The limit on open files (rlimits: nofile) is too small for the start itself, \
                 which opens a few: give 16 or more."
                    .into()
            }
            (_, EPERM | EACCES) if nix::unistd::geteuid().is_root() => {
                "This root has not all of root's rights, as inside another container: run on the \
                 machine itself, or give that container more (docker run --privileged)."
                    .into()
            }
            (_, EPERM | EACCES) => "Run as root: sudo.".into(),
            (_, errno) => crate::error::errno_hint(errno).into(),
        }
    }

    /// The step as it is shown to people, with the calls that a preview found.
    pub fn explained(&self, syscalls: Vec<String>) -> plan::Step {
        plan::Step {
            id: self.id.clone(),
            actor: self.actor,
            title: self.title.clone(),
            why: self.why.to_string(),
            syscalls,
            shell: self.shell.clone(),
            caution: self.caution.clone(),
            manual: self.manual.to_string(),
            simulated: None,
        }
    }
}

/// The plan as a dry run: every step is run through a [`super::sys::Sys`] that
/// performs nothing.
///
/// # Errors
/// Those of [`Host::image`].
pub(crate) fn preview(
    file: &SpecFile,
    dir: &ContainerDir,
    host: &Host,
) -> crate::Result<plan::Plan> {
    let image = host.image(&file.spec.image)?;
    let mut context = Context::preview(file, dir, host, &image);
    let steps = plan(file, dir, host, &image)
        .iter()
        .map(|step| {
            context.sys.begin(&step.id);
            // In a preview no call fails.
            let _ = step.execute(&mut context);
            let calls = context.sys.take_calls();
            step.explained(calls.into_iter().map(|call| call.call).collect())
        })
        .collect();
    Ok(plan::Plan { steps })
}
