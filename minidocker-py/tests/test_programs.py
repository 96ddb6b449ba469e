"""Several programs, threads, forks, signals and crashes."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import minidocker as md
import pytest

from .conftest import Script

#: How late Ctrl-C may be answered. On a machine with other work going on a thread may wait for
#: its turn; the promise is 0.1 s.
PROMPT = 0.1 if os.environ.get("MINIDOCKER_QUIET") else 1.0


def children(pid: int) -> list[str]:
    """What the children of a process are called."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found.append(Path(f"/proc/{child}/comm").read_text().strip())
    return found


def test_twenty_threads_use_one_runtime(runtime: md.Runtime) -> None:
    def work(number: int) -> list[str]:
        name = f"c{number}"
        with runtime.create(name, f"sh -c 'echo {number}; exit {number}'") as container:
            assert container.start().wait(timeout=60).exit_code == number
            assert name in [each.name for each in runtime.list()]
            assert container.stats().status == "stopped"
            return list(container.logs(follow=True))

    with ThreadPoolExecutor(20) as threads:
        assert list(threads.map(work, range(20))) == [[str(number)] for number in range(20)]
    assert runtime.list() == []


def test_twenty_threads_use_one_container(linux: md.Runtime) -> None:
    with linux.create(None, "sleep 60") as container, ThreadPoolExecutor(20) as threads:
        container.start()
        results = threads.map(lambda n: container.exec(f"echo {n}").stdout.strip(), range(40))
        assert list(results) == [str(number) for number in range(40)]


def test_other_threads_run_while_one_waits(runtime: md.Runtime) -> None:
    with runtime.create(None, "sleep 60") as container:
        container.start()
        ended: list[md.ExitStatus] = []
        waiting = threading.Thread(target=lambda: ended.append(container.wait()))
        waiting.start()
        counted, until = 0, time.monotonic() + 0.2
        while time.monotonic() < until:
            counted += 1
        assert counted > 10_000
        assert ended == []
        container.stop(0)
        waiting.join(timeout=10)
        assert ended[0].signal == 9


WAITS = {
    "wait": "c.wait()",
    "wait with a timeout": "c.wait(timeout=50)",
    "logs": "list(c.logs(follow=True))",
    "entries": "list(c.logs(follow=True).entries())",
    "events": "list(rt.events())",
    "stats": "list(c.stats_stream(40))",
    "stats over": "c.stats(over=40)",
    "run": "md.run('sleep 60', runtime=rt)",
    # Not a stop: that is heard without the lock.
    "the lock": "lock.acquire(); c.start()",
    "health": "c.wait_healthy()",
}
LINUX_WAITS = {
    "exec": "c.exec('sleep 60')",
    "a streamed exec": "list(c.exec_start('sleep 60'))",
    "exec wait": "c.exec_start('sleep 60').wait()",
    "attach": "list(c.attach())",
}
WAITING = """
import fcntl, sys, threading, time
import minidocker as md

class Lock:
    # Another program that works on the container.
    def acquire(self):
        self.file = open(f"{rt.root}/containers/{c.name}/lock", "r+")
        fcntl.flock(self.file, fcntl.LOCK_EX)

lock = Lock()
with md.Runtime(sys.argv[1], backend=sys.argv[2]) as rt:
    check = md.HealthCheck("false", interval=0.01)
    c = rt.create("waited-for", "sleep 60", health_check=check).start()
    print("waiting", flush=True)
    try:
        exec(compile(sys.argv[3], "wait", "exec"))
    except KeyboardInterrupt:
        print("interrupted", time.monotonic(), flush=True)
    if hasattr(lock, "file"):
        lock.file.close()
    names = [each.name for each in rt.list()]
    print(names, c.status, flush=True)
"""


def test_without_rights_nothing_runs_unasked() -> None:
    code = """
import os, tempfile
import minidocker as md
os.setgroups([]); os.setgid(65534); os.setuid(65534)
with tempfile.TemporaryDirectory() as root:
    os.environ["MINIDOCKER_ROOT"] = root
    try:
        md.run("echo it ran")
    except md.CannotIsolate as error:
        print(error.code, isinstance(error, md.Unsupported), "sudo" in error.hint)
    print(md.doctor().backend.kind)
    os.environ["MINIDOCKER_BACKEND"] = "any"
    print(md.Runtime(root).backend.kind)
"""
    program = [sys.executable, "-c", code]
    environment = {"PATH": os.environ["PATH"]}
    output = subprocess.run(program, capture_output=True, text=True, timeout=60, env=environment)
    assert output.stdout.split("\n") == [
        "cannot_isolate True True",
        "simulation",
        "simulation",
        "",
    ], output


@pytest.mark.parametrize("backend", ["linux", "simulation"])
@pytest.mark.parametrize("wait", WAITS)
def test_ctrl_c_ends_a_wait(script: type[Script], root: Path, wait: str, backend: str) -> None:
    _interrupt(script(WAITING, root, backend, WAITS[wait]))


@pytest.mark.parametrize("wait", LINUX_WAITS)
def test_ctrl_c_ends_a_wait_for_a_command(script: type[Script], root: Path, wait: str) -> None:
    _interrupt(script(WAITING, root, "linux", LINUX_WAITS[wait]))


def _interrupt(waiting: Script) -> None:
    assert waiting.line() == "waiting"
    time.sleep(0.3)
    sent = waiting.send(signal.SIGINT)
    interrupted = waiting.line().split()
    assert interrupted[0] == "interrupted", interrupted + waiting.finish().splitlines()
    assert float(interrupted[1]) - sent < PROMPT
    # The container goes on, and nothing else is left: not the one of a run.
    assert waiting.line() == "['waited-for'] running"
    assert waiting.finish() == ""
    assert waiting.exit_code == 0


@pytest.fixture(autouse=True)
def _no_containers_left(root: Path) -> Any:
    yield
    if root.exists():
        with md.Runtime(root, backend="any") as runtime:
            for container in runtime.list():
                container.delete(force=True)


def test_an_interrupted_exec_is_killed(script: type[Script], root: Path) -> None:
    code = WAITING + "\nprint(c.exec(['sh', '-c', 'cat /proc/[0-9]*/cmdline']).stdout)"
    with md.Runtime(root, backend="linux") as runtime:
        waiting = script(code, root, "linux", "c.exec('sleep 9876')")
        assert waiting.line() == "waiting"
        time.sleep(0.3)
        waiting.send(signal.SIGINT)
        waiting.finish()
        shown = runtime.get("waited-for").exec(["sh", "-c", "cat /proc/[0-9]*/cmdline"]).stdout
        assert "9876" not in shown.replace("cat", "")


def test_signal_handlers_run_during_a_wait(linux: md.Runtime) -> None:
    heard: list[float] = []
    before = signal.signal(signal.SIGUSR1, lambda *_: heard.append(time.monotonic()))
    try:
        with linux.create(None, "sleep 1") as container:
            container.start()
            begun = time.monotonic()
            threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGUSR1)).start()
            assert container.wait().ok
            assert heard[0] - begun < 0.9
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_a_container_outlives_a_crash_and_another_script_picks_it_up(
    script: type[Script], root: Path
) -> None:
    crashing = script(
        """
import sys, time
import minidocker as md
rt = md.Runtime(sys.argv[1], backend="linux")
c = rt.create("left", "sh -c 'echo before; sleep 3; echo after; exit 7'").start()
print("started", flush=True)
time.sleep(60)
""",
        root,
    )
    assert crashing.line() == "started"
    crashing.send(signal.SIGKILL)
    assert crashing.exit_code == -signal.SIGKILL
    other = script(
        """
import sys
import minidocker as md
c = md.Runtime(sys.argv[1]).get("left")
print(c.status)
print(list(c.logs(follow=True)), c.wait())
c.delete()
""",
        root,
    )
    assert other.finish() == "running\n['before', 'after'] exit code 7\n"


def test_a_script_that_only_looks_starts_no_helper(script: type[Script], root: Path) -> None:
    with md.Runtime(root, backend="linux") as runtime:
        runtime.create("there", "true")
        looking = script(
            """
import sys
import minidocker as md
rt = md.Runtime(sys.argv[1])
for c in rt.list():
    c.inspect(), c.status, c.stats(), c.plan(), str(c.logs())
print("looked", flush=True)
sys.stdin.read()
if len(sys.argv) > 2:
    md.run("true", runtime=rt)
print("ran", flush=True)
import time; time.sleep(60)
""",
            root,
        )
        assert looking.line() == "looked"
        assert children(looking.process.pid) == []


def test_one_helper_serves_all_and_ends_with_its_runtime(linux: md.Runtime) -> None:
    before = children(os.getpid()).count("md-spawner")
    for _ in range(3):
        md.run("true", runtime=linux)
    assert children(os.getpid()).count("md-spawner") == before + 1
    linux.close()
    assert children(os.getpid()).count("md-spawner") == before


def _run_in_a_fork(runtime: md.Runtime, container: md.Container, answers: Any) -> None:
    try:
        answers.put(md.run("echo from a fork", runtime=runtime).stdout)
        answers.put(container.exec("echo hi").stdout)
        answers.put([each.name for each in runtime.list()])
    except BaseException as error:
        answers.put(error)


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_runtimes_and_containers_can_be_used_after_a_fork(linux: md.Runtime) -> None:
    context = multiprocessing.get_context("fork")
    with linux.create("shared", "sleep 60") as container:
        container.start()
        answers = context.Queue()
        processes = [
            context.Process(target=_run_in_a_fork, args=(linux, container, answers))
            for _ in range(3)
        ]
        for process in processes:
            process.start()
        found = [answers.get(timeout=30) for _ in range(9)]
        for process in processes:
            process.join()
        assert found.count("from a fork\n") == 3
        assert found.count("hi\n") == 3
        # The helper of this process is still its own.
        assert md.run("echo here", runtime=linux).stdout == "here\n"
        answers.close()
        answers.join_thread()


def _seen_from_elsewhere(container: md.Container, runtime: md.Runtime) -> list[str]:
    names = [each.name for each in runtime.list()]
    runtime.close()
    return [str(container.status), container.exec("echo from elsewhere").stdout, *names]


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_containers_and_runtimes_can_be_sent_to_another_process(
    linux: md.Runtime, method: str
) -> None:
    with linux.create("sent", "sleep 60") as container:
        container.start()
        with multiprocessing.get_context(method).Pool(1) as pool:
            found = pool.apply(_seen_from_elsewhere, (container, linux))
        assert found == ["running", "from elsewhere\n", "sent"]
        again = pickle.loads(pickle.dumps(container))
        assert again == container
        again.detach()
        assert pickle.loads(pickle.dumps(again))._detached
        sent = pickle.dumps(container)
    with pytest.raises(md.ContainerNotFound):
        pickle.loads(sent)
    with linux.create("sent", "true"), pytest.raises(md.ContainerNotFound, match="any more"):
        pickle.loads(sent)


def _stream_in_a_fork(streams: list[Any], answers: Any) -> None:
    for use in streams:
        try:
            use()
        except BaseException as error:
            answers.put((type(error).__name__, str(error)))
        else:
            answers.put(("nothing", ""))


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_stream_cannot_be_used_after_a_fork_and_says_so(linux: md.Runtime) -> None:
    context = multiprocessing.get_context("fork")
    with linux.create(None, "sleep 60", stdin_open=True) as container:
        container.start()
        events = linux.events()
        follow = container._inner.follow(container.logs()._choice)
        process = container.exec_start("sleep 60")
        attached = container.attach()
        stats = container._inner.stats_stream(1)
        uses = [
            lambda: events.next(timeout=1),
            lambda: follow.lines(1),
            lambda: process.wait(1),
            lambda: attached.write("x"),
            lambda: next(stats),
        ]
        answers = context.Queue()
        fork = context.Process(target=_stream_in_a_fork, args=(uses, answers))
        fork.start()
        found = [answers.get(timeout=30) for _ in uses]
        fork.join()
        assert {name for name, _ in found} == {"ForkedError"}
        assert all("Open it anew" in message for _, message in found)
        # The copy's end has not killed what is ours.
        assert process.exit is None
        process.close()
        answers.close()
        answers.join_thread()


@pytest.mark.timeout(300)
def test_memory_does_not_grow_over_a_thousand_runs(linux: md.Runtime) -> None:
    def resident() -> int:
        status = Path("/proc/self/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0])

    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))

    for _ in range(100):
        md.run("true", runtime=linux)
    memory, files = resident(), descriptors()
    for _ in range(1000):
        md.run("true", runtime=linux)
    assert descriptors() <= files + 3
    assert resident() - memory < 3000, "kB"


@pytest.mark.parametrize("python", [sys.executable, "/usr/bin/python3"])
def test_any_python_makes_helpers_wherever_the_package_is(
    python: str, root: Path, tmp_path: Path
) -> None:
    """One that is a program by itself, and one whose library is a file of its own; from a folder
    whose name has what separates paths elsewhere."""
    folder = tmp_path / "a b:c"
    package = Path(md.__file__).parent
    shutil.copytree(package, folder / "minidocker", ignore=shutil.ignore_patterns("__pycache__"))
    code = """
import sys
sys.path.insert(0, sys.argv[1])
import minidocker as md
assert md.__file__.startswith(sys.argv[1])
for backend in ("linux", "simulation"):
    rt = md.Runtime(f"{sys.argv[2]}-{backend}", backend=backend)
    print(md.run("echo hi", runtime=rt, check=True).stdout, end="")
"""
    command = [python, "-c", code, str(folder), str(root)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("hi\nhi\n", "")
