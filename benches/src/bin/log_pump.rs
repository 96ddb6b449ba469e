//! How fast does a container's output get into its log, and from there to its readers?
//!
//! `cargo run --release -p minidocker-benches --bin log_pump -- --rounds 5` as root; `--mb N`
//! sets how much is written in each round, `--readers N` how many follow.
//!
//! A program writes lines of 100 bytes as fast as it can, once in a container and once into
//! `cat > file` on the host, by turns. It does so in writes of 64 KiB, as a program does
//! whose output is buffered, and with a write for each line. What is told is how fast it got
//! rid of them: a slow reader of a pipe slows its writer down.

#![allow(clippy::print_stdout, reason = "the table is what this program is for")]

use std::fs;
use std::io::Write;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use minidocker_benches::{
    Error, Figures, Lab, Result, catch_interrupts, check_interrupt, expect_success, number_option,
};
use minidocker_rt::{ContainerSpec, Stream};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

const LINE: usize = 100;

/// How the output is written, and how much of what was asked for: a write for each line is
/// so much slower that less will do.
const KINDS: [(&str, usize, usize); 2] =
    [("in writes of 64 KiB", 64 << 10, 1), ("a write for each line", LINE, 4)];

/// How many lines the readers follow.
const FOLLOWED_LINES: usize = 100_000;

fn main() -> Result<()> {
    minidocker_rt::init();
    catch_interrupts();
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, role, bytes, block, report] = &arguments[..]
        && role == "write"
    {
        return write(number(bytes)?, number(block)?, Path::new(report));
    }
    let rounds = number_option("--rounds", 5)?;
    let bytes = number_option::<usize>("--mb", 256)? * 1_000_000;
    let lab = Lab::open()?;
    let program = lab.programs().join("log_pump");
    let this = std::env::current_exe().map_err(Error::io("find this program"))?;
    fs::copy(this, program).map_err(Error::io("copy this program"))?;

    println!("Output of lines of {LINE} bytes, in MB/s (10^6), over {rounds} rounds:\n");
    println!("{:24} {:>22} {:>22} {:>7}", "", "container", "cat > file", "ratio");
    println!("{:24} {1} {1}", "", format_args!("{:>7} {:>6} {:>7}", "median", "min", "max"));
    for (kind, block, part) in KINDS {
        let [mut container, mut cat] = [Figures::default(), Figures::default()];
        for _ in 0..rounds {
            check_interrupt()?;
            container.push(in_container(&lab, bytes / part, block)?);
            cat.push(into_cat(&lab, bytes / part, block)?);
        }
        print!("{kind:24}");
        for figures in [&container, &cat] {
            let (median, min, max) = (figures.median(), figures.min(), figures.max());
            print!(" {median:7.0} {min:6.0} {max:7.0}");
        }
        println!(" {:7.2}", container.median() / cat.median());
    }
    follow(&lab, number_option("--readers", 100)?)
}

/// Has a container write. Returns the MB per second.
fn in_container(lab: &Lab, bytes: usize, block: usize) -> Result<f64> {
    let report = lab.folder().join("report");
    fs::create_dir_all(&report).map_err(Error::io("make a folder"))?;
    let command = format!("/bench/log_pump write {bytes} {block} /report/seconds");
    let spec = ContainerSpec::new("writer", command.as_str())
        .volume(&format!("{}:/bench:ro", lab.programs().display()))?
        .volume(&format!("{}:/report", report.display()))?;
    let container = lab.runtime().create(spec)?;
    container.start()?;
    expect_success(&container)?;
    container.delete()?;
    speed(bytes, &report.join("seconds"))
}

/// Has a program write into `cat > file` on the host.
fn into_cat(lab: &Lab, bytes: usize, block: usize) -> Result<f64> {
    let [report, output] = ["seconds", "output"].map(|name| lab.folder().join(name));
    let file = fs::File::create(&output).map_err(Error::io("make a file"))?;
    let mut writer = Command::new(lab.programs().join("log_pump"))
        .args(["write", &bytes.to_string(), &block.to_string()])
        .arg(&report)
        .stdout(Stdio::piped())
        .spawn()
        .map_err(Error::io("run this program once more"))?;
    let input = writer.stdout.take().map_or_else(Stdio::null, Stdio::from);
    let cat = Command::new("cat").stdin(input).stdout(file).status();
    cat.map_err(Error::io("run cat"))?;
    writer.wait().map_err(Error::io("wait for the writer"))?;
    fs::remove_file(&output).map_err(Error::io("remove a file"))?;
    speed(bytes, &report)
}

fn speed(bytes: usize, report: &Path) -> Result<f64> {
    let seconds = fs::read_to_string(report).map_err(Error::io("read the writer's report"))?;
    let seconds: f64 = number(&seconds)?;
    Ok(bytes as f64 / 1e6 / seconds)
}

/// The writer: lines, then how many seconds they took.
fn write(bytes: usize, block: usize, report: &Path) -> Result<()> {
    let mut line = [b'x'; LINE];
    line[LINE - 1] = b'\n';
    // As long as a whole number of lines, so that any block of it can be followed by another.
    let lines = line.repeat(block.div_ceil(LINE) + 1);
    // Not through Stdout, which buffers by lines.
    let output = std::io::stdout().as_fd().try_clone_to_owned();
    let mut output = fs::File::from(output.map_err(Error::io("open the output"))?);
    let begin = Instant::now();
    let mut written = 0;
    while written < bytes {
        let at = written % LINE;
        let length = block.min(bytes - written);
        output.write_all(&lines[at..at + length]).map_err(Error::io("write"))?;
        written += length;
    }
    fs::write(report, begin.elapsed().as_secs_f64().to_string()).map_err(Error::io("report"))
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T> {
    text.trim().parse().map_err(|_| Error::Unexpected(format!("{text:?} is no number")))
}

/// Has many readers follow one container, and tells what that costs this program.
fn follow(lab: &Lab, readers: usize) -> Result<()> {
    let bytes = FOLLOWED_LINES * LINE;
    let command = format!("/bench/log_pump write {bytes} {LINE} /dev/null");
    let spec = ContainerSpec::new("followed", command.as_str())
        .volume(&format!("{}:/bench:ro", lab.programs().display()))?;
    let container = lab.runtime().create(spec)?;
    container.start()?;
    let (cpu, begin) = (cpu_seconds()?, Instant::now());
    let logs = container.logs()?;
    let follow = || -> Result<usize> {
        let mut lines = 0;
        for entry in logs.follow()? {
            let entry = entry?;
            lines += usize::from(entry.stream == Stream::Stdout && entry.full);
        }
        Ok(lines)
    };
    let lines: Vec<usize> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..readers).map(|_| scope.spawn(follow)).collect();
        threads
            .into_iter()
            .map(|thread| match thread.join() {
                Ok(lines) => lines,
                Err(panic) => std::panic::resume_unwind(panic),
            })
            .collect::<Result<_>>()
    })?;
    let (cpu, seconds) = (cpu_seconds()? - cpu, begin.elapsed().as_secs_f64());
    container.delete()?;
    if lines.iter().any(|&lines| lines != FOLLOWED_LINES) {
        return Err(Error::Unexpected(format!("lines were lost: {lines:?}")));
    }
    let each = cpu / (FOLLOWED_LINES * readers) as f64 * 1e9;
    println!(
        "\n{readers} readers of {FOLLOWED_LINES} lines, each in a thread: {seconds:.1} s, \
         {each:.0} ns of CPU for each line and reader."
    );
    Ok(())
}

/// The CPU time of this program so far.
fn cpu_seconds() -> Result<f64> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)
        .map_err(|errno| Error::Unexpected(format!("getrusage: {errno}")))?;
    let seconds = |time: TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    Ok(seconds(usage.user_time()) + seconds(usage.system_time()))
}
