//! A runtime on a temporary folder, with the static `true` in reach of its containers.

use std::fs;
use std::path::{Path, PathBuf};

use minidocker_rt::{Container, ContainerSpec, NetworkMode, Runtime};
use tempfile::TempDir;

use crate::program::compile_static_true;
use crate::{Error, Result};

/// A runtime of its own. When it is dropped, also by an error or a panic, its containers
/// are deleted and its folder is removed.
#[derive(Debug)]
pub struct Lab {
    runtime: Runtime,
    /// Declared last, so that it is dropped last: the runtime lives in it.
    folder: TempDir,
}

impl Lab {
    /// Opens it, in `$TMPDIR` or `/tmp`.
    ///
    /// # Errors
    /// [`Error::Missing`] without root's rights or a C compiler.
    pub fn open() -> Result<Lab> {
        if !nix::unistd::geteuid().is_root() {
            return Err(Error::Missing("containers are made: run this as root (sudo)".into()));
        }
        let folder = tempfile::Builder::new()
            .prefix("minidocker-bench-")
            .tempdir()
            .map_err(Error::io("make a temporary folder"))?;
        let programs = folder.path().join("programs");
        fs::create_dir(&programs).map_err(Error::io("make a folder for programs"))?;
        compile_static_true(&programs.join("true"))?;
        let runtime = Runtime::open(folder.path().join("runtime"))?;
        Ok(Lab { runtime, folder })
    }

    /// Its runtime.
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// Its folder, for what else a bench needs.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The folder on the host that holds the static `true`.
    pub fn programs(&self) -> PathBuf {
        self.folder.path().join("programs")
    }

    /// A container of the static `true`, with the limits that all runtimes are given:
    /// 64 MB, half a core, 512 processes. The program comes in by a read-only volume.
    ///
    /// # Errors
    /// As [`ContainerSpec::volume`].
    pub fn spec_of_true(&self, name: &str) -> Result<ContainerSpec> {
        spec_of_true(name, &self.programs())
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let containers = self.runtime.list().unwrap_or_default();
        for container in containers {
            let _ = container.delete_force();
        }
    }
}

/// As [`Lab::spec_of_true`], for a program that has no lab of its own.
///
/// # Errors
/// As [`ContainerSpec::volume`].
pub fn spec_of_true(name: &str, programs: &Path) -> Result<ContainerSpec> {
    limited(name, "/bench/true", programs)
}

/// A container of one of the bench's own programs, with the limits of [`Lab::spec_of_true`].
///
/// # Errors
/// As [`ContainerSpec::volume`].
pub fn limited(name: &str, program: &str, programs: &Path) -> Result<ContainerSpec> {
    // The other runtimes set up nothing but loopback. What a bridge adds is measured by itself.
    let spec = ContainerSpec::new(name, program).network(NetworkMode::None);
    let spec = spec.memory_mb(64).cpu_percent(50);
    Ok(spec.volume(&format!("{}:/bench:ro", programs.display()))?)
}

/// One whole life: create, start, wait, delete.
///
/// # Errors
/// Those of the four operations, and [`Error::Unexpected`] if the command failed.
pub fn live(runtime: &Runtime, spec: ContainerSpec) -> Result<()> {
    let container = runtime.create(spec)?;
    container.start()?;
    expect_success(&container)?;
    Ok(container.delete()?)
}

/// Waits for a container that must end with code 0: a figure of a failure is none.
///
/// # Errors
/// [`Error::Unexpected`] if it did not.
pub fn expect_success(container: &Container) -> Result<()> {
    let exit = container.wait()?;
    if exit.success() {
        return Ok(());
    }
    Err(Error::Unexpected(format!("container {} ended with {exit}", container.name())))
}
