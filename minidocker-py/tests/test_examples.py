"""The examples run, and show what they say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import minidocker as md
import nbformat
import pytest
from nbclient import NotebookClient

EXAMPLES = Path(__file__).parents[2] / "examples" / "python"


def output(name: str, *arguments: object) -> str:
    command = [sys.executable, str(EXAMPLES / name), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    assert md.Runtime().list() == []
    return done.stdout


def test_hello() -> None:
    shown = output("hello.py")
    assert shown.startswith("0 42\n")
    assert "running Hello\n" in shown
    assert "hello is what it thinks" in shown
    assert "built in" in shown


def test_limits() -> None:
    memory, cpu, pids, seconds = output("limits.py").splitlines()
    assert "out of memory" in memory
    assert int(cpu.split()[1]) < 40
    assert "no more than" in pids
    assert "timed out is True" in seconds


def test_volumes() -> None:
    shown = output("volumes.py")
    assert "out.txt on the host: 3\n" in shown
    assert "Read-only file system" in shown
    assert "A /note" in shown
    assert "after a write from outside: ours" in shown
    assert "['in.txt', 'out.txt']" in shown


@pytest.mark.timeout(240)
def test_no_attack_on_the_grader_succeeds() -> None:
    lines = output("grading.py").splitlines()[1:]
    shown = {line[5:].split(": ")[0]: line for line in lines}
    assert shown["right"].startswith("2/3")
    assert shown["right, also for no input"].startswith("3/3")
    assert shown["wrong"].startswith("1/3")
    assert "TypeError" in shown["a mistake"]
    assert "took more than 3 seconds" in shown["endless"]
    assert "took more than 64 MB" in shown["memory bomb"] or "MemoryError" in shown["memory bomb"]
    assert shown["fork bomb"].startswith("0/3")
    assert shown["thief"].startswith("3/3")
    assert "stolen: []" in shown["thief"]


def test_live_stats(tmp_path: Path) -> None:
    picture = tmp_path / "stats.png"
    assert "samples in" in output("live_stats.py", picture, 2)
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_fan_out() -> None:
    assert output("fan_out.py", 50).startswith("50 containers of a second each took")


@pytest.mark.filterwarnings("default")
def test_the_notebook_runs_from_top_to_bottom() -> None:
    notebook = nbformat.read(  # type: ignore[no-untyped-call]
        EXAMPLES / "what_is_a_container.ipynb", as_version=4
    )
    assert all(not cell.get("outputs") for cell in notebook.cells), "commit it without outputs"
    NotebookClient(notebook, timeout=100, kernel_name="python3").execute()
    shown = [
        output.data.get("text/html", "")
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if "data" in output
    ]
    assert len(shown) >= 9
    assert all("<div" in html for html in shown)
    assert md.Runtime().list() == []
