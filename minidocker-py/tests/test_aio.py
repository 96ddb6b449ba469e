"""`minidocker.aio`."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Any

import minidocker as md
import pytest
from minidocker.aio import _handles, _threads


@contextlib.contextmanager
def busy(pool: _threads.Pool) -> Iterator[None]:
    """Every thread of a pool has something to do, as long as the block lasts."""
    release = threading.Event()
    threads = pool.get()
    jobs = [threads.submit(release.wait) for _ in range(threads._max_workers)]
    try:
        yield
    finally:
        release.set()
        for job in jobs:
            job.result()


def test_fifty_containers_at_once(linux: md.Runtime) -> None:
    async def main() -> list[md.RunResult]:
        runs = (md.aio.run(f"sh -c 'sleep 0.5; echo {n}'", runtime=linux) for n in range(50))
        return await asyncio.gather(*runs)

    threads = threading.active_count()
    results = asyncio.run(main())
    assert [result.stdout for result in results] == [f"{number}\n" for number in range(50)]
    # Not one for each.
    assert threading.active_count() - threads < 15
    assert linux.list() == []


def test_a_run_has_all_that_the_other_has(runtime: md.Runtime) -> None:
    async def main() -> None:
        code = "sh -c 'echo out; echo err >&2; exit 3'"
        result = await md.aio.run(code, runtime=runtime)
        assert (result.exit_code, result.stdout, result.stderr) == (3, "out\n", "err\n")
        late = await md.aio.run("sh -c 'echo so far; sleep 60'", runtime=runtime, timeout=0.5)
        assert late.timed_out
        assert late.stdout == "so far\n"
        cut = await md.aio.run("sh -c 'yes | head -c 9000'", runtime=runtime, output_limit=10)
        assert cut.truncated
        assert len(cut.stdout_bytes) == 10
        with pytest.raises(md.CommandFailed):
            await md.aio.run("false", runtime=runtime, check=True)

    asyncio.run(main())
    assert runtime.list() == []


def test_cancelling_a_run_removes_the_container(runtime: md.Runtime) -> None:
    async def main() -> None:
        for delay in (0, 0.001, 0.01, 0.3):
            task = asyncio.ensure_future(md.aio.run("sleep 60", runtime=runtime))
            await asyncio.sleep(delay)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(main())
    assert runtime.list() == []


async def _cancelled(task: asyncio.Future[Any], pool: _threads.Pool) -> None:
    """Cancels a task twice while what it does last waits for a thread."""
    with busy(pool):
        for _ in range(2):
            task.cancel()
            await asyncio.sleep(0.1)
    with pytest.raises(asyncio.CancelledError):
        await task


def test_a_removal_that_waits_for_its_turn_is_not_given_up(runtime: md.Runtime) -> None:
    async def main() -> None:
        rt = md.aio.Runtime.of(runtime)
        run = asyncio.ensure_future(md.aio.run("sleep 60", runtime=runtime))
        await asyncio.sleep(0.3)
        await _cancelled(run, _threads.ENDING)
        assert runtime.list() == []

        container = await rt.create(None, "sleep 60")
        with busy(_threads.ENDING):
            deletion = asyncio.ensure_future(container.delete())
            await asyncio.sleep(0.1)
            deletion.cancel()
            await asyncio.sleep(0.1)
        with pytest.raises(asyncio.CancelledError):
            await deletion
        assert runtime.list() == []

        async def block() -> None:
            async with await rt.create(None, "sleep 60"):
                await asyncio.sleep(60)

        leaving = asyncio.ensure_future(block())
        await asyncio.sleep(0.3)
        await _cancelled(leaving, _threads.ENDING)
        assert runtime.list() == []

        undone = threading.Event()
        slow = _threads.in_thread(_threads.STARTING, time.sleep, 0.1, undo=lambda _: undone.set())
        undoing = asyncio.ensure_future(slow)
        await asyncio.sleep(0.05)
        await _cancelled(undoing, _threads.ENDING)
        assert undone.is_set()

    asyncio.run(main())


def test_stops_and_the_calls_of_users_do_not_hold_each_other_up(linux: md.Runtime) -> None:
    """Nor do stops that take their time hold up a deletion."""

    async def main() -> None:
        rt = md.aio.Runtime.of(linux)
        async with await rt.create("quick", "sleep 60") as quick:
            await quick.start()
            with busy(_threads.CALLING):
                await asyncio.wait_for(quick.stop(0), 10)
                await asyncio.wait_for(quick.restart(0), 10)
        deaf = [await rt.create(f"deaf-{n}", "sh -c 'trap \"\" TERM; sleep 60'") for n in range(5)]
        await asyncio.gather(*(each.start() for each in deaf))
        stops = [asyncio.ensure_future(each.stop(5)) for each in deaf]
        await asyncio.sleep(0.1)
        removed = await rt.create("removed", "true")
        begun = time.monotonic()
        await removed.delete()
        assert time.monotonic() - begun < 3
        assert not any(stop.done() for stop in stops)
        await asyncio.gather(*(each.delete(force=True) for each in deaf))
        await asyncio.gather(*stops, return_exceptions=True)

    asyncio.run(main())


def test_a_wait_for_health_ends_in_time_however_much_happens(
    linux: md.Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Flood:
        def __init__(self, blocking: md.Events) -> None:
            pass

        async def next(self, timeout: float | None) -> None:
            await asyncio.sleep(0)

    monkeypatch.setattr(_handles, "Events", Flood)

    async def main() -> None:
        with linux.create(None, "sleep 60", health_check="false").start() as container:
            waiting = md.aio.Container(container).wait_healthy(0.3)
            # It answers although every thread that users call in has something to do.
            with busy(_threads.CALLING), pytest.raises(md.TimeoutError, match="not healthy"):
                await asyncio.wait_for(waiting, 10)

    asyncio.run(main())


def test_the_loop_turns_while_a_container_is_waited_for(runtime: md.Runtime) -> None:
    async def main() -> None:
        with runtime.create(None, "sleep 0.5") as container:
            container.start()
            turns = 0

            async def count() -> None:
                nonlocal turns
                while True:
                    turns += 1
                    await asyncio.sleep(0.01)

            counting = asyncio.ensure_future(count())
            assert (await md.aio.wait(container)).ok
            counting.cancel()
            assert turns > 10
            assert (await md.aio.wait(container)).ok
        with runtime.create(None, "sleep 60") as container:
            with pytest.raises(md.WrongState):
                await md.aio.wait(container)
            container.start()
            with pytest.raises(md.TimeoutError):
                await md.aio.wait(container, timeout=0.2)

    asyncio.run(main())


def test_logs_events_and_stats_are_async_iterators(runtime: md.Runtime) -> None:
    async def main() -> None:
        seen: list[Any] = []

        async def watch() -> None:
            async for event in md.aio.events(runtime):
                seen.append(event.kind)
                if event.kind == "exited":
                    return

        watching = asyncio.ensure_future(watch())
        await asyncio.sleep(0.1)
        with runtime.create(None, "sh -c 'echo a; sleep 0.5; echo b >&2'") as container:
            container.start()
            samples = [sample async for sample in md.aio.stats(container, 0.1)]
            assert samples[-1].status == "stopped"
            assert len(samples) > 2
            assert [line async for line in md.aio.logs(container)] == ["a", "b"]
            assert [line async for line in md.aio.logs(container, follow=False, tail=1)] == ["b"]
            entries = [entry async for entry in md.aio.log_entries(container)]
            assert [entry.text for entry in entries if entry.stream != "system"] == ["a", "b"]
            await asyncio.wait_for(watching, 10)
        assert seen == ["created", "started", "exited"]

    asyncio.run(main())


def test_commands_in_a_container(linux: md.Runtime) -> None:
    async def main() -> None:
        with linux.create(None, "sleep 60") as container:
            container.start()
            many = await asyncio.gather(
                *(md.aio.exec(container, f"sh -c 'echo {n}; echo e >&2'") for n in range(30))
            )
            assert [(result.stdout, result.stderr) for result in many] == [
                (f"{number}\n", "e\n") for number in range(30)
            ]
            late = await md.aio.exec(container, "sh -c 'echo x; sleep 60'", timeout=0.3)
            assert (late.timed_out, late.stdout, late.signal) == (True, "x\n", 9)
            with pytest.raises(md.CommandFailed):
                await md.aio.exec(container, "false", check=True)
            task = asyncio.ensure_future(md.aio.exec(container, "sleep 4567"))
            await asyncio.sleep(0.3)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            deadline = time.monotonic() + 10
            while "4567" in container.exec(["sh", "-c", "cat /proc/[0-9]*/cmdline"]).stdout.replace(
                "cat", ""
            ):
                assert time.monotonic() < deadline

    asyncio.run(main())
