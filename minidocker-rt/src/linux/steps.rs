//! The plan of a Linux container: which steps, in which order, and what each means.
//!
//! [`plan`] is a pure function of what was asked for and what the machine is. Each
//! [`Step`] can explain itself and do itself; its words, which the dashboard, the
//! documentation and the error messages show, are those of [`lesson`].

mod network;

use nix::sched::CloneFlags;

use super::context::{Context, Flow, StepError};
use super::host::Host;
use super::image::Image;
use super::rootfs;
use crate::plan::{self, Actor, Lesson, lesson};
use crate::spec::{ContainerSpec, Hostname, NetworkMode, PidsLimit, PortMapping, Protocol, Volume};
use crate::store::{ContainerDir, SpecFile};

/// One step of the construction.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub id: String,
    pub actor: Actor,
    pub title: String,
    pub why: &'static str,
    pub shell: String,
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
    MountVolume(Volume),
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
    Step { id: id.into(), actor, title, why, shell, manual, action }
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
            forward_command(spec),
            Action::BindPorts,
        ));
    }
    limits(&mut steps, file, host);
    network::before_clone(&mut steps, spec, dir, host);

    // A user namespace, when it comes, is one more flag here, and its id maps are
    // written by the supervisor right after the clone.
    let flags = namespaces(spec);
    steps.push(step(
        "clone",
        Actor::Supervisor,
        spec,
        format!("unshare --fork {}sh", unshare_options(flags)),
        Action::CloneNamespaces(flags),
    ));
    network::after_clone(&mut steps, spec);
    filesystem(&mut steps, spec, dir, image);
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
            format!("sh -c '{} & wait'", spec.command),
            Action::ForkCommand,
        );
        if all_v2 {
            fork.title = "Fork the command from init, into the cgroup".into();
        }
        steps.push(fork);
    }
    command(&mut steps, file, host, spec.init && all_v2);
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

fn limits(steps: &mut Vec<Step>, file: &SpecFile, host: &Host) {
    let spec = &file.spec;
    let cgroup = format!("minidocker-{}", file.id.short());
    let place = |controller: &str| match host.cgroups.version() {
        "v2" => format!("/sys/fs/cgroup/{cgroup}"),
        _ => format!("/sys/fs/cgroup/{controller}/{cgroup}"),
    };
    let v2 = host.cgroups.version() == "v2";
    steps.push(step(
        "cgroup",
        Actor::Supervisor,
        spec,
        format!("mkdir {}", place("memory")),
        Action::CreateCgroup,
    ));
    if let Some(memory) = spec.memory {
        let file = if v2 { "memory.max" } else { "memory.limit_in_bytes" };
        steps.push(step(
            "memory-limit",
            Actor::Supervisor,
            spec,
            format!("echo {} > {}/{file}", memory.as_bytes(), place("memory")),
            Action::LimitMemory,
        ));
    }
    if let Some(cpu) = spec.cpu {
        let shell = if v2 {
            format!("echo '{} 100000' > {}/cpu.max", cpu.quota_micros(), place("cpu"))
        } else {
            format!("echo {} > {}/cpu.cfs_quota_us", cpu.quota_micros(), place("cpu"))
        };
        steps.push(step("cpu-limit", Actor::Supervisor, spec, shell, Action::LimitCpu));
    }
    if let PidsLimit::AtMost(count) = spec.pids {
        steps.push(step(
            "pids-limit",
            Actor::Supervisor,
            spec,
            format!("echo {count} > {}/pids.max", place("pids")),
            Action::LimitPids,
        ));
    }
}

fn filesystem(steps: &mut Vec<Step>, spec: &ContainerSpec, dir: &ContainerDir, image: &Image) {
    let on = spec.isolation;
    let root = dir.rootfs();
    let root = root.display();
    let mut init = |id: &str, shell: String, action| {
        steps.push(step(id, Actor::Init, spec, shell, action));
    };
    // Also for a fresh /proc alone: it must not be mounted for the host.
    if !on.rootfs && !on.pid {
        return;
    }
    init("private-mounts", "mount --make-rprivate /".into(), Action::MakePrivate);
    if !on.rootfs {
        init("proc", "mount -t proc proc /proc".into(), Action::MountProc);
        return;
    }
    init(
        "overlay",
        format!(
            "mount -t overlay overlay -o lowerdir={},upperdir={root},workdir={} {root}",
            rootfs::joined(&image.layers),
            dir.work().display()
        ),
        Action::MountOverlay,
    );
    if !image.shown.is_empty() {
        init(
            "host-programs",
            image
                .shown
                .iter()
                .map(|(from, to)| format!("mount --rbind -o ro {} {root}{to}", from.display()))
                .collect::<Vec<_>>()
                .join(" && "),
            Action::ShowHostFolders,
        );
    }
    init(
        "etc-files",
        format!("mount --bind {}/etc/hosts {root}/etc/hosts # …", dir.path().display()),
        Action::ShowNames,
    );
    init("proc", format!("mount -t proc proc {root}/proc"), Action::MountProc);
    init("sysfs", format!("mount -t sysfs -o ro sysfs {root}/sys"), Action::MountSys);
    init(
        "dev",
        format!("mount -t tmpfs tmpfs {root}/dev && mount --bind /dev/null {root}/dev/null # …"),
        Action::MountDev,
    );
    for (index, volume) in spec.volumes.iter().enumerate() {
        init(
            &format!("volume-{}", index + 1),
            format!(
                "mount --rbind{} {} {root}{}",
                if volume.read_only() { " -o ro" } else { "" },
                volume.host().display(),
                volume.container()
            ),
            Action::MountVolume(volume.clone()),
        );
    }
    if on.masked_paths {
        init(
            "masked-paths",
            format!("mount --bind /dev/null {root}/proc/kcore # …"),
            Action::MaskPaths,
        );
        init(
            "read-only-paths",
            format!("mount --bind -o ro {root}/proc/sys {root}/proc/sys # …"),
            Action::ProtectPaths,
        );
    }
    init("pivot-root", format!("cd {root} && pivot_root . . && umount -l ."), Action::PivotRoot);
}

/// The steps of the command. `joined` says that it was born in its cgroup.
fn command(steps: &mut Vec<Step>, file: &SpecFile, host: &Host, joined: bool) {
    let spec = &file.spec;
    let on = spec.isolation;
    let mut step = |id: &str, shell: String, action| {
        steps.push(step(id, Actor::Command, spec, shell, action));
    };
    if !joined {
        let top = host.cgroups.hierarchies.first().map(|hierarchy| hierarchy.mount.display());
        step(
            "join-cgroup",
            format!(
                "echo 0 > {}/minidocker-{}/tasks",
                top.map_or("/sys/fs/cgroup".to_string(), |top| top.to_string()),
                file.id.short()
            ),
            Action::JoinCgroup,
        );
    }
    if on.cgroup {
        step("cgroup-namespace", "unshare --cgroup sh".into(), Action::CgroupNamespace);
        if on.rootfs && !host.cgroups.hierarchies.is_empty() {
            step(
                "cgroup-mount",
                "mount -t cgroup2 -o ro cgroup2 /sys/fs/cgroup".into(),
                Action::MountCgroup,
            );
        }
    }
    step("oom-score", "echo 0 > /proc/self/oom_score_adj".into(), Action::ResetOomScore);
    step("rlimits", "ulimit -c 0 -n 1024".into(), Action::SetRlimits);
    step("working-dir", format!("cd {}", spec.working_dir), Action::ChangeDirectory);
    if spec.tty {
        step(
            "terminal",
            format!("script -qc '{}' /dev/null", spec.command),
            Action::AllocateTerminal,
        );
    }
    if on.no_new_privs {
        step(
            "no-new-privs",
            format!("setpriv --no-new-privs {}", spec.command),
            Action::NoNewPrivileges,
        );
    }
    let seccomp = "docker run --security-opt seccomp=default.json";
    // Without no_new_privs the kernel demands CAP_SYS_ADMIN for a filter, so then it
    // must be installed while we still have that.
    if on.seccomp && !on.no_new_privs {
        step("seccomp", seccomp.into(), Action::InstallSeccomp);
    }
    if on.capabilities {
        step(
            "capabilities",
            "capsh --drop=cap_sys_admin,cap_sys_module,… -- -c sh".into(),
            Action::DropCapabilities,
        );
    }
    step(
        "user",
        format!("setpriv --clear-groups --regid {} --reuid {} sh", spec.user.gid, spec.user.uid),
        Action::BecomeUser,
    );
    if on.seccomp && on.no_new_privs {
        step("seccomp", seccomp.into(), Action::InstallSeccomp);
    }
    step("exec", format!("exec {}", spec.command), Action::Exec);
}

/// What one would type to have ports forwarded by a well-known program.
fn forward_command(spec: &ContainerSpec) -> String {
    let of_port = |port: &PortMapping| {
        let protocol = match port.protocol() {
            Protocol::Tcp => "TCP",
            Protocol::Udp => "UDP",
        };
        let (listen, host) = (port.host_port(), port.host_ip());
        format!(
            "socat {protocol}-LISTEN:{listen},bind={host},fork {protocol}:$CONTAINER_IP:{} &",
            port.container_port()
        )
    };
    spec.ports.iter().map(of_port).collect::<Vec<_>>().join(" ")
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

fn unshare_options(flags: CloneFlags) -> String {
    [
        (CloneFlags::CLONE_NEWPID, "--pid "),
        (CloneFlags::CLONE_NEWNS, "--mount "),
        (CloneFlags::CLONE_NEWUTS, "--uts "),
        (CloneFlags::CLONE_NEWIPC, "--ipc "),
        (CloneFlags::CLONE_NEWNET, "--net "),
    ]
    .into_iter()
    .filter_map(|(flag, option)| flags.contains(flag).then_some(option))
    .collect()
}

impl Step {
    /// Carries the step out.
    pub fn execute(&self, context: &mut Context<'_>) -> Result<Flow, StepError> {
        context.perform(&self.action)
    }

    /// What helps when this step fails with `errno`.
    pub fn hint(&self, errno: i32, image: &Image) -> String {
        use nix::libc::{
            E2BIG, EACCES, EADDRINUSE, EADDRNOTAVAIL, EBUSY, EINVAL, ENODEV, ENOENT, ENOEXEC,
            ENOSPC, EOPNOTSUPP, EPERM, EROFS,
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
            (Action::MountVolume(volume), ENOENT) => format!(
                "Create {} on this machine; it was there when the container was created.",
                volume.host().display()
            ),
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
                "The top cgroup has processes of its own, as inside another container; run on the \
                 host itself."
                    .into()
            }
            (Action::CreateCgroup, EROFS) => {
                "The cgroup filesystem is mounted read-only, as inside another container.".into()
            }
            (Action::TakePlace | Action::PlugIn, EOPNOTSUPP) => {
                "Load the kernel modules: modprobe -a bridge veth (as root).".into()
            }
            (Action::ChangeDirectory, _) => "Choose another working_dir.".into(),
            (Action::CloneNamespaces(_), ENOSPC) => {
                "The limit on namespaces is reached: see /proc/sys/user/max_*_namespaces.".into()
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
            manual: self.manual.to_string(),
            simulated: None,
        }
    }
}

/// The plan without the deed: every step is run through a [`super::sys::Sys`] that
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
