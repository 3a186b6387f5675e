"""User data as JSON text: the only form in which floworch stores and moves it."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Any, NamedTuple, TypeAlias

__all__ = ["Json", "Payload", "PayloadKind", "PayloadRef"]

Json: TypeAlias = Any
"""A JSON value: None, bool, int, float, Decimal, str, list or dict with str keys."""


class PayloadKind(StrEnum):
    BODY = "body"
    HEADERS = "headers"
    OUTPUT = "output"
    ERROR = "error"
    ITEMS = "items"


class PayloadRef(NamedTuple):
    """Names a payload of one run. ``step_key`` is the run-time key; ``""`` for body and headers."""

    kind: PayloadKind
    step_key: str = ""


class Payload:
    """One JSON document. ``text`` is canonical; ``value`` is decoded on first use and must not be changed."""

    __slots__ = ("_value", "text")
    _UNSET = object()

    def __init__(self, text: str, value: Json = _UNSET) -> None:
        self.text = text
        self._value = value

    @classmethod
    def of(cls, value: Any) -> Payload:
        """Encode a Python value. Raises :class:`~floworch.errors.InvalidPayload`."""
        return cls(json.dumps(value))

    @property
    def value(self) -> Json:
        if self._value is Payload._UNSET:
            self._value = json.loads(self.text)
        return self._value
