"""A teacher's exercise checker: runs code of strangers, and does not mind what it does.

Each answer runs in a container of its own, without network, as an ordinary user, with limits on
memory, CPU time, processes, output and time. Three of the answers below attack.
"""

from __future__ import annotations

from dataclasses import dataclass

import minidocker as md

TASK = "Print the sum of the numbers on standard input."
CASES = {"1 2 3": "6", "10 -10": "0", "": "0"}

ANSWERS = {
    "right": "print(sum(map(int, input().split())))",
    "right, also for no input": "import sys; print(sum(map(int, sys.stdin.read().split())))",
    "wrong": "print(6)",
    "a mistake": "print(sum(input()))",
    "endless": "while True: pass",
    "memory bomb": "x = 'x' * 10**10",
    "fork bomb": "import os\nwhile True: os.fork()",
    "thief": """
import os, socket, sys
got = []
try: got.append(open("/etc/shadow").read())
except OSError: pass
try: got.append(os.listdir("/root"))
except OSError: pass
try: got.append(socket.create_connection(("1.1.1.1", 53), timeout=1))
except OSError: pass
try: os.kill(1, 9)
except OSError: pass
print("stolen:", got, file=sys.stderr)
print(sum(map(int, sys.stdin.read().split())))
""",
}


@dataclass
class Grade:
    """How many cases were right, and what went wrong first."""

    right: int
    remark: str


def grade(answer: str) -> Grade:
    """Runs an answer on each case."""
    right, remark = 0, ""
    for given, expected in CASES.items():
        result = md.run(
            ["python3", "-I", "-c", answer],
            input=given,
            timeout=3,
            memory="64m",
            cpu_percent=100,
            pids_limit=16,
            output_limit=10_000,
            network="none",
            user=65534,
        )
        if result.ok and result.stdout.strip() == expected:
            right += 1
            remark = remark or result.stderr.strip()
        else:
            remark = remark or _remark(result, expected)
    return Grade(right, remark)


def _remark(result: md.RunResult, expected: str) -> str:
    if result.timed_out:
        return "took more than 3 seconds"
    if result.oom_killed:
        return "took more than 64 MB"
    if not result.ok:
        return (result.stderr.strip().splitlines() or [str(result.exit)])[-1]
    return f"printed {result.stdout.strip()[:40]!r} instead of {expected!r}"


def main() -> None:
    print(TASK)
    for title, answer in ANSWERS.items():
        grade_ = grade(answer)
        print(f"{grade_.right}/{len(CASES)}  {title}: {grade_.remark}")


if __name__ == "__main__":
    main()
