"""In which order ready steps are taken: highest priority first; among equals the flows take turns."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from floworch.core.ports.storage import ReadyStep

__all__ = ["FairQueue", "fair_order"]


class FairQueue:
    """Ready steps on their way to a worker; each step and attempt once.

    The flows of one priority take turns, each with the step that it put in first.
    """

    def __init__(self) -> None:
        self._turns: dict[int, OrderedDict[UUID, deque[ReadyStep]]] = {}
        self._queued: set[ReadyStep] = set()

    def __len__(self) -> int:
        return len(self._queued)

    def put(self, step: ReadyStep) -> None:
        if step not in self._queued:
            self._queued.add(step)
            self._turns.setdefault(step.priority, OrderedDict()).setdefault(step.flow_id, deque()).append(step)

    def take(self) -> ReadyStep:
        """The step whose turn it is. Raises ``ValueError`` when there is none."""
        priority = max(self._turns)
        flows = self._turns[priority]
        flow_id, steps = flows.popitem(last=False)
        step = steps.popleft()
        self._queued.discard(step)
        if steps:
            flows[flow_id] = steps
        elif not flows:
            del self._turns[priority]
        return step

    def clear(self) -> None:
        self._turns.clear()
        self._queued.clear()


def fair_order(steps: Iterable[tuple[datetime, ReadyStep]]) -> list[ReadyStep]:
    """Steps, each with the time since when it is ready, in the order in which to take them."""
    queue = FairQueue()
    for _, step in sorted(steps, key=lambda pair: pair[0]):
        queue.put(step)
    return [queue.take() for _ in range(len(queue))]
