//! The command's output on its way to the log: a thread per stream, which blocks.

use std::io::{ErrorKind, Read};
use std::process::{ChildStderr, ChildStdout};
use std::sync::mpsc::SyncSender;

use super::supervisor::{News, RunNews};
use crate::logs::Stream;

/// How much is read at once.
const CHUNK: usize = 32 << 10;

/// Reads both streams to their ends. When the supervisor is busy, the command waits, as it
/// would with any full pipe.
pub(super) fn pump(
    run: u64,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    news: &SyncSender<News>,
) -> std::io::Result<()> {
    if let Some(stdout) = stdout {
        read(run, Stream::Stdout, stdout, news.clone())?;
    }
    if let Some(stderr) = stderr {
        read(run, Stream::Stderr, stderr, news.clone())?;
    }
    Ok(())
}

fn read(
    run: u64,
    stream: Stream,
    mut source: impl Read + Send + 'static,
    news: SyncSender<News>,
) -> std::io::Result<()> {
    let thread = std::thread::Builder::new().stack_size(128 << 10);
    thread.spawn(move || {
        let mut chunk = vec![0; CHUNK];
        loop {
            let told = match source.read(&mut chunk) {
                Ok(0) => RunNews::OutputEnded,
                Ok(length) => RunNews::Output(stream, chunk[..length].to_vec()),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => RunNews::OutputEnded,
            };
            let last = matches!(told, RunNews::OutputEnded);
            if news.send(News::OfRun(run, told)).is_err() || last {
                return;
            }
        }
    })?;
    Ok(())
}
