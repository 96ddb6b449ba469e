//! Serves minidocker's page and REST API on this machine.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use minidocker_rt::BackendKind;
use minidocker_web::{Options, Server, StartError};

/// Serves minidocker's page and REST API on this machine.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The address to listen on. Other than 127.0.0.1, it lets other machines in, who need
    /// the token that is printed; nothing is encrypted
    #[arg(long, default_value = "127.0.0.1", value_parser = address)]
    host: IpAddr,
    /// The port to listen on; 0 takes any that is free
    #[arg(long, default_value_t = 5000)]
    port: u16,
    /// The folder that holds the containers [default: $MINIDOCKER_ROOT, else
    /// /var/lib/minidocker for root and ~/.local/share/minidocker for others]
    #[arg(long)]
    root: Option<PathBuf>,
    /// A name under which the server may be addressed, besides those of this machine; may be
    /// given several times
    #[arg(long = "allow-host", value_name = "NAME")]
    names: Vec<String>,
}

fn main() -> ExitCode {
    minidocker_rt::init();
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("warn")).init();
    let Arguments { host, port, root, names } = Arguments::parse();
    let backend = match backend() {
        Ok(backend) => backend,
        Err(error) => {
            eprintln!("minidocker-web: MINIDOCKER_BACKEND: {error}\n{}", error.hint());
            return ExitCode::FAILURE;
        }
    };
    match serve(&Options { host, port, root, backend, names, users: caller_of_sudo() }) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("minidocker-web: {error}\n{}", error.hint());
            ExitCode::FAILURE
        }
    }
}

/// What `MINIDOCKER_BACKEND` asks for: `linux`, `simulation` or `any`.
fn backend() -> minidocker_rt::Result<Option<BackendKind>> {
    match std::env::var("MINIDOCKER_BACKEND") {
        Ok(kind) if !kind.is_empty() => kind.parse().map(Some),
        _ => Ok(None),
    }
}

fn serve(options: &Options) -> Result<(), StartError> {
    let server = Server::bind(options)?;
    // Nobody may be reading; that is no reason not to serve.
    let _ = greet(&server, &mut std::io::stdout());
    server.run()
}

fn greet(server: &Server, out: &mut impl Write) -> std::io::Result<()> {
    writeln!(
        out,
        "minidocker is at {} (containers in {}; Ctrl+C ends the server, not them)",
        server.url(),
        server.root().display()
    )?;
    if server.is_public() {
        writeln!(
            out,
            "Other machines can reach it, and who enters can start processes as this user: keep \
             the link secret, and mind that nothing is encrypted."
        )?;
    }
    let who = if server.is_public() { "Enter" } else { "Other users of this machine enter" };
    writeln!(out, "{who} by {}", server.login_url())?;
    out.flush()
}

/// Who called sudo to start us shall need no token. The variable counts only for root, who
/// could do as they like anyway.
fn caller_of_sudo() -> Vec<u32> {
    let caller = std::env::var("SUDO_UID").ok().and_then(|uid| uid.parse().ok());
    caller.into_iter().filter(|_| nix::unistd::geteuid().is_root()).collect()
}

fn address(text: &str) -> Result<IpAddr, String> {
    if text == "localhost" {
        return Ok(Ipv4Addr::LOCALHOST.into());
    }
    text.parse().map_err(|_| "write localhost, or an address such as 127.0.0.1 or ::1".into())
}
