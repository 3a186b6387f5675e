"""What must be true after the chaos."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import datetime, timedelta
from uuid import UUID

from floworch import FlowOrchestrator
from floworch.core.machine.history import fold
from floworch.core.model.records import HistoryEvent, RunRecord
from floworch.core.model.status import StepStatus
from floworch.results import RunResult
from tests.chaos.app import build
from tests.chaos.effects import Effect
from tests.chaos.flows import expected_of

__all__ = ["check_everything", "check_fold", "every_run", "starts_of"]

_UNFINISHED = {StepStatus.READY, StepStatus.RUNNING, StepStatus.PENDING}
_CLOCK_SLACK = timedelta(milliseconds=50)
"""Of one machine: the history has the time at which a batch was built, an effect the time at which it was had."""


async def check_everything(target: str, effects: Iterable[Effect], *, runs: int, paused: frozenset[str]) -> int:
    """Check every run; gives the number of attempts that were lost. ``paused`` are processes that were ever paused."""
    by_run: defaultdict[UUID, list[Effect]] = defaultdict(list)
    for effect in effects:
        assert effect.executions == 1, f"one attempt ran twice: {effect}"
        by_run[effect.run_id].append(effect)
    orchestrator = build(target, None)
    await orchestrator.start(work=False)
    try:
        seen = lost = 0
        async for run in every_run(orchestrator):
            seen += 1
            result = await orchestrator.get_run(run.id, payloads=False)
            events = [event async for event in orchestrator.events(run.id, follow=False)]
            _check_outcome(run, result)
            _check_effects(result, run.flow_id, by_run.pop(run.id, []), events, paused)
            lost += _check_history(result, events)
        assert seen == runs, "every key has one run, and every run has a key"
        assert not by_run, "there are effects of runs that do not exist"
    finally:
        await orchestrator.stop()
    return lost


async def every_run(orchestrator: FlowOrchestrator) -> AsyncIterator[RunRecord]:
    """Newest first."""
    cursor = None
    while True:
        page = await orchestrator.list_runs(limit=200, cursor=cursor)
        for run in page.runs:
            yield run
        cursor = page.next_cursor
        if cursor is None:
            return


def _check_outcome(run: RunRecord, result: RunResult) -> None:
    expected = expected_of(run.flow_id)
    assert run.status is expected.status, (run, {key: step.error for key, step in result.steps.items()})
    ends = {key: step.status for key, step in result.steps.items()}
    assert ends.items() >= expected.steps.items(), (run.id, ends)
    assert not _UNFINISHED & set(ends.values()), (run.id, ends)


def _check_effects(
    result: RunResult,
    flow_id: UUID,
    effects: list[Effect],
    events: Iterable[HistoryEvent],
    paused: frozenset[str],
) -> None:
    attempts: defaultdict[str, dict[int, Effect]] = defaultdict(dict)
    for effect in effects:
        attempts[effect.step_key][effect.attempt] = effect
    missing = expected_of(flow_id).with_effect - attempts.keys()
    assert not missing, f"run {result.run_id} has ended without the effects of {missing}"
    for key in expected_of(flow_id).with_effect:
        last = result.steps[key].attempt
        assert last in attempts[key], f"attempt {last} of {key} counts, and had no effect: {attempts[key]}"
        assert max(attempts[key]) == last, f"{key}: an attempt after the last one had an effect: {attempts[key]}"
    _check_order(attempts, starts_of(events), paused)


def _check_order(
    attempts: Mapping[str, Mapping[int, Effect]], starts: Mapping[tuple[str, int], datetime], paused: frozenset[str]
) -> None:
    """No effect of an attempt comes after its successor. The effect of a process that was paused may come after the
    successor's start, which nothing outside of the store can know of, but not after its effect."""
    for key, effects in attempts.items():
        for attempt, effect in effects.items():
            assert (key, attempt) in starts, f"attempt {attempt} of {key} had an effect and never started"
            if effect.at is None:
                continue
            later = [other.at for number, other in effects.items() if number > attempt and other.at is not None]
            assert not later or effect.at <= min(later), (effect, effects)
            successor = starts.get((key, attempt + 1))
            if successor is not None and effect.worker not in paused:
                assert effect.at <= successor + _CLOCK_SLACK, (effect, successor)


def starts_of(events: Iterable[HistoryEvent]) -> dict[tuple[str, int], datetime]:
    """Step key and attempt → when it was started. None is started twice."""
    starts: dict[tuple[str, int], datetime] = {}
    for event in events:
        if event.type == "step.started" and event.step_key is not None:
            place = event.step_key, event.data["attempt"]
            assert place not in starts, f"{place} started twice"
            starts[place] = event.at
    return starts


def check_fold(result: RunResult, events: Iterable[HistoryEvent]) -> None:
    """What is stored is what the history tells."""
    folded = fold({"type": event.type, "step": event.step_key, **event.data} for event in events)
    assert folded.status is result.status
    assert folded.is_suspended == (result.run.suspended_at is not None)
    assert folded.steps == {key: (step.status, step.attempt) for key, step in result.steps.items()}


def _check_history(result: RunResult, events: list[HistoryEvent]) -> int:
    """It folds to the present, and tells who lost what. Gives the number of lost attempts."""
    check_fold(result, events)
    assert [event.type for event in events].count("run.completed") == 1
    lost = [event for event in events if event.type == "step.lost"]
    assert all(event.data["worker"] for event in lost), lost
    return len(lost)
