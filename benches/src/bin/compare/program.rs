//! Other programs: found on the PATH, run to their end.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use minidocker_benches::{Error, Result};
use nix::unistd::{AccessFlags, access};

/// Looks a program up on the PATH.
pub fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let is_program = |path: &Path| path.is_file() && access(path, AccessFlags::X_OK).is_ok();
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|path| is_program(path))
}

/// Runs another program to its end, which must be a good one.
pub fn run(command: &mut Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .map_err(Error::io(format!("run {name}")))?;
    if output.status.success() {
        return Ok(());
    }
    let told = String::from_utf8_lossy(&output.stderr);
    Err(Error::Unexpected(format!("{name}: {}: {}", output.status, told.trim())))
}

/// As [`run`], without hearing why it failed: for a program that leaves others behind, which
/// would keep the pipe of its errors open.
pub fn run_quietly(command: &mut Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let null = || Stdio::null();
    let status = command.stdin(null()).stdout(null()).stderr(null()).status();
    match status.map_err(Error::io(format!("run {name}")))? {
        status if status.success() => Ok(()),
        status => Err(Error::Unexpected(format!("{name}: {status}"))),
    }
}
