//! crun and runc: the runtimes beneath Podman and Docker, with a bundle like our own.
//!
//! A bundle is a root filesystem and a `config.json`, which the runtime writes itself
//! (`crun spec`); we set the program, the limits, and Docker's filter. Neither makes an
//! overlay: that is the business of whoever calls them, so they do less than minidocker
//! here. They run as programs, one per container, which is how Docker and Podman use them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use minidocker_benches::{Error, Lab, Result};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use serde_json::{Value, json};

use crate::Contender;
use crate::program::{self, run, run_quietly};

/// Makes the root filesystem that crun, runc, bubblewrap and the floor share.
pub fn make_rootfs(lab: &Lab) -> Result<PathBuf> {
    let rootfs = lab.folder().join("rootfs");
    for folder in ["bench", "proc", "sys", "dev", "tmp", "etc"] {
        fs::create_dir_all(rootfs.join(folder)).map_err(Error::io("make the rootfs"))?;
    }
    let programs = fs::read_dir(lab.programs()).map_err(Error::io("list the programs"))?;
    for program in programs.flatten() {
        fs::copy(program.path(), rootfs.join("bench").join(program.file_name()))
            .map_err(Error::io("copy a static program"))?;
    }
    Ok(rootfs)
}

/// crun refuses to work where version 2 of the cgroups is mounted beside version 1 and has
/// controllers of its own. None of the runtimes needs those, so where it is so this program
/// gives itself (and all that it starts) a view of the machine with an empty folder there.
///
/// # Errors
/// If the kernel refuses.
pub fn hide_hybrid_tree() -> Result<()> {
    let unified = Path::new("/sys/fs/cgroup/unified");
    let controllers = fs::read_to_string(unified.join("cgroup.controllers")).unwrap_or_default();
    if controllers.trim().is_empty() {
        return Ok(());
    }
    let nothing = None::<&str>;
    unshare(CloneFlags::CLONE_NEWNS)
        .and_then(|()| mount(nothing, "/", nothing, MsFlags::MS_REC | MsFlags::MS_SLAVE, nothing))
        .and_then(|()| mount(Some("tmpfs"), unified, Some("tmpfs"), MsFlags::empty(), nothing))
        .map_err(|errno| Error::io("hide the version 2 cgroups")(errno.into()))
}

/// crun and runc, as far as they are installed, each with and without a filter. Their
/// containers run `word`.
pub fn installed(lab: &Lab, rootfs: &Path, word: &str) -> Result<Vec<Oci>> {
    let mut found = Vec::new();
    for runtime in ["crun", "runc"] {
        let Some(path) = program::find(runtime) else {
            println!("{runtime} is not on the PATH: left out");
            continue;
        };
        for seccomp in [true, false] {
            match Oci::new(lab, runtime, &path, rootfs, word, seccomp) {
                Ok(oci) => found.push(oci),
                Err(Error::Missing(why)) => println!("{why}\n{runtime} with seccomp is left out"),
                Err(error) => return Err(error),
            }
        }
    }
    Ok(found)
}

/// An OCI runtime with its bundle.
pub struct Oci {
    name: String,
    program: PathBuf,
    bundle: PathBuf,
    /// Where the runtime keeps its state.
    state: PathBuf,
    container: String,
}

impl Oci {
    /// Makes the bundle.
    fn new(
        lab: &Lab,
        runtime: &str,
        program: &Path,
        rootfs: &Path,
        word: &str,
        seccomp: bool,
    ) -> Result<Oci> {
        let with = if seccomp { "with" } else { "without" };
        let bundle = lab.folder().join(format!("{runtime}-{with}"));
        fs::create_dir(&bundle).map_err(Error::io("make a bundle"))?;
        run(Command::new(program).arg("spec").current_dir(&bundle))?;
        let path = bundle.join("config.json");
        let text = fs::read(&path).map_err(Error::io("read config.json"))?;
        let mut config: Value = serde_json::from_slice(&text)
            .map_err(|error| Error::Unexpected(format!("{runtime} spec: {error}")))?;
        let container = format!("minidocker-bench-{runtime}-{with}-{}", std::process::id());
        config["process"]["terminal"] = false.into();
        config["process"]["args"] = json!([word]);
        config["root"] = json!({"path": rootfs, "readonly": false});
        config["linux"]["cgroupsPath"] = format!("/{container}").into();
        let limits = &mut config["linux"]["resources"];
        limits["memory"] = json!({"limit": 64 << 20, "swap": 64 << 20});
        limits["cpu"] = json!({"quota": 50_000, "period": 100_000});
        limits["pids"] = json!({"limit": 512});
        if seccomp {
            config["linux"]["seccomp"] = filter_like_dockers()?;
        }
        fs::write(&path, config.to_string()).map_err(Error::io("write config.json"))?;
        let state = lab.folder().join(format!("{runtime}-{with}-state"));
        let name = format!("{runtime}, {with} seccomp");
        Ok(Oci { name, program: program.to_owned(), bundle, state, container })
    }

    /// Starts the container and leaves it running. It keeps the streams it is given, so that
    /// a pipe among them would never end.
    pub fn start(&self) -> Result<()> {
        let mut command = self.command();
        command.args(["run", "--detach", "--bundle"]).arg(&self.bundle).arg(&self.container);
        run_quietly(&mut command)
    }

    /// Executes one word in the running container.
    pub fn exec(&self, word: &str) -> Result<()> {
        run(self.command().args(["exec", &self.container, word]))
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("--root").arg(&self.state);
        command
    }
}

impl Contender for Oci {
    fn name(&self) -> &str {
        &self.name
    }

    fn turn(&mut self) -> Result<()> {
        run(self.command().args(["run", "--bundle"]).arg(&self.bundle).arg(&self.container))
    }
}

impl Drop for Oci {
    fn drop(&mut self) {
        // `run` deletes its container; this is for one that was interrupted or detached.
        if self.state.join(&self.container).exists() {
            let _ = run(self.command().args(["delete", "--force", &self.container]));
        }
    }
}

/// Calls that Docker's default profile does not allow to a container with Docker's
/// default capabilities.
const REFUSED: &str = "\
    _sysctl acct add_key afs_syscall bdflush bpf break clock_settime clock_settime64 \
    clone clone3 create_module delete_module fanotify_init finit_module fsconfig fsmount \
    fsopen fspick ftime get_kernel_syms get_mempolicy getpmsg gtty idle init_module \
    io_uring_enter io_uring_register io_uring_setup ioperm iopl kcmp kexec_file_load \
    kexec_load keyctl lock lookup_dcookie lsm_get_self_attr lsm_list_modules \
    lsm_set_self_attr mbind migrate_pages mount mount_setattr move_mount move_pages mpx \
    nfsservctl open_by_handle_at open_tree perf_event_open personality pidfd_getfd \
    pivot_root process_madvise prof profil putpmsg query_module quotactl quotactl_fd \
    reboot request_key security set_mempolicy set_mempolicy_home_node setdomainname \
    sethostname setns settimeofday socket stime stty swapoff swapon syslog sysfs tuxcall \
    ulimit umount umount2 unshare uselib userfaultfd ustat vhangup vm86 vm86old vserver";

/// A profile of the size and shape of Docker's default: every call that the C library's
/// headers name, for 64-bit and 32-bit programs, but those of [`REFUSED`]; clone, socket
/// and personality by their arguments; clone3 "not implemented"; all else refused.
fn filter_like_dockers() -> Result<Value> {
    let mut names = BTreeSet::new();
    for width in ["64", "32"] {
        names.extend(system_calls(width)?);
    }
    let refused: BTreeSet<&str> = REFUSED.split(' ').collect();
    names.retain(|name| !refused.contains(name.as_str()));
    let allow = |name: &str, operator: &str, value: u64, value_two: u64| {
        json!({
            "names": [name],
            "action": "SCMP_ACT_ALLOW",
            "args": [{"index": 0, "value": value, "valueTwo": value_two, "op": operator}],
        })
    };
    let mut rules = vec![json!({"names": names, "action": "SCMP_ACT_ALLOW"})];
    // In masked comparisons `value` is the mask: here the flags that make namespaces.
    rules.push(allow("clone", "SCMP_CMP_MASKED_EQ", 0x7e02_0000, 0));
    rules.push(json!({"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": libc::ENOSYS}));
    let families = (0..=45).filter(|&family| family != libc::AF_ALG && family != libc::AF_VSOCK);
    rules.extend(families.map(|family| allow("socket", "SCMP_CMP_EQ", family as u64, 0)));
    for personality in [0, 0x8, 0x2_0000, 0x2_0008, 0xffff_ffff] {
        rules.push(allow("personality", "SCMP_CMP_EQ", personality, 0));
    }
    Ok(json!({
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": libc::EPERM,
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
        "syscalls": rules,
    }))
}

/// The names of the system calls of 64-bit or 32-bit programs, as the C library's headers
/// list them: Debian keeps these in a folder per architecture, others do not.
fn system_calls(width: &str) -> Result<Vec<String>> {
    let text = ["/usr/include/x86_64-linux-gnu/asm", "/usr/include/asm"]
        .iter()
        .find_map(|folder| fs::read_to_string(format!("{folder}/unistd_{width}.h")).ok())
        .ok_or_else(|| Error::Missing(format!("no header asm/unistd_{width}.h of x86")))?;
    let name = |line: &str| line.strip_prefix("#define __NR_")?.split(' ').next().map(String::from);
    Ok(text.lines().filter_map(name).collect())
}
