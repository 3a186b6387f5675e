from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from jsonschema import Draft202012Validator

from floworch.core.model.manifest import FlowManifest
from floworch.core.model.schema import manifest_json_schema
from tests.unit.core.model.test_manifest import FULL_JSON, steps

SCHEMA = manifest_json_schema()
VALIDATOR = Draft202012Validator(SCHEMA)


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"].endswith("2020-12/schema")


def test_every_field_of_every_object_is_described() -> None:
    for name, definition in SCHEMA["$defs"].items():
        properties = definition["properties"]
        inputs = properties.get("inputs", {}).get("properties", {})
        for field, schema in {**properties, **inputs}.items():
            assert field in ("type", "inputs") or "description" in schema, f"{name}.{field}"


def test_a_manifest_with_everything_fits_the_schema() -> None:
    VALIDATOR.validate(FULL_JSON)


@given(steps)
def test_any_step_that_is_written_fits_the_schema(step: Any) -> None:
    VALIDATOR.validate(FlowManifest(steps={"s": step}).to_dict())


@pytest.mark.parametrize(
    "written",
    [
        {"stps": {}},
        {"steps": {"a": {}}},
        {"steps": {"a": {"type": "X", "timeoutSeconds": 0}}},
        {"steps": {"a": {"type": "X", "runAfter": {"b": ["Running"]}}}},
        {"steps": {"a": {"type": "forEach", "forEach": []}}},
        {"steps": {"a": {"type": "ForEach", "forEach": [], "steps": {}, "concurrencyLimit": 0}}},
        {"steps": {"a": {"type": "X", "retry": {"maxAttempts": 0}}}},
        {"triggers": {"t": {"type": "Cron"}}},
        {"triggers": {"t": {"type": "Cron", "inputs": {"cron": "* * * * *"}}}},
    ],
)
def test_an_editor_marks_mistakes(written: Any) -> None:
    assert not VALIDATOR.is_valid(written)


@pytest.mark.parametrize(
    "written",
    [
        {"steps": {"a": {"type": "X", "runAfter": ["b"]}}},
        {"steps": {"a": {"type": "X", "runAfter": {"b": ["Failed"], "c": {"when": "true"}}}}},
        {"steps": {"a": {"type": "foreach", "forEach": "@triggerBody()", "steps": {"b": {"type": "X"}}}}},
    ],
)
def test_an_editor_accepts_the_short_forms(written: Any) -> None:
    VALIDATOR.validate(written)
