"""The signal by which a handler learns that it should stop. For coroutines and threads alike."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

__all__ = ["CancelSignal"]


class CancelSignal:
    """Set once, never cleared. All methods may be called from any thread."""

    __slots__ = ("_is_set", "_listeners", "reason")
    _lock = threading.Lock()
    """One for all signals: it is held for a moment only, and every attempt has a signal."""

    def __init__(self) -> None:
        self._is_set = False
        self._listeners: list[Callable[[], object]] | None = None
        self.reason: str | None = None

    def is_set(self) -> bool:
        """Whether the handler should stop."""
        return self._is_set

    def set(self, reason: str | None = None) -> None:
        """Ask the handler to stop; the second call does nothing."""
        with self._lock:
            if self._is_set:
                return
            self.reason = reason
            self._is_set = True
            listeners, self._listeners = self._listeners, None
        for listener in listeners or ():
            listener()

    async def wait(self) -> None:
        """Return once the signal is set. For async handlers."""
        loop = asyncio.get_running_loop()
        event = asyncio.Event()

        def wake() -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(event.set)

        if self._listen(wake):
            try:
                await event.wait()
            finally:
                self._forget(wake)

    def wait_blocking(self, timeout_seconds: float | None = None) -> bool:
        """Block until the signal is set (True) or the time is up (False). For sync handlers: a sleep that can be cut
        short."""
        event = threading.Event()
        if not self._listen(event.set):
            return True
        try:
            return event.wait(timeout_seconds)
        finally:
            self._forget(event.set)

    def _listen(self, listener: Callable[[], object]) -> bool:
        with self._lock:
            if not self._is_set:
                self._listeners = [*(self._listeners or ()), listener]
            return not self._is_set

    def _forget(self, listener: Callable[[], object]) -> None:
        with self._lock:
            self._listeners = [each for each in self._listeners or () if each != listener]
