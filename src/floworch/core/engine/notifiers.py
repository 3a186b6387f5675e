"""Whom this process tells of which ends of runs, and how it calls them: never for longer than it may take."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from inspect import isawaitable, iscoroutinefunction
from typing import Any
from uuid import UUID

from floworch.core.handlers.ended import Raised
from floworch.core.handlers.threads import HandlerThreads
from floworch.core.model.notices import FailureNotice, Notifier, Throttle
from floworch.core.model.records import RunRecord
from floworch.core.model.status import RunStatus

__all__ = ["Caller", "Registration", "Throttling", "told_ends"]

_THREADS = 8


@dataclass(frozen=True, slots=True, eq=False)
class Registration:
    """A notifier, and what it wants to be told. ``link`` is a template for :meth:`link_to`."""

    notifier: Notifier
    flow_ids: frozenset[UUID]
    statuses: frozenset[RunStatus]
    throttle: Throttle | None = None
    link: str | None = None

    @property
    def name(self) -> str:
        """For the log."""
        return getattr(self.notifier, "__qualname__", None) or type(self.notifier).__qualname__

    def wants(self, flow_id: UUID, status: RunStatus) -> bool:
        return flow_id in self.flow_ids and status in self.statuses

    def link_to(self, run: RunRecord) -> str | None:
        """The link with ``{run_id}``, ``{flow_id}``, ``{flow}`` and ``{status}`` filled in."""
        if self.link is None:
            return None
        return self.link.format(run_id=run.id, flow_id=run.flow_id, flow=run.flow_name, status=run.status)


def told_ends(registrations: Iterable[Registration]) -> Mapping[UUID, frozenset[RunStatus]]:
    """Flow → the ends of its runs that somebody is told of."""
    found: defaultdict[UUID, frozenset[RunStatus]] = defaultdict(frozenset)
    for registration in registrations:
        for flow_id in registration.flow_ids:
            found[flow_id] |= registration.statuses
    return found


class Throttling:
    """Counts what one registration is told, by flow."""

    def __init__(self, throttle: Throttle | None) -> None:
        self._throttle = throttle
        self._told: defaultdict[UUID, deque[datetime]] = defaultdict(deque)
        self._left_out: defaultdict[UUID, int] = defaultdict(int)

    def admits(self, flow_id: UUID, now: datetime) -> bool:
        """Whether there is room for one more; it is taken, or counted as left out."""
        if self._throttle is None:
            return True
        told = self._told[flow_id]
        while told and now - told[0] >= timedelta(seconds=self._throttle.seconds):
            told.popleft()
        if len(told) < self._throttle.limit:
            told.append(now)
            return True
        self._left_out[flow_id] += 1
        return False

    def take_left_out(self, flow_id: UUID) -> int:
        """How many were left out since it was asked last."""
        return self._left_out.pop(flow_id, 0)

    def give_back(self, flow_id: UUID, count: int) -> None:
        """They were not told after all."""
        if count:
            self._left_out[flow_id] += count


class Caller:
    """Calls notifiers: coroutine functions on the event loop, all others on threads of their own."""

    def __init__(self, timeout_seconds: float) -> None:
        self._timeout_seconds = timeout_seconds
        self._threads = HandlerThreads(_THREADS)
        self._tasks: set[asyncio.Task[Any]] = set()
        """Also those that were given up and have not noticed."""

    async def call(self, notifier: Notifier, notice: FailureNotice) -> None:
        """Raises what the notifier raises, and TimeoutError when it takes too long: then it is left to itself."""
        task = asyncio.create_task(self._call(notifier, notice))
        self._tasks.add(task)
        task.add_done_callback(self._forget)
        done, _ = await asyncio.wait({task}, timeout=self._timeout_seconds)
        if not done:
            task.cancel()
            raise TimeoutError(f"the notifier took longer than {self._timeout_seconds:g} seconds")
        await task

    async def close(self, notifiers: Sequence[Notifier]) -> None:
        """Start nothing more, and let the notifiers close what they have open."""
        self._threads.close()
        for notifier in notifiers:
            close: Callable[[], Any] | None = getattr(notifier, "aclose", None)
            if close is not None:
                await close()

    async def _call(self, notifier: Notifier, notice: FailureNotice) -> None:
        if _is_async(notifier):
            await notifier(notice)
            return
        call = self._threads.start(partial(notifier, notice))
        try:
            ended = await call.end.wait()
        except asyncio.CancelledError:
            call.abandon()
            raise
        if isinstance(ended, Raised):
            raise ended.error
        if isawaitable(ended.value):
            await ended.value

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # nobody else asks for that of a call that was given up


def _is_async(notifier: Notifier) -> bool:
    function = notifier.func if isinstance(notifier, partial) else notifier
    return iscoroutinefunction(function) or iscoroutinefunction(getattr(function, "__call__", None))  # noqa: B004
