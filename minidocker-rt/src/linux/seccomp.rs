//! The seccomp filter: which system calls the kernel will even look at.
//!
//! A container shares its host's kernel, and every system call is a door into it. Few
//! programs need `kexec_load` or `keyctl`, but a bug behind any door is a way out, so
//! the doors that ordinary programs never use are shut. The boundary is still the kernel's
//! own checks (namespaces, capabilities); the filter leaves less of it to attack.
//!
//! - A *filter* is made of programs in classic BPF, a bytecode without loops. One sees a
//!   system call's number, architecture and six argument registers, and returns a
//!   *verdict*: allow, fail with an errno, kill.
//! - It can't follow pointers: the memory behind one could change after the look.
//! - Programs *stack*: the kernel runs them all, newest first; the strictest verdict
//!   wins, and of equally strict ones the newest. None can ever be removed.
//!
//! The profile is Docker's default (moby/profiles, `seccomp/default_linux.go` v0.2.3):
//! what isn't listed fails with EPERM, so a call added to Linux next year is refused
//! until someone has thought about it. `io_uring` is refused by its absence.

use std::collections::{BTreeMap, BTreeSet};

use caps::Capability::{self, *};
use caps::CapsHashSet;
use libc::{BPF_JGE, BPF_JGT, BPF_JMP, BPF_K, BPF_RET, SECCOMP_RET_ALLOW};
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch, sock_filter,
};

/// A compiled profile. Compile once, install in every container: it is plain bytes.
#[derive(Debug, Clone)]
pub(crate) struct Filter {
    programs: Vec<BpfProgram>,
}

/// The profile could not be compiled: a mistake in its tables, or an architecture
/// that seccompiler doesn't know.
#[derive(Debug, thiserror::Error)]
#[error("the seccomp profile does not compile: {0}")]
pub(crate) struct CompileError(#[from] BackendError);

impl Filter {
    /// Compiles Docker's default profile for a payload whose bounding set is
    /// `capabilities`: each capability kept opens the calls that are of use only with it.
    pub(crate) fn docker_default(capabilities: &CapsHashSet) -> Result<Filter, CompileError> {
        let mut allowed = numbers(ALLOWED.iter().copied().flatten());
        for (capability, calls) in BY_CAPABILITY {
            if capabilities.contains(capability) {
                allowed.extend(numbers(*calls));
            }
        }
        let mut rules = rules()?;
        // A call that is allowed whatever its arguments needs no rule about them.
        rules.retain(|&call, _| !allowed.contains(&(call as u32)));

        let mut program = compile(rules, EPERM, SeccompAction::Allow)?;
        splice_allowed(&mut program, &allowed);
        let mut programs = vec![program];

        // clone3 takes its flags in a struct, behind a pointer, so the rule for clone
        // can't be applied to it and it must be refused whole. But libc starts threads
        // with it, and falls back to clone only if it hears ENOSYS ("this kernel is too
        // old"); EPERM would be the end of pthread_create. One program of seccompiler
        // has one errno, so this one is a second, installed last: both refuse, and of
        // two equal verdicts the newest one's errno is used.
        let clone3 = libc::SYS_clone3 as u32;
        if !allowed.contains(&clone3) {
            let only = BTreeMap::from([(i64::from(clone3), vec![])]);
            programs.push(compile(only, SeccompAction::Allow, ENOSYS)?);
        }
        Ok(Filter { programs })
    }

    /// The programs, to be installed in this order with seccomp(2).
    pub(crate) fn programs(&self) -> &[BpfProgram] {
        &self.programs
    }
}

/// What becomes of a call that a helper has given up: it ends the helper.
pub(crate) const KILLS: u32 = libc::SECCOMP_RET_KILL_PROCESS;

/// What becomes of a call that a helper has given up: it fails.
pub(crate) const FAILS: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;

/// A filter for a process of ours that knows what it will ever call. Written out, because a helper
/// must not hold a compiler's memory.
pub(crate) fn only(calls: &[libc::c_long], others: u32) -> Vec<sock_filter> {
    const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    const EQUAL: u16 = (BPF_JMP | libc::BPF_JEQ | BPF_K) as u16;
    const RETURN: u16 = (BPF_RET | BPF_K) as u16;
    // The offsets of number and architecture in struct seccomp_data.
    const NUMBER: u32 = 0;
    const ARCHITECTURE: u32 = 4;
    let step = |code, jt, jf, k| sock_filter { code, jt, jf, k };
    let mut program = vec![
        step(LOAD, 0, 0, ARCHITECTURE),
        step(EQUAL, 1, 0, OWN_ARCHITECTURE),
        step(RETURN, 0, 0, KILLS),
        step(LOAD, 0, 0, NUMBER),
    ];
    for call in calls {
        // Equal: the next, which allows; else the one after it.
        program.push(step(EQUAL, 0, 1, *call as u32));
        program.push(step(RETURN, 0, 0, SECCOMP_RET_ALLOW));
    }
    program.push(step(RETURN, 0, 0, others));
    program
}

/// How the kernel calls this processor's own system calls (AUDIT_ARCH in linux/audit.h).
const OWN_ARCHITECTURE: u32 = if cfg!(target_arch = "x86_64") { 0xc000_003e } else { 0xc000_00b7 };

const EPERM: SeccompAction = SeccompAction::Errno(libc::EPERM as u32);
const ENOSYS: SeccompAction = SeccompAction::Errno(libc::ENOSYS as u32);

/// The calls that are allowed only with some arguments: for each, its rules, of which
/// one must match. (Within a rule, all conditions must.)
fn rules() -> Result<BTreeMap<i64, Vec<SeccompRule>>, BackendError> {
    // Only the register's lower half is compared (Dword), since these calls take 32-bit
    // values and the kernel drops the upper half. To compare all 64 bits would be a
    // hole: 1 << 32 | AF_ALG differs from AF_ALG, and opens the same socket.
    let argument_at = |index, operator, value: u32| {
        SeccompCondition::new(index, SeccompCmpArgLen::Dword, operator, value.into())
    };
    let argument = |operator, value| argument_at(0, operator, value);
    let clone = vec![argument(SeccompCmpOp::MaskedEq(NEW_NAMESPACE.into()), 0)?];
    // AF_ALG is the kernel's crypto code (CVE-2026-31431 let it write into files that the
    // caller could only read); AF_VSOCK reaches the hypervisor, past network namespaces.
    let socket = vec![
        argument(SeccompCmpOp::Ne, libc::AF_ALG as u32)?,
        argument(SeccompCmpOp::Ne, libc::AF_VSOCK as u32)?,
    ];
    // A lease keeps everybody else who opens the file waiting, for 45 seconds each time. Whoever
    // owns a file may take one, and root inside owns the host's programs.
    let fcntl = vec![argument_at(1, SeccompCmpOp::Ne, libc::F_SETLEASE as u32)?];
    let mut personality = Vec::new();
    for allowed in PERSONALITIES {
        personality.push(SeccompRule::new(vec![argument(SeccompCmpOp::Eq, allowed)?])?);
    }
    Ok(BTreeMap::from([
        (libc::SYS_clone, vec![SeccompRule::new(clone)?]),
        (libc::SYS_socket, vec![SeccompRule::new(socket)?]),
        (libc::SYS_personality, personality),
        (libc::SYS_fcntl, vec![SeccompRule::new(fcntl)?]),
    ]))
}

/// The clone flags that make a namespace. A user namespace would give back every
/// capability inside it, and with them the kernel code that the container was kept from.
const NEW_NAMESPACE: u32 = (libc::CLONE_NEWNS
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWCGROUP) as u32;

/// Linux, 32-bit Linux, both again claiming to be version 2.6, and the question "which
/// one am I?". Others (READ_IMPLIES_EXEC, ADDR_NO_RANDOMIZE) switch off protections.
const PERSONALITIES: [u32; 5] = [0x0, 0x8, 0x20000, 0x20008, 0xffff_ffff];

/// Compiles with seccompiler: `matched` for the calls that `rules` match (an empty list
/// matches always), `otherwise` for the rest. Other architectures are killed: under
/// 32-bit numbers, the tables below would name other calls.
fn compile(
    rules: BTreeMap<i64, Vec<SeccompRule>>,
    otherwise: SeccompAction,
    matched: SeccompAction,
) -> Result<BpfProgram, BackendError> {
    let architecture = TargetArch::try_from(std::env::consts::ARCH)?;
    SeccompFilter::new(rules, otherwise, matched, architecture)?.try_into()
}

/// Adds the calls that are allowed whatever their arguments.
///
/// seccompiler would do this too, with five instructions for each call, tried one after
/// another. Installing that took 630 µs here: the kernel translates it to machine code
/// and, since Linux 5.11, evaluates it for every call number, to note in a bitmap which
/// are always allowed and need not run it again. But the numbers come in about thirty runs,
/// and testing for those installs in 75 µs.
fn splice_allowed(program: &mut BpfProgram, allowed: &BTreeSet<u32>) {
    // A program of seccompiler ends with the verdict for the calls that no rule is
    // about, and the accumulator holds the call's number there. The tests go before it.
    let Some(refuse) = program.pop() else { return };
    let operation = |code: u32, k, jt, jf| sock_filter { code: code as u16, jt, jf, k };
    let numbers: Vec<u32> = allowed.iter().copied().collect();
    for run in numbers.chunk_by(|a, b| a + 1 == *b) {
        let (first, last) = (run[0], run[run.len() - 1]);
        program.extend([
            // Above the run: skip 3, to the next run. Within: skip 1. Below: in no run at all.
            operation(BPF_JMP | BPF_JGT | BPF_K, last, 3, 0),
            operation(BPF_JMP | BPF_JGE | BPF_K, first, 1, 0),
            refuse.clone(),
            operation(BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0),
        ]);
    }
    program.push(refuse);
}

/// A system call's name, and its number on this architecture.
type Call = (&'static str, u32);

/// A table of calls: `SYS_read`, a constant of libc's, becomes `("read", 0)`; where not
/// every libc has a constant yet, `cachestat=451` becomes `("cachestat", 451)`.
macro_rules! calls {
    ($($call:ident)*) => { &[$((stringify!($call).split_at(4).1, libc::$call as u32)),*] };
    ($($name:ident = $number:literal)*) => { &[$((stringify!($name), $number)),*] };
}

/// The numbers of some calls.
fn numbers(calls: impl IntoIterator<Item = &'static Call>) -> BTreeSet<u32> {
    calls.into_iter().map(|&(_, number)| number).collect()
}

/// What every container may call, with any arguments.
const ALLOWED: &[&[Call]] = &[
    // Reading and writing through descriptors.
    calls![
        SYS_read SYS_write SYS_readv SYS_writev SYS_pread64 SYS_pwrite64 SYS_preadv SYS_pwritev
        SYS_preadv2 SYS_pwritev2 SYS_lseek SYS_close SYS_close_range SYS_dup SYS_dup3
        SYS_ioctl SYS_flock SYS_pipe2 SYS_sendfile SYS_splice SYS_tee SYS_vmsplice
        SYS_copy_file_range SYS_readahead SYS_fadvise64 SYS_fallocate SYS_ftruncate SYS_fsync
        SYS_fdatasync SYS_sync SYS_syncfs SYS_memfd_create SYS_memfd_secret
    ],
    // Names in the file system.
    calls![
        SYS_openat SYS_openat2 SYS_mkdirat SYS_mknodat SYS_linkat SYS_symlinkat SYS_unlinkat
        SYS_renameat2 SYS_readlinkat SYS_getdents64 SYS_chdir SYS_fchdir SYS_getcwd SYS_umask
        SYS_name_to_handle_at SYS_inotify_init1 SYS_inotify_add_watch SYS_inotify_rm_watch
        SYS_fanotify_mark
    ],
    // What a file says of itself: owner, mode, times, size, extended attributes.
    calls![
        SYS_fstat SYS_newfstatat SYS_statx SYS_statfs SYS_fstatfs SYS_faccessat SYS_faccessat2
        SYS_fchmod SYS_fchmodat SYS_fchown SYS_fchownat SYS_utimensat SYS_truncate SYS_getxattr
        SYS_lgetxattr SYS_fgetxattr SYS_setxattr SYS_lsetxattr SYS_fsetxattr SYS_listxattr
        SYS_llistxattr SYS_flistxattr SYS_removexattr SYS_lremovexattr SYS_fremovexattr
    ],
    // Waiting for events, and asynchronous I/O of the old kind.
    calls![
        SYS_ppoll SYS_pselect6 SYS_epoll_create1 SYS_epoll_ctl SYS_epoll_pwait SYS_epoll_pwait2
        SYS_eventfd2 SYS_signalfd4 SYS_io_setup SYS_io_submit SYS_io_getevents SYS_io_cancel
        SYS_io_destroy
    ],
    // Memory.
    calls![
        SYS_brk SYS_mmap SYS_munmap SYS_mremap SYS_mprotect SYS_madvise SYS_mincore SYS_msync
        SYS_mlock SYS_mlock2 SYS_mlockall SYS_munlock SYS_munlockall SYS_remap_file_pages SYS_mseal
        SYS_pkey_alloc SYS_pkey_free SYS_pkey_mprotect SYS_membarrier SYS_process_mrelease
    ],
    // Processes, threads and signals. For clone and clone3 see above.
    calls![
        SYS_execve SYS_execveat SYS_exit SYS_exit_group SYS_wait4 SYS_waitid SYS_getpid SYS_getppid
        SYS_gettid SYS_getpgid SYS_setpgid SYS_getsid SYS_setsid SYS_set_tid_address SYS_prctl
        SYS_set_robust_list SYS_get_robust_list SYS_rseq SYS_futex SYS_futex_waitv SYS_pidfd_open
        SYS_pidfd_send_signal SYS_restart_syscall SYS_kill SYS_tkill SYS_tgkill SYS_rt_sigaction
        SYS_rt_sigpending SYS_rt_sigprocmask SYS_rt_sigqueueinfo SYS_rt_sigreturn SYS_rt_sigsuspend
        SYS_rt_sigtimedwait SYS_rt_tgsigqueueinfo SYS_sigaltstack
    ],
    // Debugging: without CAP_SYS_PTRACE it reaches only processes of the same user. Docker
    // asks for Linux 4.8, before which a tracer could get round the filter; we need 5.x.
    calls![SYS_ptrace SYS_process_vm_readv SYS_process_vm_writev],
    // Who the process is, and what it may do. The last four only ever take rights away.
    calls![
        SYS_getuid SYS_geteuid SYS_getgid SYS_getegid SYS_getresuid SYS_getresgid SYS_getgroups
        SYS_setuid SYS_setgid SYS_setreuid SYS_setregid SYS_setresuid SYS_setresgid SYS_setfsuid
        SYS_setfsgid SYS_setgroups SYS_capget SYS_capset SYS_seccomp SYS_landlock_create_ruleset
        SYS_landlock_add_rule SYS_landlock_restrict_self
    ],
    // Scheduling, limits, and facts about the machine.
    calls![
        SYS_sched_yield SYS_sched_getaffinity SYS_sched_setaffinity SYS_sched_getattr
        SYS_sched_setattr SYS_sched_getparam SYS_sched_setparam SYS_sched_getscheduler
        SYS_sched_setscheduler SYS_sched_get_priority_max SYS_sched_get_priority_min
        SYS_sched_rr_get_interval SYS_getpriority SYS_setpriority SYS_ioprio_get SYS_ioprio_set
        SYS_prlimit64 SYS_getrusage SYS_times SYS_getcpu SYS_sysinfo SYS_uname SYS_getrandom
    ],
    // Clocks and timers. adjtimex also reads; to set with it takes CAP_SYS_TIME.
    calls![
        SYS_clock_gettime SYS_clock_getres SYS_clock_nanosleep SYS_clock_adjtime SYS_adjtimex
        SYS_gettimeofday SYS_nanosleep SYS_getitimer SYS_setitimer SYS_timer_create SYS_timer_delete
        SYS_timer_getoverrun SYS_timer_gettime SYS_timer_settime SYS_timerfd_create
        SYS_timerfd_gettime SYS_timerfd_settime
    ],
    // Sockets, once opened. For socket see above.
    calls![
        SYS_socketpair SYS_bind SYS_listen SYS_accept SYS_accept4 SYS_connect SYS_shutdown
        SYS_getsockname SYS_getpeername SYS_getsockopt SYS_setsockopt SYS_sendto SYS_sendmsg
        SYS_sendmmsg SYS_recvfrom SYS_recvmsg SYS_recvmmsg
    ],
    // Message queues, semaphores, shared memory: the container's IPC namespace has its own.
    calls![
        SYS_msgctl SYS_msgget SYS_msgrcv SYS_msgsnd SYS_semctl SYS_semget SYS_semop SYS_semtimedop
        SYS_shmat SYS_shmctl SYS_shmdt SYS_shmget SYS_mq_open SYS_mq_unlink SYS_mq_timedsend
        SYS_mq_timedreceive SYS_mq_notify SYS_mq_getsetattr
    ],
    // Calls of Linux 6.5 and later: new numbers have been the same everywhere since 2019.
    calls![
        cachestat=451 fchmodat2=452 map_shadow_stack=453 futex_wake=454 futex_wait=455
        futex_requeue=456 statmount=457 listmount=458 setxattrat=463 getxattrat=464 listxattrat=465
        removexattrat=466
    ],
    // What x86-64 has kept from its early days (`open` is `openat` with AT_FDCWD; younger
    // architectures never had it), and calls about its segment registers.
    #[cfg(target_arch = "x86_64")]
    calls![
        SYS_open SYS_creat SYS_access SYS_stat SYS_lstat SYS_chmod SYS_chown SYS_lchown SYS_link
        SYS_symlink SYS_readlink SYS_unlink SYS_rename SYS_renameat SYS_mkdir SYS_mknod SYS_rmdir
        SYS_utime SYS_utimes SYS_futimesat SYS_getdents SYS_sync_file_range SYS_dup2 SYS_pipe
        SYS_poll SYS_select SYS_epoll_create SYS_epoll_wait SYS_epoll_ctl_old SYS_epoll_wait_old
        SYS_eventfd SYS_signalfd SYS_inotify_init SYS_fork SYS_vfork SYS_getpgrp SYS_pause SYS_alarm
        SYS_time SYS_getrlimit SYS_setrlimit SYS_arch_prctl SYS_modify_ldt SYS_get_thread_area
        SYS_set_thread_area
    ],
    #[cfg(target_arch = "x86_64")]
    calls![io_pgetevents=333 uretprobe=335],
    #[cfg(target_arch = "aarch64")]
    calls![renameat=38 sync_file_range=84 getrlimit=163 setrlimit=164 io_pgetevents=292],
];

/// What a capability opens. Nearly all of these the kernel refuses without it anyway, so
/// to a payload that lacks it they'd only be attack surface.
const BY_CAPABILITY: &[(Capability, &[Call])] = &[
    (
        CAP_SYS_ADMIN,
        calls![
            SYS_bpf SYS_clone SYS_clone3 SYS_fanotify_init SYS_fsconfig SYS_fsmount SYS_fsopen
            SYS_fspick SYS_lookup_dcookie SYS_mount SYS_mount_setattr SYS_move_mount SYS_open_tree
            SYS_perf_event_open SYS_quotactl SYS_quotactl_fd SYS_setdomainname SYS_sethostname
            SYS_setns SYS_syslog SYS_umount2 SYS_unshare
        ],
    ),
    (CAP_SYS_ADMIN, calls![lsm_get_self_attr=459 lsm_set_self_attr=460 lsm_list_modules=461]),
    (CAP_BPF, calls![SYS_bpf]),
    (CAP_PERFMON, calls![SYS_perf_event_open]),
    (CAP_DAC_READ_SEARCH, calls![SYS_open_by_handle_at]),
    (CAP_SYS_BOOT, calls![SYS_reboot]),
    (CAP_SYS_CHROOT, calls![SYS_chroot]),
    (CAP_SYS_MODULE, calls![SYS_init_module SYS_finit_module SYS_delete_module]),
    (
        CAP_SYS_NICE,
        calls![SYS_get_mempolicy SYS_set_mempolicy SYS_set_mempolicy_home_node SYS_mbind],
    ),
    (CAP_SYS_PACCT, calls![SYS_acct]),
    (CAP_SYS_PTRACE, calls![SYS_kcmp SYS_pidfd_getfd SYS_process_madvise]),
    #[cfg(target_arch = "x86_64")]
    (CAP_SYS_RAWIO, calls![SYS_iopl SYS_ioperm]),
    (CAP_SYS_TIME, calls![SYS_settimeofday SYS_clock_settime]),
    (CAP_SYS_TTY_CONFIG, calls![SYS_vhangup]),
    (CAP_SYSLOG, calls![SYS_syslog]),
];

#[cfg(test)]
mod tests {
    use libc::*;

    use super::{sock_filter, *};

    #[cfg(target_arch = "x86_64")]
    const NATIVE: u32 = 0xc000_003e;
    #[cfg(target_arch = "aarch64")]
    const NATIVE: u32 = 0xc000_00b7;
    const I386: u32 = 0x4000_0003;

    const ALLOW: u32 = SECCOMP_RET_ALLOW;
    const EPERM: u32 = SECCOMP_RET_ERRNO | libc::EPERM as u32;
    const ENOSYS: u32 = SECCOMP_RET_ERRNO | libc::ENOSYS as u32;

    fn filter(capabilities: &[Capability]) -> Filter {
        Filter::docker_default(&capabilities.iter().copied().collect()).unwrap()
    }

    /// Runs one program as the kernel would, over a `struct seccomp_data` as words.
    fn run(program: &BpfProgram, data: &[u32; 16]) -> u32 {
        let (mut accumulator, mut at) = (0, 0);
        loop {
            let sock_filter { code, jt, jf, k } = program[at];
            let branch = |taken: bool| usize::from(if taken { jt } else { jf });
            at += 1;
            match code {
                0x20 => accumulator = data[k as usize / 4],
                0x54 => accumulator &= k,
                0x05 => at += k as usize,
                0x15 => at += branch(accumulator == k),
                0x25 => at += branch(accumulator > k),
                0x35 => at += branch(accumulator >= k),
                0x06 => return k,
                _ => panic!("instruction {code:#x} is not one that we or seccompiler emit"),
            }
        }
    }

    /// The kernel's verdict on a call: the newest program first, the strictest wins.
    fn verdict(filter: &Filter, arch: u32, call: i64, argument: u64) -> u32 {
        let mut data = [0; 16];
        (data[0], data[1]) = (call as u32, arch);
        (data[4], data[5]) = (argument as u32, (argument >> 32) as u32);
        let verdicts = filter.programs().iter().rev().map(|program| run(program, &data));
        verdicts.min_by_key(|verdict| (verdict & SECCOMP_RET_ACTION_FULL) as i32).unwrap()
    }

    fn assert_all(filter: &Filter, expected: u32, calls: &[Call]) {
        for &(name, number) in calls {
            assert_eq!(verdict(filter, NATIVE, number.into(), 0), expected, "{name}");
        }
    }

    #[test]
    fn ordinary_calls_are_allowed() {
        let calls = calls![
            SYS_read SYS_write SYS_openat SYS_mmap SYS_execve SYS_futex SYS_epoll_ctl SYS_connect
            SYS_kill SYS_ptrace SYS_process_vm_readv SYS_seccomp SYS_setuid SYS_clock_gettime
        ];
        assert_all(&filter(&[]), ALLOW, calls);
    }

    #[test]
    fn calls_into_the_machine_are_refused() {
        let calls = calls![
            SYS_mount SYS_umount2 SYS_pivot_root SYS_unshare SYS_setns SYS_chroot SYS_fsopen
            SYS_open_by_handle_at SYS_add_key SYS_keyctl SYS_request_key SYS_bpf SYS_kexec_load
            SYS_init_module SYS_finit_module SYS_reboot SYS_swapon SYS_perf_event_open
            SYS_userfaultfd SYS_io_uring_setup SYS_io_uring_enter SYS_io_uring_register SYS_syslog
            SYS_clock_settime SYS_acct SYS_move_pages SYS_kcmp SYS_pidfd_getfd
        ];
        assert_all(&filter(&[]), EPERM, calls);
    }

    #[test]
    fn a_call_unknown_to_the_tables_is_refused() {
        let filter = filter(&[]);
        let mut listed = numbers(ALLOWED.iter().copied().flatten());
        assert_eq!(listed.len(), ALLOWED.iter().copied().flatten().count(), "listed twice");
        // All zeros is a harmless clone, socket(AF_UNSPEC), fcntl(F_DUPFD), the plain personality.
        listed.extend([SYS_clone, SYS_socket, SYS_fcntl, SYS_personality].map(|call| call as u32));
        for call in (0..2048).filter(|&call| i64::from(call) != SYS_clone3) {
            let expected = if listed.contains(&call) { ALLOW } else { EPERM };
            assert_eq!(verdict(&filter, NATIVE, call.into(), 0), expected, "call {call}");
        }
    }

    #[test]
    fn a_capability_opens_its_own_calls_and_no_others() {
        let bare = filter(&[]);
        assert_all(&filter(&[CAP_SYS_ADMIN]), ALLOW, calls![SYS_mount SYS_unshare SYS_setns]);
        assert_all(&filter(&[CAP_SYS_ADMIN]), EPERM, calls![SYS_chroot SYS_reboot SYS_keyctl]);
        assert_all(&filter(&[CAP_SYS_CHROOT]), ALLOW, calls![SYS_chroot]);
        for capability in caps::all() {
            let with = filter(&[capability]);
            let own = BY_CAPABILITY.iter().filter(|(of, _)| *of == capability);
            let own = numbers(own.flat_map(|(_, calls)| *calls));
            for call in 0..2048 {
                let before = verdict(&bare, NATIVE, call.into(), 0);
                let expected = if own.contains(&call) { ALLOW } else { before };
                let after = verdict(&with, NATIVE, call.into(), 0);
                assert_eq!(after, expected, "call {call} with {capability}");
            }
        }
    }

    #[test]
    fn threads_and_forks_are_allowed_but_no_new_namespaces() {
        // What glibc passes: CLONE_VM, FS, FILES, SIGHAND, THREAD, SYSVSEM, SETTLS, the tids.
        let pthread_create = 0x3d_0f00;
        let clone = |filter: &Filter, flags| verdict(filter, NATIVE, SYS_clone, flags as u64);
        let (bare, admin) = (filter(&[]), filter(&[CAP_SYS_ADMIN]));
        assert_eq!(clone(&bare, pthread_create), ALLOW);
        assert_eq!(clone(&bare, SIGCHLD), ALLOW);
        for flag in [CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWCGROUP] {
            assert_eq!(clone(&bare, flag | SIGCHLD), EPERM);
            assert_eq!(clone(&admin, flag | SIGCHLD), ALLOW);
        }
    }

    #[test]
    fn clone3_looks_unimplemented_so_that_libc_falls_back_to_clone() {
        let admin = filter(&[CAP_SYS_ADMIN]);
        assert_eq!(verdict(&filter(&[]), NATIVE, SYS_clone3, 0), ENOSYS);
        assert_eq!(verdict(&admin, NATIVE, SYS_clone3, 0), ALLOW);
    }

    #[test]
    fn sockets_of_refused_families_are_refused_whatever_the_upper_register_half() {
        let filter = filter(&[]);
        let socket = |family: i32, upper: u64| {
            verdict(&filter, NATIVE, SYS_socket, upper << 32 | family as u64)
        };
        for upper in [0, 1, 0xffff_ffff] {
            for family in [AF_UNIX, AF_INET, AF_INET6, AF_NETLINK, AF_PACKET, 39, 41] {
                assert_eq!(socket(family, upper), ALLOW, "family {family}");
            }
            assert_eq!(socket(AF_ALG, upper), EPERM);
            assert_eq!(socket(AF_VSOCK, upper), EPERM);
        }
    }

    #[test]
    fn a_personality_that_weakens_the_process_is_refused() {
        let personality = |persona| verdict(&filter(&[]), NATIVE, SYS_personality, persona);
        assert!(PERSONALITIES.iter().all(|&persona| personality(persona.into()) == ALLOW));
        assert_eq!(personality(0x0400000), EPERM); // READ_IMPLIES_EXEC
        assert_eq!(personality(0x0040000), EPERM); // ADDR_NO_RANDOMIZE
    }

    #[test]
    fn another_architectures_numbers_are_never_read_as_ours() {
        for capabilities in [CapsHashSet::new(), caps::all()] {
            let filter = Filter::docker_default(&capabilities).unwrap();
            // 32-bit x86's 11 is execve; x86-64's is munmap.
            assert_eq!(verdict(&filter, I386, 11, 0), SECCOMP_RET_KILL_PROCESS);
            // x32: x86-64's registers, and this bit in the number.
            assert_eq!(verdict(&filter, NATIVE, SYS_read | 0x4000_0000, 0), EPERM);
        }
    }

    #[test]
    fn a_helpers_filter_allows_what_it_names_and_nothing_else() {
        let filter = Filter { programs: vec![only(&[SYS_write, SYS_kill], KILLS)] };
        for call in (0..2048).chain([SYS_write | 0x4000_0000]) {
            let named = [SYS_write, SYS_kill].contains(&call);
            let expected = if named { ALLOW } else { SECCOMP_RET_KILL_PROCESS };
            assert_eq!(verdict(&filter, NATIVE, call, 0), expected, "call {call}");
            assert_eq!(verdict(&filter, I386, call, 0), SECCOMP_RET_KILL_PROCESS);
        }
    }

    /// Docker's list says exactly this many; one more or less is a decision.
    #[cfg(target_arch = "x86_64")]
    #[test]
    fn a_default_container_has_as_many_calls_as_was_decided() {
        let filter =
            Filter::docker_default(&crate::linux::privileges::kept_capabilities()).unwrap();
        let allowed = (0..2048).filter(|call| verdict(&filter, NATIVE, *call, 0) == ALLOW).count();
        assert_eq!(allowed, 309);
    }

    #[test]
    fn the_filter_stays_small_enough_to_install_fast() {
        for capabilities in [CapsHashSet::new(), caps::all()] {
            let filter = Filter::docker_default(&capabilities).unwrap();
            assert!(filter.programs().iter().map(Vec::len).sum::<usize>() < 220);
        }
    }
}
