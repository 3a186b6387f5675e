"""An event loop on which waiting costs nothing: its time jumps to the next timer as soon as nothing else can run."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["Stuck", "VirtualTimeLoop"]


class Stuck(Exception):
    """Every task waits for something that nothing will bring."""


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Starts at second 0. Callbacks take no time at all.

    ``is_busy_outside`` tells whether threads or other processes work for the loop: time stands still until they report.
    When nothing is left to wait for, :class:`Stuck` is raised after ``patience_seconds`` of real time.
    """

    def __init__(self, *, is_busy_outside: Callable[[], bool] = lambda: False, patience_seconds: float = 30.0) -> None:
        self._seconds = 0.0
        self._is_busy_outside = is_busy_outside
        self._patience_seconds = patience_seconds
        super().__init__(_JumpingSelector(self._wait))
        # asyncio runs timers that are due within its clock's resolution. One nanosecond, as of the real clock, vanishes
        # in the rounding of a time that has jumped by months, and the timer would never be due. A microsecond would let
        # those who wait for the next tick of the clock wake up before it.
        self._clock_resolution = 1e-7

    def time(self) -> float:
        return self._seconds

    def _wait(self, real: selectors.BaseSelector, seconds: float | None) -> _Events:
        events = real.select(0)
        if events or seconds == 0:
            return events
        if seconds is None or self._is_busy_outside():
            return self._wait_outside(real)
        self._seconds += seconds
        return events

    def _wait_outside(self, real: selectors.BaseSelector) -> _Events:
        events = real.select(self._patience_seconds)
        if not events:
            raise Stuck(f"nothing has happened for {self._patience_seconds:g} seconds, and no timer is set")
        return events


_Events = list[tuple[selectors.SelectorKey, int]]


class _JumpingSelector(selectors.BaseSelector):
    """Asks ``wait`` how to spend the time until the next timer; everything else is up to the real selector."""

    def __init__(self, wait: Callable[[selectors.BaseSelector, float | None], _Events]) -> None:
        self._real = selectors.DefaultSelector()
        self._wait = wait

    def select(self, timeout: float | None = None) -> _Events:
        return self._wait(self._real, timeout)

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.modify(fileobj, events, data)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()

    def close(self) -> None:
        self._real.close()
