//! The smallest program: one that ends at once, and needs no library to be found.
//!
//! With it a measurement is of the runtime, not of the dynamic linker; and it runs in a
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
    let source = target.with_extension("c");
    fs::write(&source, "int main(void) { return 0; }\n").map_err(Error::io("write true.c"))?;
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
