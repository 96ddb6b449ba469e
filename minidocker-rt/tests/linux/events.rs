//! What any program does is told to every reader, once, in order.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::Write;
use std::os::fd::AsFd;
use std::time::Duration;

use minidocker_rt::{
    ContainerSpec, Event, EventKind, Events, ExitStatus, Health, HealthCheck, Next, RestartPolicy,
    Status,
};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::lab::{Lab, PATIENCE, child, sh, sleeper};

crate::trials![
    a_reader_is_told_what_happens_from_now_on,
    a_whole_life_is_told,
    out_of_memory_is_told_while_the_container_goes_on_and_writes,
    another_programs_events_arrive,
    many_writers_at_once_tear_no_line_and_share_no_id,
    a_reader_resumes_where_it_was,
    readers_follow_across_rotation,
    a_reader_too_far_behind_is_told_so,
    what_a_power_cut_tore_is_skipped,
    the_descriptor_tells_when_to_ask,
    an_idle_wait_has_a_timeout,
    events_end_when_the_root_is_removed,
    a_reader_waits_for_an_event_made_by_another_thread,
    hundreds_of_readers_need_one_inotify_instance,
];

/// A program that makes and deletes containers named after itself.
pub fn create_and_delete(root: &str) {
    let runtime = crate::lab::open(root);
    for number in 0..50 {
        let name = format!("p{}-{number}", std::process::id());
        runtime.create(ContainerSpec::new(&name, "true")).unwrap().delete().unwrap();
    }
    println!("done");
}

fn item(events: &mut Events) -> Event {
    match events.next_timeout(PATIENCE).unwrap() {
        Next::Item(event) => event,
        other => panic!("no event: {other:?}"),
    }
}

fn told(event: &Event) -> (&str, &EventKind) {
    (&event.name, &event.kind)
}

fn create_and_delete_one(lab: &Lab, name: &str) {
    lab.create(sleeper(name)).delete().unwrap();
}

/// Adds so much to the journal that the next event has it rotated.
fn fill_the_journal(lab: &Lab) {
    let mut journal = File::options().append(true).open(lab.root().join("events")).unwrap();
    let mut line = vec![b'x'; 1 << 20];
    line.push(b'\n');
    for _ in 0..4 {
        journal.write_all(&line).unwrap();
    }
}

fn a_reader_is_told_what_happens_from_now_on() {
    let lab = Lab::new();
    lab.create(sleeper("before"));
    let mut events = lab.runtime.events().unwrap();
    assert_eq!(events.try_next().unwrap(), Next::NothingYet);
    let container = lab.create(sleeper("a"));
    let id = container.id().clone();
    let created = item(&mut events);
    assert_eq!(told(&created), ("a", &EventKind::Created));
    assert_eq!(created.container, Some(id.clone()));
    container.delete().unwrap();
    let deleted = item(&mut events);
    assert_eq!(told(&deleted), ("a", &EventKind::Deleted));
    assert_eq!(deleted.container, Some(id));
    assert!(deleted.id > created.id && deleted.time >= created.time);
    assert!(lab.runtime.create(sleeper("before")).is_err());
    assert_eq!(events.try_next().unwrap(), Next::NothingYet, "a refusal is no event");
}

/// Reads on until an event is of the kind wanted; returns all until then.
fn until(events: &mut Events, wanted: impl Fn(&EventKind) -> bool) -> Vec<EventKind> {
    let mut kinds = Vec::new();
    while !kinds.last().is_some_and(&wanted) {
        kinds.push(item(events).kind);
    }
    kinds
}

fn a_whole_life_is_told() {
    let lab = Lab::new();
    let mut events = lab.runtime.events().unwrap();
    let check = HealthCheck::new("test -e /well").unwrap();
    let spec = sh("a", "test -e /again && exec sleep 1000; touch /again; exit 3")
        .restart(RestartPolicy::OnFailure { max: None })
        .health_check(check.interval(Duration::from_millis(20)).retries(1));
    let container = lab.start(spec);
    let failed = ExitStatus { code: 3, signal: None, oom_killed: false, timed_out: false };
    let restarted = EventKind::Restarted { restarts: 1 };
    let mut begin = until(&mut events, |kind| *kind == restarted);
    begin.retain(|kind| !matches!(kind, EventKind::HealthChanged { .. }));
    let exited = EventKind::Exited { exit: failed };
    assert_eq!(begin, [EventKind::Created, EventKind::Started, exited, restarted]);

    let is = |wanted| move |kind: &EventKind| *kind == EventKind::HealthChanged { health: wanted };
    until(&mut events, is(Health::Unhealthy));
    container.exec("touch /well").unwrap();
    let kinds = until(&mut events, is(Health::Healthy));
    assert_eq!(kinds[0], EventKind::ExecStarted { command: "touch /well".into() });
    assert!(container.exec("no-such-program").is_err());
    container.pause().unwrap();
    container.resume().unwrap();
    container.delete_force().unwrap();
    let kinds = until(&mut events, |kind| *kind == EventKind::Deleted);
    let [EventKind::ExecFailed { command, failure }, rest @ ..] = &kinds[..] else {
        panic!("{kinds:?}")
    };
    assert_eq!((command.as_str(), failure.step.as_str()), ("no-such-program", "exec"));
    let killed = ExitStatus { code: 137, signal: Some(9), oom_killed: false, timed_out: false };
    let exited = EventKind::Exited { exit: killed };
    assert_eq!(rest, [EventKind::Paused, EventKind::Resumed, exited, EventKind::Deleted]);

    let container = lab.create(sleeper("b").inject_fault("overlay", 5));
    assert!(container.start().is_err());
    let kinds = until(&mut events, |kind| matches!(kind, EventKind::StartFailed { .. }));
    let [EventKind::Created, EventKind::StartFailed { failure }] = &kinds[..] else {
        panic!("{kinds:?}")
    };
    assert_eq!(failure.step, "overlay");
}

fn out_of_memory_is_told_while_the_container_goes_on_and_writes() {
    let lab = Lab::new();
    let mut events = lab.runtime.events().unwrap();
    // The output keeps its supervisor busy, which hears of the kill all the same.
    let script = "yes & sh -c 'exec tail /dev/zero'; sleep 1000";
    let container = lab.start(sh("a", script).memory_mb(32));
    let kinds = until(&mut events, |kind| matches!(kind, EventKind::OutOfMemory { .. }));
    assert_eq!(kinds.last(), Some(&EventKind::OutOfMemory { kills: 1 }));
    assert_eq!(container.status().unwrap(), Status::Running);
    assert_eq!(container.inspect().unwrap().oom_kills, 1, "and can be asked for at once");
}

fn another_programs_events_arrive() {
    let lab = Lab::new();
    let events = lab.runtime.events().unwrap();
    let mut program = child("create-and-delete", lab.root());
    let mut created = 0;
    for event in events {
        match event.unwrap().kind {
            EventKind::Created => created += 1,
            EventKind::Deleted if created == 50 => break,
            _ => {}
        }
    }
    assert_eq!(program.line(), "done");
}

fn many_writers_at_once_tear_no_line_and_share_no_id() {
    let lab = Lab::new();
    let mut events = lab.runtime.events().unwrap();
    let mut programs: Vec<_> = (0..4).map(|_| child("create-and-delete", lab.root())).collect();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let lab = &lab;
            scope.spawn(move || {
                for number in 0..50 {
                    create_and_delete_one(lab, &format!("t{thread}-{number}"));
                }
            });
        }
    });
    for program in &mut programs {
        assert_eq!(program.line(), "done");
    }
    let mut last = 0;
    let mut seen = HashSet::new();
    for _ in 0..800 {
        let event = item(&mut events);
        assert!(event.id > last, "{} after {last}", event.id);
        last = event.id;
        assert!(seen.insert((event.name.clone(), event.kind == EventKind::Created)), "{event:?}");
        assert!(
            event.kind == EventKind::Created || seen.contains(&(event.name.clone(), true)),
            "told in the order in which it happened: {event:?}"
        );
    }
    assert_eq!(events.try_next().unwrap(), Next::NothingYet);
}

fn a_reader_resumes_where_it_was() {
    let lab = Lab::new();
    for name in ["a", "b", "c"] {
        create_and_delete_one(&lab, name);
    }
    let mut events = lab.runtime.events_since(0).unwrap();
    let all: Vec<Event> = (0..6).map(|_| item(&mut events)).collect();
    assert_eq!(events.try_next().unwrap(), Next::NothingYet);
    for (index, event) in all.iter().enumerate() {
        let mut events = lab.runtime.events_since(event.id).unwrap();
        for expected in &all[index + 1..] {
            assert_eq!(item(&mut events), *expected);
        }
        assert_eq!(events.try_next().unwrap(), Next::NothingYet);
    }
}

fn readers_follow_across_rotation() {
    let lab = Lab::new();
    create_and_delete_one(&lab, "a");
    let mut reader = lab.runtime.events().unwrap();
    let first = lab.create(sleeper("b"));
    fill_the_journal(&lab);
    let id = item(&mut reader).id;
    first.delete().unwrap();
    let deleted = item(&mut reader);
    assert_eq!(told(&deleted), ("b", &EventKind::Deleted));
    assert!(lab.root().join("events.1").exists(), "it was rotated");
    assert!(deleted.id > id + (4 << 20), "the ids go on");
    // Another reader goes on in the file that was renamed, and then in the new one.
    let mut later = lab.runtime.events_since(0).unwrap();
    let names: Vec<String> = (0..4).map(|_| item(&mut later).name).collect();
    assert_eq!(names, ["a", "a", "b", "b"]);
    // And twice, while nobody reads.
    let c = lab.create(sleeper("c"));
    fill_the_journal(&lab);
    c.delete().unwrap();
    assert_eq!(told(&item(&mut reader)), ("c", &EventKind::Created));
    assert_eq!(told(&item(&mut reader)), ("c", &EventKind::Deleted));
    let mut resumed = lab.runtime.events_since(deleted.id).unwrap();
    assert_eq!(told(&item(&mut resumed)), ("c", &EventKind::Created));
}

fn a_reader_too_far_behind_is_told_so() {
    let lab = Lab::new();
    create_and_delete_one(&lab, "a");
    let first = item(&mut lab.runtime.events_since(0).unwrap());
    // Without a file open: one that resumes later.
    for name in ["b", "c", "d"] {
        fill_the_journal(&lab);
        create_and_delete_one(&lab, name);
    }
    let mut resumed = lab.runtime.events_since(first.id).unwrap();
    let missed = item(&mut resumed);
    assert_eq!(missed.kind, EventKind::Missed);
    let next = item(&mut resumed);
    assert_eq!(told(&next), ("c", &EventKind::Created), "the oldest there is");
    assert!(first.id < missed.id && missed.id < next.id);
    let mut again = lab.runtime.events_since(missed.id).unwrap();
    assert_eq!(item(&mut again), next, "one may resume from the notice");
    // An id from the future is one of another journal.
    let mut foreign = lab.runtime.events_since(u64::MAX - 1).unwrap();
    assert_eq!(item(&mut foreign).kind, EventKind::Missed);
    assert_eq!(item(&mut foreign), next);
    // With a file open, and rotated away twice since.
    let mut slow = lab.runtime.events_since(next.id).unwrap();
    assert_eq!(told(&item(&mut slow)), ("c", &EventKind::Deleted));
    for name in ["e", "f", "g"] {
        fill_the_journal(&lab);
        create_and_delete_one(&lab, name);
    }
    let kinds: Vec<_> = std::iter::from_fn(|| match slow.try_next().unwrap() {
        Next::Item(event) => Some((event.name, event.kind)),
        _ => None,
    })
    .collect();
    let missed = kinds.iter().position(|(_, kind)| *kind == EventKind::Missed);
    assert!(missed.is_some(), "{kinds:?}");
    assert_eq!(kinds.last(), Some(&("g".to_string(), EventKind::Deleted)));
}

fn what_a_power_cut_tore_is_skipped() {
    let lab = Lab::new();
    create_and_delete_one(&lab, "a");
    let mut events = lab.runtime.events().unwrap();
    let path = lab.root().join("events");
    let mut journal = File::options().append(true).open(&path).unwrap();
    journal.write_all(b"{\"id\":77,\"time\":\"20").unwrap();
    assert_eq!(events.try_next().unwrap(), Next::NothingYet);
    create_and_delete_one(&lab, "b");
    assert_eq!(told(&item(&mut events)), ("b", &EventKind::Created));
    assert_eq!(told(&item(&mut events)), ("b", &EventKind::Deleted));
    let text = fs::read_to_string(&path).unwrap();
    let place = text.find(r#""name":"b""#).unwrap();
    let begin = text[..place].rfind('\n').unwrap() + 1;
    let line: Event = serde_json::from_str(text[begin..].lines().next().unwrap()).unwrap();
    assert_eq!(line.id, begin as u64 + 1, "the id is the place");
}

fn the_descriptor_tells_when_to_ask() {
    let lab = Lab::new();
    let mut events = lab.runtime.events().unwrap();
    let readable = |events: &Events, timeout| {
        poll(&mut [PollFd::new(events.as_fd(), PollFlags::POLLIN)], timeout).unwrap() == 1
    };
    assert_eq!(events.try_next().unwrap(), Next::NothingYet);
    // Whatever opening the root has touched is told by now or soon.
    while readable(&events, PollTimeout::from(200_u8)) {
        assert_eq!(events.try_next().unwrap(), Next::NothingYet);
    }
    create_and_delete_one(&lab, "a");
    for _ in 0..2 {
        while events.try_next().unwrap() == Next::NothingYet {
            assert!(readable(&events, PollTimeout::NONE));
        }
    }
}

fn an_idle_wait_has_a_timeout() {
    let lab = Lab::new();
    let mut events = lab.runtime.events().unwrap();
    let begin = std::time::Instant::now();
    assert_eq!(events.next_timeout(Duration::from_millis(30)).unwrap(), Next::NothingYet);
    assert!(begin.elapsed() >= Duration::from_millis(30));
}

fn events_end_when_the_root_is_removed() {
    let lab = Lab::new();
    create_and_delete_one(&lab, "a");
    let events = lab.runtime.events_since(0).unwrap();
    let reader = std::thread::spawn(move || events.map(|event| event.unwrap().name).collect());
    let moved = lab.folder("beside").join("root");
    fs::rename(lab.root(), &moved).unwrap();
    let names: Vec<String> = reader.join().unwrap();
    assert!(names.len() <= 2, "{names:?}");
    fs::rename(&moved, lab.root()).unwrap();

    let mut events = lab.runtime.events_since(0).unwrap();
    assert_eq!(item(&mut events).name, "a");
    fs::remove_dir_all(lab.root()).unwrap();
    while let Next::Item(event) = events.next_timeout(PATIENCE).unwrap() {
        assert_eq!(event.name, "a");
    }
    assert_eq!(events.next_timeout(PATIENCE).unwrap(), Next::End);
}

fn a_reader_waits_for_an_event_made_by_another_thread() {
    let lab = Lab::new();
    let mut events = lab.runtime.events().unwrap();
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| item(&mut events).name);
        create_and_delete_one(&lab, "a");
        assert_eq!(reader.join().unwrap(), "a");
    });
}

fn hundreds_of_readers_need_one_inotify_instance() {
    let lab = Lab::new();
    let mut readers: Vec<_> = (0..300).map(|_| lab.runtime.events().unwrap()).collect();
    create_and_delete_one(&lab, "a");
    for reader in &mut readers {
        assert_eq!(told(&item(reader)), ("a", &EventKind::Created));
    }
    drop(readers);
    // The next one begins anew.
    let mut events = lab.runtime.events().unwrap();
    create_and_delete_one(&lab, "b");
    assert_eq!(told(&item(&mut events)), ("b", &EventKind::Created));
}
