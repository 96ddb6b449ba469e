//! What a start does in a simulation: for each step of the plan whatever stands for it, and the
//! trace of that.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::command::{Prepared, prepare};
use super::{ports, process, rootfs};
use crate::error::{Error, Result, StepFailure, errno_hint, plain_reason};
use crate::life::Life;
use crate::plan::{Call, Outcome, Plan, Trace, TracedStep};
use crate::spec::{ContainerSpec, PortMapping};

/// Does what stands for each step, and keeps what is told of it.
pub(super) struct Recorder {
    plan: Plan,
    fault: Option<crate::spec::Fault>,
    origin: Instant,
    traced: Vec<TracedStep>,
}

/// What a step did and, if it failed, why.
type Performed = (Vec<Call>, std::result::Result<(), StepFailure>);

impl Recorder {
    pub fn new(plan: Plan, fault: Option<crate::spec::Fault>) -> Recorder {
        Recorder { plan, fault, origin: Instant::now(), traced: Vec::new() }
    }

    pub fn perform_all(
        &mut self,
        life: &Life,
        ports: &mut ports::Open,
    ) -> std::result::Result<(Child, Prepared), StepFailure> {
        let mut started = None;
        for step in self.plan.steps.clone() {
            let start = self.origin.elapsed();
            let (calls, result) = match &self.fault {
                Some(fault) if fault.step == step.id => {
                    let call = step.syscalls.first().cloned().unwrap_or_default();
                    (Vec::new(), Err(failure(&step.id, call, Some(fault.errno), None)))
                }
                _ if step.id == "publish-ports" => publish(&life.file.spec, ports),
                _ => perform(&step.id, life, &mut started),
            };
            let end = self.origin.elapsed();
            let micros = |time: Duration| (time.as_secs_f64() * 1e7).round() / 10.0;
            self.traced.push(TracedStep {
                id: step.id,
                actor: step.actor,
                title: step.title,
                outcome: if result.is_ok() { Outcome::Done } else { Outcome::Failed },
                start_micros: micros(start),
                micros: micros(end.saturating_sub(start)),
                calls,
                simulated: step.simulated,
            });
            result?;
        }
        started.ok_or_else(|| failure("exec", "execve".into(), None, Some("no step did it".into())))
    }

    pub fn trace(self, life: &Life, started_at: Timestamp, failure: Option<StepFailure>) -> Trace {
        let micros = (self.origin.elapsed().as_secs_f64() * 1e7).round() / 10.0;
        let mut steps = self.traced;
        let missing = self.plan.steps.into_iter().skip(steps.len());
        steps.extend(missing.map(|step| TracedStep {
            id: step.id,
            actor: step.actor,
            title: step.title,
            outcome: Outcome::NotReached,
            start_micros: micros,
            micros: 0.0,
            calls: Vec::new(),
            simulated: step.simulated,
        }));
        Trace { id: life.file.id.clone(), started_at, micros, steps, failure }
    }
}

/// Does what stands for a step, if anything does.
fn perform(id: &str, life: &Life, started: &mut Option<(Child, Prepared)>) -> Performed {
    let spec = &life.file.spec;
    let made = |id: &str, made: Result<Vec<PathBuf>>| match made {
        Ok(paths) => {
            let call = |path: &PathBuf| done(format!("create({:?})", path.display().to_string()));
            (paths.iter().map(call).collect(), Ok(()))
        }
        Err(error) => (Vec::new(), Err(from_error(id, &error))),
    };
    match id {
        "overlay" => made(id, rootfs::furnish(&life.dir, spec)),
        // Without a rootfs of its own it starts in the working directory all the same.
        "working-dir" => {
            let furnished = match spec.isolation.rootfs {
                true => Ok(Vec::new()),
                false => rootfs::furnish(&life.dir, spec),
            };
            made(
                id,
                furnished.and_then(|mut paths| {
                    paths.extend(rootfs::make_place(&life.dir, spec.directory().as_str())?);
                    Ok(paths)
                }),
            )
        }
        "exec" => {
            let prepared = prepare(&life.dir, &life.file, spec.command.words());
            let call = format!("spawn({:?})", prepared.words());
            match spawn(&prepared, spec.stdin_open) {
                Ok(child) => {
                    *started = Some((child, prepared));
                    (vec![done(call)], Ok(()))
                }
                Err(failure) => (Vec::new(), Err(failure)),
            }
        }
        volume => {
            let number = volume.strip_prefix("volume-").and_then(|n| n.parse::<usize>().ok());
            let volume = number.and_then(|number| spec.volumes.get(number.checked_sub(1)?));
            let Some(volume) = volume else { return (Vec::new(), Ok(())) };
            let host = volume.host();
            if let Err(error) = std::fs::metadata(host) {
                let call = format!("stat({:?})", host.display().to_string());
                let mut failed = failure(id, call, error.raw_os_error(), None);
                failed.hint = format!(
                    "Create {} on this machine; it was there when the container was created.",
                    host.display()
                );
                return (Vec::new(), Err(failed));
            }
            made(id, rootfs::link_volume(&life.dir, spec, volume))
        }
    }
}

/// Opens the published ports, unless an earlier run has.
fn publish(spec: &ContainerSpec, open: &mut ports::Open) -> Performed {
    if !open.ports.is_empty() {
        return (Vec::new(), Ok(()));
    }
    match ports::open(&spec.ports) {
        Ok(opened) => {
            *open = opened;
            let call = |port: &PortMapping| {
                done(format!("bind({})", SocketAddr::new(port.host_ip(), port.host_port())))
            };
            (open.ports.iter().map(call).collect(), Ok(()))
        }
        Err(taken) => {
            let mut failed = failure("publish-ports", taken.call, taken.errno, Some(taken.message));
            failed.hint = "Publish another port of this machine, or stop who has it; 0 takes a \
                           free port."
                .into();
            (Vec::new(), Err(failed))
        }
    }
}

fn spawn(prepared: &Prepared, stdin_open: bool) -> std::result::Result<Child, StepFailure> {
    let mut command = prepared.command()?;
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    if stdin_open {
        command.stdin(Stdio::piped());
    }
    process::spawn(&mut command)
        .map_err(|error| prepared.failure(Some(plain_reason(&error)), error.raw_os_error()))
}

fn done(call: String) -> Call {
    Call { call, errno: None, micros: 0.0 }
}

fn failure(step: &str, call: String, errno: Option<i32>, message: Option<String>) -> StepFailure {
    let hint = errno.map_or("Start the container again.", errno_hint).into();
    StepFailure { step: step.into(), call, message, errno, hint }
}

fn from_error(step: &str, error: &Error) -> StepFailure {
    let errno = match error {
        Error::Io { errno, .. } => *errno,
        Error::System { errno, .. } => Some(*errno),
        _ => None,
    };
    failure(step, "create".into(), errno, Some(error.to_string()))
}
