//! What the web server bears: the list under load, many who look, and what it costs when
//! nobody does.
//!
//! `cargo build --release -p minidocker-web && cargo run --release -p minidocker-benches --bin
//! web_load -- --seconds 20` as root.
//!
//! There are 500 containers, of which 50 run. Requests come at fixed times, 200 a second, over
//! connections that stay open; a request that has to wait for the one before counts from the
//! time when it should have been sent, so a server that stands still cannot hide it.

#![allow(clippy::print_stdout, reason = "the table is what this program is for")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use minidocker_benches::{
    Error, Figures, Lab, Result, catch_interrupts, check_interrupt, number_option, option,
};
use minidocker_rt::ContainerSpec;

const CONTAINERS: usize = 500;
const RUNNING: usize = 50;
const RATE: u32 = 200;
const CONNECTIONS: u32 = 8;
const CLIENTS: usize = 200;

fn main() -> Result<()> {
    minidocker_rt::init();
    let seconds = number_option("--seconds", 20)?;
    catch_interrupts();
    let lab = Lab::open()?;
    for number in 0..CONTAINERS {
        check_interrupt()?;
        let spec = ContainerSpec::new(&format!("c{number:04}"), "sleep 86400");
        let container = lab.runtime().create(spec.memory_mb(64).cpu_percent(50))?;
        if number < RUNNING {
            container.start()?;
        }
    }
    let server = Server::start(&lab)?;
    println!("{CONTAINERS} containers, of which {RUNNING} run; {seconds} s each.\n");
    // The first list reads all files.
    server.requests(1)?;
    thread::sleep(Duration::from_secs(7));
    println!("nobody looks: {:.2} % of one CPU", server.cpu_percent(seconds));
    report("the list", &server, seconds)?;
    let clients = Clients::open(&server)?;
    thread::sleep(Duration::from_secs(2));
    println!("{CLIENTS} look: {:.2} % of one CPU", server.cpu_percent(seconds));
    report(&format!("the list, while {CLIENTS} look"), &server, seconds)?;
    println!("messages that the {CLIENTS} got: {}", clients.close());
    Ok(())
}

fn report(what: &str, server: &Server, seconds: u32) -> Result<()> {
    check_interrupt()?;
    let before = server.cpu_seconds();
    let mut times = server.requests(seconds)?;
    let cpu = (server.cpu_seconds() - before) / f64::from(seconds) * 100.0;
    times.sort_unstable();
    let mut figures = Figures::default();
    times.iter().for_each(|time| figures.add(*time));
    let p99 = times[(times.len() * 99 / 100).min(times.len() - 1)].as_secs_f64() * 1000.0;
    println!(
        "{what}, {RATE} requests/s: median {:.2} ms, p99 {p99:.2} ms, max {:.2} ms, {cpu:.0} % of \
         one CPU",
        figures.median(),
        figures.max()
    );
    Ok(())
}

/// The program under load.
struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start(lab: &Lab) -> Result<Server> {
        let program = match option("--program") {
            Some(path) => PathBuf::from(path),
            None => std::env::current_exe()
                .map_err(Error::io("find this program"))?
                .with_file_name("minidocker-web"),
        };
        let mut child = Command::new(&program)
            .args(["--port", "0", "--root"])
            .arg(lab.runtime().root())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(Error::io(format!("start {}", program.display())))?;
        let mut greeting = String::new();
        if let Some(out) = child.stdout.take() {
            BufReader::new(out).read_line(&mut greeting).map_err(Error::io("read its greeting"))?;
        }
        let word = greeting.split_whitespace().find_map(|word| word.strip_prefix("http://"));
        let address = word.map(ToString::to_string).unwrap_or_default();
        Ok(Server { child, address })
    }

    fn connect(&self, path: &str) -> Result<(TcpStream, Vec<u8>)> {
        let stream = TcpStream::connect(&self.address).map_err(Error::io("connect"))?;
        stream.set_nodelay(true).map_err(Error::io("set up a connection"))?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.address);
        Ok((stream, request.into_bytes()))
    }

    /// Asks for the list at the rate, for so long, and returns how long each answer took.
    fn requests(&self, seconds: u32) -> Result<Vec<Duration>> {
        let times = Arc::new(Mutex::new(Vec::new()));
        let begin = Instant::now() + Duration::from_millis(50);
        let gap = Duration::from_secs(1) / RATE;
        let mut threads: Vec<JoinHandle<Result<()>>> = Vec::new();
        for connection in 0..CONNECTIONS {
            let (stream, request) = self.connect("/api/containers")?;
            let times = times.clone();
            threads.push(thread::spawn(move || {
                let mut stream = BufReader::new(stream);
                for number in (connection..RATE * seconds).step_by(CONNECTIONS as usize) {
                    let due = begin + gap * number;
                    thread::sleep(due.saturating_duration_since(Instant::now()));
                    let failed = || Error::io("ask for the list");
                    stream.get_mut().write_all(&request).map_err(failed())?;
                    read_answer(&mut stream).map_err(failed())?;
                    let took = due.elapsed();
                    times.lock().unwrap_or_else(|error| error.into_inner()).push(took);
                }
                Ok(())
            }));
        }
        for thread in threads {
            thread.join().map_err(|_| Error::Unexpected("a client panicked".into()))??;
        }
        let times = times.lock().unwrap_or_else(|error| error.into_inner());
        Ok(times.clone())
    }

    /// CPU time used so far (`man 5 proc_pid_stat`, fields 14 and 15).
    fn cpu_seconds(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()));
        let stat = stat.unwrap_or_default();
        let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let ticks: f64 = after_name
            .split_whitespace()
            .skip(11)
            .take(2)
            .filter_map(|n| n.parse::<f64>().ok())
            .sum();
        // USER_HZ, which is 100 on every Linux that this runs on.
        ticks / 100.0
    }

    fn cpu_percent(&self, seconds: u32) -> f64 {
        let before = self.cpu_seconds();
        thread::sleep(Duration::from_secs(seconds.into()));
        (self.cpu_seconds() - before) / f64::from(seconds) * 100.0
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read_answer(stream: &mut BufReader<TcpStream>) -> std::io::Result<()> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
        if line == "\r\n" {
            break;
        }
        if line.is_empty() {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body)
}

/// Those who look: each reads the live list, and counts its messages.
struct Clients {
    messages: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Clients {
    fn open(server: &Server) -> Result<Clients> {
        let mut clients =
            Clients { messages: Arc::default(), over: Arc::default(), threads: Vec::new() };
        for _ in 0..CLIENTS {
            let (mut stream, request) = server.connect("/api/live")?;
            stream.write_all(&request).map_err(Error::io("ask for the live list"))?;
            stream
                .set_read_timeout(Some(Duration::from_millis(500)))
                .map_err(Error::io("set up a connection"))?;
            let (messages, over) = (clients.messages.clone(), clients.over.clone());
            let thread = thread::Builder::new().stack_size(256 << 10).spawn(move || {
                let mut buffer = [0; 64 << 10];
                while !over.load(Ordering::Relaxed) {
                    if let Ok(count) = stream.read(&mut buffer) {
                        // Each message begins with its name.
                        let begins = buffer[..count].windows(7).filter(|part| *part == b"event: ");
                        messages.fetch_add(begins.count() as u64, Ordering::Relaxed);
                    }
                }
            });
            clients.threads.push(thread.map_err(Error::io("start a client"))?);
        }
        Ok(clients)
    }

    fn close(self) -> u64 {
        self.over.store(true, Ordering::Relaxed);
        for thread in self.threads {
            let _ = thread.join();
        }
        self.messages.load(Ordering::Relaxed)
    }
}
