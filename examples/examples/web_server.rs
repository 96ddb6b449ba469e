//! A web server in a container, opened from outside: published ports, and who sees them.
//!
//! `sudo cargo run --example web_server`; with `-- --stay` it stays until Enter is pressed, so
//! that one can open it in a browser.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use minidocker_rt::{ContainerSpec, Error, Runtime, WriteOptions};

fn main() -> minidocker_rt::Result<()> {
    minidocker_rt::init();
    let root = tempfile::tempdir().expect("a temporary folder");
    let runtime = Runtime::open(root.path())?;
    // Port 0 of this machine: a free one, which is told after the start.
    let server = ContainerSpec::new("web", "python -m http.server 8000").publish("0:8000");
    let container = runtime.create(server)?;
    container.start()?;
    container.files().write(
        "/index.html",
        b"<h1>Hello from inside</h1>\n",
        WriteOptions::default(),
    )?;

    println!("--- how it is connected ---");
    let network = container.inspect()?.network;
    for endpoint in &network.networks {
        println!("{} {} by way of {}", network.mode, endpoint.ip_address, endpoint.gateway);
    }
    let published = network.ports[0];
    println!("port {published}");

    println!("\n--- the page, through the published port ---");
    let address = SocketAddr::new(published.host_ip(), published.host_port());
    print!("{}", page(address).expect("the page"));
    println!("or open http://localhost:{} in a browser", published.host_port());
    if std::env::args().any(|argument| argument == "--stay") {
        println!("Press Enter to end it.");
        let _ = std::io::stdin().read_line(&mut String::new());
    }

    println!("\n--- a port has one owner ---");
    let taken = format!("{}:8000", published.host_port());
    let second = runtime.create(ContainerSpec::new("second", "sleep 60").publish(&taken))?;
    match second.start() {
        Err(error @ Error::StartFailed { .. }) => println!("{error}\n{}", error.hint()),
        other => println!("unexpected: {other:?}"),
    }
    second.delete_force()?;
    container.delete_force()?;

    println!("\n--- and it is closed with its container ---");
    println!("{}", TcpStream::connect(address).expect_err("nobody listens"));
    Ok(())
}

/// The page at `/`, asked for until the server listens: Python takes a moment.
fn page(address: SocketAddr) -> std::io::Result<String> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let asked = TcpStream::connect(address).and_then(|mut stream| {
            stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).map(|_| answer)
        });
        match asked {
            Ok(answer) if answer.contains("Hello") => {
                return Ok(answer.split("\r\n\r\n").nth(1).unwrap_or_default().to_string());
            }
            Err(error) if Instant::now() > deadline => return Err(error),
            _ => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}
