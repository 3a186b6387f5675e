"""Lists that are short enough for one statement."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

__all__ = ["chunks"]

T = TypeVar("T")


def chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """The items in lists of at most ``size``: databases bound the parameters of a statement."""
    rest = iter(items)
    while chunk := list(islice(rest, size)):
        yield chunk
