"""``kill -9`` in the middle of five hundred runs on a SQLite file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.chaos.effects import Ledger
from tests.chaos.flows import all_runs
from tests.chaos.processes import Worker, wait_until
from tests.chaos.verdict import check_everything

pytestmark = pytest.mark.chaos

RUNS = 500
KILL_AFTER_EFFECTS = (200, 900, 1500, 2000)


async def test_no_run_is_lost_and_no_attempt_runs_twice(tmp_path: Path, start_worker: Callable[..., Worker]) -> None:
    database, ledger = str(tmp_path / "flows.db"), tmp_path / "ledger"
    worker = start_worker(database, str(ledger), "--trigger", f"0:{RUNS}:1")
    worker.wait_for("triggered")
    for count in KILL_AFTER_EFFECTS:
        wait_until(lambda count=count: ledger.read_bytes().count(b"\n") >= count, f"{count} effects")  # type: ignore[misc]
        worker.kill()
        worker = start_worker(database, str(ledger))
        worker.wait_for("started")
    worker.kill()
    start_worker(database, str(ledger), "--until-done", str(all_runs(RUNS))).finish()

    await check_everything(database, Ledger(ledger).all(), runs=all_runs(RUNS), paused=frozenset())
