"""``kill -9`` in the middle of five hundred runs on a SQLite file."""

from __future__ import annotations

from pathlib import Path

import pytest

from floworch import RunStatus
from floworch.core.machine.history import fold
from tests.chaos.app import build, expected_steps
from tests.chaos.processes import Worker, effects, wait_for_effects

pytestmark = pytest.mark.chaos

RUNS = 500
KILL_AFTER_EFFECTS = (200, 900, 1500, 2300)


async def test_no_run_is_lost_and_no_attempt_runs_twice(tmp_path: Path) -> None:
    database, ledger = str(tmp_path / "flows.db"), tmp_path / "ledger"
    first = Worker(database, ledger, "--trigger", str(RUNS))
    first.wait_for("triggered")
    for count in KILL_AFTER_EFFECTS:
        wait_for_effects(ledger, count)
        first.kill()
        first = Worker(database, ledger)
        first.wait_for("started")
    first.kill()
    Worker(database, ledger, "--until-done", str(RUNS)).finish()

    happened = effects(ledger)
    assert max(happened.values()) == 1, happened.most_common(3)
    await _check_runs(database, {(effect.run_id, effect.step_key) for effect in happened})


async def _check_runs(database: str, with_effect: set[tuple[object, str]]) -> None:
    orchestrator = build(database, None)
    await orchestrator.start(work=False)
    try:
        seen = 0
        cursor = None
        while True:
            page = await orchestrator.list_runs(limit=200, cursor=cursor)
            for run in page.runs:
                seen += 1
                assert run.status is RunStatus.SUCCEEDED
                missing = {key for key in expected_steps(run.flow_id) if (run.id, key) not in with_effect}
                assert not missing, (run.id, missing)
                result = await orchestrator.get_run(run.id, payloads=False)
                events = [event async for event in orchestrator.events(run.id, follow=False)]
                folded = fold({"type": event.type, "step": event.step_key, **event.data} for event in events)
                assert folded.status is run.status
                assert folded.steps == {key: (step.status, step.attempt) for key, step in result.steps.items()}
            cursor = page.next_cursor
            if cursor is None:
                break
        assert seen == RUNS
    finally:
        await orchestrator.stop()
