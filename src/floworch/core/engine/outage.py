"""What becomes of requests while the store cannot be reached: results of handlers are kept, everybody else is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from random import Random
from uuid import UUID

from floworch.core.engine.availability import Availability, Backoff
from floworch.core.engine.requests import Commanding, Request, Starting
from floworch.core.ports.clock import Clock
from floworch.core.ports.storage import Storage
from floworch.errors import CommitUnclear, StorageError, StorageUnavailable

__all__ = ["Outage", "fail"]

_USE = "committing"


class Outage:
    """One that may be going on. What it keeps is bounded: each kept result has a slot of the runtime for itself."""

    def __init__(
        self, store: Storage, clock: Clock, availability: Availability, chance: Random, is_closing: asyncio.Event
    ) -> None:
        self._store = store
        self._clock = clock
        self._availability = availability
        self._backoff = Backoff(chance)
        self._is_closing = is_closing
        self._error: StorageUnavailable | None = None
        self._kept: list[Request] = []

    @property
    def is_on(self) -> bool:
        return self._error is not None

    def begin(self, error: StorageUnavailable, requests: Iterable[Request]) -> None:
        """Keep the patient ones of the requests; the others fail."""
        self._error = error
        self._availability.failed(_USE, error)
        self._kept = self._patient([*self._kept, *requests], error)

    def end(self) -> None:
        """A commit has reached the store."""
        self._error = None
        self._availability.succeeded(_USE)
        self._backoff.reset()

    def refuses(self, request: Request) -> bool:
        """Fails the request when there is an outage that it may not wait for."""
        return self._error is not None and not self._patient([request], self._error)

    def abandon(self, error: StorageUnavailable) -> None:
        for request in self._kept:
            fail(request, error)

    async def wait(self, take_queued: Callable[[], Iterable[Request]]) -> list[Request]:
        """Pause; the answer is what to try again. When there is nothing, the store is asked whether it is there."""
        assert self._error is not None
        error = self._error
        await self._clock.wait(self._is_closing, self._backoff.next_seconds())
        again = self._patient([*self._take_kept(), *take_queued()], error)
        if again or self._is_closing.is_set():
            self._error = None  # until the next attempt fails; the backoff goes on
        else:
            await self._ask()
            again = self._take_kept()  # of a batch that has failed while the store was asked
        return again

    def _take_kept(self) -> list[Request]:
        kept, self._kept = self._kept, []
        return kept

    def may_wait(self, request: Request) -> bool:
        if isinstance(request, Commanding) and request.patience is not None and request.patient_until is None:
            request.patient_until = self._clock.now() + request.patience
        until = request.patient_until
        return until is not None and self._clock.now() < until and not self._is_closing.is_set()

    async def _ask(self) -> None:
        try:
            await self._store.find_run_by_key(UUID(int=0), "is anybody there?")
        except StorageUnavailable as error:
            self._error = error
        except StorageError:
            return
        else:
            self.end()

    def _patient(self, requests: Iterable[Request], error: StorageUnavailable) -> list[Request]:
        found: list[Request] = []
        for request in dict.fromkeys(requests):
            if self.may_wait(request):
                found.append(request)
            else:
                fail(request, error)
        return found


def fail(request: Request, error: Exception) -> None:
    """Answer with the error, unless there is nobody to hear it."""
    if not request.reply.is_over:
        request.reply.tell_error(_told(request, error) if isinstance(error, StorageUnavailable) else error)


def _told(request: Request, error: StorageUnavailable) -> StorageUnavailable:
    """An error of its own, as each gets another traceback."""
    told = type(error)(*error.args)
    if request.is_unclear and isinstance(request, Starting):
        told = CommitUnclear(
            f"whether run {request.run_id} was started is not known: {error}. Look for it by its id when the store is "
            "back, or trigger again with the same idempotency key; without one another run would start"
        )
    told.__cause__ = error
    return told
