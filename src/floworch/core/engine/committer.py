"""Group commit: while one transaction is under way, the next batch gathers behind it.

Requests are reduced only when their batch is built, on the newest state that this engine knows, and all changes of a
run in a batch fold into one. A conflict drops the cached state and puts the run's requests back in the queue; the other
runs of the batch are not affected.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from random import Random
from traceback import format_exc
from typing import Any
from uuid import UUID

from floworch.core.engine.availability import Availability
from floworch.core.engine.batch import RunWork, claim_of, creation_of, start_work
from floworch.core.engine.outage import Outage, fail
from floworch.core.engine.requests import Claiming, Commanding, Request, Started, Starting
from floworch.core.engine.runs import CachedRun, Runs
from floworch.core.engine.settings import EngineSettings
from floworch.core.engine.unclear import answer_if_it_happened, claim_in
from floworch.core.machine.apply import claim_step
from floworch.core.machine.commands import ClaimStep
from floworch.core.machine.environment import PayloadsNeeded
from floworch.core.machine.reduce import Fenced
from floworch.core.machine.state import RunState
from floworch.core.machine.transition import Transition
from floworch.core.model.payload import PayloadRef
from floworch.core.model.status import StepStatus
from floworch.core.ports.clock import Clock
from floworch.core.ports.runtime import StartedStep
from floworch.core.ports.storage import Batch, BatchResult, Outcome, Storage
from floworch.errors import (
    CommitUnclear,
    FloworchError,
    InvalidTransition,
    RunNotFound,
    StepNotFound,
    StorageError,
    StorageTimeout,
    StorageUnavailable,
)
from floworch.observability.logging import get_library_logger

__all__ = ["Committer"]

_MOST_RUNS_THAT_TIME_OUT = 3
"""Beyond that many, with nothing committed between, it is not a run that is locked but everything."""


class Committer:
    """``on_committed`` is called with the run's state and each transition, right after its commit.

    ``leaves_work`` tells whether transitions make steps ready that other processes should take.
    """

    def __init__(
        self,
        store: Storage,
        runs: Runs,
        clock: Clock,
        settings: EngineSettings,
        on_committed: Callable[[RunState, Transition], None],
        leaves_work: Callable[[Iterable[Transition]], bool],
        availability: Availability,
        chance: Random,
    ) -> None:
        self._log = get_library_logger("floworch.engine")
        self._store = store
        self._runs = runs
        self._clock = clock
        self._settings = settings
        self._on_committed = on_committed
        self._leaves_work = leaves_work
        self._queue: deque[Request] = deque()
        self._wake = asyncio.Event()
        self._loop_task: asyncio.Task[None] | None = None
        self._aside: set[asyncio.Task[None]] = set()
        self._chance = chance
        self._timed_out: set[UUID] = set()
        self._claimed: set[StartedStep] = set()
        self._is_closing = asyncio.Event()
        self._outage = Outage(store, clock, availability, chance, self._is_closing)

    def start(self) -> None:
        self._loop_task = asyncio.create_task(self._run(), name="floworch-committer")

    async def stop(self) -> None:
        """Commit what is queued, then end."""
        self._is_closing.set()
        self._wake.set()
        if self._loop_task is not None:
            await self._loop_task

    def forget_claim(self, step: StartedStep) -> None:
        """The attempt is over, for this process."""
        self._claimed.discard(step)

    def put(self, request: Request) -> None:
        """Queue a request; its future gets the answer. While the store is away only patient requests are taken."""
        if self._loop_task is None or self._loop_task.done():
            fail(request, _stopped())
        elif not self._outage.refuses(request):
            self._queue.append(request)
            self._wake.set()

    async def _run(self) -> None:
        try:
            await self._commit_until_closed()
        finally:  # cancelled with the whole event loop: nobody must wait for an answer that cannot come
            for request in self._queue:
                fail(request, _stopped())
            self._outage.abandon(_stopped())

    async def _commit_until_closed(self) -> None:
        while True:
            while self._queue and not self._outage.is_on:
                await self._process(self._take())
            if self._outage.is_on:
                await self._outlast()
            elif self._aside:
                await self._wait_for_more()
            elif self._is_closing.is_set():
                return
            else:
                await self._wake.wait()
            self._wake.clear()

    async def _wait_for_more(self) -> None:
        wake = asyncio.ensure_future(self._wake.wait())
        await asyncio.wait({wake, *self._aside}, return_when=asyncio.FIRST_COMPLETED)
        wake.cancel()

    def _take(self) -> list[Request]:
        first = self._queue.popleft()
        batch = [first]
        while self._queue and len(batch) < self._settings.max_batch and not first.alone and not self._queue[0].alone:
            batch.append(self._queue.popleft())
        return batch

    async def _process(self, requests: Sequence[Request]) -> None:
        try:
            await self._commit(requests)
        except asyncio.CancelledError:
            for request in requests:
                fail(request, _stopped())
            raise
        except StorageTimeout as error:
            self._too_slow(requests, error)
        except StorageUnavailable as error:
            self._storage_failed(requests, error)
        except StorageError as error:
            self._isolate(requests, error)
        except Exception as error:  # noqa: BLE001 - the top of a background loop
            self._log.error("commit_failed", requests=len(requests), traceback=format_exc())
            self._isolate(requests, error)

    async def _commit(self, requests: Sequence[Request]) -> None:
        waiting = [request for request in dict.fromkeys(requests) if not request.future.done()]
        runs, fresh = await self._states_for(waiting)
        now = self._clock.now()
        works: dict[UUID, RunWork] = {}
        claims: list[Claiming] = []
        for request in sorted(waiting, key=lambda request: isinstance(request, Claiming)):
            if request.is_unclear and self._has_happened(request, runs):
                continue
            if isinstance(request, Starting):
                works[request.run_id] = start_work(request, now)
            elif isinstance(request, Commanding):
                self._plan(request, runs, works, now, is_fresh=request.run_id in fresh)
            elif request.run_id in works:
                self._plan_claim(request, works[request.run_id], now)
            else:
                claims.append(request)
        creations = [work for work in works.values() if isinstance(work.done[0][0], Starting)]
        advances = [work for work in works.values() if not isinstance(work.done[0][0], Starting)]
        if not works and not claims:
            return
        owner = self._settings.worker_id
        transitions = (transition for work in works.values() for _, transition in work.done)
        batch = Batch(
            creations=[creation_of(work, owner, now) for work in creations],
            advances=[work.advance(owner, now) for work in advances],
            claims=[claim_of(claim, now) for claim in claims],
            caller=owner if self._leaves_work(transitions) else None,
        )
        try:
            result = await self._store.commit(batch)
        except BaseException as error:
            for run_id in works:
                self._runs.drop(run_id)
            if isinstance(error, CommitUnclear):
                self._note_unclear(works.values(), claims)
            raise
        self._outage.end()
        self._timed_out.clear()
        self._answer_all(creations, advances, claims, result, now)

    async def _states_for(self, requests: Sequence[Request]) -> tuple[dict[UUID, CachedRun], set[UUID]]:
        """The runs that commands are about, and which of them were loaded just now. Held here while the batch is built:
        the cache may lose any of them meanwhile."""
        for request in requests:
            if request.is_unclear:
                self._runs.drop(request.run_id)
        wanted = dict.fromkeys(
            request.run_id for request in requests if isinstance(request, Commanding) or request.is_unclear
        )
        cached = {run_id: run for run_id in wanted if (run := self._runs.get(run_id)) is not None}
        missing = [run_id for run_id in wanted if run_id not in cached]
        loaded = await self._runs.load(missing) if missing else {}
        return cached | loaded, set(missing)

    def _plan(
        self,
        request: Commanding,
        runs: Mapping[UUID, CachedRun],
        works: dict[UUID, RunWork],
        now: datetime,
        *,
        is_fresh: bool,
    ) -> None:
        run = runs.get(request.run_id)
        if run is None:
            fail(request, RunNotFound(f"there is no run {request.run_id}"))
            return
        work = works.get(request.run_id) or RunWork(run)
        if not work.takes(request.command):
            self._queue.append(request)
            return
        try:
            work.reduce(request, request.command, request.offer, request.payloads, now)
        except PayloadsNeeded as needed:
            self._set_aside(self._fetch_payloads(request, needed.refs))
        except (Fenced, InvalidTransition, StepNotFound) as refusal:
            self._refuse(request, refusal, is_final=is_fresh and not work.done)
        except FloworchError as error:
            fail(request, error)
        else:
            works[request.run_id] = work

    def _refuse(self, request: Commanding, refusal: Exception, *, is_final: bool) -> None:
        """A refusal by a state that may be stale is no answer: look again."""
        if is_final:
            fail(request, refusal)
        else:
            self._runs.drop(request.run_id)
            self._queue.appendleft(request)

    def _plan_claim(self, request: Claiming, work: RunWork, now: datetime) -> None:
        command = ClaimStep(request.task.step_key, request.task.attempt)
        try:
            work.reduce(request, command, request.offer, {}, now)
        except Fenced:
            self._answer(request, False)

    def _set_aside(self, work: Coroutine[Any, Any, None]) -> None:
        """Let the work, which puts its request back in the queue, go on beside the commits."""
        task = asyncio.create_task(work)
        self._aside.add(task)
        task.add_done_callback(self._aside.discard)

    async def _fetch_payloads(self, request: Commanding, refs: frozenset[PayloadRef]) -> None:
        try:
            request.payloads.update(await self._runs.payloads(request.run_id, refs))
        except StorageUnavailable as error:
            await self._try_later(request, error)
        except FloworchError as error:
            fail(request, error)
        except Exception as error:  # noqa: BLE001 - the top of a background task
            self._log.error("payloads_not_read", run_id=str(request.run_id), traceback=format_exc())
            fail(request, error)
        else:
            self._queue.append(request)
            self._wake.set()

    def _answer_all(
        self,
        creations: Sequence[RunWork],
        advances: Sequence[RunWork],
        claims: Sequence[Claiming],
        result: BatchResult,
        now: datetime,
    ) -> None:
        for work, run_id in zip(creations, result.creations, strict=True):
            self._answer_creation(work, run_id)
        for work, outcome in zip(advances, result.advances, strict=True):
            self._answer_advance(work, outcome)
        for claim, outcome in zip(claims, result.claims, strict=True):
            self._answer_claim(claim, outcome, now)

    def _answer_creation(self, work: RunWork, run_id: UUID) -> None:
        request, transition = work.done[0]
        if run_id != request.run_id:
            self._answer(request, Started(run_id, duplicate=True, transition=None))
            return
        self._committed(work)
        self._answer(request, Started(run_id, duplicate=False, transition=transition))

    def _answer_advance(self, work: RunWork, outcome: Outcome) -> None:
        if outcome is Outcome.CONFLICT:
            self._runs.drop(work.run.state.facts.run_id)
            for request, _ in work.done:
                if isinstance(request, Commanding):
                    request.payloads.clear()
                self._queue.append(request)
            return
        self._committed(work)
        for request, transition in work.done:
            self._answer(request, True if isinstance(request, Claiming) else transition)

    def _committed(self, work: RunWork) -> None:
        work.committed()
        state = work.run.state
        if state.status.is_final:
            self._runs.drop(state.facts.run_id)
        else:
            self._runs.put(work.run)
        for _, transition in work.done:
            self._on_committed(state, transition)

    def _answer_claim(self, request: Claiming, outcome: Outcome, now: datetime) -> None:
        run = self._runs.get(request.run_id)
        if outcome is Outcome.CONFLICT:
            self._runs.drop(request.run_id)
        elif run is not None:
            _note_claim(run, request, now)
        self._answer(request, outcome is Outcome.DONE)

    def _answer(self, request: Request, answer: Any) -> None:
        if request.future.done():
            return
        if (claim := claim_in(request, answer)) is not None:
            self._claimed.add(claim)
        request.future.set_result(answer)

    # -- trouble

    def _note_unclear(self, works: Iterable[RunWork], claims: Sequence[Claiming]) -> None:
        """Find out about these before anything else: what they claimed nobody runs, and who asked has no answer."""
        until = self._clock.now() + timedelta(seconds=self._settings.storage_patience_seconds)
        for request, transition in [pair for work in works for pair in work.done]:
            request.is_unclear = True
            if isinstance(request, Claiming):
                request.patient_until = until
            else:
                request.tried = transition
                request.patient_until = request.patient_until or until
        for claim in claims:
            claim.is_unclear, claim.patient_until = True, until

    def _has_happened(self, request: Request, runs: Mapping[UUID, CachedRun]) -> bool:
        run = runs.get(request.run_id)
        answer = answer_if_it_happened(request, run, self._settings.worker_id, self._claimed)
        if answer is not None:
            self._answer(request, answer)
        # Later on, a claim that is found may be that of another request. A run is always that of its own one.
        request.is_unclear = isinstance(request, Starting)
        return answer is not None

    def _storage_failed(self, requests: Sequence[Request], error: StorageUnavailable) -> None:
        self._outage.begin(error, [*requests, *self._queue])
        self._queue.clear()

    async def _outlast(self) -> None:
        queued, self._queue = self._queue, deque()
        self._queue.extendleft(reversed(await self._outage.wait(queued)))

    def _too_slow(self, requests: Sequence[Request], error: StorageTimeout) -> None:
        """Something holds locks on one of the runs, or on everything."""
        if len(requests) > 1:
            self._isolate(requests, error)
            return
        self._timed_out.add(requests[0].run_id)
        if len(self._timed_out) > _MOST_RUNS_THAT_TIME_OUT:
            self._storage_failed(requests, error)
        else:
            self._log.warning("commit_timed_out", run_id=str(requests[0].run_id), error=str(error))
            self._set_aside(self._try_later(requests[0], error))

    async def _try_later(self, request: Request, error: StorageUnavailable) -> None:
        if not self._outage.may_wait(request):
            fail(request, error)
            return
        await self._clock.wait(self._is_closing, self._chance.uniform(0.5, 1.0))
        self._queue.append(request)
        self._wake.set()

    def _isolate(self, requests: Sequence[Request], error: Exception) -> None:
        """One of them is poison. Commit each by itself, so that it alone fails."""
        if len(requests) == 1 and (requests[0].alone or not requests[0].is_unclear):
            fail(requests[0], error)
            return
        for request in requests:
            request.alone = True
            self._queue.append(request)


def _note_claim(run: CachedRun, request: Claiming, now: datetime) -> None:
    step = run.state.steps.get(request.task.step_key)
    if step is not None and step.status is StepStatus.READY and step.attempt == request.task.attempt:
        claim_step(run.state, request.task.step_key, request.offer.owner, now)


def _stopped() -> StorageUnavailable:
    return StorageUnavailable("the engine has stopped")
