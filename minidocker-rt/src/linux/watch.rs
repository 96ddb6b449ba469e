//! Being woken when something changes in a folder: inotify(7), without polling.
//!
//! A user may have only 128 inotify instances (`fs.inotify.max_user_instances`), and the
//! writer of a file waits until each of them was told. So a program has one, however many
//! readers it has: a thread reads it, and wakes those whose folder it was by their eventfd.
//! The thread begins with the first watch and ends with the last.

use std::collections::HashMap;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::sys::eventfd::{EfdFlags, EventFd};
use rustix::fs::inotify::{self, ReadFlags, WatchFlags};

use super::process::wait_readable;
use crate::error::{Error, Result};

/// A folder that is watched: for files made, renamed, removed or written to, and for its
/// own end. Its descriptor becomes readable at each change.
#[derive(Debug)]
pub(crate) struct Watch {
    hub: Arc<Hub>,
    /// The kernel's number of the watched folder.
    number: i32,
    bell: Arc<Bell>,
}

#[derive(Debug)]
struct Bell {
    event: EventFd,
    /// Whether the folder was removed or renamed.
    gone: AtomicBool,
}

/// The one inotify instance of this program.
#[derive(Debug)]
struct Hub {
    inotify: OwnedFd,
    /// A fork of this program has a copy of the memory, but no thread that reads.
    process: u32,
    /// Who watches which folder. The kernel gives one number to all who watch the same.
    bells: Mutex<HashMap<i32, Vec<Arc<Bell>>>>,
}

static HUB: Mutex<Option<Arc<Hub>>> = Mutex::new(None);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Watch {
    /// Begins to watch. What changes after this call is told.
    pub fn folder(path: &Path) -> Result<Watch> {
        let system = |call: &str, errno: i32| Error::System { call: call.into(), errno };
        let event = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)
            .map_err(|errno| system("eventfd", errno as i32))?;
        let bell = Arc::new(Bell { event, gone: AtomicBool::new(false) });
        // Held to the end, so that the thread does not end between here and there.
        let mut current = lock(&HUB);
        let hub = match current.as_ref().filter(|hub| hub.process == std::process::id()) {
            Some(hub) => hub.clone(),
            None => current.insert(Hub::start()?).clone(),
        };
        let changes = WatchFlags::CREATE
            | WatchFlags::MODIFY
            | WatchFlags::MOVE
            | WatchFlags::DELETE
            | WatchFlags::DELETE_SELF
            | WatchFlags::MOVE_SELF
            | WatchFlags::ONLYDIR;
        let mut bells = lock(&hub.bells);
        let number = inotify::add_watch(&hub.inotify, path, changes).map_err(|errno| {
            let call = format!("inotify_add_watch({:?})", path.display().to_string());
            system(&call, errno.raw_os_error())
        })?;
        bells.entry(number).or_default().push(bell.clone());
        drop(bells);
        Ok(Watch { hub, number, bell })
    }

    /// Forgets the changes so far. To be called before looking at the folder. Returns
    /// whether there were any.
    pub fn clear(&self) -> bool {
        self.bell.event.read().is_ok()
    }

    /// Waits for a change, at most so long. Returns whether there is one.
    pub fn wait(&self, timeout: Option<Duration>) -> Result<bool> {
        wait_readable(self.as_fd(), timeout)
    }

    /// Whether the folder was removed or renamed: there will be no more changes.
    pub fn is_gone(&self) -> bool {
        self.bell.gone.load(Ordering::Acquire)
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.event.as_fd()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // What a fork of this program drops is still watched by the program itself.
        if self.hub.process != std::process::id() {
            return;
        }
        let mut bells = lock(&self.hub.bells);
        if let Some(others) = bells.get_mut(&self.number) {
            others.retain(|other| !Arc::ptr_eq(other, &self.bell));
            if others.is_empty() {
                bells.remove(&self.number);
                // The thread is told of the removal (IN_IGNORED), and ends if it was the last.
                let _ = inotify::remove_watch(&self.hub.inotify, self.number);
            }
        }
    }
}

impl Hub {
    fn start() -> Result<Arc<Hub>> {
        let inotify = inotify::init(inotify::CreateFlags::CLOEXEC).map_err(|errno| {
            Error::System { call: "inotify_init1".into(), errno: errno.raw_os_error() }
        })?;
        let process = std::process::id();
        let hub = Arc::new(Hub { inotify, process, bells: Mutex::default() });
        let of_thread = hub.clone();
        std::thread::Builder::new()
            .name("minidocker-watch".into())
            .stack_size(256 << 10)
            .spawn(move || of_thread.ring())
            .map_err(|error| Error::System {
                call: "clone".into(),
                errno: error.raw_os_error().unwrap_or(0),
            })?;
        Ok(hub)
    }

    /// The thread: rings the bells until there are none.
    fn ring(&self) {
        let mut buffer = [MaybeUninit::uninit(); 16 << 10];
        let mut changes = inotify::Reader::new(&self.inotify, &mut buffer);
        loop {
            let (number, flags) = match changes.next() {
                Ok(change) => (change.wd(), change.events()),
                Err(rustix::io::Errno::INTR) => continue,
                // Nothing else can happen to a descriptor that is ours alone.
                Err(errno) => {
                    log::error!("inotify: {errno}");
                    return;
                }
            };
            let mut bells = lock(&self.bells);
            if flags.contains(ReadFlags::QUEUE_OVERFLOW) {
                // Nobody knows what was lost: all look.
                bells.values().flatten().for_each(|bell| bell.ring());
            }
            let end = ReadFlags::DELETE_SELF
                | ReadFlags::MOVE_SELF
                | ReadFlags::UNMOUNT
                | ReadFlags::IGNORED;
            for bell in bells.get(&number).into_iter().flatten() {
                if flags.intersects(end) {
                    bell.gone.store(true, Ordering::Release);
                }
                bell.ring();
            }
            if flags.contains(ReadFlags::IGNORED) {
                bells.remove(&number);
            }
            let last = bells.is_empty();
            drop(bells);
            if last {
                // Somebody may have begun to watch since.
                let mut current = lock(&HUB);
                if lock(&self.bells).is_empty() {
                    current.take_if(|hub| std::ptr::eq(&**hub, self));
                    return;
                }
            }
        }
    }
}

impl Bell {
    fn ring(&self) {
        // It fails only if it rings already, 2^64 times.
        let _ = self.event.write(1);
    }
}
