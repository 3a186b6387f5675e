"""``python -m tests.simulation --seed N`` plays the history of a seed again; ``--histories N`` plays many."""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections import Counter

from tests.simulation.cluster.history import HistoryFailed, play
from tests.simulation.cluster.logs import listened_logs
from tests.simulation.cluster.work import work_handlers


def main() -> int:
    asked = _arguments()
    seeds = range(asked.first, asked.first + asked.histories) if asked.seed is None else [asked.seed]
    handlers = work_handlers()
    failed: list[int] = []
    total: Counter[str] = Counter()
    began = time.perf_counter()
    with listened_logs():
        for seed in seeds:
            try:
                total.update(play(seed, handlers, _say if asked.trace else None).figures())
            except HistoryFailed:
                failed.append(seed)
                if len(failed) <= asked.show:
                    traceback.print_exc()
    _say(f"{len(seeds)} histories in {time.perf_counter() - began:.1f} s: {dict(total)}")
    _say(f"{len(failed)} failed {failed[:50] or ''}")
    return 1 if failed else 0


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, help="play this history only")
    parser.add_argument("--trace", action="store_true", help="print everything that takes effect")
    parser.add_argument("--first", type=int, default=0, help="seed of the first history")
    parser.add_argument("--histories", type=int, default=1000, help="how many to play")
    parser.add_argument("--show", type=int, default=1, help="print the traceback of so many failures")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
