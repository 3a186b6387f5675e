"""User data as JSON text: the only form in which floworch stores and moves it."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, NamedTuple, TypeAlias

from floworch.core.model.json_decode import decode, decode_untrusted
from floworch.core.model.json_encode import encode
from floworch.errors import PayloadTooLarge

__all__ = ["Json", "Payload", "PayloadKind", "PayloadRef"]

Json: TypeAlias = Any
"""A JSON value: None, bool, int, float, Decimal, str, list or dict with str keys."""


class PayloadKind(StrEnum):
    BODY = "body"
    HEADERS = "headers"
    INPUT = "input"
    OUTPUT = "output"
    ERROR = "error"
    ITEMS = "items"
    STATE = "state"
    """``status`` and ``progress`` of a step row, for decisions about steps that the planner has put away."""
    SIGNAL = "signal"


class PayloadRef(NamedTuple):
    """Names a payload of one run. ``step_key`` is the run-time key; ``""`` for body and headers, an id for signals."""

    kind: PayloadKind
    step_key: str = ""


class Payload:
    """One JSON document. ``text`` is canonical (compact, UTF-8 safe, keys in their order); ``value`` is decoded on
    first use and must not be changed. JSON ``null`` is a payload, with the text ``null``.

    The constructor trusts its text: it is for what :meth:`of` or :meth:`from_text` made earlier.
    """

    __slots__ = ("_value", "text")
    _UNSET = object()

    def __init__(self, text: str, value: Json = _UNSET) -> None:
        self.text = text
        self._value = value

    @classmethod
    def of(cls, value: Any, *, max_bytes: int | None = None) -> Payload:
        """Encode a Python value: JSON values, pydantic models, dataclasses, mappings, tuples, sets, Decimal,
        datetime, date, time, timedelta (ISO 8601), UUID, Enum, URL and Path.

        Raises:
            InvalidPayload: a part is none of these, is nested deeper than 64 levels, or is a number or text that JSON
                and databases cannot hold; the message has the path to it.
            PayloadTooLarge: the text has more than ``max_bytes`` bytes.
        """
        text = encode(value)
        if max_bytes is not None and 4 * len(text) > max_bytes:  # no character has more than four bytes
            _check_size(text, max_bytes)
        return cls(text)

    @classmethod
    def from_text(cls, text: str | bytes, *, max_bytes: int | None = None) -> Payload:
        """Check and normalise JSON text that comes from outside, by the rules of :meth:`of`. Of duplicated keys the
        last wins.

        The size is checked before the text is parsed. Raises what :meth:`of` raises.
        """
        _check_size(text, max_bytes)
        value = decode_untrusted(text)
        payload = cls.of(value, max_bytes=max_bytes)
        payload._value = value
        return payload

    @property
    def value(self) -> Json:
        """Numbers are int, float where a float represents the text exactly, and Decimal otherwise."""
        if self._value is Payload._UNSET:
            self._value = decode(self.text)
        return self._value

    @property
    def size_bytes(self) -> int:
        """Size of the text in UTF-8."""
        return _size_bytes(self.text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Payload) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __repr__(self) -> str:
        shown = self.text if len(self.text) <= 80 else f"{self.text[:77]}..."
        return f"Payload({shown})"

    def __reduce__(self) -> tuple[type[Payload], tuple[str]]:
        return (Payload, (self.text,))


def _check_size(text: str | bytes, max_bytes: int | None) -> None:
    if max_bytes is None:
        return
    size_bytes = _size_bytes(text)
    if size_bytes > max_bytes:
        raise PayloadTooLarge(
            f"The value has {size_bytes:,} bytes as JSON; the limit is {max_bytes:,} bytes. Keep the data elsewhere "
            "and pass a reference to it, or raise the payload limit, max_payload_bytes."
        )


def _size_bytes(text: str | bytes) -> int:
    if isinstance(text, bytes) or text.isascii():
        return len(text)
    return len(text.encode("utf-8", "surrogatepass"))
