//! Which containers' files have changed, as inotify(7) tells.

use std::collections::{BTreeSet, HashMap};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;

/// Watches the folder of the containers, and the folder of each. A log that grows is no
/// change here: that would be told with every line.
#[derive(Debug)]
pub(super) struct StoreWatch {
    inotify: OwnedFd,
    folder: PathBuf,
    /// The kernel's number for the folder of all.
    all: i32,
    /// Its numbers for the folders of each.
    names: HashMap<i32, String>,
}

/// What is worth looking at again.
#[derive(Debug)]
pub(super) enum Changed {
    /// The containers of these names; some may be gone.
    Names(BTreeSet<String>),
    /// Everything: the kernel could not remember all.
    All,
}

const FOLDER: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::MOVE)
    .union(WatchFlags::DELETE)
    .union(WatchFlags::CLOSE_WRITE)
    .union(WatchFlags::ONLYDIR);

impl StoreWatch {
    /// Watches the containers in `folder`, those that are there when they are
    /// [added](StoreWatch::add) and those that come.
    pub fn new(folder: PathBuf) -> Result<StoreWatch, Errno> {
        let inotify = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        let all = inotify::add_watch(&inotify, &folder, FOLDER)?;
        Ok(StoreWatch { inotify, folder, all, names: HashMap::new() })
    }

    /// Watches a container's folder from now on. Called again, it finds the folder that has
    /// taken the place of another.
    pub fn add(&mut self, name: &str) -> Result<(), Errno> {
        let number = inotify::add_watch(&self.inotify, self.folder.join(name), FOLDER)?;
        self.names.insert(number, name.to_string());
        Ok(())
    }

    /// What has changed since the last call, without waiting.
    pub fn changed(&mut self) -> Changed {
        let mut changed = BTreeSet::new();
        let mut buffer = [MaybeUninit::uninit(); 16 << 10];
        let mut events = inotify::Reader::new(&self.inotify, &mut buffer);
        loop {
            let event = match events.next() {
                Ok(event) => event,
                Err(Errno::INTR) => continue,
                Err(Errno::WOULDBLOCK) => return Changed::Names(changed),
                Err(_) => return Changed::All,
            };
            let flags = event.events();
            if flags.contains(ReadFlags::QUEUE_OVERFLOW) {
                return Changed::All;
            }
            if flags.contains(ReadFlags::IGNORED) {
                self.names.remove(&event.wd());
            } else if event.wd() == self.all {
                let name = event.file_name().and_then(|name| name.to_str().ok());
                changed.extend(name.map(ToString::to_string));
            } else {
                changed.extend(self.names.get(&event.wd()).cloned());
            }
        }
    }
}

impl AsFd for StoreWatch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }
}
