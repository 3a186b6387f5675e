"""JSON Schemas of payloads. The only user of jsonschema, which is imported when a flow has a schema."""

from __future__ import annotations

import json
from typing import Any

from floworch.core.model.payload import Json, Payload
from floworch.errors import ConfigurationError

__all__ = ["PayloadSchema", "schema_fault"]

_SHOWN_COMPLAINTS = 3


class PayloadSchema:
    """A schema whose form was checked by :func:`schema_fault`. Draft 2020-12 unless its ``$schema`` says otherwise."""

    def __init__(self, schema: Json) -> None:
        self.source = schema
        self._validator: Any = None

    def complaint(self, payload: Payload) -> str | None:
        """What is wrong with the payload, for people; None when it satisfies the schema."""
        if self._validator is None:
            self._validator = _validator(self.source)
        # Not payload.value: the arithmetic of jsonschema does not mix Decimal and float.
        errors = self._validator.iter_errors(json.loads(payload.text))
        complaints = [f"{error.json_path}: {error.message:.200}" for error in errors]
        if not complaints:
            return None
        more = len(complaints) - _SHOWN_COMPLAINTS
        shown = "; ".join(complaints[:_SHOWN_COMPLAINTS])
        return f"{shown}; and {more} more" if more > 0 else shown


def schema_fault(schema: Json) -> str | None:
    """Why this is no JSON Schema that can be used, or None. References must lead to parts of the schema itself."""
    if not isinstance(schema, dict | bool):
        return f"a JSON Schema is an object, or true or false, not {schema!r:.80}"
    validator = _validator(schema)
    from jsonschema.exceptions import SchemaError

    try:
        type(validator).check_schema(schema)
    except SchemaError as error:
        return f"{error.json_path}: {error.message:.200}"
    return _unknown_reference(schema)


def _validator(schema: Json) -> Any:
    try:
        from jsonschema import Draft202012Validator
        from jsonschema.validators import validator_for
        from referencing import Registry
    except ImportError as error:
        raise ConfigurationError(
            "a flow checks payloads with a JSON Schema, for which the package jsonschema is missing: "
            "pip install 'floworch[schema]'"
        ) from error
    # The empty registry keeps references from being looked up on the network.
    return validator_for(schema, default=Draft202012Validator)(schema, registry=Registry())


def _unknown_reference(schema: Json) -> str | None:
    from referencing import Registry
    from referencing.jsonschema import DRAFT202012

    root = DRAFT202012.create_resource(schema) if isinstance(schema, bool) else _resource(schema)
    resolver = Registry().with_resource("", root).resolver()
    return _unresolved(root, resolver)


def _resource(schema: Json) -> Any:
    from referencing import Resource
    from referencing.jsonschema import DRAFT202012

    return Resource.from_contents(schema, default_specification=DRAFT202012)


def _unresolved(part: Any, resolver: Any) -> str | None:
    from referencing.exceptions import Unresolvable

    here = resolver.in_subresource(part)
    reference = part.contents.get("$ref") if isinstance(part.contents, dict) else None
    if isinstance(reference, str):
        try:
            here.lookup(reference)
        except Unresolvable:
            return f"the reference {reference!r} leads to nothing in the schema"
    return next((fault for each in part.subresources() if (fault := _unresolved(each, here))), None)
