"""Boil one month down to figures: the body of the loop."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from statistics import fmean

from examples.weather_report.model import Extreme, Month, MonthStatistics, Observation, Reading, Thresholds
from floworch import step_handler

__all__ = ["WET_DAY_MM", "statistics"]

WET_DAY_MM = 1.0
"""Precipitation from which on meteorologists call a day wet."""


@step_handler("MonthStatistics")
def statistics(month: Month, thresholds: Thresholds | None = None) -> MonthStatistics:
    """Means, records, totals and extreme days of one month."""
    days = month.days
    return MonthStatistics(
        year=month.year,
        month=month.month,
        days=len(days),
        mean_high=fmean(day.temp_max for day in days),
        mean_low=fmean(day.temp_min for day in days),
        highest=max((Reading(day.date, day.temp_max) for day in days), key=_value),
        lowest=min((Reading(day.date, day.temp_min) for day in days), key=_value),
        precipitation=sum(day.precipitation for day in days),
        wet_days=sum(day.precipitation >= WET_DAY_MM for day in days),
        wettest=max((Reading(day.date, day.precipitation) for day in days), key=_value),
        sky=dict(Counter(day.weather for day in days)),
        extremes=list(_extremes(days, thresholds or Thresholds())),
    )


def _value(reading: Reading) -> float:
    return reading.value


def _extremes(days: Sequence[Observation], thresholds: Thresholds) -> Iterator[Extreme]:
    for day in days:
        if day.temp_max >= thresholds.heat:
            yield Extreme("heat", day.date, day.temp_max)
        if day.temp_min <= thresholds.frost:
            yield Extreme("frost", day.date, day.temp_min)
        if day.precipitation >= thresholds.rain:
            yield Extreme("rain", day.date, day.precipitation)
