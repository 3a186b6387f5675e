"""Idempotency keys that no storage could keep are refused before anything happens."""

from __future__ import annotations

import pytest

from floworch import ConfigurationError, FlowManifest, Step
from tests.scenarios.conftest import Start


@pytest.mark.parametrize("key", ["", " ", "x" * 257, "a\0b", "a\ud800b"], ids=repr)
async def test_a_key_that_cannot_be_kept_is_refused(start: Start, key: str) -> None:
    orchestrator = await start(FlowManifest(steps={"a": Step(type="Echo")}))
    with pytest.raises(ConfigurationError, match="an idempotency key"):
        await orchestrator.trigger("Scenario", idempotency_key=key)
    assert (await orchestrator.list_runs()).runs == []


async def test_a_key_may_be_any_other_text(start: Start) -> None:
    orchestrator = await start(FlowManifest(steps={"a": Step(type="Echo")}))
    for key in ("ä'\"\\{},%s", "x" * 256, "line\nline", "\N{GRINNING FACE}"):
        first = await orchestrator.trigger("Scenario", idempotency_key=key)
        again = await orchestrator.trigger("Scenario", idempotency_key=key)
        assert (again.run_id, again.duplicate) == (first.run_id, True)
