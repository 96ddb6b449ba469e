//! bubblewrap: a sandbox, not a runtime. It has no cgroup, no overlay (in most versions),
//! no filter of its own, no state; it shows what the least that is in daily use costs.

use std::path::{Path, PathBuf};
use std::process::Command;

use minidocker_benches::Result;

use crate::Contender;
use crate::program::run;

/// See the module.
pub struct Bubblewrap {
    program: PathBuf,
    rootfs: PathBuf,
}

impl Bubblewrap {
    /// `rootfs` is the root filesystem that all runtimes use.
    pub fn new(program: &Path, rootfs: &Path) -> Bubblewrap {
        Bubblewrap { program: program.to_owned(), rootfs: rootfs.to_owned() }
    }
}

impl Contender for Bubblewrap {
    fn name(&self) -> &str {
        "bwrap (no cgroup, no seccomp)"
    }

    fn turn(&mut self) -> Result<()> {
        let mut command = Command::new(&self.program);
        command.args(["--unshare-all", "--die-with-parent", "--bind"]).arg(&self.rootfs);
        command.args(["/", "--proc", "/proc", "--dev", "/dev", "/bench/true"]);
        run(&mut command)
    }
}
