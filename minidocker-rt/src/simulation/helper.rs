//! The helper: this program, executed once more to be the supervisor of one container.

#[cfg(target_os = "linux")]
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
#[cfg(target_os = "linux")]
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::command::MARK;
use super::{process, supervisor};
use crate::backend::Started;
use crate::error::{Error, Result};
use crate::helper;
#[cfg(target_os = "linux")]
use crate::helper::Slot;
use crate::store::ContainerDir;

/// The first argument by which [`init`] recognises a helper. The second is the container's
/// folder.
const FLAG: &str = "--minidocker-simulation-supervisor";

/// Where preloaded libraries come in; standard output is for the answer.
#[cfg(target_os = "linux")]
const SLOTS: [Slot; 2] = [Slot::Stdin, Slot::Stderr];

/// No answer is longer.
const LONGEST: u64 = 64 << 20;

/// See [`crate::init`]: never returns in a helper.
pub(crate) fn init() {
    let mut args = std::env::args_os().skip(1);
    if args.next().is_some_and(|first| first == FLAG)
        && let Some(folder) = args.next()
    {
        #[cfg(target_os = "linux")]
        if helper::close_slots(&SLOTS).is_err() {
            std::process::exit(1);
        }
        supervisor::run(ContainerDir::at(PathBuf::from(folder)));
    }
}

/// Starts the supervisor of a container: returns when the command was executed, or with the
/// step that failed.
pub(super) fn start(dir: &ContainerDir, named: Option<&Path>) -> Result<Started> {
    let program = match named {
        Some(path) => path.to_owned(),
        None if helper::can_be_own() => {
            std::env::current_exe().map_err(|error| Error::HelperFailed {
                action: "starting the supervisor",
                why: format!("this program does not know where it is: {error}"),
            })?
        }
        None => {
            return Err(Error::HelperMissing {
                why: "minidocker_rt::init() was not called".into(),
            });
        }
    };
    let mut command = Command::new(&program);
    command
        .arg(FLAG)
        .arg(dir.path())
        // A container that one in a container makes is its own.
        .env_remove(MARK)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    #[cfg(target_os = "linux")]
    if named.is_none() {
        let opened: std::io::Result<Vec<OwnedFd>> =
            helper::libraries().iter().map(|path| Ok(File::open(path)?.into())).collect();
        let libraries = opened.map_err(|error| Error::HelperFailed {
            action: "starting the supervisor",
            why: format!("cannot open the library it needs: {error}"),
        })?;
        helper::preload(&mut command, libraries, &SLOTS);
    }
    process::new_supervisor(&mut command);
    let mut child = command.spawn().map_err(|error| Error::HelperFailed {
        action: "starting the supervisor",
        why: format!("{}: {error}", program.display()),
    })?;
    let mut line = String::new();
    if let Some(stdout) = child.stdout.take() {
        // An error is as good as silence.
        let _ = BufReader::new(stdout.take(LONGEST)).read_line(&mut line);
    }
    match serde_json::from_str::<Started>(&line) {
        Ok(started) => {
            reap(child);
            Ok(started)
        }
        Err(_) => {
            let _ = child.kill();
            let _ = child.wait();
            match line.is_empty() {
                true => Err(Error::HelperFailed {
                    action: "starting the container",
                    why: "the supervisor ended without a word: it was killed, or \
                          minidocker_rt::init() is not the first line of its main"
                        .into(),
                }),
                false => Err(Error::HelperMissing {
                    why: format!("{} did something else", program.display()),
                }),
            }
        }
    }
}

/// The supervisor outlives this program; but if this program outlives it, somebody has to ask
/// how it ended, or its pid is kept for ever. That takes a thread that does nothing else.
fn reap(mut child: Child) {
    let thread = std::thread::Builder::new().name("minidocker-reaper".into()).stack_size(64 << 10);
    if let Err(error) = thread.spawn(move || child.wait()) {
        log::warn!("cannot wait for a supervisor: {error}");
    }
}
