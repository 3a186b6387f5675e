"""JSON Schema of manifests, for editors."""

from __future__ import annotations

import ast
import inspect
import textwrap
from itertools import pairwise
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from floworch.core.model.manifest import FlowManifest
from floworch.core.model.payload import Json
from floworch.core.model.wire import WireModel, wire_name

__all__ = ["manifest_json_schema"]


class _Described(GenerateJsonSchema):
    """Fields with the docstrings under them, and without titles, which only repeat their names.

    Pydantic can read the docstrings by itself (``use_attribute_docstrings``), but does so when a class is made, and so
    parsed the sources of all models whenever floworch was imported.
    """

    def model_schema(self, schema: Any) -> dict[str, Any]:
        described = super().model_schema(schema)
        texts = _field_docstrings(schema["cls"])
        for name, field in schema["cls"].model_fields.items():
            if name in texts:
                wire = str(field.validation_alias or wire_name(name))
                described["properties"][wire].setdefault("description", texts[name])
        return described

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def manifest_json_schema() -> dict[str, Json]:
    """JSON Schema (draft 2020-12) of a manifest file, with the JSON names and a description of every field.

    It describes the canonical form; reading accepts a little more, such as snake_case names.
    """
    schema = FlowManifest.model_json_schema(by_alias=True, mode="validation", schema_generator=_Described)
    return {"$schema": GenerateJsonSchema.schema_dialect, "title": "floworch manifest", **_without_title(schema)}


def _without_title(schema: dict[str, Json]) -> dict[str, Json]:
    return {name: value for name, value in schema.items() if name != "title"}


def _field_docstrings(model: type[BaseModel]) -> dict[str, str]:
    ours = [each for each in reversed(model.__mro__) if issubclass(each, WireModel)]
    return {name: text for each in ours for name, text in _docstrings_in(each)}


def _docstrings_in(model: type) -> list[tuple[str, str]]:
    try:
        source = inspect.getsource(model)
    except OSError:  # packed without sources: a schema without descriptions is better than none
        return []
    (body,) = ast.parse(textwrap.dedent(source)).body
    return [
        (field.target.id, inspect.cleandoc(text.value.value))
        for field, text in pairwise(body.body if isinstance(body, ast.ClassDef) else [])
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant) and isinstance(text.value.value, str)
    ]
