"""The smallest lessons: run something, look at it, and at how it was built."""

import minidocker as md


def main() -> None:
    # A whole life in one call: create, start, wait, collect, delete.
    result = md.run("python3 -c 'print(6*7)'", memory="64m", cpu_percent=50)
    print(result.exit_code, result.stdout)

    # A container that stays is made by a runtime. Leaving the block removes it again.
    with md.Runtime() as rt, rt.create("hello", "sh -c 'echo Hello; sleep 60'") as container:
        container.start()  # returns when the command runs, or raises StartFailed
        print(container.status, next(iter(container.logs(follow=True))))
        print(container.exec("uname -n").stdout.strip(), "is what it thinks its host is called")

        trace = container.trace()  # what the start did
        assert trace is not None
        slowest = max(trace.steps, key=lambda step: step.micros)
        print(f"built in {trace.micros / 1000:.1f} ms, of which most took: {slowest.title}")
        for step in container.plan()[:3]:
            print(f"- {step.title}: {step.syscalls[0]}")


if __name__ == "__main__":
    main()
