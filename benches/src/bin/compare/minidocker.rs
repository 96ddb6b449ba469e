//! minidocker, used in the two ways it can be.

use std::path::{Path, PathBuf};
use std::process::Command;

use minidocker_benches::{Error, Lab, Result, live, spec_of_true};
use minidocker_rt::Runtime;

use crate::Contender;
use crate::program::run;

/// As a library, in a program that goes on: its spawner runs already. Everything is on:
/// all namespaces, the overlay, the limits, capabilities, seccomp, log, trace, init.
pub struct Library {
    runtime: Runtime,
    programs: PathBuf,
}

impl Library {
    /// Uses the lab's runtime.
    pub fn new(lab: &Lab) -> Library {
        Library { runtime: lab.runtime().clone(), programs: lab.programs() }
    }
}

impl Contender for Library {
    fn name(&self) -> &str {
        "minidocker, as a library"
    }

    fn life(&mut self) -> Result<()> {
        live(&self.runtime, spec_of_true("library", &self.programs)?)
    }
}

/// As a program of its own for each container, as crun and runc are: it opens the runtime,
/// starts a spawner, runs the container, and ends.
pub struct OwnProgram {
    executable: PathBuf,
    root: PathBuf,
    programs: PathBuf,
}

/// Tells a program that was started by [`OwnProgram`].
const OWN_PROGRAM: &str = "one-life";

impl OwnProgram {
    /// Uses the root of the lab's runtime.
    pub fn new(lab: &Lab) -> Result<OwnProgram> {
        let executable = std::env::current_exe().map_err(Error::io("find this program"))?;
        let root = lab.runtime().root().to_owned();
        Ok(OwnProgram { executable, root, programs: lab.programs() })
    }
}

impl Contender for OwnProgram {
    fn name(&self) -> &str {
        "minidocker, a program each time"
    }

    fn life(&mut self) -> Result<()> {
        let mut command = Command::new(&self.executable);
        command.arg(OWN_PROGRAM).args([&self.root, &self.programs]);
        run(&mut command)
    }
}

/// The program of [`OwnProgram`], if that is what this is.
pub fn own_program() -> Option<Result<()>> {
    let mut arguments = std::env::args_os().skip(1);
    (arguments.next()? == OWN_PROGRAM).then_some(())?;
    let (root, programs) = (arguments.next()?, arguments.next()?);
    Some(own_life(Path::new(&root), Path::new(&programs)))
}

fn own_life(root: &Path, programs: &Path) -> Result<()> {
    live(&Runtime::open(root)?, spec_of_true("program", programs)?)
}
