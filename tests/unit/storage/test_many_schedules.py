"""What ten thousand schedules cost a process while none of them is due."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from floworch.core.model.schedules import ScheduleRecord
from floworch.core.ports.schedules import ScheduleChange
from floworch.storage.sql import SqlStorage
from tests.contracts.storage.builders import flow

NOW = datetime(2026, 3, 1, tzinfo=UTC)
SCHEDULES = 10_000
LOOKS = 20
IDLE_POLL_SECONDS = 10.0


async def test_a_look_reads_only_the_next_one(tmp_path: Path, record_figure: Callable[[str], None]) -> None:
    store = SqlStorage.sqlite(tmp_path / "flows.db", synchronous="OFF")
    await store.open()
    try:
        flows = [flow(number) for number in range(100)]
        await store.save_flows(flows)
        later = [NOW + timedelta(seconds=number) for number in range(1, SCHEDULES + 1)]
        records = [
            ScheduleRecord(flows[n % 100].id, f"t{n}", "{}", next_fire_at=at, due_at=at, updated_at=NOW)
            for n, at in enumerate(later)
        ]
        assert all(await store.change_schedules([ScheduleChange(record) for record in records]))
        flow_ids = frozenset(each.id for each in flows)
        began = time.process_time()
        found = [await store.due_schedules(NOW, 100, flow_ids) for _ in range(LOOKS)]
        milliseconds = (time.process_time() - began) / LOOKS * 1000
        assert (found[-1].due, found[-1].next_at) == ([], later[0])
        assert len((await store.due_schedules(later[4], 100, flow_ids)).due) == 5
    finally:
        await store.close()
    share = milliseconds / 1000 / IDLE_POLL_SECONDS
    record_figure(
        f"10,000 schedules, none due: {milliseconds:.1f} ms a look, every 10 s {share:.3%} of a core (target 1%)"
    )


async def test_many_flows_are_asked_for_in_parts_and_answered_as_one(tmp_path: Path) -> None:
    store = SqlStorage.sqlite(tmp_path / "flows.db", synchronous="OFF")
    await store.open()
    try:
        flows = [flow(number) for number in range(1000)]
        await store.save_flows(flows)
        due = [NOW - timedelta(seconds=n * 7 % 1000) for n in range(500)]
        at = [*due, *(NOW + timedelta(seconds=1 + n * 7 % 500) for n in range(500))]
        records = [
            ScheduleRecord(flows[n].id, "t", "{}", next_fire_at=at[n], due_at=at[n], updated_at=NOW)
            for n in range(1000)
        ]
        assert all(await store.change_schedules([ScheduleChange(record) for record in records]))
        disabled = frozenset((flows[3].id, flows[997].id))
        for flow_id in disabled:
            await store.set_flow_enabled(flow_id, False)
        found = await store.due_schedules(NOW, 1000, frozenset(each.id for each in flows))
        assert [each.due_at for each in found.due] == sorted(set(due) - {at[3]})
        assert (found.next_at, found.disabled) == (NOW + timedelta(seconds=1), disabled)
    finally:
        await store.close()
