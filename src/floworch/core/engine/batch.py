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

    __slots__ = ("_ahead", "done", "expected_revision", "is_fresh", "run", "start")

    def __init__(self, run: CachedRun, *, is_fresh: bool = False) -> None:
        self.run = run
        self.is_fresh = is_fresh
        """Whether the run was loaded for this very batch."""
        self.start: Starting | ChildStart | None = None
        """Of a new run."""
        self.expected_revision = run.state.revision
        self.done: list[tuple[Request, Transition]] = []
        self._ahead: CachedRun | None = None
        """The run after all that is done, with what that has written, once there is a second decision."""

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
        run, ahead = self.run, self._ahead
        if ahead is None and self.done:
            ahead = self._ahead = CachedRun(copy_of(run.state))
            _go_on(ahead, self.done[0][1])
        if ahead is not None:
            transition = reduce(ahead.state, command, now, ChainMap(dict(given), ahead.payloads, run.payloads), offer)
            _go_on(ahead, transition)
        else:
            known = ChainMap(dict(given), run.payloads) if given else run.payloads
            transition = reduce(run.state, command, now, known, offer)
        self.done.append((request, transition))
        return transition

    def advance(self, owner: str, now: datetime) -> Advance:
        changes_run = _changes_run(self.run.state, self.done[-1][1])
        fields: tuple[Any, ...] = (*self._write(owner, now), self.expected_revision, changes_run)
        return Advance(*fields)

    def creation(self, owner: str, now: datetime) -> Creation:
        start = self.start
        assert start is not None
        parent = start.facts.parent
        fields: tuple[Any, ...] = (
            *self._write(owner, now),
            *(start.facts, start.plan.flow_name, start.plan.version, start.body, start.headers),
            None if parent is None else parent.run_id,
        )
        return Creation(*fields)

    def _write(self, owner: str, now: datetime) -> tuple[Any, ...]:
        """The fields of a RunWrite, in their order: by name they would take three times as long."""
        last = self.done[-1][1]
        steps, told, rarities = self._folded()
        rare = _rare_writes(rarities, last) if rarities else None
        facts = self.run.state.facts
        return (
            *(facts.run_id, last.status, last.deadline, last.stop, last.ended_at, steps, told, now),
            *(facts.flow_id, facts.priority, owner, facts.concurrency_key, _tells_end(self.run.state, last), rare),
        )

    def _folded(self) -> tuple[Mapping[str, StepChange], Sequence[Fact], Sequence[Rarities]]:
        if len(self.done) == 1:
            only = self.done[0][1]
            return only.steps, only.facts, () if only.rarities is None else (only.rarities,)
        transitions = [transition for _, transition in self.done]
        return *_fold(transitions), [each.rarities for each in transitions if each.rarities is not None]

    def committed(self) -> None:
        """The store has it: let the cached state be the present."""
        run, written = self.run, self.done[0][1].payloads
        if self._ahead is None:
            apply(run.state, self.done[0][1])
        else:
            run.state, written = self._ahead.state, self._ahead.payloads
        run.state.revision = self.expected_revision + 1
        for ref, payload in written.items():
            run.keep(ref, payload)
        for _, transition in self.done:
            if transition.rarities is not None:
                _forget(run, transition.rarities)


def _go_on(ahead: CachedRun, transition: Transition) -> None:
    """What is written is all kept, however large: it cannot be loaded before it is committed."""
    apply(ahead.state, transition)
    ahead.payloads.update(transition.payloads)


def _forget(run: CachedRun, rarities: Rarities) -> None:
    run.forget_scopes(set(rarities.settled))
    if rarities.revived or rarities.removed:
        run.payloads.clear()
    for signal_id in rarities.taken:
        run.payloads.pop(signal_ref(signal_id), None)


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
