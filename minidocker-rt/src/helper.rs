//! How this program becomes its own helper process: it is executed once more.

use std::sync::atomic::{AtomicBool, Ordering};

static INITIALISED: AtomicBool = AtomicBool::new(false);

/// Remembers that [`crate::init`] was called: if this program is executed once more as a
/// helper, it will be recognised.
pub(crate) fn remember() {
    INITIALISED.store(true, Ordering::SeqCst);
}

/// Whether [`crate::init`] was called.
pub(crate) fn can_be_own() -> bool {
    INITIALISED.load(Ordering::SeqCst)
}

#[cfg(target_os = "linux")]
pub use preload::preload_in_helpers;
#[cfg(target_os = "linux")]
pub(crate) use preload::{Slot, close_slots, libraries, preload};

/// Helpers of programs that only load this library.
///
/// A plug-in, such as an extension of Python, has no `main`. But the dynamic linker runs the
/// constructors of a library that it preloads (`man 8 ld.so`) before the program's `main`:
/// a constructor that calls [`crate::init`] makes a helper of any program, without a line of it
/// being executed. So the helper of a Python program is no interpreter.
#[cfg(target_os = "linux")]
mod preload {
    use std::fs::File;
    use std::os::fd::OwnedFd;
    use std::path::PathBuf;
    use std::process::Command;
    use std::sync::OnceLock;

    static LIBRARIES: OnceLock<Vec<PathBuf>> = OnceLock::new();

    /// Makes helpers of this program by preloading these libraries, at most two. The last must
    /// call [`crate::init`] in a constructor; others are there for the symbols that it needs.
    /// Only the first call counts.
    ///
    /// ```
    /// extern "C" fn become_helper() {
    ///     minidocker_rt::init();
    /// }
    ///
    /// # macro_rules! in_a_library { ($($item:item)*) => {} }
    /// # in_a_library! {
    /// #[used]
    /// #[unsafe(link_section = ".init_array")]
    /// static CONSTRUCTOR: extern "C" fn() = become_helper;
    /// # }
    /// ```
    pub fn preload_in_helpers(libraries: Vec<PathBuf>) {
        assert!(libraries.len() <= 2, "there are two standard streams to pass them through");
        let _ = LIBRARIES.set(libraries);
    }

    /// The libraries to be preloaded, if there are any.
    pub(crate) fn libraries() -> &'static [PathBuf] {
        LIBRARIES.get().map_or(&[], Vec::as_slice)
    }

    /// A standard stream that carries a library.
    #[derive(Debug, Clone, Copy)]
    pub(crate) enum Slot {
        Stdin,
        #[cfg(linux_backend)]
        Stdout,
        Stderr,
    }

    /// Has a helper preload these files, through standard streams that it does not use: so
    /// no descriptor has to be inheritable for a moment, and no path can have a character that
    /// the linker takes for a separator. The helper calls [`close_slots`].
    pub(crate) fn preload(command: &mut Command, files: Vec<OwnedFd>, slots: &[Slot]) {
        let mut names = Vec::new();
        for (file, slot) in files.into_iter().zip(slots) {
            let number = match slot {
                Slot::Stdin => 0,
                #[cfg(linux_backend)]
                Slot::Stdout => 1,
                Slot::Stderr => 2,
            };
            match slot {
                Slot::Stdin => command.stdin(file),
                #[cfg(linux_backend)]
                Slot::Stdout => command.stdout(file),
                Slot::Stderr => command.stderr(file),
            };
            names.push(format!("/proc/self/fd/{number}"));
        }
        if !names.is_empty() {
            command.env("LD_PRELOAD", names.join(":"));
        }
    }

    /// Puts /dev/null in the place of the libraries. They are mapped by now.
    pub(crate) fn close_slots(slots: &[Slot]) -> std::io::Result<()> {
        let null = File::options().read(true).write(true).open("/dev/null")?;
        for slot in slots {
            match slot {
                Slot::Stdin => rustix::stdio::dup2_stdin(&null)?,
                #[cfg(linux_backend)]
                Slot::Stdout => rustix::stdio::dup2_stdout(&null)?,
                Slot::Stderr => rustix::stdio::dup2_stderr(&null)?,
            }
        }
        Ok(())
    }
}
