"""``floworch prune``."""

from __future__ import annotations

from datetime import timedelta

import pytest
import typer

from floworch.cli.durations import parse_duration
from tests.cli.commands import IN_MEMORY, SHARED, call


def _runs() -> int:
    return len(call("runs", SHARED, "--json").document["runs"])


def test_runs_that_ended_long_enough_ago_are_deleted() -> None:
    call("run", SHARED, "Orders")
    call("run", SHARED, "Fails")

    young = call("prune", SHARED, "--older-than", "30d", "--json").document
    counted = call("prune", SHARED, "--older-than", "0s", "--dry-run", "--json").document
    kept = _runs()
    done = call("prune", SHARED, "--older-than", "0s")

    assert (young["found"], young["deleted"]) == (0, 0)
    assert (counted["found"], counted["deleted"]) == (2, 0)
    assert kept == 2
    assert (done.code, done.out[: len("deleted 2 runs")]) == (0, "deleted 2 runs")
    assert _runs() == 0


def test_a_run_that_has_not_ended_is_kept() -> None:
    call("run", SHARED, "Orders", "--detach")

    assert "deleted 0 runs" in call("prune", SHARED, "--older-than", "0s").out
    assert _runs() == 1


def test_the_age_has_to_be_given() -> None:
    answer = call("prune", SHARED)

    assert answer.code == 2
    assert "--older-than" in answer.err


def test_a_storage_that_processes_do_not_share_is_refused() -> None:
    assert call("prune", IN_MEMORY, "--older-than", "30d").code == 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90s", timedelta(seconds=90)),
        ("45m", timedelta(minutes=45)),
        ("12h", timedelta(hours=12)),
        ("30d", timedelta(days=30)),
        ("2w", timedelta(weeks=2)),
        ("1.5 D", timedelta(hours=36)),
    ],
)
def test_lengths_of_time_are_read(text: str, expected: timedelta) -> None:
    assert parse_duration(text) == expected


@pytest.mark.parametrize("text", ["", "30", "d", "-1d", "30 days", "1e9d", "99999999999w"])
def test_other_words_are_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match=r"no length of time|too long"):
        parse_duration(text)
