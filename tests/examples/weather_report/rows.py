"""Rows as the file has them."""

from __future__ import annotations

from examples.weather_report.model import MonthStatistics
from examples.weather_report.steps.statistics import statistics
from examples.weather_report.steps.validate import validate

__all__ = ["months_of", "row"]


def row(day: str, **changes: str) -> dict[str, str]:
    """A mild, dry, sunny day, but for the changes."""
    plain = {"precipitation": "0.0", "temp_max": "12.8", "temp_min": "5.0", "wind": "4.7", "weather": "sun"}
    return {"date": day, **plain, **changes}


def months_of(*rows: dict[str, str]) -> list[MonthStatistics]:
    """Statistics of the months that the rows lie in."""
    return [statistics(month) for month in validate(list(rows)).months]
