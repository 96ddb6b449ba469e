//! The system calls that neither nix nor rustix offers, or not in the way we need them:
//! unsafe code, fenced in small functions.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::errno::Errno;
use nix::libc;
use nix::sched::CloneFlags;
use seccompiler::sock_filter;

/// clone3(2) as fork does it, with new namespaces and, in version 2, into a cgroup. Returns
/// the child's pid, or 0 in the child.
///
/// # Safety
/// The caller must have a single thread, and `flags` must not share memory or
/// descriptors with the child.
pub(crate) unsafe fn clone3(flags: CloneFlags, cgroup: Option<BorrowedFd<'_>>) -> Result<i32, i32> {
    const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
    // SAFETY: clone_args is plain data, for which all zeroes is "nothing asked for".
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = flags.bits() as u64;
    args.exit_signal = libc::SIGCHLD as u64;
    if let Some(cgroup) = cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = cgroup.as_raw_fd() as u64;
    }
    // SAFETY: with neither CLONE_VM nor a stack given, the child goes on with a copy
    // of this stack, as after fork(2); the caller vouches for the single thread.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of_val(&args)) };
    if pid < 0 { Err(last_errno()) } else { Ok(pid as i32) }
}

/// Makes a system call with arguments that make no sense to any, to learn whether the kernel
/// knows it. Returns the errno, 0 if there was none.
pub(crate) fn probe(number: libc::c_long) -> Errno {
    const NONE: libc::c_long = -1;
    // SAFETY: each argument is all ones: as a descriptor or pid there is none, as a set of
    // flags or a size none that is allowed, and as an address none that is mapped. The kernel
    // finds fault with it before it does anything.
    let result = unsafe { libc::syscall(number, NONE, NONE, NONE, NONE, NONE, NONE) };
    if result < 0 { Errno::last() } else { Errno::from_raw(0) }
}

/// Neither nix nor rustix has mount_setattr(2) yet.
pub(crate) fn mount_setattr(
    mount: BorrowedFd<'_>,
    attr_set: u64,
    recursive: bool,
) -> Result<(), i32> {
    let attributes = libc::mount_attr { attr_set, attr_clr: 0, propagation: 0, userns_fd: 0 };
    let flags = libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: the path is a NUL-terminated constant, and the structure is as large
    // as the size that is passed along with it.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw const attributes,
            size_of_val(&attributes),
        )
    };
    if result == 0 { Ok(()) } else { Err(last_errno()) }
}

/// Sets the flags of the loopback interface to "up" (`man 7 netdevice`).
pub(crate) fn loopback_up() -> Result<(), i32> {
    // SAFETY: socket(2) takes no pointers; the result is checked before it is owned.
    let socket = unsafe {
        let fd = libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0);
        if fd < 0 {
            return Err(last_errno());
        }
        OwnedFd::from_raw_fd(fd)
    };
    // SAFETY: ifreq is plain data, for which all zeroes is valid.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = *from as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: SIOCSIFFLAGS reads one ifreq, which `request` is.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) };
    if result == 0 { Ok(()) } else { Err(last_errno()) }
}

/// seccomp(2) with a filter.
pub(crate) fn install_filter(program: &[sock_filter]) -> Result<(), i32> {
    let program = libc::sock_fprog {
        len: program.len().try_into().map_err(|_| libc::EINVAL)?,
        // seccompiler's sock_filter is the kernel's, field by field (repr(C)).
        filter: program.as_ptr().cast_mut().cast(),
    };
    // SAFETY: `program` points to `len` instructions that live until the call is
    // over; the kernel copies them and changes nothing.
    let result = unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program)
    };
    if result == 0 { Ok(()) } else { Err(last_errno()) }
}

/// dup2(2) onto a standard stream.
pub(crate) fn dup2(file: BorrowedFd<'_>, target: i32) -> Result<(), i32> {
    // SAFETY: `target` is one of the standard streams, which nothing in this process
    // owns as an object; replacing it is the purpose.
    let result = unsafe { libc::dup2(file.as_raw_fd(), target) };
    if result < 0 { Err(last_errno()) } else { Ok(()) }
}

/// close_range(2) over `first..=last`.
pub(crate) fn close_range(first: u32, last: u32, flags: u32) -> Result<(), i32> {
    // SAFETY: callers are helper processes that keep no object for these descriptors.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, last, flags) };
    if result == 0 { Ok(()) } else { Err(last_errno()) }
}

/// Closes every descriptor from 3 on that is not in `keep`.
pub(crate) fn close_all_except(keep: &[i32]) {
    let mut keep: Vec<u32> = keep.iter().filter_map(|&fd| u32::try_from(fd).ok()).collect();
    keep.sort_unstable();
    let mut first = 3;
    for fd in keep {
        if fd > first {
            let _ = close_range(first, fd - 1, 0);
        }
        first = first.max(fd + 1);
    }
    let _ = close_range(first, u32::MAX, 0);
}

/// The errno of the last failed call of this thread.
pub(crate) fn last_errno() -> i32 {
    Errno::last_raw()
}

/// A set of signals as the kernel takes it: bit N-1 is signal N. The C library's own sets leave
/// out 32 and 33, which it uses itself, and nix has no names beyond 31.
static ALL_SIGNALS: u64 = u64::MAX;

/// The highest signal number of Linux.
pub(crate) const LAST_SIGNAL: i32 = 64;

/// rt_sigprocmask(2): what is blocked from here on is exactly this set.
fn set_signal_mask(mask: u64) -> Result<(), i32> {
    let nothing = std::ptr::null_mut::<u64>();
    // SAFETY: the kernel reads one 64-bit set, whose size goes along.
    let result = unsafe {
        libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, &raw const mask, nothing, 8)
    };
    if result == 0 { Ok(()) } else { Err(last_errno()) }
}

/// Blocks every signal that can be blocked: until somebody asks for them, none acts on this
/// process. Not even one that is ignored is lost.
pub(crate) fn block_signals() -> Result<(), i32> {
    set_signal_mask(ALL_SIGNALS)
}

/// Gives every signal its default action and blocks none, as a program expects it.
pub(crate) fn default_signals() {
    // The kernel's struct sigaction with SIG_DFL, no flags, no restorer, an empty mask.
    let default = [0_u64; 4];
    for signal in 1..=LAST_SIGNAL {
        // SAFETY: the kernel reads at most these 32 bytes; the default installs no handler.
        // For SIGKILL and SIGSTOP it refuses, and they have no other action.
        unsafe {
            let nothing = std::ptr::null_mut::<u64>();
            libc::syscall(libc::SYS_rt_sigaction, signal, &raw const default, nothing, 8);
        }
    }
    let _ = set_signal_mask(0);
}

/// Waits for any blocked signal and returns its number.
pub(crate) fn wait_for_signal() -> Result<i32, i32> {
    let (info, forever) = (std::ptr::null_mut::<u8>(), std::ptr::null::<u8>());
    // SAFETY: the kernel reads one 64-bit set, whose size goes along; the other two pointers
    // may be null.
    let number = unsafe {
        libc::syscall(libc::SYS_rt_sigtimedwait, &raw const ALL_SIGNALS, info, forever, 8)
    };
    if number > 0 { Ok(number as i32) } else { Err(last_errno()) }
}

/// A signalfd(2) that hears all signals but `except`.
pub(crate) fn signalfd_without(except: &[i32]) -> Result<OwnedFd, i32> {
    let mask = except.iter().fold(ALL_SIGNALS, |mask, signal| mask & !(1 << (signal - 1)));
    let flags = libc::SFD_CLOEXEC | libc::SFD_NONBLOCK;
    // SAFETY: the kernel reads one 64-bit set, whose size goes along; the descriptor is new.
    unsafe {
        let fd = libc::syscall(libc::SYS_signalfd4, -1, &raw const mask, 8, flags);
        if fd < 0 { Err(last_errno()) } else { Ok(OwnedFd::from_raw_fd(fd as i32)) }
    }
}

/// The next signal that a signalfd has heard, if there is one.
pub(crate) fn next_signal(signals: &OwnedFd) -> Option<i32> {
    let mut info = [0; size_of::<libc::signalfd_siginfo>()];
    match nix::unistd::read(signals, &mut info) {
        // Its first field is the number (`man 2 signalfd`).
        Ok(length) if length == info.len() => {
            i32::try_from(u32::from_ne_bytes([info[0], info[1], info[2], info[3]])).ok()
        }
        _ => None,
    }
}

/// kill(2), for any number.
pub(crate) fn kill(pid: i32, signal: i32) {
    // SAFETY: kill(2) takes two numbers.
    unsafe {
        libc::kill(pid, signal);
    }
}

/// pidfd_send_signal(2), for any number.
pub(crate) fn pidfd_send_signal(pidfd: BorrowedFd<'_>, signal: i32) -> Result<(), i32> {
    let info = std::ptr::null::<u8>();
    // SAFETY: without details of its own, the kernel fills them in.
    let result =
        unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signal, info, 0) };
    if result == 0 { Ok(()) } else { Err(last_errno()) }
}

/// Waits for a child and returns its status as the kernel encodes it, to be passed on as it
/// is. A child that does not exist has status -1.
pub(crate) fn reap_raw(child: i32) -> i32 {
    loop {
        let mut status = -1;
        // SAFETY: waitpid writes one int.
        let pid = unsafe { libc::waitpid(child, &raw mut status, 0) };
        if pid == child || Errno::last() != Errno::EINTR {
            return status;
        }
    }
}

/// The name a process shows in `ps`, at most 15 bytes.
pub(crate) fn set_process_name(name: &CStr) {
    let _ = nix::sys::prctl::set_name(name);
}

/// Overwrites the variables that this process was started with, and has the kernel show none
/// (/proc/PID/environ), to whoever may look.
pub(crate) fn forget_environment() {
    unsafe extern "C" {
        static mut environ: *mut *mut libc::c_char;
    }
    // Where the kernel has put them (`man 5 proc_pid_stat`): the C library may have moved some.
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split(' ').collect();
    // The name is field 2; what follows its parenthesis and a space is field 3.
    let field = |number: usize| fields.get(number - 2)?.parse::<usize>().ok();
    let (Some(start), Some(end)) = (field(50), field(51)) else { return };
    // SAFETY: the caller has one thread. The range is the process's own, writable, and holds the
    // strings alone; the list that leads to them is emptied, so that nobody looks there again.
    unsafe {
        if !environ.is_null() {
            *environ = std::ptr::null_mut();
        }
        std::ptr::write_bytes(start as *mut u8, 0, end.saturating_sub(start));
        // The end of the kernel's view is its beginning. Without the right to say so
        // (CAP_SYS_RESOURCE) it goes on to show zeros.
        libc::prctl(libc::PR_SET_MM, libc::PR_SET_MM_ENV_END, start, 0, 0);
    }
}

/// Keeps nothing but CAP_KILL, in no set that an exec could give more from.
pub(crate) fn keep_only_kill() -> Result<(), i32> {
    const CAP_KILL: u32 = 5;
    /// The kernel's struct __user_cap_header_struct and __user_cap_data_struct, version 3.
    #[repr(C)]
    struct Header {
        version: u32,
        pid: i32,
    }
    #[repr(C)]
    #[derive(Clone, Copy)]
    struct Data {
        effective: u32,
        permitted: u32,
        inheritable: u32,
    }
    // SAFETY: these calls of prctl(2) take numbers. The first that does not exist ends the loop.
    unsafe {
        (0..64).take_while(|cap| libc::prctl(libc::PR_CAPBSET_DROP, *cap, 0, 0, 0) == 0).count();
        libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    }
    let header = Header { version: 0x2008_0522, pid: 0 };
    let kill = 1 << CAP_KILL;
    let low = Data { effective: kill, permitted: kill, inheritable: 0 };
    let data = [low, Data { effective: 0, permitted: 0, inheritable: 0 }];
    // SAFETY: the kernel reads a header and, in version 3, two data structures.
    let result = unsafe { libc::syscall(libc::SYS_capset, &raw const header, data.as_ptr()) };
    if result == 0 { Ok(()) } else { Err(last_errno()) }
}

/// Gives freed memory back to the kernel. What a helper needs to build a container is much
/// more than what it needs for the rest of the container's life.
pub(crate) fn release_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim(3) only touches memory that the allocator has free.
    unsafe {
        libc::malloc_trim(0);
    }
}
