//! The spawner: one small helper per runtime that forks a supervisor per start.
//!
//! Forking a big program with threads is unsafe (a lock held by another thread stays
//! held for ever in the child) and slow (its page tables are copied). So the program
//! executes itself once, as a process that does nothing but this; it has one thread,
//! and all code after its forks is ordinary Rust. It ends when the program does, its
//! supervisors go on.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use nix::errno::Errno;
use nix::libc;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::signal::{SigHandler, Signal, signal};
use nix::unistd::ForkResult;
use rustix::mount::{MountAttrFlags, OpenTreeFlags};

use super::channel::{self, Greeting, Request, Setup};
use super::context::Streams;
use super::exec::{self, ExecRequest};
use super::host::Host;
use super::raw::{
    block_signals, close_all_except, forget_environment, mount_setattr, release_memory,
    set_process_name,
};
use super::sys::Sys;
use super::{privileges, process, supervisor};
use crate::backend::Started;
use crate::error::{Error, Result};
use crate::helper::{self, Slot};
use crate::spec::Subnet;
use crate::store::LockedContainer;

/// What all helpers are called in `ps`, and how [`init`] recognises one. PID 1 of each container
/// shows it inside, so it is all that the command line says; whose root a helper serves is seen
/// from outside, by its current directory (`ls -l /proc/PID/cwd`).
const NAME: &str = "minidocker-init";

/// By which a program may have to be told where its libraries are (`man 8 ld.so`).
const LIBRARY_PATH: &str = "LD_LIBRARY_PATH";

/// By which a program may be told its time zone (`man 3 tzset`); the log's times are in it.
const TIME_ZONE: &str = "TZ";

/// How long a supervisor may take to start its container. What may keep it has limits of its own,
/// which together are less.
const LONGEST_START: Duration = Duration::from_secs(120);

/// Where preloaded libraries come in; standard input is the socket.
const SLOTS: [Slot; 2] = [Slot::Stdout, Slot::Stderr];

/// See [`crate::init`]: never returns in a helper.
pub(crate) fn init() {
    if std::env::args_os().next().is_some_and(|name| name == NAME) {
        run();
    }
}

/// The program's side: starts the helper when it is first needed, and again should it
/// have died.
#[derive(Debug)]
pub(crate) struct Spawner {
    root: PathBuf,
    /// The addresses of the common bridge, if they were chosen.
    subnet: Option<Subnet>,
    helper: Option<PathBuf>,
    running: Mutex<Option<Running>>,
}

#[derive(Debug)]
struct Running {
    socket: OwnedFd,
    child: Child,
    /// The process that started it: after a fork, the copy must start its own.
    owner: u32,
}

impl Spawner {
    pub fn new(root: &Path, subnet: Option<Subnet>, helper: Option<PathBuf>) -> Spawner {
        Spawner { root: root.to_owned(), subnet, helper, running: Mutex::new(None) }
    }

    /// Starts a container: returns when its command was executed, or with the step
    /// that failed. The lock goes along, and stays held until the supervisor is done.
    pub fn start(&self, container: &LockedContainer) -> Result<Started> {
        let failed = |why: String| Error::HelperFailed { action: "starting a container", why };
        let (ours, theirs) = channel::pair().map_err(|errno| failed(errno.to_string()))?;
        let request = Request::Start { container: container.dir.path().to_owned() };
        self.send(&request, &[theirs.as_fd(), container.lock.as_fd()])?;
        drop(theirs);
        if !process::wait_readable(ours.as_fd(), Some(LONGEST_START))? {
            return Err(failed(format!(
                "the supervisor has not answered for {} s",
                LONGEST_START.as_secs()
            )));
        }
        match channel::receive::<Started>(ours.as_fd()) {
            Ok(Some(reply)) => Ok(reply.message),
            Ok(None) => Err(failed("the supervisor was killed".into())),
            Err(errno) => Err(failed(errno.to_string())),
        }
    }

    /// Has a command executed in a running container; the channel tells how it goes. Without
    /// `streams` it has a terminal.
    pub fn exec(&self, request: ExecRequest, streams: &[BorrowedFd<'_>]) -> Result<OwnedFd> {
        let (ours, theirs) = channel::pair()
            .map_err(|errno| Error::System { call: "socketpair".into(), errno: errno as i32 })?;
        let mut descriptors = vec![theirs.as_fd()];
        descriptors.extend_from_slice(streams);
        self.send(&Request::Exec(request), &descriptors)?;
        Ok(ours)
    }

    fn send(&self, request: &Request, fds: &[BorrowedFd<'_>]) -> Result<()> {
        let mut running = self.running.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // A second try only if the helper had died since it was last used.
        for retry in [true, false] {
            let helper = match &mut *running {
                Some(helper) if helper.owner == std::process::id() => helper,
                empty => empty.insert(self.spawn()?),
            };
            match channel::send(helper.socket.as_fd(), request, fds) {
                Ok(()) => return Ok(()),
                Err(Errno::EPIPE | Errno::ECONNRESET) if retry => {
                    let _ = helper.child.wait();
                    *running = None;
                }
                Err(errno) => {
                    let action = "asking the spawner";
                    return Err(Error::HelperFailed { action, why: errno.to_string() });
                }
            }
        }
        Ok(())
    }

    fn spawn(&self) -> Result<Running> {
        let (program, libraries) = match &self.helper {
            Some(path) => (path.clone(), &[][..]),
            None if helper::can_be_own() => (PathBuf::from("/proc/self/exe"), helper::libraries()),
            None => {
                return Err(Error::HelperMissing {
                    why: "minidocker_rt::init() was not called".into(),
                });
            }
        };
        let failed = |why: io::Error| Error::HelperFailed {
            action: "starting the spawner",
            why: format!("{}: {why}", program.display()),
        };
        let sealed = seal(&program).map_err(failed)?;
        // What helpers run must be unwritable, wherever it comes from.
        let libraries: Vec<OwnedFd> =
            libraries.iter().map(|path| seal(path)).collect::<io::Result<_>>().map_err(failed)?;
        let (ours, theirs) = channel::pair().map_err(|errno| failed(errno.into()))?;
        // std spawns without copying this program's memory, and safely from any thread.
        let mut command = Command::new(format!("/proc/self/fd/{}", sealed.as_raw_fd()));
        command
            .arg0(NAME)
            // What is not there cannot leak: no variable of the program's reaches a helper, but
            // for the one that its libraries may be found by.
            .env_clear()
            .envs(std::env::var_os(LIBRARY_PATH).map(|value| (LIBRARY_PATH, value)))
            // glibc's per-thread cache keeps freed blocks, and with them whole pages that
            // every supervisor and init would hold for the container's life.
            .env("GLIBC_TUNABLES", "glibc.malloc.tcache_count=0")
            .stdin(theirs)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        helper::preload(&mut command, libraries, &SLOTS);
        let mut child = command.spawn().map_err(failed)?;
        // It holds the helper's end of the socket, whose closing tells that the helper has ended.
        drop(command);
        let setup = Setup {
            root: self.root.clone(),
            subnet: self.subnet,
            time_zone: std::env::var(TIME_ZONE).ok(),
        };
        // If it has ended already, that is what the greeting tells.
        let sent = channel::send(ours.as_fd(), &setup, &[]);
        if let Err(errno) = sent
            && errno != Errno::EPIPE
        {
            let _ = child.kill();
            let _ = child.wait();
            return Err(failed(errno.into()));
        }
        let why = match channel::receive::<Greeting>(ours.as_fd()) {
            Ok(Some(greeting)) => match greeting.message {
                Greeting::Ready => {
                    return Ok(Running { socket: ours, child, owner: std::process::id() });
                }
                Greeting::Refused(why) => why,
            },
            // One that does not know that it is a helper leaves the setup unread.
            Ok(None) | Err(Errno::ECONNRESET) => {
                if let Some(signal) = killed_by(&mut child) {
                    return Err(failed(io::Error::other(format!("killed by signal {signal}"))));
                }
                "it ended without a word: is minidocker_rt::init() its first line? A test has no \
                 main of its own: see \"Where there is no main\" in the documentation of the crate"
                    .into()
            }
            Err(errno) => errno.to_string(),
        };
        let _ = child.kill();
        let _ = child.wait();
        Err(Error::HelperMissing { why })
    }
}

/// The signal that has just ended a child, if one did.
fn killed_by(child: &mut Child) -> Option<i32> {
    let pid = rustix::process::Pid::from_raw(child.id().try_into().ok()?)?;
    let pidfd = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).ok()?;
    process::wait_readable(pidfd.as_fd(), Some(Duration::from_secs(1))).ok()?;
    child.try_wait().ok()??.signal()
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.owner != std::process::id() {
            return;
        }
        // The end of the socket ends the helper; it is reaped here.
        let _ =
            nix::sys::socket::shutdown(self.socket.as_raw_fd(), nix::sys::socket::Shutdown::Both);
        let _ = self.child.wait();
    }
}

/// An unwritable view of a program. A process in the container may find our helper's
/// executable at /proc/1/exe, and whatever it could write there would run as root on
/// the host (CVE-2019-5736). A read-only mount that no namespace holds cannot be
/// written through nor remounted; where mounts are not allowed, a sealed copy serves.
fn seal(program: &Path) -> io::Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    if let Ok(view) = rustix::mount::open_tree(rustix::fs::CWD, program, flags)
        && mount_setattr(view.as_fd(), MountAttrFlags::MOUNT_ATTR_RDONLY.bits().into(), false)
            .is_ok()
    {
        return Ok(view);
    }
    use nix::fcntl::{FcntlArg, SealFlag, fcntl};
    let memory =
        memfd_create(c"minidocker-init", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?;
    let mut copy = File::from(memory);
    io::copy(&mut File::open(program)?, &mut copy)?;
    let seals = SealFlag::F_SEAL_SEAL
        | SealFlag::F_SEAL_SHRINK
        | SealFlag::F_SEAL_GROW
        | SealFlag::F_SEAL_WRITE;
    fcntl(&copy, FcntlArg::F_ADD_SEALS(seals))?;
    Ok(copy.into())
}

/// The helper's own main function.
fn run() -> ! {
    let code = match prepare() {
        Ok((socket, host)) => serve(&socket, &host),
        Err(code) => code,
    };
    std::process::exit(code)
}

fn prepare() -> std::result::Result<(OwnedFd, Host), i32> {
    // The socket came as standard input. It moves, and /dev/null takes its place.
    // SAFETY: descriptor 0 is open (we were spawned with it) and nothing else owns it.
    let stdin = unsafe { OwnedFd::from_raw_fd(0) };
    let socket = stdin.try_clone().map_err(|_| 1)?;
    let null = File::options().read(true).write(true).open("/dev/null").map_err(|_| 1)?;
    // SAFETY: dup2 onto the standard streams; `stdin` is forgotten below, so that
    // descriptor 0 stays open.
    unsafe {
        libc::dup2(null.as_raw_fd(), 0);
    }
    std::mem::forget(stdin);
    drop(null);
    helper::close_slots(&SLOTS).map_err(|_| 1)?;
    close_all_except(&[socket.as_raw_fd()]);

    // Read whatever follows: what lies unread in a socket would be an error at its other end.
    let setup = channel::receive::<Setup>(socket.as_fd()).ok().flatten().ok_or(1)?;
    let Setup { root, subnet, time_zone } = setup.message;
    let refuse = |why: String| {
        let _ = channel::send(socket.as_fd(), &Greeting::Refused(why), &[]);
        1
    };
    let threads = std::fs::read_dir("/proc/self/task").map_or(1, Iterator::count);
    if threads > 1 {
        return Err(refuse(format!(
            "{} threads run before minidocker_rt::init(): it must be the first line of main, \
             because a process with threads cannot fork safely",
            threads - 1
        )));
    }
    forget_environment();
    // Nobody but root may look into the helpers, or touch them with a debugger.
    let _ = nix::sys::prctl::set_dumpable(false);
    set_process_name(c"md-spawner");
    if let Err(error) = std::env::set_current_dir(&root) {
        return Err(refuse(format!("{}: {error}", root.display())));
    }
    // The program's own mask is its own affair; containers begin with the usual one.
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o022));
    // No signal ends a helper, whatever its number and whoever sends it: a terminal's Ctrl-C is
    // meant for the program, and what a container sends to its PID 1 for its command. Supervisor
    // and init wait for them; a command starts with all at their defaults.
    block_signals().map_err(|_| 1)?;
    // SAFETY: ignoring a signal installs no handler. So the kernel reaps the supervisors.
    unsafe {
        let _ = signal(Signal::SIGCHLD, SigHandler::SigIgn);
    }
    if let Err(error) =
        privileges::set_oom_score(&mut Sys::real(None), privileges::HELPER_OOM_SCORE)
    {
        log::debug!("cannot shield the helpers from the OOM killer: {}", error.call);
    }
    let host = in_time_zone(time_zone.as_deref(), || Host::detect(&root, subnet))
        .map_err(|error| refuse(error.to_string()))?;
    // Every page freed here is one that no supervisor has to copy.
    release_memory();
    channel::send(socket.as_fd(), &Greeting::Ready, &[]).map_err(|_| 1)?;
    Ok((socket, host))
}

/// Does something as in the program's time zone.
fn in_time_zone<T>(time_zone: Option<&str>, perform: impl FnOnce() -> T) -> T {
    let Some(time_zone) = time_zone else { return perform() };
    // SAFETY: this process has one thread, so nobody else looks at its variables.
    unsafe { std::env::set_var(TIME_ZONE, time_zone) };
    let result = perform();
    // SAFETY: as above.
    unsafe { std::env::remove_var(TIME_ZONE) };
    result
}

/// Forks a supervisor per request, until the program closes its end.
fn serve(socket: &OwnedFd, host: &Host) -> i32 {
    loop {
        let received = match channel::receive::<Request>(socket.as_fd()) {
            Ok(Some(received)) => received,
            Ok(None) | Err(Errno::ECONNRESET) => return 0,
            Err(_) => return 1,
        };
        let mut descriptors = received.descriptors.into_iter();
        let Some(reply) = descriptors.next() else { continue };
        // SAFETY: this process has one thread, so its child may run any code.
        let forked = unsafe { nix::unistd::fork() };
        match (forked, received.message) {
            (Ok(ForkResult::Child), Request::Start { container }) => match descriptors.next() {
                Some(lock) => supervisor::run(container, reply, lock, host),
                None => return 1,
            },
            (Ok(ForkResult::Child), Request::Exec(request)) => {
                let (stdin, stdout, stderr) =
                    (descriptors.next(), descriptors.next(), descriptors.next());
                exec::run(&request, reply, Streams { stdin, stdout, stderr }, host)
            }
            (Ok(ForkResult::Parent { .. }), _) => {}
            // The end of the channel tells the asker of an exec.
            (Err(errno), _) => {
                let trouble = Started::Trouble(format!("fork() => {errno}"));
                let _ = channel::send(reply.as_fd(), &trouble, &[]);
            }
        }
    }
}
