//! What the command may do: resource limits, capabilities, user, system calls.

use std::path::Path;

use caps::{CapSet, Capability, CapsHashSet};
use nix::libc;
use nix::sys::resource::Resource as NixResource;

use super::sys::{Handle, Sys, SysResult};
use crate::spec::{Resource, Rlimit};

/// The capabilities a container keeps: Docker's default set. Enough for ordinary
/// programs of root (package managers, web servers), none that reaches the host.
pub(crate) fn kept_capabilities() -> CapsHashSet {
    CapsHashSet::from([
        Capability::CAP_AUDIT_WRITE,
        Capability::CAP_CHOWN,
        Capability::CAP_DAC_OVERRIDE,
        Capability::CAP_FOWNER,
        Capability::CAP_FSETID,
        Capability::CAP_KILL,
        Capability::CAP_MKNOD,
        Capability::CAP_NET_BIND_SERVICE,
        Capability::CAP_NET_RAW,
        Capability::CAP_SETFCAP,
        Capability::CAP_SETGID,
        Capability::CAP_SETPCAP,
        Capability::CAP_SETUID,
        Capability::CAP_SYS_CHROOT,
    ])
}

/// Cuts the rights of root. The bounding set is what an exec can ever give back; the
/// inheritable set stays empty (CVE-2022-29162), and so does the ambient one.
pub(crate) fn drop_capabilities(sys: &mut Sys) -> SysResult<()> {
    let keep = kept_capabilities();
    let all = if sys.is_preview() { caps::all() } else { caps::runtime::thread_all_supported() };
    let mut dropped: Vec<Capability> = all.difference(&keep).copied().collect();
    dropped.sort_by_key(|capability| capability.index());
    for capability in dropped {
        sys.call(format!("prctl(PR_CAPBSET_DROP, {capability})"), (), || {
            caps::drop(None, CapSet::Bounding, capability).map_err(|_| last_errno())
        })?;
    }
    sys.call("prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)".into(), (), || {
        caps::clear(None, CapSet::Ambient).map_err(|_| last_errno())
    })?;
    let mut names: Vec<String> = keep.iter().map(ToString::to_string).collect();
    names.sort();
    let names = names.join("|");
    // Effective before permitted: what is in force must always be permitted.
    for (set, value, text) in [
        (CapSet::Inheritable, CapsHashSet::new(), "capset(inheritable=0)".to_string()),
        (CapSet::Effective, keep.clone(), format!("capset(effective={names})")),
        (CapSet::Permitted, keep, format!("capset(permitted={names})")),
    ] {
        sys.call(text, (), || caps::set(None, set, &value).map_err(|_| last_errno()))?;
    }
    Ok(())
}

/// The caps crate keeps the errno to itself; the C library still has it.
fn last_errno() -> i32 {
    nix::errno::Errno::last_raw()
}

/// Limits of each single process: no core dumps, and the usual number of files (never
/// more than `open_files`, the host's own), unless the specification says otherwise.
pub(crate) fn rlimits(wanted: &[Rlimit], open_files: u64) -> Vec<Rlimit> {
    let files = |usual: u64| usual.min(open_files);
    let defaults = [
        Rlimit { resource: Resource::Core, soft: 0, hard: 0 },
        Rlimit { resource: Resource::Nofile, soft: files(1024), hard: files(524_288) },
    ];
    let chosen = |default: &Rlimit| wanted.iter().all(|r| r.resource != default.resource);
    defaults.into_iter().filter(chosen).chain(wanted.iter().copied()).collect()
}

pub(crate) fn set_rlimits(sys: &mut Sys, wanted: &[Rlimit], open_files: u64) -> SysResult<()> {
    for rlimit in rlimits(wanted, open_files) {
        let (name, resource) = match rlimit.resource {
            Resource::As => ("AS", NixResource::RLIMIT_AS),
            Resource::Core => ("CORE", NixResource::RLIMIT_CORE),
            Resource::Cpu => ("CPU", NixResource::RLIMIT_CPU),
            Resource::Fsize => ("FSIZE", NixResource::RLIMIT_FSIZE),
            Resource::Memlock => ("MEMLOCK", NixResource::RLIMIT_MEMLOCK),
            Resource::Nofile => ("NOFILE", NixResource::RLIMIT_NOFILE),
            Resource::Nproc => ("NPROC", NixResource::RLIMIT_NPROC),
            Resource::Stack => ("STACK", NixResource::RLIMIT_STACK),
        };
        sys.setrlimit(name, resource, rlimit.soft, rlimit.hard)?;
    }
    Ok(())
}

/// Settings of a network namespace, with values that let every user do what takes root on a
/// machine that is shared: bind ports below 1024, and send echo requests. As Docker sets them.
const FOR_ALL_USERS: [(&str, &str); 2] = [
    ("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0"),
    ("/proc/sys/net/ipv4/ping_group_range", "0 2147483647"),
];

/// Makes these settings, in the network namespace that the caller is in: it must be the
/// container's own. Through a /proc that was just mounted, before it becomes read-only.
pub(crate) fn allow_sockets(sys: &mut Sys, root: &Handle) -> SysResult<()> {
    for (path, value) in FOR_ALL_USERS {
        match sys.write_inside(root, path, value) {
            // A kernel without IPv4, or a /proc of a container that we are in ourselves.
            Err(error) if matches!(error.errno, libc::ENOENT | libc::EROFS | libc::EACCES) => {}
            result => result?,
        }
    }
    Ok(())
}

/// How much the kernel prefers to spare our helpers when the whole machine runs out
/// of memory (`man 5 proc_pid_oom_score_adj`). Set by the spawner, undone by
/// [`reset_oom_score`] for the command.
pub(crate) const HELPER_OOM_SCORE: &str = "-900";

/// Gives the command the ordinary chance of being killed. The file is checked to be
/// procfs first: an image could hold something else at that path, and the write would
/// go there (CVE-2019-19921).
pub(crate) fn reset_oom_score(sys: &mut Sys) -> SysResult<()> {
    set_oom_score(sys, "0")
}

pub(crate) fn set_oom_score(sys: &mut Sys, score: &str) -> SysResult<()> {
    let file = sys.open_to_write(Path::new("/proc/self/oom_score_adj"))?;
    sys.verify_filesystem(&file, "PROC_SUPER_MAGIC", libc::PROC_SUPER_MAGIC as u64)?;
    sys.write(&file, score)
}
