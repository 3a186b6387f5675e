"""People suspend, resume, stop, retry, repeat, fork and migrate runs and decide about their steps, while the processes
that run them, and those of the people, are killed, paused and cut off."""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from datetime import timedelta
from random import Random
from uuid import UUID

import psycopg
import pytest

from floworch import FlowOrchestrator, RunStatus
from floworch.core.model.records import HistoryEvent
from floworch.results import RunResult
from tests.chaos.effects import Effect, EffectTable
from tests.chaos.operators import BY, orchestrator_of
from tests.chaos.processes import Worker
from tests.chaos.speech import say
from tests.chaos.storm import Storm
from tests.chaos.verdict import check_fold, every_run, starts_of
from tests.servers.postgresql import PostgresqlServer

pytestmark = pytest.mark.chaos

DEEDS = int(os.environ.get("FLOWORCH_CHAOS_DEEDS", "150"))
"""Commits by people, after which the storm is over."""
WORKERS, DESKS, RUNS = 2, 2, 60
_PATIENCE_SECONDS = 120.0
_CLOCK_SLACK = timedelta(milliseconds=50)
_WITH_EFFECT = {"Effect", "BlockingEffect", "Flaky", "Parked", "Asked"}
_DONE_BY_PEOPLE = {
    *("run.suspended", "run.resumed", "run.stop_requested", "run.reopened", "step.retried", "step.run_now"),
    *("step.reused", "run.migrated", "by hand: step.completed", "by hand: step.skipped", "by hand: step.failed"),
}


async def test_whatever_people_do_and_whoever_dies_every_run_ends_and_its_history_is_true(
    chaos_server: PostgresqlServer, start_worker: Callable[..., Worker], record_figure: Callable[[str], None]
) -> None:
    seed = os.environ.get("FLOWORCH_CHAOS_SEED", secrets.token_hex(4))
    say(f"FLOWORCH_CHAOS_SEED={seed}")
    chance = Random(seed)
    url = chaos_server.create_database().render_as_string(hide_password=False)
    effects = EffectTable(url)
    effects.create()

    def start(number: int) -> Worker:
        if number >= WORKERS:
            return start_worker(url, str(chance.random()), module="tests.chaos.operators")
        return start_worker(url, url, "--trigger", f"{number}:{RUNS}:{WORKERS}")

    storm = Storm(chaos_server, chance, WORKERS + DESKS, start)
    for worker in storm.calm():
        worker.wait_for("started")
    storm.rage([DEEDS // 2], lambda: _deeds(url), DEEDS, patience_seconds=60 + DEEDS)
    everybody = storm.calm()
    for people in everybody[WORKERS:]:
        people.kill()
    orchestrator = orchestrator_of(url)
    await orchestrator.start(work=False)
    try:
        await _let_all_end(orchestrator)
        done = await _check_every_run(orchestrator, effects.all())
    finally:
        await orchestrator.stop()
    for worker in everybody[:WORKERS]:
        worker.wait_for("started")  # before that, it does not know how to stop
        worker.terminate()
        worker.finish()
    assert _left(url) == []
    record_figure(f"people and chaos (seed {seed}): {dict(storm.blows)}, {dict(sorted(done.items()))}")


async def _let_all_end(orchestrator: FlowOrchestrator) -> None:
    give_up_at = time.monotonic() + _PATIENCE_SECONDS
    while (await orchestrator.count_runs())[RunStatus.RUNNING]:
        open_runs = await orchestrator.list_runs(status=RunStatus.RUNNING, limit=5)
        assert time.monotonic() < give_up_at, f"these do not end: {[run.id for run in open_runs.runs]}"
        await orchestrator.select(suspended=True).resume()
        await asyncio.sleep(0.2)


async def _check_every_run(orchestrator: FlowOrchestrator, effects: Iterable[Effect]) -> Counter[str]:
    """What people have done, and how often."""
    by_run: defaultdict[UUID, list[Effect]] = defaultdict(list)
    for effect in effects:
        by_run[effect.run_id].append(effect)
    done: Counter[str] = Counter()
    async for run in every_run(orchestrator):
        result = await orchestrator.get_run(run.id, payloads=False)
        events = [event async for event in orchestrator.events(run.id, follow=False)]
        try:
            check_fold(result, events)
            _check_end(result, events)
            _check_suspensions(events)
            _check_effects(result, events, by_run.pop(run.id, []))
        except AssertionError as error:
            told = "\n".join(f"{event.at:%X.%f} {event.type} {event.step_key} {event.data}" for event in events)
            raise AssertionError(f"{run.flow_name} {run.id}: {error}\n{told}") from error
        done["runs"] += 1
        done.update(set(map(_deed, events)) & _DONE_BY_PEOPLE)
    assert not by_run, "there are effects of runs that do not exist"
    return done


def _deeds(url: str) -> int:
    with psycopg.connect(url) as connection:
        query = "SELECT count(*) FROM floworch.event WHERE facts LIKE %s"
        counted = connection.execute(query, [f'%"by":"{BY}"%']).fetchone()
    assert counted is not None
    return int(counted[0])


def _deed(event: HistoryEvent) -> str:
    return f"by hand: {event.type}" if event.data.get("by_hand") else event.type


def _check_end(result: RunResult, events: Iterable[HistoryEvent]) -> None:
    """It has ended once, and once more after each time that somebody has let it go on."""
    assert result.status.is_final
    assert all(step.status.is_final for step in result.steps.values())
    kinds = [event.type for event in events if event.type in ("run.completed", "run.reopened")]
    assert kinds == ["run.completed", "run.reopened"] * (len(kinds) // 2) + ["run.completed"]


def _check_suspensions(events: Iterable[HistoryEvent]) -> None:
    """No worker has started a step of a suspended run."""
    is_suspended = False
    for event in events:
        assert not (is_suspended and event.type == "step.started" and "worker" in event.data), event
        lifted = event.type in ("run.resumed", "run.stop_requested", "run.completed")
        is_suspended = event.type == "run.suspended" or (is_suspended and not lifted)


def _check_effects(result: RunResult, events: list[HistoryEvent], effects: list[Effect]) -> None:
    """An attempt has its effect once, if the history says that it was started, and after that; and what has succeeded
    by itself has had its effect."""
    starts = starts_of(events)
    for effect in effects:
        assert effect.executions == 1, f"one attempt ran twice: {effect}"
        assert (effect.step_key, effect.attempt) in starts, f"an effect of what never started: {effect}"
        assert effect.at is not None
        assert effect.at + _CLOCK_SLACK >= starts[effect.step_key, effect.attempt], effect
    had = {(effect.step_key, effect.attempt) for effect in effects}
    for event in events:
        step = result.steps.get(event.step_key or "")
        if event.type == "step.completed" and not event.data.get("by_hand") and step is not None:
            assert step.type not in _WITH_EFFECT or (step.key, event.data["attempt"]) in had, event


def _left(url: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(
            "SELECT status, lease_until IS NOT NULL, count(*) FROM floworch.step"
            " WHERE status IN ('Ready', 'Running', 'Pending') OR lease_until IS NOT NULL GROUP BY 1, 2"
        ).fetchall()
