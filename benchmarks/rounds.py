"""Measures contenders in turns (A B C, A B C, …): what disturbs the machine for a while disturbs all of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.contender import Contender, Store
from benchmarks.environments import interpreter_of
from benchmarks.workload import Workload

__all__ = ["Measured", "Order", "orders", "perform"]

_ROOT = Path(__file__).resolve().parent.parent
_LAST_LINES = 15


@dataclass(frozen=True, slots=True)
class Order:
    """One measurement to make."""

    workload: Workload
    contender: Contender
    round: int


@dataclass(slots=True)
class Measured:
    """What one contender achieved in one workload: figure key → one value per round; or why there is none."""

    figures: dict[str, list[float]] = field(default_factory=dict)
    failure: str | None = None

    def add(self, figures: Mapping[str, float]) -> None:
        for key, value in figures.items():
            self.figures.setdefault(key, []).append(value)


def orders(workloads: Sequence[Workload], contenders: Sequence[Contender], rounds: int) -> Iterator[Order]:
    """Workload by workload; inside of one, round by round; inside of a round, each contender once."""
    for workload in workloads:
        for number in range(min(rounds, workload.most_rounds or rounds)):
            for contender in contenders:
                if workload.name in contender.workloads:
                    yield Order(workload, contender, number)


def perform(
    order: Order, parameters: Mapping[str, int], new_database: Callable[[], str], patience_seconds: float
) -> dict[str, float]:
    """Make one measurement. Raises RuntimeError with the last words of a process that failed."""
    with tempfile.TemporaryDirectory(prefix="floworch-bench-") as folder:
        order_file, answer_file = Path(folder, "order.json"), Path(folder, "answer.json")
        url = new_database() if order.contender.store is Store.POSTGRESQL else None
        order_file.write_text(
            json.dumps(
                {
                    "workload": order.workload.name,
                    "contender": order.contender.name,
                    "folder": folder,
                    "url": url,
                    "parameters": dict(parameters),
                }
            ),
            encoding="utf-8",
        )
        interpreter = interpreter_of(order.contender.environment)
        _run_child([str(interpreter), "-m", "benchmarks.child", str(order_file), str(answer_file)], patience_seconds)
        answer: dict[str, float] = json.loads(answer_file.read_text(encoding="utf-8"))
        return answer


def _run_child(command: Sequence[str], patience_seconds: float) -> None:
    pipe = subprocess.PIPE
    child = subprocess.Popen(
        command, cwd=_ROOT, stdout=pipe, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    try:
        said, _ = child.communicate(timeout=patience_seconds)
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"it took longer than {patience_seconds:.0f} seconds") from None
    finally:
        _end_with_children(child)
    if child.returncode != 0:
        last = "\n".join(said.strip().splitlines()[-_LAST_LINES:])
        raise RuntimeError(last or f"the process ended with {child.returncode}")


def _end_with_children(child: subprocess.Popen[str]) -> None:
    """A measurement that is interrupted, or dies, leaves no servers or workers behind."""
    if sys.platform == "win32":
        child.kill()
    else:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
    child.wait()
