"""Functions on text. Comparison is by code point and case-sensitive."""

from __future__ import annotations

from floworch.core.expressions.arguments import require_text
from floworch.core.expressions.kinds import text_of
from floworch.core.expressions.origin import Fault
from floworch.core.model.payload import Json

__all__ = ["concat", "ends_with", "lower", "split", "starts_with", "trim", "upper"]


def concat(*values: Json) -> str:
    """The values as text, one behind the other, with the rules of ``@{...}``."""
    return "".join(map(text_of, values))


def lower(text: Json) -> str:
    """The text in lower case."""
    return require_text(text, "lower(text)").lower()


def upper(text: Json) -> str:
    """The text in upper case."""
    return require_text(text, "upper(text)").upper()


def trim(text: Json) -> str:
    """The text without white space around it."""
    return require_text(text, "trim(text)").strip()


def starts_with(text: Json, prefix: Json) -> bool:
    """Whether the text begins with the prefix."""
    usage = "startsWith(text, prefix)"
    return require_text(text, usage).startswith(require_text(prefix, usage, 1))


def ends_with(text: Json, suffix: Json) -> bool:
    """Whether the text ends with the suffix."""
    usage = "endsWith(text, suffix)"
    return require_text(text, usage).endswith(require_text(suffix, usage, 1))


def split(text: Json, separator: Json) -> list[str]:
    """The parts of the text between separators; the whole text when there is none."""
    usage = "split(text, separator)"
    mark = require_text(separator, usage, 1)
    if not mark:
        raise Fault(f"{usage} needs a separator of at least one character", 1)
    return require_text(text, usage).split(mark)
