"""Fifty containers at once from one thread, with asyncio.

python fan_out.py [COUNT]
"""

import asyncio
import sys
import time

import minidocker as md

SLOW = "import sys, time; time.sleep(1); print(int(sys.argv[1]) ** 2)"


async def square(number: int) -> int:
    """A slow way to square a number."""
    result = await md.aio.run(["python3", "-c", SLOW, str(number)], memory="64m", check=True)
    return int(result.stdout)


async def main(count: int = 50) -> None:
    begun = time.monotonic()
    squares = await asyncio.gather(*(square(number) for number in range(count)))
    assert squares == [number**2 for number in range(count)]
    seconds = time.monotonic() - begun
    print(f"{count} containers of a second each took {seconds:.1f} s together")


if __name__ == "__main__":
    asyncio.run(main(*map(int, sys.argv[1:2])))
