"""Logs, events and stats, once and as they come."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone

import minidocker as md
import pytest


def test_a_log_is_read_whole_in_part_and_by_stream(runtime: md.Runtime) -> None:
    with runtime.create(
        None, "sh -c 'echo 1; echo 2; sleep 0.2; echo oops >&2; sleep 0.2; printf end'"
    ) as one:
        assert list(one.logs()) == []
        one.start().wait()
        logs = one.logs()
        assert list(logs) == ["1", "2", "oops", "end"]
        assert (str(logs), logs.read()) == ("1\n2\noops\nend", b"1\n2\noops\nend")
        assert (logs.stdout, logs.stderr) == ("1\n2\nend", "oops\n")
        assert list(one.logs(tail=1)) == ["end"]
        assert list(one.logs(stream="stderr")) == ["oops"]
        with pytest.raises(ValueError, match="stdin"):
            one.logs(stream="stdin")  # type: ignore[arg-type]
        entries = list(logs.entries())
        assert [entry.stream.value for entry in entries] == [
            *("system", "system", "stdout", "stdout", "stderr", "stdout", "system")
        ]
        times = [entry.time for entry in entries]
        assert times == sorted(times)
        assert abs(times[-1] - datetime.now(timezone.utc)) < timedelta(minutes=5)
        since = next(entry.time for entry in entries if entry.text == "oops")
        assert list(one.logs(since=since)) == ["oops", "end"]
        assert one.logs().render().startswith("=== Container ")
        assert str(one.logs(timestamps=True)).startswith("20")


def test_a_log_that_lost_its_beginning_says_how_much(linux: md.Runtime) -> None:
    with linux.create(None, "head -c 1500000 /dev/zero", log_max_mb=1) as one:
        one.start().wait()
        logs = one.logs()
        assert len(logs.read()) + logs.dropped_bytes == 1_500_000
        assert logs.dropped_bytes > 0
    with pytest.raises(md.InvalidSpec, match="1 to 1024"):
        linux.create(None, "true", log_max_mb=0)


def test_following_never_cuts_off_a_fast_end(runtime: md.Runtime) -> None:
    rounds = 30 if runtime.backend.kind is md.Backend.LINUX else 5
    for _ in range(rounds):
        with runtime.create(None, "sh -c 'echo a; echo b >&2; printf c'") as container:
            container.start()
            assert sorted(container.logs(follow=True)) == ["a", "b", "c"]


def test_following_waits_for_what_comes(runtime: md.Runtime) -> None:
    with runtime.create(None, "sh -c 'echo first; sleep 0.5; echo second'") as container:
        container.start()
        begun = time.monotonic()
        times = {line: time.monotonic() - begun for line in container.logs(follow=True)}
    assert list(times) == ["first", "second"]
    assert times["first"] < 0.4 < times["second"]


def test_a_long_line_comes_whole(linux: md.Runtime) -> None:
    with linux.create(
        None, "sh -c 'yes x | head -n 100000 | tr -d \"\\n\"; echo; echo end'"
    ) as one:
        one.start()
        for lines in (list(one.logs(follow=True)), list(one.logs())):
            assert [len(line) for line in lines] == [100_000, 3]


def test_following_what_ended_ends(runtime: md.Runtime) -> None:
    with runtime.create(None, "echo hi") as container:
        container.start().wait()
        assert list(container.logs(follow=True)) == ["hi"]
        assert [entry.text for entry in container.logs(follow=True).entries()][2] == "hi"


def test_events_tell_what_any_program_does(runtime: md.Runtime) -> None:
    with runtime.events() as events:
        with runtime.create("seen", "sh -c 'exit 3'") as container:
            container.start().wait()
        seen = [events.next(timeout=10) for _ in range(4)]
        assert [event.kind for event in seen] == ["created", "started", "exited", "deleted"]
        assert {event.name for event in seen} == {"seen"}
        assert seen[2].exit == md.ExitStatus(3)
        assert seen[0].container_id == container.id
        assert isinstance(seen[0].kind, md.EventKind)
        assert "exited" in str(seen[2])
        with pytest.raises(md.TimeoutError):
            events.next(timeout=0.1)
    assert [event.kind for event in runtime.events(since=seen[1].id)._ready] == []
    assert runtime.events(since=seen[1].id).next(timeout=10) == seen[2]
    with pytest.raises(ValueError, match="closed"):
        events.next()


def test_events_are_an_iterator_that_ends_with_the_root(runtime: md.Runtime) -> None:
    events = runtime.events(since=0)
    runtime.create("one", "true").delete()
    kinds = []
    for event in events:
        kinds.append(event.kind)
        if event.kind == md.EventKind.DELETED:
            break
    assert kinds == ["created", "deleted"]


def test_stats_tell_what_is_used(linux: md.Runtime) -> None:
    code = "sh -c 'while :; do :; done'"
    with linux.create("busy", code, memory_mb=64, cpu_percent=30) as container:
        assert container.stats().memory_bytes == 0
        container.start()
        stats = container.stats()
        assert 0 < stats.memory_bytes <= 64 << 20
        assert stats.memory.limit_bytes == 64 << 20
        assert stats.cpu_percent is None
        assert stats.pids.current >= 1
        assert stats.network is not None
        over = container.stats(over=0.5)
        assert over.cpu_percent is not None
        assert 5 < over.cpu_percent < 60
        both = [sample for sample, _ in zip(container.stats_stream(0.1), range(3))]
        assert both[0].cpu_percent is None
        assert both[2].cpu_percent is not None
        assert both[2].cpu_percent_since(both[0]) is not None
        assert [each.name for each in linux.stats()] == ["busy"]
        assert linux.stats()[0].memory_bytes > 0
        with pytest.raises(md.InvalidSpec):
            next(iter(container.stats_stream(0)))


def test_a_stream_of_stats_ends_with_the_container(runtime: md.Runtime) -> None:
    with runtime.create(None, "sleep 0.5") as container:
        container.start()
        begun = time.monotonic()
        assert len(list(container.stats_stream(60))) == 1
        assert time.monotonic() - begun < 20
