"""Memory and CPU time of a container, plotted while it runs.

python live_stats.py [FILE.png] [SECONDS]
"""

import sys

import matplotlib

matplotlib.use("Agg")  # writes files, and needs no screen

import matplotlib.pyplot as plt
import minidocker as md

# Works and rests by turns, and keeps something of every turn.
WORK = """
import time
kept = []
while True:
    until = time.monotonic() + 0.5
    while time.monotonic() < until:
        pass
    kept.append(bytearray(2 << 20))
    time.sleep(0.5)
"""


def main(file: str, seconds: float) -> None:
    samples: list[md.Stats] = []
    with (
        md.Runtime() as rt,
        rt.create(None, ["python3", "-c", WORK], memory="64m", cpu_percent=60) as container,
    ):
        container.start()
        for sample in container.stats_stream(interval=0.1):
            samples.append(sample)
            if (sample.uptime_seconds or 0) > seconds:
                break

    times = [sample.uptime_seconds or 0.0 for sample in samples]
    figure, (memory, cpu) = plt.subplots(2, sharex=True, figsize=(8, 5))
    memory.plot(times, [sample.memory_bytes / 2**20 for sample in samples])
    memory.axhline(64, linestyle="--", color="gray", label="limit")
    memory.set_ylabel("memory, MB")
    cpu.plot(times, [sample.cpu_percent or 0.0 for sample in samples], color="tab:orange")
    cpu.axhline(60, linestyle="--", color="gray", label="limit")
    cpu.set_ylabel("CPU, % of one core")
    cpu.set_xlabel("seconds since the start")
    for axes in (memory, cpu):
        axes.legend(loc="lower right")
    figure.savefig(file)
    plt.close(figure)
    print(f"{len(samples)} samples in {file}")


if __name__ == "__main__":
    main(
        sys.argv[1] if len(sys.argv) > 1 else "stats.png",
        float(sys.argv[2]) if len(sys.argv) > 2 else 10,
    )
