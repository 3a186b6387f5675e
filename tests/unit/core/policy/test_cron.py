from __future__ import annotations

from datetime import UTC, datetime

import pytest

from floworch.core.policy.cron import cron_problem, next_fire_at, time_zone_problem


@pytest.mark.parametrize(
    "expression",
    [
        "* * * * *",
        "*/5 0-6 1,15 * MON-FRI",
        "0 0 29 2 *",
        "0 0 L * *",
        "0 9 * * MON#1",
        "* * * * * */10",
        "@daily",
        "0 0 1 MAR *",
        " @daily ",
        "@DAILY",
        "10-50/10 22-2 * * FRI-MON",
        "50/10 * * * *",
        "0 0 15W * *",
        "0 0 * * 0-7",
    ],
)
def test_good_expressions_have_no_problem(expression: str) -> None:
    assert cron_problem(expression) is None


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("", "it has 0 fields; expected five"),
        ("* * * *", "it has 4 fields"),
        ("* * * * * * *", "it has 7 fields"),
        ("61 * * * *", "out of range"),
        ("* 24 * * *", "out of range"),
        ("*/0 * * * *", "not acceptable"),
        ("a b c d e", "not acceptable"),
        ("0 0 30 2 *", "there is no such date"),
        ("0 0 31 4,6 *", "there is no such date"),
        ("R * * * *", "random fields"),
        ("0 R(1-5) * * *", "random fields"),
        ("@sometimes", "there is no such name; there are @annually, @daily"),
        ("@every 5m", "there is no such name"),
        ("30-30 * * * *", "the range '30-30' is one value; write 30, or * for all"),
        ("0 2-02 * * *", "the range '2-02' is one value"),
        ("0 9 * * Mon-MON", "the range 'Mon-MON' is one value"),
        ("0 9 1,5-5/2 * *", "the range '5-5' is one value"),
        ("*/90 * * * *", "the step of '*/90' is longer than the field, so only 0 would be left"),
        ("0 */25 * * *", "the step of '*/25' is longer"),
        ("0 0 */32 * *", "the step of '*/32' is longer than the field, so only 1 would be left"),
        ("0 0 * */13 *", "the step of '*/13' is longer"),
        ("0 0 * * */8", "the step of '*/8' is longer"),
        ("* * * * * */61", "the step of '*/61' is longer"),
        ("0 0 15W * MON", "'15W' and 'MON' cannot be combined"),
        ("0 0 13 * FRI#2", "'13' and 'FRI#2' cannot be combined"),
        ("0 0 1-7 * L1,3#1", "'1-7' and 'L1,3#1' cannot be combined"),
    ],
)
def test_bad_expressions_say_what_is_wrong(expression: str, words: str) -> None:
    problem = cron_problem(expression)
    assert problem is not None
    assert problem.startswith(f"Bad cron expression {expression!r}: ")
    assert words in problem


@pytest.mark.parametrize("name", ["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires"])
def test_iana_zones_have_no_problem(name: str) -> None:
    assert time_zone_problem(name) is None


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Europe/Berln", "Did you mean 'Europe/Berlin'?"),
        ("", "Use an IANA name"),
        ("../../etc/passwd", "Unknown time zone '../../etc/passwd'"),
        ("/etc/passwd", "Unknown time zone"),
        ("a\0b", "Unknown time zone"),
        ("Europe", "Unknown time zone"),
    ],
)
def test_unknown_zones_are_named_with_the_nearest_one(name: str, words: str) -> None:
    problem = time_zone_problem(name)
    assert problem is not None
    assert words in problem


@pytest.mark.parametrize(
    ("expression", "zone", "after", "due"),
    [
        ("*/5 * * * *", "UTC", "2025-01-01T00:00:00", "2025-01-01T00:05:00"),
        ("*/5 * * * *", "UTC", "2025-01-01T00:04:59.999999", "2025-01-01T00:05:00"),
        ("0 2 * * *", "Europe/Berlin", "2025-01-01T12:00:00", "2025-01-02T01:00:00"),
        ("0 2 * * *", "Europe/Berlin", "2025-07-01T12:00:00", "2025-07-02T00:00:00"),
        # 02:30 does not exist on the day the clocks go forward.
        ("30 2 * * *", "Europe/Berlin", "2025-03-29T12:00:00", "2025-03-30T01:00:00"),
        ("0 0 29 2 *", "UTC", "2025-01-01T00:00:00", "2028-02-29T00:00:00"),
        # Either of two days suffices.
        ("0 0 13 * FRI", "UTC", "2025-01-01T12:00:00", "2025-01-03T00:00:00"),
        ("0 0 */10 * FRI", "UTC", "2025-01-01T12:00:00", "2025-01-03T00:00:00"),
        ("0 0 1W * *", "UTC", "2025-01-31T12:00:00", "2025-02-03T00:00:00"),
    ],
)
def test_the_next_time_is_read_in_the_zone_and_given_in_utc(expression: str, zone: str, after: str, due: str) -> None:
    found = next_fire_at(expression, zone, datetime.fromisoformat(after).replace(tzinfo=UTC))
    assert found == datetime.fromisoformat(due).replace(tzinfo=UTC)
    assert found.tzinfo is UTC
