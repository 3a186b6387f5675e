"""``floworch schedules``, ``floworch schedule`` and ``floworch backfill``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from floworch.cli.moments import parse_moment
from floworch.cli.targets import load_target
from tests.cli.commands import Answer, call

APP = """
    from uuid import UUID

    from floworch import CronTrigger, FlowDefinition, FlowManifest, FlowOrchestrator, Step

    class Nightly(FlowDefinition):
        id = UUID(int=21)
        manifest = FlowManifest(
            triggers={"night": CronTrigger(cron_expression="30 2 * * *")},
            steps={"hello": Step(type="LogMessage", inputs={"message": "good night"})},
        )

    def app():
        return FlowOrchestrator.builder().use_sqlite("flows.db").use_asyncio_runtime().add_flow(Nightly).build()
"""
NAMES = ("nightly.py:app", "Nightly", "night")


@pytest.fixture(autouse=True)
def registered(write_module: Callable[[str, str], Path]) -> None:
    """A worker has been here once."""
    write_module("nightly.py", APP)

    async def work() -> None:
        async with load_target("nightly.py:app").orchestrator():
            pass

    asyncio.run(work())


def schedule(*options: str) -> Any:
    answer = call("schedule", *NAMES, *options, "--json")
    assert answer.code == 0, answer.err
    return answer.document


def test_schedules_are_listed_in_words() -> None:
    shown = call("schedules", "nightly.py:app")
    [document] = call("schedules", "nightly.py:app", "--json").document
    assert "every day at 02:30 (UTC)" in shown.out
    assert (document["flow"], document["trigger"], document["isPaused"]) == ("Nightly", "night", False)
    assert document["nextFireAt"].endswith("T02:30:00+00:00")


def test_a_schedule_says_why_it_does_not_fire() -> None:
    assert schedule()["explanation"]["status"] == "Scheduled"
    text = call("schedule", *NAMES, "--pause", "--reason", "holidays").out
    assert "The schedule 'night' of flow 'Nightly' (every day at 02:30 (UTC)) is paused since" in text
    assert schedule()["explanation"]["reasons"][0]["code"] == "paused"


def test_a_schedule_can_be_paused_and_resumed() -> None:
    paused = schedule("--pause", "--reason", "moving house", "--until", "2990-01-01")
    assert (paused["isPaused"], paused["pauseReason"]) == (True, "moving house")
    assert paused["nextFireTimes"][0] >= "2989-12-31"
    assert "paused until" in call("schedules", "nightly.py:app").out
    assert "reason: moving house" in call("schedule", *NAMES).out
    assert not schedule("--resume")["isPaused"]


def test_a_schedule_can_be_set_and_reset() -> None:
    assert schedule("--override", "0 9 * * 1")["inWords"] == "on Monday at 09:00 (UTC)"
    assert call("schedule", *NAMES, "--override", "0 0 30 2 *").code == 2
    assert schedule("--reset-to-code")["override"] is None


@pytest.mark.parametrize("options", [("--pause", "--resume"), ("--reset-to-code", "--override", "0 1 * * *")])
def test_what_undoes_each_other_is_not_done(options: tuple[str, ...]) -> None:
    answer = call("schedule", *NAMES, *options)
    assert (answer.code, "choose one" in answer.err) == (2, True)
    assert (schedule()["isPaused"], schedule()["override"]) == (False, None)


def test_a_run_can_be_started_beside_the_ticks() -> None:
    run_id = schedule("--trigger-now")["startedRunId"]
    [run] = call("runs", "nightly.py:app", "--json").document["runs"]
    assert (run["id"], run["triggerKey"]) == (run_id, "night")


def test_a_backfill_is_planned_asked_for_and_aborted() -> None:
    window = ("--from", "2026-01-01T00:00Z", "--to", "2026-01-03T23:00Z")
    planned = call("backfill", *NAMES, *window, "--dry-run", "--json").document
    assert planned["ticks"] == [f"2026-01-0{day}T02:30:00+00:00" for day in (1, 2, 3)]
    assert "would start 3 runs" in call("backfill", *NAMES, *window, "--dry-run").out
    assert call("backfill", *NAMES).out == "no backfill\n"
    assert call("backfill", *NAMES, *window, "--json").document["status"] == "running"
    assert "0 runs started" in call("backfill", *NAMES).out
    assert call("backfill", *NAMES, *window).code == 4
    assert call("backfill", *NAMES, "--control", "abort", "--json").document["status"] == "aborted"


@pytest.mark.parametrize(
    "options",
    [
        ("--from", "2026-01-01"),
        ("--dry-run",),
        ("--from", "yesterday", "--to", "2026-01-01"),
        ("--from", "2026-01-01", "--to", "2026-01-02", "--control", "abort"),
    ],
)
def test_a_backfill_needs_its_moments_and_no_more(options: tuple[str, ...]) -> None:
    assert call("backfill", *NAMES, *options).code == 2


def test_unknown_schedules_are_not_found() -> None:
    answer: Answer = call("schedule", "nightly.py:app", "Nightly", "nigth")
    assert answer.code == 3
    assert "Did you mean 'night'" in answer.err


def test_moments_without_a_zone_are_local() -> None:
    assert parse_moment("2026-01-01T12:00").tzinfo is not None
    assert parse_moment("2026-01-01T12:00Z") == parse_moment("2026-01-01T13:00+01:00")
