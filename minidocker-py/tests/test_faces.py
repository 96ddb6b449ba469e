"""The two faces: what the ordinary one has, `minidocker.aio` has."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import io
import os
import time
from pathlib import Path
from typing import Any

import minidocker as md
import pytest
from minidocker import aio

CLASSES = ["Attached", "Container", "Events", "ExecProcess", "Files", "Logs", "Runtime"]

#: What needs another form: protocols of Python itself, and what a descriptor stands for.
OTHERWISE = {
    # Files that block are not for an event loop: `read`, `write` and `close_input` are there.
    "ExecProcess": {"stdin", "stdout", "stderr", "terminal"},
}


def _members(kind: type) -> dict[str, Any]:
    return {name: value for name, value in vars(kind).items() if not name.startswith("_")}


@pytest.mark.parametrize("name", CLASSES)
def test_every_method_has_its_awaited_one(name: str) -> None:
    ordinary, awaited = getattr(md, name), getattr(aio, name)
    missing = set(_members(ordinary)) - set(_members(awaited)) - OTHERWISE.get(name, set())
    assert missing == set()
    protocols = {
        "__iter__": "__aiter__",
        "__next__": "__anext__",
        "__enter__": "__aenter__",
        "__exit__": "__aexit__",
    }
    for plain, asynchronous in protocols.items():
        assert not hasattr(ordinary, plain) or hasattr(awaited, asynchronous), plain


def _parameters(function: Any) -> list[tuple[str, Any, Any]]:
    return [
        (each.name, each.kind, each.default)
        for each in inspect.signature(function).parameters.values()
    ]


@pytest.mark.parametrize("name", CLASSES)
def test_both_take_the_same(name: str) -> None:
    ordinary, awaited = getattr(md, name), getattr(aio, name)
    for member, value in _members(ordinary).items():
        if inspect.isfunction(value):
            assert _parameters(getattr(awaited, member)) == _parameters(value), member
    if name == "Runtime":
        assert _parameters(awaited.__init__) == _parameters(ordinary.__init__)


def test_functions_take_the_same() -> None:
    for name in ("run", "compare", "doctor"):
        assert _parameters(getattr(aio, name)) == _parameters(getattr(md, name)), name
    assert _parameters(aio.exec)[1:] == _parameters(md.Container.exec)[1:]
    assert _parameters(aio.wait)[1:] == _parameters(md.Container.wait)[1:]
    assert _parameters(aio.stats)[1:] == _parameters(md.Container.stats_stream)[1:]


def test_whatever_may_wait_is_awaited() -> None:
    """What hands out no more than a handle, and what only sends a signal, is not."""
    at_once = {"fileno", "detach", "close", "kill", "terminate", "signal", "close_input", "resize"}
    handles = {"logs", "events", "stats_stream", "entries", "of"}
    for name in CLASSES:
        for member, value in _members(getattr(aio, name)).items():
            if inspect.isfunction(value):
                streams = name in ("Attached", "Events", "ExecProcess")
                immediate = member == "detach" or (streams and member in at_once)
                expected = member not in handles and not immediate
                assert inspect.iscoroutinefunction(value) == expected, f"{name}.{member}"


def test_a_whole_life_is_awaited(linux: md.Runtime, tmp_path: Path) -> None:
    async def main() -> None:
        rt = aio.Runtime.of(linux)
        code = "sh -c 'read line; echo got $line; echo err >&2; sleep 60'"
        async with await rt.create("life", code, stdin_open=True) as container:
            events = rt.events()
            await container.start()
            assert (await events.next(timeout=10)).kind == "started"
            with pytest.raises(md.TimeoutError):
                await events.next(timeout=0.05)
            async with await container.attach() as attached:
                await attached.write("a line\n")
                piece = await attached.read(timeout=10)
                assert piece is not None
                assert piece.text == "got a line\n"
            assert await container.status() == "running"
            assert [each.name for each in await rt.list()] == ["life"]
            assert (await rt.get("life")) == container
            result = await container.exec("cat", input=io.BytesIO(b"in"))
            assert result.stdout == "in"
            async with await container.exec_start("cat", stdin=True) as process:
                await process.write("typed")
                answer = await process.read(timeout=10)
                assert answer is not None
                assert answer.text == "typed"
                process.close_input()
                assert (await process.wait(timeout=10)).ok
                assert await process.read(timeout=10) is None
            async with await container.exec_start("sh -c 'echo 1; echo 2'") as process:
                assert [line.text async for line in process] == ["1", "2"]
                assert process.exit_code == 0
            split = "printf '\\342\\202'; sleep 0.2; printf '\\254\\342'"
            async with await container.exec_start(["sh", "-c", split]) as process:
                pieces = []
                while (piece := await process.read(timeout=10)) is not None:
                    pieces.append(piece.text)
                assert "".join(pieces) == "€\ufffd"
            async with await container.exec_start("sh", tty=True) as process:
                process.resize(33, 99)
                await process.write("stty size; exit\n")
                shown = ""
                while (piece := await process.read(timeout=10)) is not None:
                    shown += piece.text
                assert "33 99" in shown
            await container.files.write("/note", "kept")
            assert await container.files.read_text("/note") == "kept"
            assert await container.files.exists("/nothing") is False
            with pytest.raises(FileNotFoundError):
                await container.files.read("/nothing")
            sample = await container.stats(over=0.1)
            assert sample.cpu_percent is not None
            await container.kill("SIGKILL")
            assert (await container.wait(timeout=10)).signal == 9
            logs = container.logs()
            assert [line async for line in logs] == ["got a line", "err"]
            assert (await logs.stdout(), await logs.stderr()) == ("got a line\n", "err\n")
            assert [entry.text async for entry in logs.entries()][-2] == "err"
            archive = tmp_path / "changes.tar"
            await container.export_rootfs(archive, only_changes=True)
            await container.import_rootfs(archive)
            assert "A /note" in [str(change) for change in await container.diff()]
        assert await rt.list() == []
        compared = await aio.compare("sh -c 'echo $$'", without="pid", runtime=linux)
        assert compared.differs
        assert (await aio.doctor(linux)).limits

    asyncio.run(main())


def test_making_a_container_that_is_called_away_from_leaves_none(linux: md.Runtime) -> None:
    async def main() -> None:
        for delay in (0, 0.0005, 0.002, 0.01):
            task = asyncio.ensure_future(aio.Runtime.of(linux).create(None, "sleep 60"))
            await asyncio.sleep(delay)
            if not task.done():
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await (await task).delete(force=True)

    asyncio.run(main())
    assert linux.list() == []


def test_timeouts_are_kept_though_every_other_thread_is_busy(linux: md.Runtime) -> None:
    async def main() -> float:
        busy = [asyncio.ensure_future(aio.call(time.sleep, 5)) for _ in range(16)]
        await asyncio.sleep(0.2)
        begun = time.monotonic()
        assert (await aio.run("sleep 60", runtime=linux, timeout=0.5)).timed_out
        took = time.monotonic() - begun
        for task in busy[8:]:  # not begun yet
            task.cancel()
        await asyncio.gather(*busy, return_exceptions=True)
        return took

    assert asyncio.run(main()) < 4


def test_the_loop_turns_under_floods_and_timeouts_hold(linux: md.Runtime) -> None:
    flood = ["sh", "-c", "while :; do echo x; echo y >&2; done"]

    async def main() -> tuple[float, float]:
        lag = 0.0

        async def heart() -> None:
            nonlocal lag
            while True:
                begun = time.monotonic()
                await asyncio.sleep(0.02)
                lag = max(lag, time.monotonic() - begun - 0.02)

        beating = asyncio.ensure_future(heart())
        begun = time.monotonic()
        options: dict[str, Any] = {"timeout": 1, "output_limit": 1000, "cpu_percent": 30}
        results = await asyncio.gather(
            *(aio.run(flood, runtime=linux, **options) for _ in range(4))
        )
        took = time.monotonic() - begun
        beating.cancel()
        assert all(result.timed_out and result.truncated for result in results)
        return took, lag

    took, lag = asyncio.run(main())
    # Not the promise, which is of a quiet machine and an optimized build; but it is never read
    # line by line in Python, on the loop.
    assert took < 30
    assert lag < 1.5


def test_a_frozen_command_does_not_outlast_its_timeout(linux: md.Runtime) -> None:
    with linux.create(None, "sleep 60") as container:
        container.start()

        async def main() -> md.ExecResult:
            task = asyncio.ensure_future(aio.exec(container, "sleep 60", timeout=0.5))
            await asyncio.sleep(0.2)
            await aio.Container(container).pause()
            return await task

        result = asyncio.run(main())
        assert (result.timed_out, result.signal) == (True, 9)
        container.resume()
    assert os.listdir(f"{linux.root}/containers") == []
