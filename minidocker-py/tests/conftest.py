"""What every test has: a root folder of its own, with each backend, and nothing left afterwards."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import minidocker as md
import pytest


def remove_everything(root: Path, backend: Literal["linux", "simulation"]) -> None:
    with md.Runtime(root, backend=backend) as runtime:
        for container in runtime.list():
            container.delete(force=True)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


@pytest.fixture
def linux(root: Path) -> Iterator[md.Runtime]:
    """Real containers, so as root."""
    runtime = md.Runtime(root, backend="linux")
    yield runtime
    remove_everything(root, "linux")
    runtime.close()


@pytest.fixture
def simulation(root: Path) -> Iterator[md.Runtime]:
    runtime = md.Runtime(root, backend="simulation")
    yield runtime
    remove_everything(root, "simulation")
    runtime.close()


@pytest.fixture(params=["linux", "simulation"])
def runtime(request: pytest.FixtureRequest) -> md.Runtime:
    """What both backends promise."""
    found = request.getfixturevalue(request.param)
    assert isinstance(found, md.Runtime)
    return found


@pytest.fixture(autouse=True, scope="session")
def default_root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Calls that name no runtime must not use this machine's own root."""
    root = tmp_path_factory.mktemp("default") / "root"
    os.environ["MINIDOCKER_ROOT"] = str(root)
    yield root
    remove_everything(root, "linux")
    md.default_runtime().close()


class Script:
    """Another Python program."""

    def __init__(self, code: str, *arguments: object) -> None:
        self.begun = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self.process.stdout is not None
        self.stdout = self.process.stdout

    def line(self) -> str:
        """The next line that it prints."""
        return self.stdout.readline().strip()

    def send(self, number: signal.Signals) -> float:
        """Sends a signal; returns when."""
        self.process.send_signal(number)
        return time.monotonic()

    def finish(self, timeout: float = 30) -> str:
        """Waits for its end. Returns what else it printed."""
        rest, _ = self.process.communicate(timeout=timeout)
        return rest

    @property
    def exit_code(self) -> int:
        return self.process.wait()


@pytest.fixture
def script() -> Iterator[type[Script]]:
    started: list[Script] = []

    class Watched(Script):
        def __init__(self, code: str, *arguments: object) -> None:
            super().__init__(code, *arguments)
            started.append(self)

    yield Watched
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
        one.process.wait()
        one.stdout.close()
