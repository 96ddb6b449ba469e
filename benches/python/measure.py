"""What containers cost from Python, beside other ways to run a program.

    scripts/bench-python [--rounds N]

builds the package as users get it and runs this, as root. What is not installed (crun, podman and
its client) is left out.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from typing import Any, Callable

import minidocker as md

#: A way to run a program: its name, and one turn of it.
Contender = tuple[str, Callable[[], Any]]


def main() -> None:
    parser = argparse.ArgumentParser(description="What containers cost from Python.")
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--listed", type=int, default=500)
    rounds = parser.parse_args()
    hide_hybrid_tree()
    load = os.getloadavg()[0]
    print(f"Python {sys.version.split()[0]}, {os.cpu_count()} cores, load before: {load:.1f}\n")
    with tempfile.TemporaryDirectory(prefix="minidocker-bench-") as folder:
        # A pause, so that what was deleted by one measure is not written to the disk in the next.
        for measure in (helper, memory, whole_runs, listing, log_lines):
            with md.Runtime(Path(folder) / measure.__name__, backend="linux") as runtime:
                measure(runtime, Path(folder), rounds)
            os.sync()


def helper(runtime: md.Runtime, folder: Path, options: argparse.Namespace) -> None:
    """What the first container costs more than the next: the spawner's start."""
    first, later = [], []
    for _ in range(max(options.rounds // 4, 5)):
        with md.Runtime(runtime.root, backend="linux") as fresh:
            first.append(milliseconds(lambda: md.run("true", runtime=fresh)))
            later += [milliseconds(lambda: md.run("true", runtime=fresh)) for _ in range(3)]
    table(
        'milliseconds of `md.run("true")`',
        [("the first of a runtime, with its spawner", first), ("each later one", later)],
    )
    difference = statistics.median(first) - statistics.median(later)
    print(f"The spawner: {difference:.1f} ms, once.\n")


def memory(runtime: md.Runtime, folder: Path, options: argparse.Namespace) -> None:
    """PSS: every page divided by the number of its users."""
    count = 50
    containers = [runtime.create(None, "sleep 600").start() for _ in range(count)]
    sizes: dict[str, list[tuple[int, int]]] = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            name = (process / "comm").read_text().strip()
            if name in ("md-spawner", "md-supervisor", "minidocker-init"):
                rollup = (process / "smaps_rollup").read_text().split()
                # Name, number, "kB": by threes after the header's line.
                numbers = {
                    key: int(value)
                    for key, value in zip(rollup, rollup[1:])
                    if key.endswith(":") and value.isdigit()
                }
                private = numbers["Private_Clean:"] + numbers["Private_Dirty:"]
                sizes.setdefault(name, []).append((numbers["Pss:"], private))
        except OSError:  # it has ended
            continue
    for container in containers:
        container.delete(force=True)
    print(f"| kB, {count} containers of one Python program | PSS | private |\n|---|---:|---:|")
    for name in ("md-supervisor", "minidocker-init", "md-spawner"):
        pss, private = (statistics.median(column) for column in zip(*sizes[name]))
        print(f"| {name} | {pss:.0f} | {private:.0f} |")
    print()


def whole_runs(runtime: md.Runtime, folder: Path, options: argparse.Namespace) -> None:
    """By turns, so that whatever else the machine does hits all alike."""
    contenders: list[Contender] = [
        ('`subprocess.run(["true"])`', lambda: subprocess.run(["true"], check=True)),
        ('**`md.run("true")`**', lambda: md.run("true", runtime=runtime)),
    ]
    contenders += [found for found in (crun(folder), podman(folder)) if found is not None]
    for _, turn in contenders:
        turn()
    times: dict[str, list[float]] = {name: [] for name, _ in contenders}
    for number in range(options.rounds):
        for index in range(len(contenders)):
            name, turn = contenders[(index + number) % len(contenders)]
            times[name].append(milliseconds(turn))
    table("milliseconds of a whole run", list(times.items()))


def listing(runtime: md.Runtime, folder: Path, options: argparse.Namespace) -> None:
    """Names, states and records of many containers."""
    for number in range(options.listed):
        runtime.create(f"c{number}", "true")
    names = [milliseconds(runtime.list) for _ in range(options.rounds)]
    states = [
        milliseconds(lambda: [each.status for each in runtime.list()])
        for _ in range(options.rounds)
    ]
    table(
        f"milliseconds, {options.listed} containers",
        [("`rt.list()`", names), ("and each one's `status`", states)],
    )
    runtime.prune()


def log_lines(runtime: md.Runtime, folder: Path, options: argparse.Namespace) -> None:
    """Lines of 19 characters, all written before."""
    # More than 32 MiB the log does not keep.
    count = min(options.lines, 400_000)
    # At once: a container's Python writes each print, and its line's end, by themselves.
    code = f"print('\\n'.join(f'0123456789 {{n}}' for n in range({count})))"
    with runtime.create("talker", ["python3", "-c", code]) as talker:
        talker.start().wait()

        def rate(read: Callable[[], int]) -> list[float]:
            rates = []
            for _ in range(max(options.rounds // 6, 3)):
                begun = time.perf_counter()
                assert read() == count
                rates.append(count / (time.perf_counter() - begun) / 1e6)
            return rates

        table(
            f"million lines/s, {count} lines",
            [
                ("`for line in c.logs()`", rate(lambda: sum(1 for _ in talker.logs()))),
                (
                    "`for line in c.logs(follow=True)`",
                    rate(lambda: sum(1 for _ in talker.logs(follow=True))),
                ),
                (
                    "`for entry in c.logs().entries()`",
                    rate(
                        lambda: sum(
                            e.full and e.stream == "stdout" for e in talker.logs().entries()
                        )
                    ),
                ),
            ],
        )


def crun(folder: Path) -> Contender | None:
    """crun, without a system call filter, whose compilation takes it most of its time."""
    if not shutil.which("crun"):
        print("crun is not on the PATH: left out\n")
        return None
    bundle = folder / "bundle"
    program(bundle / "rootfs")
    subprocess.run(["crun", "spec"], cwd=bundle, check=True)
    config = json.loads((bundle / "config.json").read_text())
    config["process"] |= {"terminal": False, "args": ["/bin/busybox", "true"]}
    config["root"] = {"path": "rootfs", "readonly": False}
    config["linux"]["resources"]["pids"] = {"limit": 512}
    (bundle / "config.json").write_text(json.dumps(config))
    command = ["crun", "--root", str(folder / "crun"), "run", "--bundle", str(bundle), "bench"]
    return '`subprocess.run(["crun", "run", …])`', lambda: subprocess.run(command, check=True)


def podman(folder: Path) -> Contender | None:
    """podman by its Python client, which asks a service."""
    try:
        import podman  # pyright: ignore[reportMissingImports]
    except ImportError:
        print("podman's Python client is not installed: left out\n")
        return None
    if not shutil.which("podman"):
        print("podman is not on the PATH: left out\n")
        return None
    socket = folder / "podman.sock"
    # Without systemd, and with no more open files than we may have.
    settings = folder / "containers.conf"
    settings.write_text(
        '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\n'
        '[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n'
    )
    service = subprocess.Popen(
        ["podman", "system", "service", "--time=0", f"unix://{socket}"],
        stderr=subprocess.DEVNULL,
        env=os.environ | {"CONTAINERS_CONF": str(settings)},
    )
    while not socket.exists():
        time.sleep(0.05)
    import atexit

    atexit.register(service.kill)
    archive = folder / "podman.tar"
    program(folder / "podman")
    with tarfile.open(archive, "w") as tar:
        tar.add(folder / "podman", ".")
    subprocess.run(["podman", "import", "-q", str(archive), "minidocker-bench"], check=True)
    client = podman.PodmanClient(base_url=f"unix://{socket}")

    def turn() -> None:
        client.containers.run(
            "localhost/minidocker-bench", ["/bin/busybox", "true"], remove=True, network_mode="none"
        )

    return "podman's Python client", turn


def program(rootfs: Path) -> None:
    """A root filesystem of one static program."""
    (rootfs / "bin").mkdir(parents=True)
    for name in ("proc", "sys", "dev"):
        (rootfs / name).mkdir()
    shutil.copy("/bin/busybox", rootfs / "bin" / "busybox")


def hide_hybrid_tree() -> None:
    """crun refuses to work where cgroup version 2 is mounted beside version 1 with controllers of
    its own. None of the contenders needs those: so this program looks at a machine without."""
    unified = Path("/sys/fs/cgroup/unified")
    if (
        not (unified / "cgroup.controllers").exists()
        or not (unified / "cgroup.controllers").read_text().strip()
    ):
        return
    code = f'mount -t tmpfs tmpfs {unified} && exec "$0" "$@"'
    os.execvp(
        "unshare",
        [
            "unshare",
            "--mount",
            "--propagation",
            "slave",
            "sh",
            "-c",
            code,
            sys.executable,
            *sys.argv,
        ],
    )


def milliseconds(turn: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    turn()
    return (time.perf_counter() - begun) * 1000


def table(title: str, rows: list[tuple[str, list[float]]]) -> None:
    print(f"| {title} | median | min | max |\n|---|---:|---:|---:|")
    for name, figures in rows:
        digits = 1 if max(figures) >= 10 else 2
        cells = (statistics.median(figures), min(figures), max(figures))
        print(f"| {name} | " + " | ".join(f"{cell:.{digits}f}" for cell in cells) + " |")
    print(flush=True)


if __name__ == "__main__":
    main()
