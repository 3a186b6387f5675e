"""``floworch check``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.commands import IN_MEMORY, SHARED, call

WriteModule = Callable[[str, str], Path]

MISTAKES = """
    from uuid import UUID
    from floworch import FlowDefinition, FlowManifest, FlowOrchestrator, Step

    class Wrong(FlowDefinition):
        id = UUID(int=1)
        manifest = FlowManifest(steps={
            "a": Step(type="LogMesage", run_after=["b"]),
            "b": Step(type="LogMessage", run_after=["a"]),
            "c": Step(type="LogMessage", run_after=["x"]),
            "d": Step(type="LogMessage", inputs={"message": "@triggerBdy()"}),
        })

    class AlsoWrong(FlowDefinition):
        id = UUID(int=2)
        manifest = FlowManifest(steps={})

    builder = FlowOrchestrator.builder().use_in_memory().use_asyncio_runtime().add_flow(Wrong, AlsoWrong)
    def built(): return builder.build()
    def half(): return FlowOrchestrator.builder().use_in_memory()
"""


def test_valid_flows_are_listed() -> None:
    answer = call("check", SHARED)

    assert answer.code == 0
    assert "ok Orders version 1.0, 4 steps" in answer.out


@pytest.mark.parametrize("attribute", ["builder", "built"])
def test_every_problem_of_every_flow_is_reported(write_module: WriteModule, attribute: str) -> None:
    write_module("mistakes.py", MISTAKES)

    answer = call("check", f"mistakes:{attribute}", "--json")

    assert answer.code == 1
    assert answer.document["ok"] is False
    found = {(problem["flow"], problem["location"]) for problem in answer.document["problems"]}
    assert {flow for flow, _ in found} == {"Wrong", "AlsoWrong"}
    assert {"steps.a.type", "steps.d.inputs.message"} <= {place for _, place in found}
    assert len(found) >= 5


def test_problems_are_printed_below_the_name_of_their_flow(write_module: WriteModule) -> None:
    write_module("mistakes_too.py", MISTAKES)

    answer = call("check", "mistakes_too:builder")

    lines = answer.out.splitlines()
    assert lines[0] == "Wrong"
    assert lines.index("AlsoWrong") > lines.index("Wrong")
    assert any("Did you mean 'LogMessage'?" in line for line in lines)
    assert lines[-1].endswith("problems found")


def test_bare_flows_are_checked_without_asking_for_handlers(write_module: WriteModule) -> None:
    write_module("bare.py", MISTAKES)

    answer = call("check", "bare:Wrong", "--json")

    places = {problem["location"] for problem in answer.document["problems"]}
    assert answer.code == 1
    assert "steps.a.type" not in places
    assert "steps.d.inputs.message" in places


def test_a_builder_that_lacks_a_choice_is_a_problem(write_module: WriteModule) -> None:
    write_module("half.py", MISTAKES)

    answer = call("check", "half:half")

    assert answer.code == 1
    assert "use_asyncio_runtime()" in answer.out


def test_several_targets_are_checked_together(write_module: WriteModule) -> None:
    write_module("third.py", MISTAKES)

    answer = call("check", IN_MEMORY, "third:AlsoWrong", "--json")

    assert answer.code == 1
    assert {problem["flow"] for problem in answer.document["problems"]} == {"AlsoWrong"}


def test_nothing_is_opened(empty_folder: Path) -> None:
    assert call("check", SHARED).code == 0

    assert list(empty_folder.glob("*.db*")) == []


def test_the_document_describes_the_flows() -> None:
    answer = call("check", SHARED, "--json")

    orders = answer.document["flows"][0]
    assert orders["name"] == "Orders"
    assert orders["steps"] == ["hello", "items", "sorry", "confirm"]
    assert orders["triggers"] == ["manual"]
