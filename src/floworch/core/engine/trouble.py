"""What becomes of the requests of a batch that failed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from traceback import format_exc
from uuid import UUID

from floworch.core.engine.deciding import Decisions
from floworch.core.engine.outage import Outage, fail
from floworch.core.engine.queue import RequestQueue
from floworch.core.engine.requests import Claiming, Request
from floworch.core.engine.settings import EngineSettings
from floworch.core.ports.clock import Clock
from floworch.errors import StorageError, StorageTimeout, StorageUnavailable
from floworch.observability.logging import get_library_logger

__all__ = ["Trouble"]

_MOST_RUNS_THAT_TIME_OUT = 3
"""Beyond that many, with nothing committed between, it is not a run that is locked but everything."""


class Trouble:
    """``try_later`` puts a request back in the queue after a pause."""

    def __init__(
        self,
        queue: RequestQueue,
        outage: Outage,
        clock: Clock,
        settings: EngineSettings,
        try_later: Callable[[Request, StorageUnavailable], None],
    ) -> None:
        self._log = get_library_logger("floworch.engine")
        self._queue = queue
        self._outage = outage
        self._clock = clock
        self._patience = timedelta(seconds=settings.storage_patience_seconds)
        self._try_later = try_later
        self._timed_out: set[UUID] = set()

    def befell(self, requests: Sequence[Request], error: Exception) -> None:
        """Decide what to do with the requests: again, each by itself, later, or not at all."""
        if isinstance(error, StorageTimeout):
            self._too_slow(requests, error)
        elif isinstance(error, StorageUnavailable):
            self._storage_failed(requests, error)
        elif isinstance(error, StorageError):
            self._isolate(requests, error)
        else:
            self._log.error("commit_failed", requests=len(requests), traceback=format_exc())
            self._isolate(requests, error)

    def is_over(self) -> None:
        """A commit has reached the store."""
        self._outage.end()
        self._timed_out.clear()

    def is_unclear(self, decided: Decisions) -> None:
        """Find out about these before anything else: what they claimed nobody runs, and who asked has no answer."""
        until = self._clock.now() + self._patience
        for request, transition in [pair for work in (*decided.creations, *decided.advances) for pair in work.done]:
            request.is_unclear = True
            if isinstance(request, Claiming):
                request.patient_until = until
            else:
                request.tried, request.tried_at = transition, decided.now
                request.patient_until = request.patient_until or until
        for claim in decided.claims:
            claim.is_unclear, claim.patient_until = True, until

    def _storage_failed(self, requests: Sequence[Request], error: StorageUnavailable) -> None:
        self._outage.begin(error, [*requests, *self._queue.take_all()])

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
            self._try_later(requests[0], error)

    def _isolate(self, requests: Sequence[Request], error: Exception) -> None:
        """One of them is poison. Commit each by itself, so that it alone fails."""
        if len(requests) == 1 and (requests[0].alone or not requests[0].is_unclear):
            fail(requests[0], error)
            return
        for request in requests:
            request.alone = True
            self._queue.put(request)
