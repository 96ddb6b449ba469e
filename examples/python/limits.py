"""Memory, CPU time and processes: what happens at each limit."""

import time

import minidocker as md

HUNGRY = """
kept = []
while True:
    kept.append(bytearray(8 << 20))
    print(len(kept) * 8, "MB", flush=True)
"""
BUSY = "while True: pass"
BOMB = """
import os
children = 0
while True:
    try:
        if os.fork() == 0:
            os.execvp("sleep", ["sleep", "60"])
    except OSError as error:
        print(f"no more than {children} children: {error.strerror}")
        os._exit(0)
    children += 1
"""


def main() -> None:
    # Over its memory limit, the kernel kills it. The rest of the machine does not notice.
    result = md.run(["python3", "-c", HUNGRY], memory="64m")
    print(f"memory: it came to {result.stdout.splitlines()[-1]}; {result.exit}")

    # Over its CPU limit it is not stopped, only slower.
    with md.Runtime() as rt, rt.create(None, ["python3", "-c", BUSY], cpu_percent=25) as busy:
        busy.start()
        time.sleep(0.2)
        stats = busy.stats(over=1)
        print(f"cpu: {stats.cpu_percent:.0f} % of one core, {stats.cpu.throttled_periods} waits")

    # A fork bomb fizzles out.
    result = md.run(["python3", "-c", BOMB], pids_limit=20)
    print(f"pids: {result.stdout.strip()}")

    # Time is a limit too.
    result = md.run("sleep 60", timeout=0.5)
    print(f"time: timed out is {result.timed_out}, after {result.duration:.1f} s")


if __name__ == "__main__":
    main()
