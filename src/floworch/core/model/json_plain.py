"""What the values that JSON does not know are written as."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from datetime import date, time, timedelta
from enum import Enum
from pathlib import PurePath
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

__all__ = ["NotPlain", "to_plain"]


class NotPlain(Exception):
    """The value has no form made of lists, dicts, strings and numbers."""


def to_plain(value: Any) -> Any:
    """One level of a value that is not a JSON value itself: a list, dict, string or number. Raises :class:`NotPlain`.

    Decimals are not handled: their digits must be written as they are.
    """
    if isinstance(value, BaseModel):
        return value.model_dump()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, (date, time)):  # a datetime is a date
        return value.isoformat()
    if isinstance(value, (UUID, PurePath)) or _is_url(value):
        return str(value)
    if isinstance(value, timedelta):
        return to_jsonable_python(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, AbstractSet):
        return _in_order(value)
    raise NotPlain(type(value).__name__)


def _is_url(value: Any) -> bool:
    """Whoever has such a value has loaded the module. It is slow to load, so the others need not."""
    networks = sys.modules.get("pydantic.networks")
    return networks is not None and isinstance(value, networks.AnyUrl)


def _in_order(items: AbstractSet[Any]) -> list[Any]:
    """Sets of strings iterate in another order in every process; the same set must give the same text."""
    try:
        return sorted(items)
    except TypeError:
        return sorted(items, key=repr)
