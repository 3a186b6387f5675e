from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from floworch.core.handlers import Deferred, Failed, Succeeded
from floworch.core.handlers.builtin.delay import delay
from floworch.core.handlers.builtin.log_message import log_message
from floworch.core.model.payload import Payload
from tests.unit.core.handlers.support import NOW, context, invoke


@pytest.mark.parametrize(
    ("inputs", "level", "text"),
    [
        ({"message": "hello"}, "info", "hello"),
        ({"message": "hello", "level": "WARNING"}, "warning", "hello"),
        ({"message": {"a": [1]}}, "info", '{"a":[1]}'),
        ({}, "info", "charge"),
    ],
)
async def test_log_message_writes_to_the_log(inputs: Any, level: str, text: str) -> None:
    with capture_logs() as logs:
        outcome = await invoke(log_message, inputs)

    assert outcome == Succeeded(Payload.of({"logged": text}))
    assert [(each["log_level"], each["text"], each["step_key"]) for each in logs] == [(level, text, "charge")]


async def test_log_message_refuses_an_unknown_level() -> None:
    outcome = await invoke(log_message, {"level": "loud"})

    assert isinstance(outcome, Failed)
    assert "'debug', 'info', 'warning', 'error' or 'critical'" in outcome.error.message


def until(end: datetime) -> Payload:
    return Payload.of({"until": end})


async def waits(inputs: Any, since: datetime | None, now: datetime) -> Any:
    return await invoke(delay, inputs, ctx=context(first_started_at=since, now=lambda: now))


END = NOW + timedelta(seconds=90)


@pytest.mark.parametrize("inputs", [{"seconds": 90}, {"seconds": "90"}, {"until": END.isoformat()}])
@pytest.mark.parametrize(
    ("since", "now", "remaining"),
    [
        (None, NOW, 90),
        (NOW, NOW + timedelta(seconds=30), 60),
        (NOW, END, None),
        (NOW, END + timedelta(days=1), None),
    ],
)
async def test_a_delay_counts_from_when_the_step_first_waited(
    inputs: Any, since: datetime | None, now: datetime, remaining: int | None
) -> None:
    expected = Succeeded(until(END)) if remaining is None else Deferred(timedelta(seconds=remaining), until(END))

    assert await waits(inputs, since, now) == expected


async def test_a_delay_of_nothing_and_one_until_the_past_end_at_once() -> None:
    assert await waits({"seconds": 0}, None, NOW) == Succeeded(until(NOW))
    past = NOW - timedelta(days=1)
    assert await waits({"until": past.isoformat()}, None, NOW) == Succeeded(until(past))


@pytest.mark.parametrize(
    "inputs",
    [
        {},
        {"seconds": 1, "until": END.isoformat()},
        {"seconds": -1},
        {"seconds": 1e12},
        {"until": "2026-01-02T03:04:05"},
    ],
)
async def test_a_delay_that_makes_no_sense_fails_for_good(inputs: Any) -> None:
    outcome = await invoke(delay, inputs)

    assert isinstance(outcome, Failed)
    assert (outcome.error.type, outcome.error.retryable) == ("BindingError", False)
