from __future__ import annotations

from benchmarks.contenders import CONTENDERS
from benchmarks.rounds import orders
from benchmarks.workload import WORKLOADS


def _plan(workloads: list[str], contenders: list[str], rounds: int) -> list[tuple[str, int, str]]:
    chosen = [WORKLOADS[name] for name in workloads], [CONTENDERS[name] for name in contenders]
    return [(order.workload.name, order.round, order.contender.name) for order in orders(*chosen, rounds)]


def test_contenders_take_turns() -> None:
    assert _plan(["W1"], ["asyncio", "floworch-memory"], 2) == [
        ("W1", 0, "asyncio"),
        ("W1", 0, "floworch-memory"),
        ("W1", 1, "asyncio"),
        ("W1", 1, "floworch-memory"),
    ]


def test_a_contender_is_left_out_of_workloads_that_it_cannot_do() -> None:
    assert _plan(["W2", "W3"], ["procrastinate", "asyncio"], 1) == [
        ("W2", 0, "asyncio"),
        ("W3", 0, "procrastinate"),
        ("W3", 0, "asyncio"),
    ]


def test_long_workloads_have_fewer_rounds() -> None:
    assert len(_plan(["W6"], ["floworch-memory"], 5)) == 1
