from __future__ import annotations

from benchmarks.comparison import compare
from benchmarks.rounds import Measured
from benchmarks.targets import TARGETS, Other, judge
from benchmarks.workload import WORKLOADS


def _rates(*values: float) -> Measured:
    return Measured({"runs_per_second": list(values)})


def test_medians_are_compared_with_the_floor_and_the_rival_of_the_same_store() -> None:
    measured = {
        "floworch-sqlite": _rates(100, 300, 200),
        "sqlite3-batch": _rates(800),
        "dbos-sqlite": _rates(10),
        "asyncio": _rates(10_000),
    }

    ours, floor, rival, other = compare(WORKLOADS["W1"], measured)

    assert (ours.to_floor, ours.to_rival) == (0.25, 20)
    assert (floor.to_floor, rival.to_rival) == (1, 1)
    assert (other.to_floor, other.to_rival) == (1, None)


def test_a_contender_that_failed_has_a_row_with_its_reason() -> None:
    (row,) = compare(WORKLOADS["W1"], {"asyncio": Measured(failure="out of luck")})

    assert (dict(row.figures), row.failure) == ({}, "out of luck")


def test_a_contender_that_was_interrupted_has_no_row() -> None:
    assert compare(WORKLOADS["W1"], {"asyncio": Measured()}) == []


def test_targets_are_judged_where_both_sides_were_measured() -> None:
    results = {"W1": {"floworch-sqlite": _rates(300), "sqlite3-batch": _rates(1000)}}

    (judgement,) = judge(results)

    assert (judgement.value, judgement.reached, judgement.reached_aim) == (0.3, True, False)


def test_an_upper_bound_is_reached_from_below() -> None:
    results = {"W4": {"floworch-postgresql": Measured({"import_ms": [250.0], "idle_mib": [70.0]})}}

    assert [(each.reached, each.reached_aim) for each in judge(results)] == [(True, False), (False, False)]


def test_targets_name_figures_of_their_workloads() -> None:
    for target in TARGETS:
        by = target.divided_by or Other()
        assert target.figure in _figures(target.workload), target
        assert (by.figure or target.figure) in _figures(by.workload or target.workload), target


def test_a_target_may_divide_by_a_figure_of_another_workload() -> None:
    results = {
        "W8": {"floworch-postgresql": Measured({"runs_per_second_2": [900.0]})},
        "W1": {"asyncpg-group": _rates(1000)},
    }

    assert [each.value for each in judge(results)] == [0.9]


def _figures(workload: str) -> set[str]:
    return {figure.key for figure in WORKLOADS[workload].figures}
