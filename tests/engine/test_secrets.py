"""Inputs that read the worker's environment."""

from __future__ import annotations

from typing import Any

import pytest
from structlog.testing import capture_logs

from floworch import FlowOrchestrator, RetryPolicy, RunResult, RunStatus, Step, StepContext
from tests.engine.workbench import FLOW_ID, running

TOKEN = "a-token-that-nobody-may-see"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_TOKEN", TOKEN)
    monkeypatch.setenv("API_PORT", "8080")
    monkeypatch.delenv("API_MISSING", raising=False)


async def run(handler: Any, inputs: dict[str, Any], **settings: Any) -> tuple[RunResult, str]:
    """The result, and everything that was kept or logged of the run, as text."""
    with capture_logs() as logs:
        async with running({"a": Step(type="Call", inputs=inputs)}, {"Call": handler}, **settings) as flows:
            result = await (await flows.trigger(FLOW_ID, body={"host": "example.org"})).wait()
            return result, await everything(flows, result, logs)


async def everything(flows: FlowOrchestrator, result: RunResult, logs: object) -> str:
    stored = await flows.get_run(result.run_id)
    events = [event async for event in flows.events(result.run_id, follow=False)]
    return repr((result, stored, stored.steps, events, logs))


async def test_the_handler_gets_the_value_and_everybody_else_a_mark() -> None:
    got: list[Any] = []

    async def call(ctx: StepContext, headers: dict[str, str], url: str, port: int) -> Any:
        got.append((headers, url, port))
        ctx.log.info("called", headers=headers)
        return {"echo": headers}

    inputs = {
        "headers": {"Authorization": "Bearer @{env('API_TOKEN')}"},
        "url": "https://@{triggerBody().host}/?key=@{env('API_TOKEN')}",
        "port": "@int(env('API_PORT'))",
    }
    result, kept = await run(call, inputs)

    assert got == [({"Authorization": f"Bearer {TOKEN}"}, f"https://example.org/?key={TOKEN}", 8080)]
    assert TOKEN not in kept
    assert result.steps["a"].input == {
        "headers": {"Authorization": "Bearer ***API_TOKEN***"},
        "url": "https://example.org/?key=***API_TOKEN***",
        "port": "@int(env('API_PORT'))",
    }
    assert result.steps["a"].output == {"echo": {"Authorization": "Bearer ***API_TOKEN***"}}


async def test_errors_of_handlers_do_not_tell_the_value() -> None:
    async def call(token: str) -> None:
        raise ConnectionError(f"refused: {token}")

    result, kept = await run(call, {"token": "@env('API_TOKEN')"})

    assert result.status is RunStatus.FAILED
    assert TOKEN not in kept
    assert result.steps["a"].reason == "refused: ***API_TOKEN***"


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        ("@int(env('API_TOKEN'))", "***API_TOKEN***"),
        ("@env('API_TOKEN') && true", "***API_TOKEN***"),
    ],
)
async def test_errors_of_expressions_do_not_tell_the_value(expression: str, told: str) -> None:
    async def call(token: str) -> None:
        """Never called."""

    result, kept = await run(call, {"token": expression})

    error = result.steps["a"].error
    assert error is not None
    assert error["type"] == "ExpressionError"
    assert told in error["message"]
    assert TOKEN[:12] not in kept


async def test_a_variable_that_is_not_set_fails_the_step_for_good() -> None:
    calls: list[str] = []

    async def call(token: str) -> None:
        calls.append(token)

    retry = RetryPolicy(max_attempts=5, initial=1)
    result, _ = await run(call, {"token": "@env('API_MISSING')"}, default_retry=retry)

    assert calls == []
    assert result.steps["a"].attempt == 1
    assert "the environment variable 'API_MISSING' is not set where the step runs" in (result.steps["a"].reason or "")


async def test_a_variable_is_read_at_every_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    async def call(token: str) -> None:
        seen.append(token)
        monkeypatch.setenv("API_TOKEN", "another-secret-value")
        if len(seen) < 2:
            raise ConnectionError(token)

    result, kept = await run(call, {"token": "@env('API_TOKEN')"}, default_retry=RetryPolicy(max_attempts=2))

    assert seen == [TOKEN, "another-secret-value"]
    assert result.succeeded
    assert TOKEN not in kept
