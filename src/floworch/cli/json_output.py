"""JSON for machines: one document, or one per line."""

from __future__ import annotations

import json
import re
import sys
from decimal import Decimal
from typing import Any

from floworch.core.model.json_plain import to_plain

__all__ = ["json_text", "print_json", "print_json_line"]

# Payloads cannot contain the character 0, so nothing else looks like the marks around a number.
_MARKED_NUMBER = re.compile(r'"\\u0000([^"\\]*)\\u0000"')


def print_json(value: Any) -> None:
    """Write one document to stdout, indented."""
    sys.stdout.write(json_text(value, indent=2) + "\n")
    sys.stdout.flush()


def print_json_line(value: Any) -> None:
    """Write one document to stdout, on one line, at once."""
    sys.stdout.write(json_text(value) + "\n")
    sys.stdout.flush()


def json_text(value: Any, indent: int | None = None) -> str:
    """JSON that holds payloads of any depth; numbers keep their digits. ASCII only, which every pipe can take."""
    text = json.dumps(value, default=_plain, indent=indent)
    return _MARKED_NUMBER.sub(r"\1", text)


def _plain(value: Any) -> Any:
    return f"\0{value}\0" if isinstance(value, Decimal) else to_plain(value)
