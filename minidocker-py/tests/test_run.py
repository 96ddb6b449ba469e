"""`md.run`: a whole life in one call."""

from __future__ import annotations

import time

import minidocker as md
import pytest


def test_a_run_tells_how_it_ended_and_what_was_written(runtime: md.Runtime) -> None:
    result = md.run("sh -c 'echo out; echo err >&2; exit 3'", runtime=runtime)
    assert (result.exit_code, result.signal, result.oom_killed, result.ok) == (
        3,
        None,
        False,
        False,
    )
    assert (result.stdout, result.stderr) == ("out\n", "err\n")
    assert 0 < result.duration < 10
    assert (result.timed_out, result.truncated) == (False, False)
    assert runtime.list() == []


def test_what_was_not_written_is_empty_and_not_none(runtime: md.Runtime) -> None:
    result = md.run("true", runtime=runtime)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")


def test_bytes_come_as_they_were_written(linux: md.Runtime) -> None:
    result = md.run(["printf", r"\377\000a"], runtime=linux)
    assert result.stdout_bytes == b"\xff\x00a"
    assert result.stdout == "\ufffd\0a"


def test_output_beyond_what_the_log_keeps_is_complete_or_said_to_be_not(linux: md.Runtime) -> None:
    # The log keeps 32 MiB, in two files; who is slower than the command by more misses some.
    line = "x" * 1000
    for megabytes in (16, 48):
        size = megabytes << 20
        result = md.run(["sh", "-c", f"yes {line} | head -c {size}"], runtime=linux)
        complete = result.stdout_bytes == f"{line}\n".encode() * (size // 1001) + b"x" * (
            size % 1001
        )
        assert complete or result.truncated
        assert megabytes == 48 or complete


def test_output_beyond_the_limit_is_thrown_away_and_said_so(runtime: md.Runtime) -> None:
    result = md.run("sh -c 'yes | head -c 10000'", runtime=runtime, output_limit=100)
    assert result.truncated
    assert len(result.stdout_bytes) == 100
    assert result.exit_code == 0


def test_a_timeout_kills_and_keeps_what_was_written(runtime: md.Runtime) -> None:
    begun = time.monotonic()
    result = md.run("sh -c 'echo before; sleep 60'", runtime=runtime, timeout=0.5)
    assert time.monotonic() - begun < 10
    assert result.timed_out
    assert result.stdout == "before\n"
    assert (result.exit_code, result.signal) == (137, 9)


def test_a_flood_does_not_outrun_its_timeout(linux: md.Runtime) -> None:
    begun = time.monotonic()
    result = md.run(f"yes {'x' * 1000}", runtime=linux, timeout=0.5, output_limit=1000)
    assert time.monotonic() - begun < 20
    assert result.timed_out
    assert result.truncated


def test_check_raises_with_the_result(runtime: md.Runtime) -> None:
    with pytest.raises(md.CommandFailed, match="exit code 3: the reason") as caught:
        md.run("sh -c 'echo the reason >&2; exit 3'", runtime=runtime, check=True)
    assert caught.value.result.exit_code == 3
    with pytest.raises(TimeoutError) as timed_out:
        md.run("sh -c 'echo so far; sleep 60'", runtime=runtime, check=True, timeout=0.5)
    assert isinstance(timed_out.value, md.TimeoutError)
    assert timed_out.value.result is not None
    assert timed_out.value.result.stdout == "so far\n"
    assert md.run("true", runtime=runtime, check=True).ok
    assert runtime.list() == []


def test_going_over_the_memory_limit_is_told(linux: md.Runtime) -> None:
    code = "b = bytearray(200 << 20)"
    result = md.run(["python3", "-c", code], runtime=linux, memory="32m")
    assert result.oom_killed
    assert (result.exit_code, result.signal) == (137, 9)
    assert "out of memory" in str(result.exit)


@pytest.mark.parametrize("size", [0, 1, 1_000_000])
def test_input_arrives_whole(linux: md.Runtime, size: int) -> None:
    assert md.run("wc -c", runtime=linux, input="x" * size).stdout.strip() == str(size)


def test_input_that_nobody_reads_does_not_hang(linux: md.Runtime) -> None:
    assert md.run("true", runtime=linux, input=b"x" * 1_000_000, timeout=30).ok


def test_limits_volumes_and_variables_arrive(
    linux: md.Runtime, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("volume")
    (folder / "in").write_text("from the host")
    result = md.run(
        ["sh", "-c", "cat /app/in; echo $MODE > /app/out; id -u; ulimit -n; pwd; uname -n"],
        runtime=linux,
        volumes={folder: "/app"},
        env={"MODE": "dev"},
        rlimits={"nofile": (64, 128)},
        working_dir="/srv/here",
        hostname="somewhere",
        check=True,
    )
    assert result.stdout == "from the host0\n64\n/srv/here\nsomewhere\n"
    assert (folder / "out").read_text() == "dev\n"


def test_a_read_only_volume_cannot_be_written(
    linux: md.Runtime, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("volume")
    forms: list[dict[str, str] | list[str]] = [{str(folder): "/app:ro"}, [f"{folder}:/app:ro"]]
    for volumes in forms:
        result = md.run("touch /app/x", runtime=linux, volumes=volumes)
        assert "Read-only" in result.stderr
    assert list(folder.iterdir()) == []


def test_nothing_stays_of_a_run_that_did_not_start(runtime: md.Runtime) -> None:
    with pytest.raises(md.StartFailed) as caught:
        md.run("no-such-program", runtime=runtime)
    assert caught.value.errno == 2
    assert caught.value.step == "exec"
    assert "no-such-program" in str(caught.value)
    assert runtime.list() == []


def test_a_comparison_shows_what_a_feature_does(linux: md.Runtime) -> None:
    compared = md.compare("sh -c 'echo $$'", without="pid", runtime=linux)
    assert compared.differs
    assert int(compared.with_feature.stdout) < 10 < int(compared.without_feature.stdout)
    assert "with pid" in str(compared)
    assert "without pid" in str(compared)
    assert compared.without_feature.stdout.strip() in str(compared)
    same = md.compare("echo same", without="seccomp", runtime=linux)
    assert not same.differs
    assert same.diff() == ""
    with pytest.raises(md.InvalidSpec, match="pid, rootfs"):
        md.compare("true", without="walls", runtime=linux)  # type: ignore[arg-type]
