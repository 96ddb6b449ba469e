//! One command more in a container that runs already.
//!
//! Each runtime has one container, which waits for nothing, started before the first round. What is
//! measured is from the wish to the result: the exit code is known and what the command wrote
//! (nothing) was read to its end.

use std::path::{Path, PathBuf};
use std::process::Command;

use minidocker_benches::{Error, Lab, Result, compile_static_pause, limited};
use minidocker_rt::{Container, Runtime};

use crate::minidocker::ONE_EXEC;
use crate::program::run;
use crate::{Contender, oci};

const TRUE: &str = "/bench/true";
const PAUSE: &str = "/bench/pause";

/// Starts the containers.
pub fn contenders(lab: &Lab) -> Result<Vec<Box<dyn Contender>>> {
    compile_static_pause(&lab.programs().join("pause"))?;
    let container = lab.runtime().create(limited("exec", PAUSE, &lab.programs())?)?;
    container.start()?;
    let executable = std::env::current_exe().map_err(Error::io("find this program"))?;
    let root = lab.runtime().root().to_owned();
    let mut contenders: Vec<Box<dyn Contender>> =
        vec![Box::new(Library { container }), Box::new(OwnProgram { executable, root })];
    let rootfs = oci::make_rootfs(lab)?;
    for oci in oci::installed(lab, &rootfs, PAUSE)? {
        oci.start()?;
        contenders.push(Box::new(Oci { oci }));
    }
    Ok(contenders)
}

/// By a program that goes on: its spawner runs already.
struct Library {
    container: Container,
}

impl Contender for Library {
    fn name(&self) -> &str {
        "minidocker, as a library"
    }

    fn turn(&mut self) -> Result<()> {
        exec(&self.container)
    }
}

/// By a program of its own for each exec, as with crun and runc: it opens the runtime, starts
/// a spawner, executes the command, and ends.
struct OwnProgram {
    executable: PathBuf,
    root: PathBuf,
}

impl Contender for OwnProgram {
    fn name(&self) -> &str {
        "minidocker, a program each time"
    }

    fn turn(&mut self) -> Result<()> {
        run(Command::new(&self.executable).arg(ONE_EXEC).arg(&self.root).arg("exec"))
    }
}

/// The program of [`OwnProgram`].
pub fn own_exec(root: &Path, name: &str) -> Result<()> {
    exec(&Runtime::open(root)?.get(name)?)
}

fn exec(container: &Container) -> Result<()> {
    let output = container.exec(TRUE)?;
    if output.exit.success() {
        return Ok(());
    }
    Err(Error::Unexpected(format!("{TRUE} ended with {}", output.exit)))
}

/// By crun or runc, a program each time.
struct Oci {
    oci: oci::Oci,
}

impl Contender for Oci {
    fn name(&self) -> &str {
        self.oci.name()
    }

    fn turn(&mut self) -> Result<()> {
        self.oci.exec(TRUE)
    }
}
