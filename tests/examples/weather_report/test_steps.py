"""The steps of the weather example, one by one."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from examples.weather_report.model import Extreme, MonthStatistics, Reading, Sky, Thresholds
from examples.weather_report.steps.extract import DATASET, extract
from examples.weather_report.steps.extremes import extremes
from examples.weather_report.steps.statistics import statistics
from examples.weather_report.steps.summarise import summarise
from examples.weather_report.steps.validate import validate
from floworch import NonRetryable
from tests.examples.weather_report.rows import months_of, row


def test_the_data_set_has_a_row_for_every_day_of_four_years() -> None:
    rows = extract()

    assert len(rows) == 1461
    assert (rows[0]["date"], rows[-1]["date"]) == ("2012-01-01", "2015-12-31")


def test_source_and_licence_of_the_data_are_told() -> None:
    told = (DATASET.parent / "SOURCE.md").read_text(encoding="utf-8")

    assert "vega-datasets" in told
    assert "U.S. Government Dataset" in told


def test_rows_become_months_in_the_order_of_time() -> None:
    validated = validate([row("2013-02-02"), row("2013-02-01"), row("2012-02-01")])

    assert [(month.year, month.month) for month in validated.months] == [(2012, 2), (2013, 2)]
    assert [day.date.day for day in validated.months[1].days] == [1, 2]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"date": "2012-02-30"}, "date"),
        ({"precipitation": "-1"}, "precipitation"),
        ({"temp_max": "warm"}, "temp_max"),
        ({"temp_min": "20.0"}, "temp_min 20.0 is above temp_max 12.8"),
        ({"weather": "hail"}, "weather"),
    ],
)
def test_a_bad_row_is_left_out_and_listed_with_its_line(changes: dict[str, str], reason: str) -> None:
    validated = validate([row("2012-01-01"), row("2012-01-02") | changes])

    assert validated.accepted == 1
    assert [rejected.line for rejected in validated.rejected] == [3]
    assert reason in validated.rejected[0].reason


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "the file has no rows"),
        ([row("tomorrow")], "1 of 1 rows are not observations"),
        ([row("2012-01-01"), *[row("tomorrow")] * 3], "3 of 4 rows are not observations, and at most 2 may be"),
    ],
)
def test_too_many_bad_rows_fail_for_good(rows: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(NonRetryable, match=message):
        validate(rows, most_rejected=2)


def test_statistics_of_a_month() -> None:
    days = [
        row("2012-01-01", temp_max="10", temp_min="-5", precipitation="0.9", weather="snow"),
        row("2012-01-02", temp_max="34", temp_min="1", precipitation="1.0"),
    ]
    (month,) = validate(days).months

    assert statistics(month, Thresholds(rain=1.0)) == MonthStatistics(
        year=2012,
        month=1,
        days=2,
        mean_high=22.0,
        mean_low=-2.0,
        highest=Reading(date(2012, 1, 2), 34.0),
        lowest=Reading(date(2012, 1, 1), -5.0),
        precipitation=1.9,
        wet_days=1,
        wettest=Reading(date(2012, 1, 2), 1.0),
        sky={Sky.SNOW: 1, Sky.SUN: 1},
        extremes=[
            Extreme("frost", date(2012, 1, 1), -5.0),
            Extreme("heat", date(2012, 1, 2), 34.0),
            Extreme("rain", date(2012, 1, 2), 1.0),
        ],
    )


def test_the_means_of_a_year_weigh_months_by_their_days() -> None:
    summary = summarise(
        months_of(*(row(f"2012-01-{day:02}", temp_max="10") for day in (1, 2, 3)), row("2012-02-01", temp_max="30"))
    )

    assert summary.years[0].mean_high == 15.0


def test_extremes_are_ranked_and_spells_are_counted_across_months() -> None:
    hot = {"2012-06-28": "33", "2012-06-30": "35", "2012-07-01": "36", "2012-07-02": "34"}

    (kind,) = extremes(months_of(*(row(day, temp_max=value) for day, value in hot.items())), top=2)

    assert (kind.kind, kind.threshold, kind.days, kind.longest_spell) == ("heat", 33.0, 4, 3)
    assert [each.value for each in kind.strongest] == [36.0, 35.0]
