//! A container runtime to learn from, and to build on.
//!
//! A **container** is an ordinary process that sees its own files, its own process
//! tree, its own network and its own hostname, and may use only so much memory and
//! CPU time. The kernel has a separate mechanism for each of these; a runtime puts
//! them together in the right order.
//!
//! - a [`ContainerSpec`] says what is asked for;
//! - a [`Plan`] lists the steps that will build it, each explained, with its system calls;
//! - a supervisor process carries the plan out and watches over the container;
//! - a [`Trace`] tells what was done, with the kernel's answers and the microseconds.
//!
//! ```no_run
//! use minidocker_rt::{ContainerSpec, Runtime};
//!
//! fn main() -> minidocker_rt::Result<()> {
//!     minidocker_rt::init(); // first line: lets this program be its own helper process
//!     let runtime = Runtime::open("/tmp/lab")?;
//!     let container = runtime.create(
//!         ContainerSpec::new("hello", "python -c \"print('Hello')\"")
//!             .memory_mb(64)
//!             .cpu_percent(50)
//!             .env("MODE", "production"),
//!     )?;
//!     container.start()?; // returns when the program runs, or says which step failed
//!     let exit = container.wait()?;
//!     print!("{}", container.logs()?.read_to_string()?);
//!     assert!(exit.success());
//!     container.delete()
//! }
//! ```
//!
//! Containers go on when the program that started them ends; any number of programs
//! can open the same root folder and see the same containers.
//!
//! # Where there is no `main`
//! Tests under `cargo test` or nextest have a `main` of the test harness, which starts threads
//! before anything of yours runs. There [`init`] is called by a constructor, which the system
//! runs before `main` (on Linux; macOS calls the section `__DATA,__mod_init_func`):
//!
//! ```
//! extern "C" fn become_helper() {
//!     minidocker_rt::init();
//! }
//!
//! #[used]
//! #[unsafe(link_section = ".init_array")]
//! static CONSTRUCTOR: extern "C" fn() = become_helper;
//! ```
//!
//! An embedder that can do neither names another program that calls it, by
//! [`RuntimeBuilder::helper`]. With `#[tokio::main]` the threads are there already: write
//! `fn main`, call [`init`], and build the tokio runtime after it.
//!
//! # Backends
//! The Linux backend makes real containers. It takes Linux 5.12 or newer and root;
//! [`Runtime::open`] returns [`Error::CannotIsolate`] with what is missing. Who asks for it, by
//! [`RuntimeBuilder::backend`], gets a **simulation** there (and on macOS and Windows): an
//! ordinary child process in a private folder, with the container's paths rewritten and its
//! limits watched from outside, isolated from nothing. The operations and types are the same;
//! what cannot be imitated returns [`Error::Unsupported`] with the reason.
//! [`BackendKind::Any`] takes whatever there is, [`Runtime::backend`] tells which that is and
//! why, [`Runtime::capabilities`] what it can do. In a plan, [`Step::simulated`] says what
//! happens instead of each step.
//!
//! # What is a boundary and what is not
//! A simulation is none: do not run in it what you would not run in your shell. What follows
//! is about the Linux backend.
//!
//! With everything on, a container cannot see or change the host's files and
//! processes, and cannot take more memory, CPU time or processes than its limits. It
//! shares the host's kernel: a bug in the kernel is a way out. Its root is the host's
//! root with fewer rights (there is no user namespace yet). Do not run hostile code
//! for which you would not trust Docker's defaults.
//!
//! Networks are apart from each other, and nobody outside reaches a container but through a
//! published port. A container does reach the host, at its gateway's address and all others,
//! and what the host reaches; [`NetworkMode::None`] is for one that is to reach nobody.
//! Containers of one network are not protected from each other.

mod archive;
#[cfg_attr(not(linux_backend), path = "attach/absent.rs")]
mod attach;
mod backend;
mod capabilities;
mod config;
mod container;
mod diff;
mod error;
mod events;
mod exec;
mod files;
#[doc(hidden)]
#[cfg(all(linux_backend, any(test, fuzzing)))]
pub mod fuzzing;
mod health;
mod helper;
mod images;
mod interrupt;
mod life;
mod lines;
#[cfg(linux_backend)]
mod linux;
mod lock;
mod logs;
mod names;
mod network;
mod networks;
mod next;
mod plan;
mod private;
mod reserve;
mod restart;
mod runtime;
mod signal;
mod simulation;
mod spec;
mod stats;
mod status;
mod store;
mod templates;
mod upkeep;
mod utf8;
mod watch;

pub use archive::{ArchiveContent, ArchiveLimits, ArchiveSummary};
pub use attach::{Attached, Input, Output, Piece};
pub use capabilities::{Capability, Support};
pub use config::ExportedConfig;
pub use container::{
    Container, ContainerInfo, DIFF_LIMIT, Files, LIST_LIMIT, STOP_GRACE, StatsStream,
};
pub use diff::{Change, ChangeKind, Diff};
pub use error::{Error, Result, StepFailure};
pub use events::Events;
pub use events::{Event, EventKind};
pub use exec::{Exec, ExecOutput, OUTPUT_LIMIT, Stdin};
pub use exec::{ExecBeginning, ExecProcess, Terminal};
pub use files::{FileInfo, FileKind, FileMount, WriteOptions};
pub use health::{HealthReport, Probe};
#[cfg(target_os = "linux")]
pub use helper::preload_in_helpers;
pub use images::{ImageConfig, ImageInfo, ImageLayer, ImageSource};
pub use interrupt::interruptible;
pub use logs::Follow;
pub use logs::{LogEntry, Logs, Stream};
pub use network::{NetworkEndpoint, NetworkInfo};
pub use networks::{Network, NetworkMember, NetworkOptions};
pub use next::Next;
pub use plan::{Actor, Call, Outcome, Plan, Step, Trace, TracedStep};
pub use runtime::{BackendInfo, BackendKind, Recovered, Revived, Runtime, RuntimeBuilder};
pub use signal::Signal;
pub use spec::{
    Command, CommandText, ContainerId, ContainerName, ContainerPath, ContainerSpec, CpuPercent,
    EnvVar, ExtraHost, HealthCheck, Hostname, ImageName, Isolation, LogSize, Memory, NetworkMode,
    NetworkName, PidsLimit, PortMapping, Protocol, Resource, RestartPolicy, Rlimit, Subnet,
    TerminalSize, User, Volume,
};
pub use stats::{
    BlockIoStats, ContainerStats, CpuStats, MemoryStats, NetworkStats, PidsStats, Pressure,
    PressureStats, Stall, Stats,
};
pub use status::{ExitStatus, Health, ProcessIdentity, Status};
pub use templates::{Template, TemplateName};
pub use upkeep::{ContainerUsage, DiskUsage, ImageUsage, NotPruned, Pruned};

/// Lets this program be its own helper process. Make it the first line of `main`.
///
/// A runtime needs a small process without threads to fork containers from. The
/// program is executed once more for that, and this call recognises it: in the helper
/// it never returns. In the program itself it does next to nothing.
pub fn init() {
    simulation::init();
    #[cfg(linux_backend)]
    linux::spawner::init();
    helper::remember();
}

/// The example of the networks' page must compile.
#[cfg(doctest)]
#[doc = include_str!("../../docs/networking.md")]
struct Networking;

/// The example of the README must compile.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
