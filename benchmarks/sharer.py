"""One of several processes on one database: says ``ready``, waits for a line, works, and says ``ready`` again.

After another line it leaves: until then it may take over what is left of the others' runs.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from benchmarks.contender import Target
from benchmarks.contenders import CONTENDERS

__all__ = ["main"]


async def main(order_text: str) -> None:
    order = json.loads(order_text)
    runner = CONTENDERS[order["contender"]].make()
    await runner.open(Target(Path(order["folder"]), order["url"]))
    try:
        await _ready_and_wait()
        await runner.chains(order["runs"], order["steps"])
        await _ready_and_wait()
    finally:
        await runner.close()


async def _ready_and_wait() -> None:
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
