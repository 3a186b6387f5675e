"""Pydantic's errors in floworch's words."""

from __future__ import annotations

from pydantic import ValidationError

from floworch.errors import FlowProblem

__all__ = ["location_text", "problems_of"]

_MESSAGES = {"missing": "The field is missing."}
_SHOWN_CHARS = 80


def problems_of(error: ValidationError, flow: str) -> list[FlowProblem]:
    """One problem per mistake, in pydantic's order."""
    return [
        FlowProblem(flow, location_text(line["loc"]), _message(line["type"], line["msg"], line["input"]), line["type"])
        for line in error.errors(include_url=False)
    ]


def location_text(loc: tuple[int | str, ...]) -> str:
    """``("steps", "a", 0)`` as ``steps.a[0]``."""
    text = ""
    for part in loc:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _message(kind: str, message: str, value: object) -> str:
    text = _MESSAGES.get(kind) or message.removeprefix("Value error, ")
    if kind in ("missing", "value_error") or not text.startswith("Input should"):
        return text
    shown = repr(value)
    return f"{text}, got {shown if len(shown) <= _SHOWN_CHARS else shown[:_SHOWN_CHARS] + '…'}."
