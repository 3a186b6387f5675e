"""Tells of runs that have ended badly: at least once, whichever process has seen the end, and one process at a time.

The mark that the end has left in the store is all that is remembered. A process moves its time ahead before it tells:
the others leave it alone until then, and go on should this one die. The same time is the pause before the next attempt.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random
from traceback import format_exc
from uuid import UUID

from floworch.core.engine.availability import Availability
from floworch.core.engine.notifiers import Caller, Registration, Throttling
from floworch.core.engine.settings import EngineSettings
from floworch.core.machine.state import RunState
from floworch.core.machine.transition import Transition
from floworch.core.model.notices import FailureNotice, failed_steps
from floworch.core.model.status import StepStatus
from floworch.core.ports.clock import Clock
from floworch.core.ports.notices import DueNotice, DueNotices
from floworch.core.ports.storage import Storage
from floworch.errors import StorageError, StorageUnavailable
from floworch.observability.logging import get_library_logger

__all__ = ["Notices"]

_MOST_AT_ONCE = 20
_FIRST_PAUSE_SECONDS = 5.0
_LONGEST_PAUSE_SECONDS = 3600.0
_SHORTEST_PAUSE_SECONDS = 0.01
_MOST_REMEMBERED = 1000
_SPARE_SECONDS = 30.0
"""For everything but the calls themselves, before another process takes a notice for abandoned."""


class Notices:
    """The background loop of a process that has notifiers."""

    def __init__(
        self,
        store: Storage,
        registrations: Sequence[Registration],
        clock: Clock,
        settings: EngineSettings,
        availability: Availability,
        chance: Random,
    ) -> None:
        self._log = get_library_logger("floworch.engine")
        self._store = store
        self._registrations = [(each, Throttling(each.throttle)) for each in registrations]
        self._flow_ids = frozenset(flow_id for each in registrations for flow_id in each.flow_ids)
        self._clock = clock
        self._settings = settings
        self._availability = availability
        self._chance = chance
        self._caller = Caller(settings.notice_timeout_seconds)
        self._told: OrderedDict[UUID, set[Registration]] = OrderedDict()
        """Run → whom this process has told of its end, while others of them have still to be told."""
        self._wake = asyncio.Event()
        self._is_stopping = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Tell from now on, if there is somebody to be told."""
        if self._registrations:
            self._task = asyncio.create_task(self._run(), name="floworch-notices")

    async def stop(self) -> None:
        """Finish what is under way, which takes no longer than notifiers may, and leave the rest to others."""
        self._is_stopping = True
        self._wake.set()
        if self._task is not None:
            await self._task
        try:
            await self._caller.close([registration.notifier for registration, _ in self._registrations])
        except Exception:  # noqa: BLE001 - somebody else's code
            self._log.error("notifier_not_closed", traceback=format_exc())

    def committed(self, state: RunState, transition: Transition) -> None:
        """A commit of this process: it may be an end to tell of."""
        if transition.status in state.plan.told_ends:
            self._wake.set()

    async def _run(self) -> None:
        is_last = False
        while not is_last:
            is_last = self._is_stopping  # what has just ended is told of, also by a process that only ran this
            self._wake.clear()
            pause = await self._look()
            if not (is_last or self._is_stopping):
                await self._clock.wait(self._wake, pause)

    async def _look(self) -> float:
        """Tell what is due. The seconds until the next time."""
        try:
            found = await self._store.due_notices(self._clock.now(), _MOST_AT_ONCE, self._flow_ids)
            self._availability.succeeded("notices")
            await asyncio.gather(*map(self._try, found.due))
            return self._pause(found)
        except StorageUnavailable as error:
            self._availability.failed("notices", error)
            return self._settings.poll_interval_seconds
        except Exception:  # noqa: BLE001 - the top of a background loop
            self._log.error("notices_failed", traceback=format_exc())
            return self._settings.idle_poll_seconds

    def _pause(self, found: DueNotices) -> float:
        if len(found.due) == _MOST_AT_ONCE:
            return _SHORTEST_PAUSE_SECONDS
        longest = self._settings.idle_poll_seconds
        if found.next_at is None:
            return longest
        return min(max((found.next_at - self._clock.now()).total_seconds(), _SHORTEST_PAUSE_SECONDS), longest)

    async def _try(self, notice: DueNotice) -> None:
        """Tell everybody who has not been told, unless another process does."""
        wanting = [each for each in self._registrations if each[0].wants(notice.flow_id, notice.status)]
        if not wanting:
            return  # another process has notifiers for it
        until = self._clock.now() + timedelta(seconds=self._settings.notice_timeout_seconds + _SPARE_SECONDS)
        tries = notice.tries + 1
        try:
            if await self._store.move_notice(notice.run_id, notice.at, until, tries):
                is_done = await self._tell_all(notice, wanting)
                again_at = None if is_done else self._next_attempt(notice, tries)
                await self._store.move_notice(notice.run_id, until, again_at, tries)
                self._wake.set()  # for the next attempt, whose time the loop does not know
        except StorageError as error:  # it is found again when its time has come
            self._log.warning("notice_postponed", run_id=str(notice.run_id), error=str(error))

    async def _tell_all(self, notice: DueNotice, wanting: Sequence[tuple[Registration, Throttling]]) -> bool:
        """Whether all have been told, or need not be."""
        run = await self._store.get_run(notice.run_id)
        if run is None or run.status is not notice.status:
            return True
        told = self._told.pop(notice.run_id, set())
        left = [each for each in wanting if notice.tries == 0 or each[0] not in told]
        if notice.tries == 0:
            now = self._clock.now()
            left = [each for each in left if each[1].admits(notice.flow_id, now)]
        if not left:
            return True
        steps = [step for step in await self._store.list_steps(run.id) if step.status is StepStatus.FAILED]
        plain = FailureNotice(run, failed_steps(steps), len(steps), attempt=notice.tries + 1)
        answers = await asyncio.gather(*(self._tell(each, plain) for each in left))
        failed = {each[0] for each, is_told in zip(left, answers, strict=True) if not is_told}
        if failed:
            self._remember(notice.run_id, {each[0] for each in wanting} - failed)
        return not failed

    def _remember(self, run_id: UUID, told: set[Registration]) -> None:
        self._told[run_id] = told
        if len(self._told) > _MOST_REMEMBERED:
            self._told.popitem(last=False)

    async def _tell(self, wanting: tuple[Registration, Throttling], plain: FailureNotice) -> bool:
        registration, throttling = wanting
        run = plain.run
        left_out = throttling.take_left_out(run.flow_id)
        notice = replace(plain, suppressed=left_out, link=registration.link_to(run))
        try:
            await self._caller.call(registration.notifier, notice)
        except Exception as error:  # noqa: BLE001 - somebody else's code
            throttling.give_back(run.flow_id, left_out)
            self._log.warning(
                "notice_not_sent",
                notifier=registration.name,
                run_id=str(run.id),
                flow=run.flow_name,
                attempt=plain.attempt,
                error=f"{type(error).__name__}: {error}",
            )
            return False
        self._log.debug("notice_sent", notifier=registration.name, run_id=str(run.id), flow=run.flow_name)
        return True

    def _next_attempt(self, notice: DueNotice, tries: int) -> datetime | None:
        if tries >= self._settings.max_notice_tries:
            self._log.error("notice_given_up", run_id=str(notice.run_id), flow_id=str(notice.flow_id), tries=tries)
            return None
        pause = min(_FIRST_PAUSE_SECONDS * 2 ** (tries - 1), _LONGEST_PAUSE_SECONDS)
        return self._clock.now() + timedelta(seconds=pause * self._chance.uniform(0.8, 1.0))
