"""What references give, by path; missing things are null."""

from __future__ import annotations

from types import MappingProxyType

import pytest

from floworch.core.expressions import Reference, Source, compile_condition, compile_template
from floworch.core.model.payload import Json
from floworch.core.model.status import StepStatus
from floworch.errors import ExpressionError
from tests.unit.core.expressions.environment import ValuesEnvironment

RUN = ValuesEnvironment(
    body={
        "a": {"b": [10, {"c": "deep"}]},
        "order-id": 7,
        "odd key.": 1,
        "it's": 2,
        "$ref": 3,
        "größe": 4,
        "true": 5,
        "0": "zero",
        "no": None,
    },
    headers={"X-Request-Id": "r-1", "accept": "json"},
    trigger_facts={"key": "manual"},
    run_facts={"id": "run-1"},
    flow_facts=MappingProxyType({"version": "1.2"}),
    outputs={"load": {"count": 3}, "list": [1, 2], "text": "abc"},
    statuses={"load": StepStatus.SUCCEEDED},
    errors={"bad": {"type": "ValueError", "message": "broken", "traceback": None}},
    items={None: {"n": 1}, "years": 2012},
    indexes={None: 4, "years": 0},
)

READS: list[tuple[str, Json]] = [
    ("@triggerBody().a.b[0]", 10),
    ("@triggerBody()?.a?.b?[1]?.c", "deep"),
    ("@triggerBody()['a']?['b'][1].c", "deep"),
    ('@triggerBody()["a"].b[1]["c"]', "deep"),
    ("  @triggerBody().a.b[0]\n", 10),
    ("@TRIGGERBODY().a.b[0]", 10),
    ("@triggerBody() . a . b [ 0 ]", 10),
    ("@(triggerBody().a).b[0]", 10),
    ("@triggerBody().order-id", 7),
    ("@triggerBody()['odd key.']", 1),
    ("@triggerBody()['it''s']", 2),
    ("@triggerBody()['it\\'s']", 2),
    ("@triggerBody().$ref", 3),
    ("@triggerBody().größe", 4),
    ("@triggerBody().true", 5),
    ("@triggerBody()['0']", "zero"),
    ("@triggerBody()[0]", None),
    ("@triggerBody().A", None),
    ("@triggerBody().a.b[2]", None),
    ("@triggerBody().a.b['0']", None),
    ("@triggerBody().a.b.c.d.e", None),
    ("@triggerBody().no.further", None),
    ("@triggerBody().order-id.digits", None),
    ("@triggerHeaders()['x-request-ID']", "r-1"),
    ("@triggerHeaders()?.Accept", "json"),
    ("@triggerHeaders()['missing']", None),
    ("@triggerHeaders()", {"X-Request-Id": "r-1", "accept": "json"}),
    ("@trigger().key", "manual"),
    ("@run().id", "run-1"),
    ("@flow().version", "1.2"),
    ("@steps('load').output", {"count": 3}),
    ("@steps('load').output.count", 3),
    ("@steps('load')?.output?.count", 3),
    ('@Steps("list").output[1]', 2),
    ("@steps('text').output[1]", None),
    ("@steps('unknown').output.count", None),
    ("@steps('load').status", "Succeeded"),
    ("@steps('waiting').status", None),
    ("@steps('bad').error", "broken"),
    ("@steps('bad').error.message", "broken"),
    ("@steps('bad').error.type", "ValueError"),
    ("@steps('bad').error.traceback", None),
    ("@steps('load').error", None),
    ("@steps('load').error.type", None),
    ("@item().n", 1),
    ("@item('years')", 2012),
    ("@index()", 4),
    ("@index('years')", 0),
]


@pytest.mark.parametrize(("source", "value"), READS)
def test_a_reference_gives_the_value_at_its_path_or_null(source: str, value: Json) -> None:
    assert compile_template(source).resolve(RUN) == value


def test_a_status_is_plain_text() -> None:
    assert type(compile_template("@steps('load').status").resolve(RUN)) is str


def test_everything_is_null_when_the_trigger_had_no_body() -> None:
    nothing = ValuesEnvironment()

    assert compile_template(["@triggerBody()", "@triggerBody().a[0]", "@triggerHeaders()['x']"]).resolve(nothing) == [
        None,
        None,
        None,
    ]


def test_references_of_all_branches_are_known_with_their_positions() -> None:
    source = "@if(item().ok, steps('a').output, coalesce(steps('b').error, run().id))"

    assert compile_template(source).references == {
        Reference(Source.ITEM, None, source.index("item")),
        Reference(Source.STEP_OUTPUT, "a", source.index("steps('a')")),
        Reference(Source.STEP_ERROR, "b", source.index("steps('b')")),
        Reference(Source.RUN, None, source.index("run")),
    }


def test_references_of_a_container_are_those_of_its_parts() -> None:
    template = compile_template({"a": ["@{index('l')} @{flow().name}"], "b": "@triggerHeaders()['x']", "c": 1})

    assert {(reference.source, reference.name) for reference in template.references} == {
        (Source.INDEX, "l"),
        (Source.FLOW, None),
        (Source.TRIGGER_HEADERS, None),
    }


def test_a_condition_knows_the_references_that_short_circuit_may_never_reach() -> None:
    condition = compile_condition("@steps('a').status == 'Failed' || (!@trigger().flag && @steps('b').output.n > 1)")

    assert {(reference.source, reference.name) for reference in condition.references} == {
        (Source.STEP_STATUS, "a"),
        (Source.TRIGGER, None),
        (Source.STEP_OUTPUT, "b"),
    }


def test_an_environment_variable_is_read_where_the_step_runs() -> None:
    template = compile_template("Bearer @{env('TOKEN')}")
    assert template.resolve(ValuesEnvironment(variables={"TOKEN": "s3cret"})) == "Bearer s3cret"
    with pytest.raises(ExpressionError, match="the environment variable 'TOKEN' is not set where the step runs"):
        template.resolve(ValuesEnvironment())


def test_a_result_is_read_by_its_path() -> None:
    condition = compile_condition("@result().job.state == 'done'")
    assert condition.evaluate(ValuesEnvironment(polled={"job": {"state": "done"}})).result
    assert not condition.evaluate(ValuesEnvironment(polled={"job": {}})).result
