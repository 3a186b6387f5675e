"""Turning requests into one batch of changes, with all changes of a run folded into one."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from floworch.core.engine.requests import Claiming, Commanding, Request, Starting
from floworch.core.engine.runs import CachedRun
from floworch.core.machine.apply import apply, copy_of
from floworch.core.machine.commands import ChildStart, ClaimOffer, Command, RetryFailed, RetryStep
from floworch.core.machine.environment import PayloadsNeeded
from floworch.core.machine.forks import start_fork
from floworch.core.machine.mailbox import signal_ref
from floworch.core.machine.reduce import reduce, start_run
from floworch.core.machine.state import RunState
from floworch.core.machine.transition import Fact, Rarities, StepChange, Transition
from floworch.core.model.payload import Payload, PayloadKind, PayloadRef
from floworch.core.ports.storage import Advance, Claim, Creation, RareWrites

__all__ = ["RunWork", "claim_of", "start_child_work", "start_work"]

_RETRIES = (RetryStep, RetryFailed)
_BODY = PayloadRef(PayloadKind.BODY)
_HEADERS = PayloadRef(PayloadKind.HEADERS)


class RunWork:
    """What one batch does to one run. The cached state stays as the store has it until the commit, because steps that
    start meanwhile read it; only where several changes of the run fold, a copy of it runs ahead."""

    __slots__ = ("_ahead", "_applied", "_written", "done", "expected_revision", "is_fresh", "run", "start")

    def __init__(self, run: CachedRun, *, is_fresh: bool = False) -> None:
        self.run = run
        self.is_fresh = is_fresh
        """Whether the run was loaded for this very batch."""
        self.start: Starting | ChildStart | None = None
        """Of a new run."""
        self.expected_revision = run.state.revision
        self.done: list[tuple[Request, Transition]] = []
        self._ahead = run.state
        self._applied = 0
        self._written: dict[PayloadRef, Payload | None] = {}

    def takes(self, command: Command) -> bool:
        """A retry by hand rewrites rows in ways that do not fold with other changes, before or after it."""
        if not self.done:
            return True
        # One that is in the batch already is the first and the last: it took nothing else, before or after it.
        others = getattr(self.done[-1][0], "command", None)
        return not isinstance(command, _RETRIES) and not isinstance(others, _RETRIES)

    def reduce(
        self,
        request: Commanding | Claiming,
        command: Command,
        offer: ClaimOffer | None,
        given: Mapping[PayloadRef, Payload | None],
        now: datetime,
    ) -> Transition:
        """Decide on top of the decisions before. Raises what ``reduce`` raises, and changes nothing then."""
        state = self._state()
        known = ChainMap(dict(given), self._written, self.run.payloads) if given or self.done else self.run.payloads
        transition = reduce(state, command, now, known, offer)
        self.done.append((request, transition))
        return transition

    def _state(self) -> RunState:
        """What the next decision is made on."""
        if self.done and self._ahead is self.run.state:
            self._ahead = copy_of(self.run.state)
        self._catch_up()
        return self._ahead

    def _catch_up(self) -> None:
        for _, transition in self.done[self._applied :]:
            apply(self._ahead, transition)
            self._written.update(transition.payloads)
        self._applied = len(self.done)

    def advance(self, owner: str, now: datetime) -> Advance:
        changes_run = _changes_run(self.run.state, self.done[-1][1])
        return Advance(**self._write(owner, now), expected_revision=self.expected_revision, changes_run=changes_run)

    def creation(self, owner: str, now: datetime) -> Creation:
        start = self.start
        assert start is not None
        parent = start.facts.parent
        return Creation(
            **self._write(owner, now),
            facts_of_run=start.facts,
            flow_name=start.plan.flow_name,
            flow_version=start.plan.version,
            body=start.body,
            headers=start.headers,
            only_with=None if parent is None else parent.run_id,
        )

    def _write(self, owner: str, now: datetime) -> dict[str, Any]:
        last = self.done[-1][1]
        facts = self.run.state.facts
        transitions = [transition for _, transition in self.done]
        steps, told = (last.steps, last.facts) if len(transitions) == 1 else _fold(transitions)
        rarities = [transition.rarities for transition in transitions if transition.rarities is not None]
        return {
            "run_id": facts.run_id,
            "flow_id": facts.flow_id,
            "priority": facts.priority,
            "concurrency_key": facts.concurrency_key,
            "status": last.status,
            "deadline": last.deadline,
            "stop": last.stop,
            "ended_at": last.ended_at,
            "steps": steps,
            "facts": told,
            "at": now,
            "owner": owner,
            "tells_end": _tells_end(self.run.state, last),
            "rare": _rare_writes(rarities, last) if rarities else None,
        }

    def committed(self) -> None:
        """The store has it: let the cached state be the present."""
        self._catch_up()
        self.run.state = self._ahead
        self.run.state.revision = self.expected_revision + 1
        for ref, payload in self._written.items():
            self.run.keep(ref, payload)
        rarities = [transition.rarities for _, transition in self.done if transition.rarities is not None]
        self.run.forget_scopes({scope for each in rarities for scope in each.settled})
        for each in rarities:
            self._forget(each)

    def _forget(self, rarities: Rarities) -> None:
        if rarities.revived or rarities.removed:
            self.run.payloads.clear()
        for signal_id in rarities.taken:
            self.run.payloads.pop(signal_ref(signal_id), None)


def start_work(request: Starting, now: datetime) -> RunWork:
    """Plan the start of a run that somebody has asked for."""
    return _start_work(request, request, request.offer, now)


def start_child_work(child: ChildStart, request: Commanding, now: datetime) -> RunWork:
    """Plan the start of a run that starts by the request to another run."""
    return _start_work(child, request, None, now)


def _start_work(start: Starting | ChildStart, request: Request, offer: ClaimOffer | None, now: datetime) -> RunWork:
    payloads: dict[PayloadRef, Payload | None] = {_BODY: start.body, _HEADERS: start.headers}
    while True:
        try:
            state, transition = _begin(start, now, payloads, offer)
        except PayloadsNeeded as needed:
            # Of a run that is not stored yet nothing can be loaded: these are the outputs of skipped steps of loops.
            payloads |= dict.fromkeys(needed.refs)
        else:
            work = RunWork(CachedRun(state))
            work.start = start
            work.done.append((request, transition))
            work.run.keep(_BODY, start.body)
            work.run.keep(_HEADERS, start.headers)
            return work


def _begin(
    start: Starting | ChildStart, now: datetime, payloads: Mapping[PayloadRef, Payload | None], offer: ClaimOffer | None
) -> tuple[RunState, Transition]:
    if isinstance(start, Starting) and start.inherited is not None:
        inherited = start.inherited
        return start_fork(start.facts, start.plan, start.deadline, now, payloads, inherited, offer, start.told)
    return start_run(start.facts, start.plan, start.deadline, now, payloads, offer, start.told)


def claim_of(request: Claiming, now: datetime) -> Claim:
    task = request.task
    return Claim(
        run_id=task.run_id,
        step_key=task.step_key,
        attempt=task.attempt,
        owner=request.offer.owner,
        lease_seconds=request.lease_seconds,
        at=now,
        quotas=request.quotas,
    )


def _changes_run(before: RunState, last: Transition) -> bool:
    return (
        last.status is not before.status
        or last.stop is not before.stop
        or last.deadline is not before.deadline
        or last.ended_at is not before.ended_at
    )


def _tells_end(before: RunState, last: Transition) -> bool | None:
    """Whether the mark of an end is set, or taken away by what lets the run go on again; None where neither is.

    A retry by hand may fail at once, and so end a run anew in the commit that has let it go on."""
    if before.status.is_final and last.ended_at == before.ended_at:
        return None
    return last.status in before.plan.told_ends or (False if before.status.is_final else None)


def _rare_writes(rarities: Sequence[Rarities], last: Transition) -> RareWrites:
    return RareWrites(
        loop_items={key: items for each in rarities for key, items in each.loop_items.items()},
        removed=[key for each in rarities for key in each.removed],
        settled=[scope for each in rarities for scope in each.settled],
        revived=[scope for each in rarities for scope in each.revived],
        tells_parent=any(each.tells_parent for each in rarities),
        heard_of=[run_id for each in rarities for run_id in each.heard_of],
        moved_to=_moved_to(rarities),
        signals=[signal for each in rarities for signal in each.signals],
        taken={signal_id: by for each in rarities for signal_id, by in each.taken.items()},
        changes_suspension=any(each.changes_suspension for each in rarities),
        suspension=last.suspension,
    )


def _moved_to(rarities: Sequence[Rarities]) -> tuple[str, str] | None:
    """The version that the run goes by from now on, if it was migrated."""
    plan = next((each.plan for each in reversed(rarities) if each.plan is not None), None)
    return None if plan is None else (plan.manifest_hash, plan.version)


def _fold(transitions: Sequence[Transition]) -> tuple[dict[str, StepChange], list[Fact]]:
    """The last row of every step, guarded by what the first change of it has seen; and all facts."""
    folded: dict[str, StepChange] = {}
    for transition in transitions:
        for key, change in transition.steps.items():
            earlier = folded.get(key)
            if earlier is not None:
                change.before = earlier.before
            folded[key] = change
    return folded, [fact for transition in transitions for fact in transition.facts]
