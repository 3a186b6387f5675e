"""An event loop that several simulated processes share, each behind a gate that can be shut or closed for ever.

Every callback belongs to the process whose gate is in its context. Those of a paused process are held back until it
goes on; those of a dead one are never called again, so that it cannot run a single line of clean-up.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable
from contextvars import Context, ContextVar, copy_context
from typing import Any, TypeVarTuple

from floworch.testing.loop import Stuck, VirtualTimeLoop

__all__ = ["GATE", "OUTSIDE", "Gate", "GatedLoop"]

_Ts = TypeVarTuple("_Ts")
_MOST_CALLS_AT_ONE_INSTANT = 200_000


class Gate:
    """Whether a process may run. Keeps its tasks alive: garbage collection would run their clean-up."""

    def __init__(self) -> None:
        self.is_dead = False
        self.is_paused = False
        self.tasks: list[asyncio.Task[Any]] = []
        self._held: list[_Call] = []

    def pause(self) -> None:
        self.is_paused = True

    def resume(self) -> None:
        self.is_paused = False
        if self.is_dead:
            return
        held, self._held = self._held, []
        for call in held:
            call.again()

    def kill(self) -> None:
        self.is_dead = True

    def open_for_burial(self) -> None:
        """Let the remains be cancelled and collected after the history: a task whose call is held cannot end."""
        self.is_dead = False
        self.resume()

    def admit(self, call: _Call) -> bool:
        """Whether the call may be made now. One that may not is held back."""
        if self.is_dead or self.is_paused:
            self._held.append(call)
            return False
        return True


GATE: ContextVar[Gate | None] = ContextVar("gate", default=None)
OUTSIDE = Context()
"""Context of what belongs to no process: the database, the network, and whoever does the damage."""


class GatedLoop(VirtualTimeLoop):
    def __init__(self) -> None:
        self._calls = 0
        super().__init__(patience_seconds=0.0)
        self.set_task_factory(_remember_task)

    def call_soon(
        self, callback: Callable[[*_Ts], object], *args: *_Ts, context: Context | None = None
    ) -> asyncio.Handle:
        self._count()
        context = copy_context() if context is None else context  # an empty context is false
        gate = context.get(GATE)
        if gate is None:
            return super().call_soon(callback, *args, context=context)
        call = _Call(self, gate, callback, args, context)
        call.handle = super().call_soon(call, context=context)
        return call.handle

    def call_again(self, call: _Call) -> None:
        super().call_soon(call, context=call.context)

    def call_at(
        self, when: float, callback: Callable[[*_Ts], object], *args: *_Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        context = copy_context() if context is None else context  # an empty context is false
        gate = context.get(GATE)
        if gate is None:
            return super().call_at(when, callback, *args, context=context)
        call = _Call(self, gate, callback, args, context)
        handle = call.handle = super().call_at(when, call, context=context)
        return handle

    def _wait(self, real: selectors.BaseSelector, seconds: float | None) -> Any:
        if seconds:
            self._calls = 0
        return super()._wait(real, seconds)

    def _count(self) -> None:
        self._calls += 1
        if self._calls > _MOST_CALLS_AT_ONE_INSTANT:
            raise Stuck(f"{self._calls} callbacks at one instant: something goes round in circles")


class _Call:
    """One callback of a process, on its way through the gate."""

    __slots__ = ("_args", "_callback", "_gate", "_loop", "context", "handle")

    def __init__(
        self, loop: GatedLoop, gate: Gate, callback: Callable[..., object], args: tuple[Any, ...], context: Context
    ) -> None:
        self._loop = loop
        self._gate = gate
        self._callback = callback
        self._args = args
        self.context = context
        self.handle: asyncio.Handle | None = None

    def __call__(self) -> None:
        if self.handle is not None and self.handle.cancelled():
            return
        if self._gate.admit(self):
            self._callback(*self._args)

    def again(self) -> None:
        self._loop.call_again(self)


def _remember_task(loop: asyncio.AbstractEventLoop, work: Any, context: Context | None = None) -> asyncio.Task[Any]:
    task: asyncio.Task[Any] = asyncio.Task(work, loop=loop, context=context)
    gate = (copy_context() if context is None else context).get(GATE)
    if gate is not None:
        gate.tasks.append(task)
    return task
