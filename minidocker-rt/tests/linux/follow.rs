//! Following a log: everything, in order, and then the end.

use std::fs::{self, File};
use std::io::Write;
use std::os::fd::AsFd;
use std::path::PathBuf;

use minidocker_rt::{Container, Error, Follow, LogEntry, Next, Stream};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::lab::{Lab, PATIENCE, eventually, family, is_alive, kill, sh, sleeper};

crate::trials![
    a_follower_sees_the_output_as_it_comes,
    a_fast_exit_truncates_nothing,
    a_container_that_does_not_run_is_read_and_that_is_the_end,
    tail_since_and_stream_choose_what_is_followed,
    parts_of_a_line_keep_their_order,
    a_follower_goes_on_across_a_restart,
    a_follower_reads_on_across_rotation,
    a_follower_that_sleeps_through_two_rotations_is_told_so,
    a_follower_ends_when_the_container_is_deleted,
    a_follower_ends_when_the_supervisor_is_killed,
    a_hundred_followers_see_the_same,
    the_log_of_a_successor_is_not_followed,
    a_servers_loop_waits_for_many_followers_at_once,
    tail_reads_the_last_lines_across_both_files,
];

fn follow(container: &Container) -> Follow {
    container.logs().unwrap().follow().unwrap()
}

/// All that is left, to the end, which must come in time.
fn rest(follow: &mut Follow) -> Vec<LogEntry> {
    let mut entries = Vec::new();
    loop {
        match follow.next_timeout(PATIENCE).unwrap() {
            Next::Item(entry) => entries.push(entry),
            Next::End => return entries,
            Next::NothingYet => panic!("no end after {entries:?}"),
        }
    }
}

fn texts(entries: &[LogEntry]) -> Vec<String> {
    entries.iter().map(|entry| String::from_utf8_lossy(&entry.text).into_owned()).collect()
}

fn output(entries: &[LogEntry]) -> String {
    let mut text = String::new();
    for entry in entries.iter().filter(|entry| entry.stream != Stream::System) {
        text.push_str(&String::from_utf8_lossy(&entry.text));
        text.push_str(if entry.full { "\n" } else { "" });
    }
    text
}

/// The next entry of the command itself.
fn line(follow: &mut Follow) -> String {
    loop {
        match follow.next_timeout(PATIENCE).unwrap() {
            Next::Item(entry) if entry.stream == Stream::System => {}
            Next::Item(entry) => return String::from_utf8(entry.text).unwrap(),
            other => panic!("no line: {other:?}"),
        }
    }
}

fn folder(container: &Container) -> PathBuf {
    container.inspect().unwrap().rootfs.parent().unwrap().to_path_buf()
}

/// A container that says a line whenever its file `name` in a volume is made.
fn waits_for_files(lab: &Lab, files: &[&str]) -> (Container, PathBuf) {
    let shared = lab.folder("shared");
    let script: String = files
        .iter()
        .map(|file| format!("until [ -e /s/{file} ]; do sleep 0.02; done; echo {file}\n"))
        .collect();
    let spec = sh("a", &format!("echo ready\n{script}"));
    (lab.create(spec.volume(&format!("{}:/s", shared.display())).unwrap()), shared)
}

fn a_follower_sees_the_output_as_it_comes() {
    let lab = Lab::new();
    let (container, shared) = waits_for_files(&lab, &["one", "two"]);
    container.start().unwrap();
    let mut follow = follow(&container);
    assert_eq!(line(&mut follow), "ready");
    assert_eq!(follow.try_next().unwrap(), Next::NothingYet);
    for name in ["one", "two"] {
        File::create(shared.join(name)).unwrap();
        assert_eq!(line(&mut follow), name);
    }
    let end = rest(&mut follow);
    assert_eq!(texts(&end), ["=== Container exited with code 0 ==="]);
    assert_eq!(follow.try_next().unwrap(), Next::End, "and it stays the end");
}

fn a_fast_exit_truncates_nothing() {
    let lab = Lab::new();
    for round in 0..50 {
        let container = lab.start(sh("a", "echo one; echo two >&2; echo three; printf four"));
        let entries = rest(&mut follow(&container));
        let texts = texts(&entries);
        assert_eq!(texts.len(), 7, "round {round}: {texts:?}");
        assert!(texts[6].contains("exited with code 0"), "round {round}: {texts:?}");
        container.delete().unwrap();
    }
}

fn a_container_that_does_not_run_is_read_and_that_is_the_end() {
    let lab = Lab::new();
    let container = lab.create(sh("a", "echo hello"));
    assert!(rest(&mut follow(&container)).is_empty());
    container.start().unwrap();
    container.wait().unwrap();
    let entries = rest(&mut follow(&container));
    assert_eq!(entries, container.logs().unwrap().entries().unwrap());
    assert_eq!(entries.len(), 4);
    let handle = container.logs().unwrap();
    container.delete().unwrap();
    assert!(matches!(handle.follow(), Err(Error::NotFound { .. })));
}

fn tail_since_and_stream_choose_what_is_followed() {
    let lab = Lab::new();
    let (container, shared) = waits_for_files(&lab, &["one", "two", "three"]);
    container.start().unwrap();
    let mut all = follow(&container);
    // What is read at once has one time: each line is waited for before the next is made.
    assert_eq!(line(&mut all), "ready");
    File::create(shared.join("one")).unwrap();
    assert_eq!(line(&mut all), "one");
    let logs = container.logs().unwrap();
    let mut none = logs.clone().tail(0).follow().unwrap();
    let mut last = logs.clone().tail(1).follow().unwrap();
    let since = logs.entries().unwrap().last().unwrap().time;
    let mut since = logs.clone().since(since).follow().unwrap();
    let mut stderr = logs.stream(Stream::Stderr).follow().unwrap();
    File::create(shared.join("two")).unwrap();
    File::create(shared.join("three")).unwrap();
    assert_eq!(output(&rest(&mut none)), "two\nthree\n");
    assert_eq!(output(&rest(&mut last)), "one\ntwo\nthree\n");
    assert_eq!(output(&rest(&mut since)), "one\ntwo\nthree\n");
    assert_eq!(output(&rest(&mut stderr)), "");
}

fn parts_of_a_line_keep_their_order() {
    let lab = Lab::new();
    let script = "for i in 1 2 3 4 5; do printf a$i; sleep 0.02; done; echo; printf end";
    let container = lab.start(sh("a", script));
    let entries = rest(&mut follow(&container));
    assert_eq!(output(&entries), "a1a2a3a4a5\nend");
    assert!(entries.iter().any(|entry| !entry.full));
}

fn a_follower_goes_on_across_a_restart() {
    let lab = Lab::new();
    let container = lab.start(sh("a", "echo up; trap 'exit 3' TERM; while :; do sleep 0.02; done"));
    let mut follow = follow(&container);
    for _ in 0..3 {
        assert_eq!(line(&mut follow), "up");
        container.restart().unwrap();
    }
    assert_eq!(line(&mut follow), "up");
    container.stop().unwrap();
    let end = texts(&rest(&mut follow));
    assert!(end.last().unwrap().contains("exited with code"), "{end:?}");
}

fn a_follower_reads_on_across_rotation() {
    let lab = Lab::new();
    // Some 40 MB in the log: two rotations.
    let script = "awk 'BEGIN { for (i = 1; i <= 300000; i++) printf \"%d %090d\\n\", i, 0 }'";
    let container = lab.start(sh("a", script));
    let mut wanted = 1;
    let mut line = String::new();
    let mut remark = String::new();
    for entry in follow(&container) {
        let entry = entry.unwrap();
        let text = String::from_utf8(entry.text).unwrap();
        if entry.stream == Stream::System {
            remark = text;
            continue;
        }
        // A line may come in parts, where the supervisor's reads ended.
        line.push_str(&text);
        if entry.full {
            let number = line.split(' ').next().unwrap().parse().unwrap();
            // A follower that was too slow on a busy machine is told so.
            if remark.contains("rotated faster") && number > wanted {
                wanted = number;
                remark.clear();
            }
            assert_eq!(line, format!("{wanted} {:090}", 0));
            wanted += 1;
            line.clear();
        }
    }
    assert_eq!(wanted, 300_001, "to the last line");
    assert_eq!(remark, "=== Container exited with code 0 ===");
    assert!(folder(&container).join("log.1").exists());
}

fn a_follower_that_sleeps_through_two_rotations_is_told_so() {
    let lab = Lab::new();
    let container = lab.start(sleeper("a"));
    let mut follow = follow(&container);
    while follow.try_next().unwrap() != Next::NothingYet {}
    // What the supervisor does at each rotation.
    let log = folder(&container).join("log");
    for text in ["one", "two"] {
        fs::rename(&log, log.with_extension("1")).unwrap();
        let mut file = File::create(&log).unwrap();
        writeln!(file, "2026-01-02T03:04:05.678901234Z stdout F {text}").unwrap();
    }
    let mut entry = || match follow.next_timeout(PATIENCE).unwrap() {
        Next::Item(entry) => entry,
        other => panic!("{other:?}"),
    };
    let gap = entry();
    assert_eq!(gap.stream, Stream::System);
    assert!(texts(&[gap])[0].contains("lines may be missing"));
    assert_eq!(texts(&[entry(), entry()]), ["one", "two"]);
}

fn a_follower_ends_when_the_container_is_deleted() {
    let lab = Lab::new();
    let container = lab.start(sleeper("a"));
    let mut follow = follow(&container);
    assert_eq!(texts(&[follow.next().unwrap().unwrap()]).len(), 1);
    let reader = std::thread::spawn(move || rest(&mut follow));
    container.delete_force().unwrap();
    let end = texts(&reader.join().unwrap());
    assert_eq!(end.last().unwrap(), "=== Container exited with code 137 ===");
}

fn a_follower_ends_when_the_supervisor_is_killed() {
    let lab = Lab::new();
    let container = lab.start(sh("a", "echo up; exec sleep 1000"));
    let mut follow = follow(&container);
    assert_eq!(line(&mut follow), "up");
    let family = family(&container);
    kill(family.supervisor);
    assert!(rest(&mut follow).is_empty(), "nobody wrote a last remark");
    eventually("the kernel ends the container", || !is_alive(family.command));
}

fn a_hundred_followers_see_the_same() {
    let lab = Lab::new();
    let container = lab.start(sh("a", "i=0; while [ $i -lt 2000 ]; do i=$((i+1)); echo $i; done"));
    let expected: String = (1..=2000).map(|i| format!("{i}\n")).collect();
    std::thread::scope(|scope| {
        let readers: Vec<_> =
            (0..100).map(|_| scope.spawn(|| rest(&mut follow(&container)))).collect();
        for reader in readers {
            assert_eq!(output(&reader.join().unwrap()), expected);
        }
    });
}

fn the_log_of_a_successor_is_not_followed() {
    let lab = Lab::new();
    let container = lab.start(sleeper("a"));
    let mut follow = follow(&container);
    let old = container.logs().unwrap();
    container.delete_force().unwrap();
    lab.start(sh("a", "echo new; exec sleep 1000"));
    assert!(!output(&rest(&mut follow)).contains("new"));
    assert!(matches!(old.follow(), Err(Error::NotFound { .. })));
}

fn a_servers_loop_waits_for_many_followers_at_once() {
    let lab = Lab::new();
    let containers: Vec<_> =
        (0..4).map(|n| lab.start(sh(&format!("c{n}"), &format!("echo {n}; exit {n}")))).collect();
    let mut open: Vec<_> =
        containers.iter().map(|container| Some((follow(container), Vec::new()))).collect();
    let mut done = 0;
    while done < open.len() {
        for (number, slot) in open.iter_mut().enumerate() {
            let Some((follow, entries)) = slot else { continue };
            let ended = loop {
                match follow.try_next().unwrap() {
                    Next::Item(entry) => entries.push(entry),
                    Next::NothingYet => break false,
                    Next::End => break true,
                }
            };
            if ended {
                assert_eq!(output(entries), format!("{number}\n"));
                assert!(texts(entries)[3].contains(&format!("code {number}")));
                *slot = None;
                done += 1;
            }
        }
        let mut fds: Vec<_> = open
            .iter()
            .flatten()
            .map(|(follow, _)| PollFd::new(follow.as_fd(), PollFlags::POLLIN))
            .collect();
        if !fds.is_empty() {
            assert!(poll(&mut fds, PollTimeout::try_from(PATIENCE).unwrap()).unwrap() > 0);
        }
    }
}

fn tail_reads_the_last_lines_across_both_files() {
    let lab = Lab::new();
    // 400,000 lines of 8 bytes and the 40 before each: 16 MiB are full at about 350,000.
    let container = lab.start(sh("a", "seq 1000001 1400000"));
    container.wait().unwrap();
    assert!(folder(&container).join("log.1").exists());
    for lines in [1, 2, 1000, 100_000] {
        let text = container.logs().unwrap().tail(lines).read_to_string().unwrap();
        assert_eq!(text.lines().count(), lines);
        assert!(text.starts_with(&format!("{}\n", 1_400_001 - lines)), "{}", &text[..20]);
        assert!(text.ends_with("1400000\n"));
    }
}
