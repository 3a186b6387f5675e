"""How a run ends, case by case; each one is played in several interleavings."""

from __future__ import annotations

from dataclasses import replace

import pytest

from floworch.core.model.status import RunStatus
from tests.simulation.player import Trouble, play
from tests.simulation.specs import ANY, TROUBLE, Constant, FlowSpec, Outcome, Script, StepSpec, step
from tests.simulation.strategies import Story

INTERLEAVINGS = (b"", bytes(range(0, 200, 7)), bytes(range(250, 0, -11)))


def skipped(spec: StepSpec) -> StepSpec:
    return replace(spec, guards=(Constant(False),))


@pytest.mark.parametrize(
    ("run", "steps", "failing"),
    [
        pytest.param(RunStatus.SUCCEEDED, [step("a")], "", id="one success"),
        pytest.param(RunStatus.FAILED, [step("a")], "a", id="one failure"),
        pytest.param(RunStatus.SKIPPED, [skipped(step("a")), step("b", "a")], "", id="nothing ran"),
        pytest.param(RunStatus.FAILED, [step("a"), step("b")], "a", id="success and unhandled failure"),
        pytest.param(RunStatus.SUCCEEDED, [step("a"), step("h", a=TROUBLE)], "a", id="handled failure"),
        pytest.param(RunStatus.SUCCEEDED, [step("a"), step("z", a=ANY)], "a", id="failure with a finally step"),
        pytest.param(RunStatus.FAILED, [step("a"), step("h", a=TROUBLE)], "ah", id="failing error handler"),
        pytest.param(RunStatus.FAILED, [step("a"), skipped(step("h", a=TROUBLE))], "a", id="declining error handler"),
        pytest.param(RunStatus.SUCCEEDED, [step("a"), step("h", a=TROUBLE)], "", id="unused error handler"),
        pytest.param(
            RunStatus.SUCCEEDED, [step("a"), step("h", a=TROUBLE), step("i", h=TROUBLE)], "", id="two unused handlers"
        ),
        pytest.param(
            RunStatus.SKIPPED,
            [step("a"), skipped(step("b", "a")), step("h", a=TROUBLE)],
            "",
            id="skipped beside unused",
        ),
        pytest.param(RunStatus.SKIPPED, [step("a"), skipped(step("b", "a"))], "", id="every leaf skipped"),
        pytest.param(
            RunStatus.SUCCEEDED, [step("a"), skipped(step("b", "a")), step("c", "a")], "", id="one leaf succeeded"
        ),
        pytest.param(
            RunStatus.FAILED, [step("a"), step("b", "a"), step("c", "b"), step("z", c=ANY)], "a", id="handled too late"
        ),
    ],
)
def test_run_ends_by_the_rules(run: RunStatus, steps: list[StepSpec], failing: str) -> None:
    story = Story(FlowSpec(tuple(steps)), Script({key: (Outcome("fail"),) for key in failing}))
    for interleaving in INTERLEAVINGS:
        assert play(story, interleaving, Trouble()).state.status is run
