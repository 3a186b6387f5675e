"""What runs that others have started need from each other: the parent hears of the end, and the child of the stop.

Both are only done at once to be quick. An end that nobody was told of is found by the timers, in whatever process; a
stop is repeated by the timer of the step that waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from random import Random
from traceback import format_exc
from typing import Any
from uuid import UUID

from floworch.core.engine.runs import Runs
from floworch.core.engine.settings import EngineSettings
from floworch.core.machine.commands import ChildEnded, Command, ParentGone, StopRun
from floworch.core.machine.reduce import Fenced
from floworch.core.machine.run_output import failure_of, run_output, run_output_refs
from floworch.core.machine.state import RunState
from floworch.core.machine.transition import Transition
from floworch.core.model.payload import Payload, PayloadRef
from floworch.core.model.status import RunStatus, StopKind
from floworch.core.ports.storage import Storage
from floworch.errors import FloworchError, InvalidPayload, RunNotFound, StorageUnavailable
from floworch.observability.logging import get_library_logger

__all__ = ["Children"]


class Children:
    """``submit`` hands a command to the engine."""

    def __init__(
        self,
        store: Storage,
        runs: Runs,
        submit: Callable[[UUID, Command], Awaitable[object]],
        settings: EngineSettings,
        chance: Random,
    ) -> None:
        self._log = get_library_logger("floworch.engine")
        self._store = store
        self._runs = runs
        self._submit = submit
        self._settings = settings
        self._chance = chance
        self._telling: set[UUID] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closing = False

    def committed(self, state: RunState, transition: Transition) -> None:
        """Carry out, beside other work, what the transition asks for."""
        rarities = transition.rarities
        if rarities is None or self._is_closing:
            return
        if rarities.tells_parent:
            self._spawn(self._tell(state))
        for child_id in rarities.children_to_stop:
            self._spawn(self._stop(child_id, _stop_reason(state, transition)))

    async def tell_parent_of(self, run_id: UUID) -> None:
        """Tell the parent of a run that may have ended long ago, unless that is being done already. Never raises."""
        if run_id in self._telling:
            return
        try:
            stored = (await self._store.load([run_id])).get(run_id)
            state = None if stored is None else (await self._runs.rebuilt(stored)).state
        except FloworchError as error:
            self._log.warning("parent_not_told", run_id=str(run_id), error=str(error))
            return
        if state is not None and state.status.is_final:
            await self._tell(state)

    async def close(self) -> None:
        """Finish what is under way, and begin nothing more: others will find it."""
        self._is_closing = True
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _tell(self, state: RunState) -> None:
        run_id, parent = state.facts.run_id, state.facts.parent
        if parent is None or run_id in self._telling:
            return
        self._telling.add(run_id)
        try:
            await self._submit(parent.run_id, await self._ending(state))
        except RunNotFound:
            await self._submit(run_id, ParentGone())
        finally:
            self._telling.discard(run_id)

    async def _ending(self, state: RunState) -> ChildEnded:
        parent = state.facts.parent
        assert parent is not None
        status, output, error = state.status, None, failure_of(state)
        if status is RunStatus.SUCCEEDED:
            try:
                output = await self._output(state)
            except InvalidPayload as refusal:
                status, error = RunStatus.FAILED, f"its output cannot be that of the step: {refusal}"
        return ChildEnded(
            parent.step_key,
            parent.attempt,
            state.facts.run_id,
            status,
            output,
            error,
            self._settings.default_retry,
            self._chance.random(),
        )

    async def _output(self, state: RunState) -> Payload:
        payloads: dict[PayloadRef, Payload | None] = {}
        while missing := [ref for ref in run_output_refs(state, payloads) if ref not in payloads]:
            payloads |= await self._store.load_payloads(state.facts.run_id, missing)
        return Payload.of(run_output(state, payloads), max_bytes=self._settings.max_payload_bytes)

    async def _stop(self, child_id: UUID, reason: str) -> None:
        await self._submit(child_id, StopRun(StopKind.CANCELLED, reason))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(self._carry_out(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry_out(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except (FloworchError, Fenced) as refusal:
            is_expected = not isinstance(refusal, StorageUnavailable)
            (self._log.debug if is_expected else self._log.warning)("family_not_told", reason=str(refusal))
        except Exception:  # noqa: BLE001 - the top of a background task
            self._log.error("family_not_told", traceback=format_exc())


def _stop_reason(state: RunState, transition: Transition) -> str:
    stop = transition.stop
    if stop is None:
        return f"the step of the run {state.facts.run_id} that waited for this one was ended by hand"
    why = f"was stopped ({stop.kind})" + (f": {stop.reason}" if stop.reason else "")
    return f"the run {state.facts.run_id}, which waits for this one, {why}"
