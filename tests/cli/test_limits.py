"""``floworch limits`` and ``floworch limit``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from floworch.cli.targets import load_target
from tests.cli.commands import call

APP = """
    from uuid import UUID

    from floworch import FlowDefinition, FlowManifest, FlowOrchestrator, Limit, Rate, Step

    class Orders(FlowDefinition):
        id = UUID(int=31)
        manifest = FlowManifest(
            steps={"hello": Step(type="LogMessage", inputs={"message": "hello"})},
            concurrency_key="@triggerBody()?.tenant",
            key_limit=Limit(concurrency=2),
        )

    class Bare(FlowDefinition):
        id = UUID(int=32)
        manifest = FlowManifest(steps={"hello": Step(type="LogMessage", inputs={"message": "hello"})})

    def app():
        builder = FlowOrchestrator.builder().use_sqlite("flows.db").use_asyncio_runtime()
        builder.add_flow(Orders).add_flow(Bare)
        return builder.limit("LogMessage", rate=Rate(count=100, per_seconds=60)).build()
"""
TARGET = "orders.py:app"


@pytest.fixture(autouse=True)
def registered(write_module: Callable[[str, str], Path]) -> None:
    """A worker has been here once."""
    write_module("orders.py", APP)

    async def work() -> None:
        async with load_target(TARGET).orchestrator():
            pass

    asyncio.run(work())


def limit(*options: str) -> Any:
    answer = call("limit", TARGET, *options, "--json")
    assert answer.code == 0, answer.err
    return answer.document


def test_limits_are_listed_in_words() -> None:
    shown = call("limits", TARGET).out
    assert "2 at once" in shown
    assert "100 per 60 s" in shown
    documents = call("limits", TARGET, "--json").document
    assert [each["name"] for each in documents] == ["key:Orders", "type:LogMessage"]
    assert documents[0]["limit"] == {"concurrency": 2}


def test_a_limit_can_be_set_lifted_and_reset() -> None:
    changed = limit("key:Orders", "--concurrency", "5", "--rate", "10/1/3")
    assert changed["limit"] == {"concurrency": 5, "rate": {"count": 10, "perSeconds": 1, "burst": 3}}
    assert "set in place of the code, which says: 2 at once" in call("limit", TARGET, "key:Orders").out
    assert "*" in call("limits", TARGET).out
    assert limit("key:Orders", "--lift")["limit"] is None
    assert limit("key:Orders", "--reset-to-code")["limit"] == {"concurrency": 2}


def test_what_the_code_does_not_limit_can_be_limited_for_a_while() -> None:
    assert limit("flow:Orders", "--concurrency", "1")["code"] is None
    assert limit("flow:Orders", "--reset-to-code") is None
    assert call("limit", TARGET, "flow:Orders").code == 3


@pytest.mark.parametrize(
    ("name", "warning"),
    [
        ("type:LogMesage", "no flow and no handler here has the step type 'logmesage'"),
        ("type:ForEach", "steps of the type 'ForEach' are carried out by the engine itself"),
        ("key:Bare", "runs of the flow 'Bare' have no keys"),
        ("flow:00000000-0000-0000-0000-000000000063", "no flow here has the id 00000000-0000-0000-0000-000000000063"),
    ],
)
def test_what_nothing_here_has_is_limited_with_a_warning(name: str, warning: str) -> None:
    answer = call("limit", TARGET, name, "--concurrency", "1", "--json")
    assert (answer.code, answer.document["limit"]) == (0, {"concurrency": 1})
    assert warning in answer.document["warning"]
    assert f"warning: {warning}" in answer.err
    assert limit(name, "--reset-to-code") is None


def test_what_is_here_is_limited_without_a_warning() -> None:
    for name in ("type:httprequest", "type:RunFlow", "flow:Bare", "key:Orders"):
        answer = call("limit", TARGET, name, "--concurrency", "1", "--json")
        assert (answer.document["warning"], answer.err) == (None, "")


def test_a_burst_that_takes_too_long_to_come_back_is_refused_for_that_reason() -> None:
    answer = call("limit", TARGET, "key:Orders", "--rate", "1/86400/100000")
    assert answer.code == 2
    assert "more than a hundred years until a burst is there again" in " ".join(answer.err.split())


def test_the_nearest_type_is_named() -> None:
    assert "Did you mean 'LogMessage'?" in call("limit", TARGET, "type:LogMesage", "--concurrency", "1").err


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (("nonsense",), 3),
        (("flow:Unknown", "--lift"), 3),
        (("type:" + "x" * 201, "--lift"), 2),
        (("key:Orders", "--rate", "often"), 2),
        (("key:Orders", "--rate", "inf/60"), 2),
        (("key:Orders", "--rate", "1.5/60"), 2),
        (("key:Orders", "--rate", "1/2/3/4"), 2),
        (("key:Orders", "--concurrency", "0"), 2),
        (("key:Orders", "--lift", "--reset-to-code"), 2),
    ],
)
def test_what_makes_no_sense_is_refused(options: tuple[str, ...], code: int) -> None:
    assert call("limit", TARGET, *options).code == code
