//! The server: where it listens, how it starts, how it ends.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use actix_web::rt::signal::unix::{SignalKind, signal};
use actix_web::{HttpServer, middleware, rt, web};
use minidocker_rt::{BackendKind, Revived, Runtime};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::socket::{setsockopt, sockopt};
use nix::unistd::geteuid;
use tokio::sync::watch;

use crate::app::App;
use crate::guard::Guard;
use crate::guard::hosts::Hosts;
use crate::guard::peer::Connection;
use crate::guard::strangers::Strangers;
use crate::guard::token::Token;
use crate::streams::Streams;
use crate::{api, guard, page};

/// Threads that serve connections.
const WORKERS: usize = 2;

/// Where to serve what.
#[derive(Debug, Clone)]
pub struct Options {
    /// The address to listen on. From other machines than this one, everybody needs the token.
    pub host: IpAddr,
    /// The port to listen on; 0 takes any that is free.
    pub port: u16,
    /// The root folder of the containers; that of [`Runtime::open_default`] if None.
    pub root: Option<PathBuf>,
    /// How containers are made; whatever there is ([`BackendKind::Any`]) if None: the page says
    /// which it is.
    pub backend: Option<BackendKind>,
    /// Users of this machine that need no token, by uid, besides the server's own.
    pub users: Vec<u32>,
    /// Names under which the server may be addressed, besides those of this machine.
    pub names: Vec<String>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            host: Ipv4Addr::LOCALHOST.into(),
            port: 5000,
            root: None,
            backend: None,
            users: Vec::new(),
            names: Vec::new(),
        }
    }
}

/// Why the server does not run. The message (`Display`) is one sentence;
/// [`StartError::hint`] is what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Another program listens there.
    #[error("port {} on {} is taken by another program", address.port(), address.ip())]
    PortTaken {
        /// The address asked for.
        address: SocketAddr,
    },
    /// The system does not let us listen there.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// The system's reason.
        source: io::Error,
    },
    /// The containers' root folder cannot be opened.
    #[error(transparent)]
    Runtime(#[from] minidocker_rt::Error),
    /// The server's threads could not be started, or failed.
    #[error("the server failed: {0}")]
    Failed(#[source] io::Error),
}

impl StartError {
    /// What the user can do about it.
    pub fn hint(&self) -> String {
        match self {
            StartError::PortTaken { address } => {
                let airplay = match address.port() {
                    5000 | 7000 => {
                        ", or AirPlay Receiver on macOS, which uses ports 5000 and 7000 (System \
                         Settings, General, AirDrop & Handoff)"
                    }
                    _ => "",
                };
                let other = if address.port() == 5001 { 5002 } else { 5001 };
                format!(
                    "It may be a minidocker-web that runs already{airplay}. Choose another port: \
                     minidocker-web --port {other}"
                )
            }
            StartError::Listen { source, .. } => match source.kind() {
                ErrorKind::PermissionDenied => {
                    "Ports below 1024 need root; choose a higher one with --port.".into()
                }
                _ => "Choose another address with --host or another port with --port.".into(),
            },
            StartError::Runtime(error) => {
                format!("{} The root folder is chosen with --root.", error.hint())
            }
            StartError::Failed(_) => "Try again; the reason is the system's.".into(),
        }
    }
}

/// The address of this machine that packets to other machines come from; its own loopback without
/// a network.
fn address_for_others(ipv6: bool) -> IpAddr {
    // An address of the documentation (RFC 5737, RFC 3849), which nobody has. Connecting a UDP
    // socket only looks up the route: nothing is sent.
    let (any, far, loopback): (IpAddr, IpAddr, IpAddr) = match ipv6 {
        true => (
            Ipv6Addr::UNSPECIFIED.into(),
            Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into(),
            Ipv6Addr::LOCALHOST.into(),
        ),
        false => (
            Ipv4Addr::UNSPECIFIED.into(),
            Ipv4Addr::new(192, 0, 2, 1).into(),
            Ipv4Addr::LOCALHOST.into(),
        ),
    };
    UdpSocket::bind((any, 0))
        .and_then(|socket| socket.connect((far, 9)).and_then(|()| socket.local_addr()))
        .map_or(loopback, |address| address.ip())
}

/// A server that listens, and answers once it [runs](Server::run).
#[derive(Debug)]
pub struct Server {
    runtime: Runtime,
    listener: TcpListener,
    address: SocketAddr,
    guard: Guard,
}

impl Server {
    /// Opens the containers' root folder and takes the port.
    ///
    /// # Errors
    /// All of [`StartError`] but `Failed`.
    pub fn bind(options: &Options) -> Result<Server, StartError> {
        let Options { host, port, root, backend, users, names } = options;
        let address = SocketAddr::new(*host, *port);
        let not_listening = |source: io::Error| match source.kind() {
            ErrorKind::AddrInUse => StartError::PortTaken { address },
            _ => StartError::Listen { address, source },
        };
        let listener = TcpListener::bind(address).map_err(not_listening)?;
        notice_who_vanishes(&listener).map_err(|errno| not_listening(errno.into()))?;
        let address = listener.local_addr().map_err(not_listening)?;
        let builder = Runtime::builder().backend(backend.unwrap_or(BackendKind::Any));
        let runtime = match root {
            Some(root) => builder.open(root)?,
            None => builder.open_default()?,
        };
        let token = Token::new(address.port()).map_err(|error| StartError::Failed(error.into()))?;
        let mut users = users.clone();
        users.push(geteuid().as_raw());
        let guard = Guard { hosts: Hosts::of(address, names), token, users };
        Ok(Server { runtime, listener, address, guard })
    }

    /// Where a browser finds it, e.g. `http://127.0.0.1:5000`. A server that listens on every
    /// address of the machine is told by the one that other machines reach it at.
    pub fn url(&self) -> String {
        let mut address = self.address;
        if address.ip().is_unspecified() {
            address.set_ip(address_for_others(address.is_ipv6()));
        }
        format!("http://{address}")
    }

    /// A link that lets in whoever opens it. A secret: who has it can start processes as the
    /// server's user, and so as root if that is root.
    pub fn login_url(&self) -> String {
        format!("{}/login?token={}", self.url(), self.guard.token.text())
    }

    /// Whether other machines can reach it.
    pub fn is_public(&self) -> bool {
        !self.address.ip().is_loopback()
    }

    /// The folder that holds the containers.
    pub fn root(&self) -> &Path {
        self.runtime.root()
    }

    /// Serves until the program gets SIGTERM or SIGINT (Ctrl+C). Containers go on. First it
    /// brings back those that their restart policy wants back after a reboot
    /// ([`Runtime::revive`]).
    ///
    /// # Errors
    /// [`StartError::Failed`].
    pub fn run(self) -> Result<(), StartError> {
        let reviving = self.runtime.clone();
        // Beside the serving: a container that is slow to start must not hold up the page.
        std::thread::spawn(move || revive(&reviving));
        let guard = web::Data::new(self.guard);
        let (end, ending) = watch::channel(false);
        let app = web::Data::new(App::new(self.runtime, Streams::new(ending)));
        raise_open_files();
        let strangers = Arc::new(Strangers::default());
        let server = async move {
            let asked_to_end = asked_to_end()?;
            HttpServer::new(move || {
                actix_web::App::new()
                    .app_data(app.clone())
                    .app_data(guard.clone())
                    .wrap(middleware::from_fn(guard::watch))
                    .configure(page::routes)
                    .configure(api::routes)
            })
            .on_connect(move |connection, data| Connection::remember(&strangers, connection, data))
            // They only hand out work: whatever may block has threads of its own.
            .workers(WORKERS)
            // A client that has closed its end is gone: its stream ends now, not when writing
            // to it fails twice.
            .h1_allow_half_closed(false)
            // A request cut off here is no harm: operations on containers are atomic,
            // and a stop in its grace period can be asked for again.
            .shutdown_timeout(1)
            .shutdown_signal(async move {
                asked_to_end.await;
                // Streams would go on for ever.
                let _ = end.send(true);
            })
            .listen(self.listener)?
            .run()
            .await
        };
        rt::System::new().block_on(server).map_err(StartError::Failed)
    }
}

/// So many descriptors are enough for every stream, and for strangers in plenty.
const OPEN_FILES: u64 = 65_536;

/// Allows this process more descriptors, where the system lets it. Containers get what they
/// always get.
fn raise_open_files() {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard.min(OPEN_FILES)
        && let Err(errno) = setrlimit(Resource::RLIMIT_NOFILE, hard.min(OPEN_FILES), hard)
    {
        log::warn!("only {soft} files can be open at once, and connections with them: {errno}");
    }
}

/// A machine that is switched off says no goodbye. The connections that are accepted inherit
/// these: a silent one is probed after 30 s, and one whose data nobody takes for 60 s is closed.
fn notice_who_vanishes(listener: &TcpListener) -> nix::Result<()> {
    setsockopt(listener, sockopt::KeepAlive, &true)?;
    #[cfg(target_os = "linux")]
    {
        setsockopt(listener, sockopt::TcpKeepIdle, &30)?;
        setsockopt(listener, sockopt::TcpKeepInterval, &10)?;
        setsockopt(listener, sockopt::TcpKeepCount, &3)?;
        setsockopt(listener, sockopt::TcpUserTimeout, &60_000)?;
    }
    Ok(())
}

fn revive(runtime: &Runtime) {
    match runtime.revive() {
        Ok(revived) => {
            for Revived { container, started } in revived {
                match started {
                    Ok(()) => log::info!("{} runs again", container.name()),
                    Err(error) => log::warn!("{error}"),
                }
            }
        }
        Err(error) => log::warn!("cannot look for containers to start again: {error}"),
    }
}

/// Completes at the first SIGTERM or SIGINT.
fn asked_to_end() -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(std::future::poll_fn(move |context| {
        let terminate = terminate.poll_recv(context).map(drop);
        if terminate.is_ready() { terminate } else { interrupt.poll_recv(context).map(drop) }
    }))
}
