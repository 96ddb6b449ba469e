//! The smallest programs: they need no library to be found, and end at once or never.
//!
//! With them a measurement is of the runtime, not of the dynamic linker; and it runs in a
//! root filesystem that holds nothing else.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::{Error, Result};

/// Compiles a static `true` to `target`.
///
/// # Errors
/// [`Error::Missing`] if there is no C compiler, or no static C library.
pub fn compile_static_true(target: &Path) -> Result<()> {
    compile_static(target, "int main(void) { return 0; }\n")
}

/// Compiles a static program that waits until it is killed to `target`.
///
/// # Errors
/// As [`compile_static_true`].
pub fn compile_static_pause(target: &Path) -> Result<()> {
    compile_static(target, "#include <unistd.h>\nint main(void) { for (;;) pause(); }\n")
}

fn compile_static(target: &Path, program: &str) -> Result<()> {
    let source = target.with_extension("c");
    fs::write(&source, program).map_err(Error::io("write a C program"))?;
    let result = Command::new("cc")
        .args(["-static", "-O2", "-s", "-o"])
        .args([target, source.as_path()])
        .stdin(Stdio::null())
        .output();
    let _ = fs::remove_file(&source);
    let missing = |why: &str| {
        Error::Missing(format!(
            "a static program cannot be compiled: {why}\nInstall a C compiler and the static C \
             library (Debian: apt-get install gcc libc6-dev)."
        ))
    };
    match result {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(missing(&String::from_utf8_lossy(&output.stderr))),
        Err(error) => Err(missing(&format!("cc: {error}"))),
    }
}
