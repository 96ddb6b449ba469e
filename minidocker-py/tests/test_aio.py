"""`minidocker.aio`."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import minidocker as md
import pytest


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
