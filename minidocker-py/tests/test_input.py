"""`input=`: what a command reads, whatever it is given as."""

from __future__ import annotations

import array
import asyncio
import io
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Callable

import minidocker as md
import pytest

from .conftest import Script

TEXT = "ä line\n" * 20_000


@pytest.fixture
def box(linux: md.Runtime) -> Iterator[md.Container]:
    with linux.create("box", "sleep 600") as container:
        yield container.start()


#: Every way to hand a command something to read.
Give = Callable[[Any], bytes]


def _ways(linux: md.Runtime, box: md.Container) -> dict[str, Give]:
    def started(input: Any) -> bytes:
        with box.exec_start("cat", stdin=True) as process:
            return process.communicate(input, timeout=60)[0]

    async def started_async(input: Any) -> bytes:
        async with await md.aio.Container(box).exec_start("cat", stdin=True) as process:
            return (await process.communicate(input, timeout=60))[0]

    return {
        "run": lambda input: md.run("cat", runtime=linux, input=input).stdout_bytes,
        "exec": lambda input: box.exec("cat", input=input).stdout_bytes,
        "communicate": started,
        "aio.run": lambda input: (
            asyncio.run(md.aio.run("cat", runtime=linux, input=input)).stdout_bytes
        ),
        "aio.exec": lambda input: asyncio.run(md.aio.exec(box, "cat", input=input)).stdout_bytes,
        "aio communicate": lambda input: asyncio.run(started_async(input)),
    }


def _inputs(folder: Path) -> dict[str, Callable[[], Any]]:
    path = folder / "input"
    path.write_text(TEXT)

    def pipe() -> Any:
        readable, writable = os.pipe()
        threading.Thread(target=_write_and_close, args=(os.fdopen(writable, "wb"),)).start()
        return os.fdopen(readable, "rb", 0)

    def connection() -> socket.socket:
        ours, theirs = socket.socketpair()
        threading.Thread(target=_send_and_close, args=(theirs,)).start()
        return ours

    return {
        "str": lambda: TEXT,
        "bytes": lambda: TEXT.encode(),
        "bytearray": lambda: bytearray(TEXT.encode()),
        "memoryview": lambda: memoryview(TEXT.encode()),
        "an array": lambda: array.array("B", TEXT.encode()),
        "a binary file": lambda: path.open("rb"),
        "a raw file": lambda: path.open("rb", buffering=0),
        "a text file": lambda: path.open(encoding="utf-8"),
        "StringIO": lambda: io.StringIO(TEXT),
        "BytesIO": lambda: io.BytesIO(TEXT.encode()),
        "a pipe": pipe,
        "a socket": connection,
        "a generator": lambda: (line for line in TEXT.splitlines(keepends=True)[:20_000]),
        "an iterator of bytes": lambda: iter([TEXT.encode()[:7], b"", TEXT.encode()[7:]]),
    }


def _write_and_close(file: io.BufferedWriter) -> None:
    with file:
        file.write(TEXT.encode())


def _send_and_close(connection: socket.socket) -> None:
    with connection:
        connection.sendall(TEXT.encode())


@pytest.mark.parametrize(
    "way", ["run", "exec", "communicate", "aio.run", "aio.exec", "aio communicate"]
)
def test_whatever_can_be_read_arrives_whole(
    linux: md.Runtime, box: md.Container, tmp_path_factory: pytest.TempPathFactory, way: str
) -> None:
    give = _ways(linux, box)[way]
    for name, made in _inputs(tmp_path_factory.mktemp("input")).items():
        input = made()
        try:
            assert give(input) == TEXT.encode(), name
        finally:
            if hasattr(input, "close"):
                input.close()


def test_what_an_event_loop_reads_arrives_whole(linux: md.Runtime, box: md.Container) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for line in TEXT.encode().splitlines(keepends=True)[:1000]:
            yield line

    async def reader() -> asyncio.StreamReader:
        stream = asyncio.StreamReader()
        stream.feed_data(b"from a stream")
        stream.feed_eof()
        return stream

    async def main() -> None:
        expected = "".join(TEXT.splitlines(keepends=True)[:1000])
        assert (await md.aio.run("cat", runtime=linux, input=pieces())).stdout == expected
        assert (await md.aio.exec(box, "cat", input=pieces())).stdout == expected
        stream = await reader()
        assert (await md.aio.run("cat", runtime=linux, input=stream)).stdout == "from a stream"

    asyncio.run(main())
    for input in (asyncio.StreamReader, pieces()):
        with pytest.raises(TypeError, match="input"):
            md.run("cat", runtime=linux, input=input)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "input", [5, 1.5, True, ["a"], {"a": 1}, object(), Path("/etc/hostname"), io.BytesIO]
)
def test_what_cannot_be_read_is_a_type_error_before_anything_runs(
    linux: md.Runtime, box: md.Container, input: Any
) -> None:
    with linux.events() as events:
        for give in _ways(linux, box).values():
            with pytest.raises(TypeError, match="input"):
                give(input)
        with pytest.raises(TypeError, match="input"), open(os.devnull, "wb") as file:
            md.run("cat", runtime=linux, input=file)
        # Two commands were started, to ask `communicate`.
        assert {event.kind for event in _ready(events)} <= {"exec_started"}


def _ready(events: md.Events) -> list[md.Event]:
    found = []
    while True:
        try:
            found.append(events.next(timeout=0))
        except md.TimeoutError:
            return found


def test_what_reading_raises_is_raised_and_nothing_stays(
    linux: md.Runtime, box: md.Container
) -> None:
    def breaks() -> Iterator[str]:
        yield "so far"
        raise LookupError("the disk is gone")

    for name, give in _ways(linux, box).items():
        with pytest.raises(LookupError, match="the disk is gone"):
            give(breaks())
        with pytest.raises(TypeError, match="must be str or bytes"):
            give(iter([b"one", 2]))
        assert [each.name for each in linux.list()] == ["box"], name


@pytest.mark.parametrize("way", ["run", "exec", "aio.run", "aio.exec"])
@pytest.mark.parametrize("reads", [False, True])
def test_a_timeout_holds_whatever_the_input_does(
    linux: md.Runtime, box: md.Container, way: str, reads: bool
) -> None:
    """A command that does not read, and an input that never comes."""
    ours, theirs = os.pipe()
    with os.fdopen(ours, "rb", 0) as silent:
        command = "cat" if reads else "sleep 60"
        options: dict[str, Any] = {
            "input": silent if reads else b"x" * 3_000_000,
            "timeout": 0.5,
        }
        begun = time.monotonic()
        result: md.RunResult | md.ExecResult
        if way == "run":
            result = md.run(command, runtime=linux, **options)
        elif way == "exec":
            result = box.exec(command, **options)
        elif way == "aio.run":
            result = asyncio.run(md.aio.run(command, runtime=linux, **options))
        else:
            result = asyncio.run(md.aio.exec(box, command, **options))
        assert result.timed_out
        assert time.monotonic() - begun < 10
        os.close(theirs)
    assert [each.name for each in linux.list()] == ["box"]


FEEDING = """
import os, sys, time
import minidocker as md
with md.Runtime(sys.argv[1], backend="linux") as rt:
    box = rt.create("box", "sleep 600").start()
    silent = os.fdopen(os.pipe()[0], "rb", 0)
    print("waiting", flush=True)
    try:
        exec(compile(sys.argv[2], "wait", "exec"))
    except KeyboardInterrupt:
        print("interrupted", time.monotonic(), flush=True)
    print([each.name for each in rt.list()], flush=True)
    box.delete(force=True)
"""


@pytest.mark.parametrize(
    "wait",
    [
        "md.run('sleep 60', runtime=rt, input=b'x' * 3_000_000)",
        "md.run('cat', runtime=rt, input=silent)",
        "box.exec('cat', input=silent)",
        "box.exec('sleep 60', input=b'x' * 3_000_000)",
        "box.exec_start('cat', stdin=True).communicate(silent)",
        "rt.create('c', 'sleep 60', stdin_open=True).start().attach().write(b'x' * 3_000_000)",
    ],
)
def test_ctrl_c_ends_a_wait_for_input(script: type[Script], root: Path, wait: str) -> None:
    waiting = script(FEEDING, root, wait)
    assert waiting.line() == "waiting"
    time.sleep(0.5)
    sent = waiting.send(signal.SIGINT)
    word, moment = waiting.line().split()
    assert word == "interrupted"
    assert float(moment) - sent < 2
    assert "run-" not in waiting.line()
    assert waiting.finish() == ""


def test_the_rest_of_an_input_is_left_alone(linux: md.Runtime) -> None:
    """Who reads one line of an endless input ends, and so does the call."""

    def endless() -> Iterator[str]:
        while True:
            yield "again and again\n"

    result = md.run("head -n 1", runtime=linux, input=endless(), timeout=30)
    assert (result.stdout, result.timed_out) == ("again and again\n", False)


#: Reads lines of its standard input, before and after a run that is given it.
AT_AN_OPEN_PIPE = """
import sys
import minidocker as md
with md.Runtime(sys.argv[1], backend="linux") as rt:
    stdin = eval(sys.argv[2])
    first = stdin.readline()
    print(md.run(sys.argv[3], runtime=rt, input=stdin).stdout.strip(), flush=True)
    print(stdin.readline(), flush=True)
"""


@pytest.mark.parametrize("stdin", ["sys.stdin.buffer", "sys.stdin", "sys.stdin.buffer.raw"])
def test_a_wait_for_standard_input_ends_with_the_run(root: Path, stdin: str) -> None:
    """It takes nothing that comes later, and the interpreter can end."""
    code = [sys.executable, "-c", AT_AN_OPEN_PIPE, str(root), stdin, "true"]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(code, stderr=subprocess.STDOUT, **pipes) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"first\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"\n"
        process.stdin.write(b"second\n")
        process.stdin.flush()
        assert b"second" in process.stdout.read()
        assert process.wait(30) == 0


def test_the_interpreter_ends_though_its_input_does_not(root: Path) -> None:
    code = (
        "import sys, minidocker as md\n"
        "rt = md.Runtime(sys.argv[1], backend='linux')\n"
        "md.run('true', runtime=rt, input=sys.stdin.buffer)\n"
    )
    ours, theirs = os.openpty()
    try:
        ended = subprocess.run(
            [sys.executable, "-c", code, str(root)],
            stdin=theirs,
            capture_output=True,
            timeout=60,
            check=False,
        )
    finally:
        os.close(ours)
        os.close(theirs)
    assert (ended.returncode, ended.stderr) == (0, b"")


def test_what_is_in_a_buffer_is_not_waited_for(linux: md.Runtime) -> None:
    ours, theirs = os.pipe()
    os.write(theirs, b"one\ntwo\n")
    try:
        with os.fdopen(ours, "rb") as file:
            assert file.readline() == b"one\n"
            result = md.run("head -n 1", runtime=linux, input=file, timeout=30)
            assert (result.stdout, result.timed_out) == ("two\n", False)
            os.write(theirs, b"three\n")
            assert file.readline() == b"three\n"
    finally:
        os.close(theirs)


def test_a_fork_meanwhile_does_not_keep_the_reader(script: type[Script], root: Path) -> None:
    """It has all pipes of ours too. A program of its own, because this one may have threads."""
    code = """
import multiprocessing, os, sys, threading, time
import minidocker as md
with md.Runtime(sys.argv[1], backend="linux") as rt:
    child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
    with os.fdopen(os.pipe()[0], "rb") as silent:
        forking = threading.Timer(1, child.start)
        forking.start()
        md.run("sleep 3", runtime=rt, input=silent)
        print([each.name for each in threading.enumerate()], flush=True)
    child.kill()
"""
    threads = script(code, root).line()
    assert "MainThread" in threads
    assert "minidocker-input" not in threads


def test_a_simulation_says_that_it_gives_no_input(simulation: md.Runtime) -> None:
    with pytest.raises(NotImplementedError, match="input"):
        md.run("cat", runtime=simulation, input="x")
    assert simulation.list() == []


def test_input_for_a_command_without_one_is_refused(box: md.Container) -> None:
    with box.exec_start("cat") as process, pytest.raises(ValueError, match="stdin=True"):
        process.communicate("x")
