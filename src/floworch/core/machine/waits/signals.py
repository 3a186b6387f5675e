"""Signals and the steps that wait for them.

A signal stays in the mailbox until a step has all that it waits for, and takes it. Until then it is only *allotted*,
anew in every decision, to the step that has waited longest: so nothing has to be put back when a wait comes to nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import chain

from floworch.core.dag.lookup import manifest_place
from floworch.core.dag.plan import StepPlan
from floworch.core.dag.waits import SignalPlan
from floworch.core.machine.commands import SignalReceived
from floworch.core.machine.draft import Draft
from floworch.core.machine.mailbox import Letter, ReceivedSignal, TakenBy, signal_ref
from floworch.core.machine.progress import SignalWait
from floworch.core.machine.state import StepState, WaitKind
from floworch.core.machine.steps import fail
from floworch.core.machine.waits.signal_inputs import BadWait, resolved_wait
from floworch.core.machine.waits.signal_output import signal_output
from floworch.core.model.payload import Json, PayloadKind, PayloadRef
from floworch.core.model.records import StepError
from floworch.core.model.status import StepStatus
from floworch.core.policy.retry import next_delay
from floworch.errors import ExpressionError, SignalRefused

__all__ = ["allotments", "deliver", "receive", "start_signal_wait", "time_out"]


def start_signal_wait(draft: Draft, key: str, plan: StepPlan, wait: SignalPlan, trace: Json) -> list[str]:
    """Wait for what the inputs say now; returns the keys of the steps that the mailbox completes at once."""
    earlier = draft.step(key) or StepState(StepStatus.PENDING, ready_at=draft.now)
    try:
        progress = resolved_wait(draft.environment(key), wait)
    except (ExpressionError, BadWait) as error:
        return fail(draft, key, plan, StepError(type(error).__name__, str(error), retryable=False), trace)
    due_at = None if progress.timeout_seconds is None else draft.now + timedelta(seconds=progress.timeout_seconds)
    state = earlier._replace(
        status=StepStatus.PENDING,
        attempt=earlier.attempt + 1,
        due_at=due_at,
        wait=WaitKind.SIGNAL,
        waiting_since=draft.now,
        reason=None,
        started_at=draft.now,
        ended_at=None,
        progress=progress,
    )
    draft.put(key, state, step_type=plan.type)
    until = None if due_at is None else due_at.isoformat()
    draft.fact("step.pending", key, attempt=state.attempt, until=until, signals=list(progress.names), when=trace)
    final = deliver(draft)
    if due_at is not None and key not in final:
        draft.arm(due_at)
    return final


def receive(draft: Draft, command: SignalReceived) -> list[str]:
    """Put a new signal in the mailbox; returns the keys of the steps that it completes. Raises SignalRefused."""
    _check_payload(draft, command)
    mailbox = draft.state.mailbox
    number = 1 + (0 if mailbox is None else len(mailbox.known))
    letter = Letter(command.id, number, command.name, command.deduplication_id)
    draft.add_payload(signal_ref(letter.id), command.payload)
    draft.rarities.signals.append(ReceivedSignal(letter, command.payload))
    draft.fact("signal.received", signal=str(letter.id), name=letter.name)
    allotted = allotments(draft)
    waiter = next((key for key, letters in allotted.items() if letter in letters), None)
    draft.rarities.signals[-1] = ReceivedSignal(letter, command.payload, waiter)
    return _complete(draft, allotted)


def deliver(draft: Draft) -> list[str]:
    """Complete every step for which all is there that it waits for; returns their keys."""
    return _complete(draft, allotments(draft)) if next(_open_letters(draft), None) else []


def time_out(draft: Draft, key: str, plan: StepPlan, state: StepState) -> list[str]:
    """The time limit of a wait has passed: it fails, or waits anew after a while."""
    error = StepError("SignalTimeout", _too_late(state, allotments(draft)[key]))
    failed = state._replace(failures=state.failures + 1, wait=None, due_at=None)
    # Without jitter: chance is for attempts that would get in each other's way.
    delay = next_delay(plan.retry, failed.failures, error, (), 0.0)
    draft.put(key, failed, step_type=plan.type)
    if delay is None or draft.stops(key):
        return [*fail(draft, key, plan, error), *deliver(draft)]
    _wait_for_retry(draft, key, plan, error, draft.now + delay)
    return deliver(draft)


def _wait_for_retry(draft: Draft, key: str, plan: StepPlan, error: StepError, due_at: datetime) -> None:
    state = draft.step(key)
    assert state is not None
    parked = state._replace(wait=WaitKind.RETRY, due_at=due_at, ended_at=draft.now, reason=error.message)
    draft.put(key, parked, step_type=plan.type, error=error)
    draft.arm(due_at)
    retry_at = due_at.isoformat()
    draft.fact("step.attempt_failed", key, attempt=state.attempt, error=error.to_json(), retry_at=retry_at)


def _too_late(state: StepState, arrived: Sequence[Letter]) -> str:
    wait = _wait_of(state)
    names = (" and " if wait.mode == "all" else " or ").join(map(repr, wait.names))
    came = ", ".join(f"{sum(1 for each in arrived if each.name == name)} of {name!r}" for name in wait.names)
    wanted = f" ({wait.quorum} of them)" if wait.quorum > 1 else ""
    had = f"; what came: {came}" if arrived else ""
    return f"no signal {names}{wanted} came within {wait.timeout_seconds:g} seconds{had}"


def _check_payload(draft: Draft, command: SignalReceived) -> None:
    """Refuse what none of the steps can take that are known to want the signal. Others may yet come to want it."""
    schemas = {plan.path: wait.schema for plan, wait in _who_may_want(draft, command.name)}
    complaints = {
        path: None if schema is None else schema.complaint(command.payload) for path, schema in schemas.items()
    }
    if complaints and all(complaints.values()):
        told = "; ".join(f"step {path!r}: {complaint}" for path, complaint in complaints.items())
        raise SignalRefused(f"the payload of the signal {command.name!r} does not satisfy its schema: {told}")


def _who_may_want(draft: Draft, name: str) -> Iterator[tuple[StepPlan, SignalPlan]]:
    for plan in draft.plan.signal_waits:
        assert plan.wait is not None
        if name in plan.wait.written_names:
            yield plan, plan.wait
    for key, state in _waiting(draft):
        if name in _wait_of(state).names:
            plan = draft.plan_of(key)
            assert plan.wait is not None
            yield plan, plan.wait


def allotments(draft: Draft) -> dict[str, list[Letter]]:
    """Waiting step → its signals, which may not be all that it needs. Raises PayloadsNeeded."""
    given: set[Letter] = set()
    allotted: dict[str, list[Letter]] = {}
    for key, state in _waiting(draft):
        allotted[key] = _share(draft, key, _wait_of(state), given)
        given.update(allotted[key])
    return allotted


def _share(draft: Draft, key: str, wait: SignalWait, given: set[Letter]) -> list[Letter]:
    free = [letter for letter in _suitable(draft, key, wait) if letter not in given]
    if wait.mode != "all":
        return free[: wait.quorum]
    return [each for name in wait.names for each in [one for one in free if one.name == name][: wait.quorum]]


def _suitable(draft: Draft, key: str, wait: SignalWait) -> list[Letter]:
    """Untaken signals with the names and payloads that the step takes, in the order in which they came."""
    named = [letter for letter in _open_letters(draft) if letter.name in wait.names]
    plan = draft.plan_of(key).wait
    assert plan is not None
    if plan.schema is None or not named:
        return named
    payloads = draft.payloads([signal_ref(letter.id) for letter in named])
    return [
        letter
        for letter, payload in zip(named, payloads, strict=True)
        if payload is not None and plan.schema.complaint(payload) is None
    ]


def _open_letters(draft: Draft) -> Iterator[Letter]:
    mailbox, rarities = draft.state.mailbox, draft.transition.rarities
    stored = [] if mailbox is None else [letter for of_name in mailbox.open.values() for letter in of_name.values()]
    stored.sort(key=lambda letter: letter.number)
    if rarities is None:
        return iter(stored)
    new = [signal.letter for signal in rarities.signals]
    return (letter for letter in chain(stored, new) if letter.id not in rarities.taken)


def _waiting(draft: Draft) -> list[tuple[str, StepState]]:
    """Steps that wait for signals: longest first, then in the order of the manifest."""
    states = {key: state for key, state in draft.state.steps.items() if state.wait is WaitKind.SIGNAL}
    states.update((key, change.state) for key, change in draft.transition.steps.items())
    found = [(key, state) for key, state in states.items() if state.wait is WaitKind.SIGNAL]
    if len(found) > 1:
        found.sort(key=lambda each: (each[1].waiting_since, manifest_place(draft.plan, each[0])))
    return found


def _complete(draft: Draft, allotted: Mapping[str, list[Letter]]) -> list[str]:
    final: list[str] = []
    for key, letters in allotted.items():
        state = draft.step(key)
        assert state is not None
        wait = _wait_of(state)
        if len(letters) == wait.quorum * (len(wait.names) if wait.mode == "all" else 1):
            _succeed(draft, key, state, wait, letters)
            final.append(key)
    return final


def _succeed(draft: Draft, key: str, state: StepState, wait: SignalWait, letters: Sequence[Letter]) -> None:
    payloads = draft.payloads([signal_ref(letter.id) for letter in letters])
    output = signal_output(wait, [letter.name for letter in letters], payloads)
    for letter in letters:
        draft.rarities.taken[letter.id] = TakenBy(key, state.attempt)
        draft.fact("signal.taken", key, signal=str(letter.id), name=letter.name)
    ended = state._replace(status=StepStatus.SUCCEEDED, due_at=None, wait=None, ended_at=draft.now)
    draft.finish(key, ended, step_type=draft.plan_of(key).type, output=output)
    draft.add_payload(PayloadRef(PayloadKind.OUTPUT, key), output)
    draft.fact("step.completed", key, attempt=state.attempt)


def _wait_of(state: StepState) -> SignalWait:
    assert isinstance(state.progress, SignalWait)
    return state.progress
