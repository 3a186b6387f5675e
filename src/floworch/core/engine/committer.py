"""Group commit: while a transaction is under way, the next batch gathers behind it.

Requests are reduced only when their batch is built, on the newest state that this engine knows, and all changes of a
run in a batch fold into one. A conflict drops the cached state and puts the run's requests back in the queue; the other
runs of the batch are not affected. A store that works on several commits at once gets as many batches, never two with
the same run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from random import Random
from traceback import format_exc
from typing import Any
from uuid import UUID

from floworch.core.engine.aftermath import Aftermath
from floworch.core.engine.availability import Availability
from floworch.core.engine.batch import RunWork
from floworch.core.engine.deciding import Decisions
from floworch.core.engine.outage import Outage, fail
from floworch.core.engine.queue import RequestQueue
from floworch.core.engine.requests import Commanding, Request
from floworch.core.engine.runs import Runs
from floworch.core.engine.settings import EngineSettings
from floworch.core.engine.trouble import Trouble
from floworch.core.engine.unclear import is_told
from floworch.core.machine.state import RunFacts, RunState
from floworch.core.machine.transition import Transition
from floworch.core.model.ids import RunKey
from floworch.core.model.payload import PayloadRef
from floworch.core.ports.clock import Clock
from floworch.core.ports.runtime import StartedStep
from floworch.core.ports.storage import BatchResult, Storage
from floworch.errors import CommitUnclear, FloworchError, ManifestNotUnderstood, StorageUnavailable
from floworch.observability.logging import get_library_logger

__all__ = ["Committer"]


class Committer:
    """``on_committed`` is called with the run's state and each transition, right after its commit.

    ``leaves_work`` tells whether transitions make steps ready that other processes should take, ``is_held`` whether a
    slot of this process holds the lease of an attempt.
    """

    def __init__(
        self,
        store: Storage,
        runs: Runs,
        clock: Clock,
        settings: EngineSettings,
        on_committed: Callable[[RunState, Transition], None],
        leaves_work: Callable[[Iterable[tuple[RunFacts, Transition]]], bool],
        availability: Availability,
        chance: Random,
        is_held: Callable[[UUID, str, int], bool],
    ) -> None:
        self._log = get_library_logger("floworch.engine")
        self._store = store
        self._runs = runs
        self._clock = clock
        self._worker_id = settings.worker_id
        self._leaves_work = leaves_work
        self._lanes = self._free_lanes = store.capabilities.concurrent_commits
        self._queue = RequestQueue(settings.max_batch, self._lanes)
        self._wake = asyncio.Event()
        self._loop_task: asyncio.Task[None] | None = None
        self._aside: set[asyncio.Task[None]] = set()
        self._chance = chance
        self._is_closing = asyncio.Event()
        self._is_outlasting = False
        self._outage = Outage(store, clock, availability, chance, self._is_closing)
        self._aftermath = Aftermath(runs, settings.worker_id, on_committed, is_held)
        self._trouble = Trouble(self._queue, self._outage, clock, settings, self._put_aside)

    def start(self) -> None:
        """A second call does nothing, so that an engine whose start has failed half-way can be started again."""
        if not self.is_running:
            self._loop_task = asyncio.create_task(self._run(), name="floworch-committer")

    async def stop(self) -> None:
        """Commit what is queued, then end."""
        self._is_closing.set()
        self._wake.set()
        if self._loop_task is not None:
            await self._loop_task

    @property
    def is_running(self) -> bool:
        """Whether requests are taken."""
        return self._loop_task is not None and not self._loop_task.done()

    @property
    def backlog(self) -> int:
        """Number of requests that wait."""
        return len(self._queue)

    def forget_claim(self, step: StartedStep) -> None:
        """A slot holds the lease of the attempt."""
        self._aftermath.forget_claim(step)

    def put(self, request: Request) -> None:
        """Queue a request; its reply gets the answer. While the store is away only patient requests are taken."""
        if self._loop_task is None or self._loop_task.done():
            fail(request, _stopped())
        elif not self._outage.refuses(request):
            self._put(request)

    def _put(self, request: Request) -> None:
        self._queue.put(request)
        self._wake.set()

    async def _run(self) -> None:
        try:
            async with asyncio.TaskGroup() as lanes:
                for _ in range(self._lanes):
                    lanes.create_task(self._commit_until_closed())
        finally:  # cancelled with the whole event loop: nobody must wait for an answer that cannot come
            for request in self._queue.abandon():
                fail(request, _stopped())
            self._outage.abandon(_stopped())

    async def _commit_until_closed(self) -> None:
        while True:
            while not self._outage.is_on and (batch := self._queue.take(self._free_lanes)):
                self._free_lanes -= 1
                try:
                    await self._process(batch)
                finally:
                    self._free_lanes += 1
            if self._outage.is_on and not self._is_outlasting:
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

    async def _outlast(self) -> None:
        self._is_outlasting = True
        try:
            self._queue.put_first(await self._outage.wait(self._queue.take_all))
        finally:
            self._is_outlasting = False
            self._wake.set()

    async def _process(self, batch: Sequence[Request]) -> None:
        requests = batch
        try:
            decided = await self._decide(batch)
            self._handle_undecided(decided)
            requests = decided.requests()
            result = await self._commit(decided) if requests else None
            self._queue.is_back(batch)
            if result is not None:
                self._trouble.is_over()
                self._queue.put_first(self._aftermath.committed(decided, result))
        except asyncio.CancelledError:
            for request in requests:
                fail(request, _stopped())
            raise
        except Exception as error:  # noqa: BLE001 - the top of a background loop
            self._queue.is_back(batch)
            self._trouble.befell(requests, error)

    async def _decide(self, batch: Sequence[Request]) -> Decisions:
        requests = [request for request in dict.fromkeys(batch) if not request.reply.is_over]
        unreadable: dict[RunKey, ManifestNotUnderstood] = {}
        works = await self._works_for(requests, unreadable)
        done = {request for request in requests if request.is_unclear and await self._has_happened(request, works)}
        decided = Decisions(self._clock.now(), works, unreadable)
        decided.decide(request for request in requests if request not in done)
        return decided

    async def _works_for(
        self, requests: Sequence[Request], unreadable: dict[RunKey, ManifestNotUnderstood]
    ) -> dict[RunKey, RunWork]:
        """The runs that commands are about. Held here while the batch is built: the cache may lose any of them."""
        works: dict[RunKey, RunWork] = {}
        missing: list[UUID] = []
        for request in requests:
            run_id = request.run_id
            if request.is_unclear:
                missing.append(run_id)
            elif isinstance(request, Commanding) and run_id.int not in works:
                run = self._runs.get(run_id)
                if run is None:
                    missing.append(run_id)
                else:
                    works[run_id.int] = RunWork(run)
        if missing:
            loaded = await self._runs.load(dict.fromkeys(missing), unreadable)
            works.update((run_id.int, RunWork(run, is_fresh=True)) for run_id, run in loaded.items())
        return works

    async def _has_happened(self, request: Request, works: Mapping[RunKey, RunWork]) -> bool:
        work = works.get(request.run_id.int)
        told = await is_told(self._store, request)
        return self._aftermath.has_happened(request, None if work is None else work.run, told=told)

    def _handle_undecided(self, decided: Decisions) -> None:
        """See to the requests that are not in the batch after all."""
        for claim in decided.lost:
            self._aftermath.answer(claim, False)
        for request, refs in decided.lacking:
            self._set_aside(self._fetch_payloads(request, refs))
        for request in decided.stale:
            self._runs.drop(request.run_id)
        self._queue.put_first(decided.stale)
        for request in decided.postponed:
            self._queue.put(request)

    async def _commit(self, decided: Decisions) -> BatchResult:
        calls_others = self._leaves_work(decided.changes())
        try:
            return await self._store.commit(decided.batch(self._worker_id, calls_others=calls_others))
        except BaseException as error:
            self._aftermath.failed(decided)
            if isinstance(error, CommitUnclear):
                self._trouble.is_unclear(decided)
            raise

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
            self._put(request)

    def _put_aside(self, request: Request, error: StorageUnavailable) -> None:
        self._set_aside(self._try_later(request, error))

    async def _try_later(self, request: Request, error: StorageUnavailable) -> None:
        if not self._outage.may_wait(request):
            fail(request, error)
            return
        await self._clock.wait(self._is_closing, self._chance.uniform(0.5, 1.0))
        self._put(request)


def _stopped() -> StorageUnavailable:
    return StorageUnavailable("the engine has stopped, or was not started: 'async with orchestrator' does so")
