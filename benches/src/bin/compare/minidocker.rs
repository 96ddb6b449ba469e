//! minidocker, used in the two ways it can be.

use std::path::{Path, PathBuf};
use std::process::Command;

use minidocker_benches::{Error, Lab, Result, live, spec_of_true};
use minidocker_rt::Runtime;

use crate::program::run;
use crate::{Contender, exec};

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

    fn turn(&mut self) -> Result<()> {
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

/// Tells a program that was started by [`OwnProgram`], or by its like for an exec.
const ONE_LIFE: &str = "one-life";
/// See [`ONE_LIFE`].
pub const ONE_EXEC: &str = "one-exec";

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

    fn turn(&mut self) -> Result<()> {
        let mut command = Command::new(&self.executable);
        command.arg(ONE_LIFE).args([&self.root, &self.programs]);
        run(&mut command)
    }
}

/// The program that was started for one turn, if that is what this is.
pub fn own_program() -> Option<Result<()>> {
    let mut arguments = std::env::args_os().skip(1);
    let role = arguments.next()?;
    let mut next = || arguments.next().map(PathBuf::from);
    match role.to_str()? {
        ONE_LIFE => Some(own_life(&next()?, &next()?)),
        ONE_EXEC => Some(exec::own_exec(&next()?, next()?.to_str()?)),
        _ => None,
    }
}

fn own_life(root: &Path, programs: &Path) -> Result<()> {
    live(&Runtime::open(root)?, spec_of_true("program", programs)?)
}
