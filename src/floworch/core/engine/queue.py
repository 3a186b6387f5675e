"""Requests that wait for a batch."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from floworch.core.engine.requests import Request
from floworch.core.model.ids import RunKey

__all__ = ["RequestQueue"]

_WORTH_A_BATCH = 64
"""Fewer requests are not shared out: each batch has its price."""


class RequestQueue:
    """First come, first served, except that a run is in one batch at a time: its other requests wait for that batch.

    ``lanes`` is how many batches are under way at most.
    """

    def __init__(self, largest_batch: int, lanes: int) -> None:
        self._largest_batch = largest_batch
        self._lanes = lanes
        self._waiting: deque[Request] = deque()
        self._under_way: dict[RunKey, list[Request]] = {}
        """Run in a batch under way → requests that wait for that batch."""

    def __len__(self) -> int:
        return len(self._waiting) + sum(map(len, self._under_way.values()))

    def put(self, request: Request) -> None:
        self._waiting.append(request)

    def put_first(self, requests: Sequence[Request]) -> None:
        """Before all others, in their order."""
        self._waiting.extendleft(reversed(requests))

    def take(self, free_lanes: int = 1) -> list[Request]:
        """The next batch; empty when there is nothing to do before one that is under way is back.

        When more lanes are free it leaves them their share. So one batch is decided while the store writes another;
        otherwise all would move in step, process and store in turns.
        """
        batch: list[Request] = []
        share = max(_WORTH_A_BATCH, -(-len(self._waiting) // free_lanes))
        while self._waiting and len(batch) < self._largest_batch:
            following = self._waiting[0]
            if batch and (batch[0].alone or following.alone):
                break
            if len(batch) >= share and following.run_id != batch[-1].run_id:  # the rest of a run could not go elsewhere
                break
            request = self._waiting.popleft()
            if self._under_way and request.run_id.int in self._under_way:
                self._under_way[request.run_id.int].append(request)
            else:
                batch.append(request)
        self._note_under_way(batch)
        return batch

    def is_back(self, batch: Sequence[Request]) -> None:
        """The batch is not under way any more: what has waited for its runs comes next. A second call does nothing."""
        if self._lanes > 1:
            held = [each for request in batch for each in self._under_way.pop(request.run_id.int, ())]
            self.put_first(held)

    def take_all(self) -> list[Request]:
        """Everything that does not wait for a batch under way."""
        taken = list(self._waiting)
        self._waiting.clear()
        return taken

    def abandon(self) -> list[Request]:
        """Everything, at the end of all batches."""
        held = [request for waiting in self._under_way.values() for request in waiting]
        self._under_way.clear()
        return [*held, *self.take_all()]

    def _note_under_way(self, batch: Sequence[Request]) -> None:
        if self._lanes > 1:  # with a single one nothing is ever under way while a batch is taken
            for request in batch:
                self._under_way.setdefault(request.run_id.int, [])
