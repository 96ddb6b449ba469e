//! The plan of a Linux container: which steps, in which order, and what each means.
//!
//! [`plan`] is a pure function of what was asked for and what the machine is. Each
//! [`Step`] can explain itself and do itself; the texts are those the dashboard, the
//! documentation and the error messages show.

use nix::sched::CloneFlags;

use super::context::{Context, Flow, StepError};
use super::host::Host;
use super::image::Image;
use super::rootfs;
use crate::plan::{self, Actor};
use crate::spec::{ContainerSpec, Hostname, PidsLimit, Volume};
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
    CreateCgroup,
    LimitMemory,
    LimitCpu,
    LimitPids,
    CloneNamespaces(CloneFlags),
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

/// The steps that build the container of `file` on `host`.
pub(crate) fn plan(file: &SpecFile, dir: &ContainerDir, host: &Host, image: &Image) -> Vec<Step> {
    let spec = &file.spec;
    let on = spec.isolation;
    let mut steps = Vec::new();
    limits(&mut steps, file, host);

    // A user namespace, when it comes, is one more flag here, and its id maps are
    // written by the supervisor right after the clone.
    let flags = namespaces(spec);
    steps.push(Step {
        id: "clone".into(),
        actor: Actor::Supervisor,
        title: "Create init in new namespaces".into(),
        why: "A namespace gives a process its own copy of something global: process ids, mounts, \
              the hostname, the network. All are made at once with the process that will be PID 1 \
              of the container.",
        shell: format!("unshare --fork {}sh", unshare_options(flags)),
        manual: "man 7 namespaces",
        action: Action::CloneNamespaces(flags),
    });
    filesystem(&mut steps, spec, dir, image);
    if on.uts {
        let hostname = spec.hostname.clone().unwrap_or_else(|| Hostname::from(&spec.name));
        steps.push(Step {
            id: "hostname".into(),
            actor: Actor::Init,
            title: "Set the hostname".into(),
            why: "The UTS namespace has its own hostname, so the container can be called what it \
                  likes. The host keeps its name.",
            shell: format!("hostname {hostname}"),
            manual: "man 2 sethostname",
            action: Action::SetHostname(hostname),
        });
    }
    if on.network {
        steps.push(Step {
            id: "loopback".into(),
            actor: Actor::Init,
            title: "Bring up the loopback interface".into(),
            why: "A new network namespace has only a loopback interface, and even that is down. \
                  Up, it lets programs in the container talk to each other at 127.0.0.1.",
            shell: "ip link set lo up".into(),
            manual: "man 7 netdevice",
            action: Action::LoopbackUp,
        });
    }
    let all_v2 = host.cgroups.version() == "v2";
    if spec.init {
        let title = match all_v2 {
            true => "Fork the command from init, into the cgroup",
            false => "Fork the command from init",
        };
        steps.push(Step {
            id: "fork".into(),
            actor: Actor::Init,
            title: title.into(),
            why: "PID 1 has duties: it must reap orphans, and it ignores signals that it does not \
                  handle. Our small init does that work, outside the container's limits, so that \
                  the command can be an ordinary process.",
            shell: format!("sh -c '{} & wait'", spec.command),
            manual: "man 2 clone",
            action: Action::ForkCommand,
        });
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
    steps.push(Step {
        id: "cgroup".into(),
        actor: Actor::Supervisor,
        title: "Create the container's cgroup".into(),
        why: "A cgroup is a named group of processes that the kernel counts and limits together. \
              Limits set here hold for all processes of the container, however many it starts.",
        shell: format!("mkdir {}", place("memory")),
        manual: "man 7 cgroups",
        action: Action::CreateCgroup,
    });
    if let Some(memory) = spec.memory {
        let file = if v2 { "memory.max" } else { "memory.limit_in_bytes" };
        steps.push(Step {
            id: "memory-limit".into(),
            actor: Actor::Supervisor,
            title: format!("Limit memory to {memory}"),
            why: "When the container needs more than this, the kernel kills one of its processes \
                  and leaves the rest of the machine alone. Swap counts too, so the limit is the \
                  limit.",
            shell: format!("echo {} > {}/{file}", memory.as_bytes(), place("memory")),
            manual: "https://docs.kernel.org/admin-guide/cgroup-v2.html#memory",
            action: Action::LimitMemory,
        });
    }
    if let Some(cpu) = spec.cpu {
        let shell = if v2 {
            format!("echo '{} 100000' > {}/cpu.max", cpu.quota_micros(), place("cpu"))
        } else {
            format!("echo {} > {}/cpu.cfs_quota_us", cpu.quota_micros(), place("cpu"))
        };
        steps.push(Step {
            id: "cpu-limit".into(),
            actor: Actor::Supervisor,
            title: format!("Limit CPU time to {cpu} of one core"),
            why: "In every 100 milliseconds the container may use this much CPU time; then it \
                  waits for the next 100. It runs slower, but it is never stopped.",
            shell,
            manual: "https://docs.kernel.org/scheduler/sched-bwc.html",
            action: Action::LimitCpu,
        });
    }
    if let PidsLimit::AtMost(count) = spec.pids {
        steps.push(Step {
            id: "pids-limit".into(),
            actor: Actor::Supervisor,
            title: format!("Limit processes and threads to {count}"),
            why: "A program that starts copies of itself without end (a fork bomb) would stop the \
                  whole machine. Here fork simply fails once the limit is reached.",
            shell: format!("echo {count} > {}/pids.max", place("pids")),
            manual: "https://docs.kernel.org/admin-guide/cgroup-v2.html#pid",
            action: Action::LimitPids,
        });
    }
}

fn filesystem(steps: &mut Vec<Step>, spec: &ContainerSpec, dir: &ContainerDir, image: &Image) {
    let on = spec.isolation;
    let root = dir.rootfs();
    let root = root.display();
    let mut init = |id: String, title: &str, why: &'static str, shell: String, manual, action| {
        steps.push(Step {
            id,
            actor: Actor::Init,
            title: title.into(),
            why,
            shell,
            manual,
            action,
        });
    };
    // Also for a fresh /proc alone: it must not be mounted for the host.
    if !on.rootfs && !on.pid {
        return;
    }
    init(
        "private-mounts".into(),
        "Make all mounts private",
        "Mounts can be shared between namespaces, so that a new one in here would show up on the \
         host. Private mounts keep what follows inside the container.",
        "mount --make-rprivate /".into(),
        "man 7 mount_namespaces",
        Action::MakePrivate,
    );
    if !on.rootfs {
        init(
            "proc".into(),
            "Mount a fresh /proc",
            "/proc shows the processes of the PID namespace it was mounted in. Mounted anew, it \
             shows only the container's.",
            "mount -t proc proc /proc".into(),
            "man 5 proc",
            Action::MountProc,
        );
        return;
    }
    init(
        "overlay".into(),
        "Mount the overlay root filesystem",
        "An overlay shows two folders as one: below, the image, which is never changed; above, a \
         folder for whatever this container writes. Many containers share one image that way.",
        format!(
            "mount -t overlay overlay -o lowerdir={},upperdir={root},workdir={} {root}",
            rootfs::joined(&image.layers),
            dir.work().display()
        ),
        "https://docs.kernel.org/filesystems/overlayfs.html",
        Action::MountOverlay,
    );
    if !image.shown.is_empty() {
        init(
            "host-programs".into(),
            "Show the host's programs, read-only",
            "The default image borrows its programs from this machine instead of downloading them. \
             They are shown read-only, and nothing else of the host is.",
            image
                .shown
                .iter()
                .map(|(from, to)| format!("mount --rbind -o ro {} {root}{to}", from.display()))
                .collect::<Vec<_>>()
                .join(" && "),
            "man 2 open_tree",
            Action::ShowHostFolders,
        );
    }
    init(
        "proc".into(),
        "Mount a fresh /proc",
        "/proc shows the processes of the PID namespace it was mounted in. Mounted anew, it shows \
         only the container's.",
        format!("mount -t proc proc {root}/proc"),
        "man 5 proc",
        Action::MountProc,
    );
    init(
        "sysfs".into(),
        "Mount /sys read-only",
        "/sys describes devices and the kernel. The container may look, but a write there could \
         change settings of the whole machine.",
        format!("mount -t sysfs -o ro sysfs {root}/sys"),
        "man 5 sysfs",
        Action::MountSys,
    );
    init(
        "dev".into(),
        "Build a small /dev",
        "Programs expect a few harmless devices such as /dev/null and /dev/urandom, and terminals. \
         The disks and other hardware of the host are simply not there.",
        format!("mount -t tmpfs tmpfs {root}/dev && mount --bind /dev/null {root}/dev/null # …"),
        "man 4 null",
        Action::MountDev,
    );
    for (index, volume) in spec.volumes.iter().enumerate() {
        init(
            format!("volume-{}", index + 1),
            &format!("Mount the volume {}", volume.container()),
            "A volume is a folder of the host that the container sees too. What is written there \
             stays when the container is deleted.",
            format!(
                "mount --rbind{} {} {root}{}",
                if volume.read_only() { " -o ro" } else { "" },
                volume.host().display(),
                volume.container()
            ),
            "man 2 move_mount",
            Action::MountVolume(volume.clone()),
        );
    }
    if on.masked_paths {
        init(
            "masked-paths".into(),
            "Hide kernel files that tell about the host",
            "Some files under /proc and /sys are the same for every namespace: the machine's \
             memory, its keys, its timers. They are covered with /dev/null or an empty folder.",
            format!("mount --bind /dev/null {root}/proc/kcore # …"),
            "man 5 proc",
            Action::MaskPaths,
        );
        init(
            "read-only-paths".into(),
            "Make kernel settings read-only",
            "A write to /proc/sys or /proc/sysrq-trigger would set up, or restart, the whole \
             machine. The container may read them only.",
            format!("mount --bind -o ro {root}/proc/sys {root}/proc/sys # …"),
            "man 5 proc_sys",
            Action::ProtectPaths,
        );
    }
    init(
        "pivot-root".into(),
        "Make the rootfs the root, and drop the old one",
        "pivot_root exchanges the root of this mount namespace. The old root is then unmounted, so \
         that no path leads back to the host; a chroot alone could be escaped.",
        format!("cd {root} && pivot_root . . && umount -l ."),
        "man 2 pivot_root",
        Action::PivotRoot,
    );
}

/// The steps of the command. `joined` says that it was born in its cgroup.
fn command(steps: &mut Vec<Step>, file: &SpecFile, host: &Host, joined: bool) {
    let spec = &file.spec;
    let on = spec.isolation;
    let mut step = |id: &str, title: &str, why: &'static str, shell: String, manual, action| {
        steps.push(Step {
            id: id.into(),
            actor: Actor::Command,
            title: title.into(),
            why,
            shell,
            manual,
            action,
        });
    };
    if !joined {
        let top = host.cgroups.hierarchies.first().map(|hierarchy| hierarchy.mount.display());
        step(
            "join-cgroup",
            "Enter the cgroup",
            "From here on the limits count. Only the command enters: our own init and supervisor \
             are not charged to the container.",
            format!(
                "echo 0 > {}/minidocker-{}/tasks",
                top.map_or("/sys/fs/cgroup".to_string(), |top| top.to_string()),
                file.id.short()
            ),
            "man 7 cgroups",
            Action::JoinCgroup,
        );
    }
    if on.cgroup {
        step(
            "cgroup-namespace",
            "Hide the rest of the cgroup tree",
            "A cgroup namespace makes the container's cgroup look like the top of the tree. It \
             must be made after entering, because it starts at the cgroup one is in.",
            "unshare --cgroup sh".into(),
            "man 7 cgroup_namespaces",
            Action::CgroupNamespace,
        );
        if on.rootfs && !host.cgroups.hierarchies.is_empty() {
            step(
                "cgroup-mount",
                "Show the container its own limits",
                "Programs that size themselves by their limits (Java, Go, Node) read them at \
                 /sys/fs/cgroup. They may read them, not raise them.",
                "mount -t cgroup2 -o ro cgroup2 /sys/fs/cgroup".into(),
                "man 7 cgroups",
                Action::MountCgroup,
            );
        }
    }
    step(
        "oom-score",
        "Become an ordinary candidate when memory runs out",
        "If the whole machine runs out of memory the kernel looks for a process to kill. Our \
         helpers are spared, so that somebody is left to report it; the command is not.",
        "echo 0 > /proc/self/oom_score_adj".into(),
        "man 5 proc_pid_oom_score_adj",
        Action::ResetOomScore,
    );
    step(
        "rlimits",
        "Set per-process limits",
        "Resource limits hold for each single process: how many files it may open, how large a \
         core dump it may leave behind.",
        "ulimit -c 0 -n 1024".into(),
        "man 2 setrlimit",
        Action::SetRlimits,
    );
    step(
        "working-dir",
        &format!("Go to {}", spec.working_dir),
        "The command starts in this folder of the container. Afterwards we check that it really \
         lies inside: a folder left open from the host would be a way out.",
        format!("cd {}", spec.working_dir),
        "man 2 chdir",
        Action::ChangeDirectory,
    );
    if spec.tty {
        step(
            "terminal",
            "Allocate a terminal",
            "A terminal is a pair of files: what the program writes to one end, our supervisor \
             reads at the other, and the kernel turns a typed Ctrl-C into a signal. It comes from \
             the container's own /dev/pts.",
            format!("script -qc '{}' /dev/null", spec.command),
            "man 7 pty",
            Action::AllocateTerminal,
        );
    }
    if on.no_new_privs {
        step(
            "no-new-privs",
            "Give up gaining rights",
            "Set-user-ID programs such as su run with their owner's rights. With this flag they \
             run with the caller's, for this process and all its children, for ever.",
            format!("setpriv --no-new-privs {}", spec.command),
            "man 2 PR_SET_NO_NEW_PRIVS",
            Action::NoNewPrivileges,
        );
    }
    let seccomp = (
        "seccomp",
        "Install the system call filter",
        "The kernel checks every system call against this list, which is Docker's. The calls that \
         load modules, mount, or change the clock are refused with EPERM, whoever asks.",
        "docker run --security-opt seccomp=default.json".to_string(),
        "man 2 seccomp",
        Action::InstallSeccomp,
    );
    // Without no_new_privs the kernel demands CAP_SYS_ADMIN for a filter, so then it
    // must be installed while we still have that.
    if on.seccomp && !on.no_new_privs {
        let (id, title, why, shell, manual, action) = seccomp.clone();
        step(id, title, why, shell, manual, action);
    }
    if on.capabilities {
        step(
            "capabilities",
            "Drop most of root's powers",
            "Root's power is split into about forty capabilities. The container keeps Docker's \
             fourteen, enough for ordinary programs, and loses those that reach the host.",
            "capsh --drop=cap_sys_admin,cap_sys_module,… -- -c sh".into(),
            "man 7 capabilities",
            Action::DropCapabilities,
        );
    }
    step(
        "user",
        &format!("Become user {}", spec.user),
        "Group memberships are dropped first, then the group is set, then the user: in any other \
         order the right to do the next one would be gone.",
        format!("setpriv --clear-groups --regid {} --reuid {} sh", spec.user.gid, spec.user.uid),
        "man 2 setresuid",
        Action::BecomeUser,
    );
    if on.seccomp && on.no_new_privs {
        let (id, title, why, shell, manual, action) = seccomp;
        step(id, title, why, shell, manual, action);
    }
    step(
        "exec",
        "Execute the command",
        "The process becomes the program: its memory is replaced, everything built so far stays. \
         All other open files are closed by the kernel in the same moment.",
        format!("exec {}", spec.command),
        "man 2 execve",
        Action::Exec,
    );
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
    flags.set(CloneFlags::CLONE_NEWNET, on.network);
    flags
}

/// All namespaces of a running container: those of init, and the one made later.
pub(crate) fn all_namespaces(spec: &ContainerSpec) -> CloneFlags {
    let mut flags = namespaces(spec);
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
        use nix::libc::{EACCES, EBUSY, EINVAL, ENODEV, ENOENT, ENOEXEC, ENOSPC, EPERM, EROFS};
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
            (Action::Exec, ENOEXEC) => {
                "Is it a program for this machine's processor? A script needs an interpreter in \
                 its first line, such as #!/bin/sh."
                    .into()
            }
            (Action::Exec, EACCES) => {
                "Make the file executable (chmod +x), or run it by its interpreter.".into()
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
