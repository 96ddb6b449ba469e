//! Init, PID 1 of the container, and the command that it forks.
//!
//! Init performs the inner steps of the plan, forks the command, and from then on
//! does what only PID 1 can: it reaps every orphan of the container and passes
//! signals on. For that it needs a handful of system calls and one capability, and gives up the
//! rest: who finds a hole in it has found a process that can do nothing. When the command ends it says how and ends too, and the kernel ends
//! everything else in the PID namespace with it.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::Signal;
use nix::unistd::write;

use super::channel::{self, Report};
use super::context::{Context, Executable, Flow};
use super::process;
use super::raw::{
    close_all_except, default_signals, install_filter, keep_only_kill, kill, release_memory,
    set_process_name, wait_for_signal,
};
use super::seccomp;
use super::steps::Step;
use crate::error::StepFailure;
use crate::plan::{Actor, Outcome};

/// What the supervisor hands to the process it has cloned.
pub(crate) struct Inside<'a, 'b> {
    pub context: &'a mut Context<'b>,
    pub steps: &'a [Step],
    /// Whether this process stays as init, or becomes the command itself.
    pub with_init: bool,
    /// Where the steps are reported to.
    pub reports: OwnedFd,
    /// Where init tells how the command ended.
    pub exit_report: OwnedFd,
    /// The supervisor's pidfd.
    pub supervisor: OwnedFd,
    /// Ends when the supervisor has done its own steps for the new namespaces, if it has any.
    pub go: Option<OwnedFd>,
}

/// Never returns, and never unwinds into the frames it shares with the supervisor.
pub(crate) fn run(inside: Inside<'_, '_>) -> ! {
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| build(inside)));
    exit(result.unwrap_or(101))
}

/// Ends this process at once: no destructors, which belong to the supervisor.
pub(crate) fn exit(code: i32) -> ! {
    // SAFETY: _exit(2) takes a number and does not return.
    unsafe { libc::_exit(code) }
}

fn build(inside: Inside<'_, '_>) -> i32 {
    let Inside { context, steps, with_init, reports, exit_report, supervisor, go } = inside;
    // As long as a name can be; `ps` inside shows it, with or without the arguments.
    set_process_name(c"minidocker-init");
    // Nothing of the host, from the first moment on.
    let _ = std::env::set_current_dir("/");
    let mut keep = context.descriptors();
    keep.extend([reports.as_raw_fd(), exit_report.as_raw_fd(), supervisor.as_raw_fd()]);
    keep.extend(go.as_ref().map(AsRawFd::as_raw_fd));
    close_all_except(&keep);
    if !bind_to(&supervisor) {
        return 1;
    }
    if let Some(go) = go {
        // Killed if the supervisor ends or fails.
        let _ = nix::unistd::read(&go, &mut [0]);
    }
    let flow = match context.run_steps(steps, Actor::Init) {
        Ok(flow) => flow,
        Err(failure) => return fail(context, &reports, failure),
    };
    match flow {
        Flow::Forked(0) => {
            drop(exit_report);
            become_command(context, steps, &reports, &supervisor)
        }
        Flow::Forked(command) => {
            report_steps(context, &reports);
            // The command's copy is the last one now: its exec will end the reports.
            drop((reports, supervisor));
            context.close_streams();
            context.traced = Vec::new();
            release_memory();
            look_after(command, &exit_report)
        }
        Flow::Next if !with_init => {
            report_steps(context, &reports);
            context.traced.clear();
            drop(exit_report);
            become_command(context, steps, &reports, &supervisor)
        }
        Flow::Next | Flow::Exec(_) => 1,
    }
}

/// Asks the kernel to kill this process when its parent dies. The parent may have died
/// before the request, so then it is looked for. Returns whether it lives.
pub(crate) fn bind_to(supervisor: &OwnedFd) -> bool {
    let _ = nix::sys::prctl::set_pdeathsig(Signal::SIGKILL);
    !process::has_ended(supervisor)
}

fn become_command(
    context: &mut Context<'_>,
    steps: &[Step],
    reports: &OwnedFd,
    supervisor: &OwnedFd,
) -> i32 {
    set_process_name(c"md-command");
    context.reporting = vec![reports.as_raw_fd(), supervisor.as_raw_fd()];
    // A child does not inherit the parent-death signal.
    if !bind_to(supervisor) {
        return 1;
    }
    let executable = match context.run_steps(steps, Actor::Command) {
        Ok(Flow::Exec(executable)) => executable,
        Ok(_) => return 1,
        Err(failure) => return fail(context, reports, failure),
    };
    // A change of user clears it (PR_SET_PDEATHSIG(2const)), so it is asked for once more.
    if !bind_to(supervisor) {
        return 1;
    }
    report_steps(context, reports);
    if let Some(terminal) = &context.terminal
        && channel::send(reports.as_fd(), &Report::Terminal, &[terminal.master.as_fd()]).is_err()
    {
        return 1;
    }
    default_signals();
    // The last word before the exec, which is measured from here.
    let about_to_exec = Report::AboutToExec { micros: context.elapsed_micros() };
    if channel::send(reports.as_fd(), &about_to_exec, &[]).is_err() {
        return 1;
    }
    let Executable { path, args, env } = executable;
    let Err(error) = context.sys.execve(&path, &args, &env);
    let step = &steps[steps.len() - 1];
    if let Some(traced) = context.traced.last_mut() {
        traced.outcome = Outcome::Failed;
        traced.calls.pop();
        traced.calls.extend(context.sys.take_calls());
    }
    let failure = context.failure(step, error);
    fail(context, reports, failure)
}

/// Reports what this process has done. In a few messages, because each wakes the supervisor;
/// not in one, which would be too large for the socket.
fn report_steps(context: &Context<'_>, reports: &OwnedFd) {
    for steps in context.traced.chunks(16) {
        let _ = channel::send(reports.as_fd(), &Report::Steps(steps.to_vec()), &[]);
    }
}

fn fail(context: &Context<'_>, reports: &OwnedFd, failure: StepFailure) -> i32 {
    report_steps(context, reports);
    let _ = channel::send(reports.as_fd(), &Report::Failed(failure), &[]);
    1
}

/// The life of init: reap and pass on. It ends here, without a destructor: those belong to the
/// supervisor, and take calls that init has given up.
fn look_after(command: i32, exit_report: &OwnedFd) -> ! {
    close_all_except(&[exit_report.as_raw_fd()]);
    // Without a PID namespace, this makes orphans ours all the same.
    let _ = nix::sys::prctl::set_child_subreaper(true);
    // CAP_KILL stays, to pass signals on to a command that became another user.
    if keep_only_kill().is_err()
        || nix::sys::prctl::set_no_new_privs().is_err()
        || install_filter(&seccomp::only(CALLS, seccomp::FAILS)).is_err()
    {
        exit(1);
    }
    // Every signal is waited for instead of handled: the spawner has blocked them all. Only
    // what cannot be blocked (SIGKILL, SIGSTOP) acts by itself.
    loop {
        // What ended before the first wait has its SIGCHLD pending by now, or is found
        // here; one SIGCHLD may stand for many children.
        if let Some(status) = reap_all(command) {
            let _ = write(exit_report, &status.to_ne_bytes());
            // The exit code is for those who look at init itself.
            exit(if libc::WIFSIGNALED(status) {
                128 + libc::WTERMSIG(status)
            } else {
                libc::WEXITSTATUS(status)
            });
        }
        match wait_for_signal() {
            Ok(libc::SIGCHLD) | Err(_) => {}
            Ok(signal) => kill(command, signal),
        }
    }
}

/// All that init calls in its life; any other call fails. It does not end init: the C library makes
/// calls of its own (an allocator that gives memory back), and with init the container would end.
const CALLS: &[libc::c_long] = &[
    libc::SYS_rt_sigtimedwait,
    libc::SYS_wait4,
    libc::SYS_kill,
    libc::SYS_write,
    libc::SYS_exit_group,
    // What the kernel itself goes on with after a stop.
    libc::SYS_restart_syscall,
];

/// Reaps every child that has ended. Returns the command's raw wait status if it is
/// among them.
fn reap_all(command: i32) -> Option<i32> {
    let mut found = None;
    loop {
        let mut status = 0;
        // SAFETY: waitpid writes one int. The raw status is wanted, because that is what
        // goes to the supervisor.
        match unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) } {
            pid if pid == command => found = Some(status),
            pid if pid > 0 => {}
            -1 if Errno::last() == Errno::EINTR => {}
            _ => return found,
        }
    }
}
