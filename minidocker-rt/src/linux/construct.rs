//! The construction of a container, as the supervisor sees it: it performs the outer steps
//! of the plan, and follows what init and the command report of theirs.

use std::os::fd::{AsFd, OwnedFd};

use jiff::Timestamp;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::libc;
use nix::unistd::pipe2;
use rustix::process::PidfdFlags;

use super::building::{Building, Heard};
use super::channel::{self, Report};
use super::context::{Context, Flow};
use super::steps::{Action, Step};
use super::supervisor::reap_after_kill;
use super::{freezer, init};
use crate::error::StepFailure;
use crate::plan::{Actor, Outcome, Trace, TracedStep};
use crate::store::SpecFile;

/// What the construction made.
pub(crate) struct Running {
    pub init: i32,
    pub init_pidfd: OwnedFd,
    /// The command's pid as this process sees it.
    pub command: i32,
    /// Through which init tells how the command ended.
    pub exit_report: OwnedFd,
    /// Our end of the command's terminal, if it has one.
    pub terminal: Option<OwnedFd>,
}

/// How it went.
pub(crate) struct Built {
    pub result: std::result::Result<Running, StepFailure>,
    /// The steps that init and the command performed.
    pub traced: Vec<TracedStep>,
}

/// Performs the outer steps, and follows the inner ones to the exec.
pub(crate) fn construct(
    context: &mut Context<'_>,
    steps: &[Step],
    file: &SpecFile,
    building: &mut Building<'_>,
) -> Built {
    let trouble = |call: &str, errno: i32| StepFailure {
        step: "clone".into(),
        call: call.into(),
        message: None,
        errno: Some(errno),
        hint: crate::error::errno_hint(errno).into(),
    };
    let mut traced = Vec::new();
    let result = (|| {
        let made = |call: &'static str| move |errno: Errno| trouble(call, errno as i32);
        let (reports, reports_inside) = channel::pair().map_err(made("socketpair"))?;
        channel::want_sender(&reports).map_err(made("setsockopt"))?;
        let (exit_report, exit_inside) = pipe2(OFlag::O_CLOEXEC).map_err(made("pipe2"))?;
        let myself = rustix::process::pidfd_open(rustix::process::getpid(), PidfdFlags::empty())
            .map_err(|errno| trouble("pidfd_open", errno.raw_os_error()))?;

        // Up to the clone, and what the supervisor does for the new namespaces after it.
        let clone = steps.iter().position(|step| matches!(step.action, Action::CloneNamespaces(_)));
        let (before, after) = steps.split_at(clone.map_or(steps.len(), |clone| clone + 1));
        let awaited = after.iter().any(|step| step.actor == Actor::Supervisor);
        let (go_inside, go) = pipe2(OFlag::O_CLOEXEC).map_err(made("pipe2"))?;

        let init = match context.run_steps(before, Actor::Supervisor)? {
            Flow::Forked(0) => init::run(init::Inside {
                context,
                steps,
                with_init: file.spec.init,
                reports: reports_inside,
                exit_report: exit_inside,
                supervisor: myself,
                go: awaited.then_some(go_inside),
            }),
            Flow::Forked(pid) => pid,
            _ => return Err(trouble("clone3", libc::EINVAL)),
        };
        drop((reports_inside, exit_inside, myself, go_inside));
        let pidfd = rustix::process::Pid::from_raw(init)
            .ok_or(rustix::io::Errno::SRCH)
            .and_then(|pid| rustix::process::pidfd_open(pid, PidfdFlags::empty()))
            .map_err(|errno| trouble("pidfd_open", errno.raw_os_error()))?;

        context.init = Some(init);
        if let Err(failure) = context.run_steps(after, Actor::Supervisor) {
            reap_after_kill(init, &pidfd);
            return Err(failure);
        }
        // Its end lets init go on.
        drop(go);
        let followed = follow_reports(&reports, &mut traced, building);
        // A call that succeeds and does not return: that it is over is seen by the end of the
        // reports, whose last copy the exec has closed. Our own waking up is in that time.
        if let (Ok(executed), Some(exec)) = (&followed, traced.last_mut())
            && executed.command.is_some()
        {
            let now = context.elapsed_micros();
            let since = |begin: f64| ((now - begin) * 10.0).round() / 10.0;
            exec.micros = since(exec.start_micros);
            if let Some(execve) = exec.calls.last_mut() {
                execve.micros = since(executed.called_at);
            }
        }
        match followed {
            Ok(Executed { command: Some(command), terminal, .. }) => {
                Ok(Running { init, init_pidfd: pidfd, command, exit_report, terminal })
            }
            Ok(Executed { command: None, .. }) => {
                let (code, signal) = reap_after_kill(init, &pidfd);
                let how = signal.map_or(format!("code {code}"), |n| format!("signal {n}"));
                let step = next_step(steps, context, &traced);
                Err(StepFailure {
                    step,
                    call: "init".into(),
                    message: Some(format!("init ended with {how} before the command ran")),
                    errno: None,
                    hint: "Something killed it; start the container again.".into(),
                })
            }
            Err(Unbuilt::Failed(failure)) => {
                reap_after_kill(init, &pidfd);
                Err(failure)
            }
            Err(Unbuilt::Over(why)) => {
                // In version 1, what is frozen does not die.
                freezer::kill_frozen(&context.cgroup.paths());
                reap_after_kill(init, &pidfd);
                Err(StepFailure {
                    step: next_step(steps, context, &traced),
                    call: "poll(<reports of init and the command>)".into(),
                    message: Some(why),
                    errno: None,
                    hint: "If nobody has stopped it: something keeps this step from its end, such \
                           as a volume on a disk that does not answer. Look there, and start it \
                           again."
                        .into(),
                })
            }
        }
    })();
    Built { result, traced }
}

/// What the reports told.
struct Executed {
    /// The command's pid as this process sees it, or None if there was no exec.
    command: Option<i32>,
    terminal: Option<OwnedFd>,
    /// When the exec was called, in microseconds since the construction began.
    called_at: f64,
}

/// Why there is no command.
enum Unbuilt {
    Failed(StepFailure),
    Over(String),
}

/// Collects the reports until their end: the exec closes the last copy.
fn follow_reports(
    reports: &OwnedFd,
    traced: &mut Vec<TracedStep>,
    building: &mut Building<'_>,
) -> std::result::Result<Executed, Unbuilt> {
    let mut executed = Executed { command: None, terminal: None, called_at: 0.0 };
    let mut failure = None;
    loop {
        if let Heard::Over(why) = building.wait(reports.as_fd()) {
            return Err(Unbuilt::Over(why));
        }
        // An unreadable message ends it like a closed channel.
        let Ok(Some(received)) = channel::receive::<Report>(reports.as_fd()) else { break };
        match received.message {
            Report::Steps(steps) => {
                // A failed exec is reported once more than it was announced.
                traced.retain(|earlier| steps.iter().all(|step| step.id != earlier.id));
                traced.extend(steps);
            }
            Report::Terminal => executed.terminal = received.descriptors.into_iter().next(),
            Report::AboutToExec { micros } => {
                (executed.command, executed.called_at) = (received.sender, micros);
            }
            Report::Failed(found) => failure = Some(found),
        }
    }
    match failure {
        Some(failure) => Err(Unbuilt::Failed(failure)),
        None => Ok(executed),
    }
}

fn next_step(steps: &[Step], context: &Context<'_>, traced: &[TracedStep]) -> String {
    let done = context.traced.len() + traced.len();
    steps.get(done).or(steps.last()).map_or_else(String::new, |step| step.id.clone())
}

/// The trace: what each process recorded, and what was never reached.
pub(crate) fn trace(
    file: &SpecFile,
    started_at: Timestamp,
    steps: &[Step],
    context: &Context<'_>,
    inner: Vec<TracedStep>,
    failure: Option<StepFailure>,
) -> Trace {
    let micros = context.elapsed_micros();
    let done: Vec<TracedStep> = context.traced.iter().cloned().chain(inner).collect();
    let steps = steps
        .iter()
        .map(|step| {
            done.iter().find(|traced| traced.id == step.id).cloned().unwrap_or_else(|| TracedStep {
                id: step.id.clone(),
                actor: step.actor,
                title: step.title.clone(),
                outcome: Outcome::NotReached,
                start_micros: micros,
                micros: 0.0,
                calls: Vec::new(),
                simulated: None,
            })
        })
        .collect();
    Trace { id: file.id.clone(), started_at, micros, steps, failure }
}
