//! The one place where the construction of a container touches the kernel.
//!
//! Every method performs one system call (or one file write), times it, and records
//! it as strace would print it. Error messages, `trace.json`, the dashboard's
//! timeline and the tests all read these records.
//!
//! In preview mode nothing is performed and every call is taken to succeed: the
//! same code that builds a container also tells, beforehand, which calls it will
//! make. A preview can therefore never differ from what is done.

use std::ffi::{CString, OsStr};
use std::fmt;
use std::fs;
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Instant;

use nix::libc;
use nix::sched::CloneFlags;
use nix::sys::resource::{Resource, setrlimit};
use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountPropagationFlags, MoveMountFlags,
    OpenTreeFlags, UnmountFlags,
};

use super::terminal::Pty;
use super::{identity, raw, resolve, terminal};
use crate::error::errno_name;
use crate::plan::Call;
use crate::spec::{Fault, TerminalSize};

/// A recorded call that failed.
#[derive(Debug, Clone)]
pub(crate) struct SysError {
    pub call: String,
    pub errno: i32,
}

pub(crate) type SysResult<T> = Result<T, SysError>;

/// An open file of the construction, named as `strace -y` would: by what it is.
/// In a preview there is only the name.
#[derive(Debug)]
pub(crate) struct Handle {
    fd: Option<OwnedFd>,
    label: String,
}

impl Handle {
    fn new(fd: Option<OwnedFd>, label: impl Into<String>) -> Handle {
        Handle { fd, label: label.into() }
    }

    /// The descriptor; only asked for inside a call that is really performed.
    fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_ref().expect("a preview performs no calls").as_fd()
    }

    /// The descriptor itself.
    pub fn into_fd(self) -> OwnedFd {
        self.fd.expect("a preview performs no calls")
    }

    /// The number of the descriptor, to be kept open across a clone.
    pub fn raw(&self) -> Option<i32> {
        self.fd.as_ref().map(AsRawFd::as_raw_fd)
    }
}

impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}>", self.label)
    }
}

/// The errno inside the error types of nix, rustix and std.
pub(crate) trait RawErrno {
    fn raw(self) -> i32;
}

impl RawErrno for nix::errno::Errno {
    fn raw(self) -> i32 {
        self as i32
    }
}

impl RawErrno for rustix::io::Errno {
    fn raw(self) -> i32 {
        self.raw_os_error()
    }
}

impl RawErrno for std::io::Error {
    fn raw(self) -> i32 {
        self.raw_os_error().unwrap_or(libc::EIO)
    }
}

impl RawErrno for i32 {
    fn raw(self) -> i32 {
        self
    }
}

/// Performs, times and records.
pub(crate) struct Sys {
    preview: bool,
    calls: Vec<Call>,
    /// The errno that the next call is to fail with, if a fault is injected.
    pending_fault: Option<i32>,
    fault: Option<Fault>,
}

impl Sys {
    /// Makes every call.
    pub fn real(fault: Option<Fault>) -> Sys {
        Sys { preview: false, calls: Vec::new(), pending_fault: None, fault }
    }

    /// For the preview.
    pub fn preview() -> Sys {
        Sys { preview: true, calls: Vec::new(), pending_fault: None, fault: None }
    }

    pub fn is_preview(&self) -> bool {
        self.preview
    }

    /// Begins a step: its calls are recorded afresh.
    pub fn begin(&mut self, step: &str) {
        self.calls.clear();
        self.pending_fault =
            self.fault.as_ref().filter(|fault| fault.step == step).map(|fault| fault.errno);
    }

    /// The calls since the step began.
    pub fn take_calls(&mut self) -> Vec<Call> {
        std::mem::take(&mut self.calls)
    }

    /// The one recording point: everything below goes through here. `text` is made
    /// before the clock starts, so that the time is the kernel's alone.
    pub fn call<T, E: RawErrno>(
        &mut self,
        text: String,
        in_preview: T,
        perform: impl FnOnce() -> Result<T, E>,
    ) -> SysResult<T> {
        if self.preview {
            self.calls.push(Call { call: text, errno: None, micros: 0.0 });
            return Ok(in_preview);
        }
        let start = Instant::now();
        let result = match self.pending_fault.take() {
            Some(errno) => Err(errno),
            None => perform().map_err(RawErrno::raw),
        };
        let micros = round(start.elapsed().as_nanos());
        let errno = result
            .as_ref()
            .err()
            .map(|&errno| errno_name(errno).unwrap_or_else(|| errno.to_string()));
        self.calls.push(Call { call: text.clone(), errno, micros });
        result.map_err(|errno| SysError { call: text, errno })
    }

    fn handle<E: RawErrno>(
        &mut self,
        text: String,
        label: impl Into<String>,
        perform: impl FnOnce() -> Result<OwnedFd, E>,
    ) -> SysResult<Handle> {
        let fd = self.call(text, None, || perform().map(Some))?;
        Ok(Handle::new(fd, label))
    }

    // --- processes -----------------------------------------------------------

    /// clone3(2) as fork does it (no shared memory), into new namespaces. Returns
    /// the child's pid, or 0 in the child.
    pub fn clone_into_namespaces(&mut self, flags: CloneFlags) -> SysResult<i32> {
        let text = format!("clone3({{flags={}, exit_signal=SIGCHLD}})", flag_names(flags));
        self.call(text, 1, || {
            // SAFETY: the caller is the supervisor, which has one thread: the child is
            // a plain copy of it and may run any code. The flags share no memory.
            unsafe { raw::clone3(flags, None) }
        })
    }

    /// fork(2), or clone3(2) into a version 2 cgroup. Returns the child's pid, or 0 in
    /// the child.
    pub fn fork_into(&mut self, cgroup: Option<&Handle>) -> SysResult<i32> {
        let text = match cgroup {
            Some(cgroup) => {
                format!("clone3({{flags=CLONE_INTO_CGROUP, exit_signal=SIGCHLD, cgroup={cgroup}}})")
            }
            None => "clone3({flags=0, exit_signal=SIGCHLD})".to_string(),
        };
        self.call(text, 1, || {
            // SAFETY: init has one thread, so the child is a plain copy of it and may run
            // any code. Nothing is shared.
            unsafe { raw::clone3(CloneFlags::empty(), cgroup.map(Handle::fd)) }
        })
    }

    /// unshare(2).
    pub fn unshare(&mut self, flags: CloneFlags) -> SysResult<()> {
        let text = format!("unshare({})", flag_names(flags));
        self.call(text, (), || nix::sched::unshare(flags))
    }

    /// setns(2): enters the namespaces of another process, all at once.
    pub fn setns(&mut self, process: &OwnedFd, flags: CloneFlags) -> SysResult<()> {
        let text = format!("setns(<pidfd>, {})", flag_names(flags));
        self.call(text, (), || nix::sched::setns(process, flags))
    }

    /// execve(2): returns only if it failed.
    pub fn execve(
        &mut self,
        path: &str,
        args: &[CString],
        env: &[CString],
    ) -> SysResult<std::convert::Infallible> {
        let text = execve_text(path, args, env.len());
        let c_path = CString::new(path).unwrap_or_default();
        let start = Instant::now();
        let errno = match self.pending_fault.take() {
            Some(errno) => errno,
            None => match nix::unistd::execve(&c_path, args, env) {
                Ok(never) => match never {},
                Err(errno) => errno as i32,
            },
        };
        let micros = round(start.elapsed().as_nanos());
        self.calls.push(Call { call: text.clone(), errno: errno_name(errno), micros });
        Err(SysError { call: text, errno })
    }

    /// Says in a preview or a trace that the command is executed; the call itself
    /// is the last thing this process does, and its end is seen by the supervisor, which
    /// fills in the time.
    pub fn note_execve(&mut self, path: &str, args: &[CString], env_count: usize) {
        self.calls.push(Call {
            call: execve_text(path, args, env_count),
            errno: None,
            micros: 0.0,
        });
    }

    /// Whether a program could be executed (faccessat(2)); not finding it is an answer.
    pub fn is_executable(&mut self, path: &str) -> SysResult<()> {
        let text = format!("access({path:?}, X_OK)");
        self.call(text, (), || nix::unistd::access(path, nix::unistd::AccessFlags::X_OK))
    }

    // --- files ---------------------------------------------------------------

    /// Makes a directory by its path on the host.
    pub fn mkdir(&mut self, path: &Path) -> SysResult<()> {
        let text = format!("mkdir({path:?}, 0755)");
        self.call(text, (), || rustix::fs::mkdir(path, Mode::from(0o755)))
    }

    /// Opens a file or directory of the host as a place, without reading (O_PATH).
    pub fn open_place(&mut self, path: &Path) -> SysResult<Handle> {
        let text = format!("open({path:?}, O_PATH|O_CLOEXEC)");
        self.handle(text, path.display().to_string(), || {
            rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
        })
    }

    /// Opens a file or directory of the host as a place, by a path that must have no symlink in
    /// it: nobody can make it lead elsewhere.
    pub fn open_without_symlinks(&mut self, path: &Path) -> SysResult<Handle> {
        let text =
            format!("openat2(AT_FDCWD, {path:?}, {{O_PATH|O_CLOEXEC, RESOLVE_NO_SYMLINKS}})");
        self.handle(text, path.display().to_string(), || {
            rustix::fs::openat2(
                CWD,
                path,
                OFlags::PATH | OFlags::CLOEXEC,
                Mode::empty(),
                ResolveFlags::NO_SYMLINKS,
            )
        })
    }

    /// Opens a namespace of a child of ours, or of this thread.
    pub fn open_namespace(&mut self, child: Option<i32>, kind: &str) -> SysResult<Handle> {
        let process = child.map_or("thread-self".to_string(), |pid| pid.to_string());
        let path = format!("/proc/{process}/ns/{kind}");
        let text = match child {
            Some(_) => format!("open(\"/proc/<init>/ns/{kind}\", O_RDONLY|O_CLOEXEC)"),
            None => format!("open({path:?}, O_RDONLY|O_CLOEXEC)"),
        };
        self.handle(text, format!("{kind} namespace"), || {
            rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        })
    }

    /// Opens a file for writing.
    pub fn open_to_write(&mut self, path: &Path) -> SysResult<Handle> {
        let text = format!("open({path:?}, O_WRONLY|O_CLOEXEC)");
        self.handle(text, path.display().to_string(), || {
            rustix::fs::open(path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())
        })
    }

    /// Writes a whole small file, such as a cgroup's or procfs's.
    pub fn write_file(&mut self, path: &Path, content: &str) -> SysResult<()> {
        let text = format!("write({path:?}, {content:?})");
        self.call(text, (), || {
            fs::File::options().write(true).open(path)?.write_all(content.as_bytes())
        })
    }

    /// Reads a whole small file.
    pub fn read_file(&mut self, path: &Path) -> SysResult<String> {
        let text = format!("read({path:?})");
        self.call(text, String::new(), || fs::read_to_string(path))
    }

    /// Reads a regular file of the container this process is in, of at most `longest` bytes.
    /// Its path is resolved from the root that is the container's by now, and no magic link of
    /// /proc is followed; what turns out to be a file of the kernel is not read (EPERM), nor
    /// what could keep us waiting, as a FIFO would (EINVAL).
    pub fn read_inside(&mut self, path: &str, longest: u64) -> SysResult<Vec<u8>> {
        let text = format!(
            "openat2(AT_FDCWD, {path:?}, {{O_RDONLY|O_NONBLOCK|O_NOCTTY|O_CLOEXEC, \
             RESOLVE_NO_MAGICLINKS}}) + read"
        );
        self.call(text, Vec::new(), || identity::read_inside(path, longest))
    }

    /// Writes to a file of the kernel's /proc below a root, resolved as [`Sys::resolve`] does.
    pub fn write_inside(&mut self, root: &Handle, path: &str, content: &str) -> SysResult<()> {
        let text = format!(
            "openat2({root}, {path:?}, {{O_WRONLY|O_CLOEXEC, \
             RESOLVE_IN_ROOT|RESOLVE_NO_MAGICLINKS}}) + write({content:?})"
        );
        self.call(text, (), || {
            let file = resolve::in_root(root.fd(), path, OFlags::WRONLY)?;
            // As with every write to procfs: it must be that (CVE-2019-19921).
            match rustix::fs::fstatfs(&file)?.f_type as u64 == libc::PROC_SUPER_MAGIC as u64 {
                true => rustix::io::write(&file, content.as_bytes()).map(drop),
                false => Err(rustix::io::Errno::PERM),
            }
        })
    }

    /// Writes to an open file.
    pub fn write(&mut self, file: &Handle, content: &str) -> SysResult<()> {
        let text = format!("write({file}, {content:?})");
        self.call(text, (), || nix::unistd::write(file.fd(), content.as_bytes()).map(drop))
    }

    /// Resolves a path inside a root, as the container will: an absolute symlink
    /// starts at that root, `..` stops at it, and no magic link of /proc is followed.
    /// This is the defence against symlinks that lead a mount out of the container.
    pub fn resolve(&mut self, root: &Handle, path: &str, directory: bool) -> SysResult<Handle> {
        let kind = if directory { OFlags::DIRECTORY } else { OFlags::empty() };
        let text = format!(
            "openat2({root}, {path:?}, {{O_PATH{}|O_CLOEXEC, \
             RESOLVE_IN_ROOT|RESOLVE_NO_MAGICLINKS}})",
            if directory { "|O_DIRECTORY" } else { "" }
        );
        let label = join_label(&root.label, path);
        self.handle(text, label, || resolve::in_root(root.fd(), path, OFlags::PATH | kind))
    }

    /// Makes a directory in an open directory.
    pub fn mkdirat(&mut self, parent: &Handle, name: &str) -> SysResult<()> {
        let text = format!("mkdirat({parent}, {name:?}, 0755)");
        self.call(text, (), || rustix::fs::mkdirat(parent.fd(), name, Mode::from(0o755)))
    }

    /// Gives what was just made in an open directory to a user and a group.
    pub fn give(&mut self, parent: &Handle, name: &str, uid: u32, gid: u32) -> SysResult<()> {
        let text = format!(
            "fchown(openat({parent}, {name:?}, O_DIRECTORY|O_NOFOLLOW|O_CLOEXEC), {uid}, {gid})"
        );
        let (uid, gid) = (rustix::fs::Uid::from_raw(uid), rustix::fs::Gid::from_raw(gid));
        self.call(text, (), || {
            let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let made = rustix::fs::openat(parent.fd(), name, flags, Mode::empty())?;
            // A program of the container may have put another folder of root's in its place.
            let is_ours = rustix::fs::fstat(&made)?.st_uid == 0;
            let mut entries = rustix::fs::Dir::read_from(&made)?;
            let is_empty = entries.all(|entry| {
                entry.is_ok_and(|entry| matches!(entry.file_name().to_bytes(), b"." | b".."))
            });
            match is_ours && is_empty {
                true => rustix::fs::fchown(&made, Some(uid), Some(gid)),
                false => Err(rustix::io::Errno::BUSY),
            }
        })
    }

    /// Gives a pipe to a user, who may then open it again by its name in /dev. In a preview there
    /// is none.
    pub fn give_pipe(
        &mut self,
        pipe: Option<BorrowedFd<'_>>,
        name: &str,
        uid: u32,
    ) -> SysResult<()> {
        self.call(format!("fchown(<pipe: {name}>, {uid}, -1)"), (), || match pipe {
            Some(pipe) => rustix::fs::fchown(pipe, Some(rustix::fs::Uid::from_raw(uid)), None),
            None => Ok(()),
        })
    }

    /// Makes an empty file in an open directory, for something to be mounted on.
    pub fn create_file(&mut self, parent: &Handle, name: &str) -> SysResult<()> {
        let text = format!("openat({parent}, {name:?}, O_CREAT|O_EXCL|O_CLOEXEC, 0644)");
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::RDONLY;
        self.call(text, (), || {
            rustix::fs::openat(parent.fd(), name, flags, Mode::from(0o644)).map(drop)
        })
    }

    /// Reads a symlink in an open directory. One that is not UTF-8 counts as leading nowhere.
    pub fn readlinkat(&mut self, parent: &Handle, name: &str) -> SysResult<String> {
        let text = format!("readlinkat({parent}, {name:?})");
        self.call(text, String::new(), || {
            let link = rustix::fs::readlinkat(parent.fd(), name, Vec::new());
            let link = link.map_err(RawErrno::raw)?;
            link.into_string().map_err(|_| libc::ENOENT)
        })
    }

    /// Removes a file or symlink from an open directory.
    pub fn unlinkat(&mut self, parent: &Handle, name: &str) -> SysResult<()> {
        let text = format!("unlinkat({parent}, {name:?}, 0)");
        self.call(text, (), || {
            rustix::fs::unlinkat(parent.fd(), name, rustix::fs::AtFlags::empty())
        })
    }

    /// Makes a symlink in an open directory.
    pub fn symlinkat(&mut self, target: &str, parent: &Handle, name: &str) -> SysResult<()> {
        let text = format!("symlinkat({target:?}, {parent}, {name:?})");
        self.call(text, (), || rustix::fs::symlinkat(target, parent.fd(), name))
    }

    /// Checks that an open file is the character device `major:minor`, and not
    /// something that was put in its place.
    pub fn verify_device(&mut self, file: &Handle, major: u32, minor: u32) -> SysResult<()> {
        let text = format!("fstat({file}) is a character device {major}:{minor}");
        self.call(text, (), || {
            let stat = rustix::fs::fstat(file.fd()).map_err(RawErrno::raw)?;
            let is_it = FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice
                && stat.st_rdev == rustix::fs::makedev(major, minor);
            if is_it { Ok(()) } else { Err(libc::ENODEV) }
        })
    }

    /// Checks that an open place is a folder, or that it is none.
    pub fn verify_kind(&mut self, place: &Handle, folder: bool) -> SysResult<()> {
        let what = if folder { "a folder" } else { "no folder" };
        self.call(format!("fstat({place}) is {what}"), (), || {
            let stat = rustix::fs::fstat(place.fd()).map_err(RawErrno::raw)?;
            match (folder, FileType::from_raw_mode(stat.st_mode) == FileType::Directory) {
                (true, false) => Err(libc::ENOTDIR),
                (false, true) => Err(libc::EISDIR),
                _ => Ok(()),
            }
        })
    }

    /// Checks that an open place is not one of the kernel's own filesystems.
    pub fn refuse_kernel_filesystem(&mut self, place: &Handle) -> SysResult<()> {
        let text = format!("fstatfs({place}) is neither PROC_SUPER_MAGIC nor SYSFS_MAGIC");
        self.call(text, (), || {
            let stat = rustix::fs::fstatfs(place.fd()).map_err(RawErrno::raw)?;
            let kernels = [libc::PROC_SUPER_MAGIC as u64, libc::SYSFS_MAGIC as u64];
            if kernels.contains(&(stat.f_type as u64)) { Err(libc::EPERM) } else { Ok(()) }
        })
    }

    /// Checks that an open file lies on a filesystem of the given magic number.
    pub fn verify_filesystem(&mut self, file: &Handle, name: &str, magic: u64) -> SysResult<()> {
        let text = format!("fstatfs({file}) is {name}");
        self.call(text, (), || {
            let stat = rustix::fs::fstatfs(file.fd()).map_err(RawErrno::raw)?;
            if stat.f_type as u64 == magic { Ok(()) } else { Err(libc::EPERM) }
        })
    }

    // --- mounts --------------------------------------------------------------

    /// Makes every mount of this namespace private, so that nothing mounted here
    /// shows outside, and nothing from outside arrives.
    pub fn make_private(&mut self) -> SysResult<()> {
        let text = "mount(NULL, \"/\", NULL, MS_REC|MS_PRIVATE, NULL)".to_string();
        let flags = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
        self.call(text, (), || rustix::mount::mount_change("/", flags))
    }

    /// A new filesystem, not mounted anywhere yet: fsopen, fsconfig for each option,
    /// fsmount. A call each, so that an error names the option at fault.
    pub fn new_filesystem(
        &mut self,
        kind: &str,
        options: &[(&str, impl AsRef<str>)],
        attributes: MountAttrFlags,
    ) -> SysResult<Handle> {
        let context = self.handle(format!("fsopen({kind:?}, FSOPEN_CLOEXEC)"), kind, || {
            rustix::mount::fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)
        })?;
        for (key, value) in options {
            let (key, value) = (*key, value.as_ref());
            if value.is_empty() {
                let text = format!("fsconfig({context}, FSCONFIG_SET_FLAG, {key:?})");
                self.call(text, (), || rustix::mount::fsconfig_set_flag(context.fd(), key))?;
            } else {
                let text = format!("fsconfig({context}, FSCONFIG_SET_STRING, {key:?}, {value:?})");
                self.call(text, (), || {
                    rustix::mount::fsconfig_set_string(context.fd(), key, value)
                })?;
            }
        }
        let text = format!("fsconfig({context}, FSCONFIG_CMD_CREATE)");
        self.call(text, (), || rustix::mount::fsconfig_create(context.fd()))?;
        let names = attribute_names(attributes);
        self.handle(format!("fsmount({context}, FSMOUNT_CLOEXEC, {names})"), kind, || {
            rustix::mount::fsmount(context.fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)
        })
    }

    /// A second view of a folder of the host (what `mount --bind` makes), not
    /// mounted anywhere yet.
    pub fn clone_tree(&mut self, path: &Path, recursive: bool) -> SysResult<Handle> {
        let (flags, names) = clone_flags(recursive);
        let text = format!("open_tree(AT_FDCWD, {path:?}, {names})");
        self.handle(text, path.display().to_string(), || rustix::mount::open_tree(CWD, path, flags))
    }

    /// A second view of an open file or folder.
    pub fn clone_tree_of(&mut self, place: &Handle, recursive: bool) -> SysResult<Handle> {
        let (flags, names) = clone_flags(recursive);
        let text = format!("open_tree({place}, \"\", AT_EMPTY_PATH|{names})");
        self.handle(text, place.label.clone(), || {
            rustix::mount::open_tree(place.fd(), "", flags | OpenTreeFlags::AT_EMPTY_PATH)
        })
    }

    /// Sets attributes such as read-only on a mount and, if `recursive`, on all
    /// mounts below it (mount_setattr(2)).
    pub fn set_attributes(
        &mut self,
        mount: &Handle,
        attributes: MountAttrFlags,
        recursive: bool,
    ) -> SysResult<()> {
        let text = format!(
            "mount_setattr({mount}, \"\", AT_EMPTY_PATH{}, {{attr_set={}}})",
            if recursive { "|AT_RECURSIVE" } else { "" },
            attribute_names(attributes)
        );
        self.call(text, (), || raw::mount_setattr(mount.fd(), attributes.bits().into(), recursive))
    }

    /// Mounts what is not mounted yet on an open file or folder: descriptor to
    /// descriptor, so that no path can change its meaning in between.
    pub fn attach(&mut self, mount: &Handle, target: &Handle) -> SysResult<()> {
        let flags = "MOVE_MOUNT_F_EMPTY_PATH|MOVE_MOUNT_T_EMPTY_PATH";
        let text = format!("move_mount({mount}, \"\", {target}, \"\", {flags})");
        self.call(text, (), || {
            rustix::mount::move_mount(
                mount.fd(),
                "",
                target.fd(),
                "",
                MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH,
            )
        })
    }

    /// Takes what is mounted at a path out of this mount namespace, with all below it.
    pub fn detach(&mut self, path: &Path) -> SysResult<()> {
        let text = format!("umount2({path:?}, MNT_DETACH)");
        self.call(text, (), || rustix::mount::unmount(path, UnmountFlags::DETACH))
    }

    /// Makes an open directory the current one.
    pub fn fchdir(&mut self, directory: &Handle) -> SysResult<()> {
        let text = format!("fchdir({directory})");
        self.call(text, (), || rustix::process::fchdir(directory.fd()))
    }

    /// Makes a directory the current one.
    pub fn chdir(&mut self, path: &str) -> SysResult<()> {
        let text = format!("chdir({path:?})");
        self.call(text, (), || rustix::process::chdir(path))
    }

    /// The current directory. The kernel says "(unreachable)" when it lies outside
    /// the root: a door left open to the host (CVE-2024-21626).
    pub fn verify_cwd_inside(&mut self) -> SysResult<()> {
        self.call("getcwd() begins with \"/\"".into(), (), || {
            let cwd = rustix::process::getcwd(Vec::new()).map_err(RawErrno::raw)?;
            if cwd.to_bytes().starts_with(b"/") { Ok(()) } else { Err(libc::ENOENT) }
        })
    }

    /// pivot_root(2) with the current directory as both the new root and the place
    /// for the old one: the old root ends up stacked on the new.
    pub fn pivot_root_here(&mut self) -> SysResult<()> {
        self.call("pivot_root(\".\", \".\")".into(), (), || rustix::process::pivot_root(".", "."))
    }

    /// Unmounts what is stacked on the current directory, with all below it.
    pub fn detach_here(&mut self) -> SysResult<()> {
        self.call("umount2(\".\", MNT_DETACH)".into(), (), || {
            rustix::mount::unmount(".", UnmountFlags::DETACH)
        })
    }

    // --- identity and rights ---------------------------------------------------

    /// sethostname(2).
    pub fn sethostname(&mut self, name: &str) -> SysResult<()> {
        let text = format!("sethostname({name:?}, {})", name.len());
        self.call(text, (), || nix::unistd::sethostname(OsStr::new(name)))
    }

    /// Brings the loopback interface up: a new network namespace has it, but down.
    pub fn loopback_up(&mut self) -> SysResult<()> {
        let text = "ioctl(socket(AF_INET, SOCK_DGRAM), SIOCSIFFLAGS, {\"lo\", IFF_UP})".into();
        self.call(text, (), raw::loopback_up)
    }

    /// setrlimit(2).
    pub fn setrlimit(
        &mut self,
        name: &str,
        resource: Resource,
        soft: u64,
        hard: u64,
    ) -> SysResult<()> {
        let text = format!("setrlimit(RLIMIT_{name}, {{soft={soft}, hard={hard}}})");
        self.call(text, (), || setrlimit(resource, soft, hard))
    }

    /// setgroups(2), setresgid(2) and setresuid(2), in the only order that works:
    /// after the user is given up, the groups could no longer be.
    pub fn become_user(&mut self, uid: u32, gid: u32, groups: &[u32]) -> SysResult<()> {
        use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};
        let text = format!("setgroups({}, {groups:?})", groups.len());
        let groups: Vec<Gid> = groups.iter().copied().map(Gid::from_raw).collect();
        self.call(text, (), || setgroups(&groups))?;
        let (user, group) = (Uid::from_raw(uid), Gid::from_raw(gid));
        let text = format!("setresgid({gid}, {gid}, {gid})");
        self.call(text, (), || setresgid(group, group, group))?;
        let text = format!("setresuid({uid}, {uid}, {uid})");
        self.call(text, (), || setresuid(user, user, user))
    }

    /// prctl(PR_SET_NO_NEW_PRIVS).
    pub fn set_no_new_privs(&mut self) -> SysResult<()> {
        self.call("prctl(PR_SET_NO_NEW_PRIVS, 1)".into(), (), nix::sys::prctl::set_no_new_privs)
    }

    /// seccomp(2): from here on the kernel runs this filter before every call.
    pub fn install_filter(&mut self, program: &[seccompiler::sock_filter]) -> SysResult<()> {
        let text = format!("seccomp(SECCOMP_SET_MODE_FILTER, 0, {{len={}}})", program.len());
        self.call(text, (), || raw::install_filter(program))
    }

    /// New standard streams for the command.
    pub fn dup_to(&mut self, file: BorrowedFd<'_>, name: &str, target: i32) -> SysResult<()> {
        let text = format!("dup2(<{name}>, {target})");
        self.call(text, (), || raw::dup2(file, target))
    }

    /// A terminal of the container's own devpts, whose program end belongs to `uid`. None
    /// in a preview.
    pub fn allocate_terminal(&mut self, uid: u32) -> SysResult<Option<Pty>> {
        let text = "open(\"/dev/pts/ptmx\", O_RDWR|O_NOCTTY|O_CLOEXEC) + ioctl(TIOCGPTPEER)";
        let pty =
            self.call(text.into(), None, || terminal::allocate(TerminalSize::default()).map(Some))?;
        if let Some(pty) = &pty {
            self.call(format!("fchown(<terminal>, {uid}, -1)"), (), || {
                let owner = Some(nix::unistd::Uid::from_raw(uid));
                nix::unistd::fchown(&pty.slave, owner, None)
            })?;
        }
        Ok(pty)
    }

    /// Makes a terminal the controlling one of this process, in a session of its own.
    pub fn take_control(&mut self, slave: BorrowedFd<'_>) -> SysResult<()> {
        self.call("setsid() + ioctl(<terminal>, TIOCSCTTY, 0)".into(), (), || {
            terminal::take_control(slave)
        })
    }

    /// Opens the container's own /dev/null for reading: the command's input.
    pub fn open_null(&mut self) -> SysResult<Handle> {
        self.handle("open(\"/dev/null\", O_RDWR|O_CLOEXEC)".into(), "/dev/null", || {
            rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
        })
    }

    /// Uses an open handle as one of the standard streams.
    pub fn dup_handle_to(&mut self, file: &Handle, target: i32) -> SysResult<()> {
        let text = format!("dup2({file}, {target})");
        self.call(text, (), || raw::dup2(file.fd(), target))
    }

    /// Closes every descriptor from 3 on but those of `keep`. The exec resolves the program's
    /// path before it closes anything: were a folder of the host open still, a program that is a
    /// symlink to `/proc/self/fd/N/../…` would be a file of the host (CVE-2024-21626).
    pub fn close_all_except(&mut self, keep: &[i32]) -> SysResult<()> {
        self.call("close_range(3, ~0U, 0), but for what reports and the streams".into(), (), || {
            raw::close_all_except(keep);
            Ok::<(), i32>(())
        })
    }

    /// Marks every descriptor but the standard streams to be closed by the exec.
    pub fn close_on_exec_all(&mut self) -> SysResult<()> {
        self.call("close_range(3, ~0U, CLOSE_RANGE_CLOEXEC)".into(), (), || {
            raw::close_range(3, u32::MAX, libc::CLOSE_RANGE_CLOEXEC)
        })
    }
}

fn round(nanos: u128) -> f64 {
    // A tenth of a microsecond is as fine as the clock is honest.
    (nanos as f64 / 100.0).round() / 10.0
}

/// Microseconds since `start`, to a tenth.
pub(crate) fn micros_since(start: Instant) -> f64 {
    round(start.elapsed().as_nanos())
}

fn join_label(root: &str, path: &str) -> String {
    format!("{}/{}", root.trim_end_matches('/'), path.trim_start_matches('/'))
}

/// As strace prints it, which leaves out what nobody would read.
fn execve_text(path: &str, args: &[CString], env_count: usize) -> String {
    const WORDS: usize = 32;
    const BYTES: usize = 256;
    let mut words: Vec<String> =
        args.iter().take(WORDS).map(|arg| shortened(arg.to_bytes(), BYTES)).collect();
    if args.len() > WORDS {
        words.push(format!("… {} more", args.len() - WORDS));
    }
    format!("execve({path:?}, [{}], {env_count} variables)", words.join(", "))
}

/// A word in quotes, and dots if it is longer than so many bytes.
pub(crate) fn shortened(bytes: &[u8], most: usize) -> String {
    let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(most)]);
    let dots = if bytes.len() > most { "…" } else { "" };
    format!("{shown:?}{dots}")
}

fn flag_names(flags: CloneFlags) -> String {
    let names: Vec<&str> = flags.iter_names().map(|(name, _)| name).collect();
    if names.is_empty() { "0".into() } else { names.join("|") }
}

fn attribute_names(attributes: MountAttrFlags) -> String {
    let names: Vec<&str> = attributes.iter_names().map(|(name, _)| name).collect();
    if names.is_empty() { "0".into() } else { names.join("|") }
}

fn clone_flags(recursive: bool) -> (OpenTreeFlags, &'static str) {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    if recursive {
        let names = "OPEN_TREE_CLONE|OPEN_TREE_CLOEXEC|AT_RECURSIVE";
        (flags | OpenTreeFlags::AT_RECURSIVE, names)
    } else {
        (flags, "OPEN_TREE_CLONE|OPEN_TREE_CLOEXEC")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_only_looks_like_a_device_or_procfs_is_found_out() {
        let mut sys = Sys::real(None);
        let file = tempfile::NamedTempFile::new().unwrap();
        let fake = sys.open_to_write(file.path()).unwrap();
        assert_eq!(sys.verify_device(&fake, 1, 3).unwrap_err().errno, libc::ENODEV);
        let procfs = libc::PROC_SUPER_MAGIC as u64;
        assert_eq!(sys.verify_filesystem(&fake, "procfs", procfs).unwrap_err().errno, libc::EPERM);

        let null = sys.open_place(Path::new("/dev/null")).unwrap();
        sys.verify_device(&null, 1, 3).unwrap();
        assert!(sys.verify_device(&null, 1, 5).is_err(), "another device");
        let real = sys.open_place(Path::new("/proc/self/status")).unwrap();
        sys.verify_filesystem(&real, "procfs", procfs).unwrap();
    }

    #[test]
    fn a_call_is_recorded_with_its_errno_and_an_injected_fault_replaces_it() {
        let mut sys = Sys::real(Some(Fault { step: "second".into(), errno: libc::ENOSPC }));
        sys.begin("first");
        let error = sys.chdir("/no/such/folder").unwrap_err();
        assert_eq!(
            (error.call.as_str(), error.errno),
            ("chdir(\"/no/such/folder\")", libc::ENOENT)
        );
        let calls = sys.take_calls();
        assert_eq!(calls[0].errno.as_deref(), Some("ENOENT"));
        sys.begin("second");
        assert_eq!(sys.chdir("/").unwrap_err().errno, libc::ENOSPC);
        sys.chdir("/").unwrap();
        assert_eq!(sys.take_calls().len(), 2);
    }

    #[test]
    fn a_preview_performs_nothing() {
        let mut sys = Sys::preview();
        let folder = tempfile::tempdir().unwrap();
        sys.mkdir(&folder.path().join("x")).unwrap();
        assert!(!folder.path().join("x").exists());
        assert_eq!(sys.take_calls().len(), 1);
    }
}
