from __future__ import annotations

import os
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest

from floworch import StepContext, step_handler
from floworch.core.handlers import Failed, HandlerProcesses, Succeeded
from floworch.core.model.payload import Payload
from tests.unit.core.handlers.support import RUN_ID, context, invoke


@step_handler("Where", executor="process")
def where(ctx: StepContext, value: int) -> dict[str, Any]:
    return {"pid": os.getpid(), "key": ctx.idempotency_key, "body": ctx.trigger_body, "value": value}


@step_handler("Crash", executor="process")
def crash() -> None:
    os._exit(3)


@step_handler("Hang", executor="process")
def hang() -> None:
    threading.Event().wait()


@step_handler("Fail", executor="process")
def fail() -> None:
    raise LookupError("not there")


@pytest.fixture
async def processes() -> AsyncIterator[HandlerProcesses]:
    pool = HandlerProcesses(1)
    yield pool
    pool.close()


async def test_a_handler_runs_in_another_process_with_the_facts_of_its_context(processes: HandlerProcesses) -> None:
    ctx = context(trigger_body=Payload.of([1.5]))
    outcome = await invoke(where, {"value": "7"}, ctx=ctx, processes=processes)

    assert isinstance(outcome, Succeeded)
    assert outcome.output.value.pop("pid") != os.getpid()
    assert outcome.output.value == {"key": f"{RUN_ID}:charge", "body": [1.5], "value": 7}


async def test_an_error_in_another_process_is_told_like_any_other(processes: HandlerProcesses) -> None:
    outcome = await invoke(fail, processes=processes)

    assert isinstance(outcome, Failed)
    assert (outcome.error.type, outcome.error.message) == ("LookupError", "not there")
    assert "LookupError" in outcome.exception_types
    assert 'raise LookupError("not there")' in (outcome.error.traceback or "")


async def test_a_worker_that_dies_or_hangs_fails_its_attempt_and_is_replaced(processes: HandlerProcesses) -> None:
    died = await invoke(crash, processes=processes)
    hung = await invoke(hang, processes=processes, timeout=0.5)
    after = await invoke(where, {"value": 1}, processes=processes)

    assert isinstance(died, Failed)
    assert (died.error.type, died.error.retryable) == ("WorkerProcessDied", True)
    assert isinstance(hung, Failed)
    assert hung.error.type == "Timeout"
    assert isinstance(after, Succeeded)


async def test_without_a_process_pool_the_step_fails() -> None:
    outcome = await invoke(where, {"value": 1})

    assert isinstance(outcome, Failed)
    assert "no process pool" in outcome.error.message
