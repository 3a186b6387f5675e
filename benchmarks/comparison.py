"""From raw rounds to the rows of a table: medians, spread, and ratios to the floor and to the rival."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.contender import Contender
from benchmarks.contenders import CONTENDERS, floor_of, rival_of
from benchmarks.figures import Summary, ratio, summarise
from benchmarks.rounds import Measured
from benchmarks.workload import Workload

__all__ = ["Row", "compare"]


@dataclass(frozen=True, slots=True)
class Row:
    """One contender in one workload. Ratios are of the workload's first figure, None where there is no counterpart."""

    contender: Contender
    figures: Mapping[str, Summary]
    to_floor: float | None = None
    to_rival: float | None = None
    failure: str | None = None


def compare(workload: Workload, measured: Mapping[str, Measured]) -> list[Row]:
    """Rows in the order of the contenders, without those that were interrupted; ``measured`` is by contender name."""
    main = workload.figures[0].key
    medians = {name: summarise(each.figures[main]).median for name, each in measured.items() if main in each.figures}
    known = {name: each for name, each in measured.items() if each.figures or each.failure}
    return [_row(CONTENDERS[name], each, medians, main) for name, each in known.items()]


def _row(contender: Contender, measured: Measured, medians: Mapping[str, float], main: str) -> Row:
    if main not in measured.figures:
        return Row(contender, {}, failure=measured.failure)
    figures = {key: summarise(values) for key, values in measured.figures.items()}
    mine = medians[contender.name]
    return Row(
        contender,
        figures,
        to_floor=_ratio_to(medians, floor_of(contender.store), mine),
        to_rival=_ratio_to(medians, rival_of(contender.store), mine),
        failure=measured.failure,
    )


def _ratio_to(medians: Mapping[str, float], other: str | None, mine: float) -> float | None:
    return None if other is None or other not in medians else ratio(mine, medians[other])
