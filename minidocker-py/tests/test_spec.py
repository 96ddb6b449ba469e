"""Keywords and records against the library's own JSON."""

from __future__ import annotations

import dataclasses
import inspect
import os
from pathlib import Path, PurePosixPath
from typing import Any

import minidocker as md
import pytest
from minidocker._spec import Options, spec_json
from minidocker._wire import encode


def test_every_option_is_taken_and_typed() -> None:
    taken = list(inspect.signature(spec_json).parameters)[2:-1]
    assert list(Options.__annotations__) == taken


def test_what_is_asked_for_is_what_inspect_tells(
    linux: md.Runtime, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("volume")
    asked: dict[str, Any] = {
        "memory_mb": 64,
        "cpu_percent": 50,
        "pids_limit": 10,
        "volumes": {folder: "/app:ro"},
        "env": {"A": "1", "B": "2"},
        "ports": {80: 8080, "53/udp": ("::1", 53)},
        "network": "bridge",
        "aliases": ["also"],
        "dns": ["10.0.0.53"],
        "extra_hosts": {"db": "10.0.0.5"},
        "hostname": "here",
        "working_dir": "/srv",
        "user": 1000,
        "rlimits": {"nofile": 64},
        "isolation": {"ipc": False},
        "init": False,
        "best_effort_limits": True,
        "restart": "on-failure:3",
        "timeout_seconds": 2.5,
        "health_check": md.HealthCheck(("true",), retries=5),
        "stdin_open": True,
        "tty": True,
        "log_max_mb": 4,
    }
    with linux.create("all", ["echo", "a b"], **asked) as container:
        spec = container.inspect().spec
    assert spec == md.Spec(
        name="all",
        command=("echo", "a b"),
        memory_mb=64,
        cpu_percent=50,
        pids_limit=10,
        volumes=(f"{folder}:/app:ro",),
        env={"A": "1", "B": "2"},
        ports=("127.0.0.1:8080:80", "[::1]:53:53/udp"),
        aliases=("also",),
        dns=("10.0.0.53",),
        extra_hosts=("db:10.0.0.5",),
        hostname="here",
        working_dir="/srv",
        user="1000",
        rlimits=(md.Rlimit("nofile", 64, 64),),
        isolation=md.Isolation(ipc=False),
        init=False,
        best_effort_limits=True,
        restart="on-failure:3",
        timeout_seconds=2.5,
        health_check=md.HealthCheck(("true",), retries=5),
        stdin_open=True,
        tty=True,
        log_max_mb=4,
    )
    with linux.create_from(spec, "again") as again:
        assert again.inspect().spec == dataclasses.replace(spec, name="again")


@pytest.mark.parametrize(
    ("ports", "published"),
    [
        ({80: 8080}, ["127.0.0.1:8080:80"]),
        ({"80/tcp": 8080}, ["127.0.0.1:8080:80"]),
        ({"80": "8080"}, ["127.0.0.1:8080:80"]),
        ({"53/udp": 5353}, ["127.0.0.1:5353:53/udp"]),
        ({80: None}, ["127.0.0.1:0:80"]),
        ({80: ("0.0.0.0", 8080)}, ["0.0.0.0:8080:80"]),
        ({"80/tcp": ("::1", 8080)}, ["[::1]:8080:80"]),
        ({80: ("127.0.0.2",)}, ["127.0.0.2:0:80"]),
        ({80: ("127.0.0.2", None)}, ["127.0.0.2:0:80"]),
        ({80: [8080, ("0.0.0.0", 8081)]}, ["127.0.0.1:8080:80", "0.0.0.0:8081:80"]),
        (["8080:80", 90], ["127.0.0.1:8080:80", "127.0.0.1:0:90"]),
        ({"8000-8001": "9000-9001"}, ["127.0.0.1:9000:8000", "127.0.0.1:9001:8001"]),
    ],
)
def test_ports_mean_what_docker_s_users_mean(
    linux: md.Runtime, ports: Any, published: list[str]
) -> None:
    with linux.create(None, "true", ports=ports) as container:
        assert list(container.inspect().spec.ports) == published


def test_paths_are_what_python_makes_of_them(
    linux: md.Runtime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    (home / "site").mkdir(parents=True)
    (home / "site" / "in.txt").write_text("here")
    monkeypatch.setenv("HOME", str(home))
    forms: list[Any] = [
        {"~/site": "/app"},
        {Path("~/site"): PurePosixPath("/app")},
        {os.fsencode(home / "site"): "/app"},
        ["~/site:/app"],
        {"~/site": {"bind": "/app", "mode": "ro"}},
    ]
    for volumes in forms:
        options: dict[str, Any] = {"volumes": volumes, "working_dir": PurePosixPath("/app")}
        assert md.run([PurePosixPath("/bin/cat"), "in.txt"], runtime=linux, **options).ok
    read_only = {"~/site": {"bind": "/app", "mode": "ro"}}
    assert "Read-only" in md.run("touch /app/x", runtime=linux, volumes=read_only).stderr
    with linux.create(None, "sleep 60") as container:
        container.start()
        container.files.write(PurePosixPath("/~"), "a tilde is a name in a container")
        assert container.files.exists(PurePosixPath("/~"))
        assert container.exec("pwd", working_dir=PurePosixPath("/tmp")).stdout == "/tmp\n"
        container.export_rootfs("~/all.tar", only_changes=True)
        assert (home / "all.tar").exists()
    with md.Runtime("~/root") as runtime:
        assert runtime.root == str(home / "root")
        image = runtime.import_image("again", "~/all.tar")
        assert image.name == "again"


@pytest.mark.parametrize(
    ("size", "megabytes"),
    [
        ("64m", 64),
        ("64M", 64),
        ("64mb", 64),
        ("64MiB", 64),
        ("1g", 1024),
        ("0.5g", 512),
        (64 << 20, 64),
        ("65536k", 64),
        ("67108864", 64),
        ("67108864b", 64),
    ],
)
def test_sizes_are_read_as_people_write_them(size: Any, megabytes: int) -> None:
    assert spec_json("a", "true", memory=size)["mem_limit_mb"] == megabytes


def _known(kind: Any) -> set[str]:
    return {each.metadata.get("wire", each.name) for each in dataclasses.fields(kind)}


def test_no_field_of_the_library_is_passed_over(linux: md.Runtime) -> None:
    """A field that the library adds must be added here too, or users will not see it."""
    check = md.HealthCheck("true", interval=0.05)
    with linux.create(None, "sleep 60", memory_mb=64, health_check=check) as container:
        container.start().wait_healthy(timeout=30)
        inner = container._inner
        info, stats, trace = inner.inspect(), inner.stats(0.1), inner.trace()
        assert trace is not None
        pairs: list[tuple[dict[str, Any], Any]] = [
            (info, md.ContainerInfo),
            (info["spec"], md.Spec),
            (info["network"], md.NetworkInfo),
            (info["network"]["networks"][0], md.NetworkEndpoint),
            (linux._inner.network("bridge"), md.Network),
            (linux._inner.network("bridge")["containers"][0], md.NetworkMember),
            (info["health"], md.HealthReport),
            (info["health"]["probes"][0], md.Probe),
            (info["spec"]["health_check"], md.HealthCheck),
            (stats, md.Stats),
            (stats["memory"], md.MemoryStats),
            (stats["cpu"], md.CpuStats),
            (stats["pids"], md.PidsStats),
            (stats["block_io"], md.BlockIoStats),
            (stats["network"], md.NetworkStats),
            (linux._inner.stats()[0], md.ContainerStats),
            (inner.plan()[0], md.Step),
            (trace, md.Trace),
            (trace["steps"][0], md.TracedStep),
            (trace["steps"][0]["calls"][0], md.Call),
            (inner.files_stat(b"/"), md.FileInfo),
            (linux._inner.image("host"), md.Image),
            (linux._inner.image("host")["config"], md.ImageConfig),
            (linux._inner.disk_usage(), md.DiskUsage),
            (inner.disk_usage(), md.ContainerUsage),
            (linux._inner.capabilities()[0], md.Capability),
            (linux._inner.template("python-web-server"), md.Template),
            (linux._inner.prune(), md.Pruned),
        ]
    for raw, kind in pairs:
        assert set(raw) <= _known(kind), kind.__name__


def test_a_record_is_written_as_it_was_read(linux: md.Runtime) -> None:
    for isolation in (md.Isolation(), md.Isolation(pid=False, seccomp=False)):
        with linux.create(None, "true", isolation=isolation, memory_mb=64) as container:
            raw = container._inner.inspect()["spec"]
            kept = {name: value for name, value in raw.items() if value not in ([], {})}
            assert encode(container.inspect().spec).keys() == kept.keys()


def test_records_are_made_on_the_oldest_python_too() -> None:
    """Their annotations are evaluated, and before Python 3.10 types have no `|`."""
    kinds = [kind for kind in vars(md).values() if dataclasses.is_dataclass(kind)]
    assert len(kinds) > 40
    for kind in kinds:
        if kind.__module__.rpartition(".")[2] in ("_records", "_stats", "_plan", "_doctor"):
            for each in dataclasses.fields(kind):
                assert "|" not in str(each.type), f"{kind}.{each.name}"
