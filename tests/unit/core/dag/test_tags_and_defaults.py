"""What is wrong with the tags and the defaults of a flow."""

from __future__ import annotations

from typing import Any

import pytest

from floworch.core.dag.validate import validate_manifest
from floworch.core.model.manifest import FlowManifest, Step, StepDefaults
from floworch.core.model.tags import tag_fault

STEPS = {"a": {"type": "Work"}}


def problems(**manifest: Any) -> list[tuple[str, str]]:
    found = validate_manifest({"steps": STEPS, **manifest}, "Flow")
    return [(problem.location, problem.code) for problem in found]


@pytest.mark.parametrize(
    "value",
    ["import", 7, True, None, "@triggerBody()?.tenant", "@{trigger().key}-@{flow().name}", "@run().id", "@@home"],
)
def test_a_tag_is_a_word_or_an_expression_over_the_trigger(value: Any) -> None:
    assert problems(tags={"kind": value}) == []


@pytest.mark.parametrize(
    ("tags", "found"),
    [
        ({"kind": "@triggerBody("}, ("tags.kind", "bad_expression")),
        ({"kind": "@steps('a').output"}, ("tags.kind", "not_at_start")),
        ({"kind": "@env('HOME')"}, ("tags.kind", "not_at_start")),
        ({"kind": ["import"]}, ("tags.kind", "bad_tag")),
        ({"kind": "x" * 201}, ("tags.kind", "bad_tag")),
        ({"a=b": "c"}, ("tags.a=b", "bad_tag")),
        ({" a": "c"}, ("tags. a", "bad_tag")),
        ({"": "c"}, ("tags.", "bad_tag")),
        ({"x" * 101: "c"}, (f"tags.{'x' * 101}", "bad_tag")),
        ({f"t{number}": "x" for number in range(21)}, ("tags", "too_many_tags")),
    ],
)
def test_bad_tags_are_reported(tags: dict[str, Any], found: tuple[str, str]) -> None:
    assert problems(tags=tags) == [found]


@pytest.mark.parametrize("value", ["half \ud800", "NUL \0"])
def test_a_tag_that_no_store_can_keep_is_refused(value: str) -> None:
    assert tag_fault("kind", value) is not None


@pytest.mark.parametrize(
    ("defaults", "found"),
    [
        ({"timeoutSeconds": 0}, ("defaults.timeoutSeconds", "not_positive")),
        ({"retry": {"maxAttempts": 2, "initialSeconds": 9, "maxSeconds": 1}}, ("defaults.retry", "bad_retry")),
        ({"retries": 2}, ("defaults.retries", "unknown_field")),
    ],
)
def test_bad_defaults_are_reported(defaults: dict[str, Any], found: tuple[str, str]) -> None:
    assert problems(defaults=defaults) == [found]


def test_tags_and_defaults_come_back_from_json_and_are_left_out_where_there_are_none() -> None:
    manifest = FlowManifest(
        steps={"a": Step(type="Work")},
        tags={"kind": "import", "nothing": None},
        defaults=StepDefaults(retry={"maxAttempts": 2}, timeout=5),
    )

    document = manifest.to_dict()

    assert document["tags"] == {"kind": "import", "nothing": None}
    assert document["defaults"] == {"retry": {"maxAttempts": 2}, "timeoutSeconds": 5}
    assert FlowManifest.from_json(manifest.to_json()) == manifest
    assert FlowManifest(steps={"a": Step(type="Work")}).to_dict().keys() == {"triggers", "steps"}
