//! What is done when nobody is on a network any more.
//!
//! The kernel takes tens of milliseconds to remove an interface, because it waits until no
//! processor can still be using it. No stop should have to wait for that, and a container that
//! is stopped and started again should find its bridge. So the last to leave forks a small
//! process, the janitor, which waits a moment, looks whether anybody has come, and removes what
//! is not used. Should it be killed, whoever opens a runtime next does its work.

use std::time::Duration;

use nix::poll::{PollTimeout, poll};
use nix::unistd::{ForkResult, setsid};

use super::machine::{Machine, is_alive, uptime};
use super::registry::Segment;
use crate::linux::init;
use crate::linux::process;
use crate::linux::raw::{close_all_except, set_process_name};
use crate::linux::sys::{Sys, SysResult};

/// For how long a bridge stays when nobody is on it.
const LINGER: Duration = Duration::from_millis(500);

/// A supervisor ends: gives back what it holds. Called by a process with one thread.
pub(crate) fn leave(boot_id: &str) {
    let mut sys = Sys::real(None);
    let Some(mut machine) = Machine::lock_existing(&mut sys, boot_id) else { return };
    if let Err(error) = give_back(&mut sys, &mut machine) {
        log::warn!("{}: {}", error.call, crate::error::Errno(error.errno));
    }
}

fn give_back(sys: &mut Sys, machine: &mut Machine) -> SysResult<()> {
    let Some(myself) = process::identify_self() else { return Ok(()) };
    let mut idle = false;
    for segment in &mut machine.registry.segments {
        for lease in &mut segment.leases {
            lease.holders.retain(|holder| *holder != myself);
        }
        if is_idle(segment) {
            segment.idle_since.get_or_insert_with(uptime);
            idle = true;
        }
    }
    machine.registry.reconcile(&machine.links, is_alive);
    machine.tell_names(sys);
    let cared_for = machine.registry.janitor.as_ref().is_some_and(is_alive);
    if idle && !cared_for {
        machine.registry.janitor = fork(machine.registry.boot_id.clone());
    }
    machine.save(sys)
}

/// Removes what those left who were killed: called when a runtime is opened, and after the end
/// of a container whose supervisor was lost.
pub(crate) fn sweep(boot_id: &str) {
    let mut sys = Sys::real(None);
    let Some(mut machine) = Machine::lock_existing(&mut sys, boot_id) else { return };
    let cared_for = machine.registry.janitor.as_ref().is_some_and(is_alive);
    // What was left in order is the janitor's, who waits a moment.
    let may_go = |segment: &Segment| !(cared_for && segment.idle_since.is_some());
    if let Err(error) = machine.sweep(&mut sys, may_go) {
        log::warn!("{}: {}", error.call, crate::error::Errno(error.errno));
    }
}

/// Whether nobody who lives is on it.
fn is_idle(segment: &Segment) -> bool {
    segment.leases.iter().all(|lease| !lease.holders.iter().any(is_alive))
}

/// Forks the janitor, and says who it is.
fn fork(boot_id: String) -> Option<crate::status::ProcessIdentity> {
    // Before the fork, and taken back after it: nobody sees the janitor under another name.
    set_process_name(c"md-network");
    // SAFETY: a supervisor has one thread, so its child may run any code.
    let forked = unsafe { nix::unistd::fork() };
    if !matches!(forked, Ok(ForkResult::Child)) {
        set_process_name(c"md-supervisor");
    }
    match forked {
        Ok(ForkResult::Child) => {
            // Among others it lets go of the registry's lock, which it shares with its parent.
            close_all_except(&[]);
            let _ = setsid();
            watch(&boot_id);
            init::exit(0)
        }
        Ok(ForkResult::Parent { child }) => process::identify(child.as_raw()),
        Err(errno) => {
            log::warn!("fork() => {errno}");
            None
        }
    }
}

/// The janitor's life.
fn watch(boot_id: &str) {
    let linger = u64::try_from(LINGER.as_millis()).unwrap_or(u64::MAX);
    let mut pause = linger;
    loop {
        let _ = poll(&mut [], PollTimeout::try_from(pause).unwrap_or(PollTimeout::MAX));
        let mut sys = Sys::real(None);
        let Some(mut machine) = Machine::lock_existing(&mut sys, boot_id) else { return };
        let now = uptime();
        let left = |segment: &Segment| {
            let since = segment.idle_since.filter(|_| is_idle(segment))?;
            Some((since + linger).saturating_sub(now))
        };
        if let Some(time) =
            machine.registry.segments.iter().filter_map(left).filter(|t| *t > 0).min()
        {
            pause = time;
            continue;
        }
        machine.registry.janitor = None;
        if let Err(error) = machine.sweep(&mut sys, |_| true) {
            log::warn!("{}: {}", error.call, crate::error::Errno(error.errno));
        }
        return;
    }
}
