//! How a Python program gets its helper processes.
//!
//! A helper must be small and have one thread. An interpreter is neither, and takes its time to
//! start. So none is started: the program behind the interpreter is executed once more with this
//! extension preloaded, and the extension's constructor, which runs before `main`, never returns
//! there. Of Python only its symbols are needed, which the extension's code refers to.

use std::ffi::{CStr, OsStr, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use pyo3::exceptions::PyImportError;
use pyo3::prelude::*;

/// Run by the dynamic linker whenever this library is loaded; returns unless this process was
/// made to be a helper.
extern "C" fn become_helper() {
    minidocker_rt::init();
}

#[used]
#[unsafe(link_section = ".init_array")]
static CONSTRUCTOR: extern "C" fn() = become_helper;

/// Tells the library what its helpers are made of.
pub(crate) fn prepare() -> PyResult<()> {
    let extension = file_of(become_helper as *const c_void)
        .ok_or_else(|| PyImportError::new_err("the extension does not know where it is"))?;
    let mut libraries = Vec::new();
    // Where Python is a library of its own, it must be there first: the program finds it by a
    // path relative to itself, which means nothing when it is executed through a descriptor.
    if let Some(python) = file_of(pyo3::ffi::Py_IsInitialized as *const c_void)
        && !is_program(&python)
    {
        libraries.push(python);
    }
    libraries.push(extension);
    minidocker_rt::preload_in_helpers(libraries);
    Ok(())
}

/// Which file a function was loaded from (`man 3 dladdr`).
fn file_of(function: *const c_void) -> Option<PathBuf> {
    let mut info = std::mem::MaybeUninit::<libc::Dl_info>::zeroed();
    // SAFETY: `info` has room for what dladdr writes; an address that belongs to no file is told
    // by 0.
    let found = unsafe { libc::dladdr(function, info.as_mut_ptr()) } != 0;
    // SAFETY: all zeros is a valid Dl_info, and dladdr has filled it if it found something.
    let info = unsafe { info.assume_init() };
    if !found || info.dli_fname.is_null() {
        return None;
    }
    // SAFETY: dladdr gives a string that lives as long as the file is loaded: we are in it, or
    // use it.
    let name = unsafe { CStr::from_ptr(info.dli_fname) };
    let path = PathBuf::from(OsStr::from_bytes(name.to_bytes()));
    // Whoever changes the working directory later shall find it still.
    Some(path.canonicalize().unwrap_or(path))
}

/// Whether a path is that of the program itself; of this dladdr tells what it was called by.
fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let file = |path: &Path| path.metadata().map(|file| (file.dev(), file.ino()));
    match (file(path), file(Path::new("/proc/self/exe"))) {
        (Ok(one), Ok(other)) => one == other,
        // It cannot be opened as a library either.
        _ => true,
    }
}
