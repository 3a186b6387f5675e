"""Turn rows into observations, and say which ones are none."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from pydantic import ValidationError

from examples.weather_report.model import Month, Observation
from floworch import NonRetryable, step_handler

__all__ = ["Rejected", "Validated", "validate"]


@dataclass(frozen=True, slots=True)
class Rejected:
    """``line`` counts from 1, and the header is the first."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class Validated:
    """``months`` are in the order of time, and so are the days in them."""

    accepted: int
    rejected: list[Rejected]
    months: list[Month]


@step_handler("ValidateRows")
def validate(rows: list[dict[str, Any]], most_rejected: int = 10) -> Validated:
    """Observations by month. Bad rows are left out and listed; more than ``most_rejected`` of them fail the step."""
    accepted: list[Observation] = []
    rejected: list[Rejected] = []
    for line, row in enumerate(rows, start=2):
        try:
            accepted.append(Observation.model_validate(row))
        except ValidationError as error:
            rejected.append(Rejected(line, _reason(error)))
    if not accepted or len(rejected) > most_rejected:
        raise NonRetryable(_complaint(rejected, len(rows), most_rejected))
    return Validated(len(accepted), rejected, list(_by_month(accepted)))


def _by_month(days: Iterable[Observation]) -> Iterable[Month]:
    ordered = sorted(days, key=lambda day: day.date)
    for (year, month), group in groupby(ordered, key=lambda day: (day.date.year, day.date.month)):
        yield Month(year, month, list(group))


def _reason(error: ValidationError) -> str:
    return "; ".join(f"{'.'.join(map(str, each['loc']))} {each['msg']}".strip() for each in error.errors())


def _complaint(rejected: list[Rejected], rows: int, most_rejected: int) -> str:
    if not rejected:
        return "the file has no rows"
    first = rejected[0]
    return (
        f"{len(rejected)} of {rows} rows are not observations, and at most {most_rejected} may be; "
        f"the first is line {first.line}: {first.reason}"
    )
