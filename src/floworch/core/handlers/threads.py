"""The threads that run sync handlers."""

from __future__ import annotations

import asyncio
import contextvars
import itertools
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from floworch.core.handlers.ended import End, Ended, Raised
from floworch.core.handlers.ended import call as call_and_catch

__all__ = ["HandlerThreads", "ThreadCall"]

_IDLE_SECONDS = 30.0


class ThreadCall:
    """One call on its way through a thread. ``end`` is told on the event loop that made the call."""

    __slots__ = ("_abandon", "_context", "_function", "_loop", "end", "is_abandoned")

    def __init__(
        self,
        function: Callable[[], Any],
        abandon: Callable[[ThreadCall], None],
        told: Callable[[Ended], None] | None,
    ) -> None:
        self._function = function
        self._abandon = abandon
        self._context = contextvars.copy_context()
        self._loop = asyncio.get_running_loop()
        self.end = End(told)
        self.is_abandoned = False

    def request_stop(self) -> None:
        """A thread cannot be interrupted: the handler sees ``ctx.cancelled``."""

    def abandon(self) -> None:
        """Give the call up: it is not started any more, or its thread is replaced and ends when the call does."""
        self._abandon(self)

    def run(self) -> None:
        """Make the call; on a thread of the pool."""
        self._answer(self._context.run(call_and_catch, self._function))

    def refuse(self) -> None:
        """Answer without having made the call."""
        self._answer(Raised(RuntimeError("The worker was stopped before a thread was free for the handler.")))

    def _answer(self, ended: Ended) -> None:
        try:
            self._loop.call_soon_threadsafe(self.end.tell, ended)
        except RuntimeError:  # the loop was closed meanwhile: nobody waits any more
            return


class HandlerThreads:
    """At most ``size`` calls at a time, each on a daemon thread: a handler that hangs must not keep the interpreter
    from exiting. Threads start when needed and end when idle for half a minute. Calls beyond ``size`` wait in order.

    Context variables are copied from the caller.
    """

    def __init__(self, size: int) -> None:
        if size < 1:
            raise ValueError(f"size is {size}; at least one thread is needed")
        self.size = size
        self._changed = threading.Condition()
        self._waiting: deque[ThreadCall] = deque()
        self._running: set[ThreadCall] = set()
        self._threads = 0
        self._idle = 0
        self._is_closed = False
        self._numbers = itertools.count(1)

    @property
    def running(self) -> int:
        """Calls that have a thread and were not abandoned."""
        with self._changed:
            return len(self._running)

    def start(self, function: Callable[[], Any], told: Callable[[Ended], None] | None = None) -> ThreadCall:
        """Run the function as soon as a thread is free; ``told`` how it ended, on the event loop that this is called
        on."""
        call = ThreadCall(function, self._abandon, told)
        with self._changed:
            if self._is_closed:
                raise RuntimeError("The handler threads are closed; no more calls can be started.")
            self._waiting.append(call)
            self._serve_waiting()
        return call

    def close(self) -> None:
        """Start nothing more; calls that still wait fail. Running ones go on and their threads end after them;
        nothing is waited for."""
        with self._changed:
            self._is_closed = True
            refused, self._waiting = list(self._waiting), deque()
            self._changed.notify_all()
        for call in refused:
            call.refuse()

    def _abandon(self, call: ThreadCall) -> None:
        with self._changed:
            call.is_abandoned = True
            if call in self._running:
                self._running.discard(call)
                self._threads -= 1
                self._serve_waiting()
            elif call in self._waiting:
                self._waiting.remove(call)

    def _serve_waiting(self) -> None:
        if self._idle >= len(self._waiting):
            self._changed.notify()
        elif self._threads < self.size:
            self._threads += 1
            threading.Thread(target=self._work, name=f"floworch-handler-{next(self._numbers)}", daemon=True).start()

    def _work(self) -> None:
        while (call := self._next()) is not None:
            call.run()
            if not self._finished(call):
                return

    def _next(self) -> ThreadCall | None:
        with self._changed:
            self._idle += 1
            self._changed.wait_for(lambda: self._waiting or self._is_closed, _IDLE_SECONDS)
            self._idle -= 1
            if not self._waiting:
                self._threads -= 1
                return None
            call = self._waiting.popleft()
            self._running.add(call)
            return call

    def _finished(self, call: ThreadCall) -> bool:
        """Whether the thread still belongs to the pool: the thread of an abandoned call was replaced."""
        with self._changed:
            self._running.discard(call)
            return not call.is_abandoned
