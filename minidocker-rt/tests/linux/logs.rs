//! What a container writes, however much and fast, is in its log; and that costs neither its
//! supervisor's memory nor the disk.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use minidocker_rt::Stream;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::lab::{Lab, PATIENCE, eventually, family, sh, status_field};

crate::trials![
    under_back_pressure_no_line_is_lost_or_torn,
    an_endless_writer_grows_neither_memory_nor_the_log,
];

fn under_back_pressure_no_line_is_lost_or_torn() {
    let lab = Lab::new();
    // 97 bytes a line, 12 MB in the log: no rotation.
    let count = |letter| {
        format!("awk 'BEGIN {{ for (i = 1; i <= 40000; i++) printf \"{letter}%095d\\n\", i }}'")
    };
    let script = format!("{} & {} >&2; wait", count('o'), count('e'));
    let container = lab.start(sh("a", &script));
    let supervisor = Pid::from_raw(family(&container).supervisor);
    // While it sleeps the pipes are full, and the writers wait.
    for _ in 0..10 {
        let _ = kill(supervisor, Signal::SIGSTOP);
        std::thread::sleep(Duration::from_millis(20));
        let _ = kill(supervisor, Signal::SIGCONT);
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(container.wait_timeout(PATIENCE).unwrap().success());
    for (stream, letter) in [(Stream::Stdout, 'o'), (Stream::Stderr, 'e')] {
        let text = container.logs().unwrap().stream(stream).read_to_string().unwrap();
        assert_eq!(text.lines().count(), 40_000);
        for (line, number) in text.lines().zip(1..) {
            assert_eq!(line, format!("{letter}{number:095}"));
        }
    }
}

fn an_endless_writer_grows_neither_memory_nor_the_log() {
    let lab = Lab::new();
    let container = lab.start(sh("a", "yes"));
    let supervisor = family(&container).supervisor;
    let log = container.inspect().unwrap().rootfs.with_file_name("log");
    let older = log.with_extension("1");
    let memory = || {
        let text = status_field(supervisor, "VmRSS").unwrap();
        text.trim_end_matches(" kB").parse::<u64>().unwrap()
    };
    // Each rotation gives the older file another inode.
    let older_file = || fs::metadata(&older).map(|file| file.ino()).ok();
    let mut memory_after = Vec::new();
    let mut last = None;
    for _ in 0..4 {
        eventually("a rotation", || older_file().is_some_and(|file| Some(file) != last));
        last = older_file();
        memory_after.push(memory());
    }
    let megabyte = 1024;
    assert!(memory_after[3] < memory_after[0] + megabyte, "{memory_after:?}");
    let on_disk: u64 =
        [&log, &older].iter().filter_map(|f| fs::metadata(f).ok()).map(|f| f.len()).sum();
    assert!(on_disk <= 32 << 20, "{on_disk}");
    container.stop_within(Duration::ZERO).unwrap();
    assert!(container.disk_usage().unwrap().log_bytes <= 33 << 20);
}
