"""What flows may say about limits."""

from __future__ import annotations

from typing import Any

import pytest

from floworch import FlowManifest, FlowValidationError, Limit, Rate, Step, expr
from floworch.core.dag.validate import validate_manifest

STEPS = {"a": Step(type="Work")}
TENANT = "@triggerBody()?.tenant"


def codes(**fields: Any) -> list[tuple[str, str]]:
    problems = validate_manifest(FlowManifest(steps=STEPS, **fields), "flow")
    return [(problem.location, problem.code) for problem in problems]


def test_limits_of_flows_and_keys_are_fine() -> None:
    limit = Limit(concurrency=2, rate=Rate(count=100, per_seconds=60, burst=10))
    assert codes(limit=limit, concurrency_key=TENANT, key_limit=limit) == []
    assert codes(concurrency_key="@{triggerHeaders()['region']}-@{triggerBody().tenant}", key_limit=limit) == []


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({"limit": Limit()}, ("limit", "empty_limit")),
        ({"concurrency_key": TENANT, "key_limit": Limit()}, ("keyLimit", "empty_limit")),
        ({"key_limit": Limit(concurrency=1)}, ("keyLimit", "no_concurrency_key")),
        ({"concurrency_key": "tenant"}, ("concurrencyKey", "not_an_expression")),
        ({"concurrency_key": "@triggerBody("}, ("concurrencyKey", "bad_expression")),
        ({"concurrency_key": "@steps('a').output"}, ("concurrencyKey", "not_at_start")),
    ],
)
def test_limits_that_make_no_sense_are_refused_with_their_place(fields: dict[str, Any], found: tuple[str, str]) -> None:
    assert codes(**fields) == [found]


@pytest.mark.parametrize(
    ("limit", "place"),
    [
        ({"concurrency": 0}, "limit.concurrency"),
        ({"concurrency": -3}, "limit.concurrency"),
        ({"concurrency": 1.5}, "limit.concurrency"),
        ({"rate": {"count": 0, "perSeconds": 1}}, "limit.rate.count"),
        ({"rate": {"count": 1, "perSeconds": 0}}, "limit.rate.perSeconds"),
        ({"rate": {"count": 1}}, "limit.rate.perSeconds"),
        ({"rate": {"count": 1, "perSeconds": 86_400, "burst": 100_000}}, "limit.rate.burst"),
    ],
)
def test_numbers_that_cannot_be_are_refused_with_their_place(limit: Any, place: str) -> None:
    with pytest.raises(FlowValidationError) as error:
        FlowManifest.from_json({"steps": {"a": {"type": "Work"}}, "limit": limit})

    assert [problem.location for problem in error.value.problems] == [place]


def test_limits_are_the_same_after_json_and_typed_references_become_text() -> None:
    limit = Limit(rate=Rate(count=5, per_seconds=1))
    manifest = FlowManifest(steps=STEPS, concurrency_key=expr.trigger_body().tenant, key_limit=limit)

    assert FlowManifest.from_json(manifest.to_json()) == manifest
    assert manifest.to_dict()["keyLimit"] == {"rate": {"count": 5, "perSeconds": 1, "burst": 1}}
    assert manifest.concurrency_key == "@triggerBody().tenant"
