"""In which order ready steps are taken."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from floworch.core.ports.storage import ReadyStep

__all__ = ["ReadySince", "fair_order"]


class ReadySince(NamedTuple):
    priority: int
    """Of the run; higher goes first."""
    ready_at: datetime


def fair_order(steps: Iterable[tuple[ReadySince, ReadyStep]]) -> list[ReadyStep]:
    """Highest priority first; among equals the flows take turns, each with the step that has been ready longest."""
    turns: Counter[tuple[int, UUID]] = Counter()
    ranked: list[tuple[int, int, datetime, ReadyStep]] = []
    for since, step in sorted(steps, key=lambda pair: pair[0].ready_at):
        flow = (since.priority, step.flow_id)
        ranked.append((-since.priority, turns[flow], since.ready_at, step))
        turns[flow] += 1
    return [step for *_, step in sorted(ranked, key=lambda each: each[:3])]
