"""Rows that a statement of a handler gave back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

__all__ = ["Rows"]


class Rows(list[Any]):
    """The rows of a query, in its order, each as the database's library gives them; empty for other statements.

    ``row_count`` is the number of rows that an INSERT, UPDATE or DELETE changed, -1 where the driver does not tell.
    """

    __slots__ = ("row_count",)

    def __init__(self, rows: Iterable[Any] = (), row_count: int = -1) -> None:
        super().__init__(rows)
        self.row_count = row_count
