"""Look closer at the days beyond a threshold. Only runs when there are any."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from itertools import groupby

from examples.weather_report.model import Extreme, ExtremeKind, MonthStatistics, Thresholds
from floworch import step_handler

__all__ = ["extremes"]


@step_handler("RankExtremes")
def extremes(months: list[MonthStatistics], thresholds: Thresholds | None = None, top: int = 3) -> list[ExtremeKind]:
    """Per kind: how many days, the longest spell, and the ``top`` strongest days."""
    found = sorted((each for month in months for each in month.extremes), key=lambda each: (each.kind, each.day))
    limits = thresholds or Thresholds()
    return [
        _kind(kind, getattr(limits, kind), list(group), top)
        for kind, group in groupby(found, key=lambda each: each.kind)
    ]


def _kind(kind: str, threshold: float, days: list[Extreme], top: int) -> ExtremeKind:
    strongest = sorted(days, key=lambda each: abs(each.value), reverse=True)
    longest = max(_spells(each.day for each in days))
    return ExtremeKind(kind, threshold, len(days), longest, strongest[:top])


def _spells(days: Iterable[date]) -> Iterator[int]:
    """Lengths of the stretches of consecutive days."""
    for _, spell in groupby(enumerate(days), key=lambda each: each[1] - timedelta(days=each[0])):
        yield len(list(spell))
