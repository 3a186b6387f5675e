from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from random import Random
from uuid import UUID

from floworch.core.engine.availability import Availability
from floworch.core.engine.outage import Outage
from floworch.core.engine.reply import Reply
from floworch.core.engine.requests import Commanding
from floworch.core.machine.commands import StepReleased
from floworch.errors import StorageUnavailable
from floworch.storage.memory import MemoryStorage
from floworch.testing.clock import VirtualClock


class Asked(MemoryStorage):
    """Something happens while it is asked for a run."""

    meanwhile: Callable[[], None]

    async def find_run_by_key(self, flow_id: UUID, idempotency_key: str) -> UUID | None:
        self.meanwhile()
        return await super().find_run_by_key(flow_id, idempotency_key)


async def test_what_a_batch_brings_while_the_store_is_asked_whether_it_is_there_is_tried_again() -> None:
    clock = VirtualClock(asyncio.get_running_loop())
    store = Asked(clock)
    outage = Outage(store, clock, Availability(clock, long_outage_seconds=20.0), Random(1), asyncio.Event())
    gone = StorageUnavailable("gone")
    report = Commanding(UUID(int=1), StepReleased("a", 1), None, Reply(), timedelta(minutes=1))
    store.meanwhile = lambda: outage.begin(gone, [report])

    outage.begin(gone, [])

    assert await outage.wait(list) == [report]
    assert not outage.is_on


async def test_a_short_outage_right_after_a_long_one_does_not_hide_it() -> None:
    clock = VirtualClock(asyncio.get_running_loop())
    availability = Availability(clock, long_outage_seconds=20.0)
    gone = StorageUnavailable("gone")
    availability.failed("polling", gone)
    await asyncio.sleep(25.0)
    availability.succeeded("polling")
    availability.failed("committing", gone)
    await asyncio.sleep(1.0)
    availability.succeeded("committing")
    assert availability.has_had_long_outage(within_seconds=30.0)
    await asyncio.sleep(30.0)
    assert not availability.has_had_long_outage(within_seconds=30.0)


async def test_a_long_outage_is_over_with_the_first_use_that_gets_through() -> None:
    availability = Availability(VirtualClock(asyncio.get_running_loop()), long_outage_seconds=20.0)
    for use in ("polling", "scheduling"):
        availability.failed(use, StorageUnavailable("gone"))
    await asyncio.sleep(25.0)
    availability.succeeded("polling")
    assert availability.has_had_long_outage(within_seconds=30.0)
    assert not availability.is_up


async def test_a_use_that_never_succeeds_does_not_make_the_outage_of_the_others_endless() -> None:
    availability = Availability(VirtualClock(asyncio.get_running_loop()), long_outage_seconds=20.0)
    availability.failed("scheduling", StorageUnavailable("gone"))
    for _ in range(10):
        await asyncio.sleep(10.0)
        availability.succeeded("polling")
    assert not availability.has_had_long_outage(within_seconds=30.0)
    availability.failed("polling", StorageUnavailable("gone"))
    await asyncio.sleep(5.0)
    availability.succeeded("polling")
    assert not availability.has_had_long_outage(within_seconds=30.0)


async def test_short_outages_are_no_long_one_together() -> None:
    clock = VirtualClock(asyncio.get_running_loop())
    availability = Availability(clock, long_outage_seconds=20.0)
    for _ in range(3):
        availability.failed("polling", StorageUnavailable("gone"))
        await asyncio.sleep(15.0)
        availability.succeeded("polling")
    assert not availability.has_had_long_outage(within_seconds=30.0)
