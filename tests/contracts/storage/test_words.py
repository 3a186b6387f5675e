"""Reasons are words of people and of other people's programs; no such word makes a commit fail."""

from __future__ import annotations

import pytest

from floworch.core.model.status import StepStatus
from floworch.core.ports.storage import Outcome, Storage
from tests.contracts.storage.builders import advance, commit_advance, create, overwrite, run_id, state, stop

AWKWARD = {
    "NUL": "a\0b",
    "half a character": "a\ud800b",
    "both among others": "ä\0\udfffb",
    "quotes and braces": "a\"'{},\\b",
    "lines": "a\r\n\tb",
    "percent": "a%s%(x)sb",
}


@pytest.mark.parametrize("text", AWKWARD.values(), ids=AWKWARD)
async def test_any_reason_can_be_kept(storage: Storage, text: str) -> None:
    await create(storage)
    skipped = overwrite((StepStatus.READY, 0), state(StepStatus.SKIPPED, 0, reason=text))
    change = advance(1, 1, {"a": skipped}, stop=stop(reason=text))
    assert await commit_advance(storage, change) is Outcome.DONE
    [step], run = await storage.list_steps(run_id(1)), await storage.get_run(run_id(1))
    assert run is not None
    for kept in (step.reason, run.stop_reason):
        assert kept is not None
        assert [a for a, b in zip(kept, text, strict=True) if a != b and b not in "\0\ud800\udfff"] == []
