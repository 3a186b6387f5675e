"""The body of a trigger, the payload of a signal, or the output of a step, as it is typed."""

from __future__ import annotations

import sys
from pathlib import Path

import typer

from floworch.core.model.payload import Json, Payload
from floworch.errors import InvalidPayload, PayloadTooLarge

__all__ = ["read_body"]

_FORMS = "Write JSON such as '{\"id\": 1}', @file.json, or - to read it from stdin."


def read_body(given: str | None, *, max_bytes: int, option: str = "--body") -> Json:
    """JSON text itself, ``@`` and the name of a file that holds it, or ``-`` for stdin."""
    if given is None:
        return None
    try:
        return Payload.from_text(_text(given, option), max_bytes=max_bytes).value
    except PayloadTooLarge:
        raise
    except InvalidPayload as error:
        raise typer.BadParameter(f"{error} {_FORMS}", param_hint=option) from None


def _text(given: str, option: str) -> str | bytes:
    if given == "-":
        return sys.stdin.buffer.read()
    if not given.startswith("@"):
        return given
    try:
        return Path(given[1:]).read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"{given[1:]!r} cannot be read: {error.strerror}.", param_hint=option) from None
