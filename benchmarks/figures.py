"""The arithmetic of figures: percentiles, medians with their spread, ratios."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from statistics import median

__all__ = ["Summary", "percentile", "ratio", "summarise"]


@dataclass(frozen=True, slots=True)
class Summary:
    """Of one figure over the rounds. ``spread`` is (highest - lowest) / median."""

    median: float
    lowest: float
    highest: float
    rounds: int

    @property
    def spread(self) -> float:
        return (self.highest - self.lowest) / self.median if self.median else 0.0


def summarise(values: Sequence[float]) -> Summary:
    """Summary of at least one value."""
    return Summary(median(values), min(values), max(values), len(values))


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that so many percent of all values do not exceed."""
    if not values or not 0 < percent <= 100:
        raise ValueError(f"no percentile {percent} of {len(values)} values")
    return sorted(values)[ceil(len(values) * percent / 100) - 1]


def ratio(of: float, to: float) -> float | None:
    """``of / to``; None where there is nothing to divide by."""
    return of / to if to else None
