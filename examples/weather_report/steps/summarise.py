"""Join what the iterations found."""

from __future__ import annotations

from itertools import groupby
from statistics import fmean

from examples.weather_report.model import MonthStatistics, Sky, Summary, YearTotals
from floworch import step_handler

__all__ = ["summarise"]


@step_handler("SummariseMonths")
def summarise(months: list[MonthStatistics]) -> Summary:
    """All months together, and each year in a row. ``months`` are in the order of time."""
    return Summary(
        days=sum(month.days for month in months),
        highest=max((month.highest for month in months), key=lambda reading: reading.value),
        lowest=min((month.lowest for month in months), key=lambda reading: reading.value),
        wettest=max((month.wettest for month in months), key=lambda reading: reading.value),
        years=[_year(year, list(group)) for year, group in groupby(months, key=lambda month: month.year)],
        extreme_days=len({extreme.day for month in months for extreme in month.extremes}),
    )


def _year(year: int, months: list[MonthStatistics]) -> YearTotals:
    weights = [month.days for month in months]
    return YearTotals(
        year=year,
        mean_high=fmean((month.mean_high for month in months), weights),
        mean_low=fmean((month.mean_low for month in months), weights),
        precipitation=sum(month.precipitation for month in months),
        wet_days=sum(month.wet_days for month in months),
        sunny_days=sum(month.sky.get(Sky.SUN, 0) for month in months),
    )
