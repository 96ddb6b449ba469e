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
    /// The address to listen on; only addresses of this machine itself
    #[arg(long, default_value = "127.0.0.1", value_parser = address)]
    host: IpAddr,
    /// The port to listen on; 0 takes any that is free
    #[arg(long, default_value_t = 5000)]
    port: u16,
    /// The folder that holds the containers [default: $MINIDOCKER_ROOT, else
    /// /var/lib/minidocker for root and ~/.local/share/minidocker for others]
    #[arg(long)]
    root: Option<PathBuf>,
}

fn main() -> ExitCode {
    minidocker_rt::init();
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("warn")).init();
    let Arguments { host, port, root } = Arguments::parse();
    let backend = match backend() {
        Ok(backend) => backend,
        Err(error) => {
            eprintln!("minidocker-web: MINIDOCKER_BACKEND: {error}\n{}", error.hint());
            return ExitCode::FAILURE;
        }
    };
    match serve(&Options { host, port, root, backend }) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("minidocker-web: {error}\n{}", error.hint());
            ExitCode::FAILURE
        }
    }
}

/// What `MINIDOCKER_BACKEND` asks for: `linux` or `simulation`.
fn backend() -> minidocker_rt::Result<Option<BackendKind>> {
    match std::env::var("MINIDOCKER_BACKEND") {
        Ok(kind) if !kind.is_empty() => kind.parse().map(Some),
        _ => Ok(None),
    }
}

fn serve(options: &Options) -> Result<(), StartError> {
    let server = Server::bind(options)?;
    // Nobody may be reading; that is no reason not to serve.
    let _ = writeln!(
        std::io::stdout(),
        "minidocker is at {} (containers in {}; Ctrl+C ends the server, not them)",
        server.url(),
        server.root().display()
    );
    server.run()
}

fn address(text: &str) -> Result<IpAddr, String> {
    if text == "localhost" {
        return Ok(Ipv4Addr::LOCALHOST.into());
    }
    text.parse().map_err(|_| "write localhost, or an address such as 127.0.0.1 or ::1".into())
}
