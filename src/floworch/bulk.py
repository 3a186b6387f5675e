"""Doing the same to many runs: a selection, and the verbs for single runs applied to each of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias
from uuid import UUID

from floworch.arguments import checked_by, checked_run_id
from floworch.core.engine.migrations import LATEST
from floworch.errors import AlreadyMigrated, BulkInterrupted, ConfigurationError, FloworchError, StorageError

if TYPE_CHECKING:
    from floworch.core.engine.engine import Engine
    from floworch.orchestrator import FlowOrchestrator

__all__ = ["Abort", "BulkProgress", "BulkReport", "Selection"]

_RUNS_PER_PAGE = 200
_AT_ONCE = 20

_Act: TypeAlias = Callable[[UUID], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class BulkProgress:
    """How many runs it was done to, how many refused it, and how many were so already."""

    done: int
    refused: int
    unchanged: int = 0


@dataclass(frozen=True, slots=True)
class BulkReport:
    done: int
    refused: Mapping[UUID, str]
    """Run → why not."""
    unchanged: int = 0
    """Runs for which there was nothing to do: of ``migrate``, those that go by that version already."""
    is_aborted: bool = False
    """Whether it was asked to stop before it had come to the last run."""


Progress: TypeAlias = Callable[[BulkProgress], object]


class Abort(Protocol):
    """An :class:`asyncio.Event`, or one of :mod:`threading`."""

    def is_set(self) -> bool: ...


class Selection:
    """Made by :meth:`FlowOrchestrator.select <floworch.orchestrator.FlowOrchestrator.select>`. Nothing is read before
    a method is called, and each one looks at the runs anew.

    The verbs take the arguments of those for single runs, and go through the runs page by page, newest first, no run
    twice: whatever starts meanwhile is not among them. ``progress`` is told after each run. Once ``abort`` is set no
    further run is begun. A run that refuses is in the report, and the others go on.
    Each one raises BulkInterrupted, with the report so far, when the storage fails.
    """

    def __init__(
        self,
        orchestrator: FlowOrchestrator,
        engine: Engine,
        ids: Iterable[UUID | str] | None,
        filters: Mapping[str, Any],
    ) -> None:
        self._orchestrator = orchestrator
        self._engine = engine
        self._ids = None if ids is None else list(dict.fromkeys(map(checked_run_id, ids)))
        self._filters = filters
        if (self._ids is None) == (not filters):
            raise ConfigurationError("select takes the ids of runs or conditions such as flow=..., and not both")

    async def count(self) -> int:
        """How many runs there are now. Changes nothing."""
        return sum([len(page) async for page in self.pages()])

    async def pages(self) -> AsyncIterator[Sequence[UUID]]:
        """Ids of the runs, some hundred at once."""
        if self._ids is not None:
            for start in range(0, len(self._ids), _RUNS_PER_PAGE):
                yield self._ids[start : start + _RUNS_PER_PAGE]
            return
        cursor: str | None = None
        while True:
            page = await self._orchestrator.list_runs(**self._filters, limit=_RUNS_PER_PAGE, cursor=cursor)
            yield [run.id for run in page.runs]
            if (cursor := page.next_cursor) is None:
                return

    async def cancel(
        self,
        reason: str | None = None,
        *,
        by: str | None = None,
        progress: Progress | None = None,
        abort: Abort | None = None,
    ) -> BulkReport:
        return await self._each(lambda run: self._orchestrator.cancel(run, reason, by=by), progress, abort)

    async def suspend(
        self,
        reason: str | None = None,
        *,
        by: str | None = None,
        progress: Progress | None = None,
        abort: Abort | None = None,
    ) -> BulkReport:
        return await self._each(lambda run: self._orchestrator.suspend(run, reason, by=by), progress, abort)

    async def resume(
        self, *, by: str | None = None, progress: Progress | None = None, abort: Abort | None = None
    ) -> BulkReport:
        return await self._each(lambda run: self._orchestrator.resume(run, by=by), progress, abort)

    async def retry_failed(
        self, *, by: str | None = None, progress: Progress | None = None, abort: Abort | None = None
    ) -> BulkReport:
        return await self._each(lambda run: self._orchestrator.retry_failed(run, by=by), progress, abort)

    async def retry(
        self, step_key: str, *, by: str | None = None, progress: Progress | None = None, abort: Abort | None = None
    ) -> BulkReport:
        return await self._each(lambda run: self._orchestrator.retry(run, step_key, by=by), progress, abort)

    async def fork(
        self, from_step: str, *, progress: Progress | None = None, abort: Abort | None = None, **arguments: Any
    ) -> BulkReport:
        return await self._each(lambda run: self._orchestrator.fork(run, from_step, **arguments), progress, abort)

    async def rerun(
        self, *, progress: Progress | None = None, abort: Abort | None = None, **arguments: Any
    ) -> BulkReport:
        return await self._each(lambda run: self._orchestrator.rerun(run, **arguments), progress, abort)

    async def complete_step(
        self, step_key: str, *, progress: Progress | None = None, abort: Abort | None = None, **arguments: Any
    ) -> BulkReport:
        return await self._each(
            lambda run: self._orchestrator.complete_step(run, step_key, **arguments), progress, abort
        )

    async def fail_step(
        self,
        step_key: str,
        reason: str,
        *,
        by: str | None = None,
        progress: Progress | None = None,
        abort: Abort | None = None,
    ) -> BulkReport:
        return await self._each(lambda run: self._orchestrator.fail_step(run, step_key, reason, by=by), progress, abort)

    async def skip_step(
        self,
        step_key: str,
        reason: str,
        *,
        by: str | None = None,
        progress: Progress | None = None,
        abort: Abort | None = None,
    ) -> BulkReport:
        return await self._each(lambda run: self._orchestrator.skip_step(run, step_key, reason, by=by), progress, abort)

    async def run_step_now(
        self, step_key: str, *, by: str | None = None, progress: Progress | None = None, abort: Abort | None = None
    ) -> BulkReport:
        return await self._each(lambda run: self._orchestrator.run_step_now(run, step_key, by=by), progress, abort)

    async def signal(
        self,
        name: str,
        payload: Any = None,
        *,
        deduplication_id: str | None = None,
        progress: Progress | None = None,
        abort: Abort | None = None,
    ) -> BulkReport:
        def send(run: UUID) -> Awaitable[object]:
            return self._orchestrator.signal(run, name, payload, deduplication_id=deduplication_id)

        return await self._each(send, progress, abort)

    async def migrate(
        self,
        *,
        to: str = LATEST,
        dry_run: bool = False,
        by: str | None = None,
        progress: Progress | None = None,
        abort: Abort | None = None,
    ) -> BulkReport:
        """See :meth:`Versions.migrate <floworch.versions.Versions.migrate>`."""
        who = checked_by(by)
        migrate = self._engine.migrations.migrate
        return await self._each(lambda run: migrate(run, to, who, dry_run=dry_run), progress, abort)

    async def _each(self, act: _Act, progress: Progress | None, abort: Abort | None) -> BulkReport:
        work = _Work(act, progress, abort)
        try:
            async for page in self.pages():
                await asyncio.gather(*map(work.do, page))
                if work.is_over:
                    break
        except StorageError as error:
            work.error = error
        report = BulkReport(work.done, work.refused, work.unchanged, work.is_aborted)
        if work.error is not None:
            raise BulkInterrupted(f"after {work.done} runs: {work.error}", report) from work.error
        return report


@dataclass(slots=True)
class _Work:
    """A verb on its way through the runs."""

    act: _Act
    progress: Progress | None
    abort: Abort | None
    done: int = 0
    refused: dict[UUID, str] = field(default_factory=dict)
    unchanged: int = 0
    is_aborted: bool = False
    error: StorageError | None = None
    slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE))

    @property
    def is_over(self) -> bool:
        return self.is_aborted or self.error is not None

    async def do(self, run_id: UUID) -> None:
        async with self.slots:
            if self.abort is not None and self.abort.is_set():
                self.is_aborted = True
            if self.is_over:
                return
            try:
                await self.act(run_id)
            except StorageError as error:
                self.error = error
                return
            except ConfigurationError:  # what is asked for makes no sense for any run
                raise
            except AlreadyMigrated:
                self.unchanged += 1
            except FloworchError as refusal:
                self.refused[run_id] = str(refusal)
            else:
                self.done += 1
        if self.progress is not None:
            self.progress(BulkProgress(self.done, len(self.refused), self.unchanged))
