//! The simulation backend: the same operations where there is no Linux to ask.
//!
//! A container is here an ordinary child process of this machine, in a private folder shaped
//! like a root filesystem. Nothing isolates it: it sees the host's files, processes and
//! network, and has the rights of whoever started it. What a kernel does for a real container
//! is imitated from outside as far as an unprivileged program can: paths are rewritten before
//! the start ([`paths`]), memory is watched and CPU time handed out by stopping and continuing
//! ([`governor`]), a pause stops all processes ([`process`]). What cannot be imitated is
//! refused with the reason.
//!
//! There is no fork here, and no kernel interface that only one system has. A program executes
//! itself (or its helper) once more, and [`init`] turns that process into the [`supervisor`]
//! of one container, which outlives the program. It waits in one place, a channel; threads
//! that do nothing but block feed it. Others reach it through its [`control`] connection, and
//! know by a file's lock that it lives.

mod backend;
mod changes;
mod command;
mod control;
mod files;
mod governor;
mod helper;
mod output;
mod paths;
mod plan;
mod ports;
mod prober;
mod process;
mod recorder;
mod rootfs;
mod supervisor;
mod tree;

pub(crate) use backend::SimulationBackend;
#[cfg(not(linux_backend))]
pub(crate) use control::Lifeline;
pub(crate) use helper::init;
