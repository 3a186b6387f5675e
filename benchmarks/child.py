"""One measurement in a process of its own: ``python -m benchmarks.child ORDER ANSWER``, two files of JSON.

The contender finds nothing of the others in memory, and whatever it prints disturbs nobody.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from importlib import import_module
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.contender import Target
from benchmarks.contenders import CONTENDERS
from benchmarks.workload import WORKLOADS

__all__ = ["main"]


def main(order_file: str, answer_file: str) -> None:
    order = json.loads(Path(order_file).read_text(encoding="utf-8"))
    bench = Bench(CONTENDERS[order["contender"]], Target(Path(order["folder"]), order["url"]), order["parameters"])
    measure = import_module(WORKLOADS[order["workload"]].measure).measure
    figures = asyncio.run(measure(bench))
    Path(answer_file).write_text(json.dumps(figures), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
    # At once: threads of a peer would try for minutes to tell their server, which has ended, what they have left.
    os._exit(0)
