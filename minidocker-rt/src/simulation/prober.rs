//! Probes the health of a container: the supervisor's side of a health check.

use std::io::Read;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, channel};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::command::Prepared;
use super::process;
use super::supervisor::{News, RunNews};
use super::tree::Tree;
use crate::health::Probe;
use crate::spec::HealthCheck;
use crate::utf8;

/// How much of a probe's output is kept: 4 KiB, as Docker does.
const OUTPUT: usize = 4 << 10;

/// How long the end of a probe's output may take after its own.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// The probes of one run of a container.
pub(super) struct Prober {
    check: HealthCheck,
    command: Prepared,
    began: Instant,
    /// Whether the latest probe was begun in the start period.
    lenient: bool,
    /// Whether the container stands still, for the thread that follows a probe.
    paused: Arc<AtomicBool>,
    /// When the next probe is due; None while one is under way.
    next: Option<Instant>,
    /// The pid of the probe under way.
    probing: Option<u32>,
}

impl Prober {
    /// The first probe comes after one interval.
    pub fn new(check: HealthCheck, command: Prepared) -> Prober {
        let began = Instant::now();
        Prober {
            next: Some(began + check.interval),
            check,
            command,
            began,
            lenient: true,
            paused: Arc::default(),
            probing: None,
        }
    }

    /// When the next probe is due.
    pub fn deadline(&self) -> Option<Instant> {
        self.next
    }

    /// Whether a failure of the latest probe does not count yet.
    pub fn is_lenient(&self) -> bool {
        self.lenient
    }

    /// The health check.
    pub fn check(&self) -> &HealthCheck {
        &self.check
    }

    /// Begins a probe if one is due. Its end is told as news of the run.
    pub fn step(&mut self, run: u64, paused: bool, news: &SyncSender<News>) {
        self.paused.store(paused, Ordering::Relaxed);
        if self.next.is_none_or(|next| next > Instant::now()) {
            return;
        }
        // What stands still cannot answer, and is not to blame.
        if paused {
            self.next = Some(Instant::now() + self.check.interval);
            return;
        }
        self.next = None;
        self.lenient = self.began.elapsed() < self.check.start_period;
        let started_at = Timestamp::now();
        let tell = {
            let news = news.clone();
            move |probe| {
                let _ = news.send(News::OfRun(run, RunNews::Probed(probe)));
            }
        };
        match begin(&self.command) {
            Ok(child) => {
                self.probing = Some(child.id());
                let (timeout, paused) = (self.check.timeout, self.paused.clone());
                let told = tell.clone();
                let thread = std::thread::Builder::new().stack_size(128 << 10);
                let begun = thread.spawn(move || told(follow(child, timeout, &paused, started_at)));
                if let Err(error) = begun {
                    spawn_failed(tell, started_at, error.to_string());
                }
            }
            Err(why) => spawn_failed(tell, started_at, why),
        }
    }

    /// A probe has ended.
    pub fn ended(&mut self) {
        self.probing = None;
        self.next = Some(Instant::now() + self.check.interval);
    }
}

impl Drop for Prober {
    /// A container that ends takes its probe along.
    fn drop(&mut self) {
        if let Some(pid) = self.probing {
            process::kill(pid);
        }
    }
}

/// Told from another thread: the supervisor's own must not wait for room among the news.
fn spawn_failed(tell: impl FnOnce(Probe) + Send + 'static, started_at: Timestamp, why: String) {
    std::thread::spawn(move || tell(ended(started_at, None, why)));
}

fn begin(command: &Prepared) -> Result<Child, String> {
    let mut command = command.command().map_err(|failure| failure.to_string())?;
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    process::spawn(&mut command).map_err(|error| error.to_string())
}

/// Waits for a probe's end, or ends it.
fn follow(
    mut child: Child,
    timeout: Duration,
    paused: &AtomicBool,
    started_at: Timestamp,
) -> Probe {
    let pid = child.id();
    let (pieces, output) = channel();
    let (done, ended_by_itself) = channel();
    read(child.stdout.take(), pieces.clone());
    read(child.stderr.take(), pieces);
    let wait = process::wait_for_end(&child);
    std::thread::spawn(move || {
        wait();
        let _ = done.send(());
    });
    let mut in_time = ended_by_itself.recv_timeout(timeout).is_ok();
    // One that stands still with its container has all its time once more.
    while !in_time && paused.load(Ordering::Relaxed) {
        in_time = ended_by_itself.recv_timeout(timeout).is_ok();
    }
    if !in_time {
        let mut tree = Tree::below(pid);
        tree.look();
        tree.pids().into_iter().for_each(process::kill);
    }
    let status = process::wait(&mut child);
    let mut text = gather(&output);
    let exit_code = match status {
        Ok(status) if in_time => Some(process::status_of(status).0),
        _ => None,
    };
    if !in_time {
        text.push_str(&format!("it was killed after {} s", timeout.as_secs_f64()));
    }
    ended(started_at, exit_code, text)
}

fn ended(started_at: Timestamp, exit_code: Option<i32>, output: String) -> Probe {
    Probe { started_at, finished_at: Timestamp::now(), exit_code, output }
}

fn read(source: Option<impl Read + Send + 'static>, pieces: std::sync::mpsc::Sender<Vec<u8>>) {
    let Some(mut source) = source else { return };
    std::thread::spawn(move || {
        let mut chunk = vec![0; OUTPUT];
        while let Ok(length @ 1..) = source.read(&mut chunk) {
            if pieces.send(chunk[..length].to_vec()).is_err() {
                return;
            }
        }
    });
}

/// What was printed; what is left in the background may keep the streams open for ever.
fn gather(output: &Receiver<Vec<u8>>) -> String {
    let deadline = Instant::now() + LAST_WORDS;
    let mut bytes = Vec::new();
    while let Ok(piece) = output.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        bytes.extend(piece);
    }
    match bytes.len() <= OUTPUT {
        true => String::from_utf8_lossy(&bytes).into_owned(),
        false => utf8::cut_off(&bytes[..OUTPUT]),
    }
}
