"""What must be true when everything is over."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from floworch.core.dag.keys import scope_of
from floworch.core.dag.plan import FlowPlan
from floworch.core.machine.apply import rebuild
from floworch.core.machine.history import fold
from floworch.core.machine.state import RunState
from floworch.storage.memory import MemoryStorage
from floworch.storage.memory.rows import RunRow
from tests.simulation.cluster.account import RunAccount
from tests.simulation.cluster.weather import Weather
from tests.simulation.cluster.witness import Witness
from tests.simulation.laws import check_history, check_state
from tests.simulation.oracle import expected
from tests.simulation.scopes import failed_compensations
from tests.simulation.specs import cleans_up

__all__ = ["check_ending"]


def check_ending(
    witness: Witness, store: MemoryStorage, accepted: set[UUID], weather: Weather, acknowledged: dict[UUID, UUID]
) -> None:
    assert accepted <= witness.runs.keys()
    assert store._runs.keys() == witness.runs.keys()
    for run_id, run in witness.runs.items():
        row = store._runs[run_id]
        assert row.status.is_final, f"run {run_id} is still {row.status}"
        _check_rows(run, row)
        _check_laws(run, row, witness.plan_of(row.facts.flow_id))
        _check_outcome(run)
        _check_deadline(run, weather)
        _check_stopped_children(run, weather)
        _check_post(run, row)
    for signal_id, run_id in acknowledged.items():
        assert signal_id in witness.runs[run_id].post.names, f"signal {signal_id} was acknowledged, and is lost"


def _check_rows(run: RunAccount, row: RunRow) -> None:
    """The store has what was written, its history folds to it, and no lease is left."""
    assert {key: step.state for key, step in row.steps.items()} == run.ledger.rows
    assert row.history == run.ledger.facts
    folded = fold(row.history)
    assert folded.status is row.status
    assert folded.steps == {key: (step.state.status, step.state.attempt) for key, step in row.steps.items()}
    assert not row.tells_parent, f"the parent of {run.facts.run_id} has not heard of its end"
    held = [key for key, step in row.steps.items() if step.lease_until is not None]
    assert not held, f"leases of {held} are left"


def _check_laws(run: RunAccount, row: RunRow, plan: FlowPlan) -> None:
    state = _state(row, plan)
    check_state(state, run.ledger)
    check_history(state, run.ledger)


def _check_outcome(run: RunAccount) -> None:
    if run.stop is not None:
        end = "Failed" if failed_compensations(run.ledger) else run.stop.kind.value
        assert run.status.value == end
        return
    if run.is_beyond_oracle:
        return
    verdict = expected(
        run.story.flow,
        run.family,
        executions=run.first_executions,
        pinned={**run.pinned, **run.overridden},
        gone_on=run.gone_on,
        lost=frozenset(run.lost_for_good),
        begun=run.begun,
        entered={key: row.loop.started for key, row in run.ledger.rows.items() if row.loop is not None},
        counted_from=run.counted_from,
        waited=run.post.waited(),
    )
    results = run.ledger.results()
    wrong = {
        key: f"is {results.get(key)}, should be {verdict.steps.get(key)}"
        for key in results.keys() | verdict.steps.keys()
        if results.get(key) != verdict.steps.get(key)
    }
    assert not wrong, f"run {run.facts.run_id}: {wrong}"
    assert run.status is verdict.run


def _check_post(run: RunAccount, row: RunRow) -> None:
    """The store has the signals that were received, and the history tells what became of them."""
    letters = [] if row.signals is None else row.signals.letters()
    found = {letter.id: letter.taken_by for letter in letters}
    assert found == {
        signal_id: run.post.taken[signal_id].step_key if signal_id in run.post.taken else None
        for signal_id in run.post.names
    }
    assert fold(row.history).signals == {str(signal_id): by for signal_id, by in found.items()}


def _check_stopped_children(run: RunAccount, weather: Weather) -> None:
    """A run that is being stopped has its children stopped, unless they end soon by themselves."""
    if run.stop is None:
        return
    slack = timedelta(seconds=30.0 + 120.0 * weather.slowest_call_seconds)
    latest = max(run.stop.at, run.facts.started_at + timedelta(seconds=weather.storm_seconds)) + slack
    for (key, _), child in run.family.children.items():
        if child.facts.parent is not None and child.facts.parent.waits and not cleans_up(key) and not child.retries:
            assert child.stop is not None or (child.ended_at is not None and child.ended_at <= latest), (
                f"{child.facts.run_id} went on although {key}, which waits for it, was being stopped"
            )


def _check_deadline(run: RunAccount, weather: Weather) -> None:
    """It is noticed by the next poll; then running steps end. A slow store makes both slower. What cleans up takes as
    long as it takes. Runs that it waits for end first."""
    if run.deadline is None or run.ended_at is None:
        return
    if any(each.retries or any(map(cleans_up, each.ledger.rows)) for each in run.family.members(run)):
        return
    slack = timedelta(seconds=30.0 + 120.0 * weather.slowest_call_seconds) * run.family.generations
    latest = max(run.deadline, run.facts.started_at + timedelta(seconds=weather.storm_seconds)) + slack
    assert run.ended_at <= latest, f"the run ended {run.ended_at}, its deadline was {run.deadline}"


def _state(row: RunRow, plan: FlowPlan) -> RunState:
    steps = {key: step.state for key, step in row.steps.items() if scope_of(key) not in row.settled}
    return rebuild(
        row.facts,
        plan,
        revision=row.revision,
        status=row.status,
        deadline=row.deadline,
        stop=row.stop,
        ended_at=row.ended_at,
        steps=steps,
        suspension=row.suspension,
    )
