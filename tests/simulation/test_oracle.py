"""The oracle against cases that were worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from floworch.core.model.payload import Json
from floworch.core.model.status import RunStatus
from tests.simulation.oracle import Verdict, expected, retried_keys
from tests.simulation.specs import (
    ANY,
    DONE,
    TROUBLE,
    AllOf,
    AnyOf,
    Compare,
    Constant,
    FlowSpec,
    Guard,
    LoopSpec,
    Negation,
    Outcome,
    Read,
    Script,
    Source,
    StepSpec,
    step,
)

OK, BOOM, NOTHING, LATER = Outcome("succeed"), Outcome("fail"), Outcome("skip"), Outcome("defer")
NEVER = Constant(False)
FAILS = Read("body")
"""A guard that cannot be evaluated: the body is not a boolean."""


def guarded(spec: StepSpec, *guards: Guard) -> StepSpec:
    return replace(spec, guards=guards)


def loop(spec: StepSpec, source: Source, *body: StepSpec) -> StepSpec:
    return replace(spec, loop=LoopSpec(source, body))


def judge(*steps: StepSpec, body: Json = None, **outcomes: Outcome | tuple[Outcome, ...]) -> Verdict:
    """Paths are written with ``__`` for the dot."""
    played = {
        path.replace("__", "."): (found,) if isinstance(found, Outcome) else found for path, found in outcomes.items()
    }
    return expected(FlowSpec(steps, body), Script(played))


def words(verdict: Verdict) -> dict[str, str]:
    return {key: f"{result.status} {result.why}".rstrip() for key, result in verdict.steps.items()}


@pytest.mark.parametrize(
    ("verdict", "run"),
    [
        pytest.param(judge(step("a")), RunStatus.SUCCEEDED, id="one success"),
        pytest.param(judge(step("a"), step("b"), a=BOOM, b=BOOM), RunStatus.FAILED, id="failures only"),
        pytest.param(judge(guarded(step("a"), NEVER)), RunStatus.SKIPPED, id="skipped only"),
        pytest.param(judge(step("a"), step("b"), a=BOOM), RunStatus.FAILED, id="success and unhandled failure"),
        pytest.param(
            judge(step("a"), step("h", a=TROUBLE), a=BOOM), RunStatus.SUCCEEDED, id="success and handled failure"
        ),
        pytest.param(judge(step("a"), step("b", "a"), a=BOOM), RunStatus.FAILED, id="failure beats skipped"),
        pytest.param(
            judge(step("a"), guarded(step("b", "a"), NEVER)), RunStatus.SKIPPED, id="all leaves skipped after success"
        ),
        pytest.param(
            judge(step("a"), guarded(step("b", "a"), NEVER), step("c", "a")), RunStatus.SUCCEEDED, id="mixed leaves"
        ),
        pytest.param(judge(step("a"), step("h", a=TROUBLE)), RunStatus.SUCCEEDED, id="unused error handler"),
        pytest.param(
            judge(step("a"), step("h", a=TROUBLE), step("i", h=TROUBLE)),
            RunStatus.SUCCEEDED,
            id="unused error handler of an error handler",
        ),
        pytest.param(
            judge(step("a"), guarded(step("b", "a"), NEVER), step("h", a=TROUBLE)),
            RunStatus.SKIPPED,
            id="an unused error handler does not bring its step back among the leaves",
        ),
        pytest.param(
            judge(guarded(step("a"), NEVER), step("h", a=TROUBLE)),
            RunStatus.SKIPPED,
            id="nothing to handle, nothing done",
        ),
        pytest.param(
            judge(step("a"), step("h", a=TROUBLE), a=BOOM, h=BOOM), RunStatus.FAILED, id="error handler fails itself"
        ),
        pytest.param(
            judge(step("a"), guarded(step("h", a=TROUBLE), NEVER), a=BOOM),
            RunStatus.FAILED,
            id="error handler that declines handles nothing",
        ),
        pytest.param(
            judge(step("a"), step("h", a=TROUBLE), step("b", "h"), a=BOOM, b=BOOM),
            RunStatus.FAILED,
            id="failure after a handled one",
        ),
        pytest.param(judge(step("a"), step("b", a=ANY), a=BOOM), RunStatus.SUCCEEDED, id="finally handles"),
        pytest.param(
            judge(step("a"), step("b", "a"), step("c", b=ANY), a=BOOM),
            RunStatus.FAILED,
            id="a failure is handled by direct dependents only",
        ),
        pytest.param(
            judge(
                guarded(step("a"), NEVER),
                guarded(step("b"), NEVER),
                step("c"),
                StepSpec("h", (("a", ANY - DONE), ("b", DONE), ("c", DONE))),
            ),
            RunStatus.SKIPPED,
            id="an error handler that was wanted but could not run does not stand aside",
        ),
    ],
)
def test_run_ends_by_the_termination_table(verdict: Verdict, run: RunStatus) -> None:
    assert verdict.run is run


def test_every_descendant_of_a_failure_is_skipped() -> None:
    verdict = judge(step("a"), step("b", "a"), step("c", "b"), step("d", "c"), a=BOOM)
    skipped = "Skipped prerequisites"
    assert words(verdict) == {"a": "Failed Boom", "b": skipped, "c": skipped, "d": skipped}


def test_join_needs_every_dependency_to_suit() -> None:
    verdict = judge(step("a"), step("b"), StepSpec("c", (("a", DONE), ("b", TROUBLE))))
    assert words(verdict)["c"] == "Skipped prerequisites"


@pytest.mark.parametrize(
    ("guards", "end"),
    [
        ((Constant(True), Constant(True)), "Succeeded"),
        ((Constant(True), NEVER), "Skipped when"),
        ((FAILS, NEVER), "Failed ExpressionError"),
        ((NEVER, FAILS), "Skipped when"),
    ],
)
def test_guards_are_decided_in_order(guards: tuple[Guard, ...], end: str) -> None:
    assert words(judge(StepSpec("a"), guarded(step("b", "a"), *guards)))["b"] == end


@pytest.mark.parametrize(
    ("guard", "end"),
    [
        (Compare(Read("output", "a", ("n",)), ">=", 2), "Succeeded"),
        (Compare(Read("output", "a", ("n",)), "<", 2), "Skipped when"),
        (Compare(Read("output", "a", ("n",)), "<", "x"), "Failed ExpressionError"),
        (Compare(Read("output", "a", ("missing",)), "==", None), "Succeeded"),
        (Compare(Read("output", "a", ("missing",)), "<", 1), "Failed ExpressionError"),
        (Compare(Read("output", "a", ("yes",)), "==", 1), "Failed ExpressionError"),
        (Compare(Read("output", "a"), "!=", None), "Succeeded"),
        (Compare(Read("status", "a"), "==", "Succeeded"), "Succeeded"),
        (Compare(Read("error_type", "a"), "==", None), "Succeeded"),
        (Compare(Read("body", trail=("tags", 1)), "==", "q"), "Succeeded"),
        (Read("output", "a", ("yes",)), "Succeeded"),
        (Negation(Read("output", "a", ("yes",))), "Skipped when"),
        (Read("output", "a", ("n",)), "Failed ExpressionError"),
        (AllOf(NEVER, FAILS), "Skipped when"),
        (AnyOf(Constant(True), FAILS), "Succeeded"),
        (AnyOf(NEVER, FAILS), "Failed ExpressionError"),
    ],
)
def test_guards_read_the_run_strictly_typed(guard: Guard, end: str) -> None:
    done = Outcome("succeed", {"n": 2, "yes": True})
    verdict = judge(step("a"), guarded(step("b", "a"), guard), body={"tags": ["p", "q"]}, a=done)
    assert words(verdict)["b"] == end


def test_error_type_of_a_failed_step_is_read() -> None:
    guard = Compare(Read("error_type", "a"), "==", "Boom")
    assert words(judge(step("a"), guarded(step("h", a=TROUBLE), guard), a=BOOM))["h"] == "Succeeded"


@pytest.mark.parametrize(
    ("played", "max_attempts", "end"),
    [
        ((BOOM, OK), 1, "Failed Boom"),
        ((BOOM, OK), 2, "Succeeded"),
        ((BOOM, BOOM, OK), 2, "Failed Boom"),
        ((BOOM, LATER, BOOM, OK), 3, "Succeeded"),
        ((LATER, LATER, NOTHING), 1, "Skipped handler"),
    ],
)
def test_attempts_are_played_until_the_policy_gives_up(
    played: tuple[Outcome, ...], max_attempts: int, end: str
) -> None:
    assert words(judge(replace(step("a"), max_attempts=max_attempts), a=played))["a"] == end


@pytest.mark.parametrize(
    ("source", "body", "end"),
    [
        ((), None, "Succeeded"),
        ((1, 2), None, "Succeeded"),
        (Read("body"), None, "Succeeded"),
        (Read("body"), [1], "Succeeded"),
        (Read("body"), "text", "Failed source"),
        (Read("body"), {"n": 1}, "Failed source"),
    ],
)
def test_loop_goes_over_lists_and_null_only(source: Source, body: Json, end: str) -> None:
    assert words(judge(loop(step("l"), source, step("x")), body=body))["l"] == end


def test_all_iterations_run_and_one_failure_fails_the_loop() -> None:
    verdict = judge(loop(step("l"), (1, 2, 3), step("x"), step("y", "x")), l__x=(OK, BOOM, OK))
    assert words(verdict) == {
        "l": "Failed iterations",
        "l.0.x": "Succeeded",
        "l.0.y": "Succeeded",
        "l.1.x": "Failed Boom",
        "l.1.y": "Skipped prerequisites",
        "l.2.x": "Succeeded",
        "l.2.y": "Succeeded",
    }
    assert verdict.run is RunStatus.FAILED


def test_failure_handled_inside_the_iteration_does_not_fail_the_loop() -> None:
    verdict = judge(loop(step("l"), (1,), step("x"), step("h", x=TROUBLE)), l__x=BOOM)
    assert words(verdict)["l"] == "Succeeded"


def test_loop_is_skipped_when_all_of_its_iterations_are() -> None:
    verdict = judge(loop(step("l"), (1, 2), guarded(step("x"), NEVER)), step("after", "l"))
    assert words(verdict)["l"] == "Skipped iterations"
    assert words(verdict)["after"] == "Skipped prerequisites"


def test_guards_in_loops_see_item_index_siblings_and_outer_steps() -> None:
    inner = loop(
        guarded(step("m"), Compare(Read("index"), ">=", 1)),
        Read("item"),
        guarded(step("x"), Compare(Read("item"), "==", 7), Compare(Read("index", "l"), "==", 1)),
        guarded(step("a", "x"), Compare(Read("status", "x"), "==", "Succeeded")),
        guarded(step("y", "a"), Compare(Read("output", "a"), "==", 5)),
    )
    verdict = judge(
        step("a"), loop(step("l", "a"), ([], [7, 8]), inner), a=Outcome("succeed", 1), l__m__a=Outcome("succeed", 5)
    )
    assert words(verdict) == {
        "a": "Succeeded",
        "l": "Succeeded",
        "l.0.m": "Skipped when",
        "l.1.m": "Succeeded",
        "l.1.m.0.x": "Succeeded",
        "l.1.m.0.a": "Succeeded",
        "l.1.m.0.y": "Succeeded",
        "l.1.m.1.x": "Skipped when",
        "l.1.m.1.a": "Skipped prerequisites",
        "l.1.m.1.y": "Skipped prerequisites",
    }


def test_loop_output_of_a_single_leaf_is_the_list_of_its_outputs() -> None:
    verdict = judge(
        loop(step("l"), (1, 2, 3), step("x"), step("y", "x")),
        step("h", l=ANY),
        l__y=(OK, NOTHING, Outcome("succeed", 5)),
    )
    assert verdict.steps["l"].output == [None, None, 5]


def test_loop_output_of_several_leaves_is_an_object_per_iteration() -> None:
    verdict = judge(loop(step("l"), (1, 2), step("x"), step("y")), l__x=(OK, NOTHING), l__y=Outcome("succeed", 5))
    assert verdict.steps["l"].output == [{"x": None, "y": 5}, {"x": None, "y": 5}]


def test_failed_loop_has_no_output() -> None:
    assert judge(loop(step("l"), (1, 2), step("x")), l__x=(OK, BOOM)).steps["l"].output is None


def test_retry_goes_on_where_the_script_stood_and_keeps_what_is_pinned() -> None:
    flow = FlowSpec((step("a"), step("b", "a"), step("h", a=TROUBLE)))
    script = Script({"a": (BOOM, OK)})
    before = expected(flow, script)
    again = retried_keys(flow, before.steps, "a")
    pinned = {key: result for key, result in before.steps.items() if key not in again}
    after = expected(flow, script, executions={"a": 1}, pinned=pinned)
    assert again == {"a", "b"}
    assert words(after) == {"a": "Succeeded", "b": "Succeeded", "h": "Succeeded"}


def test_retry_inside_loops_decides_the_loops_around_anew() -> None:
    inner = loop(step("m"), (1, 2), step("x"), step("y", "x"))
    flow = FlowSpec((loop(step("l"), (1, 2), inner, step("n", "m")), step("after", "l"), step("other")))
    verdict = expected(flow, Script({"l.m.x": (OK, BOOM, OK)}))
    assert verdict.run is RunStatus.FAILED
    assert words(verdict)["l.0.m.1.x"] == "Failed Boom"
    assert retried_keys(flow, verdict.steps, "l.0.m.1.x") == {
        "l.0.m.1.x",
        "l.0.m.1.y",
        "l.0.m",
        "l.0.n",
        "l",
        "after",
    }


def test_lost_execution_ends_the_step_whatever_its_script_says() -> None:
    verdict = expected(FlowSpec((step("a"),)), Script(), lost=frozenset({("a", 0)}))
    assert words(verdict) == {"a": "Failed lost"}
