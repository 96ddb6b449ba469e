"""What is raised, and what it tells."""

from __future__ import annotations

import asyncio
import pickle
import re
import subprocess
from pathlib import Path
from typing import Any

import minidocker as md
import pytest
from minidocker._errors import _KINDS


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"memory_mb": 0}, "memory_mb"),
        ({"memory_mb": "64"}, "memory_mb"),
        ({"memory": "1m"}, "memory"),
        ({"memory": "1.5m"}, "memory"),
        ({"memory": "lots"}, "memory"),
        ({"memory": True}, "memory"),
        ({"memory": "64m", "memory_mb": 64}, "memory"),
        ({"cpu_percent": 0}, "cpu_percent"),
        ({"cpu_percent": 10_000_000}, "cpu_percent"),
        ({"pids_limit": "12"}, "pids_limit"),
        ({"timeout_seconds": float("nan")}, "timeout_seconds"),
        ({"volumes": ["relative:/app"]}, "volumes"),
        ({"volumes": "/srv:/app"}, "volumes"),
        ({"volumes": {"/no/such/folder": "/app"}}, "volumes"),
        ({"env": {"A B": "x"}}, "env"),
        ({"env": {"A": 1}}, "env"),
        ({"env": {"A": None}}, "env"),
        ({"env": {1: "A"}}, "env"),
        ({"env": ["A=1"]}, "env"),
        ({"ports": {80: 8080.5}}, "ports"),
        ({"ports": {"0.0.0.0:8080": 80}}, "ports"),
        ({"ports": {53: "53/udp"}}, "ports"),
        ({"ports": [(8080, 80)]}, "ports"),
        ({"ports": {80: (8080,)}}, "ports"),
        ({"volumes": {"/srv": {"bind": "/app", "mode": "z"}}}, "volumes"),
        ({"volumes": {"/srv": {"target": "/app"}}}, "volumes"),
        ({"volumes": [3]}, "volumes"),
        ({"network": 5}, "network"),
        ({"dns": "9.9.9.9"}, "dns"),
        ({"dns": [9]}, "dns"),
        ({"image": 3}, "image"),
        ({"init": "yes"}, "init"),
        ({"tty": 1}, "tty"),
        ({"user": 1.5}, "user"),
        ({"working_dir": 3}, "working_dir"),
        ({"restart": {"Name": "always"}}, "restart"),
        ({"restart": "sometimes"}, "restart"),
        ({"user": "a:b:c"}, "user"),
        ({"rlimits": {"nofile": (2, 1)}}, "rlimits"),
        ({"health_check": "'"}, "health_check"),
        ({"rlimits": {"nofiles": 3}}, "rlimits"),
        ({"rlimits": {"nofile": "3"}}, "rlimits"),
        ({"rlimits": {"nofile": (1, 2, 3)}}, "rlimits"),
        ({"health_check": md.HealthCheck("true", timeout=float("nan"))}, "health_check.timeout"),
        ({"isolation": {"walls": False}}, "isolation"),
        ({"isolation": {"pid": 0}}, "isolation['pid']"),
    ],
)
def test_a_value_that_cannot_be_used_is_named(
    runtime: md.Runtime, options: dict[str, Any], field: str
) -> None:
    with pytest.raises(md.InvalidSpec) as caught:
        runtime.create("a", "true", **options)
    assert isinstance(caught.value, ValueError)
    assert caught.value.field == field
    assert caught.value.hint
    assert caught.value.hint in str(caught.value)
    # It speaks of what was written, not of what became of it on the way.
    said = str(caught.value)
    for word in ("JSON", "body", "env_vars", "mem_limit_mb", "cpu_limit_percent", "line 1"):
        assert word not in said
    assert runtime.list() == []


def test_a_misspelt_keyword_is_a_type_error(linux: md.Runtime) -> None:
    with pytest.raises(TypeError, match="memry"):
        linux.create("a", "true", memry="64m")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="did you mean 'memory'"):
        md.run("true", runtime=linux, memory_="64m")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="env: 1 is refused") as caught:
        linux.create("a", "true", env={"A": 1})  # type: ignore[dict-item]
    assert isinstance(caught.value, md.InvalidSpec)
    assert isinstance(caught.value, ValueError)
    for command in (b"true", 5, ["sleep", 5], {"a": "b"}):
        with pytest.raises(TypeError, match="command"):
            linux.create("a", command)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="name"):
        linux.create(5, "true")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("option", "ours"),
    [
        ("mem_limit", "memory="),
        ("environment", "env="),
        ("detach", "start()"),
        ("remove", "always removes"),
        ("network_mode", "network="),
        ("ulimits", "rlimits="),
        ("restart_policy", "restart="),
        ("nano_cpus", "cpu_percent="),
        ("cwd", "working_dir="),
    ],
)
def test_what_docker_calls_otherwise_is_told_in_our_words(
    linux: md.Runtime, option: str, ours: str
) -> None:
    options: dict[str, Any] = {option: "64m"}
    for attempt in (
        lambda: md.run("true", runtime=linux, **options),
        lambda: linux.create(None, "true", **options),
        lambda: asyncio.run(md.aio.run("true", runtime=linux, **options)),
    ):
        with pytest.raises(TypeError, match=option) as caught:
            attempt()
        assert ours in str(caught.value)
    assert linux.list() == []


def test_what_a_call_is_given_is_checked_before_anything_runs(linux: md.Runtime) -> None:
    wrong: list[dict[str, Any]] = [
        {"timeout": -1},
        {"timeout": float("nan")},
        {"timeout": "3"},
        {"timeout": True},
        {"output_limit": -1},
        {"output_limit": 1.5},
    ]
    with linux.create(None, "sleep 60") as container, linux.events() as events:
        container.start()
        for options in wrong:
            for attempt in (
                lambda o=options: md.run("true", runtime=linux, **o),
                lambda o=options: asyncio.run(md.aio.run("true", runtime=linux, **o)),
                lambda o=options: container.exec("true", **o),
                lambda o=options: asyncio.run(md.aio.exec(container, "true", **o)),
            ):
                with pytest.raises((TypeError, ValueError)):
                    attempt()
        for call in (
            lambda: container.logs(tail=-1),
            lambda: container.logs(since=5),  # type: ignore[arg-type]
            lambda: container.files.write("/x", 5),  # type: ignore[arg-type]
            lambda: container.files.write("/x", b"", mode=-1),
            lambda: container.files.read("/etc/passwd", limit=-1),
            lambda: container.files.list(5),  # type: ignore[arg-type]
            lambda: container.exec_start("true", tty=(0, 70_000)),
            lambda: container.exec("true", env={"A": 1}),  # type: ignore[dict-item]
            lambda: container.wait(timeout=-1),
            lambda: container.stop(timeout=-1),
        ):
            with pytest.raises((TypeError, ValueError)):
                call()
        assert [event.kind for event in iter_ready(events)] == ["started"]
        assert [each.id for each in linux.list()] == [container.id]


def iter_ready(events: md.Events) -> list[md.Event]:
    """Those that are there."""
    found = []
    while True:
        try:
            found.append(events.next(timeout=0))
        except md.TimeoutError:
            return found


def test_errors_are_also_what_python_programmers_catch(linux: md.Runtime, tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="nobody"):
        linux.get("nobody")
    with linux.create("taken", "sh -c 'mkdir /d; sleep 60'") as container:
        with pytest.raises(FileExistsError):
            linux.create("taken", "true")
        with pytest.raises(RuntimeError):
            container.pause()
        container.start()
        with pytest.raises(FileNotFoundError) as caught:
            container.files.read("/nothing/there")
        assert isinstance(caught.value, md.FileError)
        assert (caught.value.errno, caught.value.filename) == (2, "/nothing/there")
        assert type(pickle.loads(pickle.dumps(caught.value))) is type(caught.value)
        with pytest.raises(IsADirectoryError):
            container.files.read("/etc")
        with pytest.raises(FileNotFoundError):
            container.exec("no-such-program")
        with pytest.raises(PermissionError):
            container.exec("/etc/passwd")
        with pytest.raises(subprocess.CalledProcessError) as failed:
            container.exec("sh -c 'echo out; exit 3'", check=True)
        assert (failed.value.returncode, failed.value.stdout) == (3, "out\n")
        assert failed.value.cmd == "sh -c 'echo out; exit 3'"
        with pytest.raises(FileNotFoundError, match=r"nothing\.tar"):
            container.import_rootfs(tmp_path / "nothing.tar")
    with linux.create(None, ["/no/such/program"]) as container, pytest.raises(FileNotFoundError):
        container.start()


def test_names_are_found_or_not(runtime: md.Runtime) -> None:
    with pytest.raises(md.ContainerNotFound) as caught:
        runtime.get("nobody")
    assert isinstance(caught.value, KeyError)
    assert caught.value.name == "nobody"
    with pytest.raises(md.ImageNotFound):
        runtime.image("nothing")
    with runtime.create("taken", "true"), pytest.raises(md.NameInUse, match="Choose another"):
        runtime.create("taken", "true")


def test_a_start_that_fails_names_step_call_and_errno(linux: md.Runtime) -> None:
    with linux.create(None, ["/no/such/program"]) as container:
        with pytest.raises(md.StartFailed) as caught:
            container.start()
        error = caught.value
        assert (error.step, error.errno, error.name) == ("exec", 2, container.name)
        assert "execve" in error.call
        assert container.status is md.Status.ERROR
        assert container.inspect().reason
        with pytest.raises(md.StartFailed):
            container.wait()


def test_an_operation_in_the_wrong_state_says_what_first(runtime: md.Runtime) -> None:
    with runtime.create(None, "sleep 60") as container:
        with pytest.raises(md.WrongState, match="Start it"):
            container.pause()
        container.start()
        with pytest.raises(md.WrongState) as caught:
            container.delete()
        assert caught.value.status == "running"


def test_every_error_survives_the_way_between_processes() -> None:
    for code, kind in _KINDS.items():
        error = md._errors.from_library(code, "what", "do this", {"name": "a"})
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), str(again)) == (kind, str(error))
        assert (again.name, again.code, again.hint) == ("a", code, error.hint)
        assert str(error).startswith("what\n")


def test_every_code_of_the_library_has_its_exception() -> None:
    source = (Path(__file__).parents[2] / "minidocker-rt" / "src" / "error.rs").read_text()
    codes = set(re.findall(r'Error::\w+(?: \{ \.\. \})? => "(\w+)"', source))
    assert len(codes) > 15
    # An interrupted wait raises what the signal handler raised.
    assert codes - {"interrupted"} == set(_KINDS) - {"dashboard"}
