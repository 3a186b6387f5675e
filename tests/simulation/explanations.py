"""What every explanation of a run and of its steps must keep to, told from the rows alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime

from floworch.core.explain import Explanation, ReasonCode, Situation, explain_run, explain_step
from floworch.core.machine.environment import PayloadsNeeded
from floworch.core.machine.state import RunState, StepState
from floworch.core.model.payload import Payload, PayloadRef
from floworch.core.model.status import StepStatus
from tests.simulation.ledger import Ledger
from tests.simulation.specs import steps_of_scope

__all__ = ["check_explanations"]

_MOST_REASONS = 50


def check_explanations(state: RunState, ledger: Ledger, now: datetime) -> None:
    """A run that has not ended has a reason for each step that holds it up, and an ended one waits for nothing."""
    _check_run(_explained(state, ledger, now, explain_run), state, ledger)
    for key, row in ledger.rows.items():
        _check_step(_of_step(state, ledger, now, key), key, row)
    for key in _not_begun(ledger):
        _check_waiting(_of_step(state, ledger, now, key), key, is_over=state.status.is_final)


def _check_run(told: Explanation, state: RunState, ledger: Ledger) -> None:
    waits = [reason for reason in told.reasons if not reason.code.is_about_the_past]
    if state.status.is_final:
        assert not waits, f"the run has ended and is said to wait: {waits}"
        assert told.reasons, "nobody says how the run has ended"
        return
    assert waits == list(told.reasons), f"the run has not ended, and is explained by the past: {told.reasons}"
    holding = {key for key, row in ledger.rows.items() if _holds(row)}
    named = {reason.step_key for reason in told.reasons if reason.step_key is not None}
    assert named <= holding, f"{named - holding} do not hold the run up"
    assert len(named) + told.left_off == len(holding), f"{holding - named} are not told of"
    assert not set(told.then) & ledger.rows.keys()


def _holds(row: StepState) -> bool:
    return not row.is_final and not (row.is_block and row.status is StepStatus.RUNNING)


def _check_step(told: Explanation, key: str, row: StepState) -> None:
    first = told.reasons[0]
    assert told.status == row.status
    assert first.step_key == key
    assert first.code.is_about_the_past is row.is_final, f"{key} is {row.status}, and explained by {first}"
    if row.is_final:
        assert all(reason.code.is_about_the_past for reason in told.reasons)
    if first.code is ReasonCode.INSIDE:
        assert len(told.reasons) > 1, f"nothing inside {key} holds it up"


def _check_waiting(told: Explanation, key: str, *, is_over: bool) -> None:
    assert told.status == "Waiting"
    assert told.reasons[0].step_key == key
    if is_over:
        assert all(reason.code.is_about_the_past for reason in told.reasons), f"{key} waits in a run that has ended"
    elif not told.reasons[0].code.is_about_the_past:
        behind = [reason for reason in told.reasons[1:] if not reason.code.is_about_the_past]
        assert behind, f"{key} waits, and nobody says for what: {told.reasons}"


def _not_begun(ledger: Ledger) -> Iterator[str]:
    """Steps without rows next to steps with rows, in whatever scope."""
    for scope in sorted({"", *(key.rpartition(".")[0] for key in ledger.rows)}):
        for spec in steps_of_scope(ledger.flow, scope):
            key = f"{scope}.{spec.key}" if scope else spec.key
            if key not in ledger.rows:
                yield key


def _of_step(state: RunState, ledger: Ledger, now: datetime, key: str) -> Explanation:
    return _explained(state, ledger, now, lambda situation: explain_step(situation, key))


def _explained(
    state: RunState, ledger: Ledger, now: datetime, explain: Callable[[Situation], Explanation]
) -> Explanation:
    payloads: dict[PayloadRef, Payload | None] = {}
    put_away = {key: row for key, row in ledger.rows.items() if key not in state.steps}
    while True:
        situation = Situation(
            state=state, now=now, accepts=lambda step_type: True, put_away=put_away, payloads=payloads
        )
        try:
            told = explain(situation)
        except PayloadsNeeded as needed:
            payloads |= ledger.payloads(needed.refs)
        else:
            assert json.dumps(told.to_json())
            assert len(told.reasons) <= _MOST_REASONS + 3
            return told
