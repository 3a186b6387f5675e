"""Commits in transactions of others: a report in that of its handler, a new run in that of its caller.

They do not go through the committer's queue. On a database with one writer the commit ahead of them in the queue would
wait for the handler's transaction, and that one for its turn in the queue.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from uuid import UUID

from floworch.core.engine.batch import RunWork, start_work
from floworch.core.engine.reply import Reply
from floworch.core.engine.requests import Commanding, Started, Starting
from floworch.core.engine.runs import Runs
from floworch.core.machine.commands import ClaimOffer, Command
from floworch.core.machine.environment import PayloadsNeeded
from floworch.core.machine.state import RunFacts, RunState
from floworch.core.machine.transition import Transition
from floworch.core.model.payload import Payload, PayloadRef
from floworch.core.ports.clock import Clock
from floworch.core.ports.storage import Batch, Outcome, Storage
from floworch.core.ports.transactions import StoreTransaction
from floworch.errors import RunNotFound, StorageUnavailable

__all__ = ["DirectCommits"]

_MOST_CONFLICTS = 20
_NOBODY = ""
"""Calls all workers, this one too: it learns of the caller's commit as little as the others."""


class DirectCommits:
    """``on_committed`` and ``leaves_work`` are called as by the :class:`~floworch.core.engine.committer.Committer`."""

    def __init__(
        self,
        store: Storage,
        runs: Runs,
        clock: Clock,
        owner: str,
        on_committed: Callable[[RunState, Transition], None],
        leaves_work: Callable[[Iterable[tuple[RunFacts, Transition]]], bool],
    ) -> None:
        self._leaves_work = leaves_work
        self._store = store
        self._runs = runs
        self._clock = clock
        self._owner = owner
        self._on_committed = on_committed

    async def commit(
        self, transaction: StoreTransaction, run_id: UUID, command: Command, offer: ClaimOffer | None
    ) -> Transition:
        """Commit what the command makes of the run in that transaction, and end it, whatever happens.

        Raises Fenced, RunNotFound, StorageError.
        """
        try:
            return await self._commit(transaction, run_id, command, offer)
        finally:
            await transaction.rollback()

    async def start(self, connection: object, request: Starting) -> Started:
        """Write a new run into the caller's transaction. Nothing of it is worked on here before somebody finds it: this
        engine cannot know when the caller commits, or whether. Raises ConfigurationError, StorageError."""
        now = self._clock.now()
        batch = Batch(creations=[start_work(request, now).creation(self._owner, now)], caller=_NOBODY)
        [run_id] = (await self._store.enlist(connection, batch)).creations
        return Started(run_id, duplicate=run_id != request.run_id, transition=None)

    async def _commit(
        self, transaction: StoreTransaction, run_id: UUID, command: Command, offer: ClaimOffer | None
    ) -> Transition:
        for _ in range(_MOST_CONFLICTS):
            work = await self._decide(transaction, run_id, command, offer)
            result = await transaction.commit(self._batch(work))
            if result.advances == [Outcome.DONE]:
                return self._committed(work)
            self._runs.drop(run_id)
        raise StorageUnavailable(f"run {run_id} was moved by others {_MOST_CONFLICTS} times in a row")

    async def _decide(
        self, transaction: StoreTransaction, run_id: UUID, command: Command, offer: ClaimOffer | None
    ) -> RunWork:
        """Decide on the run as it is now: a cached state may be old, and a conflict costs more here."""
        stored = await transaction.load(run_id)
        if stored is None:
            raise RunNotFound(f"there is no run {run_id}")
        work = RunWork(await self._runs.rebuilt(stored))
        request = Commanding(run_id, command, offer, Reply())
        given: dict[PayloadRef, Payload | None] = {}
        while True:
            try:
                work.reduce(request, command, offer, given, self._clock.now())
            except PayloadsNeeded as needed:
                given.update(await self._runs.payloads(run_id, needed.refs))
            else:
                return work

    def _batch(self, work: RunWork) -> Batch:
        changes = [(work.run.state.facts, transition) for _, transition in work.done]
        return Batch(
            advances=[work.advance(self._owner, self._clock.now())],
            caller=self._owner if self._leaves_work(changes) else None,
        )

    def _committed(self, work: RunWork) -> Transition:
        work.committed()
        state = work.run.state
        if state.status.is_final:
            self._runs.drop(state.facts.run_id)
        else:
            self._runs.put(work.run)
        [(_, transition)] = work.done
        self._on_committed(state, transition)
        return transition
