//! What does a published port cost, compared with the container's own address?
//!
//! `cargo run --release -p minidocker-benches --bin ports -- --rounds 5` as root; `--mb N`
//! sets how much is sent in each round, `--seconds N` for how long questions are asked.
//!
//! The same server in the same container is reached twice, by turns: straight at its address on
//! the bridge, and at 127.0.0.1 through the forwarder. Beside them, without any container, the
//! same server on the host's loopback.

#![allow(clippy::print_stdout, reason = "the table is what this program is for")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use minidocker_benches::{
    Error, Figures, Lab, Result, catch_interrupts, check_interrupt, number_option,
};
use minidocker_rt::ContainerSpec;

/// A question, and its answer: about a small request of HTTP.
const QUESTION: usize = 128;

/// How many ask at a time.
const CROWD: usize = 32;

/// What is measured, and how.
type Kind<'a> = (&'a str, &'a dyn Fn(SocketAddr) -> Result<f64>);

fn main() -> Result<()> {
    minidocker_rt::init();
    catch_interrupts();
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, role, port] = &arguments[..]
        && role == "serve"
    {
        return serve(port.parse().map_err(|_| Error::Missing("serve takes a port".into()))?);
    }
    let rounds = number_option("--rounds", 5)?;
    let bytes = number_option::<u64>("--mb", 1000)? * 1_000_000;
    let time = Duration::from_secs_f64(number_option("--seconds", 1.0)?);

    let lab = Lab::open()?;
    let this = std::env::current_exe().map_err(Error::io("find this program"))?;
    std::fs::copy(this, lab.programs().join("ports")).map_err(Error::io("copy this program"))?;
    let spec = ContainerSpec::new("server", "/bench/ports serve 80")
        .volume(&format!("{}:/bench:ro", lab.programs().display()))?
        .publish("0:80");
    let container = lab.runtime().create(spec)?;
    container.start()?;
    let network = container.inspect()?.network;
    let missing = || Error::Unexpected("the container has no address or port".into());
    let address = network.networks.first().ok_or_else(missing)?.ip_address;
    let port = network.ports.first().ok_or_else(missing)?.host_port();
    let host = HostServer::start(&lab)?;
    let ways = [
        ("host's loopback", host.address),
        ("container's address", SocketAddr::new(address, 80)),
        ("published port", SocketAddr::from(([127, 0, 0, 1], port))),
    ];
    for (_, address) in ways {
        wait_for(address)?;
    }

    println!("{rounds} rounds; median, minimum and maximum:\n");
    let kinds: [Kind<'_>; 5] = [
        ("from the server, MB/s", &|address| download(address, bytes)),
        ("to the server, MB/s", &|address| upload(address, bytes)),
        ("questions/s, one after the other", &|address| questions(address, 1, time)),
        ("questions/s, 32 at a time", &|address| questions(address, CROWD, time)),
        ("connections/s, each a question", &|address| connections(address, time)),
    ];
    for (title, measure) in kinds {
        println!("{title}");
        let mut figures = [Figures::default(), Figures::default(), Figures::default()];
        for _ in 0..rounds {
            for ((_, address), figures) in ways.iter().zip(&mut figures) {
                check_interrupt()?;
                figures.push(measure(*address)?);
            }
        }
        for ((name, _), figures) in ways.iter().zip(&figures) {
            let (median, min, max) = (figures.median(), figures.min(), figures.max());
            println!("  {name:22} {median:9.0} {min:9.0} {max:9.0}");
        }
    }
    container.delete_force()?;
    Ok(())
}

/// The same server, outside of any container.
struct HostServer {
    child: Child,
    address: SocketAddr,
}

impl HostServer {
    fn start(lab: &Lab) -> Result<HostServer> {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let address = free.map_err(Error::io("find a free port"))?;
        let child = Command::new(lab.programs().join("ports"))
            .args(["serve", &address.port().to_string()])
            .stdin(Stdio::null())
            .spawn()
            .map_err(Error::io("run this program once more"))?;
        Ok(HostServer { child, address })
    }
}

impl Drop for HostServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A connection says first what it wants: `d` and a number to get so many bytes, `u` to have
/// them taken until the end, `q` for questions.
fn serve(port: u16) -> Result<()> {
    let listener = TcpListener::bind(("0.0.0.0", port)).map_err(Error::io("listen"))?;
    for client in listener.incoming().flatten() {
        std::thread::spawn(move || answer(client));
    }
    Ok(())
}

fn answer(mut client: TcpStream) -> std::io::Result<()> {
    client.set_nodelay(true)?;
    let mut buffer = vec![b'x'; 256 << 10];
    let mut order = [0; 9];
    client.read_exact(&mut order)?;
    let mut left = u64::from_le_bytes(order[1..].try_into().unwrap_or_default());
    match order[0] {
        b'd' => {
            while left > 0 {
                let part = left.min(buffer.len() as u64) as usize;
                client.write_all(&buffer[..part])?;
                left -= part as u64;
            }
            Ok(())
        }
        b'u' => {
            while client.read(&mut buffer)? > 0 {}
            client.write_all(b"!")
        }
        _ => {
            let mut question = [0; QUESTION];
            loop {
                client.read_exact(&mut question)?;
                client.write_all(&question)?;
            }
        }
    }
}

fn connect(address: SocketAddr, order: u8, number: u64) -> std::io::Result<TcpStream> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let mut words = [order; 9];
    words[1..].copy_from_slice(&number.to_le_bytes());
    stream.write_all(&words)?;
    Ok(stream)
}

fn ask(stream: &mut TcpStream) -> std::io::Result<()> {
    let mut question = [b'?'; QUESTION];
    stream.write_all(&question)?;
    stream.read_exact(&mut question)
}

fn wait_for(address: SocketAddr) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        match connect(address, b'q', 0).and_then(|mut stream| ask(&mut stream)) {
            Ok(()) => return Ok(()),
            Err(error) if Instant::now() > deadline => return Err(Error::io("connect")(error)),
            Err(_) => std::thread::sleep(Duration::from_millis(10)),
        }
    }
}

fn download(address: SocketAddr, bytes: u64) -> Result<f64> {
    let mut stream = connect(address, b'd', bytes).map_err(Error::io("connect"))?;
    let mut buffer = vec![0; 256 << 10];
    let began = Instant::now();
    let mut received = 0;
    loop {
        match stream.read(&mut buffer).map_err(Error::io("receive"))? {
            0 if received == bytes => {
                return Ok(bytes as f64 / 1e6 / began.elapsed().as_secs_f64());
            }
            0 => return Err(Error::Unexpected(format!("{received} of {bytes} bytes came"))),
            count => received += count as u64,
        }
    }
}

fn upload(address: SocketAddr, bytes: u64) -> Result<f64> {
    let mut stream = connect(address, b'u', 0).map_err(Error::io("connect"))?;
    let buffer = vec![b'x'; 256 << 10];
    let began = Instant::now();
    let mut left = bytes;
    while left > 0 {
        let part = left.min(buffer.len() as u64) as usize;
        stream.write_all(&buffer[..part]).map_err(Error::io("send"))?;
        left -= part as u64;
    }
    let end = stream.shutdown(std::net::Shutdown::Write);
    end.and_then(|()| stream.read_exact(&mut [0])).map_err(Error::io("hear that all came"))?;
    Ok(bytes as f64 / 1e6 / began.elapsed().as_secs_f64())
}

/// Questions over connections that stay open.
fn questions(address: SocketAddr, crowd: usize, time: Duration) -> Result<f64> {
    let over = AtomicBool::new(false);
    let began = Instant::now();
    let counts = std::thread::scope(|scope| {
        let askers: Vec<_> = (0..crowd)
            .map(|_| {
                scope.spawn(|| -> std::io::Result<u64> {
                    let mut stream = connect(address, b'q', 0)?;
                    let mut count = 0;
                    while !over.load(Ordering::Relaxed) {
                        ask(&mut stream)?;
                        count += 1;
                    }
                    Ok(count)
                })
            })
            .collect();
        std::thread::sleep(time);
        over.store(true, Ordering::Relaxed);
        askers
            .into_iter()
            .map(|asker| asker.join().unwrap_or_else(|_| Err(std::io::Error::other("panicked"))))
            .collect::<std::io::Result<Vec<u64>>>()
    });
    let count: u64 = counts.map_err(Error::io("ask"))?.into_iter().sum();
    Ok(count as f64 / began.elapsed().as_secs_f64())
}

/// A connection for each question, one after the other.
fn connections(address: SocketAddr, time: Duration) -> Result<f64> {
    let began = Instant::now();
    let mut count = 0;
    while began.elapsed() < time {
        connect(address, b'q', 0)
            .and_then(|mut stream| ask(&mut stream))
            .map_err(Error::io("connect and ask"))?;
        count += 1;
    }
    Ok(f64::from(count) / began.elapsed().as_secs_f64())
}
