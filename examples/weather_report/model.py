"""The values that travel from step to step."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, model_validator

__all__ = [
    "Extreme",
    "ExtremeKind",
    "Month",
    "MonthStatistics",
    "Observation",
    "Reading",
    "Sky",
    "Summary",
    "Thresholds",
    "YearTotals",
]


class Sky(StrEnum):
    """What a day looked like, fairest first."""

    SUN = "sun"
    FOG = "fog"
    DRIZZLE = "drizzle"
    RAIN = "rain"
    SNOW = "snow"


class Observation(BaseModel):
    """One day. Field names are the columns of the file; millimetres and degrees Celsius."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    date: date
    precipitation: NonNegativeFloat
    temp_max: float = Field(ge=-60, le=60)
    temp_min: float = Field(ge=-60, le=60)
    wind: NonNegativeFloat
    weather: Sky

    @model_validator(mode="after")
    def _is_warmer_by_day(self) -> Self:
        if self.temp_min > self.temp_max:
            raise ValueError(f"temp_min {self.temp_min} is above temp_max {self.temp_max}")
        return self


@dataclass(frozen=True, slots=True)
class Month:
    """The observations of one month: one item of the loop."""

    year: int
    month: int
    days: list[Observation]


@dataclass(frozen=True, slots=True)
class Reading:
    """A value and the day on which it was measured."""

    day: date
    value: float


class Thresholds(BaseModel):
    """From where on a day is extreme. Degrees Celsius and millimetres."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    heat: float = 33.0
    frost: float = -4.0
    rain: float = 35.0


@dataclass(frozen=True, slots=True)
class Extreme:
    """A day beyond a threshold. ``kind`` is the name of that threshold."""

    kind: str
    day: date
    value: float


@dataclass(frozen=True, slots=True)
class MonthStatistics:
    """One month in figures. ``sky`` counts days; ``mean_high`` is the mean of the daily highs."""

    year: int
    month: int
    days: int
    mean_high: float
    mean_low: float
    highest: Reading
    lowest: Reading
    precipitation: float
    wet_days: int
    wettest: Reading
    sky: dict[Sky, int]
    extremes: list[Extreme] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ExtremeKind:
    """All days beyond one threshold, strongest first. ``longest_spell`` counts consecutive days."""

    kind: str
    threshold: float
    days: int
    longest_spell: int
    strongest: list[Extreme]


@dataclass(frozen=True, slots=True)
class YearTotals:
    year: int
    mean_high: float
    mean_low: float
    precipitation: float
    wet_days: int
    sunny_days: int


@dataclass(frozen=True, slots=True)
class Summary:
    """All months together."""

    days: int
    highest: Reading
    lowest: Reading
    wettest: Reading
    years: list[YearTotals]
    extreme_days: int
