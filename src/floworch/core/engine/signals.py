"""Sending signals to runs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from random import Random
from uuid import UUID

from floworch.core.engine.batch import RunWork
from floworch.core.engine.reply import Reply
from floworch.core.engine.requests import Commanding
from floworch.core.engine.runs import Runs
from floworch.core.machine.commands import Command, SignalReceived
from floworch.core.machine.environment import PayloadsNeeded
from floworch.core.machine.mailbox import Letter
from floworch.core.machine.reduce import SignalKnown
from floworch.core.machine.transition import Transition
from floworch.core.model.ids import uuid7
from floworch.core.model.payload import Payload, PayloadRef
from floworch.core.model.signals import SignalResult, SignalStatus
from floworch.core.ports.clock import Clock
from floworch.core.ports.storage import Batch, Outcome, Storage
from floworch.errors import RunNotFound, StorageUnavailable

__all__ = ["Signals"]

_MOST_TRIES = 20
_NOBODY = ""
"""Calls all workers, this one too: it learns of the caller's commit as little as the others."""


class Signals:
    """``submit`` hands a command to the engine; ``owner`` is this worker."""

    def __init__(
        self,
        store: Storage,
        runs: Runs,
        clock: Clock,
        chance: Random,
        owner: str,
        submit: Callable[[UUID, Command], Awaitable[Transition]],
    ) -> None:
        self._store = store
        self._runs = runs
        self._clock = clock
        self._chance = chance
        self._owner = owner
        self._submit = submit

    async def send(
        self, run_id: UUID, name: str, payload: Payload, deduplication_id: str | None, connection: object | None
    ) -> SignalResult:
        """Returns when the signal is durable; with ``connection``, that is when its transaction commits.

        Raises RunNotFound, SignalNotExpected, SignalRefused, StorageError; with ``connection`` ConfigurationError.
        """
        signal_id = uuid7(self._clock.now(), self._chance.getrandbits(80))
        command = SignalReceived(signal_id, name, payload, deduplication_id)
        try:
            if connection is None:
                transition = await self._submit(run_id, command)
            else:
                transition = await self._enlist(connection, run_id, command)
        except SignalKnown as known:
            return _known(command, known.letter)
        return _sent(command, transition)

    async def _enlist(self, connection: object, run_id: UUID, command: SignalReceived) -> Transition:
        """Write what the signal makes of the run into the caller's transaction. Nothing that follows is worked on here
        before somebody finds it: this engine cannot know when the caller commits, or whether."""
        refs: frozenset[PayloadRef] = frozenset()
        for _ in range(_MOST_TRIES):
            try:
                work = await self._decide(connection, run_id, command, refs)
            except PayloadsNeeded as needed:
                refs |= needed.refs
                continue
            [(_, transition)] = work.done
            advance = work.advance(self._owner, self._clock.now())
            batch = Batch(advances=[advance], caller=_NOBODY if transition.ready else None)
            if (await self._store.enlist(connection, batch)).advances == [Outcome.DONE]:
                return transition
        raise StorageUnavailable(f"run {run_id} was moved by others {_MOST_TRIES} times in a row")

    async def _decide(
        self, connection: object, run_id: UUID, command: SignalReceived, refs: frozenset[PayloadRef]
    ) -> RunWork:
        """Decide on the run as the caller's transaction sees it, which may have changed it before."""
        found = await self._store.load_enlisted(connection, run_id, list(refs))
        if found is None:
            raise RunNotFound(f"there is no run {run_id}")
        stored, payloads = found
        work = RunWork(await self._runs.rebuilt(stored))
        request = Commanding(run_id, command, None, Reply())
        work.reduce(request, command, None, payloads, self._clock.now())
        return work


def _sent(command: SignalReceived, transition: Transition) -> SignalResult:
    assert transition.rarities is not None
    [signal] = transition.rarities.signals
    status = SignalStatus.BUFFERED if signal.waiter is None else SignalStatus.DELIVERED
    return SignalResult(status, command.id, signal.waiter)


def _known(command: SignalReceived, letter: Letter) -> SignalResult:
    if letter.id != command.id:
        return SignalResult(SignalStatus.ALREADY_DELIVERED, letter.id, letter.taken_by)
    # This very signal: its commit was unclear, and has happened.
    status = SignalStatus.BUFFERED if letter.taken_by is None else SignalStatus.DELIVERED
    return SignalResult(status, letter.id, letter.taken_by)
