"""JSON Schema of manifests, for editors."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from floworch.core.model.manifest import FlowManifest
from floworch.core.model.payload import Json

__all__ = ["manifest_json_schema"]


class _WithoutTitles(GenerateJsonSchema):
    """Titles made from field names only repeat them."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def manifest_json_schema() -> dict[str, Json]:
    """JSON Schema (draft 2020-12) of a manifest file, with the JSON names and a description of every field.

    It describes the canonical form; reading accepts a little more, such as snake_case names.
    """
    schema = FlowManifest.model_json_schema(by_alias=True, mode="validation", schema_generator=_WithoutTitles)
    return {"$schema": GenerateJsonSchema.schema_dialect, "title": "floworch manifest", **_without_title(schema)}


def _without_title(schema: dict[str, Json]) -> dict[str, Json]:
    return {name: value for name, value in schema.items() if name != "title"}
