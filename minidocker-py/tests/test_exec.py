"""Other commands in a running container, and attaching to its own."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Iterator

import minidocker as md
import pytest


@pytest.fixture
def box(linux: md.Runtime) -> Iterator[md.Container]:
    with linux.create("box", "sleep 600", env={"MODE": "dev"}) as container:
        yield container.start()


def test_an_executed_command_gives_all_it_has(box: md.Container) -> None:
    result = box.exec(
        ["sh", "-c", "echo $MODE$X; echo err >&2; pwd; id -u; cat; exit 4"],
        env={"X": "!"},
        working_dir="/usr",
        user=1000,
        input="in",
    )
    assert (result.exit_code, result.stderr) == (4, "err\n")
    assert result.stdout == "dev!\n/usr\n1000\nin"
    assert box.exec("true").stdout == ""
    assert box.exec("sh -c 'kill -9 $$'").signal == 9


def test_a_timeout_kills_the_command_alone(box: md.Container) -> None:
    result = box.exec("sh -c 'echo begun; sleep 60'", timeout=0.3)
    assert result.timed_out
    assert result.stdout == "begun\n"
    with pytest.raises(md.TimeoutError) as caught:
        box.exec("sleep 60", timeout=0.1, check=True)
    assert caught.value.result is not None
    with pytest.raises(md.CommandFailed, match="No such file") as failed:
        box.exec("ls /nothing", check=True)
    assert failed.value.result.exit_code == 2
    assert box.status == "running"


@pytest.mark.parametrize("way", ["streamed input", "aio"])
def test_a_command_that_is_stopped_before_it_begins_ends_at_its_time(
    linux: md.Runtime, way: str
) -> None:
    code = "echo ready; while :; do kill -STOP -1; done"
    with linux.create(None, ["sh", "-c", code]).start() as hostile:
        assert next(iter(hostile.logs(follow=True))) == "ready"
        results = []
        for _ in range(8):
            begun = time.monotonic()
            if way == "aio":
                result = asyncio.run(md.aio.exec(hostile, "true", timeout=0.5))
            else:
                result = hostile.exec("true", input=io.BytesIO(b"x"), timeout=0.5)
            assert time.monotonic() - begun < 10
            results.append(result)
        # Now and then one is quicker than who would stop it.
        late = [result for result in results if result.timed_out]
        assert late
        assert {(result.exit_code, result.signal) for result in late} == {(137, 9)}
        assert all(result.exit.timed_out for result in late)


def test_what_cannot_be_executed_is_told(box: md.Container) -> None:
    with pytest.raises(md.ExecFailed) as caught:
        box.exec("no-such-program")
    assert caught.value.errno == 2
    assert box.status == "running"
    assert box.exec("sh -c 'yes | head -c 5000'", output_limit=10).truncated


def test_a_streamed_command_always_has_its_exit_code(box: md.Container) -> None:
    for _ in range(20):
        with box.exec_start("sh -c 'echo one; echo two >&2; printf end; exit 7'") as process:
            lines = list(process)
        assert process.exit_code == 7
        assert sorted(line.text for line in lines) == ["end", "one", "two"]
        assert {line.stream for line in lines} == {md.Stream.STDOUT, md.Stream.STDERR}


def test_much_output_on_both_streams_does_not_lock_up(box: md.Container) -> None:
    code = "yes out | head -c 1000000; yes err | head -c 1000000 >&2"
    with box.exec_start(["sh", "-c", code]) as process:
        stdout, stderr = process.communicate(timeout=30)
    assert (len(stdout), len(stderr)) == (1_000_000, 1_000_000)


def test_input_is_written_while_output_is_read(box: md.Container) -> None:
    with box.exec_start("cat", stdin=True) as process:
        stdout, stderr = process.communicate(b"x" * 3_000_000, timeout=30)
    assert (len(stdout), stderr, process.exit_code) == (3_000_000, b"", 0)
    with box.exec_start("true", stdin=True) as process:
        assert process.communicate(b"x" * 3_000_000, timeout=30) == (b"", b"")


def test_streams_are_ordinary_files(box: md.Container) -> None:
    with box.exec_start("sh -c 'read line; echo got $line'", stdin=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"hello\n")
        assert process.stdout.readline() == b"got hello\n"
        assert process.wait(timeout=10).ok
    with box.exec_start("sleep 60") as process:
        with pytest.raises(TimeoutError):
            process.wait(timeout=0.1)
        with pytest.raises(TimeoutError):
            process.communicate(timeout=0.1)
        assert process.exit is None
        assert "running" in repr(process)
        process.terminate()
        assert process.wait(timeout=10).signal == 15


def test_a_process_left_behind_does_not_hold_up_the_end(box: md.Container) -> None:
    begun = time.monotonic()
    with box.exec_start("sh -c 'sleep 60 & echo done'") as process:
        assert [line.text for line in process] == ["done"]
    assert time.monotonic() - begun < 10


def test_a_terminal_is_one(box: md.Container) -> None:
    with box.exec_start("sh -c 'stty size; test -t 0 && echo tty'", tty=(40, 100)) as process:
        assert process.terminal is not None
        assert process.stdout is None
        assert process.terminal.readall().decode().split() == ["40", "100", "tty"]
        assert process.wait(timeout=10).ok
    with box.exec_start("sh", tty=True) as process:
        assert process.terminal is not None
        process.terminal.resize(50, 120)
        process.terminal.write(b"stty size; exit\n")
        assert b"50 120" in process.terminal.readall()


def test_leaving_the_block_kills_unless_detached(box: md.Container) -> None:
    with box.exec_start("sleep 1234") as killed, box.exec_start("sleep 4321") as left:
        left.detach()
    assert killed.wait(timeout=10).signal == 9
    shown = box.exec(["sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '"]).stdout
    assert "sleep 4321" in shown
    assert "sleep 1234" not in shown


def test_a_character_in_two_pieces_is_one(linux: md.Runtime) -> None:
    code = (
        "import os, time; input(); os.write(1, b'\\xe2\\x82'); time.sleep(0.2); "
        "os.write(1, b'\\xac\\xe2')"
    )
    with linux.create(None, ["python3", "-c", code], stdin_open=True).start() as container:
        with container.attach() as attached:
            attached.write("\n")
            assert "".join(piece.text for piece in attached) == "€\ufffd"
        assert container.wait(timeout=10).ok
        assert container.logs().text == "€\ufffd"


def test_attaching_reads_and_writes(linux: md.Runtime) -> None:
    with linux.create(None, "cat", stdin_open=True) as container:
        container.start()
        with container.attach() as one, container.attach() as two:
            one.write("hello\n")
            assert one.read(timeout=10) == (md.Stream.STDOUT, "hello\n")
            assert two.read(timeout=10) == (md.Stream.STDOUT, "hello\n")
            with pytest.raises(md.TimeoutError):
                one.read(timeout=0.1)
            one.close_input()
            assert list(two) == []
            assert two.missed == 0
        with pytest.raises(ValueError, match="closed"):
            one.write("x")
        assert container.wait(timeout=10).ok
        assert container.logs().text == "hello\n"
    with linux.create(None, "sleep 60") as container:
        attached = container.start().attach()
        with pytest.raises(OSError, match="stdin_open"):
            attached.write("x")
        with pytest.raises(OSError, match="tty"):
            attached.resize(1, 1)


def test_a_terminal_of_the_containers_own_command(linux: md.Runtime) -> None:
    with linux.create(None, "sh", stdin_open=True, tty=True) as container:
        container.start()
        with container.attach() as attached:
            attached.resize(33, 99)
            attached.write("stty size; exit\n")
            assert "33 99" in "".join(piece.text for piece in attached)
